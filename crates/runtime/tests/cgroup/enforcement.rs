//! Limits that read back right also do their work.

use cofferdam_confinement::resources::{Cpu, Limit, Memory, Resources};
use cofferdam_runtime::cgroup::Controller;
use rustix::event::{PollFd, Timespec, poll};

use crate::support::{TestGroup, eventually, host_with};

#[test]
fn the_pids_limit_stops_a_fork() {
    let Some(layout) = host_with("the_pids_limit_stops_a_fork", &[Controller::Pids]) else { return };
    let mut test = TestGroup::new(layout);
    test.create(&Resources { pids: Some(Limit::Value(3)), ..Resources::default() }).unwrap();
    assert!(test.succeeds("true & wait"));
    assert!(!test.succeeds("sleep 5 & sleep 5 & sleep 5 & sleep 5 & wait"));
    test.group().kill_all().unwrap();
}

#[test]
fn memory_over_the_limit_is_killed_and_told() {
    let Some(layout) = host_with("memory_over_the_limit_is_killed_and_told", &[Controller::Memory]) else {
        return;
    };
    let mut test = TestGroup::new(layout);
    let limit = Some(Limit::Value(16 << 20));
    let memory = Memory { limit, swap: limit, ..Memory::default() };
    test.create(&Resources { memory, ..Resources::default() }).unwrap();
    let watch = test.group().watch_oom().unwrap();
    let wait = |seconds| {
        let timeout = Timespec { tv_sec: seconds, tv_nsec: 0 };
        poll(&mut [PollFd::new(&watch, watch.events())], Some(&timeout)).unwrap()
    };
    assert_eq!(wait(0), 0, "nothing has happened yet");
    assert_eq!(test.group().oom_kills().unwrap(), 0);
    // tail keeps in memory what it may have to print.
    assert!(!test.succeeds("head -c 200000000 /dev/zero | tail -c 200000000 > /dev/null"));
    assert_eq!(wait(5), 1);
    watch.acknowledge().unwrap();
    assert!(test.group().oom_kills().unwrap() >= 1);
    assert_eq!(test.group().stats().unwrap().memory.oom_kills, test.group().oom_kills().unwrap());
    // The kernel holds back what follows within 10 ms of an event (CGROUP_FILE_NOTIFY_MIN_INTV): more of the same may come.
    eventually("acknowledged", || {
        watch.acknowledge().unwrap();
        wait(0) == 0
    });
}

#[test]
fn the_quota_throttles_and_what_is_used_is_counted() {
    let Some(layout) =
        host_with("the_quota_throttles_and_what_is_used_is_counted", &[Controller::Cpu, Controller::Memory])
    else {
        return;
    };
    let mut test = TestGroup::new(layout);
    let cpu = Cpu { quota: Some(Limit::Value(5_000)), period: Some(50_000), ..Cpu::default() };
    test.create(&Resources { cpu, pids: Some(Limit::Value(20)), ..Resources::default() }).unwrap();
    let mut child = test.start("some=$(seq 50000); while :; do :; done");
    eventually("the group is throttled", || test.group().stats().unwrap().cpu.throttled_periods > 3);
    let stats = test.group().stats().unwrap();
    assert!(stats.cpu.usage > 10_000_000, "{:?}", stats.cpu);
    assert!(stats.cpu.throttled > 0);
    assert!((1..=3).contains(&stats.pids.current), "{:?}", stats.pids);
    assert_eq!(stats.pids.limit, Some(Limit::Value(20)));
    assert!(stats.memory.memory.usage > 0);
    assert_eq!(stats.memory.memory.limit, Some(Limit::Max));
    test.group().kill_all().unwrap();
    child.wait().unwrap();
}
