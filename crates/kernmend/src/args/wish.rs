//! What a person wants of a plan, out of the arguments: the way by its word, what he takes upon himself, his patience.

use std::path::PathBuf;

use clap::ArgMatches;
use kernmend_core::document::plan::Remedy;
use kernmend_core::plan::{Patience, Wish};

/// What a person wants of a plan.
pub(super) fn wish(given: &ArgMatches) -> Wish {
    let seconds = |name: &str| *given.get_one::<u64>(name).expect("it has a default");
    Wish {
        advisory: given.get_one::<String>("fault").cloned(),
        remedy: given.get_one::<Remedy>("remedy").cloned(),
        // The files are looked at before they are anything to plan with.
        with: Vec::new(),
        with_pods: given.get_flag("with-pods"),
        control_plane: given.get_flag("control-plane"),
        force: given.get_flag("force"),
        patience: Patience {
            health: seconds("health-deadline"),
            dead_man: seconds("dead-man"),
            lockup: seconds("lockup"),
            hung_task: seconds("hung-task"),
            ..Patience::default()
        },
    }
}

/// A program and the file that takes its place, out of `NAME=FILE`.
pub(super) fn replacement(word: &str) -> Option<(String, PathBuf)> {
    let (name, file) = word.split_once('=')?;
    let is_name = !name.is_empty() && !name.contains('/');
    (is_name && !file.is_empty()).then(|| (name.to_owned(), PathBuf::from(file)))
}

/// The ways that kernmend takes, by the words of the command line.
pub(super) fn remedy(word: &str) -> Option<Remedy> {
    const HIERARCHY: [&str; 2] = ["systemd.unified_cgroup_hierarchy=0", "systemd.unified_cgroup_hierarchy=1"];
    let parameter = |set: &str, remove: &[&str]| Remedy::BootParameter {
        set: vec![set.to_owned()],
        remove: remove.iter().map(ToString::to_string).collect(),
    };
    match word {
        "nokmem" => Some(parameter("cgroup.memory=nokmem", &[])),
        "cgroup-v1" => Some(parameter(HIERARCHY[0], &[HIERARCHY[1]])),
        "newer-runtime" => Some(Remedy::NewerRuntime),
        "rebuilt-runtime" => Some(Remedy::RebuiltRuntime),
        "cgroup-v2" => Some(parameter(HIERARCHY[1], &[HIERARCHY[0]])),
        _ => word
            .strip_prefix("kernel=")
            .filter(|release| !release.is_empty())
            .map(|release| Remedy::InstalledKernel { release: release.to_owned() }),
    }
}
