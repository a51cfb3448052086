//! Following real files, pipes and links through everything that rotation does to them.

use std::fs::{self, OpenOptions};
use std::io::{PipeReader, PipeWriter, Write as _, pipe};
use std::path::PathBuf;

use kernmend_core::knowledge::KnowledgeBase;

use super::*;

fn signals() -> &'static SignalSet {
    static SIGNALS: std::sync::LazyLock<SignalSet> =
        std::sync::LazyLock::new(|| KnowledgeBase::embedded().signals);
    &SIGNALS
}

fn line(device: &str) -> String {
    format!("unregister_netdevice: waiting for {device} to become free. Usage count = 1\n")
}

/// A directory with logs in it, and pipes for what ends the following.
struct Place {
    dir: tempfile::TempDir,
    stop: (PipeReader, PipeWriter),
    listener: (PipeReader, PipeWriter),
}

impl Place {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), stop: pipe().unwrap(), listener: pipe().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn append(&self, name: &str, text: &str) {
        let mut file = OpenOptions::new().create(true).append(true).open(self.path(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn follow(&self, names: &[&str]) -> Result<Follower<'static>, FollowLogError> {
        let paths: Vec<PathBuf> = names.iter().map(|name| self.path(name)).collect();
        Follower::open(&paths, || unreachable!("no path is `-`"), signals())
    }

    fn turn(&self, follower: &mut Follower<'_>) -> Result<Turn, FollowLogError> {
        let ends = Ends { stop: self.stop.0.as_fd(), listener: self.listener.1.as_fd() };
        follower.turn(Some(Duration::ZERO), ends)
    }

    /// Reads all there is.
    fn read(&self, follower: &mut Follower<'_>) {
        for _ in 0..8 {
            assert_eq!(self.turn(follower).unwrap(), Turn::GoOn);
        }
    }
}

/// The devices in each log, with the number of lines.
fn devices(follower: Follower<'_>) -> Vec<Vec<(String, u64)>> {
    let device = |hit: kernmend_core::document::snapshot::Hit| (hit.fields["device"].clone(), hit.count);
    let (_, scans) = follower.finish();
    scans.into_iter().map(|(_, scan)| scan.hits.into_iter().map(device).collect()).collect()
}

fn check(follower: Follower<'_>, expected: &[&[(&str, u64)]]) {
    let expected: Vec<Vec<(String, u64)>> = expected
        .iter()
        .map(|log| log.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect())
        .collect();
    assert_eq!(devices(follower), expected);
}

/// Whether the kernel has told that something changed.
fn is_told(follower: &Follower<'_>) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(follower.watches.as_fd().unwrap(), PollFlags::IN)];
    poll(&mut fds, Some(&Timespec::try_from(Duration::ZERO).unwrap())).unwrap() > 0
}

#[test]
fn what_is_there_and_what_comes_is_read_and_the_kernel_tells() {
    let place = Place::new();
    place.append("a", &line("lo"));
    place.append("b", "");
    let mut follower = place.follow(&["a", "b"]).unwrap();
    place.read(&mut follower);
    assert_eq!(follower.watches.look_again(), Duration::from_secs(10), "everything is watched");
    assert!(!is_told(&follower));
    let (first, second) = (line("eth0"), line("eth1"));
    let (half, rest) = first.split_at(20);
    place.append("a", half);
    assert!(is_told(&follower));
    place.read(&mut follower);
    place.append("b", &second);
    place.append("a", rest);
    place.read(&mut follower);
    check(follower, &[&[("lo", 1), ("eth0", 1)], &[("eth1", 1)]]);
}

#[test]
fn a_file_that_is_renamed_is_read_until_the_new_one_is_used() {
    let place = Place::new();
    place.append("log", &line("one"));
    let mut follower = place.follow(&["log"]).unwrap();
    place.read(&mut follower);
    fs::rename(place.path("log"), place.path("log.1")).unwrap();
    place.append("log.1", &line("two"));
    place.read(&mut follower);
    place.append("log", "");
    assert!(is_told(&follower));
    place.read(&mut follower);
    // The program that writes has not been told yet.
    place.append("log.1", &line("three"));
    place.read(&mut follower);
    place.append("log.1", &line("four"));
    place.append("log", &line("five"));
    place.read(&mut follower);
    place.append("log", &line("six"));
    assert!(is_told(&follower));
    place.read(&mut follower);
    check(follower, &[&[("one", 1), ("two", 1), ("three", 1), ("four", 1), ("five", 1), ("six", 1)]]);
}

#[test]
fn a_file_that_is_truncated_or_removed_begins_anew() {
    let place = Place::new();
    place.append("log", &line("one").repeat(3));
    let mut follower = place.follow(&["log"]).unwrap();
    place.read(&mut follower);
    fs::write(place.path("log"), line("two")).unwrap();
    place.read(&mut follower);
    fs::remove_file(place.path("log")).unwrap();
    place.read(&mut follower);
    place.append("log", &line("three"));
    place.read(&mut follower);
    // Twice while nobody looks: the first is gone before it could be opened.
    for name in ["four", "five"] {
        fs::remove_file(place.path("log")).unwrap();
        place.append("log", &line(name));
    }
    place.read(&mut follower);
    check(follower, &[&[("one", 3), ("two", 1), ("three", 1), ("five", 1)]]);
}

#[test]
fn the_file_behind_links_is_followed() {
    let place = Place::new();
    fs::create_dir_all(place.path("pods/old")).unwrap();
    fs::create_dir_all(place.path("pods/new")).unwrap();
    fs::create_dir(place.path("containers")).unwrap();
    place.append("pods/old/0.log", &line("one"));
    std::os::unix::fs::symlink("../pods/old/0.log", place.path("containers/c.log")).unwrap();
    let mut follower = place.follow(&["containers/c.log"]).unwrap();
    place.read(&mut follower);
    fs::rename(place.path("pods/old/0.log"), place.path("pods/old/0.log.1")).unwrap();
    place.append("pods/old/0.log", &line("two"));
    assert!(is_told(&follower));
    place.read(&mut follower);
    place.append("pods/new/0.log", &line("three"));
    std::os::unix::fs::symlink("../pods/new/0.log", place.path("containers/next")).unwrap();
    fs::rename(place.path("containers/next"), place.path("containers/c.log")).unwrap();
    assert!(is_told(&follower));
    place.read(&mut follower);
    place.append("pods/new/0.log", &line("four"));
    assert!(is_told(&follower));
    place.read(&mut follower);
    check(follower, &[&[("one", 1), ("two", 1), ("three", 1), ("four", 1)]]);
}

#[test]
fn a_file_that_comes_later_is_waited_for() {
    let place = Place::new();
    let mut follower = place.follow(&["log"]).unwrap();
    assert_eq!(follower.missing().count(), 1);
    place.read(&mut follower);
    place.append("log", &line("one"));
    assert!(is_told(&follower));
    place.read(&mut follower);
    assert_eq!(follower.missing().count(), 0);
    check(follower, &[&[("one", 1)]]);
    assert!(matches!(place.follow(&["none/log"]), Err(FollowLogError::Read { .. })));
    assert!(matches!(place.follow(&["."]), Err(FollowLogError::Read { .. })));
}

#[test]
fn what_has_no_lines_is_refused() {
    for head in
        [&b"\x1f\x8b\x08\0\0\0\0\0"[..], b"\xff\xfea\0", b"\xfe\xff\0a", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0"]
    {
        let place = Place::new();
        fs::write(place.path("log"), head).unwrap();
        let mut follower = place.follow(&["log"]).unwrap();
        assert!(matches!(place.turn(&mut follower), Err(FollowLogError::Encoded { .. })), "{head:?}");
        let (reader, mut writer) = pipe().unwrap();
        writer.write_all(head).unwrap();
        let mut follower = Follower::open(&["-"], || reader.as_fd().try_clone_to_owned(), signals()).unwrap();
        assert!(matches!(place.turn(&mut follower), Err(FollowLogError::Encoded { .. })), "{head:?}");
    }
}

#[test]
fn pipes_are_followed_to_their_end() {
    let place = Place::new();
    let (reader, mut writer) = pipe().unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, place.path("fifo"), Mode::RUSR | Mode::WUSR).unwrap();
    let paths = [PathBuf::from("-"), place.path("fifo")];
    let mut follower = Follower::open(&paths, || reader.as_fd().try_clone_to_owned(), signals()).unwrap();
    drop(reader);
    // Nobody writes to the FIFO yet.
    place.read(&mut follower);
    writer.write_all(line("one").as_bytes()).unwrap();
    place.read(&mut follower);
    let mut fifo = OpenOptions::new().write(true).open(place.path("fifo")).unwrap();
    fifo.write_all(line("two").as_bytes()).unwrap();
    place.read(&mut follower);
    // The last line isn't ended.
    writer.write_all(line("three").trim_end().as_bytes()).unwrap();
    drop(writer);
    place.read(&mut follower);
    drop(fifo);
    assert_eq!(place.turn(&mut follower).unwrap(), Turn::End);
    check(follower, &[&[("one", 1), ("three", 1)], &[("two", 1)]]);
}

#[test]
fn it_ends_when_it_is_told_to_or_when_nobody_listens() {
    let mut place = Place::new();
    place.append("log", "");
    let mut follower = place.follow(&["log"]).unwrap();
    place.read(&mut follower);
    place.stop.1.write_all(b"x").unwrap();
    assert_eq!(place.turn(&mut follower).unwrap(), Turn::End);
    let Place { dir: _dir, stop: _, listener: (reader, writer) } = place;
    let (stop, _kept) = pipe().unwrap();
    drop(reader);
    let ends = Ends { stop: stop.as_fd(), listener: writer.as_fd() };
    assert_eq!(follower.turn(None, ends).unwrap(), Turn::End);
}

#[test]
fn all_lines_of_a_flood_are_counted_and_told_in_few_words() {
    let place = Place::new();
    let (reader, mut writer) = pipe().unwrap();
    let mut follower = Follower::open(&["-"], || reader.as_fd().try_clone_to_owned(), signals()).unwrap();
    drop(reader);
    let flood = std::thread::spawn(move || {
        for _ in 0..30 {
            writer.write_all(line("lo").repeat(1000).as_bytes()).unwrap();
        }
    });
    let mut told = 0;
    let ends = Ends { stop: place.stop.0.as_fd(), listener: place.listener.1.as_fd() };
    while follower.turn(None, ends).unwrap() == Turn::GoOn {
        // The whole flood is in one second.
        told += follower.news(0).0.len();
    }
    flood.join().unwrap();
    let (rest, scans) = follower.finish();
    assert_eq!((told, rest.len()), (1, 1));
    assert_eq!((rest[0].lines, scans[0].1.lines, scans[0].1.hits[0].count), (30_000, 30_000, 30_000));
}
