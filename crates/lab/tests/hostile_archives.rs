//! Archives that are large on purpose: bombs, a million members of each kind, logs that can't be compressed. kernmend ends in time,
//! within its memory, with an answer or a clear error, and writes nothing.

#![expect(clippy::unwrap_used, reason = "the helpers of tests, as the tests, stop at the first surprise")]

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use lab::{kernmend, measure};
use tar::EntryType;

/// The most that kernmend may hold while it reads an archive.
const MAX_MEMORY: u64 = 256 << 20;

/// The most that a bomb of 4 GiB or a million members may take.
const MAX_TIME: Duration = Duration::from_secs(60);

const MILLION: u64 = 1_000_000;
const GIB: u64 = 1 << 30;

type Builder<'a> = tar::Builder<Box<dyn Write + 'a>>;

/// How the archive is packed.
#[derive(Debug, Clone, Copy)]
enum Packing {
    Gzip,
    Xz,
    Zstd,
}

/// Writes an archive that tells its kernel, and then what `fill` adds.
fn write(path: &Path, packing: Packing, fill: impl FnOnce(&mut Builder<'_>)) {
    let file = BufWriter::new(File::create(path).unwrap());
    let packed: Box<dyn Write + '_> = match packing {
        Packing::Gzip => Box::new(flate2::write::GzEncoder::new(file, flate2::Compression::best())),
        Packing::Xz => Box::new(liblzma::write::XzEncoder::new(file, 0)),
        Packing::Zstd => Box::new(zstd::stream::write::Encoder::new(file, 1).unwrap().auto_finish()),
    };
    let mut builder = tar::Builder::new(packed);
    put(&mut builder, "proc/sys/kernel/osrelease", EntryType::Regular, "", b"3.10.0-693.el7.x86_64\n");
    fill(&mut builder);
    builder.into_inner().unwrap().flush().unwrap();
}

fn put(builder: &mut Builder<'_>, name: &str, kind: EntryType, target: &str, content: &[u8]) {
    put_from(builder, name, kind, target, content.len() as u64, content);
}

fn put_from(
    builder: &mut Builder<'_>,
    name: &str,
    kind: EntryType,
    target: &str,
    size: u64,
    content: impl Read,
) {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o644);
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
    header.set_cksum();
    builder.append(&header, content).unwrap();
}

/// How it ends.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// With a report that names the kernel.
    Report,
    /// With an error that names its cause.
    Error(&'static str),
}

/// Judges the archive, in an empty folder that stays empty.
fn check(archive: &Path, expected: &End) {
    let folder = tempfile::tempdir().unwrap();
    let program = kernmend::path();
    let mut command = Command::new("timeout");
    command
        .args(["--signal=KILL", &(2 * MAX_TIME.as_secs()).to_string()])
        .arg(program)
        .args(["check", "--archive"])
        .arg(archive)
        .current_dir(folder.path())
        .env("LANG", "C.UTF-8")
        .env_remove("LC_ALL");
    for variable in ["HOME", "TMPDIR", "XDG_CACHE_HOME"] {
        command.env(variable, folder.path());
    }
    let (output, usage) = measure::run(&command).unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!(
        "{}: {:.1} s, {} MiB, exit code {:?}",
        archive.file_name().unwrap().display(),
        usage.wall.as_secs_f64(),
        usage.peak >> 20,
        output.status.code()
    );
    match expected {
        End::Report => {
            assert!(matches!(output.status.code(), Some(0..=2)), "{:?}: {stderr}", output.status);
            assert!(stdout.contains("3.10.0-693.el7.x86_64"), "{stdout}{stderr}");
        }
        End::Error(cause) => {
            assert_eq!(output.status.code(), Some(3), "{stdout}{stderr}");
            assert!(stderr.contains(cause), "{stderr}");
        }
    }
    assert!(!stderr.contains("panicked"), "{stderr}");
    assert!(usage.peak <= MAX_MEMORY, "it held {} MiB", usage.peak >> 20);
    assert!(usage.wall <= MAX_TIME, "it took {} s", usage.wall.as_secs());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "something was written");
}

fn made(name: &str, packing: Packing, expected: &End, fill: impl FnOnce(&mut Builder<'_>)) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    write(&path, packing, fill);
    check(&path, expected);
}

#[test]
fn bombs_of_zeros_end_in_time() {
    for (packing, member) in [
        (Packing::Gzip, "var/tmp/zeros"),
        (Packing::Zstd, "proc/meminfo"),
        // The dearest to unpack, and a log besides.
        (Packing::Xz, "var/log/messages"),
    ] {
        let name = format!("bomb in {member} with {packing:?}").replace('/', "-");
        made(&name, packing, &End::Report, |tar| {
            put_from(tar, member, EntryType::Regular, "", 4 * GIB, io::repeat(0).take(4 * GIB));
        });
    }
}

#[test]
fn a_bomb_that_never_ends_is_refused() {
    const SIZE: u64 = 12 * GIB;
    let cause = End::Error("it unpacks to more than any archive of a machine");
    made("endless", Packing::Zstd, &cause, |tar| {
        put_from(tar, "var/tmp/zeros", EntryType::Regular, "", SIZE, io::repeat(0).take(SIZE));
    });
}

#[test]
fn bombs_inside_an_archive_share_one_bound() {
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    io::copy(&mut io::repeat(0).take(GIB + 1), &mut bomb).unwrap();
    let bomb = bomb.finish().unwrap();
    made("compressed logs", Packing::Zstd, &End::Report, |tar| {
        for number in 0..500 {
            put(tar, &format!("var/log/messages.{number}.gz"), EntryType::Regular, "", &bomb);
        }
    });
}

#[test]
fn a_million_members_of_any_kind_are_held_or_refused() {
    let too_many = "it holds more members than any archive of a machine";
    type Member = fn(u64) -> (String, EntryType, String, &'static [u8]);
    let kinds: [(&str, End, Member); 9] = [
        ("files", End::Report, |n| (format!("usr/bin/{n}"), EntryType::Regular, String::new(), b"x")),
        ("small files that are kept", End::Report, |n| {
            (format!("proc/sys/net/{n}"), EntryType::Regular, String::new(), b"1\n")
        }),
        ("files that nobody asks for", End::Report, |n| {
            (format!("var/lib/docker/overlay2/x/{n}"), EntryType::Regular, String::new(), b"x")
        }),
        ("logs", End::Report, |n| {
            (format!("var/log/messages.{n}"), EntryType::Regular, String::new(), b"line\n")
        }),
        ("folders", End::Report, |n| {
            (format!("sys/fs/cgroup/memory/{n}/"), EntryType::Directory, String::new(), b"")
        }),
        ("one name", End::Report, |_| {
            ("etc/hostname".to_owned(), EntryType::Regular, String::new(), b"node\n")
        }),
        ("hard links", End::Report, |n| {
            (format!("usr/bin/{n}"), EntryType::Link, "proc/sys/kernel/osrelease".to_owned(), b"")
        }),
        ("links", End::Error(too_many), |n| {
            (format!("usr/bin/{n}"), EntryType::Symlink, format!("../lib/{n}"), b"")
        }),
        ("long names", End::Error(too_many), |n| {
            (format!("usr/bin/{}{n:08}", "x".repeat(80)), EntryType::Regular, String::new(), b"x")
        }),
    ];
    for (name, end, member) in kinds {
        made(name, Packing::Zstd, &end, |tar| {
            for number in 0..MILLION {
                let (name, kind, target, content) = member(number);
                put(tar, &name, kind, &target, content);
            }
        });
    }
}

/// Numbers that look random, by Marsaglia's xorshift.
struct Noise(u64);

impl Read for Noise {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        for part in buffer.chunks_mut(8) {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            part.copy_from_slice(&self.0.to_le_bytes()[..part.len()]);
        }
        Ok(buffer.len())
    }
}

#[test]
fn logs_that_can_t_be_compressed_are_held_in_part() {
    const SIZE: u64 = 256 << 20;
    made("noise", Packing::Zstd, &End::Report, |tar| {
        for number in 0..4 {
            let noise = Noise(number + 1).take(SIZE);
            put_from(tar, &format!("var/log/messages.{number}"), EntryType::Regular, "", SIZE, noise);
        }
    });
}
