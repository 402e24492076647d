//! docs/audit-coverage.md: which of other people's checks ours answer, made from the references of our checks and the lists of
//! theirs (`COFFERDAM_WRITE_DOCS=1 cargo test -p cofferdam-audit --test coverage` writes it).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use cofferdam_audit::{Body, Reference, container, document, host, image};

/// Sections of docker-bench-security that no check of ours answers, and why.
const DOCKER_WHY_NOT: &[(&str, &str)] = &[
    (
        "4.5",
        "an environment variable of the client's shell, not of the host; `policy.json` and signatures come with images",
    ),
    ("4.12", "manual there too; signatures come with images"),
    ("5.9", "manual there too: which ports are needed only the owner knows"),
    (
        "5.19",
        "compose: `compose.ulimits`; for running containers the default is asked by `docker.default-ulimit`",
    ),
    ("5.23", "a search of the audit's log for past commands, which says nothing about now"),
    ("5.24", "a search of the audit's log for past commands, which says nothing about now"),
    ("6.1", "counts images; not a weakness by itself"),
    ("6.2", "counts containers; not a weakness by itself"),
    ("7.2", "swarm: only whether it is on (`docker.swarm`) is asked; its inside needs the engine's socket"),
    ("7.4", "swarm: needs the engine's socket"),
    ("7.5", "swarm: needs the engine's socket"),
    ("7.6", "swarm: needs the engine's socket"),
    ("7.7", "swarm: needs the engine's socket"),
    ("7.8", "swarm: needs the engine's socket"),
    ("7.9", "manual there too"),
    ("8.1.1", "Docker Enterprise, which is gone"),
    ("8.1.2", "Docker Enterprise, which is gone"),
    ("8.1.3", "Docker Enterprise, which is gone"),
    ("8.1.4", "Docker Enterprise, which is gone"),
    ("8.1.5", "Docker Enterprise, which is gone"),
    ("8.1.6", "Docker Enterprise, which is gone"),
    ("8.1.7", "Docker Enterprise, which is gone"),
    ("8.2.1", "Docker Enterprise, which is gone"),
];

/// Options on which we ask for something else than kernel-hardening-checker.
const KERNEL_OTHERWISE: &str = "\
- `CONFIG_USER_NS`: it wants none; every container here stands on user namespaces, so we want it on, and ask for limits on who may make one (`userns.unprivileged`).
- `CONFIG_CHECKPOINT_RESTORE`: it wants none; the kernel reads a filter back (PTRACE_SECCOMP_GET_FILTER) only with it, and our receipts rest on that.
- `CONFIG_BPF_SYSCALL`: it wants none; devices on cgroup v2 are fenced by BPF programs, so we accept it where unprivileged BPF is off.
- `kernel.kptr_restrict`, `fs.protected_fifos`, `fs.protected_regular`, `kernel.yama.ptrace_scope`, `kernel.perf_event_paranoid`, `kernel.io_uring_disabled`, `kernel.unprivileged_bpf_disabled`: it wants the strictest value; we pass from the value on that keeps unprivileged processes out.
- `kernel.sysrq`: 4 and 16 (keyboard and sync only) pass as well.
- `fs.suid_dumpable`: 2 passes as well where core_pattern is judged by itself.
- a parameter that this kernel does not have passes where the feature behind it is absent, and fails where an old kernel has the feature without the parameter.
";

/// All references of all checks, with the checks that have them.
fn references() -> BTreeMap<Reference, BTreeSet<String>> {
    let mut all: BTreeMap<Reference, BTreeSet<String>> = BTreeMap::new();
    let mut add = |about: &cofferdam_audit::About| {
        for reference in &about.references {
            all.entry(reference.clone()).or_default().insert(about.id.to_string());
        }
    };
    for control in host::controls() {
        add(&control.about);
    }
    for control in container::controls() {
        add(&control.about);
    }
    for control in image::controls() {
        add(&control.about);
    }
    let compose = document::compose::audit("x", "services: {a: {}}").unwrap();
    let kubernetes = document::kubernetes::audit("x", "kind: Pod").unwrap();
    for report in [document::dockerfile::audit("x", "FROM x"), compose, kubernetes] {
        for finding in &report.findings {
            add(&finding.about);
        }
    }
    all
}

fn ours(references: &BTreeMap<Reference, BTreeSet<String>>, body: Body, id: &str) -> Option<String> {
    let found = references.iter().find(|(reference, _)| reference.body == body && reference.id == id);
    let ids = found.map(|(_, ids)| ids)?;
    const MOST: usize = 6;
    let mut words: Vec<String> = ids.iter().take(MOST).map(|id| format!("`{id}`")).collect();
    if ids.len() > MOST {
        words.push(format!("and {} more", ids.len() - MOST));
    }
    Some(words.join(", "))
}

fn page() -> String {
    let references = references();
    let mut out = "# What other tools check, and what of it we do\n\nMade by the tests of `cofferdam-audit` from the references of our checks \
        (`COFFERDAM_WRITE_DOCS=1 cargo test -p cofferdam-audit --test coverage`).\n"
        .to_owned();
    docker(&mut out, &references);
    kernel(&mut out, &references);
    kubernetes(&mut out, &references);
    lynis(&mut out, &references);
    out
}

fn docker(out: &mut String, references: &BTreeMap<Reference, BTreeSet<String>>) {
    let list: Vec<&str> = include_str!("peers/docker-bench-security.txt").split_whitespace().collect();
    let mut rows = String::new();
    let mut answered = 0;
    for id in &list {
        let words = match ours(references, Body::CisDocker, id) {
            Some(words) => {
                answered += 1;
                words
            }
            None => {
                let why = DOCKER_WHY_NOT
                    .iter()
                    .find(|(known, _)| known == id)
                    .map_or("not built yet", |(_, why)| why);
                format!("no: {why}")
            }
        };
        let _ = writeln!(rows, "| {id} | {words} |");
    }
    let _ = write!(
        out,
        "\n## docker-bench-security\n\n{answered} of {} sections.\n\n| theirs | ours |\n|---|---|\n{rows}",
        list.len()
    );
}

fn kernel(out: &mut String, references: &BTreeMap<Reference, BTreeSet<String>>) {
    let list: BTreeSet<&str> =
        include_str!("peers/kernel-hardening-checker.txt").split_whitespace().collect();
    let missing: Vec<&&str> =
        list.iter().filter(|id| ours(references, Body::KernelHardeningChecker, id).is_none()).collect();
    let _ = write!(
        out,
        "\n## kernel-hardening-checker (x86_64)\n\n{} of {} options (its 363 checks name some options more than once). Ours have the same name: `kconfig.NAME`, \
        `cmdline.NAME`, or the parameter's own name.\n\nNot asked for: {}.\n\nWhere we ask for something else, and why:\n\n{KERNEL_OTHERWISE}",
        list.len() - missing.len(),
        list.len(),
        if missing.is_empty() {
            "none".to_owned()
        } else {
            missing.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ")
        }
    );
}

/// The node part of kube-bench (its cis-1.12): files of a worker, the kubelet, the proxy.
fn kubernetes(out: &mut String, references: &BTreeMap<Reference, BTreeSet<String>>) {
    const WHY_NOT: &[(&str, &str)] = &[(
        "4.3.1",
        "kube-proxy's own flags are not read; a port of its metrics that others reach is `port.cluster-proxy`",
    )];
    let list: Vec<&str> = include_str!("peers/kube-bench-node.txt").split_whitespace().collect();
    let mut rows = String::new();
    for id in &list {
        let why_not =
            || WHY_NOT.iter().find(|(known, _)| known == id).map_or("not built yet", |(_, why)| why);
        let words = ours(references, Body::CisKubernetes, id).unwrap_or_else(|| format!("no: {}", why_not()));
        let _ = writeln!(rows, "| {id} | {words} |");
    }
    let _ =
        write!(out, "\n## kube-bench, the node's part (cis-1.12)\n\n| theirs | ours |\n|---|---|\n{rows}");
}

/// Why the tests of a section that have no check of ours have none. What a section's tests say was read in Lynis's own list of
/// them (tests.db).
fn why_not(section: &str) -> &'static str {
    match section {
        "kernel" => "what the kernel is, not how it should be; other systems",
        "boot_services" => {
            "which loader and how many services there are, not how they should be; other systems; services are not containers (`systemd-analyze security`)"
        }
        "filesystems" => {
            "what there is (LVM, ACL, old files, swappiness); none of it walls a container off; other systems"
        }
        "authentication" => {
            "which directories and modules are in use; LDAP and NIS are judged by nobody here; other systems"
        }
        "ssh" => "where the server is and which version; its settings are judged instead",
        "storage_nfs" => {
            "who is asked for at the moment over RPC, which needs a connection; the exports are judged instead"
        }
        "networking" => "addresses and routes as they are; a name server's answer, which needs the network",
        "ports_packages" => {
            "other package managers; tools that would look at packages; what is installed is compared with the lists of fixes instead"
        }
        "logging" => {
            "which of several loggers it is, and its open files; that one runs, turns its files over and sends them away is judged"
        }
        "mac_frameworks" => {
            "TOMOYO and grsecurity are told by the kernel's list of modules (`lsm.mandatory`)"
        }
        "containers" => "counts, and other systems; containers are judged one by one instead",
        "accounting" => "other systems; tools that wrap shells",
        "usb" => "USBGuard and single devices: barring the storage driver is asked for",
        "firewalls" => {
            "which rules are loaded now, which needs a netlink socket; other systems; that a filter is loaded at boot is judged"
        }
        "file_integrity" => {
            "one test for each program of the kind; any of them passes `service.integrity`; dm-verity and IMA are the image's choice"
        }
        "shells" => "which shells there are; other systems; the umask is `login.umask`",
        "homedirs" => "people's histories and homes are theirs; root's home is judged",
        "scheduling" => "which jobs there are, not what they should be; who may add some is judged",
        "time" => "the state of the clock now, which needs the daemon to answer; that one runs is judged",
        "insecure_services" => "clients of old services, which open nothing; other systems",
        "banners" => "that the file exists: its words are judged",
        "hardening" => {
            "a compiler is no wall: whoever is in a container brings programs along; malware scanners search for what is known already"
        }
        "malware" => {
            "scanners search for what is known already, as root, in files of strangers; whether one is installed is no wall between containers"
        }
        "tooling" => "tools of administration and network sensors: not how this host is walled off",
        _ => "",
    }
}

fn lynis(out: &mut String, references: &BTreeMap<Reference, BTreeSet<String>>) {
    let _ = write!(
        out,
        "\n## Lynis (the sections that matter to a container host)\n\n| section | answered | theirs → ours | not asked for | why |\n|---|---|---|---|---|\n"
    );
    for line in include_str!("peers/lynis.txt").lines() {
        let Some((section, ids)) = line.split_once(": ") else { continue };
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        for id in ids.split_whitespace() {
            match ours(references, Body::Lynis, id) {
                Some(words) => found.push(format!("{id} → {words}")),
                None => missing.push(id),
            }
        }
        let total = found.len() + missing.len();
        let why = if missing.is_empty() { "" } else { why_not(section) };
        assert!(missing.is_empty() || !why.is_empty(), "{section}: {missing:?} without a reason");
        let (answered, found, missing) = (found.len(), found.join("; "), missing.join(" "));
        let _ = writeln!(out, "| {section} | {answered} of {total} | {found} | {missing} | {why} |");
    }
}

#[test]
fn the_page_of_coverage_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/audit-coverage.md");
    if std::env::var_os("COFFERDAM_WRITE_DOCS").is_some() {
        std::fs::write(path, page()).unwrap();
    }
    assert!(
        std::fs::read_to_string(path).unwrap() == page(),
        "docs/audit-coverage.md is not what the checks say"
    );
}

#[test]
fn every_option_of_kernel_hardening_checker_is_asked_for() {
    let references = references();
    let list = include_str!("peers/kernel-hardening-checker.txt").split_whitespace();
    let missing: Vec<&str> =
        list.filter(|id| ours(&references, Body::KernelHardeningChecker, id).is_none()).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
