#!/usr/bin/perl
# The lab's hand in a guest: runs, one after another, the commands that the host names over a virtio port. The other end
# and the form of the messages are in guest.rs. It needs no more of perl than every Debian has.
use strict;
use warnings;
use Fcntl;

# What commands read and write lies in memory, so that the lab leaves no trace on the disk under test.
$ENV{TMPDIR} = '/dev/shm';

sysopen(my $port, '/dev/virtio-ports/kernmend.lab', O_RDWR) or die "open the port: $!";

sub take {
    my ($bytes) = @_;
    my $taken = '';
    while (length($taken) < $bytes) {
        my $read = sysread($port, $taken, $bytes - length($taken), length($taken));
        die "read the port: $!" unless defined $read;
        exit 0 if $read == 0;
    }
    return $taken;
}

sub give {
    my ($data) = @_;
    my $at = 0;
    while ($at < length($data)) {
        my $written = syswrite($port, $data, length($data) - $at, $at);
        die "write the port: $!" unless defined $written;
        $at += $written;
    }
}

sub slurp {
    my ($file) = @_;
    seek($file, 0, 0);
    local $/;
    my $text = <$file>;
    return defined $text ? $text : '';
}

open(my $boot, '<', '/proc/sys/kernel/random/boot_id') or die "open the boot's id: $!";
my $id = <$boot>;
chomp $id;
give("\0kernmend boot $id");

while (1) {
    my ($number, $words, $bytes) = unpack('N3', take(12));
    my @command = split(/\0/, take($words), -1);
    my ($in, $out, $err) = map { open(my $file, '+>', undef) or die "make a file: $!"; $file } 1 .. 3;
    print $in take($bytes);
    seek($in, 0, 0);
    my $child = fork();
    die "fork: $!" unless defined $child;
    if ($child == 0) {
        delete $ENV{TMPDIR};
        open(STDIN, '<&', $in) and open(STDOUT, '>&', $out) and open(STDERR, '>&', $err) or exit 126;
        no warnings 'exec';
        exec { $command[0] } @command or print STDERR "$command[0]: $!\n";
        exit 127;
    }
    waitpid($child, 0);
    my $status = $?;
    my ($said, $complained) = (slurp($out), slurp($err));
    give(pack('N4', $number, $status, length($said), length($complained)) . $said . $complained);
}
