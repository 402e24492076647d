//! Each wrong config.json through the whole program: an error that names the property, exit code 1, and nothing left.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

#[path = "../../../crates/runtime/tests/bad_config_list/mod.rs"]
mod bad_config_list;
mod support;

use std::process::Stdio;

use bad_config_list::{bad, put};
use support::{Bundle, cgroups, is_root};

#[test]
fn a_wrong_configuration_is_an_error_and_leaves_nothing() {
    let test = "a_wrong_configuration_is_an_error_and_leaves_nothing";
    if !is_root(test) {
        return;
    }
    let Some(mut bundle) = Bundle::busybox(test, &["true"]) else { return };
    let good = bundle.config.clone();
    let id = format!("bad-config-{}", std::process::id());
    let mut failures = Vec::new();
    for (pointer, value, message) in bad() {
        bundle.config = good.clone();
        bundle.config["process"]["terminal"] = true.into();
        put(&mut bundle.config, pointer, serde_json::from_str(value).unwrap());
        bundle.write();
        for command in ["create", "run"] {
            // Into a file: what a container that should not be there inherits would keep a pipe open.
            let said = bundle.path().join("said");
            let file = std::fs::File::create(&said).unwrap();
            let status = bundle.oci(&[command, &id]).stderr(file).stdout(Stdio::null()).status().unwrap();
            let text = std::fs::read_to_string(&said).unwrap();
            if status.code() != Some(1) || !text.lines().any(|line| line.contains(message)) {
                failures.push(format!(
                    "{command} with {pointer} = {value}: {status}, {text:?}, want {message:?}"
                ));
                bundle.oci(&["delete", "-f", &id]).status().unwrap();
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    let state = std::fs::read_dir(bundle.path().join("state"));
    let left: Vec<_> = state.map(|entries| entries.flatten().collect()).unwrap_or_default();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(cgroups(|name| name == id), Vec::<std::path::PathBuf>::new());
    // The same bundle, right again, works.
    bundle.config = good;
    assert_eq!(bundle.run(&id).code, 0);
}
