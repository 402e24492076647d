//! Health checks: what is probed and when, what is known after it, and that a probe does no harm.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

mod support;

use std::path::Path;

use serde_json::Value;
use support::project::{Project, ready};
use support::{Home, busybox_home, eventually, is_root};

const NOTHING: Vec<String> = Vec::new();

/// Removes all containers: nothing of them or of their probes stays.
fn leaves_nothing(home: &Home) {
    for name in home.ok(&["ps", "-aq"]).lines() {
        home.ok(&["rm", "-f", name]);
    }
    assert_eq!(home.remains(), NOTHING);
}

/// Starts a container with these flags that sleeps.
fn start(home: &Home, name: &str, more: &[&str]) {
    home.ok(&[&["run", "-d", "--name", name], more, &["busybox", "sleep", "1000"]].concat());
}

/// What `inspect` says of a container's health.
fn health(home: &Home, name: &str) -> Value {
    let text = home.ok(&["inspect", "--format", "{{json .State.Health}}", name]);
    serde_json::from_str(&text).unwrap()
}

fn status(home: &Home, name: &str) -> String {
    health(home, name)["Status"].as_str().unwrap_or_default().to_owned()
}

/// Waits for a status.
fn becomes(home: &Home, name: &str, wanted: &str) {
    let mut last = Value::Null;
    let reached = eventually(|| {
        last = health(home, name);
        last["Status"] == wanted
    });
    assert!(reached, "{name} is not {wanted}: {last}");
}

/// Waits until probes that ended are known.
fn await_probes(home: &Home, name: &str, count: usize) -> Vec<Value> {
    let mut log = Vec::new();
    let reached = eventually(|| {
        log = health(home, name)["Log"].as_array().cloned().unwrap_or_default();
        log.len() >= count
    });
    assert!(reached, "{name}: {log:?}");
    log
}

fn listed(home: &Home, filter: &str) -> String {
    home.ok(&["ps", "-a", "--filter", &format!("health={filter}"), "--format", "{{.Names}}"])
}

fn events(home: &Home) -> Vec<String> {
    let text = home.ok(&[
        "events",
        "--since",
        "1h",
        "--until",
        "0s",
        "--filter",
        "event=health_status",
        "--format",
        "{{.Action}}",
    ]);
    text.lines().map(str::to_owned).collect()
}

/// A container that a file in it makes healthy.
fn walks_through_all_states(home: &Home, image: &str) {
    home.ok(&[
        "run",
        "-d",
        "--name",
        "box",
        "--health-cmd",
        "test -e /tmp/well && echo fine",
        "--health-interval",
        "100ms",
        "--health-retries",
        "2",
        image,
        "sleep",
        "1000",
    ]);
    becomes(home, "box", "unhealthy");
    assert!(home.ok(&["ps", "--format", "{{.Status}}"]).ends_with("(unhealthy)"));
    home.ok(&["exec", "box", "sh", "-c", ": >/tmp/well"]);
    becomes(home, "box", "healthy");
    assert!(home.ok(&["ps", "--format", "{{.Status}}"]).ends_with("(healthy)"));
    let known = health(home, "box");
    assert_eq!(known["FailingStreak"], 0);
    let last = known["Log"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&last["ExitCode"], &last["Output"]), (&0.into(), &"fine\n".into()), "{last}");
    assert!(last["Start"].as_str() < last["End"].as_str(), "{last}");
    home.ok(&["exec", "box", "rm", "/tmp/well"]);
    becomes(home, "box", "unhealthy");
    assert!(health(home, "box")["FailingStreak"].as_u64() >= Some(2));
    assert!(
        eventually(|| health(home, "box")["Log"].as_array().unwrap().len() == 5),
        "the last five are kept"
    );
    assert_eq!(
        events(home)[..3],
        ["health_status: unhealthy", "health_status: healthy", "health_status: unhealthy"]
    );
    assert_eq!(home.run(&["verify", "box"]).code, 0);
}

#[test]
fn a_file_in_the_container_decides_on_its_health() {
    let Some(home) = busybox_home("a_file_in_the_container_decides_on_its_health") else { return };
    walks_through_all_states(&home, "busybox");
    leaves_nothing(&home);
}

#[test]
fn user_containers_are_probed() {
    if !is_root("user_containers_are_probed") {
        return;
    }
    let home = Home::of_user(Path::new(env!("CARGO_BIN_EXE_cofferdam")));
    walks_through_all_states(&home, "host");
    leaves_nothing(&home);
}

#[test]
fn listings_find_containers_by_their_health() {
    let Some(home) = busybox_home("listings_find_containers_by_their_health") else { return };
    let run = |name: &str, more: &[&str]| {
        let args = ["run", "-d", "--name", name, "--health-interval", "100ms"];
        home.ok(&[&args[..], more, &["busybox", "sleep", "1000"]].concat());
    };
    run("well", &["--health-cmd", "true"]);
    run("ill", &["--health-cmd", "false", "--health-retries", "1"]);
    run("new", &["--health-cmd", "false", "--health-start-period", "1h", "--health-start-interval", "1h"]);
    home.ok(&["run", "-d", "--name", "plain", "busybox", "sleep", "1000"]);
    becomes(&home, "well", "healthy");
    becomes(&home, "ill", "unhealthy");
    for (filter, name) in [("healthy", "well"), ("unhealthy", "ill"), ("starting", "new"), ("none", "plain")]
    {
        assert_eq!(listed(&home, filter), name);
    }
    let shown = home.ok(&["ps", "--filter", "name=new", "--format", "{{.Status}}"]);
    assert!(shown.ends_with("(health: starting)"), "{shown}");
    assert_eq!(home.ok(&["inspect", "--format", "{{json .State.Health}}", "plain"]), "null");
    assert_eq!(home.run(&["ps", "--filter", "health=good"]).code, 1);
    home.ok(&["stop", "-t", "0", "well"]);
    assert_eq!(status(&home, "well"), "unhealthy", "as with Docker: nobody knows that it is well");
    leaves_nothing(&home);
}

#[test]
fn a_probe_that_takes_too_long_is_killed_with_all_that_it_began() {
    let Some(home) = busybox_home("a_probe_that_takes_too_long_is_killed_with_all_that_it_began") else {
        return;
    };
    let line = "echo begun; sleep 4242 & (sleep 4242) & sleep 4242";
    let flags = ["--health-cmd", line, "--health-interval", "50ms", "--health-timeout", "300ms"];
    start(&home, "box", &[&flags[..], &["--health-retries", "1"]].concat());
    // On a busy machine one may not have come to its first word.
    let said = "Health check exceeded timeout (300ms): begun\n";
    let ended = |probe: &Value| probe["ExitCode"] == -1 && probe["Output"] == said;
    assert!(eventually(|| await_probes(&home, "box", 1).iter().any(ended)), "{}", health(&home, "box"));
    becomes(&home, "box", "unhealthy");
    await_probes(&home, "box", 4);
    // Those of the probe that is under way, and no others.
    let sleepers = home.ok(&["top", "box"]).lines().filter(|line| line.contains("sleep 4242")).count();
    assert!(sleepers <= 6, "{sleepers}");
    home.ok(&["pause", "box"]);
    home.ok(&["unpause", "box"]);
    home.ok(&["stop", "-t", "0", "box"]);
    leaves_nothing(&home);
}

#[test]
fn what_a_probe_writes_is_bounded() {
    let Some(home) = busybox_home("what_a_probe_writes_is_bounded") else { return };
    let flood = "while :; do echo 0123456789abcdef0123456789abcdef; done";
    let flags = ["--health-interval", "50ms", "--health-timeout", "500ms", "--health-retries", "1"];
    start(&home, "flood", &[&flags[..], &["--health-cmd", flood]].concat());
    start(
        &home,
        "long",
        &[
            &flags[..],
            &["--health-cmd", "i=0; while [ $i -lt 500 ]; do i=$((i+1)); echo number $i >&2; done"],
        ]
        .concat(),
    );
    becomes(&home, "flood", "unhealthy");
    becomes(&home, "long", "healthy");
    for name in ["flood", "long"] {
        for probe in await_probes(&home, name, 2) {
            let text = probe["Output"].as_str().unwrap();
            assert!(text.len() <= 4096 && text.ends_with("..."), "{name}: {} {text:.60}", text.len());
        }
    }
    assert_eq!(home.run(&["exec", "flood", "true"]).code, 0, "it can be worked in");
    leaves_nothing(&home);
}

/// It forks, leaves its session and floods its output: its container bears it, and is ended like any.
#[test]
fn a_hostile_probe_does_no_harm() {
    let Some(home) = busybox_home("a_hostile_probe_does_no_harm") else { return };
    let line = "trap '' TERM HUP INT; f() { (f) & (f) & while :; do echo flood; done; }; f";
    let flags = ["--health-cmd", line, "--health-interval", "50ms", "--health-timeout", "300ms"];
    start(&home, "box", &[&flags[..], &["--health-retries", "1", "--pids-limit", "40"]].concat());
    becomes(&home, "box", "unhealthy");
    await_probes(&home, "box", 2);
    let file = home.path().join("state/containers");
    let written = std::fs::read_dir(file).unwrap().flatten().next().unwrap().path().join("health.json");
    assert!(std::fs::metadata(written).unwrap().len() < 64 << 10);
    home.ok(&["stop", "-t", "0", "box"]);
    leaves_nothing(&home);
}

#[test]
fn failures_do_not_count_in_the_start_period() {
    let Some(home) = busybox_home("failures_do_not_count_in_the_start_period") else { return };
    start(
        &home,
        "box",
        &[
            "--health-cmd",
            "test -e /well",
            "--health-interval",
            "1h",
            "--health-retries",
            "1",
            "--health-start-period",
            "1h",
            "--health-start-interval",
            "50ms",
        ],
    );
    await_probes(&home, "box", 5);
    let known = health(&home, "box");
    assert_eq!((&known["Status"], &known["FailingStreak"]), (&"starting".into(), &0.into()), "{known}");
    home.ok(&["exec", "box", "touch", "/well"]);
    becomes(&home, "box", "healthy");
    home.ok(&["exec", "box", "rm", "/well"]);
    // Its interval is an hour now.
    let ran = home.run(&["healthcheck", "run", "box"]);
    assert_eq!((ran.code, ran.out.trim()), (1, "unhealthy"), "{ran:?}");
    leaves_nothing(&home);
}

#[test]
fn a_restart_begins_anew() {
    let Some(home) = busybox_home("a_restart_begins_anew") else { return };
    start(&home, "box", &["--health-cmd", "test -e /well", "--health-interval", "1h"]);
    assert_eq!(status(&home, "box"), "starting");
    for _ in 0..3 {
        assert_eq!(home.run(&["healthcheck", "run", "box"]).code, 1);
    }
    assert_eq!(status(&home, "box"), "unhealthy");
    home.ok(&["restart", "-t", "0", "box"]);
    let known = health(&home, "box");
    assert_eq!((&known["Status"], &known["Log"]), (&"starting".into(), &Value::Array(Vec::new())), "{known}");
    home.ok(&["exec", "box", "touch", "/well"]);
    assert_eq!(home.run(&["healthcheck", "run", "box"]).code, 0);
    assert_eq!(status(&home, "box"), "healthy");
    home.ok(&["pause", "box"]);
    assert_eq!(home.run(&["healthcheck", "run", "box"]).code, 125, "what is frozen does not answer");
    assert_eq!(status(&home, "box"), "healthy");
    home.ok(&["unpause", "box"]);
    home.ok(&["stop", "-t", "0", "box"]);
    assert_eq!(home.run(&["healthcheck", "run", "box"]).code, 125);
    start(&home, "plain", &[]);
    let ran = home.run(&["healthcheck", "run", "plain"]);
    assert!(ran.code == 125 && ran.err.contains("no health check"), "{ran:?}");
    leaves_nothing(&home);
}

#[test]
fn a_probe_that_cannot_be_carried_out_has_failed() {
    let Some(home) = busybox_home("a_probe_that_cannot_be_carried_out_has_failed") else { return };
    let config = tempfile::tempdir().unwrap();
    std::fs::write(config.path().join("Dockerfile"), "FROM busybox\nHEALTHCHECK CMD [\"/no/such\"]\n")
        .unwrap();
    home.ok(&["build", "-q", "-t", "bad", config.path().to_str().unwrap()]);
    home.ok(&["run", "-d", "--name", "box", "--health-interval", "50ms", "bad", "sleep", "1000"]);
    becomes(&home, "box", "unhealthy");
    let probe = health(&home, "box")["Log"][0].clone();
    assert!(probe["ExitCode"] == -1 && probe["Output"].as_str().unwrap().contains("/no/such"), "{probe}");
    leaves_nothing(&home);
}

#[test]
fn what_an_image_says_is_honoured_and_flags_win_field_by_field() {
    if !ready("what_an_image_says_is_honoured_and_flags_win_field_by_field") {
        return;
    }
    let text = "FROM base\nSHELL [\"/bin/sh\", \"-euc\"]\n\
                HEALTHCHECK --interval=5s --retries=2 CMD echo $-; test -e /well\n";
    let project = Project::new(text, &[]);
    let home = &project.home;
    assert_eq!(project.build(&["-q", "-t", "checked"]).code, 0);
    let run = |name: &str, more: &[&str]| {
        home.run(&[&["run", "-d", "--name", name][..], more, &["checked", "sleep", "1000"]].concat())
    };
    assert_eq!(run("image", &["--health-interval", "100ms"]).code, 0);
    becomes(home, "image", "unhealthy");
    let probe = health(home, "image")["Log"][0].clone();
    let shell = probe["Output"].as_str().unwrap();
    assert!(shell.contains('e') && shell.contains('u'), "the image's shell: {probe}");
    assert_eq!(run("flags", &["--health-interval", "1h"]).code, 0);
    let shown = home.ok(&["inspect", "--format", "{{json .Config.Healthcheck}}", "flags"]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(
        (&shown["Interval"], &shown["Retries"]),
        (&3_600_000_000_000_u64.into(), &2.into()),
        "{shown}"
    );
    assert_eq!(shown["Test"][0], "CMD-SHELL");
    assert_eq!(run("off", &["--no-healthcheck"]).code, 0);
    assert_eq!(home.ok(&["inspect", "--format", "{{json .State.Health}}", "off"]), "null");
    project.write("Dockerfile", "FROM checked\nHEALTHCHECK NONE\n");
    assert_eq!(project.build(&["-q", "-t", "none"]).code, 0);
    home.ok(&["run", "-d", "--name", "none", "none", "sleep", "1000"]);
    assert_eq!(home.ok(&["inspect", "--format", "{{json .State.Health}}", "none"]), "null");
    leaves_nothing(home);
}

#[test]
fn values_that_mean_nothing_are_refused_before_a_container_is_made() {
    let Some(home) = busybox_home("values_that_mean_nothing_are_refused_before_a_container_is_made") else {
        return;
    };
    for flags in [
        &["--no-healthcheck", "--health-cmd", "true"][..],
        &["--health-cmd", "true", "--health-interval", "1us"],
        &["--health-cmd", "true", "--health-timeout", "999us"],
        &["--health-cmd", "true", "--health-start-period=-1s"],
        &["--health-cmd", "true", "--health-retries=-1"],
        &["--health-start-interval", "soon"],
    ] {
        for verb in ["run", "create"] {
            let ran = home.run(&[&[verb], flags, &["busybox", "true"]].concat());
            assert_eq!(ran.code, 125, "{verb} {flags:?}: {ran:?}");
        }
    }
    leaves_nothing(&home);
}

/// The processes of this home's programs whose command line begins so.
fn processes(home: &Home, words: &str) -> Vec<rustix::process::Pid> {
    let mark = home.path().to_str().unwrap();
    let numbers = std::fs::read_dir("/proc").unwrap().flatten();
    let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_ours = |number: &i32| {
        let line = std::fs::read(format!("/proc/{number}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        line.starts_with(words) && line.contains(mark)
    };
    numbers.filter(is_ours).filter_map(rustix::process::Pid::from_raw).collect()
}

#[test]
fn a_probe_does_not_outlive_its_shim() {
    let Some(home) = busybox_home("a_probe_does_not_outlive_its_shim") else { return };
    start(&home, "box", &["--health-cmd", "sleep 4242", "--health-interval", "50ms"]);
    let probing = || home.ok(&["top", "box"]).contains("sleep 4242");
    assert!(eventually(probing), "a probe is under way");
    let prober = processes(&home, "cofferdam health-probe")[0];
    let status = std::fs::read_to_string(format!("/proc/{}/status", prober.as_raw_nonzero())).unwrap();
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap().trim().parse().unwrap();
    let shim = rustix::process::Pid::from_raw(parent).unwrap();
    rustix::process::kill_process(shim, rustix::process::Signal::KILL).unwrap();
    assert!(eventually(|| processes(&home, "cofferdam health-probe").is_empty()));
    assert_eq!(
        home.ok(&["inspect", "--format", "{{.State.Status}} {{.State.Health.Status}}", "box"]),
        "exited unhealthy"
    );
    leaves_nothing(&home);
}

/// One that is kept from its end is ended by the shim, and counts as failed.
#[test]
fn a_prober_that_hangs_is_a_failure() {
    let Some(home) = busybox_home("a_prober_that_hangs_is_a_failure") else { return };
    let flags = ["--health-cmd", "sleep 4242", "--health-interval", "50ms", "--health-timeout", "5s"];
    start(&home, "box", &[&flags[..], &["--health-retries", "1"]].concat());
    assert!(eventually(|| home.ok(&["top", "box"]).contains("sleep 4242")), "a probe is under way");
    for prober in processes(&home, "cofferdam health-probe") {
        rustix::process::kill_process(prober, rustix::process::Signal::STOP).unwrap();
    }
    // It has its time and twenty seconds more.
    let failed = || status(&home, "box") == "unhealthy";
    assert!((0..6).any(|_| eventually(failed)), "{}", health(&home, "box"));
    leaves_nothing(&home);
}

#[test]
fn a_probed_container_verifies_at_any_moment_and_goes_with_its_end() {
    let test = "a_probed_container_verifies_at_any_moment_and_goes_with_its_end";
    let Some(home) = busybox_home(test) else { return };
    start(&home, "box", &["--rm", "--health-cmd", "true", "--health-interval", "1ms"]);
    becomes(&home, "box", "healthy");
    for _ in 0..20 {
        let ran = home.run(&["verify", "box"]);
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    home.ok(&["stop", "-t", "0", "box"]);
    assert_eq!(home.remains(), NOTHING);
}
