//! The least a container start can cost: one clone3 into new namespaces, an overlay, the usual mounts, pivot_root and
//! execve. `cargo xtask bench start` measures it beside the engines: `floor [--user] LOWER WORK PROGRAM [ARGUMENT]...`.
//!
//! LOWER is the root filesystem, WORK a folder with `upper`, `work` and `root` in it. Nothing is limited, filtered or
//! checked here: this is what no engine can go under, not a container.

#![allow(clippy::print_stderr, reason = "a command-line tool")]

use std::ffi::CString;
use std::io::{Error, Read, Result, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cofferdam_kernel::clone::{CloneRequest, Cloned, clone3, exit_now};
use cofferdam_kernel::exec::{CStringArray, execve};
use cofferdam_kernel::mount::{
    Attributes, Depth, PropagationType, attach_at_path, new_filesystem, set_propagation,
};
use cofferdam_kernel::namespace::Namespace;
use rustix::mount::{UnmountFlags, unmount};
use rustix::process::{WaitOptions, waitpid};

/// What is mounted inside, after the root: file system, folder, options.
const MOUNTS: [(&str, &str, &[&str]); 6] = [
    ("proc", "proc", &[]),
    ("tmpfs", "dev", &["mode=755", "size=65536k"]),
    ("devpts", "dev/pts", &["newinstance", "ptmxmode=0666", "mode=0620"]),
    ("tmpfs", "dev/shm", &["mode=1777", "size=65536k"]),
    ("mqueue", "dev/mqueue", &[]),
    ("sysfs", "sys", &["ro"]),
];

/// What the command line names.
struct Start {
    user_namespace: bool,
    lower: PathBuf,
    work: PathBuf,
    program: Vec<String>,
}

fn main() -> ExitCode {
    let outcome = parse().and_then(|start| run(&start));
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("floor: {error}");
            ExitCode::from(125)
        }
    }
}

fn parse() -> Result<Start> {
    let mut arguments = std::env::args().skip(1).peekable();
    let user_namespace = arguments.next_if(|argument| argument == "--user").is_some();
    let (Some(lower), Some(work)) = (arguments.next(), arguments.next()) else {
        return Err(Error::other("usage: floor [--user] LOWER WORK PROGRAM [ARGUMENT]..."));
    };
    let program: Vec<String> = arguments.collect();
    Ok(Start { user_namespace, lower: lower.into(), work: work.into(), program })
}

/// Starts the program and waits for it.
fn run(start: &Start) -> Result<u8> {
    let mut namespaces = [
        Namespace::Mount,
        Namespace::Pid,
        Namespace::Network,
        Namespace::Ipc,
        Namespace::Uts,
        Namespace::Cgroup,
    ]
    .iter()
    .fold(0, |flags, namespace| flags | namespace.clone_flag());
    if start.user_namespace {
        namespaces |= Namespace::User.clone_flag();
    }
    let (mut mapped, mut map_now) = std::io::pipe()?;
    match clone3(&CloneRequest { namespaces, ..CloneRequest::default() })? {
        Cloned::Child => {
            drop(map_now);
            if start.user_namespace {
                // The parent closes its end without a word when it could not write the maps: then nothing may start.
                let _ = mapped.read_exact(&mut [0]).inspect_err(|_| exit_now(125));
            }
            let error = become_program(start);
            eprintln!("floor: {error}");
            exit_now(125)
        }
        Cloned::Parent { pid, .. } => {
            if start.user_namespace {
                let map = |name: &str| std::fs::write(format!("/proc/{pid}/{name}"), "0 0 4294967295\n");
                map("uid_map").and_then(|()| map("gid_map")).and_then(|()| map_now.write_all(&[1]))?;
            }
            let status = waitpid(Some(pid), WaitOptions::empty())?;
            let code = status.and_then(|(_, status)| status.exit_status()).unwrap_or(125);
            Ok(u8::try_from(code).unwrap_or(125))
        }
    }
}

/// Everything on the child's side; returns only to say why not.
fn become_program(start: &Start) -> Error {
    match enter_root(start) {
        Ok((path, arguments, environment)) => execve(&path, &arguments, &environment),
        Err(error) => error,
    }
}

fn enter_root(start: &Start) -> Result<(CString, CStringArray, CStringArray)> {
    let host = rustix::fs::open("/", rustix::fs::OFlags::PATH, rustix::fs::Mode::empty())?;
    set_propagation(&host, Depth::Tree, PropagationType::Slave)?;
    let root = start.work.join("root");
    let overlay = [
        format!("lowerdir={}", start.lower.display()),
        format!("upperdir={}", start.work.join("upper").display()),
        format!("workdir={}", start.work.join("work").display()),
    ];
    let overlay =
        new_filesystem("overlay", "floor", overlay.iter().map(String::as_str), Attributes::default())?;
    attach_at_path(&overlay, &root)?;
    for (filesystem, folder, options) in MOUNTS {
        let target = root.join(folder);
        if folder.starts_with("dev/") {
            std::fs::create_dir(&target)?;
        }
        mount_on(&target, filesystem, options)?;
    }
    rustix::process::chdir(&root)?;
    rustix::process::pivot_root(".", ".")?;
    unmount(".", UnmountFlags::DETACH)?;
    rustix::process::chdir("/")?;
    let program = start.program.first().ok_or_else(|| Error::other("no program given"))?;
    let path = CString::new(program.as_str())?;
    let arguments = CStringArray::new(start.program.iter().map(String::as_str))?;
    Ok((path, arguments, CStringArray::new(["PATH=/bin:/usr/bin"])?))
}

fn mount_on(target: &Path, filesystem: &str, options: &[&str]) -> Result<()> {
    let mount = new_filesystem(filesystem, filesystem, options.iter().copied(), Attributes::default());
    let mount =
        mount.map_err(|error| Error::other(format!("{filesystem} for {}: {error}", target.display())))?;
    attach_at_path(&mount, target)
}
