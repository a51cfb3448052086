//! Why a build failed, from what it printed: the first lines that tell of an error, and the fault where it is a known one, which
//! often ends in other words than its own. It looks at text and at nothing else.

use crate::document::plan::Remark;

/// Lines of the cause that are shown.
const SHOWN: usize = 5;

/// Words that are in one line, the code of the fault, and a value that its words show.
type Known = (&'static [&'static str], &'static str, Option<(&'static str, &'static str)>);

/// Known faults by words of what they print, all of which must be in a line of it. The first that fits is the fault: those further down
/// follow from those above.
const KNOWN: [Known; 15] = [
    (&["No space left on device"], "build-fault-space", None),
    (&["signal: killed"], "build-fault-memory", None),
    (&["cannot allocate memory"], "build-fault-memory", None),
    (&["rsync", "o such file or directory"], "build-fault-rsync", None),
    (&["rsync: command not found"], "build-fault-rsync", None),
    // An earlier build without rsync left an empty generator.
    (&["deepcopy-gen: Permission denied"], "build-fault-rsync", None),
    (&["cannot find -lseccomp"], "build-fault-archive", Some(("library", "libseccomp"))),
    (&["cannot find -lc"], "build-fault-archive", Some(("library", "libc"))),
    (&["pkg-config", "libseccomp"], "build-fault-headers", Some(("library", "libseccomp"))),
    (&["seccomp.h: No such file"], "build-fault-headers", Some(("library", "libseccomp"))),
    (&["parsing $GOFLAGS: unknown flag"], "build-fault-flags", Some(("flag", "GOFLAGS"))),
    (&["space-separated list contains comma"], "build-fault-tags", None),
    (&["Please install go"], "build-fault-go", None),
    (&["module lookup disabled by GOPROXY=off"], "build-fault-modules", None),
    (&["cannot find main module"], "build-fault-modules", None),
];

/// Words of a line that tells of an error, in what compilers, linkers, make and Go print.
const TELLING: [&str; 14] = [
    "error:",
    "Error:",
    "undefined:",
    "undefined reference",
    "cannot find",
    "fatal",
    "ld returned",
    "Permission denied",
    "o such file or directory",
    "unknown flag",
    "disabled by GOPROXY",
    "requires go",
    "exit status",
    "*** ",
];

/// The known fault.
#[must_use]
pub fn name(log: &str) -> Option<Remark> {
    KNOWN.iter().find_map(|(words, code, value)| {
        let fits = log.lines().any(|line| words.iter().all(|word| line.contains(word)));
        fits.then(|| match value {
            Some((name, value)) => Remark::new(code, [(name, (*value).to_owned())]),
            None => Remark::new(code, []),
        })
    })
}

/// The first lines that tell of an error; where none does, the last ones.
#[must_use]
pub fn cause(log: &str) -> Vec<String> {
    let lines = || log.lines().filter(|line| !line.trim().is_empty());
    // What the compiler only warns of isn't it, though words like these can be in it.
    let telling = lines().filter(|line| {
        TELLING.iter().any(|word| line.contains(word))
            && !line.contains("warning:")
            && !line.contains("note:")
    });
    let mut found: Vec<String> = telling.take(SHOWN).map(str::to_owned).collect();
    if found.is_empty() {
        let all: Vec<&str> = lines().collect();
        found = all[all.len().saturating_sub(SHOWN)..].iter().map(ToString::to_string).collect();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(log: &str) -> Option<String> {
        name(log).map(|remark| remark.code)
    }

    #[test]
    fn a_known_fault_is_named_by_what_it_prints() {
        for (log, expected) in [
            ("# pkg-config --cflags  -- libseccomp\npkg-config: exit status 1", "build-fault-headers"),
            ("/usr/bin/ld: cannot find -lseccomp: No such file or directory", "build-fault-archive"),
            (
                "find: 'rsync': No such file or directory\n/tmp/_output/bin/deepcopy-gen: Permission denied",
                "build-fault-rsync",
            ),
            ("/bin/bash: line 1: _output/bin/deepcopy-gen: Permission denied", "build-fault-rsync"),
            ("go: parsing $GOFLAGS: unknown flag -buildvcs", "build-fault-flags"),
            ("build flag -tags: space-separated list contains comma", "build-fault-tags"),
            ("go: cannot find main module, but found vendor.conf in /src", "build-fault-modules"),
            ("link: signal: killed", "build-fault-memory"),
        ] {
            assert_eq!(fault(log).as_deref(), Some(expected), "{log}");
        }
        assert_eq!(fault("ok"), None);
    }

    #[test]
    fn the_cause_is_what_came_first() {
        let log = "building\nnsexec.c:1: warning: cannot find this bad\nx.go:1:2: undefined: y\nmake: *** [Makefile:1: runc] Error 2\n";
        assert_eq!(cause(log), ["x.go:1:2: undefined: y", "make: *** [Makefile:1: runc] Error 2"]);
        assert_eq!(cause("a\n\nb\n"), ["a", "b"]);
        assert_eq!(cause(""), [""; 0]);
    }
}
