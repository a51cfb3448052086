//! `boot`: what boots next and who says so, of a machine, a directory, or one file that is recognised by its content.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;
use std::process::ExitCode;

use kernmend_core::boot::choose::Choice;
use kernmend_core::boot::reading::of_text;
use kernmend_core::document::Document;
use kernmend_core::knowledge::KnowledgeBase;
use kernmend_node::collect::boot::collect;

use super::{print, source};
use crate::args::{Boot, BootSource, Source};
use crate::failure::Failure;
use crate::message::Messages;
use crate::render;

/// No file of a boot loader is as long.
const MAX_FILE: u64 = 4 << 20;

pub(crate) fn run(
    asked: &Boot,
    knowledge: &KnowledgeBase,
    dir: Option<&Path>,
    messages: Messages,
) -> Result<ExitCode, Failure> {
    let boot = match &asked.source {
        BootSource::File(path) => {
            let bytes = read(path)
                .map_err(|error| Failure::input(messages.error_boot_read(path.display())).because(&error))?;
            of_text(&path.display().to_string(), &bytes).ok_or_else(|| {
                Failure::input(messages.error_boot_kind(path.display())).hint(messages.hint_boot_kind())
            })?
        }
        BootSource::Live => collect(&source::host(&Source::Live, knowledge, dir, messages)?),
        BootSource::Root(root) => {
            collect(&source::host(&Source::Root(root.clone()), knowledge, dir, messages)?)
        }
    };
    let is_alone = matches!(asked.source, BootSource::File(_));
    // What can't be told is an answer too, but not one that a script may go on with.
    let code = match boot.next.choice {
        Choice::Entry(_) => ExitCode::SUCCESS,
        Choice::Unknown(_) => ExitCode::from(2),
    };
    let text = if asked.json {
        Document::new(boot, None).to_json() + "\n"
    } else {
        render::boot(&boot, is_alone, messages)
    };
    print(&text, messages)?;
    Ok(code)
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if path.as_os_str() == "-" {
        io::stdin().lock().take(MAX_FILE).read_to_end(&mut bytes)?;
    } else {
        fs::File::open(path)?.take(MAX_FILE).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}
