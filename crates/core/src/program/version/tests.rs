//! What programs print, what linkers stamp, and which source a version stands for.

use proptest::prelude::*;

use super::*;

#[test]
fn versions_are_found_in_what_programs_print() {
    let docker = "Client:\n Version:           23.0.1\n API version:       1.41\n\n\
        Server: Docker Engine - Community\n Engine:\n  Version:          20.10.21\n  API version:      1.41 (minimum version 1.12)\n \
        containerd:\n  Version:          1.6.11\n  GitCommit:        d986545181c9\n runc:\n  Version:          1.1.4\n \
        docker-init:\n  Version:          0.19.0\n";
    let old_docker = "Client:\n Version:      17.05.0-ce\n API version:  1.29\n\nServer:\n Version:      17.03.2-ce\n \
        API version:  1.27 (minimum version 1.12)\n";
    let info = "Containers: 4\n Server Version: 20.10.8\n Storage Driver: overlay2\n Cgroup Version: 1\n \
        containerd version: e25210fe30a0a703442421b0f60afac609f950a3\n runc version: v1.0.1-0-g4144b63\n Kernel Version: 3.10.0-957.el7.x86_64\n";
    let crictl = "Version:  0.1.0\nRuntimeName:  cri-o\nRuntimeVersion:  1.14.10-0.21.dev.el8\nRuntimeApiVersion:  v1alpha1\n";
    let rows = [
        (
            "runc",
            "runc version 1.5.1\ncommit: v1.5.1-0-g8f2685a4\nspec: 1.3.0\ngo: go1.27.1\n",
            Some("1.5.1"),
        ),
        (
            "/usr/sbin/runc",
            "runc version 1.1.7-0ubuntu1~22.04.1\nspec: 1.0.2-dev\n",
            Some("1.1.7-0ubuntu1~22.04.1"),
        ),
        ("docker-runc", "runc version 1.0.0-rc5+dev.docker-18.06\n", Some("1.0.0-rc5+dev.docker-18.06")),
        ("docker-runc", "docker-runc version 1.0.0-rc2\n", Some("1.0.0-rc2")),
        (
            "runc",
            "time=\"x\" level=warning msg=\"odd\"\nrunc version 1.0.0~rc93+ds1\n",
            Some("1.0.0~rc93+ds1"),
        ),
        ("runc", "runc version unknown\nspec: 1.0.2-dev\n", None),
        ("runc", "runc version \nspec: 1.0.2-dev\n", None),
        ("runc", "runc version spec: 1.0.0\n", None),
        (
            "crun",
            "crun version 1.8.1\ncommit: f8a096be\nrundir: /run/user/0/crun\nspec: 1.0.0\n+SYSTEMD +SELINUX\n",
            Some("1.8.1"),
        ),
        (
            "containerd",
            "containerd github.com/containerd/containerd/v2 v2.2.1 dea7da592f5d\n",
            Some("v2.2.1"),
        ),
        ("containerd", "containerd containerd.io v1.6.28\n", Some("v1.6.28")),
        ("containerd", "containerd containerd.io 1.4.3 269548fa27e0\n", Some("1.4.3")),
        ("docker-containerd", "containerd version 0.2.3 commit: 4ab9917\n", Some("0.2.3")),
        ("dockerd", "Docker version 20.10.24+dfsg1, build 5d6db84\n", Some("20.10.24+dfsg1")),
        ("docker", "Docker version 1.13.1, build 092cba3\n", Some("1.13.1")),
        ("kubelet", "Kubernetes v1.33.4\n", Some("v1.33.4")),
        ("kubelet", "Kubernetes v1.20.0+2817867\n", Some("v1.20.0+2817867")),
        ("kubelet", "Kubernetes v0.0.0-master+$Format:%h$\n", None),
        ("hyperkube", "Kubernetes v1.15.3\n", Some("v1.15.3")),
        (
            "crio",
            "crio version 1.20.3-2.rhaos4.7.gitb53fa9d.el8\nVersion:       1.20.3-2\nGitCommit: x\n",
            Some("1.20.3-2.rhaos4.7.gitb53fa9d.el8"),
        ),
        ("crio", "crio version 1.13.0\n", Some("1.13.0")),
        ("cri-o", crictl, Some("1.14.10-0.21.dev.el8")),
        ("containerd", crictl, None),
        ("k3s", "k3s version v1.28.5+k3s1 (5b2d1271)\ngo version go1.20.12\n", Some("v1.28.5+k3s1")),
        ("docker", docker, Some("20.10.21")),
        ("containerd", docker, Some("1.6.11")),
        ("runc", docker, Some("1.1.4")),
        ("docker", old_docker, Some("17.03.2-ce")),
        ("docker", info, Some("20.10.8")),
        ("runc", info, Some("v1.0.1-0-g4144b63")),
        ("containerd", info, None),
        ("youki", "youki version 0.3.2\n", Some("0.3.2")),
        ("runc", "", None),
        ("docker", "Cannot connect to the Docker daemon. Is the docker daemon running?\n", None),
    ];
    for (name, text, expected) in rows {
        assert_eq!(parse_version_output(name, text).as_deref(), expected, "{name}: {text}");
    }
}

#[test]
fn versions_are_found_in_build_information() {
    let stamp = |flags: &str, path: &str| format!("path\t{path}\nbuild\t-ldflags=\"{flags}\"\n");
    let rows = [
        (
            "runc",
            stamp("-w -X main.gitCommit=abc -X main.version=1.1.14", "github.com/opencontainers/runc"),
            Some("1.1.14"),
        ),
        (
            "x",
            "path\tgithub.com/opencontainers/runc\nmod\tgithub.com/opencontainers/runc\tv1.1.14\th1:x\n"
                .to_owned(),
            Some("v1.1.14"),
        ),
        (
            "runc",
            "path\tgithub.com/opencontainers/runc\nmod\tgithub.com/opencontainers/runc\t(devel)\t\n"
                .to_owned(),
            None,
        ),
        ("runc", "path\twrapper\nmod\texample.org/wrapper\tv3.0.0\t\n".to_owned(), None),
        (
            "kubelet",
            stamp(
                "-X 'k8s.io/kubernetes/vendor/k8s.io/component-base/version.gitVersion=v1.20.15' -X a.b=c",
                "k8s.io/kubernetes/cmd/kubelet",
            ),
            Some("v1.20.15"),
        ),
        (
            "kubelet",
            stamp("-X k8s.io/kubernetes/pkg/version.gitVersion=v1.15.3+nokmem", "command-line-arguments"),
            Some("v1.15.3+nokmem"),
        ),
        (
            "containerd",
            stamp(
                "-X github.com/containerd/containerd/version.Version=1.6.20~ds1 -X x.Package=y",
                "github.com/containerd/containerd/cmd/containerd",
            ),
            Some("1.6.20~ds1"),
        ),
        (
            "containerd",
            stamp(
                "-X github.com/containerd/containerd/v2/version.Version=v2.2.1",
                "github.com/containerd/containerd/v2/cmd/containerd",
            ),
            Some("v2.2.1"),
        ),
        (
            "dockerd",
            stamp(
                "-X \\\"github.com/docker/docker/dockerversion.Version=20.10.24+dfsg1\\\"",
                "github.com/docker/docker/cmd/dockerd",
            ),
            Some("20.10.24+dfsg1"),
        ),
        (
            "k3s",
            stamp(
                "-X github.com/k3s-io/k3s/pkg/version.Version=v1.28.5+k3s1 -X k8s.io/component-base/version.gitVersion=v1.28.5",
                "github.com/k3s-io/k3s/cmd/server",
            ),
            Some("v1.28.5+k3s1"),
        ),
        ("other", stamp("-X main.version=1.0", "example.org/other"), None),
        ("runc", stamp("-X domain.version=1.0", "github.com/opencontainers/runc"), None),
    ];
    for (name, text, expected) in rows {
        assert_eq!(version_of(&BuildInfo::parse(&text), name).as_deref(), expected, "{text}");
    }
}

#[test]
fn a_version_stands_for_a_source() {
    let rows = [
        ("1.0.0-rc1", None),
        ("1.0.0-rc2", None),
        ("1.0.0-rc2+dev", None),
        ("1.0.0-rc2-5-gabcdef0", None),
        ("1.0.0-rc2-49-gd223e2ad", Some(Era::OnDemand)),
        ("1.0.0-rc2-150-gabcdef0", None),
        ("1.0.0-rc3", Some(Era::On)),
        ("1.0.0-rc4+dev", Some(Era::On)),
        ("1.0.0-rc5", Some(Era::On)),
        ("1.0.0-rc5+dev.docker-18.06", None),
        ("1.0.0-rc5-176-gf000fe11", None),
        ("1.0.0-rc6", Some(Era::TagSilent)),
        ("1.0.0-rc6+dev", None),
        ("1.0.0-rc10", Some(Era::Tag)),
        ("1.0.0-rc10+dev", Some(Era::Tag)),
        ("v1.0.0-rc91.0.20200707015106-819fcc688efb", Some(Era::Tag)),
        ("1.0.0~rc93+ds1-5+deb11u3", Some(Era::Tag)),
        ("1.0.0-rc93+dev", None),
        ("1.0.0-rc94", Some(Era::Removed)),
        ("1.0.0", Some(Era::Removed)),
        ("1.1.0-rc.1", Some(Era::Removed)),
        ("1.1.5+ds1-1+deb12u1", Some(Era::Removed)),
        ("v1.1.4-0-g5fd4c4d", Some(Era::Removed)),
        ("0.1.1", None),
        ("unknown", None),
    ];
    for (version, expected) in rows {
        assert_eq!(era(None, "runc", Some(version)), expected, "runc {version}");
    }
    let rows = [
        ("v1.8.8-gke.0", Some(Era::OnDemand)),
        ("v1.9.1", Some(Era::On)),
        ("v1.13.5", Some(Era::On)),
        ("v1.14.2", Some(Era::TagSilent)),
        ("v1.16.10", Some(Era::Tag)),
        ("v1.21.1+k3s1", Some(Era::Tag)),
        ("v1.21.2", Some(Era::Removed)),
        ("v1.37.2", Some(Era::Removed)),
        ("v0.0.0", None),
        ("1.20", None),
    ];
    for (version, expected) in rows {
        assert_eq!(era(None, "/usr/bin/kubelet", Some(version)), expected, "kubelet {version}");
    }
    assert_eq!(era(None, "containerd", Some("1.6.20")), None);
}

#[test]
fn programs_are_known_by_name() {
    let rows = [
        ("/usr/bin/docker-runc", Some(Component::Runc)),
        ("runc-current", Some(Component::Runc)),
        ("runc.amd64", Some(Component::Runc)),
        ("containerd-shim-runc-v2", Some(Component::Containerd)),
        ("docker-containerd-shim", Some(Component::Containerd)),
        ("/usr/bin/dockerd", Some(Component::Docker)),
        ("docker-proxy", None),
        ("cat", None),
    ];
    for (name, expected) in rows {
        assert_eq!(Component::from_name(name), expected, "{name}");
    }
}

proptest! {
    #[test]
    fn any_output_is_read_without_panic(
        name in "runc|docker|containerd|kubelet|crio|k3s|x|[a-z/-]{0,9}",
        text in "(?s)((runc|docker|Server|Engine|Version|version|:| |\n|v1.2|\u{e9}|1.0.0-rc2-9-g){0,9}|.{0,40})",
    ) {
        let found = parse_version_output(&name, &text);
        let version = found.as_deref().unwrap_or(&text);
        let _ = (era(None, &name, Some(version)), era(None, "kubelet", Some(version)));
    }
}
