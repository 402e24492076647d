//! A real Debian with sixty weaknesses planted in it, and the same one without them: each is found, and none is found that is not
//! there. `COFFERDAM_KEEP_TREES=FOLDER` keeps both as `strong` and `weak`, for other people's tools (tests/audit-peers).
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use support::{debian, is_root};

/// What is done to the tree.
enum Plant {
    /// A file with this text and mode, in the place of what is there.
    File(&'static str, &'static str, u32),
    /// A line more.
    Line(&'static str, &'static str),
    /// Another mode.
    Mode(&'static str, u32),
    /// Another owner.
    Owner(&'static str, u32),
    /// Capabilities on a copy of a program.
    Capable(&'static str, &'static str),
}

use Plant::{Capable, File, Line, Mode, Owner};

/// A weakness with the check that must fail for it, and what the same place has on a host that is in order.
#[rustfmt::skip]
const WEAK: &[(&str, Plant)] = &[
    ("accounts.one_root", Line("etc/passwd", "toor:x:0:0::/root:/bin/bash")),
    ("accounts.no_empty_password", Line("etc/shadow", "guest::19000:0:99999:7:::")),
    ("accounts.strong_hashes", Line("etc/shadow", "old:$1$abc$def:19000:0:99999:7:::")),
    ("accounts.unique_names", Line("etc/passwd", "daemon:x:7777:1::/:/usr/sbin/nologin")),
    ("accounts.unique_ids", Line("etc/passwd", "bin2:x:2:2::/:/usr/sbin/nologin")),
    ("accounts.known_groups", Line("etc/passwd", "lost:x:4242:4242::/:/usr/sbin/nologin")),
    ("accounts.system_shells", Line("etc/passwd", "svc:x:350:1::/:/bin/bash")),
    ("accounts.shadowed", Line("etc/passwd", "plain:$6$a$b:3001:1::/:/usr/sbin/nologin")),
    ("group.docker", Line("etc/group", "docker:x:999:eve")),
    ("group.disk", Line("etc/group", "disk:x:6:eve")),
    ("group.lxd", Line("etc/group", "lxd:x:998:eve")),
    ("group.shadow", Line("etc/group", "shadow:x:42:eve")),
    ("sudo.password", File("etc/sudoers", "eve ALL=(ALL) NOPASSWD: /bin/ls\n", 0o440)),
    ("sudo.some_commands", Line("etc/sudoers", "eve ALL=(ALL:ALL) ALL")),
    ("sshd.PermitRootLogin", File("etc/ssh/sshd_config", "PermitRootLogin yes\n", 0o644)),
    ("sshd.PermitEmptyPasswords", Line("etc/ssh/sshd_config", "PermitEmptyPasswords yes")),
    ("sshd.X11Forwarding", Line("etc/ssh/sshd_config", "X11Forwarding yes")),
    ("sshd.HostbasedAuthentication", Line("etc/ssh/sshd_config", "HostbasedAuthentication yes")),
    ("sshd.StrictModes", Line("etc/ssh/sshd_config", "StrictModes no")),
    ("sshd.Ciphers", Line("etc/ssh/sshd_config", "Ciphers 3des-cbc")),
    ("sshd.PermitUserEnvironment", Line("etc/ssh/sshd_config", "PermitUserEnvironment yes")),
    ("sshd.GatewayPorts", Line("etc/ssh/sshd_config", "GatewayPorts yes")),
    ("kernel.kptr_restrict", File("etc/sysctl.d/99-bad.conf", "kernel.kptr_restrict = 0\n", 0o644)),
    ("kernel.unprivileged_bpf_disabled", Line("etc/sysctl.d/99-bad.conf", "kernel.unprivileged_bpf_disabled = 0")),
    ("kernel.dmesg_restrict", Line("etc/sysctl.d/99-bad.conf", "kernel.dmesg_restrict = 0")),
    ("kernel.randomize_va_space", Line("etc/sysctl.d/99-bad.conf", "kernel.randomize_va_space = 0")),
    ("kernel.yama.ptrace_scope", Line("etc/sysctl.d/99-bad.conf", "kernel.yama.ptrace_scope = 0")),
    ("kernel.perf_event_paranoid", Line("etc/sysctl.d/99-bad.conf", "kernel.perf_event_paranoid = -1")),
    ("kernel.sysrq", Line("etc/sysctl.d/99-bad.conf", "kernel.sysrq = 1")),
    ("fs.protected_symlinks", Line("etc/sysctl.d/99-bad.conf", "fs.protected_symlinks = 0")),
    ("fs.protected_hardlinks", Line("etc/sysctl.d/99-bad.conf", "fs.protected_hardlinks = 0")),
    ("fs.suid_dumpable", Line("etc/sysctl.d/99-bad.conf", "fs.suid_dumpable = 1")),
    ("net.ipv4.conf.all.accept_redirects", Line("etc/sysctl.d/99-bad.conf", "net.ipv4.conf.all.accept_redirects = 1")),
    ("net.ipv4.conf.all.accept_source_route", Line("etc/sysctl.d/99-bad.conf", "net.ipv4.conf.all.accept_source_route = 1")),
    ("net.ipv4.conf.all.route_localnet", Line("etc/sysctl.d/99-bad.conf", "net.ipv4.conf.all.route_localnet = 1")),
    ("net.ipv4.tcp_syncookies", Line("etc/sysctl.d/99-bad.conf", "net.ipv4.tcp_syncookies = 0")),
    ("file./etc/passwd", Mode("etc/passwd", 0o666)),
    ("file./etc/shadow", Mode("etc/shadow", 0o644)),
    ("file./etc/sudoers", Mode("etc/sudoers", 0o646)),
    ("file./etc/group", Owner("etc/group", 1000)),
    ("file./etc", Mode("etc", 0o777)),
    ("file./tmp", Mode("tmp", 0o777)),
    ("file./root", Mode("root", 0o755)),
    ("file./usr/bin", Owner("usr/bin", 1000)),
    ("file./etc/docker/daemon.json", File("etc/docker/daemon.json", "{\"icc\": true, \"hosts\": [\"tcp://0.0.0.0:2375\"], \"insecure-registries\": [\"x:5000\"]}", 0o666)),
    ("docker.tls", File("usr/bin/dockerd", "x", 0o755)),
    ("docker.insecure-registry", Line("usr/bin/dockerd", "x")),
    ("docker.userns-remap", Line("usr/bin/dockerd", "x")),
    ("docker.no-new-privileges", Line("usr/bin/dockerd", "x")),
    ("files.set_id", File("opt/rootme", "x", 0o4755)),
    ("files.set_id_owned", File("usr/local/bin/sudo", "x", 0o4777)),
    ("files.open", File("usr/local/lib/open.so", "x", 0o666)),
    ("files.capabilities", Capable("usr/local/bin/python", "cap_setuid+ep")),
    ("preload", File("etc/ld.so.preload", "/tmp/evil.so\n", 0o644)),
    ("nfs.exports", File("etc/exports", "/srv *(rw,no_root_squash)\n", 0o644)),
    ("hosts.equiv", File("etc/hosts.equiv", "+\n", 0o644)),
    ("apt.unauthenticated", File("etc/apt/sources.list", "deb [trusted=yes] http://x/ y main\n", 0o644)),
    ("login.hash_method", File("etc/login.defs", "ENCRYPT_METHOD MD5\n", 0o644)),
    ("login.umask", Line("etc/login.defs", "UMASK 000")),
    ("coredump.storage", File("etc/systemd/coredump.conf", "[Coredump]\nStorage=external\n", 0o644)),
];

/// What a Debian without these weaknesses has besides, so that each check has something to pass on.
#[rustfmt::skip]
const STRONG: &[Plant] = &[
    File("etc/sudoers", "Defaults use_pty\nroot ALL=(ALL:ALL) ALL\n", 0o440),
    File("etc/ssh/sshd_config", "PermitRootLogin no\nX11Forwarding no\n", 0o644),
    File("usr/sbin/sshd", "x", 0o755),
    File("etc/sysctl.d/50-good.conf", "kernel.kptr_restrict = 2\nkernel.unprivileged_bpf_disabled = 1\nkernel.dmesg_restrict = 1\nkernel.randomize_va_space = 2\nkernel.yama.ptrace_scope = 1\nkernel.perf_event_paranoid = 3\nkernel.sysrq = 0\nfs.protected_symlinks = 1\nfs.protected_hardlinks = 1\nfs.suid_dumpable = 0\nnet.ipv4.conf.all.accept_redirects = 0\nnet.ipv4.conf.all.accept_source_route = 0\nnet.ipv4.conf.all.route_localnet = 0\nnet.ipv4.tcp_syncookies = 1\n", 0o644),
    File("etc/docker/daemon.json", "{\"userns-remap\": \"default\", \"no-new-privileges\": true}", 0o644),
    File("usr/bin/dockerd", "x", 0o755),
    File("etc/login.defs", "ENCRYPT_METHOD YESCRYPT\nUMASK 027\n", 0o644),
    File("etc/systemd/coredump.conf", "[Coredump]\nStorage=none\n", 0o644),
];

fn plant(root: &Path, plant: &Plant) {
    let make = |path: &str, text: &str, mode: u32| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    };
    match plant {
        File(path, text, mode) => make(path, text, *mode),
        Line(path, line) => {
            let path = root.join(path);
            let text = fs::read_to_string(&path).unwrap_or_default();
            fs::write(&path, format!("{text}{line}\n")).unwrap();
        }
        Mode(path, mode) => fs::set_permissions(root.join(path), fs::Permissions::from_mode(*mode)).unwrap(),
        Owner(path, uid) => chown(root.join(path), Some(*uid), None).unwrap(),
        Capable(path, capabilities) => {
            make(path, "x", 0o755);
            let done =
                Command::new("/usr/sbin/setcap").arg(capabilities).arg(root.join(path)).status().unwrap();
            assert!(done.success(), "setcap");
        }
    }
}

/// The outcome of each check on a tree.
fn outcomes(root: &Path) -> BTreeMap<String, String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cofferdam"));
    let output = command.args(["audit", "host", "--format", "json", "--root"]).arg(root).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let word = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let findings = report["findings"].as_array().unwrap().iter();
    findings.map(|finding| (word(&finding["id"]), word(&finding["outcome"]))).collect()
}

/// Keeps a copy of the tree where somebody asked for it.
fn keep(root: &Path, name: &str) {
    let Some(folder) = std::env::var_os("COFFERDAM_KEEP_TREES") else { return };
    let copied = Command::new("cp").arg("-a").arg(root).arg(Path::new(&folder).join(name)).status().unwrap();
    assert!(copied.success(), "cp");
}

#[test]
fn sixty_weaknesses_of_a_debian_are_found_and_none_that_is_not_there() {
    const TEST: &str = "sixty_weaknesses_of_a_debian_are_found_and_none_that_is_not_there";
    if !is_root(TEST) || !Path::new("/usr/sbin/setcap").exists() {
        return support::skip(TEST, "it needs root and setcap");
    }
    let Some(tar) = debian::tar(TEST) else { return };
    assert_eq!(WEAK.len(), 60);
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let done = Command::new("tar").arg("-xf").arg(&tar).arg("-C").arg(root).status().unwrap();
    assert!(done.success());
    STRONG.iter().for_each(|strong| plant(root, strong));
    let strong = outcomes(root);
    keep(root, "strong");
    for (id, _) in WEAK {
        assert_ne!(strong[*id], "fail", "{id} fails on the Debian that is in order");
    }
    WEAK.iter().for_each(|(_, weak)| plant(root, weak));
    let weak = outcomes(root);
    keep(root, "weak");
    let missed: Vec<_> =
        WEAK.iter().filter(|(id, _)| weak[*id] != "fail").map(|(id, _)| (id, &weak[*id])).collect();
    assert!(missed.is_empty(), "{missed:?}");
}
