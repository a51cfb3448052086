//! `bundle`: the kernel packages of one distribution and architecture in one file: made, shown, checked.

mod output;

use std::error::Error;
use std::fs::{self, File};
use std::io::{BufReader, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use kernmend_core::knowledge::KnowledgeBase;
use kernmend_node::bundle::{self, CreateError, Inputs, ReadBundleError, Stage, minisign};
use kernmend_node::package::openpgp::Keyring;

use self::output::Output;
use super::print;
use crate::args::Bundle;
use crate::failure::Failure;
use crate::message::Messages;
use crate::render::{self, printable};

/// Keys and signatures are a few lines.
const MAX_TEXT: u64 = 64 << 10;

pub(crate) fn run(
    asked: &Bundle,
    knowledge: &KnowledgeBase,
    messages: Messages,
) -> Result<ExitCode, Failure> {
    match asked {
        Bundle::Create { inputs, output, wanted, keyring } => {
            let keyring = keys(keyring.as_deref(), messages)?;
            let failure = |error: &dyn Error| {
                Failure::input(messages.error_write_file(output.display())).because(error)
            };
            let mut file = Output::new(output).map_err(|error| failure(&error))?;
            let progress = Progress::start();
            let document = bundle::create(&Inputs::new(inputs), wanted, &keyring, file.file(), &|stage| {
                progress.tell(stage, messages);
            })
            .map_err(|error| not_made(&error, output, messages))?;
            file.put(output).map_err(|error| failure(&error))?;
            drop(progress);
            print(&render::bundle(&document.body, knowledge, messages), messages)?;
            anstream::eprintln!("{}", messages.bundle_written(printable(&output.display().to_string())));
        }
        Bundle::Inspect { file, json } => {
            let document = bundle::inspect(&mut open(file, messages)?)
                .map_err(|error| not_read(&error, file, messages))?;
            let text = if *json {
                document.to_json() + "\n"
            } else {
                render::bundle(&document.body, knowledge, messages)
            };
            print(&text, messages)?;
        }
        Bundle::Verify { file, public_key, keyring } => {
            let keyring = keys(keyring.as_deref(), messages)?;
            let mut said = Vec::new();
            if let Some(key) = public_key {
                said.push(signed(file, key, messages)?);
            }
            let progress = Progress::start();
            let checked =
                bundle::verify(&mut open(file, messages)?, &keyring, &|stage| progress.tell(stage, messages))
                    .map_err(|error| not_read(&error, file, messages))?;
            drop(progress);
            said.push(render::checked(&checked, messages));
            print(&said.concat(), messages)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The keys that packages must be signed with; none where nobody asks.
fn keys(path: Option<&Path>, messages: Messages) -> Result<Keyring, Failure> {
    path.map_or_else(
        || Ok(Keyring::default()),
        |path| Keyring::read(path).map_err(|error| Failure::input(messages.error_keyring()).because(&error)),
    )
}

/// Checks the signature beside a bundle, and says what was signed with it.
fn signed(file: &Path, key: &str, messages: Messages) -> Result<String, Failure> {
    let text = |path: &Path| {
        let failure = || Failure::input(messages.error_read(path.display()));
        let size = fs::metadata(path).map_err(|error| failure().because(&error))?.len();
        if size > MAX_TEXT {
            return Err(Failure::input(
                messages.error_too_long(path.display(), kernmend_core::knowledge::template::bytes(MAX_TEXT)),
            ));
        }
        fs::read_to_string(path).map_err(|error| failure().because(&error))
    };
    let key = if Path::new(key).is_file() { text(Path::new(key))? } else { key.to_owned() };
    let mut beside = file.as_os_str().to_owned();
    beside.push(".minisig");
    let signature = text(&PathBuf::from(beside))?;
    let comment = minisign::check(&mut open(file, messages)?, &signature, &key).map_err(|error| {
        let message = messages.error_signature(file.display());
        let failure = match error {
            minisign::SignatureError::Key(_) | minisign::SignatureError::Read(_) => Failure::input(message),
            _ => Failure::refused(message),
        };
        failure.because(&error)
    })?;
    Ok(render::signed(&comment, messages))
}

fn open(path: &Path, messages: Messages) -> Result<BufReader<File>, Failure> {
    let file = File::open(path)
        .map_err(|error| Failure::input(messages.error_read(path.display())).because(&error))?;
    Ok(BufReader::with_capacity(256 << 10, file))
}

fn not_made(error: &CreateError, output: &Path, messages: Messages) -> Failure {
    let message = messages.error_bundle_create(output.display());
    match error {
        CreateError::Read { .. } | CreateError::Foreign(_) | CreateError::TooMany(_) => {
            Failure::input(message)
        }
        CreateError::Write(_) => Failure::input(messages.error_write_file(output.display())),
        CreateError::Refused(refusal) => match render::bundle_hint(refusal, messages) {
            Some(hint) => Failure::refused(message).hint(hint),
            None => Failure::refused(message),
        },
        CreateError::Archive { .. } | CreateError::Package { .. } | CreateError::Changed(_) => {
            Failure::refused(message)
        }
    }
    .because(error)
}

fn not_read(error: &ReadBundleError, file: &Path, messages: Messages) -> Failure {
    let message = messages.error_bundle(file.display());
    match error {
        ReadBundleError::Read(_) | ReadBundleError::Foreign | ReadBundleError::Document(_) => {
            Failure::input(message)
        }
        _ => Failure::refused(message),
    }
    .because(error)
}

/// A line on the terminal that goes away, and lines that stay where there is none.
struct Progress(Option<ProgressBar>);

impl Progress {
    fn start() -> Self {
        Self(std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.set_style(ProgressStyle::default_spinner());
            bar
        }))
    }

    fn tell(&self, stage: Stage<'_>, messages: Messages) {
        let text = match stage {
            Stage::Reading(file) => messages.progress_package(printable(file)),
            Stage::Writing(file) => messages.progress_packing(printable(file)),
        };
        match &self.0 {
            Some(bar) => {
                bar.set_message(text);
                bar.tick();
            }
            None => anstream::eprintln!("{text}"),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
