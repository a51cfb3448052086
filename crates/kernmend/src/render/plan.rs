//! A plan in words: its remedy, its steps, its checks.

use kernmend_core::document::plan::{Act, Check, Remedy, Step};

use super::printable;
use crate::message::Messages;

/// A way out in a few words.
pub(crate) fn remedy(remedy: &Remedy, messages: Messages) -> String {
    match remedy {
        Remedy::BootParameter { set, remove } if set.is_empty() => {
            messages.remedy_without(printable(&remove.join(" ")))
        }
        Remedy::BootParameter { set, .. } => messages.remedy_parameter(printable(&set.join(" "))),
        Remedy::InstalledKernel { release } => messages.remedy_installed(printable(release)),
        Remedy::KernelUpgrade => messages.remedy_upgrade().to_owned(),
        Remedy::NewerRuntime => messages.remedy_newer().to_owned(),
        Remedy::RebuiltRuntime => messages.remedy_rebuilt().to_owned(),
        Remedy::RebootBefore { .. } => messages.remedy_reboot().to_owned(),
    }
}

/// What a step does.
pub(crate) fn step(step: &Step, messages: Messages) -> String {
    match &step.act {
        Act::File { path, content: Some(_), .. } => messages.plan_step_file(printable(path)),
        Act::File { path, content: None, .. } => messages.plan_step_remove(printable(path)),
        Act::Environment { block, variables } => {
            let variables: Vec<String> = variables
                .iter()
                .map(|(name, value)| format!("{name}={}", value.as_deref().unwrap_or_default()))
                .collect();
            messages.plan_step_environment(printable(&variables.join(" ")), printable(block))
        }
        Act::Menu { menu, boots, .. } => messages.plan_step_menu(printable(menu), printable(&boots.release)),
        Act::Prove { boots, .. } => messages.plan_step_prove(printable(&boots.release)),
    }
}

/// What is checked.
pub(crate) fn check(check: &Check, messages: Messages) -> String {
    match check {
        Check::Kernel => messages.check_kernel().to_owned(),
        Check::AccountingOff => messages.check_accounting().to_owned(),
        Check::CgroupVersion { version } => messages.check_cgroup(version),
        Check::DefaultRoute => messages.check_route().to_owned(),
        Check::Unit { name } => messages.check_unit(printable(name)),
        Check::Http { port, .. } => messages.check_http(port),
        Check::Scripts { directory } => messages.check_scripts(printable(directory)),
        Check::Fault { advisory } => messages.check_fault(printable(advisory)),
    }
}
