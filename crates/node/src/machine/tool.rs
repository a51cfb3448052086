//! The programs by which sources are fetched and built, and the places in which they run: the host, a root file system, or
//! a container. The list is closed, nothing goes through a shell, and none gets more of an environment than it is given.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::MachineError;
use super::program::follow;

/// A program that takes part in a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tool {
    /// The shell that Kubernetes' makefiles are written for. It is only asked for its version.
    Bash,
    /// The C compiler.
    Gcc,
    /// Fetches sources and tells what they are.
    Git,
    /// The go command.
    Go,
    /// Runs makefiles.
    Make,
    /// Tells where C libraries are.
    PkgConfig,
    /// Copies files for Kubernetes' makefiles. It is only asked for its version.
    Rsync,
    /// What was built, by its path.
    Product(String),
}

impl Tool {
    /// The tool with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Bash, Self::Gcc, Self::Git, Self::Go, Self::Make, Self::PkgConfig, Self::Rsync]
            .into_iter()
            .find(|tool| tool.name() == name)
    }

    /// Its name, or path.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Bash => "bash",
            Self::Gcc => "gcc",
            Self::Git => "git",
            Self::Go => "go",
            Self::Make => "make",
            Self::PkgConfig => "pkg-config",
            Self::Rsync => "rsync",
            Self::Product(path) => path,
        }
    }
}

/// What runs containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// Docker.
    Docker,
    /// Podman, which takes the same words.
    Podman,
}

impl Engine {
    const fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
        }
    }
}

/// Where tools run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Here.
    Host,
    /// In a root file system, which sees the folder of work as its `/tmp`, and is otherwise left as it is.
    Root {
        /// The root.
        root: PathBuf,
        /// kernmend, which enters it.
        program: PathBuf,
    },
    /// In a container that sees the folder of work as its `/tmp`, and no network.
    Container {
        /// What runs it.
        engine: Engine,
        /// Its image.
        image: String,
    },
}

/// Where a root or a container sees the folder of work.
pub const INSIDE: &str = "/tmp";
/// Where it sees the Go that was given, below that.
pub const TOOLCHAIN: &str = "toolchain";

/// The exit code of who enters a place and can't. Engines of containers have this one and 125 for it, and, as others do, 127
/// where the program isn't there.
pub const NOT_ENTERED: i32 = 126;
/// The exit code of who can't start a program, since it isn't there.
pub const NOT_THERE: i32 = 127;

/// Where programs are, in a place that says nothing else.
const PATH: &str = "/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// One run of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The tool.
    pub tool: Tool,
    /// What it is told.
    pub arguments: Vec<String>,
    /// The whole environment.
    pub environment: BTreeMap<String, String>,
    /// Where, below the folder of work.
    pub directory: String,
}

impl Place {
    /// The folder of work as it is seen from there.
    #[must_use]
    pub fn work(&self, work: &Path) -> String {
        match self {
            Self::Host => work.display().to_string(),
            Self::Root { .. } | Self::Container { .. } => INSIDE.to_owned(),
        }
    }

    /// Where programs are looked for, the Go that was given first.
    #[must_use]
    pub fn path(&self, go: Option<&Path>) -> String {
        let own = go.map(|go| match self {
            Self::Host => format!("{}/bin:", go.display()),
            Self::Root { .. } | Self::Container { .. } => format!("{INSIDE}/{TOOLCHAIN}/bin:"),
        });
        own.unwrap_or_default() + PATH
    }

    /// How people know it, and a provenance names it.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Host => "host".to_owned(),
            Self::Root { root, .. } => root.display().to_string(),
            Self::Container { engine, image } => format!("{} {image}", engine.name()),
        }
    }

    /// The argument vector of a job there, with what the host needs for it. On the host the environment is the process's
    /// own; elsewhere it is told.
    #[must_use]
    pub fn argv(&self, job: &Job, work: &Path, go: Option<&Path>) -> Vec<String> {
        let own = [job.tool.name().to_owned()].into_iter().chain(job.arguments.iter().cloned());
        let directory = format!("{}/{}", self.work(work), job.directory);
        let mut argv = match self {
            Self::Host => Vec::new(),
            Self::Root { root, program } => {
                let mut argv = words(&["unshare", "--mount", "--"]);
                argv.extend([program.display().to_string(), "enter".to_owned()]);
                for (option, path) in [("--root", Some(root.as_path())), ("--work", Some(work)), ("--go", go)]
                {
                    argv.extend(
                        path.into_iter().flat_map(|path| [option.to_owned(), path.display().to_string()]),
                    );
                }
                argv.extend(["--directory".to_owned(), directory, "--".to_owned()]);
                argv
            }
            Self::Container { engine, image } => {
                let mut argv = words(&[engine.name(), "run", "--rm", "--network=none"]);
                let mount = |from: &Path, to: &str| format!("--volume={}:{to}", from.display());
                argv.push(mount(work, INSIDE));
                argv.extend(go.map(|go| mount(go, &format!("{INSIDE}/{TOOLCHAIN}:ro"))));
                argv.push(format!("--workdir={directory}"));
                argv.extend(job.environment.iter().map(|(name, value)| format!("--env={name}={value}")));
                // What an image starts by itself would get the words of the job.
                argv.extend(["--entrypoint=".to_owned(), image.clone()]);
                argv
            }
        };
        argv.extend(own);
        argv
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Runs a job to its end and hands on what it says on both of its outputs; gives its exit code, or none where a signal ended
/// it. It is ended after the deadline, or as soon as it `is_stopped`.
///
/// # Errors
/// It isn't there, can't be started, was ended, or what it says can't be taken.
pub fn run(
    place: &Place,
    job: &Job,
    work: &Path,
    go: Option<&Path>,
    deadline: Duration,
    is_stopped: &dyn Fn() -> bool,
    heard: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> Result<Option<i32>, MachineError> {
    let argv = place.argv(job, work, go);
    let mut command = Command::new(&argv[0]);
    command.args(&argv[1..]).env_clear();
    match place {
        Place::Host => {
            command.envs(&job.environment).current_dir(work.join(&job.directory));
        }
        Place::Root { .. } => {
            command.envs(&job.environment);
        }
        // The engine's client reads its own settings, by which it finds its daemon; the container gets what it is told.
        Place::Container { .. } => {
            command.envs(std::env::vars_os());
        }
    }
    let ends = Instant::now() + deadline;
    let why = || {
        let is_late = ends <= Instant::now();
        if is_stopped() { Some(Errno::INTR) } else { is_late.then_some(Errno::TIMEDOUT) }
    };
    follow(command, heard, &why).map_err(|source| MachineError::new("run", &argv.join(" "), source))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> Job {
        Job {
            tool: Tool::Make,
            arguments: vec!["-B".to_owned(), "A=b c".to_owned()],
            environment: BTreeMap::from([
                ("GOFLAGS".to_owned(), String::new()),
                ("X".to_owned(), "1 2".to_owned()),
            ]),
            directory: "src".to_owned(),
        }
    }

    fn argv(place: &Place, go: Option<&str>) -> Vec<String> {
        place.argv(&job(), Path::new("/var/tmp/w"), go.map(Path::new))
    }

    #[test]
    fn a_place_is_words_before_those_of_the_job() {
        assert_eq!(argv(&Place::Host, Some("/go")), ["make", "-B", "A=b c"]);
        let root = Place::Root { root: "/srv/el7".into(), program: "/usr/bin/kernmend".into() };
        assert_eq!(
            argv(&root, Some("/go")),
            [
                "unshare",
                "--mount",
                "--",
                "/usr/bin/kernmend",
                "enter",
                "--root",
                "/srv/el7",
                "--work",
                "/var/tmp/w",
                "--go",
                "/go",
                "--directory",
                "/tmp/src",
                "--",
                "make",
                "-B",
                "A=b c",
            ]
        );
        let container = |engine| Place::Container { engine, image: "golang:1.15".to_owned() };
        let expected = [
            "run",
            "--rm",
            "--network=none",
            "--volume=/var/tmp/w:/tmp",
            "--volume=/go:/tmp/toolchain:ro",
            "--workdir=/tmp/src",
            "--env=GOFLAGS=",
            "--env=X=1 2",
            "--entrypoint=",
            "golang:1.15",
            "make",
            "-B",
            "A=b c",
        ];
        for (engine, name) in [(Engine::Docker, "docker"), (Engine::Podman, "podman")] {
            assert_eq!(argv(&container(engine), Some("/go")), [&[name], &expected[..]].concat());
        }
        assert!(!argv(&container(Engine::Docker), None).iter().any(|word| word.contains("toolchain")));
    }

    #[test]
    fn a_place_sees_its_own_paths() {
        let work = Path::new("/var/tmp/w");
        let root = Place::Root { root: "/r".into(), program: "/k".into() };
        assert_eq!((Place::Host.work(work), root.work(work)), ("/var/tmp/w".to_owned(), "/tmp".to_owned()));
        let go = Some(Path::new("/opt/go"));
        assert!(Place::Host.path(go).starts_with("/opt/go/bin:/usr/local/go/bin:"));
        assert!(root.path(go).starts_with("/tmp/toolchain/bin:"));
        assert_eq!(root.path(None), PATH);
    }

    #[test]
    fn a_job_has_its_own_environment_and_is_ended_when_it_is_stopped() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("product");
        std::fs::write(&path, "#!/bin/sh\necho \"$X:$HOME\"; [ -z \"$WAIT\" ] || exec sleep 600\n").unwrap();
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&path, executable).unwrap();
        let mut job =
            Job { tool: Tool::Product(path.display().to_string()), directory: String::new(), ..job() };
        let look = |job: &Job, is_stopped: &dyn Fn() -> bool| {
            let mut said = Vec::new();
            let mut heard = |bytes: &[u8]| {
                said.extend_from_slice(bytes);
                Ok(())
            };
            let long = Duration::from_secs(60);
            let ended = run(&Place::Host, job, directory.path(), None, long, is_stopped, &mut heard);
            (ended, String::from_utf8(said).unwrap())
        };
        let (ended, said) = look(&job, &|| false);
        assert_eq!((ended.unwrap(), said.as_str()), (Some(0), "1 2:\n"));
        job.environment.insert("WAIT".to_owned(), "1".to_owned());
        let (ended, _) = look(&job, &|| true);
        assert_eq!(ended.unwrap_err().source.raw_os_error(), Some(Errno::INTR.raw_os_error()));
    }
}
