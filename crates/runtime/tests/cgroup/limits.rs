//! Limits are set, read back, changed; what cannot be had is refused by name.

use cofferdam_confinement::resources::{
    BlockIo, BlockIoWeight, Cpu, CpuShares, DeviceNumber, DeviceRate, Limit, Memory, NumberList, Resources,
    Swappiness, devices,
};
use cofferdam_runtime::cgroup::error::{ApplyError, CreateError};
use cofferdam_runtime::cgroup::{Controller, Layout};

use crate::support::{TestGroup, host, host_with, skip};

const MIB: u64 = 1 << 20;

/// Numbers of a block device of this machine, for throttling.
fn block_device() -> Option<DeviceNumber> {
    let entry = std::fs::read_dir("/sys/block").ok()?.flatten().next()?;
    let text = std::fs::read_to_string(entry.path().join("dev")).ok()?;
    let (major, minor) = text.trim().split_once(':')?;
    Some(DeviceNumber { major: major.parse().ok()?, minor: minor.parse().ok()? })
}

fn many_limits(layout: &Layout) -> Resources {
    let v1 = !layout.is_v2();
    Resources {
        memory: Memory {
            limit: Some(Limit::Value(64 * MIB + 1)),
            reservation: Some(Limit::Value(32 * MIB)),
            swap: Some(Limit::Value(96 * MIB)),
            kernel: Some(Limit::Value(MIB)),
            kernel_tcp: v1.then_some(Limit::Value(8 * MIB)),
            swappiness: if v1 { Swappiness::try_from(20).ok() } else { None },
            disable_oom_killer: Some(false),
            use_hierarchy: Some(true),
            check_before_update: false,
        },
        cpu: Cpu {
            shares: CpuShares::try_from(512).ok(),
            quota: Some(Limit::Value(20_000)),
            burst: Some(10_000),
            period: Some(50_000),
            cpus: NumberList::try_from("0").ok(),
            mems: NumberList::try_from("0").ok(),
            ..Cpu::default()
        },
        pids: Some(Limit::Value(50)),
        block_io: BlockIo {
            weight: if v1 { BlockIoWeight::try_from(200).ok() } else { None },
            read_bps: block_device().map(|device| DeviceRate { device, rate: MIB }).into_iter().collect(),
            write_iops: block_device().map(|device| DeviceRate { device, rate: 100 }).into_iter().collect(),
            ..BlockIo::default()
        },
        devices: devices::default_rules(),
        ..Resources::default()
    }
}

const NEEDED: [Controller; 5] =
    [Controller::Memory, Controller::Cpu, Controller::Cpuset, Controller::Pids, Controller::BlockIo];

#[test]
fn every_limit_reads_back_as_planned() {
    let Some(layout) = host_with("every_limit_reads_back_as_planned", &NEEDED) else { return };
    let resources = many_limits(&layout);
    let expected = if layout.is_v2() { 10 } else { 15 } + resources.block_io.read_bps.len() * 2;
    let mut test = TestGroup::new(layout);
    let group = test.create(&resources).unwrap();
    let observations = group.observe(&resources).unwrap();
    for observation in &observations {
        assert!(observation.holds(), "{observation:?}");
    }
    assert_eq!(observations.len(), expected, "{observations:#?}");
}

#[test]
fn a_value_changed_by_hand_is_named() {
    let Some(layout) = host_with("a_value_changed_by_hand_is_named", &NEEDED) else { return };
    let resources = many_limits(&layout);
    let mut test = TestGroup::new(layout);
    test.create(&resources).unwrap();
    std::fs::write(test.folder_of(Controller::Pids).join("pids.max"), "max").unwrap();
    let observations = test.group().observe(&resources).unwrap();
    let drifted: Vec<_> = observations.iter().filter(|one| !one.holds()).collect();
    assert_eq!(drifted.len(), 1, "{drifted:?}");
    assert_eq!(drifted[0].control, "pids.limit (pids.max)");
    assert_eq!((drifted[0].planned.as_str(), drifted[0].observed.as_str()), ("50", "max"));
}

#[test]
fn limits_are_raised_and_lowered_on_a_live_group() {
    let Some(layout) = host_with("limits_are_raised_and_lowered_on_a_live_group", &NEEDED) else { return };
    let mut test = TestGroup::new(layout);
    let limits = |memory: u64, quota: u64, period: u64, burst: u64| Resources {
        memory: Memory {
            limit: Some(Limit::Value(memory * MIB)),
            swap: Some(Limit::Value(memory * MIB)),
            ..Memory::default()
        },
        cpu: Cpu {
            quota: Some(Limit::Value(quota)),
            period: Some(period),
            burst: Some(burst),
            ..Cpu::default()
        },
        ..Resources::default()
    };
    let mut current = limits(32, 10_000, 100_000, 10_000);
    test.create(&current).unwrap();
    // Up and down: memory against memory+swap, and quota against burst and period, each in the order that works.
    for new in
        [limits(128, 80_000, 50_000, 80_000), limits(16, 2_000, 200_000, 1_000), limits(64, 9_000, 9_000, 0)]
    {
        test.group().update(&current, &new).unwrap();
        let observations = test.group().observe(&new).unwrap();
        assert!(observations.iter().all(|one| one.holds()), "{observations:?}");
        current = new;
    }
    let mut lifted = current.clone();
    lifted.memory.limit = Some(Limit::Max);
    lifted.memory.swap = Some(Limit::Max);
    lifted.cpu.quota = Some(Limit::Max);
    test.group().update(&current, &lifted).unwrap();
    let observations = test.group().observe(&lifted).unwrap();
    assert!(observations.iter().all(|one| one.holds()), "{observations:?}");
}

#[test]
fn an_idle_group_takes_its_shares_when_it_wakes() {
    let Some(layout) = host_with("an_idle_group_takes_its_shares_when_it_wakes", &[Controller::Cpu]) else {
        return;
    };
    let mut test = TestGroup::new(layout);
    let mut idle = Resources::default();
    idle.cpu.idle = Some(true);
    idle.cpu.shares = CpuShares::try_from(300).ok();
    test.create(&idle).unwrap();
    assert!(test.group().observe(&idle).unwrap().iter().all(|one| one.holds()));
    let mut awake = idle.clone();
    awake.cpu.idle = Some(false);
    test.group().update(&idle, &awake).unwrap();
    let observations = test.group().observe(&awake).unwrap();
    assert_eq!(observations.len(), 2);
    assert!(observations.iter().all(|one| one.holds()), "{observations:?}");
}

#[test]
fn check_before_update_refuses_a_limit_below_what_is_used() {
    let Some(layout) =
        host_with("check_before_update_refuses_a_limit_below_what_is_used", &[Controller::Memory])
    else {
        return;
    };
    let mut test = TestGroup::new(layout);
    let mut current = Resources::default();
    current.memory.limit = Some(Limit::Value(256 * MIB));
    test.create(&current).unwrap();
    let mut child = test.start("head -c 33554432 /dev/zero | tail -c 33554432 | sleep 60");
    let usage = || test.group().stats().unwrap().memory.memory.usage;
    crate::support::eventually("32 MiB are used", || usage() > 24 * MIB);
    let mut new = current.clone();
    new.memory.limit = Some(Limit::Value(8 * MIB));
    new.memory.check_before_update = true;
    let error = test.group().update(&current, &new).unwrap_err();
    assert!(matches!(error, ApplyError::BelowUsage { .. }), "{error}");
    assert!(test.group().observe(&current).unwrap().iter().all(|one| one.holds()), "nothing was changed");
    test.group().kill_all().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_limit_without_its_controller_is_refused_by_name_and_nothing_is_made() {
    let name = "a_limit_without_its_controller_is_refused_by_name_and_nothing_is_made";
    let Some(layout) = host(name) else { return };
    let mut resources = Resources::default();
    resources.network.class_id = Some(7);
    if layout.hierarchies().iter().any(|one| one.controllers().contains(&Controller::NetCls)) {
        skip(name, &"this host has net_cls");
        return;
    }
    let mut test = TestGroup::new(layout);
    let error = test.create(&resources).unwrap_err();
    let CreateError::Unenforceable(refused) = &error else { panic!("{error}") };
    assert_eq!(refused.control, "network.classID");
    assert!(error.to_string().contains("net_cls"), "{error}");
    assert!(test.folders().iter().all(|folder| !folder.exists()));
}

#[test]
fn a_value_that_the_kernel_refuses_leaves_no_group_behind() {
    let Some(layout) =
        host_with("a_value_that_the_kernel_refuses_leaves_no_group_behind", &[Controller::Cpu])
    else {
        return;
    };
    let mut test = TestGroup::new(layout);
    let mut resources = Resources::default();
    // Below the kernel's smallest quota of one millisecond.
    resources.cpu.quota = Some(Limit::Value(10));
    let error = test.create(&resources).unwrap_err();
    assert!(error.to_string().contains("cpu.quota"), "{error}");
    assert!(test.folders().iter().all(|folder| !folder.exists()));
}

#[test]
fn a_file_of_v2_needs_v2() {
    let name = "a_file_of_v2_needs_v2";
    let Some(layout) = host_with(name, &[Controller::Memory]) else { return };
    if layout.is_v2() {
        skip(name, &"this host has cgroup v2 only");
        return;
    }
    let mut test = TestGroup::new(layout);
    let mut resources = Resources::default();
    resources.unified.insert("memory.high".try_into().unwrap(), "1000000".to_owned());
    let error = test.create(&resources).unwrap_err();
    assert!(error.to_string().contains("unified[memory.high]"), "{error}");
}

/// The mutation test of the limits: each of them is left out in turn, by a copy of this program, and must be missed.
#[cfg(feature = "fault-injection")]
#[test]
fn every_limit_that_is_left_out_is_noticed() {
    let Some(layout) = host_with("every_limit_that_is_left_out_is_noticed", &NEEDED) else { return };
    let resources = many_limits(&layout);
    let mut test = TestGroup::new(layout);
    let observations = test.create(&resources).unwrap().observe(&resources).unwrap();
    // These two are planned as a new group has them here (one memory node), so that leaving them out changes nothing.
    let same = ["memory.disableOOMKiller", "cpu.mems"];
    let controls = observations.iter().map(|one| one.control.split(" (").next().unwrap());
    for control in controls.filter(|control| !same.contains(control)) {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "limits::a_mutant_is_noticed"])
            .env("COFFERDAM_SKIP", format!("set cgroup limit {control}"))
            .env("COFFERDAM_TEST_LEFT_OUT", control)
            .output()
            .unwrap();
        assert!(output.status.success(), "{control}: {}", String::from_utf8_lossy(&output.stdout));
        assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "{control}");
    }
}

/// One mutant; called by the test above.
#[cfg(feature = "fault-injection")]
#[test]
fn a_mutant_is_noticed() {
    let Ok(left_out) = std::env::var("COFFERDAM_TEST_LEFT_OUT") else { return };
    let layout = Layout::detect().unwrap();
    let resources = many_limits(&layout);
    let mut test = TestGroup::new(layout);
    // Without memory.limit, the kernel refuses memory.swap: that is noticed as well.
    let Ok(group) = test.create(&resources) else { return };
    let observations = group.observe(&resources).unwrap();
    let drifted: Vec<_> = observations.iter().filter(|one| !one.holds()).collect();
    assert_eq!(drifted.len(), 1, "{drifted:?}");
    assert!(drifted[0].control.starts_with(&left_out), "{drifted:?}");
}
