//! The arguments of `bundle`, which has commands of its own.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, ValueParser};
use clap::{Arg, ArgMatches, Command};
use kernmend_core::bundle::Wanted;

use crate::message::Messages;

/// What is to be done with a bundle.
#[derive(Debug)]
pub(crate) enum Bundle {
    /// Make one.
    Create {
        /// Packages, directories and archives.
        inputs: Vec<PathBuf>,
        /// The file that is written.
        output: PathBuf,
        /// Which kernel.
        wanted: Wanted,
        /// Keys that packages must be signed with.
        keyring: Option<PathBuf>,
    },
    /// Show what one says.
    Inspect {
        /// The file.
        file: PathBuf,
        /// Whether the document is printed.
        json: bool,
    },
    /// Check every byte of one.
    Verify {
        /// The file.
        file: PathBuf,
        /// A key of minisign's, or a file that holds one.
        public_key: Option<String>,
        /// Keys that packages must be signed with.
        keyring: Option<PathBuf>,
    },
}

/// The commands and their options.
pub(super) fn command(messages: Messages) -> Command {
    let file = || {
        Arg::new("file")
            .value_name("FILE")
            .help(messages.argument_bundle())
            .required(true)
            .value_parser(ValueParser::path_buf())
    };
    let keyring = || {
        Arg::new("keyring")
            .long("keyring")
            .value_name("PATH")
            .help(messages.option_keyring())
            .value_parser(ValueParser::path_buf())
    };
    let create = Command::new("create")
        .about(messages.about_bundle_create())
        .after_help(messages.exit_codes_bundle())
        .arg(
            Arg::new("inputs")
                .value_name("PATH")
                .help(messages.argument_packages())
                .required(true)
                .num_args(1..)
                .value_parser(ValueParser::path_buf()),
        )
        .arg(
            Arg::new("output")
                .long("output")
                .short('o')
                .value_name("FILE")
                .help(messages.option_bundle())
                .required(true)
                .value_parser(ValueParser::path_buf()),
        )
        .arg(Arg::new("release").long("release").value_name("RELEASE").help(messages.option_release()))
        .arg(Arg::new("arch").long("arch").value_name("ARCH").help(messages.option_arch()))
        .arg(keyring());
    let inspect = Command::new("inspect").about(messages.about_bundle_inspect()).arg(file()).arg(
        Arg::new("output")
            .long("output")
            .short('o')
            .help(messages.option_output_boot())
            .value_parser(PossibleValuesParser::new(["text", "json"]))
            .default_value("text"),
    );
    let verify = Command::new("verify")
        .about(messages.about_bundle_verify())
        .after_help(messages.exit_codes_bundle())
        .arg(file())
        .arg(
            Arg::new("public-key")
                .long("public-key")
                .value_name("FILE|KEY")
                .help(messages.option_public_key()),
        )
        .arg(keyring());
    Command::new("bundle")
        .about(messages.about_bundle())
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
        .subcommands([create, inspect, verify])
}

/// What was given.
pub(super) fn from_matches(matches: &ArgMatches) -> Bundle {
    let (name, given) = matches.subcommand().expect("clap requires a command");
    let word = |name: &str| given.get_one::<String>(name).cloned();
    let path = |name: &str| given.get_one::<PathBuf>(name).cloned().expect("clap requires it");
    match name {
        "create" => Bundle::Create {
            inputs: given.get_many::<PathBuf>("inputs").unwrap_or_default().cloned().collect(),
            output: path("output"),
            wanted: Wanted { release: word("release"), architecture: word("arch") },
            keyring: given.get_one::<PathBuf>("keyring").cloned(),
        },
        "inspect" => Bundle::Inspect { file: path("file"), json: word("output").as_deref() == Some("json") },
        _ => Bundle::Verify {
            file: path("file"),
            public_key: word("public-key"),
            keyring: given.get_one::<PathBuf>("keyring").cloned(),
        },
    }
}
