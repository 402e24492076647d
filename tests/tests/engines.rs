//! Debian's docker, podman and containerd each run a tour with `cofferdam oci` as their runtime.
//!
//! `COFFERDAM_TOUR_RUNTIME=/usr/sbin/runc` runs the same tours with another runtime: that is how they were checked.

#![allow(clippy::expect_used, clippy::print_stdout, clippy::panic, reason = "a test ends by a panic")]

use std::path::PathBuf;

use cofferdam_tests::{program, tour};

/// The runtime under test, under the name that makes our program one.
fn runtime(tour: &str) -> PathBuf {
    if let Some(other) = std::env::var_os("COFFERDAM_TOUR_RUNTIME") {
        return other.into();
    }
    let folder = std::env::temp_dir().join(format!("cofferdam-tour-link-{tour}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("make a folder for the link");
    let link = folder.join("cofferdam-oci");
    std::os::unix::fs::symlink(program(), &link).expect("link the program");
    link
}

fn take(name: &str) {
    let runtime = runtime(name);
    let outcome = tour(name, &runtime);
    if let Some(folder) = runtime.parent().filter(|folder| folder.starts_with(std::env::temp_dir())) {
        std::fs::remove_dir_all(folder).expect("remove the link");
    }
    match outcome {
        Ok(said) => println!("{said}"),
        Err(said) => panic!("the tour {name} failed: {said}"),
    }
}

#[test]
fn docker_runs_on_it() {
    take("docker");
}

#[test]
fn podman_runs_on_it() {
    take("podman");
}

#[test]
fn containerd_runs_on_it() {
    take("containerd");
}
