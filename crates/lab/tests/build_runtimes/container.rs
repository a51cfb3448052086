//! A container of one program with a memory limit, started by a runc that is watched.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use super::run;

/// Containers get names of their own: the tests of a file run side by side.
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// What a container does.
const HELLO: &str = "#include <unistd.h>\nint main(void) { return write(1, \"hello\\n\", 6) != 6; }\n";

/// What a runc writes to files of kernel memory accounting while it starts a container with a memory limit: the lines of
/// the trace in which it opens one to write.
pub(super) fn kernel_memory_writes(runc: &Path) -> Vec<String> {
    let bundle = tempfile::tempdir().unwrap();
    let path = |name: &str| bundle.path().join(name);
    fs::create_dir(path("rootfs")).unwrap();
    fs::write(path("hello.c"), HELLO).unwrap();
    run(Command::new("gcc").args(["-static", "-o"]).arg(path("rootfs/hello")).arg(path("hello.c")));
    run(Command::new(runc).arg("spec").current_dir(bundle.path()));

    let name = format!("kernmend-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    let config = fs::read_to_string(path("config.json")).unwrap();
    let mut config: serde_json::Value = serde_json::from_str(&config).unwrap();
    config["process"]["terminal"] = false.into();
    config["process"]["args"] = serde_json::json!(["/hello"]);
    config["linux"]["cgroupsPath"] = format!("/{name}").into();
    config["linux"]["resources"]["memory"] = serde_json::json!({ "limit": 64 << 20 });
    fs::write(path("config.json"), config.to_string()).unwrap();

    let trace = path("trace");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-e", "trace=openat,openat2,write", "-o"]).arg(&trace);
    strace.arg(runc).args(["--root"]).arg(path("state")).args(["run", &name]).current_dir(bundle.path());
    let said = run(&mut strace);
    assert_eq!(said, "hello\n");
    let trace = fs::read_to_string(&trace).unwrap();
    // Otherwise a run without control groups would pass for one that leaves them alone.
    assert!(trace.contains("memory.limit_in_bytes"), "no memory limit was set");
    let writes = trace.lines().filter(|line| line.contains("memory.kmem.") && line.contains("O_WRONLY"));
    writes.map(str::to_owned).collect()
}
