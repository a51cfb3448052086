//! Tens of thousands of real, empty control groups, in the layout of a node that has run many pods. They are made where
//! they cost the machine nothing that others need: in the version 1 `pids` hierarchy, or in version 2 below a group
//! that hands no controller on. Neither takes memory cgroup ids.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::LabError;

/// Begins the name of a farm's top directory; the process id that made it follows.
const PREFIX: &str = "kernmend-lab-";

/// Containers in each pod, the pause container among them.
const CONTAINERS: u64 = 3;

/// Control groups that are removed when this is dropped.
#[derive(Debug)]
pub struct CgroupFarm {
    top: PathBuf,
}

impl CgroupFarm {
    /// Makes `count` control groups, the top one included.
    pub fn plant(count: u64) -> Result<Self, LabError> {
        let mounts = fs::read_to_string("/proc/self/mountinfo")
            .map_err(LabError::file("reading", "/proc/self/mountinfo"))?;
        let hierarchy = hierarchy(&mounts).ok_or(LabError::Missing {
            missing: "neither the version 1 `pids` hierarchy mounted nor version 2",
            mend: "mount one of them",
        })?;
        remove_orphans(&hierarchy)?;
        let farm = Self { top: hierarchy.join(format!("{PREFIX}{}", std::process::id())) };
        for directory in layout(count) {
            let path = farm.top.join(directory);
            fs::create_dir(&path).map_err(LabError::file("making the control group", path))?;
        }
        Ok(farm)
    }

    /// The top control group's directory.
    #[must_use]
    pub fn top(&self) -> &Path {
        &self.top
    }
}

impl Drop for CgroupFarm {
    fn drop(&mut self) {
        if let Err(error) = uproot(&self.top) {
            // A panic here would hide the one that is on its way; what is left is removed by the next farm.
            eprintln!("removing the control groups in `{}`: {error}", self.top.display());
        }
    }
}

/// The paths of `count` groups below the top one, each after its parent; the first is the top itself.
fn layout(count: u64) -> impl Iterator<Item = String> {
    let fixed = ["", "kubepods", "kubepods/besteffort", "kubepods/burstable"].map(str::to_owned);
    let pods = (0u64..).flat_map(|pod| {
        // Two of three pods have requests without limits.
        let class = if pod % 3 == 0 { "besteffort" } else { "burstable" };
        let path = format!("kubepods/{class}/pod{pod:08x}-4b1d-11e9-9a0e-{:012x}", pod * 7919);
        let containers = (1..=CONTAINERS).map({
            let path = path.clone();
            move |container| format!("{path}/{:064x}", pod * (CONTAINERS + 1) + container)
        });
        std::iter::once(path).chain(containers)
    });
    fixed.into_iter().chain(pods).take(usize::try_from(count).unwrap_or(usize::MAX))
}

/// The directory of a hierarchy to make groups in, from the text of `/proc/self/mountinfo`.
fn hierarchy(mounts: &str) -> Option<PathBuf> {
    let of = |wanted: &dyn Fn(&str, &str) -> bool| {
        mounts.lines().find_map(|line| {
            let (mount, file_system) = line.split_once(" - ")?;
            let (kind, rest) = file_system.split_once(' ')?;
            let options = rest.rsplit(' ').next()?;
            wanted(kind, options).then(|| mount.split(' ').nth(4).map(PathBuf::from))?
        })
    };
    of(&|kind, options| kind == "cgroup" && options.split(',').any(|option| option == "pids"))
        .or_else(|| of(&|kind, _| kind == "cgroup2"))
}

/// Removes the farms of processes that were killed.
fn remove_orphans(hierarchy: &Path) -> Result<(), LabError> {
    let failed = || LabError::file("removing an old farm in", hierarchy);
    for entry in fs::read_dir(hierarchy).map_err(failed())? {
        let entry = entry.map_err(failed())?;
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
            uproot(&entry.path()).map_err(failed())?;
        }
    }
    Ok(())
}

/// Removes a control group and all below it. Their files go by themselves.
fn uproot(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            uproot(&entry.path())?;
        }
    }
    fs::remove_dir(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_has_that_many_groups_and_each_parent_comes_first() {
        let mut seen = std::collections::BTreeSet::new();
        for path in layout(1000) {
            if let Some((parent, _)) = path.rsplit_once('/') {
                assert!(seen.contains(parent), "{path}");
            }
            assert!(seen.insert(path));
        }
        assert_eq!(seen.len(), 1000);
    }

    #[test]
    fn pids_is_preferred_and_version_2_will_do() {
        let v1 = "39 31 0:35 / /sys/fs/cgroup/pids rw,relatime - cgroup pids rw,pids\n";
        let v2 = "41 31 0:38 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n";
        let memory = "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
        for (mounts, expected) in [
            (format!("{v2}{memory}{v1}"), Some("/sys/fs/cgroup/pids")),
            (format!("{memory}{v2}"), Some("/sys/fs/cgroup")),
            (memory.to_owned(), None),
        ] {
            assert_eq!(hierarchy(&mounts), expected.map(PathBuf::from), "{mounts}");
        }
    }
}
