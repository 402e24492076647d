//! The files of a host, one at a time, of a tree at rest and of one that is looked at as if it ran: any bytes end in a report.

#![no_main]

use std::path::Path;

use cofferdam_audit::host::{Source, audit};
use libfuzzer_sys::fuzz_target;

/// Files that are read by parsers of their own.
const FILES: [&str; 40] = [
    "etc/passwd",
    "etc/shadow",
    "etc/group",
    "etc/subuid",
    "etc/sudoers",
    "etc/sudoers.d/x",
    "etc/login.defs",
    "etc/pam.d/su",
    "etc/ssh/sshd_config",
    "etc/fstab",
    "etc/sysctl.conf",
    "etc/modprobe.d/x.conf",
    "etc/docker/daemon.json",
    "etc/containers/containers.conf",
    "etc/containerd/config.toml",
    "var/lib/kubelet/config.yaml",
    "var/lib/docker/containers/0123456789abcdef/config.v2.json",
    "var/lib/docker/containers/0123456789abcdef/hostconfig.json",
    "etc/audit/rules.d/x.rules",
    "etc/systemd/system/x.service",
    "etc/selinux/config",
    "etc/default/grub",
    "etc/os-release",
    "etc/exports",
    "etc/resolv.conf",
    "root/.ssh/authorized_keys",
    "boot/config-6.1.0",
    "lib/modules/6.1.0/modules.dep",
    "proc/self/mountinfo",
    "proc/cmdline",
    "proc/modules",
    "proc/net/tcp",
    "proc/net/udp6",
    "proc/1/status",
    "proc/1/cgroup",
    "proc/1/cmdline",
    "proc/swaps",
    "proc/config.gz",
    "sys/kernel/security/lockdown",
    "sys/devices/system/cpu/vulnerabilities/mds",
];

fn write(root: &Path, path: &str, bytes: &[u8]) {
    let path = root.join(path);
    let _ = path.parent().map(std::fs::create_dir_all);
    let _ = std::fs::write(path, bytes);
}

fuzz_target!(|bytes: &[u8]| {
    let Some((which, text)) = bytes.split_first() else { return };
    let path = FILES[usize::from(*which) % FILES.len()];
    let root = std::env::temp_dir().join(format!("cofferdam-fuzz-host-{}", std::process::id()));
    for program in ["usr/bin/dockerd", "usr/sbin/sshd", "usr/bin/podman", "usr/bin/containerd", "usr/bin/kubelet"] {
        write(&root, program, b"");
    }
    write(&root, "proc/sys/kernel/osrelease", b"6.1.0\n");
    write(&root, path, text);
    for source in [Source::at_rest(&root), Source::running(&root)].into_iter().flatten() {
        let _ = audit(&source, "host");
    }
    let _ = std::fs::remove_file(root.join(path));
});
