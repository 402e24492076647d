//! Finds the container's program inside the container and executes it.

use std::ffi::CString;
use std::io;

use cofferdam_confinement::Process;
use cofferdam_kernel::exec::{CStringArray, execve};
use cofferdam_names::ContainerPath;
use rustix::fs::{Access, CWD, FileType, Mode, OFlags, ResolveFlags, access, openat2, stat};

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
                env: CStringArray::new(process.env.iter().map(String::as_str))?,
                name: name.clone(),
            })
        })
    }

    /// Becomes the program; returns only to say why not.
    pub(crate) fn execute(&self) -> StepError {
        Step::Exec.failed(&self.name, execve(&self.path, &self.args, &self.env))
    }
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
    Ok(access(path, Access::EXEC_OK)?)
}

/// Enters the working directory, which must lie inside the root (CVE-2024-21626: `/proc/self/fd/N` as the working
/// directory leads to a folder of the host that a leaked descriptor holds open). Magic links are not followed, and
/// where the process then is must have a path from its root.
pub(crate) fn enter_working_directory(cwd: &ContainerPath, make: bool) -> Result<(), StepError> {
    Step::WorkingDirectory.run(cwd, || {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let root = rustix::fs::openat(CWD, "/", flags, Mode::empty())?;
        let folder = match openat2(&root, cwd.relative(), flags, Mode::empty(), resolve) {
            Err(rustix::io::Errno::NOENT) if make => RootDir::new(root).make_dir_all(cwd)?,
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
