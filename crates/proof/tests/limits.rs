//! A limit that was changed behind our back is found and named. As root, on a cgroup of the test's own.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write;

use cofferdam_confinement::resources::{Limit, Resources, devices};
use cofferdam_confinement::{Cgroup, CgroupPath};
use cofferdam_proof::{Verdict, compare_group, overall};
use cofferdam_runtime::cgroup::{Controller, Group, Layout};

#[test]
fn a_drift_of_a_limit_is_found_and_named() {
    let layout = Layout::detect();
    let (true, Ok(layout)) = (rustix::process::geteuid().is_root(), layout) else {
        let _ = writeln!(std::io::stderr(), "SKIP a_drift_of_a_limit_is_found_and_named: no cgroups to make");
        return;
    };
    let parent = format!("cofferdam-test-proof-{}", std::process::id());
    let path = CgroupPath::try_from(format!("{parent}/group")).unwrap();
    let resources =
        Resources { pids: Some(Limit::Value(7)), devices: devices::default_rules(), ..Resources::default() };
    let planned = Cgroup { path: Some(path.clone()), owner: None, resources };
    let outside = rustix::process::getpid();
    let compare = |group| -> Vec<_> {
        let found = compare_group(&planned, group, outside);
        let (members, limits) = found.into_iter().partition::<Vec<_>, _>(|one| one.control == "cgroup");
        // The test itself is in none of the groups, and each hierarchy says so.
        let (verdict, count) = match group {
            Some(_) => (Verdict::Differs, layout.hierarchies().len()),
            None => (Verdict::Unknown, 1),
        };
        assert!(members.iter().all(|one| one.verdict == verdict), "{members:?}");
        assert_eq!(members.len(), count);
        limits
    };
    let group = Group::create(&layout, &path, &planned.resources).unwrap();
    let before = compare(Some(&group));
    let pids = layout.hierarchies().iter().find(|one| one.controllers().contains(&Controller::Pids)).unwrap();
    std::fs::write(pids.root().join(path.as_str()).join("pids.max"), "70").unwrap();
    let after = compare(Some(&group));
    group.destroy().unwrap();
    let gone = compare(Some(&group));
    for hierarchy in layout.hierarchies() {
        let _ = std::fs::remove_dir(hierarchy.root().join(&parent));
    }

    assert_eq!((before.len(), overall(&before)), (2, Verdict::Holds), "{before:?}");
    let drifted: Vec<_> = after.iter().filter(|finding| finding.verdict == Verdict::Differs).collect();
    assert_eq!(drifted.len(), 1, "{after:?}");
    assert_eq!(drifted[0].item.as_deref(), Some("pids.limit (pids.max)"));
    assert_eq!((drifted[0].planned.as_str(), drifted[0].observed.as_str()), ("7", "70"));
    assert_eq!(overall(&gone), Verdict::Unknown, "{gone:?}");
    assert_eq!(overall(&compare(None)), Verdict::Unknown);
    assert!(
        compare_group(&Cgroup { path: None, owner: None, resources: Resources::default() }, None, outside)
            .is_empty()
    );
}
