//! The releases of runc that the lab builds from, as Go's module proxy has them, and what they need beside.

/// A release of runc.
#[derive(Debug, Clone, Copy)]
pub struct Runc {
    /// The version, as its module has it.
    pub version: &'static str,
    /// Modules that its sources need, with their versions; empty where its own go.mod names them.
    pub pins: &'static [(&'static str, &'static str)],
    /// The statement that makes `manager` for a `cgroup`.
    manager: &'static str,
    /// What `manager.Set` takes.
    limits: &'static str,
}

/// Accounts, unless it was built with the tag `nokmem`; it then leaves no word of that.
pub const RUNC_RC6: Runc = Runc { version: "v1.0.0-rc6", pins: PINS, manager: LITERAL, limits: CONFIG };
/// Accounts, unless it was built with the tag; it says so then.
pub const RUNC_RC9: Runc = Runc { version: "v1.0.0-rc9", pins: PINS, manager: LITERAL, limits: CONFIG };
/// The last release that accounts.
pub const RUNC_RC93: Runc = Runc {
    version: "v1.0.0-rc93",
    pins: &[],
    manager: "manager := fs.NewManager(cgroup, nil, false)",
    limits: CONFIG,
};
/// Never accounts.
pub const RUNC_RC95: Runc = Runc {
    version: "v1.0.0-rc95",
    pins: &[],
    manager: "manager := fs.NewManager(cgroup, nil, false)",
    limits: "cgroup.Resources",
};
/// The last release whose cgroup code is its own.
pub const RUNC_1_2: Runc = Runc {
    version: "v1.2.8",
    pins: &[],
    manager: "manager, _ := fs.NewManager(cgroup, nil)",
    limits: "cgroup.Resources",
};

const LITERAL: &str = "manager := &fs.Manager{Cgroups: cgroup}";
const CONFIG: &str = "&configs.Config{Cgroups: cgroup}";

/// Releases of before Go's modules list commits. These are the versions that the proxy has and that fit together, with
/// each other and with all of rc6 to rc10.
const PINS: &[(&str, &str)] = &[
    ("github.com/checkpoint-restore/go-criu", "v0.0.0-20181120144056-17b0214f6c48"),
    ("github.com/cilium/ebpf", "v0.0.0-20191025125908-95b36a581eed"),
    ("github.com/containerd/console", "v1.0.0"),
    ("github.com/coreos/go-systemd", "v0.0.0-20190321100706-95778dfbb74e"),
    ("github.com/coreos/pkg", "v0.0.0-20180108230652-97fdf19511ea"),
    ("github.com/cyphar/filepath-securejoin", "v0.2.2"),
    ("github.com/docker/go-units", "v0.4.0"),
    ("github.com/godbus/dbus", "v0.0.0-20181101234600-2ff6f7ffd60f"),
    ("github.com/golang/protobuf", "v1.3.2"),
    ("github.com/konsorten/go-windows-terminal-sequences", "v1.0.1"),
    ("github.com/mrunalp/fileutils", "v0.0.0-20171103030105-7d4729fb3618"),
    ("github.com/opencontainers/runtime-spec", "v1.0.2"),
    ("github.com/opencontainers/selinux", "v1.3.1-0.20190929122143-5215b1806f52"),
    ("github.com/pkg/errors", "v0.8.1"),
    ("github.com/seccomp/libseccomp-golang", "v0.9.1"),
    ("github.com/sirupsen/logrus", "v1.4.2"),
    ("github.com/syndtr/gocapability", "v0.0.0-20180916011248-d98352740cb2"),
    ("github.com/urfave/cli", "v1.20.0"),
    ("github.com/vishvananda/netlink", "v1.0.0"),
    ("github.com/vishvananda/netns", "v0.0.0-20171111001504-be1fbeda1936"),
    ("golang.org/x/sys", "v0.0.0-20201112073958-5cba982894dd"),
];

impl Runc {
    /// The path of its module.
    pub const MODULE: &'static str = "github.com/opencontainers/runc";

    /// The go.mod of a module that requires it.
    pub(super) fn required_by(self, module: &str) -> String {
        let itself = [(Self::MODULE, self.version)];
        requiring(module, itself.iter().chain(self.pins))
    }

    /// A go.mod for its own sources, where they have none.
    pub(crate) fn module_file(self) -> String {
        requiring(Self::MODULE, self.pins.iter())
    }

    /// A main package that joins the control group which its argument names, and limits it.
    pub(super) fn cgroup_writer(self) -> String {
        let Self { manager, limits, .. } = self;
        format!(
            r#"package main

import (
	"os"

	"github.com/opencontainers/runc/libcontainer/cgroups/fs"
	"github.com/opencontainers/runc/libcontainer/configs"
)

func main() {{
	cgroup := &configs.Cgroup{{Path: os.Args[1], Resources: &configs.Resources{{Memory: 64 << 20}}}}
	{manager}
	if err := manager.Apply(os.Getpid()); err != nil {{
		panic(err)
	}}
	if err := manager.Set({limits}); err != nil {{
		panic(err)
	}}
}}
"#
        )
    }
}

/// The go.mod of a module that requires others.
fn requiring<'a>(module: &str, required: impl Iterator<Item = &'a (&'a str, &'a str)>) -> String {
    let required: String = required.map(|(path, version)| format!("\t{path} {version}\n")).collect();
    format!("module {module}\n\ngo 1.13\n\nrequire (\n{required})\n")
}
