//! The arguments: what there is, and what was given. clap parses them; the texts are the catalogue's.

mod build;
mod bundle;
mod wish;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, ValueParser};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use kernmend_core::document::report::Verdict;
use kernmend_core::plan::{Patience, Wish};

pub(crate) use self::build::{Build, BuildSite, Enter};
pub(crate) use self::bundle::Bundle;
use self::wish::{remedy, replacement, wish};
use crate::message::{Language, Messages, language_of_environment};

/// What was asked for.
#[derive(Debug)]
pub(crate) struct Arguments {
    pub(crate) knowledge: Option<PathBuf>,
    /// Whether node-problem-detector asks, to which 0 is fine, 1 a problem and 2 unknown: then no answer is unknown too.
    pub(crate) for_problem_detector: bool,
    pub(crate) command: Asked,
}

/// The command that was asked for.
#[derive(Debug)]
pub(crate) enum Asked {
    Check(Check),
    Collect(Collect),
    Scan(Scan),
    Signals(Signals),
    Kernel(Kernel),
    Inspect {
        /// Program files.
        files: Vec<PathBuf>,
        json: bool,
    },
    /// What a worker process does: answer questions about this root, or the machine.
    Answer(Option<PathBuf>),
    Explain(Option<String>),
    Boot(Boot),
    Plan(Plan),
    Apply(Apply),
    /// Whether reboots are left to a person.
    Rollback(bool),
    Status {
        follow: bool,
        json: bool,
    },
    Install,
    /// What systemd starts: go on after a reboot, or end a trial that was not passed in time.
    BootCheck {
        fall_back: bool,
    },
    /// What runs in the container by which a runtime is tried.
    Contained {
        /// Whether it must be without kernel memory accounting.
        unaccounted: bool,
    },
    Verify(Verify),
    Report(Report),
    Build(Build),
    /// What a build in a root file system starts there.
    Enter(Enter),
    Bundle(Bundle),
    Schema(String),
}

/// The arguments of `check`.
#[derive(Debug)]
pub(crate) struct Check {
    pub(crate) source: Source,
    pub(crate) output: Output,
    pub(crate) fail_on: Verdict,
    pub(crate) only: Vec<String>,
    pub(crate) quick: bool,
    pub(crate) verbose: bool,
}

/// The arguments of `collect`.
#[derive(Debug)]
pub(crate) struct Collect {
    /// The directory that is read; the machine, where there is none.
    pub(crate) root: Option<PathBuf>,
    pub(crate) output: PathBuf,
    pub(crate) redact: bool,
}

/// The arguments of `scan`.
#[derive(Debug)]
pub(crate) struct Scan {
    /// The logs in the order of their lines; `-` is standard input.
    pub(crate) files: Vec<PathBuf>,
    /// Whether to go on when their ends are reached.
    pub(crate) follow: bool,
    pub(crate) output: Output,
}

/// What `signals` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signals {
    Text,
    Json,
    /// Regular expressions, one a line.
    Patterns,
}

/// The arguments of `kernel`.
#[derive(Debug)]
pub(crate) struct Kernel {
    /// Releases, files, and `-` for standard input.
    pub(crate) inputs: Vec<OsString>,
    pub(crate) output: Output,
    /// A kernel counts that is exposed to a fault which can come to this there.
    pub(crate) fail_on: Verdict,
    pub(crate) verbose: bool,
}

/// The arguments of `boot`.
#[derive(Debug)]
pub(crate) struct Boot {
    pub(crate) source: BootSource,
    pub(crate) json: bool,
}

/// The arguments of `plan`.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The directory that is read; the machine, where there is none.
    pub(crate) root: Option<PathBuf>,
    pub(crate) wish: Wish,
    /// Programs, and the files that take their places.
    pub(crate) with: Vec<(String, PathBuf)>,
    pub(crate) json: bool,
    pub(crate) write: Option<PathBuf>,
}

/// The arguments of `apply`.
#[derive(Debug)]
pub(crate) struct Apply {
    /// The plan; without one, an unfinished one goes on.
    pub(crate) plan: Option<PathBuf>,
    pub(crate) approve: Option<String>,
    pub(crate) no_reboot: bool,
    pub(crate) foreground: bool,
}

/// What `boot` reads.
#[derive(Debug)]
pub(crate) enum BootSource {
    Live,
    Root(PathBuf),
    File(PathBuf),
}

/// The arguments of `verify`.
#[derive(Debug)]
pub(crate) struct Verify {
    /// The directory that is read; the machine, where there is none.
    pub(crate) root: Option<PathBuf>,
    pub(crate) json: bool,
    /// Where the proof is written to besides.
    pub(crate) write: Option<PathBuf>,
}

/// The arguments of `report`.
#[derive(Debug)]
pub(crate) struct Report {
    /// The document; `-` is standard input.
    pub(crate) document: PathBuf,
    /// The page; `-` is standard output.
    pub(crate) html: PathBuf,
}

/// What is to be judged.
#[derive(Debug)]
pub(crate) enum Source {
    Live,
    Root(PathBuf),
    Archive(PathBuf),
    Snapshot(PathBuf),
}

/// What is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    Text,
    Json,
    Snapshot,
}

/// The language of the texts: they are needed before the arguments can be parsed.
pub(crate) fn language(arguments: &[OsString], variable: impl Fn(&str) -> Option<String>) -> Language {
    let words: Vec<&str> = arguments.iter().filter_map(|word| word.to_str()).collect();
    let following = words.windows(2).find(|pair| pair[0] == "--lang").map(|pair| pair[1]);
    match following.or_else(|| words.iter().find_map(|word| word.strip_prefix("--lang="))) {
        Some("zh") => Language::Zh,
        Some(_) => Language::En,
        None => language_of_environment(variable),
    }
}

/// The commands and their options.
pub(crate) fn command(messages: Messages) -> Command {
    let text = |name: &'static str, help: &'static str| Arg::new(name).long(name).help(help);
    let choice = |values: &'static [&'static str]| ValueParser::from(PossibleValuesParser::new(values));
    let path = || ValueParser::path_buf();
    let root = || text("root", messages.option_root()).value_name("DIR").value_parser(path());
    let file = |name, help| text(name, help).value_name("FILE").value_parser(path());
    let text_or_json =
        |help| text("output", help).short('o').value_parser(choice(&["text", "json"])).default_value("text");
    let output = || {
        text("output", messages.option_output())
            .short('o')
            .value_parser(choice(&["text", "json", "snapshot"]))
            .default_value("text")
    };
    let check = Command::new("check")
        .about(messages.about_check())
        .after_help(messages.exit_codes())
        .arg(root())
        .arg(file("archive", messages.option_archive()).conflicts_with("root"))
        .arg(file("snapshot", messages.option_snapshot()).conflicts_with_all(["root", "archive"]))
        .arg(output())
        .arg(
            text("fail-on", messages.option_fail_on())
                .value_parser(choice(&["exposed", "active", "critical"]))
                .default_value("active"),
        )
        .arg(text("only", messages.option_only()).value_name("ID|NAME").action(ArgAction::Append))
        .arg(
            text("exit-code-scheme", messages.option_scheme())
                .value_parser(choice(&["kernmend", "npd"]))
                .default_value("kernmend"),
        )
        .arg(text("quick", messages.option_quick()).action(ArgAction::SetTrue).conflicts_with("snapshot"))
        .arg(text("verbose", messages.option_verbose()).short('v').action(ArgAction::SetTrue));
    let collect = Command::new("collect")
        .about(messages.about_collect())
        .arg(root())
        .arg(file("output", messages.option_capture()).short('o').required(true))
        .arg(text("redact", messages.option_redact()).action(ArgAction::SetTrue));
    let scan = Command::new("scan")
        .about(messages.about_scan())
        .arg(
            Arg::new("files")
                .value_name("FILE")
                .help(messages.argument_logs())
                .required(true)
                .num_args(1..)
                .value_parser(path()),
        )
        .arg(text("follow", messages.option_follow_logs()).short('f').action(ArgAction::SetTrue))
        .arg(output());
    let signals = Command::new("signals")
        .about(messages.about_signals())
        .arg(text("patterns", messages.option_patterns()).action(ArgAction::SetTrue))
        .arg(text_or_json(messages.option_output_signals()).conflicts_with("patterns"));
    let kernel = Command::new("kernel")
        .about(messages.about_kernel())
        .after_help(messages.exit_codes_kernel())
        .arg(
            Arg::new("inputs")
                .value_name("RELEASE|FILE")
                .help(messages.argument_kernels())
                .required(true)
                .num_args(1..)
                .value_parser(ValueParser::os_string()),
        )
        .arg(text_or_json(messages.option_output_kernel()))
        .arg(
            text("fail-on", messages.option_fail_on_kernel())
                .value_parser(choice(&["exposed", "active", "critical"]))
                .default_value("active"),
        )
        .arg(text("verbose", messages.option_verbose_kernel()).short('v').action(ArgAction::SetTrue));
    let inspect = Command::new("inspect")
        .about(messages.about_inspect())
        .after_help(messages.exit_codes_inspect())
        .arg(
            Arg::new("files")
                .value_name("FILE")
                .help(messages.argument_programs())
                .required(true)
                .num_args(1..)
                .value_parser(path()),
        )
        .arg(text_or_json(messages.option_output_inspect()));
    let answer = Command::new("answer").hide(true).arg(root());
    let explain = Command::new("explain")
        .about(messages.about_explain())
        .arg(Arg::new("fault").value_name("ID|NAME").help(messages.argument_fault()));
    let boot = Command::new("boot")
        .about(messages.about_boot())
        .after_help(messages.exit_codes_boot())
        .arg(
            Arg::new("file")
                .value_name("FILE")
                .help(messages.argument_boot())
                .value_parser(path())
                .conflicts_with("root"),
        )
        .arg(root())
        .arg(text_or_json(messages.option_output_boot()));
    let flag = |name, help| text(name, help).action(ArgAction::SetTrue);
    let seconds = |name, help, default: u64| {
        text(name, help)
            .value_name("SECONDS")
            .value_parser(value_parser!(u64).range(1..))
            .default_value(default.to_string())
    };
    let patience = Patience::default();
    let plan = Command::new("plan")
        .about(messages.about_plan())
        .after_help(messages.exit_codes_plan())
        .arg(Arg::new("fault").value_name("ID|NAME").help(messages.argument_plan_fault()))
        .arg(text("remedy", messages.option_remedy()).value_name("WAY").value_parser(|word: &str| {
            remedy(word).ok_or("nokmem, cgroup-v1, cgroup-v2, kernel=RELEASE, newer-runtime, rebuilt-runtime")
        }))
        .arg(
            text("with", messages.option_with())
                .value_name("NAME=FILE")
                .action(ArgAction::Append)
                .value_parser(|word: &str| replacement(word).ok_or("runc=FILE, kubelet=FILE, …")),
        )
        .arg(root())
        .arg(file("write", messages.option_write_plan()))
        .arg(text_or_json(messages.option_output_boot()))
        .arg(flag("with-pods", messages.option_with_pods()))
        .arg(flag("control-plane", messages.option_control_plane()))
        .arg(flag("force", messages.option_force()))
        .arg(seconds("health-deadline", messages.option_health_deadline(), patience.health))
        .arg(seconds("dead-man", messages.option_dead_man(), patience.dead_man))
        .arg(
            seconds("lockup", messages.option_lockup(), patience.lockup)
                .value_parser(value_parser!(u64).range(1..=60)),
        )
        .arg(seconds("hung-task", messages.option_hung_task(), patience.hung_task));
    let no_reboot = || flag("no-reboot", messages.option_no_reboot());
    let apply = Command::new("apply")
        .about(messages.about_apply())
        .after_help(messages.exit_codes_apply())
        .arg(Arg::new("plan").value_name("PLAN").help(messages.argument_plan()).value_parser(path()))
        .arg(text("approve", messages.option_approve()).value_name("DIGEST").requires("plan"))
        .arg(no_reboot())
        .arg(flag("foreground", messages.option_foreground()));
    let rollback = Command::new("rollback")
        .about(messages.about_rollback())
        .after_help(messages.exit_codes_apply())
        .arg(no_reboot());
    let status = Command::new("status")
        .about(messages.about_status())
        .after_help(messages.exit_codes_apply())
        .arg(flag("follow", messages.option_follow()))
        .arg(text_or_json(messages.option_output_boot()));
    let install = Command::new("install").about(messages.about_install());
    let boot_check = Command::new("boot-check").hide(true).arg(flag("fall-back", messages.about_apply()));
    let contained = Command::new("contained").hide(true).arg(flag("unaccounted", messages.about_apply()));
    let verify = Command::new("verify")
        .about(messages.about_verify())
        .after_help(messages.exit_codes_verify())
        .arg(root())
        .arg(file("write", messages.option_write_proof()))
        .arg(text_or_json(messages.option_output_verify()));
    let report = Command::new("report")
        .about(messages.about_report())
        .arg(
            Arg::new("document")
                .value_name("FILE")
                .help(messages.argument_report())
                .required(true)
                .value_parser(path()),
        )
        .arg(file("html", messages.option_html()).required(true));
    let schema = Command::new("schema").about(messages.about_schema()).arg(
        Arg::new("name").value_name("NAME").help(messages.argument_schema()).required(true).value_parser(
            choice(&[
                "boot", "build", "bundle", "report", "snapshot", "kernels", "news", "plan", "proof",
                "signals",
            ]),
        ),
    );
    let date = kernmend_core::knowledge::KnowledgeBase::embedded_date();
    Command::new("kernmend")
        .about(messages.about())
        .version(messages.knowledge_of(env!("CARGO_PKG_VERSION"), date))
        .disable_help_flag(true)
        .disable_version_flag(true)
        .disable_help_subcommand(true)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .arg(text("help", messages.option_help()).short('h').action(ArgAction::Help).global(true))
        .arg(text("version", messages.option_version()).short('V').action(ArgAction::Version))
        .arg(text("lang", messages.option_lang()).value_parser(choice(&["en", "zh"])).global(true))
        .arg(
            text("knowledge", messages.option_knowledge())
                .value_name("DIR")
                .value_parser(path())
                .global(true),
        )
        .subcommands([
            check,
            collect,
            scan,
            signals,
            kernel,
            inspect,
            boot,
            plan,
            apply,
            status,
            rollback,
            install,
            verify,
            report,
            build::command(messages),
            bundle::command(messages),
            explain,
            schema,
        ])
        .subcommands([answer, boot_check, contained, build::enter()])
}

impl Arguments {
    /// Takes what was given out of clap's hands.
    pub(crate) fn from_matches(matches: &ArgMatches) -> Self {
        let (name, given) = matches.subcommand().expect("clap requires a command");
        let word = |name: &str| given.get_one::<String>(name).cloned();
        let path = |name: &str| given.get_one::<PathBuf>(name).cloned();
        let for_problem_detector = name == "check" && word("exit-code-scheme").as_deref() == Some("npd");
        let output = || match word("output").as_deref() {
            Some("json") => Output::Json,
            Some("snapshot") => Output::Snapshot,
            _ => Output::Text,
        };
        let fail_on = || match word("fail-on").as_deref() {
            Some("exposed") => Verdict::Exposed,
            Some("critical") => Verdict::Critical,
            _ => Verdict::Active,
        };
        let command = match name {
            "check" => Asked::Check(Check {
                source: match (path("root"), path("archive"), path("snapshot")) {
                    (Some(root), ..) => Source::Root(root),
                    (_, Some(archive), _) => Source::Archive(archive),
                    (.., Some(snapshot)) => Source::Snapshot(snapshot),
                    (None, None, None) => Source::Live,
                },
                output: output(),
                fail_on: fail_on(),
                only: given.get_many::<String>("only").unwrap_or_default().cloned().collect(),
                quick: given.get_flag("quick"),
                verbose: given.get_flag("verbose"),
            }),
            "collect" => Asked::Collect(Collect {
                root: path("root"),
                output: path("output").expect("clap requires it"),
                redact: given.get_flag("redact"),
            }),
            "scan" => Asked::Scan(Scan {
                files: given.get_many::<PathBuf>("files").unwrap_or_default().cloned().collect(),
                follow: given.get_flag("follow"),
                output: output(),
            }),
            "signals" => Asked::Signals(match (given.get_flag("patterns"), word("output").as_deref()) {
                (true, _) => Signals::Patterns,
                (false, Some("json")) => Signals::Json,
                (false, _) => Signals::Text,
            }),
            "kernel" => Asked::Kernel(Kernel {
                inputs: given.get_many::<OsString>("inputs").unwrap_or_default().cloned().collect(),
                output: output(),
                fail_on: fail_on(),
                verbose: given.get_flag("verbose"),
            }),
            "inspect" => Asked::Inspect {
                files: given.get_many::<PathBuf>("files").unwrap_or_default().cloned().collect(),
                json: word("output").as_deref() == Some("json"),
            },
            "answer" => Asked::Answer(path("root")),
            "explain" => Asked::Explain(word("fault")),
            "boot" => Asked::Boot(Boot {
                source: match (path("file"), path("root")) {
                    (Some(file), _) => BootSource::File(file),
                    (_, Some(root)) => BootSource::Root(root),
                    (None, None) => BootSource::Live,
                },
                json: word("output").as_deref() == Some("json"),
            }),
            "plan" => Asked::Plan(Plan {
                root: path("root"),
                wish: wish(given),
                with: given.get_many::<(String, PathBuf)>("with").unwrap_or_default().cloned().collect(),
                json: word("output").as_deref() == Some("json"),
                write: path("write"),
            }),
            "apply" => Asked::Apply(Apply {
                plan: path("plan"),
                approve: word("approve"),
                no_reboot: given.get_flag("no-reboot"),
                foreground: given.get_flag("foreground"),
            }),
            "rollback" => Asked::Rollback(given.get_flag("no-reboot")),
            "status" => Asked::Status {
                follow: given.get_flag("follow"),
                json: word("output").as_deref() == Some("json"),
            },
            "install" => Asked::Install,
            "boot-check" => Asked::BootCheck { fall_back: given.get_flag("fall-back") },
            "contained" => Asked::Contained { unaccounted: given.get_flag("unaccounted") },
            "verify" => Asked::Verify(Verify {
                root: path("root"),
                json: word("output").as_deref() == Some("json"),
                write: path("write"),
            }),
            "bundle" => Asked::Bundle(bundle::from_matches(given)),
            "report" => Asked::Report(Report {
                document: path("document").expect("clap requires it"),
                html: path("html").expect("clap requires it"),
            }),
            "build" => Asked::Build(Build::from_matches(given)),
            "enter" => Asked::Enter(Enter::from_matches(given)),
            _ => Asked::Schema(word("name").expect("clap requires it")),
        };
        Self { knowledge: path("knowledge"), for_problem_detector, command }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_are_well_formed_in_both_languages() {
        for language in Language::ALL {
            command(Messages(language)).debug_assert();
        }
    }

    #[test]
    fn the_option_decides_before_the_environment() {
        let arguments = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        let zh = |_: &str| Some("zh_CN.UTF-8".to_owned());
        assert_eq!(language(&arguments(&["kernmend", "check"]), zh), Language::Zh);
        assert_eq!(language(&arguments(&["kernmend", "--lang", "en", "check"]), zh), Language::En);
        assert_eq!(language(&arguments(&["kernmend", "check", "--lang=zh"]), |_| None), Language::Zh);
    }
}
