//! Finds the container's program inside the container and executes it.

use std::ffi::CString;
use std::io::{self, Read};

use cofferdam_confinement::Process;
use cofferdam_kernel::exec::{CStringArray, execve};
use cofferdam_names::ContainerPath;
use rustix::fs::{Access, AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, accessat, openat2, stat};
use rustix::io::Errno;

use crate::rootfs::root_dir::RootDir;
use crate::step::{Step, StepError};

/// Where programs are looked for if the environment has no PATH, as execvp(3) does.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Everything that execve(2) needs, made while memory may still be allocated freely.
#[derive(Debug)]
pub(crate) struct Program {
    name: String,
    path: CString,
    args: CStringArray,
    env: CStringArray,
}

impl Program {
    /// Looks up the program with the process's own user and working directory.
    pub(crate) fn find(process: &Process) -> Result<Self, StepError> {
        let name = process.args.first().cloned().unwrap_or_default();
        let path = Step::Exec.run(&name, || find_path(&name, &process.env))?;
        Step::Exec.run(&name, || {
            Ok(Self {
                path: CString::new(path)?,
                args: CStringArray::new(process.args.iter().map(String::as_str))?,
                env: CStringArray::new(environment(process))?,
                name: name.clone(),
            })
        })
    }

    /// Becomes the program; returns only to say why not.
    pub(crate) fn execute(&self) -> StepError {
        Step::Exec.failed(&self.name, execve(&self.path, &self.args, &self.env))
    }
}

/// The process's environment: of a variable that is set more than once the last one, and HOME where it is not set or empty.
/// Programs, and callers of OCI runtimes, count on both.
pub(crate) fn environment(process: &Process) -> Vec<String> {
    let name = |entry: &str| entry.split_once('=').map_or(entry, |(name, _)| name).to_owned();
    let mut seen = std::collections::BTreeSet::new();
    let mut env: Vec<String> =
        process.env.iter().rev().filter(|entry| seen.insert(name(entry))).cloned().collect();
    env.reverse();
    if !env.iter().any(|entry| entry.strip_prefix("HOME=").is_some_and(|folder| !folder.is_empty())) {
        env.retain(|entry| name(entry) != "HOME");
        env.push(format!("HOME={}", home(process.user.uid)));
    }
    env
}

/// Most bytes of the container's /etc/passwd that are looked at.
const MAX_PASSWD: u64 = 1 << 20;

/// The user's folder by the container's own /etc/passwd, which may be anything: a pipe is not waited for, and a text without
/// end is not read to it. The root where it does not say.
fn home(uid: u32) -> String {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let read = || -> io::Result<String> {
        let file = rustix::fs::open("/etc/passwd", flags, Mode::empty())?;
        if FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) != FileType::RegularFile {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        io::read_to_string(std::fs::File::from(file).take(MAX_PASSWD))
    };
    let folder_of = |line: &str| {
        let fields: Vec<&str> = line.split(':').collect();
        let own = fields.get(2).and_then(|number| number.parse::<u32>().ok()) == Some(uid);
        fields.get(5).filter(|folder| own && folder.starts_with('/')).map(|folder| (*folder).to_owned())
    };
    let text = read().unwrap_or_default();
    text.lines().find_map(folder_of).unwrap_or_else(|| "/".to_owned())
}

fn find_path(name: &str, env: &[String]) -> io::Result<String> {
    if name.contains('/') {
        check(name)?;
        return Ok(name.to_owned());
    }
    let path = env.iter().rev().find_map(|entry| entry.strip_prefix("PATH=")).unwrap_or(DEFAULT_PATH);
    let mut denied = None;
    for folder in path.split(':').filter(|_| !name.is_empty()) {
        let candidate = if folder.is_empty() { format!("./{name}") } else { format!("{folder}/{name}") };
        match check(&candidate) {
            Ok(()) => return Ok(candidate),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => denied = Some(error),
            Err(_) => {}
        }
    }
    Err(denied
        .unwrap_or_else(|| io::Error::new(io::ErrorKind::NotFound, "executable file not found in $PATH")))
}

fn check(path: &str) -> io::Result<()> {
    let kind = FileType::from_raw_mode(stat(path)?.st_mode);
    if kind == FileType::Directory {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is a folder"));
    }
    // With the effective ids and capabilities, as the exec will look at it. Where the call is missing or filtered out, the
    // exec itself says whether it may.
    match accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS) {
        Err(Errno::NOSYS | Errno::PERM) => Ok(()),
        other => Ok(other?),
    }
}

/// Enters the working directory, which must lie inside the root (CVE-2024-21626: `/proc/self/fd/N` as the working
/// directory leads to a folder of the host that a leaked descriptor holds open). Magic links are not followed, and
/// where the process then is must have a path from its root.
pub(crate) fn enter_working_directory(cwd: &ContainerPath, make: bool) -> Result<(), StepError> {
    Step::WorkingDirectory.apply(cwd, || {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let root = rustix::fs::openat(CWD, "/", flags, Mode::empty())?;
        let folder = match openat2(&root, cwd.relative(), flags, Mode::empty(), resolve) {
            Err(Errno::NOENT) if make => RootDir::new(root).make_dir_all(cwd)?,
            other => other?,
        };
        rustix::process::fchdir(&folder)?;
        let here = rustix::process::getcwd(Vec::new())?;
        if here.to_bytes().starts_with(b"/") {
            Ok(())
        } else {
            Err(io::Error::other("it lies outside of the container's root"))
        }
    })
}
