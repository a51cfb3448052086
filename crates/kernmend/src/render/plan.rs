//! A plan as text: what is chosen and what it costs, what was weighed against it, what stands in the way, what is done step
//! by step, and the line that does it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anstyle::AnsiColor;
use kernmend_core::document::Document;
use kernmend_core::document::plan::{Act, Check, Plan, Remark, Remedy, Risk, Stage, Standing, Step, Way};

use super::{BOLD, DIM, labelled, printable, width};
use crate::message::Messages;

/// The plan, the file that it was written to, if it was.
pub(crate) fn plan(document: &Document<Plan>, file: Option<&str>, messages: Messages) -> String {
    let plan = &document.body;
    let page = Page { messages };
    let mut text = String::new();
    match &plan.remedy {
        Some(chosen) => {
            let head = messages.plan_head(printable(&plan.node.hostname), remedy(chosen, messages));
            let _ = writeln!(text, "{BOLD}{head}{BOLD:#}");
        }
        None if plan.ways.is_empty() => {
            let _ = writeln!(text, "{}", messages.plan_nothing());
            return text;
        }
        None => {
            let _ = writeln!(text, "{BOLD}{}{BOLD:#}", messages.plan_no_way());
        }
    }
    if let Some(advisory) = &plan.advisory {
        text.push_str(&page.line(messages.plan_mends(), advisory));
    }
    for remark in &plan.remarks {
        text.push_str(&page.line(messages.plan_side_effect(), &words(remark, messages)));
    }
    text.push('\n');
    for (number, way) in plan.ways.iter().enumerate() {
        text.push_str(&page.way(number + 1, way, plan.remedy.as_ref() == Some(&way.remedy)));
    }
    for refusal in &plan.refusals {
        let style = AnsiColor::Red.on_default().bold();
        let _ = writeln!(
            text,
            "{style}{}{style:#}  {}",
            messages.plan_refused(),
            words(&refusal.reason, messages)
        );
        if !refusal.evidence.is_empty() {
            text.push_str(&page.line(messages.plan_seen(), &refusal.evidence.join(", ")));
        }
        if !refusal.command.is_empty() {
            text.push_str(&page.line(messages.plan_mend_by(), &refusal.command));
        }
    }
    if !plan.refusals.is_empty() || plan.steps.is_empty() {
        return text;
    }
    text.push_str(&page.steps(plan));
    let digest = document.digest().to_string();
    let _ = writeln!(text, "\n{DIM}{}  {digest}{DIM:#}", messages.plan_digest());
    if let Some(file) = file {
        let short = &digest["sha256:".len()..][..12];
        let _ = writeln!(
            text,
            "{}  {BOLD}kernmend apply {} --approve {short}{BOLD:#}",
            messages.plan_do(),
            printable(file)
        );
    }
    text
}

/// A way out in a few words.
pub(super) fn remedy(remedy: &Remedy, messages: Messages) -> String {
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

/// The words of a remark with its values in them.
pub(crate) fn words(remark: &Remark, messages: Messages) -> String {
    let Some(template) = messages.remark(&remark.code) else { return printable(&remark.code) };
    filled(template, &remark.values)
}

/// A template with values in the place of their names; what a value holds is not looked at again.
fn filled(template: &str, values: &BTreeMap<String, String>) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, name, after)) = rest
        .split_once('{')
        .and_then(|(before, rest)| rest.split_once('}').map(|(name, after)| (before, name, after)))
    {
        text.push_str(before);
        text.push_str(&values.get(name).map(|value| printable(value)).unwrap_or_default());
        rest = after;
    }
    text + rest
}

/// What a step does.
pub(super) fn step(step: &Step, messages: Messages) -> String {
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
        Act::Keep { source, .. } => messages.plan_step_keep(printable(source)),
        Act::Try { program, .. } if program == "runc" => messages.plan_step_try_runc().to_owned(),
        Act::Try { program, .. } => messages.plan_step_try(printable(program)),
        Act::Unit { name, active: false } => messages.plan_step_stop(printable(name)),
        Act::Unit { name, active: true } => messages.plan_step_start(printable(name)),
        Act::Program { path, .. } => messages.plan_step_program(printable(path)),
    }
}

/// What is checked.
pub(super) fn check(check: &Check, messages: Messages) -> String {
    match check {
        Check::Kernel => messages.check_kernel().to_owned(),
        Check::AccountingOff => messages.check_accounting().to_owned(),
        Check::CgroupVersion { version } => messages.check_cgroup(version),
        Check::DefaultRoute => messages.check_route().to_owned(),
        Check::Unit { name } => messages.check_unit(printable(name)),
        Check::Http { port, .. } => messages.check_http(port),
        Check::Scripts { directory } => messages.check_scripts(printable(directory)),
        Check::Fault { advisory } => messages.check_fault(printable(advisory)),
        Check::Program { path, .. } => messages.check_program(printable(path)),
        Check::Container { runtime, .. } => messages.check_container(printable(runtime)),
    }
}

struct Page {
    messages: Messages,
}

impl Page {
    fn line(&self, label: &str, sentence: &str) -> String {
        labelled(label, &printable(sentence), &[], width())
    }

    fn way(&self, number: usize, way: &Way, is_chosen: bool) -> String {
        let messages = self.messages;
        let mut text = String::new();
        let (reboot, pods) = (
            if way.reboots { messages.plan_reboots() } else { messages.plan_no_reboot() },
            if way.moves_pods { messages.plan_pods() } else { messages.plan_no_pods() },
        );
        let time = way.minutes.map(|minutes| messages.plan_minutes(minutes)).unwrap_or_default();
        let risk = match way.risk {
            Risk::Low => messages.plan_risk_low(),
            Risk::Medium => messages.plan_risk_medium(),
            Risk::High => messages.plan_risk_high(),
        };
        let style = if is_chosen { AnsiColor::Green.on_default().bold() } else { BOLD };
        let chosen = if is_chosen { format!("  ({})", messages.plan_chosen()) } else { String::new() };
        let _ = writeln!(text, "{style}{number}. {}{chosen}{style:#}", remedy(&way.remedy, messages));
        let out = match &way.standing {
            Standing::Out { why } => Some(why),
            Standing::Open | Standing::ByHand { .. } => None,
        };
        if let Some(why) = out {
            for remark in why {
                text.push_str(&self.line(messages.plan_out(), &words(remark, messages)));
            }
            return text;
        }
        text.push_str(&self.line(messages.plan_way(), &messages.plan_cost(reboot, pods, time, risk)));
        for remark in &way.rests_on {
            text.push_str(&self.line(messages.plan_rests_on(), &words(remark, messages)));
        }
        for remark in &way.side_effects {
            text.push_str(&self.line(messages.plan_side_effect(), &words(remark, messages)));
        }
        if let Standing::ByHand { how } = &way.standing {
            for remark in how {
                text.push_str(&self.line(messages.plan_by_hand(), &words(remark, messages)));
            }
        }
        text
    }

    fn steps(&self, plan: &Plan) -> String {
        let messages = self.messages;
        let mut text = format!("{BOLD}{}{BOLD:#}\n", messages.plan_steps());
        let mut number = 0;
        let mut say = |sentence: &str, when: &str| {
            number += 1;
            let _ = writeln!(text, "{number:3}. {}  {DIM}{when}{DIM:#}", printable(sentence));
        };
        let of = |stages: &'static [Stage]| plan.steps.iter().filter(|step| stages.contains(&step.stage));
        let checks = |health: &[Check]| -> String {
            let checks: Vec<String> = health.iter().map(|one| check(one, messages)).collect();
            checks.join(", ")
        };
        if let Some(probation) = &plan.probation {
            plan.steps.iter().for_each(|one| say(&step(one, messages), ""));
            if probation.reboots {
                say(messages.plan_step_reboot(), "");
            }
            say(&messages.plan_step_health(probation.health_deadline, checks(&probation.health)), "");
            say(messages.plan_step_back(), "");
            return text;
        }
        let all = |stages: &'static [Stage], say: &mut dyn FnMut(&str, &str)| {
            for one in of(stages) {
                say(&step(one, messages), stage(one.stage, messages));
            }
        };
        all(&[Stage::Prepare, Stage::Watch, Stage::Scaffold], &mut say);
        if let Some(trial) = &plan.trial {
            say(&messages.plan_step_trial(&trial.expected.release), "");
            all(&[Stage::Arrive], &mut say);
            say(
                &messages.plan_step_health(trial.health_deadline, checks(&trial.health)),
                stage(Stage::Arrive, messages),
            );
        }
        all(&[Stage::Commit], &mut say);
        if plan.trial.is_some() {
            say(messages.plan_step_down(), stage(Stage::Commit, messages));
        }
        text
    }
}

fn stage(stage: Stage, messages: Messages) -> &'static str {
    match stage {
        Stage::Prepare => messages.plan_stage_prepare(),
        Stage::Watch => messages.plan_stage_watch(),
        Stage::Scaffold => messages.plan_stage_scaffold(),
        Stage::Arrive => messages.plan_stage_arrive(),
        Stage::Commit => messages.plan_stage_commit(),
    }
}

#[cfg(test)]
mod tests {
    use kernmend_core::{build, plan};

    use super::*;
    use crate::message::Language;

    #[test]
    fn every_remark_has_its_words_with_its_values_in_them() {
        for (code, values) in plan::remark::CODES.iter().chain(build::remark::CODES) {
            for language in Language::ALL {
                let words =
                    Messages(language).remark(code).unwrap_or_else(|| panic!("{code} in {language:?}"));
                let shown = words.matches('{').count();
                assert!(values.iter().all(|name| words.contains(&format!("{{{name}}}"))), "{code}: {words}");
                assert_eq!(shown, values.len(), "{code}: {words}");
            }
        }
    }

    #[test]
    fn a_value_that_looks_like_a_template_is_shown_as_it_is() {
        let values =
            BTreeMap::from([("a".to_owned(), "{b}\u{1b}".to_owned()), ("b".to_owned(), "x".to_owned())]);
        assert_eq!(filled("1 {a} {b} {c}", &values), "1 {b}\\u{1b} x ");
    }
}
