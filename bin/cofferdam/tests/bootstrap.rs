//! `image bootstrap`: what is asked of mmdebstrap and debootstrap, and what comes of what they write. The programs are
//! stand-ins here that write a tar of busybox.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

mod support;

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use support::{Home, Ran, busybox_root, is_root};

/// A home, and a folder that is the whole `PATH`.
struct Scene {
    home: Home,
    programs: tempfile::TempDir,
}

impl Scene {
    fn new(test: &str) -> Option<Self> {
        if !is_root(test) {
            return None;
        }
        let scene = Self { home: Home::new(), programs: tempfile::tempdir().unwrap() };
        busybox_root(test, scene.home.path())?;
        for program in ["sh", "tar", "rm", "mktemp", "unshare", "cp"] {
            let found = ["/usr/bin", "/bin"].iter().map(|folder| Path::new(folder).join(program));
            symlink(
                found.into_iter().find(|path| path.exists()).unwrap(),
                scene.programs.path().join(program),
            )
            .unwrap();
        }
        Some(scene)
    }

    fn program(&self, name: &str, script: &str) {
        let path = self.programs.path().join(name);
        let root = self.home.path().join("root");
        let text = format!("#!/bin/sh\nroot={}\nasked={}\n{script}", root.display(), self.asked().display());
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn asked(&self) -> std::path::PathBuf {
        self.home.path().join("asked")
    }

    fn bootstrap(&self, args: &[&str]) -> Ran {
        let mut command = self.home.command();
        Ran::of(command.args(["image", "bootstrap"]).args(args).env("PATH", self.programs.path()))
    }
}

#[test]
fn what_mmdebstrap_writes_becomes_an_image() {
    let Some(scene) = Scene::new("what_mmdebstrap_writes_becomes_an_image") else { return };
    scene.program("mmdebstrap", "echo \"$@\" > $asked; tar -C $root -cf - .");
    let ran = scene.bootstrap(&["--include", "a", "--include", "b", "debian:bookworm"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let asked = std::fs::read_to_string(scene.asked()).unwrap();
    assert_eq!(
        asked.trim(),
        "--variant=minbase --format=tar --quiet --include=a,b bookworm - http://deb.debian.org/debian"
    );
    let out = scene.home.ok(&["run", "--rm", "debian:bookworm", "sh", "-c", "echo $PATH"]);
    assert!(out.starts_with("/usr/local/sbin:"), "{out}");
    // A name keeps its image where the program fails, even after a whole tar.
    scene.program("mmdebstrap", "tar -C $root -cf - .; echo broken >&2; exit 3");
    let failed = scene.bootstrap(&["debian:bookworm"]);
    assert_eq!(failed.code, 1, "{failed:?}");
    assert!(failed.err.contains("broken") && failed.err.contains("exit status: 3"), "{failed:?}");
    let images = scene.home.ok(&["image", "ls", "-a", "-q", "--no-trunc"]);
    assert_eq!(images, ran.out.trim());
    assert!(!scene.home.ok(&["image", "ls"]).contains("cofferdam-bootstrap"));
}

#[test]
fn debootstrap_is_used_where_it_is_alone() {
    let Some(scene) = Scene::new("debootstrap_is_used_where_it_is_alone") else { return };
    let none = scene.bootstrap(&["debian:bookworm"]);
    assert_eq!(none.code, 1, "{none:?}");
    assert!(none.err.contains("neither mmdebstrap nor debootstrap"), "{none:?}");
    scene.program("debootstrap", "echo \"$@\" > $asked; cp -a $root/. $4/; echo said");
    let ran = scene.bootstrap(&["--include", "a", "--mirror", "http://[::1]/x", "-t", "own:1", "debian:sid"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.err.contains("said") && !ran.out.contains("said"), "{ran:?}");
    let asked = std::fs::read_to_string(scene.asked()).unwrap();
    let words: Vec<&str> = asked.split_whitespace().collect();
    assert_eq!(words[..3], ["--variant=minbase", "--include=a", "sid"]);
    assert_eq!(words[4], "http://[::1]/x");
    assert!(!Path::new(words[3]).exists(), "{}", words[3]);
    assert_eq!(scene.home.ok(&["run", "--rm", "own:1", "sh", "-c", "echo runs"]), "runs");
}

#[test]
fn what_is_no_release_is_refused() {
    let Some(scene) = Scene::new("what_is_no_release_is_refused") else { return };
    scene.program("mmdebstrap", "touch $asked");
    for (args, why) in [
        (&["debian"][..], "names no suite"),
        (&["arch:rolling"], "the archive of arch is not known"),
        (&["debian:--hook"], "is no suite"),
        (&["--include=a;b", "debian:sid"], "is no package"),
        (&["--mirror=copy:/x", "debian:sid"], "is no address"),
        (&["--variant=all", "debian:sid"], "minbase, apt, essential"),
        (&["-t", "UPPER", "debian:sid"], "cannot name an image"),
    ] {
        let ran = scene.bootstrap(args);
        assert!(ran.code != 0 && ran.err.contains(why), "{args:?}: {ran:?}");
    }
    assert!(!scene.asked().exists());
}
