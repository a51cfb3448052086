//! The arguments of `build`, and of what it starts in a root file system.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, ValueParser};
use clap::{Arg, ArgAction, ArgMatches, Command};
use kernmend_core::build::{Linkage, Wish};
use kernmend_core::program::{Component, Glibc};
use kernmend_core::version::release::Release;
use kernmend_node::build::From;
use kernmend_node::machine::tool::Engine;

use crate::message::Messages;

/// What is built, and where.
#[derive(Debug)]
pub(crate) struct Build {
    pub(crate) wish: Wish,
    pub(crate) from: From,
    /// The folder of Go.
    pub(crate) go: Option<PathBuf>,
    pub(crate) site: BuildSite,
    pub(crate) output: PathBuf,
}

/// Where it is built.
#[derive(Debug)]
pub(crate) enum BuildSite {
    Host,
    Root(PathBuf),
    Container(Engine, String),
}

/// A program that is run in a root file system.
#[derive(Debug)]
pub(crate) struct Enter {
    pub(crate) root: PathBuf,
    pub(crate) work: PathBuf,
    pub(crate) go: Option<PathBuf>,
    pub(crate) directory: String,
    pub(crate) argv: Vec<String>,
}

pub(super) fn command(messages: Messages) -> Command {
    let text = |name: &'static str, help: &'static str| Arg::new(name).long(name).help(help);
    let directory = |name, help| text(name, help).value_name("DIR").value_parser(ValueParser::path_buf());
    let component = Arg::new("component")
        .help(messages.argument_component())
        .required(true)
        .value_parser(PossibleValuesParser::new(["runc", "kubelet"]));
    Command::new("build")
        .about(messages.about_build())
        .after_help(messages.exit_codes_build())
        .arg(component)
        .arg(
            text("version", messages.option_build_version())
                .value_name("VERSION")
                .required(true)
                .value_parser(|word: &str| Release::parse(word).ok_or("v1.0.0-rc93, v1.20.15")),
        )
        .arg(
            text("source", messages.option_source())
                .value_name("DIR|TARBALL|GIT-URL")
                .value_parser(|word: &str| From::parse(word).ok_or("DIR, TARBALL, GIT-URL")),
        )
        .arg(directory("go", messages.option_go()))
        .arg(directory("root", messages.option_build_root()))
        .arg(
            text("engine", messages.option_engine())
                .value_parser(PossibleValuesParser::new(["docker", "podman", "none"]))
                .default_value("none")
                .conflicts_with("root"),
        )
        .arg(
            text("image", messages.option_image())
                .value_name("IMAGE")
                .required_if_eq_any([("engine", "docker"), ("engine", "podman")]),
        )
        .arg(
            text("glibc", messages.option_glibc())
                .value_name("VERSION")
                .value_parser(|word: &str| word.parse::<Glibc>()),
        )
        .arg(
            text("output", messages.option_build_output())
                .short('o')
                .value_name("FILE")
                .value_parser(ValueParser::path_buf()),
        )
        .arg(text("force", messages.option_build_force()).action(ArgAction::SetTrue))
}

/// What a build in a root starts there; nobody else asks for it.
pub(super) fn enter() -> Command {
    let path = |name: &'static str| Arg::new(name).long(name).value_parser(ValueParser::path_buf());
    Command::new("enter")
        .hide(true)
        .arg(path("root").required(true))
        .arg(path("work").required(true))
        .arg(path("go"))
        .arg(Arg::new("directory").long("directory").required(true))
        .arg(Arg::new("argv").required(true).num_args(1..).last(true))
}

impl Build {
    pub(super) fn from_matches(given: &ArgMatches) -> Self {
        let path = |name: &str| given.get_one::<PathBuf>(name).cloned();
        let word = |name: &str| given.get_one::<String>(name).map(String::as_str);
        let component =
            if word("component") == Some("kubelet") { Component::Kubelet } else { Component::Runc };
        let version = *given.get_one::<Release>("version").expect("clap requires it");
        let engine = match word("engine") {
            Some("docker") => Some(Engine::Docker),
            Some("podman") => Some(Engine::Podman),
            _ => None,
        };
        let image = || word("image").expect("clap requires it").to_owned();
        Self {
            wish: Wish {
                component,
                version,
                linkage: given
                    .get_one::<Glibc>("glibc")
                    .map_or(Linkage::Static, |most| Linkage::Glibc(*most)),
                force: given.get_flag("force"),
            },
            from: given.get_one::<From>("source").cloned().unwrap_or(From::Upstream),
            go: path("go"),
            site: match (path("root"), engine) {
                (Some(root), _) => BuildSite::Root(root),
                (None, Some(engine)) => BuildSite::Container(engine, image()),
                (None, None) => BuildSite::Host,
            },
            output: path("output")
                .unwrap_or_else(|| format!("{}-{}", component.name(), version.tag()).into()),
        }
    }
}

impl Enter {
    pub(super) fn from_matches(given: &ArgMatches) -> Self {
        let path = |name: &str| given.get_one::<PathBuf>(name).cloned();
        Self {
            root: path("root").expect("clap requires it"),
            work: path("work").expect("clap requires it"),
            go: path("go"),
            directory: given.get_one::<String>("directory").cloned().expect("clap requires it"),
            argv: given.get_many::<String>("argv").unwrap_or_default().cloned().collect(),
        }
    }
}
