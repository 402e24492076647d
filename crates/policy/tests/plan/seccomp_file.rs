//! `--security-opt seccomp=FILE`: a profile of the user's own, within the zone's.

use cofferdam_confinement::seccomp::Action;
use cofferdam_policy::{ContainerRequest, SeccompChoice, SecurityOption};

use crate::fixture::{planned, refused, request, zone};

fn with_file(json: Option<&str>) -> ContainerRequest {
    let mut request = request();
    let choice = SeccompChoice::File { path: "own.json".into(), json: json.map(str::to_owned) };
    request.security_options = vec![SecurityOption::Seccomp(choice)];
    request
}

const STRICTER: &str = r#"{"defaultAction": "SCMP_ACT_KILL_PROCESS", "syscalls": [
    {"names": ["read", "write", "exit_group"], "action": "SCMP_ACT_ALLOW"},
    {"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}]}]}"#;

#[test]
fn a_stricter_profile_is_taken() {
    for name in ["default", "strict", "host-tools"] {
        let profile = planned(&zone(name), &with_file(Some(STRICTER))).process.seccomp.unwrap();
        assert_eq!(profile.default_action, Action::KillProcess);
        assert_eq!(profile.rules.len(), 2);
    }
}

#[test]
fn a_looser_profile_is_refused_with_the_call_and_the_zones_line() {
    let keyctl = STRICTER.replace("\"read\"", "\"keyctl\"");
    let text = refused(&zone("default"), &with_file(Some(&keyctl)));
    assert!(text.contains("seccomp=own.json") && text.contains("zone `default`"), "{text}");
    assert!(text.contains("system call keyctl") && text.contains("allow"), "{text}");
    let open = r#"{"defaultAction": "SCMP_ACT_ALLOW"}"#;
    assert!(refused(&zone("default"), &with_file(Some(open))).contains("system call"));
    let everything_of_one = STRICTER.replace(r#""value": 1"#, r#""value": 38"#);
    assert!(refused(&zone("default"), &with_file(Some(&everything_of_one))).contains("system call socket"));
}

#[test]
fn a_file_that_is_no_profile_is_refused_with_the_reason() {
    let text = refused(&zone("default"), &with_file(Some(&STRICTER.replace("syscalls", "sycalls"))));
    assert!(text.contains("seccomp=own.json") && text.contains("unknown field `sycalls`"), "{text}");
    let asking = STRICTER.replacen("SCMP_ACT_ALLOW", "SCMP_ACT_NOTIFY", 1);
    assert!(refused(&zone("default"), &with_file(Some(&asking))).contains("not built yet"));
    assert!(refused(&zone("default"), &with_file(None)).contains("has not been read"));
}
