//! The root filesystem and the OCI bundles that every engine is measured with.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::command::{command, quietly};

/// Where containers' default filter is on a Debian with podman: the list of calls that the measured filter allows.
const FILTER: &str = "/usr/share/containers/seccomp.json";

/// What all engines share: a folder on a real file system (overlay needs one).
pub(super) struct Ground {
    pub(super) folder: PathBuf,
}

impl Ground {
    /// Makes `folder` with a busybox root, its tar, the bundles and what the floor needs.
    pub(super) fn lay(folder: PathBuf) -> Result<Self> {
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("remove {}", folder.display()))?;
        }
        let root = folder.join("root");
        for name in ["bin", "dev", "etc", "proc", "sys", "tmp"] {
            fs::create_dir_all(root.join(name)).with_context(|| format!("make {name}"))?;
        }
        fs::copy("/bin/busybox", root.join("bin/busybox")).context("copy /bin/busybox")?;
        for applet in ["true", "sh", "sleep", "cat", "ls"] {
            fs::hard_link(root.join("bin/busybox"), root.join("bin").join(applet))
                .context("link an applet")?;
        }
        for (name, text) in [("passwd", "root:x:0:0:root:/:/bin/sh\n"), ("group", "root:x:0:\n")] {
            fs::write(root.join("etc").join(name), text).with_context(|| format!("write {name}"))?;
        }
        quietly(command("tar", ["-cf"]).arg(folder.join("busybox.tar")).arg("-C").arg(&root).arg("."))?;
        for name in ["upper", "work", "root"] {
            fs::create_dir_all(folder.join("floor").join(name)).with_context(|| format!("make {name}"))?;
        }
        let ground = Self { folder };
        ground.bundle("plain", &["true"], false)?;
        ground.bundle("filtered", &["true"], true)?;
        ground.bundle("idle", &["sleep", "100000"], true)?;
        Ok(ground)
    }

    /// The path of something in the folder, as text for a command line.
    pub(super) fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// A bundle in which `arguments` runs; with or without a system call filter.
    fn bundle(&self, name: &str, arguments: &[&str], filtered: bool) -> Result<()> {
        let folder = self.folder.join(name);
        fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
        let mut config = config(&self.folder.join("root"), arguments);
        if filtered && let Some(linux) = config.get_mut("linux").and_then(Value::as_object_mut) {
            linux.insert("seccomp".to_owned(), filter()?);
        }
        let text = serde_json::to_string_pretty(&config).context("write a bundle's config")?;
        fs::write(folder.join("config.json"), text).context("write a bundle's config.json")
    }
}

/// What Docker would ask of a runtime for a container without a network.
fn config(root: &Path, arguments: &[&str]) -> Value {
    let capabilities =
        json!(["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE", "CAP_CHOWN", "CAP_SETUID"]);
    let mount = |destination: &str, kind: &str, options: &[&str]| json!({ "destination": destination, "type": kind, "source": kind, "options": options });
    json!({
        "ociVersion": "1.0.2",
        "process": {
            "terminal": false,
            "user": { "uid": 0, "gid": 0 },
            "args": arguments,
            "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
            "cwd": "/",
            "capabilities": {
                "bounding": capabilities, "effective": capabilities, "permitted": capabilities
            },
            "rlimits": [{ "type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024 }],
            "noNewPrivileges": true
        },
        "root": { "path": root, "readonly": true },
        "hostname": "bench",
        "mounts": [
            mount("/proc", "proc", &["nosuid", "noexec", "nodev"]),
            mount("/dev", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
            mount("/dev/pts", "devpts", &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]),
            mount("/dev/shm", "tmpfs", &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
            mount("/dev/mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
            mount("/sys", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
        ],
        "linux": {
            "resources": {
                "devices": [{ "allow": false, "access": "rwm" }],
                "memory": { "limit": 268_435_456 },
                "cpu": { "shares": 1024 },
                "pids": { "limit": 512 }
            },
            "namespaces": [
                { "type": "pid" }, { "type": "network" }, { "type": "ipc" },
                { "type": "uts" }, { "type": "mount" }, { "type": "cgroup" }
            ],
            "maskedPaths": [
                "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
                "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware"
            ],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
        }
    })
}

/// A filter of the size that engines use: the calls that containers-common allows without conditions.
fn filter() -> Result<Value> {
    let text = fs::read_to_string(FILTER).with_context(|| format!("read {FILTER}"))?;
    let profile: Value = serde_json::from_str(&text).with_context(|| format!("parse {FILTER}"))?;
    let rules = profile.get("syscalls").and_then(Value::as_array).context("a profile without rules")?;
    let is_empty = |rule: &Value, key: &str| {
        rule.get(key).is_none_or(|value| {
            value.is_null()
                || value.as_array().is_some_and(Vec::is_empty)
                || value.as_object().is_some_and(serde_json::Map::is_empty)
        })
    };
    let plain = rules.iter().filter(|rule| {
        rule.get("action").and_then(Value::as_str) == Some("SCMP_ACT_ALLOW")
            && ["args", "includes", "excludes"].iter().all(|key| is_empty(rule, key))
    });
    let names = plain.filter_map(|rule| rule.get("names").and_then(Value::as_array)).flatten();
    // The profile allows this one under a condition on the architecture; without it no C library starts.
    let names: Vec<Value> = names.cloned().chain([json!("arch_prctl")]).collect();
    Ok(json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "syscalls": [{ "names": names, "action": "SCMP_ACT_ALLOW" }]
    }))
}
