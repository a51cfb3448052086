//! What is there to build with: each tool is asked, in the place where it will run and in the environment in which it will. A
//! tool that can't be started isn't there.

use std::collections::BTreeSet;
use std::io;

use kernmend_core::build::recipe::{self, Place as Seen};
use kernmend_core::build::{TOOLS, Toolchain, archives};
use kernmend_core::document::{Fact, Reason};
use kernmend_core::knowledge::build::Way;

use super::{SHORT, Site};
use crate::machine::MachineError;
use crate::machine::tool::{Job, NOT_ENTERED, Place, Tool};

/// Asks for all that the way of a version may need.
///
/// # Errors
/// The place itself can't be entered.
pub(super) fn ask(site: &Site<'_>, way: &Way) -> Result<Toolchain, MachineError> {
    let asks = Asks { site, way };
    let (code, said) = asks.ask(Tool::Go, &["version"])?;
    // `go version go1.15.15 linux/amd64`
    let version = said.split_whitespace().nth(2).and_then(|word| word.strip_prefix("go"));
    let go = match version.filter(|_| code == Some(0)) {
        Some(version) => Fact::known(version.to_owned(), "go version"),
        None => Fact::unknown(Reason::NotTold, "go version", said.lines().next().unwrap_or_default()),
    };
    let mut tools = BTreeSet::new();
    for name in TOOLS {
        let tool = Tool::from_name(name).expect("what a recipe asks for can be run");
        if asks.ask(tool, &["--version"])?.0 == Some(0) {
            tools.insert(name);
        }
    }
    let mut libraries = BTreeSet::new();
    for library in &way.libraries {
        if asks.ask(Tool::PkgConfig, &["--exists", library])?.0 == Some(0) {
            libraries.insert(library.clone());
        }
    }
    let mut found = BTreeSet::new();
    for archive in archives(way) {
        let (code, said) = asks.ask(Tool::Gcc, &[&format!("-print-file-name={archive}")])?;
        // The compiler gives the bare name back where it finds no such file.
        if code == Some(0) && said.trim().contains('/') {
            found.insert(archive);
        }
    }
    let path = site.order.room.display().to_string();
    let free = match rustix::fs::statvfs(&site.order.room) {
        Ok(stat) => Fact::known(stat.f_bavail.saturating_mul(stat.f_frsize), path),
        Err(errno) => Fact::unknown(Reason::ReadFailed, path, errno.to_string()),
    };
    Ok(Toolchain { go, tools, libraries, archives: found, free })
}

struct Asks<'a> {
    site: &'a Site<'a>,
    way: &'a Way,
}

impl Asks<'_> {
    fn ask(&self, tool: Tool, words: &[&str]) -> Result<(Option<i32>, String), MachineError> {
        let (work, path) = self.site.seen();
        let job = Job {
            tool,
            arguments: words.iter().map(|word| (*word).to_owned()).collect(),
            environment: recipe::environment(Seen { work: &work, path: &path }, self.way.layout),
            directory: recipe::tree(self.site.order.wish.component).to_owned(),
        };
        let answer = self.site.run(&job, SHORT, &mut |_| Ok(()));
        let place = &self.site.order.place;
        match answer {
            // On the host that is the tool; elsewhere it is what enters the place.
            Err(error) if *place == Place::Host => Ok((None, error.source.to_string())),
            Ok((Some(125 | NOT_ENTERED), said)) if *place != Place::Host => Err(MachineError::new(
                "enter",
                &place.name(),
                io::Error::other(said.lines().next().unwrap_or_default().to_owned()),
            )),
            answer => answer,
        }
    }
}
