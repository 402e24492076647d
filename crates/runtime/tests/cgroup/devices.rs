//! Device rules on whichever interface this host filters devices by.

use cofferdam_confinement::resources::{DeviceRule, Resources, devices};
use cofferdam_runtime::cgroup::Layout;

use crate::support::{TestGroup, host};

fn rules(rules: Vec<DeviceRule>) -> Resources {
    Resources { devices: rules, ..Resources::default() }
}

/// Opens and makes nodes under the default rules; the nodes are made in a folder of the test's own.
pub fn default_rules_hold(layout: Layout) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display();
    let mut test = TestGroup::new(layout);
    let resources = rules(devices::default_rules());
    test.create(&resources).unwrap();
    assert!(test.succeeds("cat /dev/null && head -c 1 /dev/zero > /dev/null && head -c 1 /dev/urandom"));
    assert!(test.succeeds(&format!("mknod {path}/null c 1 3 && cat {path}/null")));
    // /dev/mem, a disk and /dev/net/tun: neither to be made nor, made outside, to be opened.
    for (name, numbers) in [("mem", "c 1 1"), ("disk", "b 7 0"), ("tun", "c 10 200")] {
        assert!(!test.succeeds(&format!("mknod {path}/inside-{name} {numbers}")), "{name}");
        assert!(
            std::process::Command::new("sh")
                .args(["-c", &format!("mknod {path}/{name} {numbers}")])
                .status()
                .unwrap()
                .success()
        );
        let output = test.run(&format!("exec 3< {path}/{name}"));
        assert!(!output.status.success(), "{name}");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains("Operation not permitted") || text.contains("Permission denied"), "{text}");
    }
    let observations = test.group().observe(&resources).unwrap();
    assert!(observations.iter().all(|one| one.holds()), "{observations:?}");
    assert_eq!(observations.len(), 1);

    changed_rules_replace_the_old(&test, &resources);
}

fn changed_rules_replace_the_old(test: &TestGroup, old: &Resources) {
    let mut more = devices::default_rules();
    more.push(DeviceRule { allow: false, ..DeviceRule::allow_character(1, Some(5)) });
    more.push(DeviceRule::allow_character(10, Some(229)));
    let new = rules(more);
    test.group().update(old, &new).unwrap();
    assert!(!test.succeeds("head -c 1 /dev/zero > /dev/null"));
    assert!(test.succeeds("cat /dev/null"));
    assert!(test.group().observe(&new).unwrap().iter().all(|one| one.holds()));
    let drift = test.group().observe(old).unwrap();
    assert!(!drift[0].holds(), "{drift:?}");
}

#[test]
fn default_rules_hold_on_this_host() {
    let Some(layout) = host("default_rules_hold_on_this_host") else { return };
    default_rules_hold(layout);
}
