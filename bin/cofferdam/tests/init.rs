//! `--init`: our own program as the first process of a container.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

mod support;

use std::time::{Duration, Instant};

use support::{busybox_home, eventually, is_root};

#[test]
fn the_first_process_reaps_orphans() {
    let Some(home) = busybox_home("the_first_process_reaps_orphans") else { return };
    // The orphan's parent ends at once, the orphan a little later; the program itself waits for nobody.
    let script =
        "(sleep 0.1 &); (sleep 0.1 &); sleep 0.5; cat /proc/[0-9]*/stat | grep -c ' Z '; cat /proc/1/cmdline";
    let ran = home.run(&["run", "--rm", "busybox", "sh", "-c", script]);
    assert!(!ran.out.contains("cofferdam-init"), "{ran:?}");
    let ran = home.run(&["run", "--rm", "--init", "busybox", "sh", "-c", script]);
    assert_eq!(ran.out.lines().next(), Some("0"), "{ran:?}");
    assert!(ran.out.contains("/dev/.cofferdam-init"), "{ran:?}");
}

#[test]
fn signals_and_exit_statuses_pass_through() {
    let Some(home) = busybox_home("signals_and_exit_statuses_pass_through") else { return };
    for (script, code) in [("exit 7", 7), ("kill -TERM $$", 143), ("kill -KILL $$", 137)] {
        let ran = home.run(&["run", "--rm", "--init", "busybox", "sh", "-c", script]);
        assert_eq!(ran.code, code, "{script}: {ran:?}");
    }
    let ran = home.run(&["run", "--rm", "--init", "busybox", "no-such-program"]);
    assert_eq!(ran.code, 127, "{ran:?}");
    let ran = home.run(&["run", "--rm", "--init", "busybox", "/etc/passwd"]);
    assert_eq!(ran.code, 126, "{ran:?}");
    let script = "trap 'exit 9' TERM; trap 'echo hup' HUP; echo ready; while true; do sleep 0.05; done";
    let id = home.ok(&["run", "-d", "--init", "busybox", "sh", "-c", script]);
    assert!(eventually(|| home.ok(&["logs", &id]).contains("ready")));
    home.ok(&["kill", "-s", "HUP", &id]);
    assert!(eventually(|| home.ok(&["logs", &id]).contains("hup")));
    let start = Instant::now();
    home.ok(&["stop", &id]);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(home.ok(&["wait", &id]), "9");
    // A program that has no handler ends by a signal, which as process 1 it would not.
    let id = home.ok(&["run", "-d", "--init", "busybox", "sleep", "1000"]);
    let start = Instant::now();
    home.ok(&["stop", &id]);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(home.ok(&["wait", &id]), "143");
}

/// Docker's own first process loses such a signal now and then: it comes before anybody handles it.
#[test]
fn a_signal_right_after_the_start_is_not_lost() {
    let Some(home) = busybox_home("a_signal_right_after_the_start_is_not_lost") else { return };
    for _ in 0..20 {
        let id = home.ok(&["run", "-d", "--init", "busybox", "sleep", "1000"]);
        home.ok(&["kill", "-s", "TERM", &id]);
        assert!(eventually(|| home.ok(&["inspect", "-f", "{{.State.Status}}", &id]) == "exited"));
        assert_eq!(home.ok(&["wait", &id]), "143");
    }
}

#[test]
fn the_hosts_program_cannot_be_changed_through_it() {
    let Some(home) = busybox_home("the_hosts_program_cannot_be_changed_through_it") else { return };
    let id = home.ok(&["run", "-d", "--init", "busybox", "sleep", "1000"]);
    assert_eq!(home.run(&["verify", &id]).code, 0);
    for script in [
        "echo x >/dev/.cofferdam-init",
        "echo x >/proc/1/exe",
        "rm -f /dev/.cofferdam-init",
        "mv /bin/true /dev/.cofferdam-init",
        "chmod 777 /dev/.cofferdam-init",
    ] {
        assert_ne!(home.run(&["exec", &id, "sh", "-c", script]).code, 0, "{script}");
    }
    assert_eq!(home.ok(&["exec", &id, "stat", "-c", "%u", "/dev/.cofferdam-init"]), "65534", "nobody's");
    // It survives the shim's own change of program, and a second start.
    home.ok(&["restart", "-t", "1", &id]);
    assert_eq!(home.run(&["verify", &id]).code, 0);
}

#[test]
fn image_host_has_it_too() {
    if !is_root("image_host_has_it_too") {
        return;
    }
    let home = support::Home::new();
    let ran = home.run(&["run", "--rm", "--init", "host", "--", "cat", "/proc/1/cmdline"]);
    assert!(ran.out.contains("/dev/.cofferdam-init\0--\0cat"), "{ran:?}");
}
