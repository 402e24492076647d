//! What a container, or whoever shares a folder with it, puts in the place of a path between its admission and its use.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

mod support;

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use support::{Home, eventually, is_root};

/// A share that containers may write to, and a secret that their zone keeps out.
struct Ground {
    home: Home,
    folder: tempfile::TempDir,
}

impl Ground {
    fn new(home: Home) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ground = Self { home, folder };
        std::fs::create_dir_all(ground.share().join("sub")).unwrap();
        std::fs::create_dir(ground.secret()).unwrap();
        std::fs::write(ground.secret().join("file"), "SECRET").unwrap();
        if let Some(user) = ground.home.user() {
            user.owns(ground.folder.path());
        }
        let rule = format!("[mounts.access]\n\"{}\" = \"none\"", ground.secret().display());
        let zone =
            ground.home.ok(&["zone", "show", "default"]).replace("zone = \"default\"", "zone = \"walled\"");
        let file = ground.home.path().join("walled.toml");
        std::fs::write(&file, zone.replace("[mounts.access]", &rule)).unwrap();
        ground.home.ok(&["zone", "apply", file.to_str().unwrap()]);
        ground
    }

    fn share(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join("share")
    }

    fn secret(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join("secret")
    }

    fn swap(&self) {
        std::fs::remove_dir(self.share().join("sub")).unwrap();
        symlink(self.secret(), self.share().join("sub")).unwrap();
    }

    /// `-v` for a part of the share.
    fn bind(&self, part: &str, target: &str) -> String {
        format!("{}:{target}:rw", self.share().join(part).display())
    }
}

/// The containers of root's and of an ordinary user's.
fn grounds(test: &str) -> Vec<Ground> {
    if !is_root(test) {
        return Vec::new();
    }
    let program = Path::new(env!("CARGO_BIN_EXE_cofferdam"));
    vec![Ground::new(Home::new()), Ground::new(Home::of_user(program))]
}

#[test]
fn a_source_that_the_container_swaps_before_its_restart_is_refused() {
    for ground in grounds("a_source_that_the_container_swaps_before_its_restart_is_refused") {
        let script = format!(
            "cat /x/file >>/s/seen; echo run >>/s/runs; rmdir /s/sub; ln -s {} /s/sub; exit 1",
            ground.secret().display()
        );
        std::fs::write(ground.share().join("go.sh"), script).unwrap();
        let (share, sub) = (ground.bind("", "/s"), ground.bind("sub", "/x"));
        let args = ["run", "-d", "--zone", "walled", "--restart", "on-failure:3"];
        let args = [&args[..], &["-v", &share, "-v", &sub, "host", "sh", "/s/go.sh"]].concat();
        let id = ground.home.ok(&args);
        let state = || ground.home.ok(&["inspect", "--format", "{{.State.Status}}", &id]);
        assert!(eventually(|| state() == "exited"), "{}", state());
        let seen = std::fs::read_to_string(ground.share().join("seen")).unwrap_or_default();
        let runs = std::fs::read_to_string(ground.share().join("runs")).unwrap();
        assert_eq!((seen.as_str(), runs.as_str()), ("", "run\n"));
    }
}

#[test]
fn a_source_that_is_swapped_between_create_and_start_is_refused() {
    for ground in grounds("a_source_that_is_swapped_between_create_and_start_is_refused") {
        let sub = ground.bind("sub", "/x");
        let args = ["create", "--zone", "walled", "--name", "box", "-v", &sub, "host", "cat", "/x/file"];
        ground.home.ok(&args);
        ground.swap();
        let ran = ground.home.run(&["start", "-a", "box"]);
        assert!(ran.code != 0 && !ran.out.contains("SECRET"), "{ran:?}");
        assert!(ran.err.contains("a symbolic link stands in this path"), "{ran:?}");
        let back = ground.home.path().join("back");
        let ran = ground.home.run(&["cp", "box:/x/file", back.to_str().unwrap()]);
        assert!(ran.code != 0 && !back.exists(), "{ran:?}");
        // The folder itself, back in its place, is the one that was admitted.
        std::fs::remove_file(ground.share().join("sub")).unwrap();
        std::fs::create_dir(ground.share().join("sub")).unwrap();
        std::fs::write(ground.share().join("sub/file"), "plain").unwrap();
        let ran = ground.home.run(&["start", "-a", "box"]);
        assert_eq!((ran.code, ran.out.as_str()), (0, "plain"), "{ran:?}");
    }
}

/// A link on the command line is resolved once, when the container is made.
#[test]
fn a_source_that_is_a_link_shows_what_it_led_to_when_it_was_admitted() {
    for ground in grounds("a_source_that_is_a_link_shows_what_it_led_to_when_it_was_admitted") {
        std::fs::write(ground.share().join("sub/file"), "plain").unwrap();
        symlink("sub", ground.share().join("link")).unwrap();
        let link = ground.bind("link", "/x");
        let args = ["run", "--rm", "--zone", "walled", "-v", &link, "host", "cat", "/x/file"];
        assert_eq!(ground.home.ok(&args), "plain");
        let args = ["create", "--zone", "walled", "--name", "box", "-v", &link, "host", "cat", "/x/file"];
        ground.home.ok(&args);
        std::fs::remove_file(ground.share().join("link")).unwrap();
        symlink(ground.secret(), ground.share().join("link")).unwrap();
        assert_eq!(ground.home.ok(&["start", "-a", "box"]), "plain");
    }
}

#[test]
fn a_target_that_a_link_leads_onto_the_kernels_files_is_refused() {
    for ground in grounds("a_target_that_a_link_leads_onto_the_kernels_files_is_refused") {
        let other = ground.bind("sub", "/s/t");
        for (to, refused) in
            [("/proc", true), ("/proc/sys", true), ("/sys", true), ("/dev", true), ("../tmp", false)]
        {
            let link = ground.share().join("t");
            symlink(to, &link).unwrap();
            let share = ground.bind("", "/s");
            let args = ["run", "--rm", "-v", &share, "-v", &other, "host", "ls", "/proc/self/status"];
            let ran = ground.home.run(&args);
            assert_eq!(ran.code != 0, refused, "{to}: {ran:?}");
            assert_eq!(ran.err.contains("a link leads the target into"), refused, "{to}: {ran:?}");
            std::fs::remove_file(&link).unwrap();
        }
    }
}
