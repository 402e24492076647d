//! What v2 does without controllers, on the real kernel: where v1 is in use, the v2 hierarchy is mounted beside it.

use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use cofferdam_confinement::resources::{DeviceRule, HugePageSize, Limit, Resources, devices};
use cofferdam_kernel::bpf;
use cofferdam_runtime::cgroup::{Controller, Group, Hierarchy, Layout};

use crate::support::{TestGroup, eventually, host, skip};

/// The v2 hierarchy alone.
fn unified(test: &str) -> Option<Layout> {
    let layout = host(test)?;
    let hierarchy = layout.hierarchies().iter().find(|one| one.version() == "v2");
    if hierarchy.is_none() {
        skip(test, &"cgroup v2 is not mounted");
    }
    hierarchy.map(|hierarchy| Layout::of(vec![hierarchy.clone()]))
}

#[test]
fn default_device_rules_hold_as_a_program() {
    let Some(layout) = unified("default_device_rules_hold_as_a_program") else { return };
    crate::devices::default_rules_hold(layout);
}

#[test]
fn a_device_filter_that_is_gone_or_not_ours_is_named() {
    let Some(layout) = unified("a_device_filter_that_is_gone_or_not_ours_is_named") else { return };
    let mut test = TestGroup::new(layout);
    let resources = Resources { devices: devices::default_rules(), ..Resources::default() };
    test.create(&resources).unwrap();
    let folder = std::fs::File::open(&test.folders()[0]).unwrap();
    let ids = bpf::device_programs(folder.as_fd()).unwrap();
    assert_eq!(ids.len(), 1);
    let ours = bpf::program_by_id(ids[0]).unwrap();

    // r0 = 0; exit: a filter of someone else's that denies everything, beside ours.
    let deny = [
        bpf::Instruction { code: 0xb4, ..bpf::Instruction::default() },
        bpf::Instruction { code: 0x95, ..bpf::Instruction::default() },
    ];
    let foreign = bpf::load_device_program(&deny).unwrap();
    bpf::attach_device_program(folder.as_fd(), foreign.as_fd(), None).unwrap();
    let observed = test.group().observe(&resources).unwrap()[0].observed.clone();
    assert!(observed.contains("denies c 1:3 r"), "{observed}");
    bpf::detach_device_program(folder.as_fd(), foreign.as_fd()).unwrap();
    assert!(test.group().observe(&resources).unwrap()[0].holds());

    bpf::detach_device_program(folder.as_fd(), ours.as_fd()).unwrap();
    let observation = &test.group().observe(&resources).unwrap()[0];
    assert_eq!(observation.observed, "no device filter is attached");
}

#[test]
fn the_kernel_keeps_programs_of_any_rules_as_they_mean() {
    let Some(layout) = unified("the_kernel_keeps_programs_of_any_rules_as_they_mean") else { return };
    let mut test = TestGroup::new(layout);
    let mut current = Resources::default();
    test.create(&current).unwrap();
    // Rules over few numbers, so that many overlap: the verifier may drop what it proves dead.
    let mut seed = 1u32;
    let mut next = |below: u32| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 16) % below
    };
    for round in 0..200 {
        let rules = (0..=next(9)).map(|_| {
            use cofferdam_confinement::resources::{DeviceAccess, DeviceRuleKind};
            let kinds = [DeviceRuleKind::All, DeviceRuleKind::Character, DeviceRuleKind::Block];
            let mut number = || [None, Some(0), Some(1), Some(u32::MAX)][next(4) as usize];
            let (major, minor) = (number(), number());
            DeviceRule {
                allow: next(2) == 1,
                kind: kinds[next(3) as usize],
                major,
                minor,
                access: DeviceAccess::from_bits(u8::try_from(1 + next(7)).unwrap()).unwrap(),
            }
        });
        let new = Resources { devices: rules.collect(), ..Resources::default() };
        test.group().update(&current, &new).unwrap();
        let observation = &test.group().observe(&new).unwrap()[0];
        assert!(observation.holds(), "round {round}: {observation:?}");
        current = new;
    }
}

#[test]
fn v2_freezes_and_kills_without_a_controller() {
    let Some(layout) = unified("v2_freezes_and_kills_without_a_controller") else { return };
    let mut test = TestGroup::new(layout);
    test.create(&Resources::default()).unwrap();
    let mut child = test.start("sleep 60 & sleep 60 & wait");
    eventually("three processes run", || test.group().processes().unwrap().len() == 3);
    test.group().freeze().unwrap();
    assert!(test.group().is_frozen().unwrap());
    test.group().thaw().unwrap();
    assert!(!test.group().is_frozen().unwrap());
    test.group().freeze().unwrap();
    test.group().kill_all().unwrap();
    child.wait().unwrap();
    test.group().destroy().unwrap();
}

/// Takes a controller back from the children of the hierarchy's root if the test has handed it down.
struct HandedDown {
    control: PathBuf,
    name: &'static str,
    before: bool,
}

impl Drop for HandedDown {
    fn drop(&mut self) {
        if !self.before {
            let _ = std::fs::write(&self.control, format!("-{}", self.name));
        }
    }
}

#[test]
fn a_controller_beside_v1_is_handed_down_and_limits() {
    let name = "a_controller_beside_v1_is_handed_down_and_limits";
    let Some(layout) = unified(name) else { return };
    let root = layout.hierarchies()[0].root().to_owned();
    let sizes = std::fs::read_dir("/sys/kernel/mm/hugepages").map(Iterator::count).unwrap_or(0);
    if !layout.hierarchies()[0].controllers().contains(&Controller::HugeTlb) || sizes == 0 {
        skip(name, &"no hugetlb in cgroup v2 here");
        return;
    }
    let control = root.join("cgroup.subtree_control");
    let before = std::fs::read_to_string(&control).unwrap().contains("hugetlb");
    let _handed_down = HandedDown { control, name: "hugetlb", before };
    let mut test = TestGroup::new(layout);
    let mut resources = Resources::default();
    resources.huge_pages.insert(HugePageSize::try_from("2MB").unwrap(), Limit::Value((5 << 20) + 1));
    resources.unified.insert("cgroup.max.depth".try_into().unwrap(), "3".to_owned());
    test.create(&resources).unwrap();
    let observations = test.group().observe(&resources).unwrap();
    assert_eq!(observations.len(), 3);
    assert!(observations.iter().all(|one| one.holds()), "{observations:?}");
    assert!(test.group().stats().unwrap().huge_pages.contains_key("2MB"));
    test.group().destroy().unwrap();
    std::fs::remove_dir(test.folders()[0].parent().unwrap()).unwrap();
}

#[test]
fn a_folder_that_is_no_hierarchy_fails_and_is_left_as_it_was() {
    let Some(_) = host("a_folder_that_is_no_hierarchy_fails_and_is_left_as_it_was") else { return };
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::of(vec![Hierarchy::v2(folder.path(), vec![])]);
    let mut test = TestGroup::new(layout);
    let resources = Resources { devices: devices::default_rules(), ..Resources::default() };
    test.create(&resources).unwrap_err();
    assert!(!test.folders()[0].exists());
    assert!(Group::open(&test.layout, &test.path).is_err());
}

#[test]
fn a_group_handed_over_has_a_new_owner_but_for_its_limits() {
    let Some(layout) = unified("a_group_handed_over_has_a_new_owner_but_for_its_limits") else { return };
    let mut test = TestGroup::new(layout);
    test.create(&Resources::default()).unwrap();
    test.group().delegate_to(65_534).unwrap();
    let owner = |file: &str| std::fs::metadata(test.folders()[0].join(file)).unwrap().uid();
    for (file, uid) in [
        ("", 65_534),
        ("cgroup.procs", 65_534),
        ("cgroup.subtree_control", 65_534),
        ("cgroup.max.depth", 0),
        ("cgroup.freeze", 0),
        ("cgroup.kill", 0),
    ] {
        assert_eq!(owner(file), uid, "{file:?}");
    }
    assert!(test.group().observe_owner(65_534).unwrap().holds());
    assert!(!test.group().observe_owner(0).unwrap().holds());
}
