//! All that a build can say: codes with the names of their values. The command line has the words, in each language, and a
//! test holds that it has them all.

/// Every code and the values that its words show.
pub const CODES: &[(&str, &[&str])] = &[
    // Refusals.
    ("build-tag-absent", &["component", "version"]),
    ("build-tag-needless", &["component", "version"]),
    ("build-not-known", &["component", "version"]),
    ("build-overwritable", &["component", "version"]),
    ("build-other-version", &["says", "version"]),
    ("build-source-without-tag", &[]),
    ("build-not-vendored", &[]),
    ("build-no-go", &[]),
    ("build-go-too-old", &["go", "least"]),
    ("build-go-not-known", &["go"]),
    ("build-no-tool", &["tool"]),
    ("build-no-headers", &["library"]),
    ("build-no-archive", &["archive"]),
    ("build-no-space", &["where", "free", "needed"]),
    // Why a build failed.
    ("build-fault-no-output", &["file"]),
    ("build-fault-headers", &["library"]),
    ("build-fault-archive", &["library"]),
    ("build-fault-rsync", &[]),
    ("build-fault-modules", &[]),
    ("build-fault-flags", &["flag"]),
    ("build-fault-tags", &[]),
    ("build-fault-go", &[]),
    ("build-fault-memory", &[]),
    ("build-fault-space", &[]),
    // What is wrong with what was built.
    ("build-still-accounts", &[]),
    ("build-reports-other", &["says", "version"]),
    ("build-does-not-run", &["says"]),
    ("build-needs-not-told", &[]),
    ("build-not-static", &["needs"]),
    ("build-needs-glibc", &["needs", "most"]),
    ("build-lost-feature", &["feature"]),
    // What to know of what was built.
    ("build-version-not-told", &["version"]),
    ("build-escapes", &["ids"]),
    ("build-no-name-service", &[]),
    ("build-explicit-limit-fails", &[]),
    ("build-silently-without", &[]),
];
