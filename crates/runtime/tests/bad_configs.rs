//! Configurations that are wrong in one place each, with the message that a person gets; and mutated ones, which may be
//! right or wrong but never end in a panic.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod bad_config_list;

use std::path::Path;

use bad_config_list::{bad, put};
use cofferdam_runtime::oci::{BundleOptions, Caller, Converted, SpecFor, default_spec, plan};
use cofferdam_wire_oci as wire;
use proptest::prelude::*;
use serde_json::Value;

fn convert_as(document: &Value, caller: Caller, no_pivot: bool) -> Result<Converted, String> {
    let bytes = serde_json::to_vec(document).unwrap();
    let spec: wire::Spec = wire::parse(&bytes).map_err(|error| error.to_string())?;
    let options = BundleOptions { bundle: Path::new("/bundle"), caller, no_pivot, no_new_keyring: false };
    plan("test".parse().unwrap(), &spec, &options).map_err(|error| error.to_string())
}

fn convert(document: &Value) -> Result<Converted, String> {
    convert_as(document, Caller::Privileged, false)
}

fn good() -> Value {
    serde_json::to_value(default_spec(SpecFor::Root { cgroup_v2: false })).unwrap()
}

fn rootless() -> Value {
    serde_json::to_value(default_spec(SpecFor::Rootless { uid: 1000, gid: 1000, cgroup_v2: false })).unwrap()
}

#[test]
fn each_wrong_value_is_named_with_its_place() {
    assert!(bad().count() >= 100, "{}", bad().count());
    let mut failures = Vec::new();
    for (pointer, value, message) in bad() {
        let mut document = good();
        put(&mut document, pointer, serde_json::from_str(value).unwrap());
        match convert(&document) {
            Ok(_) => failures.push(format!("{pointer} = {value}: accepted")),
            Err(error) if error.starts_with(message) => {}
            Err(error) => failures.push(format!("{pointer} = {value}:\n  want {message}\n  have {error}")),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn what_only_a_rootless_caller_may_not_do_is_refused_for_one() {
    let caller = Caller::Rootless { uid: 1000, gid: 1000 };
    let refused = |pointer: &str, value: &str| {
        let mut document = rootless();
        put(&mut document, pointer, serde_json::from_str(value).unwrap());
        convert_as(&document, caller, false).unwrap_err()
    };
    assert!(convert_as(&rootless(), caller, false).is_ok());
    assert!(
        convert_as(&good(), caller, false)
            .unwrap_err()
            .contains("rootless container requires user namespaces")
    );
    assert!(refused("/process/user/uid", "5").starts_with("process.user.uid: user 5 is not mapped"));
    assert!(refused("/process/user/gid", "5").starts_with("process.user.gid: group 5 is not mapped"));
    assert!(refused("/process/user/additionalGids", "[0]").contains("denies setgroups(2)"));
    assert!(
        refused("/process/user/additionalGids", "[9]").starts_with("process.user.additionalGids[0]: group 9")
    );
    let bind = r#"{"destination": "/x", "source": "/x", "options": ["bind", "ridmap"]}"#;
    assert!(refused("/mounts/-", bind).contains("not supported for rootless containers"));
    let map = |size: &str| format!(r#"[{{"containerID": 0, "hostID": 1, "size": {size}}}]"#);
    assert!(refused("/linux/uidMappings", "[]").contains("at least one line"));
    assert!(refused("/linux/uidMappings", &map("0")).contains("size 0"));
    assert!(refused("/linux/uidMappings", &map("4294967295")).contains("runs past the last id"));
    let unrooted = r#"[{"containerID": 1, "hostID": 1, "size": 1}]"#;
    assert!(refused("/linux/gidMappings", unrooted).contains("container id 0 is not mapped"));
    let twice =
        r#"[{"containerID": 0, "hostID": 1, "size": 10}, {"containerID": 9, "hostID": 50, "size": 1}]"#;
    assert!(
        refused("/linux/uidMappings", twice)
            .contains("linux.uidMappings[1]: the range overlaps that of line 0")
    );
}

#[test]
fn no_pivot_and_a_private_root_do_not_go_together() {
    let mut document = good();
    put(&mut document, "/linux/rootfsPropagation", "private".into());
    let error = convert_as(&document, Caller::Privileged, true).unwrap_err();
    assert!(error.contains("is not safe without pivot_root"), "{error}");
    assert!(convert_as(&document, Caller::Privileged, false).is_ok());
}

#[test]
fn unknown_properties_are_skipped_and_null_is_absence() {
    let mut document = good();
    for pointer in ["/x", "/process/x", "/linux/x", "/linux/resources/x", "/root/x"] {
        put(&mut document, pointer, serde_json::json!({"anything": [1, 2]}));
    }
    document["linux"]["devices"] = Value::Null;
    document["process"]["rlimits"] = Value::Null;
    document["hooks"] = Value::Null;
    document["mounts"][0]["options"] = Value::Null;
    let converted = convert(&document).unwrap();
    assert!(converted.warnings.is_empty(), "{:?}", converted.warnings);
}

#[test]
fn what_the_specification_lets_pass_is_a_warning() {
    let mut document = good();
    put(&mut document, "/process/capabilities/bounding/-", "CAP_FLY".into());
    put(&mut document, "/process/capabilities/ambient", serde_json::json!(["CAP_KILL"]));
    put(&mut document, "/mounts/0/destination", "proc".into());
    let Converted { plan, warnings } = convert(&document).unwrap();
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    assert!(plan.process.capabilities.ambient.is_empty());
    assert_eq!(plan.mounts[0].target.as_str(), "/proc");
}

/// Any JSON value, of those that a mutation puts in.
fn junk() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "",
        "/",
        "..",
        "a\0b",
        "/proc/self/ns/net",
        "bind",
        "tmpfs",
        "pid",
        "user",
        "SCMP_ACT_NOTIFY",
        "1.0.0",
        "CAP_SYS_ADMIN",
        "-1",
        "0-9999999999",
        "ünïcode",
        "a\nb",
        "::",
        "/dev/null",
        "rro",
        "size=1",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[a-zA-Z]{0,8}", inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// A document with everything in it, so that mutations reach every property.
fn full() -> Value {
    let mut document = good();
    for (pointer, value) in [
        ("/process/consoleSize", r#"{"height": 1, "width": 2}"#),
        ("/process/scheduler", r#"{"policy": "SCHED_BATCH", "nice": 1}"#),
        ("/process/ioPriority", r#"{"class": "IOPRIO_CLASS_BE", "priority": 1}"#),
        ("/process/user/additionalGids", "[1, 2]"),
        ("/hooks/prestart", r#"[{"path": "/x", "args": ["x"], "env": ["A=b"], "timeout": 1}]"#),
        ("/linux/devices", r#"[{"path": "/dev/x", "type": "c", "major": 1, "minor": 3, "fileMode": 438}]"#),
        ("/linux/sysctl", r#"{"net.core.somaxconn": "1"}"#),
        ("/linux/netDevices", r#"{"eth0": {"name": "eth1"}}"#),
        ("/linux/personality", r#"{"domain": "LINUX32"}"#),
        ("/linux/resources/memory", r#"{"limit": 1, "swap": 2}"#),
        ("/linux/resources/cpu", r#"{"shares": 1, "quota": 1, "cpus": "0"}"#),
        (
            "/linux/resources/blockIO",
            r#"{"weight": 10, "weightDevice": [{"major": 1, "minor": 2, "weight": 10}]}"#,
        ),
        ("/linux/resources/unified", r#"{"memory.high": "1"}"#),
        (
            "/linux/seccomp",
            r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}]}]}"#,
        ),
    ] {
        put(&mut document, pointer, serde_json::from_str(value).unwrap());
    }
    document
}

fn pointers(value: &Value, at: &str, into: &mut Vec<String>) {
    into.push(at.to_owned());
    match value {
        Value::Array(list) => {
            for (index, item) in list.iter().enumerate() {
                pointers(item, &format!("{at}/{index}"), into);
            }
        }
        Value::Object(map) => {
            for (key, item) in map {
                pointers(item, &format!("{at}/{}", key.replace('/', "~1")), into);
            }
        }
        _ => {}
    }
}

#[test]
fn the_full_document_is_right() {
    convert(&full()).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_documents_are_answered(edits in prop::collection::vec((any::<prop::sample::Index>(), junk()), 1..4)) {
        let mut document = full();
        for (place, value) in edits {
            let mut all = Vec::new();
            pointers(&document, "", &mut all);
            if let Some(slot) = document.pointer_mut(place.get(all.as_slice()).as_str()) {
                *slot = value;
            }
        }
        // Whatever the answer is, it is one; and a plan that is made can be written and read again.
        if let Ok(Converted { plan, .. }) = convert(&document) {
            let json = serde_json::to_string(&plan).unwrap();
            prop_assert_eq!(serde_json::from_str::<cofferdam_confinement::Plan>(&json).unwrap(), plan);
        }
    }

    #[test]
    fn broken_bytes_are_answered(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let mut bytes = serde_json::to_vec(&full()).unwrap();
        let index = at.index(bytes.len());
        bytes[index] = byte;
        if cut { bytes.truncate(index); }
        if let Err(error) = wire::parse::<wire::Spec>(&bytes) {
            prop_assert!(!error.to_string().is_empty());
        }
    }
}
