//! `[placement] require`: a host that falls short refuses a zone's containers, and names the checks.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

mod support;

use std::process::Command;

use support::{Home, is_root};

/// Ids of checks that this host passes, and that it fails.
fn checks() -> (Vec<String>, Vec<String>) {
    let report =
        Command::new(env!("CARGO_BIN_EXE_cofferdam")).args(["audit", "host", "--format", "json"]).output();
    let report: serde_json::Value = serde_json::from_slice(&report.unwrap().stdout).unwrap();
    let with = |outcome: &str| {
        let findings = report["findings"].as_array().unwrap().iter();
        let found = findings.filter(|finding| {
            finding["outcome"] == outcome
                && finding["area"].as_str().is_some_and(|area| area.contains("parameters"))
        });
        found.map(|finding| finding["id"].as_str().unwrap().to_owned()).collect()
    };
    (with("pass"), with("fail"))
}

fn demand(home: &Home, ids: &[&str]) {
    let file = home.path().join("careful.toml");
    let list: Vec<String> = ids.iter().map(|id| format!("\"{id}\"")).collect();
    let text =
        format!("zone = \"careful\"\nbase = \"host-tools\"\n[placement]\nrequire = [{}]\n", list.join(", "));
    std::fs::write(&file, text).unwrap();
    home.ok(&["zone", "apply", file.to_str().unwrap()]);
}

#[test]
fn a_host_that_falls_short_refuses_the_zones_containers() {
    if !is_root("a_host_that_falls_short_refuses_the_zones_containers") {
        return;
    }
    let home = Home::new();
    let (passed, failed) = checks();
    let (good, bad) = (passed.first().unwrap().as_str(), failed.first().unwrap().as_str());
    demand(&home, &[good]);
    let run = ["run", "--rm", "--zone", "careful", "host", "--", "true"];
    assert_eq!(home.run(&run).code, 0, "{:?}", home.run(&run));
    let id = home.ok(&["create", "--zone", "careful", "host", "--", "true"]);

    demand(&home, &[good, bad]);
    let refused = home.run(&run);
    assert_eq!(refused.code, 125, "{refused:?}");
    assert!(refused.err.contains(bad) && !refused.err.contains(good), "{}", refused.err);
    assert!(
        refused.err.contains("zone careful") && refused.err.contains("careful.toml:4"),
        "{}",
        refused.err
    );
    let later = home.run(&["start", &id]);
    assert!(later.code != 0 && later.err.contains(bad), "one that was made before: {later:?}");
    let planned = home.run(&["plan", "--zone", "careful", "host", "--", "true"]);
    assert!(planned.code != 0 && planned.err.contains(bad), "{planned:?}");

    demand(&home, &["no.such.check"]);
    let refused = home.run(&run);
    assert!(refused.code == 125 && refused.err.contains("no.such.check (unknown"), "{refused:?}");
    home.ok(&["rm", &id]);
}

#[test]
fn a_profile_of_a_zone_keeps_what_the_zone_demands() {
    if !is_root("a_profile_of_a_zone_keeps_what_the_zone_demands") {
        return;
    }
    let home = Home::new();
    let (passed, failed) = checks();
    let (good, bad) = (passed.first().unwrap().as_str(), failed.first().unwrap().as_str());
    demand(&home, &[good, bad]);
    let audited = |profile: &str| {
        home.run(&["audit", "host", "--format", "json", "--profile", profile, "--fail-on", "low"])
    };
    let ran = audited("zone:careful");
    assert_eq!(ran.code, 2, "{ran:?}");
    let report: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let findings = report["findings"].as_array().unwrap();
    let mut ids: Vec<_> = findings.iter().map(|finding| finding["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    let mut wanted = vec![good, bad];
    wanted.sort_unstable();
    assert_eq!(ids, wanted);
    assert_eq!(report["counts"]["fail"], 1);

    demand(&home, &[good]);
    assert_eq!(audited("zone:careful").code, 0);
    let missing = audited("zone:nobody");
    assert!(missing.code == 1 && missing.err.contains("nobody"), "{missing:?}");
    let wrong = audited("zone:No Body");
    assert!(wrong.code != 0 && wrong.err.contains("No Body"), "{wrong:?}");
}
