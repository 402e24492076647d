//! README's tour of images, as it stands there, with a registry of the test's in the place of those of the internet.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

#[allow(dead_code, reason = "shared with the tests of the image crate")]
#[path = "../../../crates/image/tests/registries/debian_registry.rs"]
mod debian_registry;
mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use debian_registry::{DebianRegistry, Wishes};
use support::{Home, Ran, busybox_root, is_root};

/// The lines of the block of commands that has this one.
fn block_with(command: &str) -> Vec<String> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md")).unwrap();
    let block = text.split("```").find(|block| block.starts_with("sh\n") && block.contains(command));
    block.unwrap().lines().skip(1).map(str::to_owned).collect()
}

/// A folder for PATH in which `cofferdam` is the program with the home's state.
fn shortcut(home: &Home) -> std::path::PathBuf {
    let folder = home.path().join("shortcut");
    std::fs::create_dir(&folder).unwrap();
    let command = home.command();
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let line: Vec<String> = words.map(|word| format!("'{}'", word.display())).collect();
    let file = folder.join("cofferdam");
    std::fs::write(&file, format!("#!/bin/sh\nexec {} \"$@\"\n", line.join(" "))).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn shell(home: &Home, folder: &Path, script: &str) -> Ran {
    let mut command = std::process::Command::new("sh");
    let paths = std::env::var("PATH").unwrap();
    command.env("PATH", format!("{}:{paths}", folder.display())).stdin(Stdio::null());
    command.env(support::remains::MARK, home.path()).current_dir(home.path().join("project"));
    Ran::of(command.args(["-ec", script]))
}

#[test]
fn the_tour_of_images_pulls_builds_pushes_and_runs() {
    let test = "the_tour_of_images_pulls_builds_pushes_and_runs";
    let folder = tempfile::tempdir().unwrap();
    let Some(root) = busybox_root(test, folder.path()).filter(|_| is_root(test)) else { return };
    let home = Home::new();
    let Some(registry) = DebianRegistry::start(test, &Wishes::default()) else { return };
    let hub = registry.name("library/busybox:latest");
    home.ok(&["image", "import", root.to_str().unwrap(), &hub]);
    home.ok(&["push", "-q", &hub]);
    home.ok(&["rmi", &hub]);
    let mirror = format!("[registry.\"docker.io\"]\nmirrors = [\"http://127.0.0.1:{}\"]\n", registry.port);
    std::fs::write(home.path().join("registries.toml"), mirror).unwrap();
    let project = home.path().join("project");
    std::fs::create_dir(&project).unwrap();
    std::fs::write(
        project.join("Dockerfile"),
        "FROM busybox\nRUN echo built > /made\nCMD [\"cat\", \"/made\"]\n",
    )
    .unwrap();
    let lines = block_with("cofferdam pull busybox");
    // `image bootstrap` has tests of its own, and takes a minute.
    let (left_out, lines): (Vec<_>, Vec<_>) = lines.into_iter().partition(|line| line.contains("bootstrap"));
    assert_eq!((left_out.len(), lines.len()), (1, 4), "the tour is another one: look at this test");
    let script = lines.join("\n").replace("localhost:5000", &format!("localhost:{}", registry.port));
    let ran = shell(&home, &shortcut(&home), &script);
    assert_eq!(ran.code, 0, "{ran:?}");
    for part in ["uid=0", "\nbuilt\n", "digest: sha256:"] {
        assert!(ran.out.contains(part), "{part:?}: {ran:?}");
    }
    assert_eq!(home.remains(), [""; 0]);
}
