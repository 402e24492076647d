//! `kill -9` of the client, the shim or the container's own processes at random moments: afterwards the next command works, no
//! record is lost, nothing leaks.
//!
//! `COFFERDAM_KILLS` is how many, `COFFERDAM_SEED` repeats a run; `cargo xtask kills` does 200 of each.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

mod support;

use std::collections::BTreeMap;
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use support::dice::Dice;
use support::{Home, is_root, remains};

/// A command that takes longer than this hangs.
const HANGS: Duration = Duration::from_secs(30);

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Victim {
    Client,
    Shim,
    Inside,
}

/// One home with two containers that no kill is meant for.
struct Scene {
    home: Home,
    /// Runs all the time.
    steady: String,
    /// Processes that belong to it.
    spared: Vec<i32>,
    tally: BTreeMap<(String, Victim), u32>,
}

impl Scene {
    fn new(home: Home) -> Self {
        let steady = home.ok(&["run", "-d", "--name", "steady", "host", "--", "sleep", "100000"]);
        home.ok(&["create", "--name", "witness", "host", "--", "true"]);
        let spared = remains::processes_of(home.path(), std::slice::from_ref(&steady));
        let spared: Vec<i32> = spared.iter().map(|process| process.pid).collect();
        assert_eq!(spared.len(), 2, "a shim and a sleep");
        Self { home, steady, spared, tally: BTreeMap::new() }
    }

    /// Runs a command and kills somebody on its way; how it ended.
    fn disturb(&mut self, args: &[&str], victim: Victim, delay: Duration) -> Output {
        let mut command = self.home.command();
        command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        std::thread::sleep(delay);
        if self.kill(&mut child, victim) {
            *self.tally.entry((args[0].to_owned(), victim)).or_default() += 1;
        }
        self.end(child, args)
    }

    /// Kills; whether there was somebody to kill.
    fn kill(&self, child: &mut Child, victim: Victim) -> bool {
        let client = child.id().cast_signed();
        if victim == Victim::Client {
            let running = child.try_wait().unwrap().is_none();
            child.kill().unwrap();
            return running;
        }
        let ids = remains::ids_ever(self.home.path());
        let found = remains::processes_of(self.home.path(), &ids).into_iter().find(|process| {
            process.pid != client
                && !self.spared.contains(&process.pid)
                && process.inside == (victim == Victim::Inside)
        });
        let pid = found.and_then(|process| Pid::from_raw(process.pid));
        pid.is_some_and(|pid| kill_process(pid, Signal::KILL).is_ok())
    }

    fn end(&self, mut child: Child, args: &[&str]) -> Output {
        let start = Instant::now();
        while child.try_wait().unwrap().is_none() {
            if start.elapsed() > HANGS {
                let ids = remains::ids_ever(self.home.path());
                let left = remains::of(self.home.path(), &ids);
                child.kill().unwrap();
                panic!("{args:?} hangs: {left:#?}");
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        child.wait_with_output().unwrap()
    }

    /// The states of all containers by name, as the next command tells them.
    fn states(&self) -> BTreeMap<String, String> {
        let listed = self.home.ok(&["ps", "-a", "--format", "{{.Names}} {{.State}}"]);
        let pairs = listed.lines().map(|line| line.split_once(' ').unwrap());
        pairs.map(|(name, state)| (name.to_owned(), state.to_owned())).collect()
    }

    /// What must hold after every kill, with the containers of the round still there.
    fn check(&self, round: &str) -> BTreeMap<String, String> {
        let states = self.states();
        assert_eq!(states.get("steady").map(String::as_str), Some("running"), "{round}");
        assert_eq!(states.get("witness").map(String::as_str), Some("created"), "{round}");
        states
    }

    /// Removes what the round made, and looks for what is left.
    fn clean(&self, name: &str, round: &str) {
        self.check(round);
        let ran = self.home.run(&["rm", "-f", name]);
        assert!(ran.code == 0 || ran.err.contains("no such container"), "{round}: {ran:?}");
        self.age();
        assert_eq!(self.check(round).len(), 2, "{round}");
        let mut left = self.left();
        if !left.is_empty() {
            // Who locked a container while its shim took it away has left its run folder, which is young: it goes with the next
            // command that finds it old.
            self.age();
            self.check(round);
            left = self.left();
        }
        assert!(left.is_empty(), "{round}: {left:#?}");
    }

    /// What belongs to no container of this home.
    fn left(&self) -> Vec<String> {
        let home = self.home.path();
        let witness = self.home.ok(&["inspect", "--format", "{{.Id}}", "witness"]);
        let kept = [self.steady.as_str(), witness.as_str()];
        let mut left = Vec::new();
        support::eventually(|| {
            let mut ids = remains::ids_ever(home);
            ids.retain(|id| !kept.contains(&id.as_str()));
            left = remains::of(home, &ids);
            left.retain(|line| !self.spared.iter().any(|pid| line.starts_with(&format!("process {pid} "))));
            // The steady container's own mounts are in its own namespace.
            left.extend(
                remains::in_state(home).into_iter().filter(|line| !kept.iter().any(|id| line.contains(id))),
            );
            left.is_empty()
        });
        left
    }

    /// Makes what is half done look as if it had been left two minutes ago: the next command takes it for abandoned.
    fn age(&self) {
        self.home.age_folders();
        let definitions = self.home.path().join("state/definitions");
        for entry in std::fs::read_dir(definitions).unwrap().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') || name.contains(self.steady.as_str()) || name.ends_with(".witness") {
                continue;
            }
            let Ok(text) = std::fs::read_to_string(entry.path()) else { continue };
            let mut definition: serde_json::Value = serde_json::from_str(&text).unwrap();
            definition["created"] = serde_json::json!("2026-01-01T00:00:00Z");
            std::fs::write(entry.path(), definition.to_string()).unwrap();
        }
    }

    fn finish(self) {
        for ((command, victim), count) in &self.tally {
            println!("{command} {victim:?}: {count}");
        }
        let ran = self.home.run(&["verify", "steady"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        self.home.ok(&["rm", "-f", "steady", "witness"]);
        assert_eq!(self.home.remains(), Vec::<String>::new());
    }
}

/// The command of a round, and the commands that set its stage.
struct Play {
    stage: &'static [&'static [&'static str]],
    command: &'static [&'static str],
    /// Whether the container is recorded for good once the command has succeeded.
    makes: bool,
    /// About how long it takes, in milliseconds, on a machine that does something else too.
    takes: u64,
}

const RUN: &[&str] = &["run", "-d", "--name", "box", "host", "--", "sleep", "1000"];
const CREATE: &[&str] = &["create", "--name", "box", "host", "--", "sleep", "1000"];

const PLAYS: [Play; 9] = [
    Play { stage: &[], command: RUN, makes: true, takes: 90 },
    Play { stage: &[], command: CREATE, makes: true, takes: 25 },
    Play {
        stage: &[],
        command: &["run", "--rm", "--name", "box", "host", "--", "sleep", "0.05"],
        makes: false,
        takes: 120,
    },
    Play { stage: &[CREATE], command: &["start", "box"], makes: true, takes: 60 },
    Play { stage: &[RUN], command: &["exec", "box", "sleep", "0.05"], makes: true, takes: 90 },
    Play { stage: &[RUN], command: &["stop", "-t", "1", "box"], makes: true, takes: 60 },
    Play { stage: &[RUN], command: &["restart", "-t", "0", "box"], makes: true, takes: 120 },
    Play { stage: &[RUN], command: &["rm", "-f", "box"], makes: false, takes: 60 },
    Play { stage: &[CREATE], command: &["rm", "box"], makes: false, takes: 25 },
];

fn kill_at_random_moments(home: Home) {
    let rounds = std::env::var("COFFERDAM_KILLS").ok().map_or(40, |text| text.parse().unwrap());
    let mut dice = Dice::new();
    let mut scene = Scene::new(home);
    for number in 0..rounds {
        let play = &PLAYS[usize::try_from(dice.below(PLAYS.len() as u64)).unwrap()];
        let victim = *dice.choose(&[&Victim::Client, &Victim::Shim, &Victim::Inside]);
        let delay = Duration::from_micros(dice.below(play.takes * 1000));
        let round = format!("round {number}: {:?} of {:?} after {delay:?}", victim, play.command);
        for command in play.stage {
            scene.home.ok(command);
        }
        let output = scene.disturb(play.command, victim, delay);
        let states = scene.check(&round);
        let was_made = !play.stage.is_empty() || output.status.success();
        if was_made && play.makes {
            assert!(states.contains_key("box"), "{round}: the record is lost: {output:?}");
        }
        if output.status.success() && play.command[0] == "rm" {
            assert!(!states.contains_key("box"), "{round}: it was said to be removed");
        }
        scene.clean("box", &round);
    }
    scene.finish();
}

#[test]
fn kill_9_at_random_moments_loses_and_leaks_nothing() {
    if is_root("kill_9_at_random_moments_loses_and_leaks_nothing") {
        kill_at_random_moments(Home::new());
    }
}

#[test]
fn user_kill_9_at_random_moments_loses_and_leaks_nothing() {
    if is_root("user_kill_9_at_random_moments_loses_and_leaks_nothing") {
        kill_at_random_moments(Home::of_user(std::path::Path::new(env!("CARGO_BIN_EXE_cofferdam"))));
    }
}
