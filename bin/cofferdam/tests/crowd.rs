//! Many containers at once: all start, all hold, all are removed, nothing is left. `COFFERDAM_CROWD` is how many;
//! `cargo xtask crowd` starts 500.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

mod support;

use std::time::Instant;

use support::{Home, eventually, is_root, remains};

/// Starters that run beside one another.
const HANDS: usize = 4;

#[test]
fn a_crowd_starts_holds_and_leaves_nothing() {
    if !is_root("a_crowd_starts_holds_and_leaves_nothing") {
        return;
    }
    let count: usize = std::env::var("COFFERDAM_CROWD").ok().map_or(50, |text| text.parse().unwrap());
    let home = Home::new();
    home.ok(&["run", "--rm", "host", "--", "true"]);

    let start = Instant::now();
    let ids: Vec<String> = std::thread::scope(|scope| {
        let hands: Vec<_> = (0..HANDS)
            .map(|hand| {
                let home = &home;
                scope.spawn(move || {
                    let mine = (hand..count).step_by(HANDS);
                    let one = |_| home.ok(&["run", "-d", "host", "--", "sleep", "100000"]);
                    mine.map(one).collect::<Vec<_>>()
                })
            })
            .collect();
        hands.into_iter().flat_map(|hand| hand.join().unwrap()).collect()
    });
    let started = start.elapsed();
    assert_eq!(ids.len(), count);
    assert_eq!(home.ok(&["ps", "-q"]).lines().count(), count);
    ranges_do_not_overlap(&home, &ids);

    // Each shim executes itself anew a while after its start: that is the size that counts.
    let shims = |renewed: bool| {
        let found = remains::processes_of(home.path(), &ids).into_iter().filter(|process| !process.inside);
        found.filter(|process| process.command.contains(" shim ") == renewed).collect::<Vec<_>>()
    };
    assert!(eventually(|| shims(true).len() == count), "{} of {count} shims", shims(true).len());
    let memory: Vec<u64> = shims(true).iter().map(|shim| pss(shim.pid)).collect();

    let start = Instant::now();
    let verified = home.run(&["verify", "--all"]);
    assert_eq!(verified.code, 0, "{verified:?}");
    let checked = start.elapsed();

    let start = Instant::now();
    for some in ids.chunks(100) {
        let args: Vec<&str> = ["rm", "-f"].into_iter().chain(some.iter().map(String::as_str)).collect();
        home.ok(&args);
    }
    let removed = start.elapsed();
    assert_eq!(home.remains(), Vec::<String>::new());
    let mean = memory.iter().sum::<u64>() / memory.len() as u64;
    println!(
        "{count} containers: started in {started:?}, verified in {checked:?}, removed in {removed:?}; \
         PSS of a shim {mean} KiB on average, {} at most",
        memory.iter().max().unwrap()
    );
}

/// The proportional share of a process's memory, in KiB (proc_pid_smaps(5), `smaps_rollup`).
fn pss(pid: i32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = text.lines().find(|line| line.starts_with("Pss:")).unwrap();
    line.split_ascii_whitespace().nth(1).unwrap().parse().unwrap()
}

/// No two containers share a host id.
fn ranges_do_not_overlap(home: &Home, ids: &[String]) {
    let mut firsts: Vec<u64> = remains::processes_of(home.path(), ids)
        .iter()
        .filter(|process| process.inside)
        .map(|process| {
            let map = std::fs::read_to_string(format!("/proc/{}/uid_map", process.pid)).unwrap();
            let numbers: Vec<u64> =
                map.split_ascii_whitespace().map(|number| number.parse().unwrap()).collect();
            assert_eq!((numbers.len(), numbers[0], numbers[2]), (3, 0, 65_536), "{map}");
            numbers[1]
        })
        .collect();
    assert_eq!(firsts.len(), ids.len());
    firsts.sort_unstable();
    assert!(firsts.windows(2).all(|pair| pair[1] - pair[0] >= 65_536), "two containers share ids");
}
