//! v2's controllers where this machine has them in v1: against a folder that stands in for the hierarchy. It shows what
//! is written where; that a kernel takes it must be shown on a host with v2.

use std::path::{Path, PathBuf};

use cofferdam_confinement::CgroupPath;
use cofferdam_confinement::resources::{
    BlockIo, BlockIoWeight, Cpu, CpuShares, DeviceNumber, DeviceRate, Limit, Memory, Resources,
};
use cofferdam_runtime::cgroup::{Controller, Group, Hierarchy, Layout};

const V2: [Controller; 6] = [
    Controller::Memory,
    Controller::Cpu,
    Controller::Cpuset,
    Controller::Pids,
    Controller::BlockIo,
    Controller::HugeTlb,
];

/// A folder with the files of a v2 group: the limits are empty, since a written value replaces what is there.
fn stand_in(folder: &Path, controllers: &str) {
    std::fs::create_dir_all(folder).unwrap();
    for (file, text) in [
        ("cgroup.controllers", controllers),
        ("cgroup.subtree_control", ""),
        ("cgroup.procs", ""),
        ("cgroup.freeze", "0\n"),
        ("memory.max", ""),
        ("memory.low", ""),
        ("memory.swap.max", ""),
        ("memory.high", ""),
        ("memory.current", "4096\n"),
        ("memory.peak", "8192\n"),
        ("memory.swap.current", "1024\n"),
        ("memory.events", "low 0\nhigh 0\nmax 3\noom 1\noom_kill 2\n"),
        ("memory.stat", "anon 1\nfile 2\ninactive_file 96\nkernel 5\n"),
        ("cpu.max", ""),
        ("cpu.weight", ""),
        (
            "cpu.stat",
            "usage_usec 7\nuser_usec 3\nsystem_usec 4\nnr_periods 2\nnr_throttled 1\nthrottled_usec 9\n",
        ),
        ("pids.max", ""),
        ("pids.current", "6\n"),
        ("io.max", ""),
        ("io.weight", ""),
        ("io.stat", "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n"),
    ] {
        std::fs::write(folder.join(file), text).unwrap();
    }
}

struct Tree {
    folder: tempfile::TempDir,
    group: PathBuf,
    path: CgroupPath,
    layout: Layout,
}

fn tree(controllers: &str) -> Tree {
    let folder = tempfile::tempdir().unwrap();
    let group = folder.path().join("cofferdam/x");
    stand_in(folder.path(), controllers);
    stand_in(&folder.path().join("cofferdam"), controllers);
    stand_in(&group, controllers);
    let path = CgroupPath::try_from("cofferdam/x".to_owned()).unwrap();
    let layout = Layout::of(vec![Hierarchy::v2(folder.path(), V2.to_vec())]);
    Tree { folder, group, path, layout }
}

fn limits() -> Resources {
    let device = DeviceNumber { major: 8, minor: 0 };
    Resources {
        memory: Memory {
            limit: Some(Limit::Value(1 << 20)),
            swap: Some(Limit::Value(3 << 20)),
            reservation: Some(Limit::Value(1 << 19)),
            ..Memory::default()
        },
        cpu: Cpu { shares: Some(CpuShares::DEFAULT), quota: Some(Limit::Value(5_000)), ..Cpu::default() },
        pids: Some(Limit::Value(9)),
        block_io: BlockIo {
            weight: BlockIoWeight::try_from(10).ok(),
            read_bps: vec![DeviceRate { device, rate: 77 }],
            ..BlockIo::default()
        },
        ..Resources::default()
    }
}

#[test]
fn v2_limits_go_to_their_files() {
    let tree = tree("cpuset cpu io memory hugetlb pids");
    let mut resources = limits();
    resources.unified.insert("memory.high".try_into().unwrap(), "524288".to_owned());
    let group = Group::create(&tree.layout, &tree.path, &resources).unwrap();
    for (file, text) in [
        ("memory.max", "1048576"),
        ("memory.swap.max", "2097152"),
        ("memory.low", "524288"),
        ("memory.high", "524288"),
        ("cpu.weight", "100"),
        ("cpu.max", "5000 100000"),
        ("pids.max", "9"),
        ("io.weight", "default 1"),
        ("io.max", "8:0 rbps=77"),
    ] {
        assert_eq!(std::fs::read_to_string(tree.group.join(file)).unwrap(), text, "{file}");
    }
    let observations = group.observe(&resources).unwrap();
    assert_eq!(observations.len(), 9);
    assert!(observations.iter().all(|one| one.holds()), "{observations:?}");
    std::fs::write(tree.group.join("memory.max"), "max\n").unwrap();
    let observations = group.observe(&resources).unwrap();
    let drifted: Vec<_> = observations.iter().filter(|one| !one.holds()).collect();
    assert_eq!(drifted.len(), 1);
    assert_eq!(drifted[0].control, "memory.limit (memory.max)");
}

#[test]
fn v2_counts_are_read() {
    let tree = tree("cpuset cpu io memory hugetlb pids");
    let stats = Group::open(&tree.layout, &tree.path).unwrap().stats().unwrap();
    assert_eq!((stats.cpu.usage, stats.cpu.throttled, stats.cpu.periods), (7_000, 9_000, 2));
    assert_eq!(
        (stats.memory.memory.usage, stats.memory.memory.failures, stats.memory.oom_kills),
        (4096, 3, 2)
    );
    assert_eq!((stats.memory.swap.usage, stats.memory.working_set()), (5120, 4000));
    assert_eq!(stats.pids.current, 6);
    assert_eq!(stats.block_io.total_bytes("Write"), 2);
}

#[test]
fn v2_controllers_that_are_missing_are_asked_of_every_group_above() {
    let tree = tree("cpu");
    let error = Group::create(&tree.layout, &tree.path, &limits()).unwrap_err();
    assert!(error.to_string().contains("memory, pids, io"), "{error}");
    for folder in [tree.folder.path(), &tree.folder.path().join("cofferdam")] {
        let text = std::fs::read_to_string(folder.join("cgroup.subtree_control")).unwrap();
        assert_eq!(text, "+memory +pids +io", "{}", folder.display());
    }
    let own = std::fs::read_to_string(tree.group.join("cgroup.subtree_control")).unwrap();
    assert_eq!(own, "", "the group itself is for processes");
}

#[test]
fn v2_takes_no_group_that_is_frozen() {
    let tree = tree("cpuset cpu io memory hugetlb pids");
    std::fs::write(tree.group.join("cgroup.freeze"), "1\n").unwrap();
    let error = Group::create(&tree.layout, &tree.path, &Resources::default()).unwrap_err();
    assert!(error.to_string().contains("frozen"), "{error}");
}

#[test]
fn v2_update_writes_what_differs() {
    let tree = tree("cpuset cpu io memory hugetlb pids");
    let group = Group::create(&tree.layout, &tree.path, &limits()).unwrap();
    std::fs::write(tree.group.join("pids.max"), "untouched").unwrap();
    std::fs::write(tree.group.join("memory.swap.max"), "").unwrap();
    let mut new = limits();
    new.memory.swap = Some(Limit::Max);
    group.update(&limits(), &new).unwrap();
    assert_eq!(std::fs::read_to_string(tree.group.join("memory.swap.max")).unwrap(), "max");
    assert_eq!(std::fs::read_to_string(tree.group.join("pids.max")).unwrap(), "untouched");
}
