//! `cofferdam audit` as people and CI type it: what each kind of target gives, and what the exit status says.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use support::user::User;
use support::{Home, Ran, is_root};

fn audit(arguments: &[&str]) -> Ran {
    Ran::of(Command::new(env!("CARGO_BIN_EXE_cofferdam")).arg("audit").args(arguments))
}

fn write<'a>(folder: &Path, name: &str, text: &str, kept: &'a mut String) -> &'a str {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    *kept = path.to_str().unwrap().to_owned();
    kept
}

/// The outcome of each check of a report in JSON.
fn outcomes(ran: &Ran) -> BTreeMap<String, String> {
    assert!(ran.code == 0 || ran.code == 2, "{ran:?}");
    let report: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let word = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let findings = report["findings"].as_array().unwrap().iter();
    findings.map(|finding| (word(&finding["id"]), word(&finding["outcome"]))).collect()
}

#[test]
fn files_fail_on_what_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    for (kind, weak, strong, id) in [
        (
            "compose",
            "services: {a: {image: 'a:1', privileged: true}}\n",
            "services: {a: {image: 'a:1'}}\n",
            "compose.privileged",
        ),
        (
            "kubernetes",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {hostPID: true, containers: [{name: a, image: 'a:1'}]}\n",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
            "pod.host_pid",
        ),
        (
            "dockerfile",
            "FROM debian:12\nENV DB_PASSWORD=hunter2\nUSER app\n",
            "FROM debian:12\nUSER app\n",
            "dockerfile.secrets",
        ),
    ] {
        let (mut weak_path, mut strong_path) = (String::new(), String::new());
        let weak = write(folder.path(), &format!("weak-{kind}"), weak, &mut weak_path);
        let strong = write(folder.path(), &format!("strong-{kind}"), strong, &mut strong_path);
        assert_eq!(audit(&[kind, weak]).code, 0, "{kind}: without --fail-on");
        let found = audit(&[kind, weak, "--fail-on", "high", "--format", "json"]);
        assert_eq!(found.code, 2, "{kind}: {found:?}");
        assert!(outcomes(&found).values().any(|outcome| outcome == "fail"), "{kind} {id}");
        let ran = audit(&[kind, strong, "--fail-on", "high"]);
        assert_eq!(ran.code, 0, "{kind}: {ran:?}");
        let both = audit(&[kind, strong, weak, "--fail-on", "high", "--format", "sarif"]);
        assert_eq!(both.code, 2, "{kind}: {both:?}");
        let log: serde_json::Value = serde_json::from_str(&both.out).unwrap();
        assert_eq!(log["runs"].as_array().unwrap().len(), 2, "one document for both");
        assert_eq!(audit(&[kind, "/no/such/file"]).code, 1, "{kind}");
    }
}

#[test]
fn a_baseline_and_waivers_let_failures_not_count() {
    let folder = tempfile::tempdir().unwrap();
    let (mut file, mut baseline, mut waivers) = (String::new(), String::new(), String::new());
    let file = write(folder.path(), "compose.yaml", "services: {a: {privileged: true}}\n", &mut file);
    let report = audit(&["compose", file, "--format", "json"]);
    let baseline = write(folder.path(), "baseline.json", &report.out, &mut baseline);
    assert_eq!(audit(&["compose", file, "--fail-on", "low"]).code, 2);
    assert_eq!(audit(&["compose", file, "--fail-on", "low", "--baseline", baseline]).code, 0);

    let all = |until: &str| -> String {
        let failed = outcomes(&report).into_iter().filter(|(_, outcome)| outcome == "fail");
        let waiver = |(id, _)| {
            format!("[[waiver]]\ncheck = \"{id}\"\nowner = \"o\"\nreason = \"r\"\nuntil = \"{until}\"\n")
        };
        failed.map(waiver).collect()
    };
    let path = write(folder.path(), "waivers.toml", &all("2999-01-01"), &mut waivers);
    assert_eq!(audit(&["compose", file, "--fail-on", "low", "--waivers", path]).code, 0);
    let path = write(folder.path(), "waivers.toml", &all("2020-01-01"), &mut waivers);
    let over = audit(&["compose", file, "--fail-on", "low", "--waivers", path]);
    assert_eq!(over.code, 2, "a waiver that is over: {over:?}");
    assert!(over.err.contains("the waiver of compose.privileged is over"), "{}", over.err);
}

#[test]
fn the_report_of_a_host_opens_with_the_answers() {
    let ran = audit(&["host"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let place = |words: &str| ran.out.find(words).unwrap_or_else(|| panic!("no {words:?} in {}", ran.out));
    let answers = [
        place("Audit of this host"),
        place("\n1. "),
        place("\n2. "),
        place("\n3. "),
        place("\n4. "),
        place("\n5. "),
        place("\n6. "),
        place("\nDIMENSION"),
        place("\nWhat to mend first:"),
        place("\nVERDICT"),
    ];
    assert!(answers.is_sorted(), "{}", ran.out);
    assert!(ran.out.contains("setenforce") && ran.out.contains("security boundary"), "{}", ran.out);
    for dimension in ["host kernel", "engine", "control plane", "processes"] {
        assert!(ran.out.contains(&format!("\n{dimension}")), "{dimension}: {}", ran.out);
    }
    assert!(ran.out.contains("\n  10. [") && !ran.out.contains("\n  11. ["), "the first ten: {}", ran.out);
}

#[test]
fn an_ordinary_user_is_told_what_is_unknown_and_why() {
    if !is_root("an_ordinary_user_is_told_what_is_unknown_and_why") {
        return;
    }
    let home = Home::of_user(Path::new(env!("CARGO_BIN_EXE_cofferdam")));
    let ran = home.run(&["audit", "host", "--all", "--format", "json"]);
    let seen = outcomes(&ran);
    let by_root = outcomes(&audit(&["host", "--all", "--format", "json"]));
    assert_eq!(seen.len(), by_root.len(), "the same checks");
    assert_eq!(seen["accounts.no_empty_password"], "unknown", "the shadow file is closed to users");
    assert!(ran.out.contains("ermission"), "the reason is told");
    let passed_though_unreadable: Vec<_> = seen
        .iter()
        .filter(|(id, outcome)| *outcome == "pass" && by_root[*id] == "fail")
        .map(|(id, _)| id)
        .collect();
    assert!(passed_though_unreadable.is_empty(), "{passed_though_unreadable:?}");
}

#[test]
fn a_container_of_ours_and_any_process_can_be_asked_for() {
    if !is_root("a_container_of_ours_and_any_process_can_be_asked_for") {
        return;
    }
    let home = Home::new();
    home.ok(&["run", "-d", "--name", "box", "host", "--", "sleep", "1000"]);
    let ours = outcomes(&home.run(&["audit", "container", "box", "--format", "json", "--all"]));
    for id in [
        "container.user_namespace",
        "container.seccomp",
        "container.no_new_privs",
        "container.own_pid",
        "container.own_net",
        "container.no_engine_socket",
        "container.kernel_files",
        "container.without_cap_sys_admin",
    ] {
        assert_eq!(ours[id], "pass", "{id}");
    }
    let user = User::new();
    let mut command = Command::new("sleep");
    let mut process = user.runs(command.arg("1000")).spawn().unwrap();
    let number = process.id().to_string();
    let bare = outcomes(&home.run(&["audit", "container", &number, "--format", "json", "--all"]));
    process.kill().unwrap();
    process.wait().unwrap();
    for id in ["container.own_mnt", "container.own_pid", "container.seccomp", "container.no_new_privs"] {
        assert_eq!(bare[id], "fail", "{id}: it lives in no container");
    }
    assert_ne!(home.run(&["audit", "container", "no-such"]).code, 0);
    let engines = outcomes(&home.run(&["audit", "engine", "--format", "json", "--all"]));
    assert!(engines.contains_key("docker.icc") && engines.contains_key("containers.seccomp"));
}

#[test]
fn a_disk_that_is_not_read_is_refused_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let mut path = String::new();
    let mut disk = "XFSB".to_owned();
    disk.push_str(&"\0".repeat(1 << 16));
    let path = write(folder.path(), "disk.img", &disk, &mut path);
    let ran = audit(&["vm", path]);
    assert!(ran.code == 1 && ran.err.contains("XFS"), "{ran:?}");
}
