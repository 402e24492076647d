//! Groups are joined, frozen, killed and removed.

use std::os::fd::AsRawFd;

use cofferdam_confinement::CgroupPath;
use cofferdam_confinement::resources::{Limit, Resources};
use cofferdam_runtime::cgroup::error::CreateError;
use cofferdam_runtime::cgroup::{Controller, Group, Layout};
use rustix::process::{Pid, Signal};

use crate::support::{TestGroup, eventually, host, skip};

fn pid(child: &std::process::Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap()
}

#[test]
fn a_process_joins_every_hierarchy() {
    let Some(layout) = host("a_process_joins_every_hierarchy") else { return };
    let mut test = TestGroup::new(layout);
    test.create(&Resources::default()).unwrap();
    let output = test.run("cat /proc/self/cgroup");
    let text = String::from_utf8(output.stdout).unwrap();
    let here = |line: &&str| line.ends_with(&format!(":/{}", test.path.as_str()));
    assert_eq!(text.lines().filter(here).count(), test.layout.hierarchies().len(), "{text}");
    assert_eq!(
        test.group().joiner().unwrap().clone_into().is_some(),
        text.lines().any(|line| line.starts_with("0::"))
    );
}

/// The parent goes with the last group in it, and comes back for the next one, whatever the order in which several processes
/// start and end: no start fails for it, and nothing is left.
#[test]
fn an_own_parent_lives_as_long_as_a_group_in_it() {
    let Some(layout) = host("an_own_parent_lives_as_long_as_a_group_in_it") else { return };
    let parent = format!("{}/test-{}", CgroupPath::OWN_PARENT, std::process::id());
    std::thread::scope(|threads| {
        for thread in 0..4 {
            let (parent, layout) = (&parent, &layout);
            threads.spawn(move || {
                for turn in 0..50 {
                    let path = CgroupPath::try_from(format!("{parent}/{thread}-{turn}")).unwrap();
                    let group = Group::create(layout, &path, &Resources::default()).unwrap();
                    assert!(group.folders().all(std::path::Path::is_dir));
                    group.destroy().unwrap();
                }
            });
        }
    });
    let folders = layout.hierarchies().iter().map(|one| one.root().join(&parent));
    let left: Vec<_> = folders.filter(|folder| folder.exists()).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn exec_finds_the_groups_that_a_process_is_in() {
    let Some(layout) = host("exec_finds_the_groups_that_a_process_is_in") else { return };
    let mut test = TestGroup::new(layout);
    test.create(&Resources::default()).unwrap();
    let mut child = test.start("exec sleep 60");
    let hierarchies = test.layout.hierarchies().len();
    eventually("the child has joined", || {
        let text = std::fs::read_to_string(format!("/proc/{}/cgroup", child.id())).unwrap();
        text.lines().filter(|line| line.ends_with(test.path.as_str())).count() == hierarchies
    });
    assert_eq!(test.group().processes().unwrap(), [pid(&child)]);
    let observations = test.group().observe_membership(pid(&child)).unwrap();
    assert_eq!(observations.len(), hierarchies);
    assert!(observations.iter().all(|one| one.holds()), "{observations:?}");
    let outside = test.group().observe_membership(rustix::process::getpid()).unwrap();
    assert!(outside.iter().all(|one| !one.holds()), "{outside:?}");
    let joiner = test.layout.joiner_beside(pid(&child), &test.path).unwrap();
    if let Some(folder) = joiner.clone_into() {
        let folder = std::fs::read_link(format!("/proc/self/fd/{}", folder.as_raw_fd())).unwrap();
        assert!(test.folders().contains(&folder), "{}", folder.display());
    }
    let joined = std::thread::spawn(move || {
        joiner.join().unwrap();
        std::fs::read_to_string("/proc/thread-self/cgroup").unwrap()
    })
    .join()
    .unwrap();
    let v1 = test.layout.hierarchies().iter().filter(|one| one.version() == "v1").count();
    assert_eq!(joined.lines().filter(|line| line.ends_with(test.path.as_str())).count(), v1, "{joined}");
    test.group().kill_all().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_frozen_group_stands_still_until_it_is_thawed() {
    let Some(layout) = host("a_frozen_group_stands_still_until_it_is_thawed") else { return };
    let mut test = TestGroup::new(layout);
    test.create(&Resources::default()).unwrap();
    let mut child = test.start("while :; do :; done");
    let used = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
        let fields: Vec<_> = stat.rsplit_once(") ").unwrap().1.split(' ').map(str::to_owned).collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    eventually("it runs", || used() > 0);
    assert!(!test.group().is_frozen().unwrap());
    test.group().freeze().unwrap();
    assert!(test.group().is_frozen().unwrap());
    let before = used();
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert!(used() <= before + 1, "it stands still");
    test.group().thaw().unwrap();
    assert!(!test.group().is_frozen().unwrap());
    let before = used();
    eventually("it runs again", || used() > before);
    test.group().kill_all().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_frozen_group_can_be_killed() {
    let Some(layout) = host("a_frozen_group_can_be_killed") else { return };
    let mut test = TestGroup::new(layout);
    test.create(&Resources::default()).unwrap();
    let mut child = test.start("sleep 60 & sleep 60 & wait");
    eventually("three processes run", || test.group().processes().unwrap().len() == 3);
    test.group().freeze().unwrap();
    test.group().kill_all().unwrap();
    assert!(!child.wait().unwrap().success());
    assert!(test.group().processes().unwrap().is_empty());
}

#[test]
fn a_fork_bomb_is_killed() {
    let Some(layout) = host("a_fork_bomb_is_killed") else { return };
    // Once as the host has it, and once by v1's freezer alone, where there is no cgroup.kill.
    let v1_only =
        layout.hierarchies().iter().filter(|one| one.version() == "v1").cloned().collect::<Vec<_>>();
    let mut layouts = vec![layout];
    if !v1_only.is_empty() {
        layouts.push(Layout::of(v1_only));
    }
    for layout in layouts {
        let mut test = TestGroup::new(layout);
        test.create(&Resources { pids: Some(Limit::Value(100)), ..Resources::default() }).unwrap();
        let mut child = test.start("for i in $(seq 30); do while :; do (sleep 0.01); done & done; wait");
        eventually("it forks", || test.group().processes().unwrap().len() > 20);
        test.group().kill_all().unwrap();
        let _ = child.wait();
        assert!(test.group().processes().unwrap().is_empty());
        test.group().destroy().unwrap();
        assert!(test.folders().iter().all(|folder| !folder.exists()));
    }
}

#[test]
fn a_signal_reaches_every_process() {
    let Some(layout) = host("a_signal_reaches_every_process") else { return };
    let mut test = TestGroup::new(layout);
    test.create(&Resources::default()).unwrap();
    let mut child = test.start("sleep 60 & sleep 60 & exec sleep 60");
    eventually("three processes run", || test.group().processes().unwrap().len() == 3);
    test.group().signal_all(Signal::TERM).unwrap();
    child.wait().unwrap();
    eventually("all have ended", || test.group().processes().unwrap().is_empty());
}

#[test]
fn groups_that_the_container_made_are_removed_with_it() {
    let Some(layout) = host("groups_that_the_container_made_are_removed_with_it") else { return };
    let mut test = TestGroup::new(layout);
    test.create(&Resources::default()).unwrap();
    for folder in test.folders() {
        std::fs::create_dir_all(folder.join("inner/most")).unwrap();
        std::fs::create_dir(folder.join("second")).unwrap();
    }
    test.group().destroy().unwrap();
    assert!(test.folders().iter().all(|folder| !folder.exists()));
    test.group().destroy().unwrap();
}

#[test]
fn a_group_with_processes_is_neither_taken_nor_removed() {
    let Some(layout) = host("a_group_with_processes_is_neither_taken_nor_removed") else { return };
    let mut test = TestGroup::new(layout);
    test.create(&Resources::default()).unwrap();
    let mut child = test.start("exec sleep 60");
    eventually("the child has joined", || test.group().processes().unwrap().len() == 1);
    let error = Group::create(&test.layout, &test.path, &Resources::default()).unwrap_err();
    assert!(matches!(error, CreateError::NotEmpty { processes: 1, .. }), "{error}");
    assert!(test.folders().iter().all(|folder| folder.exists()), "what was there before stays");
    assert!(test.group().destroy().is_err());
    test.group().kill_all().unwrap();
    child.wait().unwrap();
    // Empty now, so it may be taken, as OCI runtimes do.
    Group::create(&test.layout, &test.path, &Resources::default()).unwrap();
}

#[test]
fn opening_a_group_that_is_not_there_says_so() {
    let Some(layout) = host("opening_a_group_that_is_not_there_says_so") else { return };
    let test = TestGroup::new(layout);
    assert!(matches!(Group::open(&test.layout, &test.path), Err(CreateError::Missing(_))));
}

#[test]
fn a_new_parent_gives_its_children_processors() {
    let Some(layout) =
        crate::support::host_with("a_new_parent_gives_its_children_processors", &[Controller::Cpuset])
    else {
        return;
    };
    if layout.is_v2() {
        skip("a_new_parent_gives_its_children_processors", &"cgroup v2 needs no such thing");
        return;
    }
    let mut test = TestGroup::new(layout);
    test.create(&Resources::default()).unwrap();
    let folder = test.folder_of(Controller::Cpuset);
    assert_ne!(std::fs::read_to_string(folder.join("cpuset.cpus")).unwrap().trim(), "");
    let parent = folder.parent().unwrap();
    assert_eq!(std::fs::read_to_string(parent.join("cgroup.clone_children")).unwrap().trim(), "1");
}
