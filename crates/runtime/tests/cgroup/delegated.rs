//! An ordinary user with a delegated part of cgroup v2.

use cofferdam_confinement::resources::{Limit, Memory, Resources};
use cofferdam_runtime::cgroup::Layout;

use crate::support::{TestGroup, eventually, skip};

#[test]
fn a_user_limits_and_kills_in_the_delegated_part() {
    let name = "a_user_limits_and_kills_in_the_delegated_part";
    if rustix::process::geteuid().is_root() {
        return skip(name, &"it is for an ordinary user");
    }
    let layout = Layout::detect().unwrap();
    if !layout.may_create() {
        return skip(name, &"no part of cgroup v2 is delegated to this user");
    }
    let mut test = TestGroup::new(layout);
    let resources = Resources {
        memory: Memory { limit: Some(Limit::Value(64 << 20)), ..Memory::default() },
        pids: Some(Limit::Value(3)),
        ..Resources::default()
    };
    test.create(&resources).unwrap();
    let observations = test.group().observe(&resources).unwrap();
    assert_eq!(observations.len(), 2);
    assert!(observations.iter().all(|one| one.holds()), "{observations:?}");
    let mut child = test.start("sleep 60 & wait");
    eventually("two processes run", || test.group().processes().unwrap().len() == 2);
    let pid = rustix::process::Pid::from_child(&child);
    assert!(test.group().observe_membership(pid).unwrap().iter().all(|one| one.holds()));
    assert!(!test.succeeds("sleep 9 & sleep 9 & sleep 9 & wait"));
    test.group().kill_all().unwrap();
    child.wait().unwrap();
    test.group().destroy().unwrap();
}
