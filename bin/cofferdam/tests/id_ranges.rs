//! Host ids of containers: no two have the same, whatever state folder they are of.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

mod support;

use support::{Home, eventually, is_root};

fn first_host_id(home: &Home) -> u32 {
    let map = home.ok(&["run", "--rm", "host", "--", "cat", "/proc/self/uid_map"]);
    map.split_ascii_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn two_state_folders_give_different_ids() {
    if !is_root("two_state_folders_give_different_ids") {
        return;
    }
    let (first, second) = (Home::new(), Home::new());
    let (one, other) = (first_host_id(&first), first_host_id(&second));
    assert!(one.abs_diff(other) >= 65_536, "{one} and {other}");
    assert!((0x7000_0000..0x7ffe_0000).contains(&one), "{one}");
    assert_eq!(first_host_id(&first), one, "the same block again");
}

#[test]
fn a_container_whose_range_another_folder_has_got_is_not_started() {
    if !is_root("a_container_whose_range_another_folder_has_got_is_not_started") {
        return;
    }
    let home = Home::new();
    let id = home.ok(&["create", "host", "--", "true"]);
    let definitions = home.path().join("state/definitions");
    let away = home.path().join("away");
    std::fs::rename(&definitions, &away).unwrap();
    // Others take what looks abandoned.
    let others: Vec<Home> = std::iter::repeat_with(Home::new).take(4).collect();
    let ids: Vec<u32> = others.iter().map(first_host_id).collect();
    std::fs::rename(&away, &definitions).unwrap();
    let plan = home.ok(&["inspect", "--format", "{{json .Plan.namespaces.id_maps.uids}}", &id]);
    let own: serde_json::Value = serde_json::from_str(&plan).unwrap();
    let own = u32::try_from(own[0]["host"].as_u64().unwrap()).unwrap();
    let ran = home.run(&["start", &id]);
    if ids.contains(&own) {
        assert!(ran.code != 0 && ran.err.contains("was given to another state folder"), "{ran:?}");
    } else {
        assert_eq!(ran.code, 0, "{ran:?}");
    }
}

/// Who joins another's namespaces has its ids, and lives on in them when that one is removed.
#[test]
fn a_range_stays_taken_while_one_who_joined_is_there() {
    if !is_root("a_range_stays_taken_while_one_who_joined_is_there") {
        return;
    }
    let home = Home::new();
    home.ok(&["run", "-d", "--rm", "--name", "aa", "host", "--", "sleep", "100"]);
    home.ok(&["run", "-d", "--name", "bb", "--network", "container:aa", "host", "--", "sleep", "100"]);
    let map = home.ok(&["exec", "bb", "cat", "/proc/self/uid_map"]);
    let shared: u32 = map.split_ascii_whitespace().nth(1).unwrap().parse().unwrap();
    home.ok(&["stop", "-t", "0", "aa"]);
    assert!(eventually(|| home.run(&["inspect", "aa"]).code != 0));
    assert_ne!(first_host_id(&home), shared);
    home.ok(&["rm", "-f", "bb"]);
    assert_eq!(first_host_id(&home), shared);
}
