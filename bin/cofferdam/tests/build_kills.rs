//! `kill -9` at random moments of a build: store and cache stay valid, and nothing is left that the next command does not remove.
//!
//! `COFFERDAM_KILLS` is how many, `COFFERDAM_SEED` repeats a run; `cargo xtask kills` does 200.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

mod support;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use support::dice::Dice;
use support::{Home, is_root, skip};

const TEXT: &str = r#"FROM scratch AS base
COPY busybox /bin/busybox
RUN ["/bin/busybox", "--install", "-s", "/bin"]
FROM base AS a
RUN --mount=type=secret,id=s --mount=type=cache,target=/c sleep 0.1; echo a > /a; cat /run/secrets/s > /c/x
FROM base AS b
COPY busybox /b
RUN --mount=type=bind,target=/context sleep 0.1; echo b > /b2
FROM base
COPY --from=a /a /
COPY --from=b /b /b2 /
RUN sleep 0.05; cat /a
"#;

/// What is left of builds beside images and the cache.
fn left(home: &Home) -> Vec<String> {
    let mut left = home.remains();
    let sessions =
        std::fs::read_dir(home.path().join("state/builder/sessions")).into_iter().flatten().flatten();
    left.extend(sessions.map(|entry| format!("session {:?}", entry.file_name())));
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let place = home.path().to_str().unwrap();
    left.extend(mounts.lines().filter(|line| line.contains(place)).map(|line| format!("mount {line}")));
    let run = std::fs::read_dir(home.path().join("run")).into_iter().flatten().flatten();
    let secrets = run.filter(|entry| entry.file_name().to_string_lossy().starts_with("build-"));
    left.extend(secrets.map(|entry| format!("secrets {:?}", entry.file_name())));
    left
}

/// Each blob that the cache keeps is what it is called.
fn check_cache(home: &Home) {
    let blobs = home.path().join("state/builder/blobs");
    for entry in std::fs::read_dir(blobs).unwrap().flatten() {
        let sum = Command::new("sha256sum").arg(entry.path()).output().unwrap();
        let sum = String::from_utf8(sum.stdout).unwrap();
        assert_eq!(sum.split(' ').next(), entry.file_name().to_str());
    }
}

#[test]
fn killed_builds_leave_nothing_that_the_next_does_not_remove() {
    let test = "killed_builds_leave_nothing_that_the_next_does_not_remove";
    if is_root(test) {
        kills(test, &Home::new());
    }
}

/// There the files of a build are a second process's.
#[test]
fn killed_builds_of_a_user_leave_nothing_that_the_next_does_not_remove() {
    let test = "killed_builds_of_a_user_leave_nothing_that_the_next_does_not_remove";
    if is_root(test) {
        kills(test, &Home::of_user(Path::new(env!("CARGO_BIN_EXE_cofferdam"))));
    }
}

fn kills(test: &str, home: &Home) {
    if !Path::new("/bin/busybox").exists() {
        return skip(test, "busybox-static is not installed");
    }
    let count: u64 = std::env::var("COFFERDAM_KILLS").map_or(20, |text| text.parse().unwrap());
    let (folder, mut dice) = (tempfile::tempdir().unwrap(), Dice::new());
    std::fs::copy("/bin/busybox", folder.path().join("busybox")).unwrap();
    std::fs::write(folder.path().join("Dockerfile"), TEXT).unwrap();
    std::fs::write(folder.path().join("secret"), "of kills").unwrap();
    if let Some(user) = home.user() {
        user.owns(folder.path());
    }
    let secret = format!("id=s,src={}", folder.path().join("secret").display());
    let place = folder.path().to_str().unwrap();
    let args = ["build", "-q", "--compression", "none", "-t", "x", "--secret", &secret, place];
    let begun = std::time::Instant::now();
    let id = home.ok(&args);
    let whole = u64::try_from(begun.elapsed().as_millis()).unwrap().max(100);
    for round in 0..count {
        let mut command = home.command();
        // With the cache or without: what a killed build has put there is used by the next.
        let fresh = dice.below(3) > 0;
        command.args(args).args(fresh.then_some("--no-cache")).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(dice.below(if fresh { whole } else { whole / 4 })));
        child.kill().unwrap();
        child.wait().unwrap();
        if round % 10 == 9 || round + 1 == count {
            assert_eq!(home.ok(&args), id, "round {round}");
            let verified = home.run(&["image", "verify", "--all"]);
            assert_eq!(verified.code, 0, "round {round}: {verified:?}");
            check_cache(home);
            if !left(home).is_empty() {
                // A step of the build that was killed just now had not ended when the next one looked: what it leaves is
                // young, and goes with the next command that finds it old.
                home.age_folders();
                assert_eq!(home.ok(&args), id, "round {round}");
            }
            assert_eq!(left(home), [""; 0], "round {round}");
            assert_eq!(home.ok(&["ps", "-aq"]), "");
        }
    }
    // Nothing that the cache had was half a result.
    home.ok(&["builder", "prune", "-f", "-a"]);
    assert_eq!(home.ok(&args), id);
}
