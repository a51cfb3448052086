//! The files that systemd reads for the time of a plan: who goes on after a reboot, and who ends a trial that hangs. They
//! are found by drop-ins of targets and not by links, so that a file is all that each of them is.

use super::PROGRAM;

/// A file of systemd's.
pub(super) struct Unit {
    pub(super) path: &'static str,
    pub(super) content: String,
}

const DIRECTORY_NOTE: &str = "# Written by kernmend for the time of a plan, and removed with it.\n";

/// Goes on with the plan after a reboot. It waits for nothing but the local file systems, and its own checks for the rest.
pub(super) fn watch() -> [Unit; 2] {
    [
        Unit {
            path: "/etc/systemd/system/kernmend-boot-check.service",
            content: format!(
                "{DIRECTORY_NOTE}[Unit]\nDescription=kernmend: go on with the plan after a reboot\n\
                 After=local-fs.target\nConditionPathExists=/var/lib/kernmend/journal\n\n\
                 [Service]\nType=simple\nExecStart={PROGRAM} boot-check\n"
            ),
        },
        Unit {
            path: "/etc/systemd/system/multi-user.target.d/kernmend.conf",
            content: format!("{DIRECTORY_NOTE}[Unit]\nWants=kernmend-boot-check.service\n"),
        },
    ]
}

/// Ends a trial that hangs in user space or in the emergency shell. In any other boot they do nothing.
pub(super) fn dead_man(mark: &str, seconds: u64) -> Vec<Unit> {
    let fall_back = format!("ExecStartPre=-{PROGRAM} boot-check --fall-back\n");
    let shell = |path| Unit { path, content: format!("{DIRECTORY_NOTE}[Service]\n{fall_back}") };
    vec![
        Unit {
            path: "/etc/systemd/system/kernmend-dead-man.service",
            content: format!(
                "{DIRECTORY_NOTE}[Unit]\nDescription=kernmend: reboot a trial that was not passed\n\
                 ConditionKernelCommandLine={mark}\nDefaultDependencies=no\n\n\
                 [Service]\nType=oneshot\nTimeoutStartSec=60s\nFailureAction=reboot-force\n\
                 ExecStart={PROGRAM} boot-check --fall-back\n"
            ),
        },
        Unit {
            path: "/etc/systemd/system/kernmend-dead-man.timer",
            content: format!(
                "{DIRECTORY_NOTE}[Unit]\nDescription=kernmend: reboot a trial that was not passed\n\
                 ConditionKernelCommandLine={mark}\nDefaultDependencies=no\n\n\
                 [Timer]\nOnBootSec={seconds}s\nAccuracySec=1s\n"
            ),
        },
        Unit {
            path: "/etc/systemd/system/sysinit.target.d/kernmend.conf",
            content: format!("{DIRECTORY_NOTE}[Unit]\nWants=kernmend-dead-man.timer\n"),
        },
        shell("/etc/systemd/system/emergency.service.d/kernmend.conf"),
        shell("/etc/systemd/system/rescue.service.d/kernmend.conf"),
    ]
}
