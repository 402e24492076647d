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

fn lynis(out: &mut String, references: &BTreeMap<Reference, BTreeSet<String>>) {
    let _ = write!(
        out,
        "\n## Lynis (the sections that matter to a container host)\n\n| section | answered | theirs → ours | not built yet |\n|---|---|---|---|\n"
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
        let _ = writeln!(
            out,
            "| {section} | {} of {total} | {} | {} |",
            found.len(),
            found.join("; "),
            missing.join(" ")
        );
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
