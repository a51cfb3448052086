//! Builds a runc or a kubelet: gets the sources, looks at them and at the toolchain, does what `kernmend_core::build` makes of
//! that, and holds what comes out against what was asked for. It decides none of it, and a program that isn't what was asked for
//! is never put in the place that was named.

mod source;
mod toolchain;

use std::cell::RefCell;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kernmend_core::build::product::{self, Product};
use kernmend_core::build::recipe::{self, Place as Seen, Recipe};
use kernmend_core::build::{Wish, fault, way, weigh};
use kernmend_core::document::build::{Build, BuiltFrom, BuiltProgram};
use kernmend_core::document::plan::{Refusal, Remark};
use kernmend_core::document::{Digest, Document};
use kernmend_core::knowledge::build::Builds;
use kernmend_core::program::{Component, Features, Ground, classify};

pub use self::source::From;
use crate::host::markers::{self, MOST_BYTES, ScanError};
use crate::host::open::OpenRootError;
use crate::machine::scratch::{Log, Scratch};
use crate::machine::tool::{Job, Place, TOOLCHAIN, Tool, run};
use crate::machine::{Live, Machine as _, MachineError};

/// A build that was ordered.
pub struct Order<'a> {
    /// What is asked for.
    pub wish: Wish,
    /// Where the sources come from.
    pub from: From,
    /// Where it is built.
    pub place: Place,
    /// The folder of Go; the one in the place, where none is given.
    pub go: Option<PathBuf>,
    /// The file that is written.
    pub output: PathBuf,
    /// Where there is room to work.
    pub room: PathBuf,
    /// Whether somebody wants it to end.
    pub is_stopped: &'a dyn Fn() -> bool,
}

/// What a build is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress<'a> {
    /// Sources are fetched from this address.
    Fetching(&'a str),
    /// Sources are copied or unpacked, and looked at.
    Reading,
    /// The toolchain is asked what it is.
    Asking,
    /// It is being built.
    Building,
    /// The last line of what that prints.
    Line(&'a str),
    /// The result is looked at.
    Proving,
}

/// Why nothing was built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// It makes no sense, or something is missing.
    #[error("the build is refused")]
    Refused(Vec<Refusal>),
    /// There are no sources.
    #[error("get the sources from `{from}`")]
    Source {
        /// Where they should come from.
        from: String,
        /// What stands in the way, in the words of the system or of the program that fetches them.
        said: Vec<String>,
    },
    /// It failed.
    #[error("the build failed")]
    Failed {
        /// The known fault.
        fault: Option<Remark>,
        /// The first lines that tell of it.
        cause: Vec<String>,
        /// The file with all that was printed.
        log: PathBuf,
    },
    /// It was built, and isn't what was asked for.
    #[error("what was built isn't what was asked for")]
    Unproven {
        /// What is wrong with it.
        wrong: Vec<Remark>,
        /// What its content says of accounting, on these grounds.
        why: Vec<Ground>,
        /// The file with all that was printed.
        log: PathBuf,
    },
    /// A file, or a program.
    #[error(transparent)]
    Machine(#[from] MachineError),
    /// The root of this machine.
    #[error("open `{}`", .0.path)]
    Root(#[source] OpenRootError),
    /// What was built can't be read.
    #[error(transparent)]
    Scan(#[from] ScanError),
}

/// A kubelet's makefiles take ten minutes on two processors; one that takes this long hangs.
const LONG: Duration = Duration::from_secs(4 * 60 * 60);

/// What answers a question does so at once; a container has to be started for it.
const SHORT: Duration = Duration::from_secs(120);

/// Bytes of what a question or a build says that are kept for whoever looks at it; a kubelet's build says some kilobytes.
const MAX_SAID: usize = 8 << 20;

/// Where a build is under way.
struct Site<'a> {
    order: &'a Order<'a>,
    scratch: &'a Scratch,
}

impl Site<'_> {
    /// The place as a recipe sees it.
    fn seen(&self) -> (String, String) {
        let Order { place, go, .. } = self.order;
        (place.work(self.scratch.path()), place.path(go.as_deref()))
    }

    /// Runs a job in the place of the build, and hands on what it says; gives its exit code and what it said.
    fn run(
        &self,
        job: &Job,
        deadline: Duration,
        heard: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(Option<i32>, String), MachineError> {
        let Order { place, go, is_stopped, .. } = self.order;
        let mut said = Vec::new();
        let mut keep = |bytes: &[u8]| {
            // The beginning says what failed first.
            said.extend_from_slice(&bytes[..bytes.len().min(MAX_SAID - said.len())]);
            heard(bytes)
        };
        let code = run(place, job, self.scratch.path(), go.as_deref(), deadline, is_stopped, &mut keep)?;
        Ok((code, String::from_utf8_lossy(&said).into_owned()))
    }
}

/// Builds what was ordered, and writes it with its digest and its provenance; gives the provenance.
///
/// # Errors
/// It is refused, fails, or isn't what was asked for; then there is no program where one should have been written, or the one
/// from before.
pub fn build(
    order: &Order<'_>,
    builds: &Builds,
    tell: &mut dyn FnMut(Progress<'_>),
) -> Result<Document<Build>, BuildError> {
    let wish = &order.wish;
    let way = way(wish, builds).map_err(|refusal| BuildError::Refused(vec![refusal]))?;
    let scratch = Scratch::new(&order.room)?;
    for folder in recipe::FOLDERS.into_iter().chain(order.go.as_ref().map(|_| TOOLCHAIN)) {
        scratch.folder(folder)?;
    }
    let site = Site { order, scratch: &scratch };
    let (source, tree) = source::get(&site, tell)?;
    tell(Progress::Asking);
    let toolchain = toolchain::ask(&site, way)?;
    let refusals = weigh(wish, way, &source, &toolchain);
    if !refusals.is_empty() {
        return Err(BuildError::Refused(refusals));
    }
    let (work, path) = site.seen();
    let recipe = recipe::recipe(wish, way, &source, &toolchain, Seen { work: &work, path: &path });
    let log = make(&site, &recipe, tell)?;
    tell(Progress::Proving);
    let (product, program, content) = prove(&site, &recipe)?;
    let wrong = product::judge(wish, way, &product);
    if !wrong.is_empty() {
        return Err(BuildError::Unproven { wrong, why: product.classification.why, log });
    }
    let mut escapes = Vec::new();
    if wish.component == Component::Runc {
        escapes.extend(builds.escapes(wish.version).map(|escape| escape.id.clone()));
    }
    let remarks = product::remarks(wish, &source, &product, &escapes);
    let document = Document::new(
        Build {
            component: wish.component.name().to_owned(),
            version: wish.version.to_string(),
            program,
            source: BuiltFrom {
                from: order.from.name(wish),
                tree,
                version: source.version,
                commit: source.commit,
            },
            place: order.place.name(),
            go: toolchain.go.value().cloned().unwrap_or_default(),
            argv: recipe.argv,
            environment: recipe.environment,
            files: recipe.files.into_iter().collect(),
            remarks,
            escapes,
        },
        None,
    );
    publish(order, &document, &content)?;
    Ok(document)
}

/// Does what the recipe says; gives the file with all that was printed.
fn make(site: &Site<'_>, recipe: &Recipe, tell: &mut dyn FnMut(Progress<'_>)) -> Result<PathBuf, BuildError> {
    let path = beside(&site.order.output, ".log");
    for (name, content) in &recipe.files {
        site.scratch.write(name, content.as_bytes())?;
    }
    // Whatever is there afterwards was made by this build.
    site.scratch.remove(&recipe.output)?;
    let (tool, arguments) = recipe.argv.split_first().expect("a recipe runs something");
    let job = Job {
        tool: Tool::from_name(tool).expect("recipes run make and go"),
        arguments: arguments.to_vec(),
        environment: recipe.environment.clone(),
        directory: recipe.directory.clone(),
    };
    let log = RefCell::new(Log::begin(&path)?);
    tell(Progress::Building);
    let mut heard = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        if let Some(line) = text.lines().rev().find(|line| !line.trim().is_empty()) {
            tell(Progress::Line(line));
        }
        log.borrow_mut().add(bytes)
    };
    let (code, said) = site.run(&job, LONG, &mut heard)?;
    let is_there = site.scratch.path().join(&recipe.output).is_file();
    if code != Some(0) || !is_there {
        let nothing = || Remark::new("build-fault-no-output", [("file", recipe.output.clone())]);
        let fault = fault::name(&said).or_else(|| (code == Some(0)).then(nothing));
        return Err(BuildError::Failed { fault, cause: fault::cause(&said), log: path });
    }
    Ok(path)
}

/// Looks at what was built, and runs it once.
fn prove(site: &Site<'_>, recipe: &Recipe) -> Result<(Product, BuiltProgram, Vec<u8>), BuildError> {
    let path = site.scratch.path().join(&recipe.output);
    let failed = |source| MachineError::new("read", &recipe.output, source);
    let mut file = File::open(&path).map_err(failed)?;
    let scan = markers::scan(&mut file, MOST_BYTES)?;
    let content = fs::read(&path).map_err(failed)?;
    let inside = format!("{}/{}", site.seen().0, recipe.output);
    let job = Job {
        tool: Tool::Product(inside),
        arguments: vec!["--version".to_owned()],
        environment: recipe.environment.clone(),
        directory: recipe.directory.clone(),
    };
    let name = site.order.wish.component.name();
    // The version must not be what the answer rests on: the file is asked, as if nothing were known of it.
    let classification = classify(&scan.content, name, None);
    let (demands, features) = (scan.content.demands.clone(), Features::of(&scan.content));
    let (code, version) = site.run(&job, SHORT, &mut |_| Ok(()))?;
    let program = BuiltProgram {
        digest: Digest::of(&content),
        size: content.len() as u64,
        classification: classification.clone(),
        demands: demands.clone(),
        features,
        version: version.clone(),
    };
    Ok((Product { classification, demands, features, version: (code, version) }, program, content))
}

/// Writes the program and what belongs to it, the program last: where it is, the rest is too.
fn publish(order: &Order<'_>, document: &Document<Build>, content: &[u8]) -> Result<(), BuildError> {
    let mut machine = Live::machine().map_err(BuildError::Root)?;
    let name = order.output.file_name().unwrap_or_default().to_string_lossy();
    let digest = document.body.program.digest.to_string();
    let sum = format!("{}  {name}\n", digest.trim_start_matches("sha256:"));
    let mut write =
        |path: &Path, content: &[u8], mode| machine.replace(&path.display().to_string(), content, mode);
    write(&beside(&order.output, ".provenance.json"), (document.to_json() + "\n").as_bytes(), 0o644)?;
    write(&beside(&order.output, ".sha256"), sum.as_bytes(), 0o644)?;
    write(&order.output, content, 0o755)?;
    Ok(())
}

/// A file beside the program, by what is added to its name.
#[must_use]
pub fn beside(program: &Path, ending: &str) -> PathBuf {
    let mut name = program.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
