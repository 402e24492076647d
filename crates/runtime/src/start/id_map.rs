//! Writes the id maps of a new user namespace (user_namespaces(7)).

use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;

use cofferdam_confinement::{IdMapping, IdMaps, MapWriter, Setgroups};
use cofferdam_kernel::capability::Capability;
use cofferdam_kernel::clone::{CloneRequest, Cloned, clone3, exit_now};
use cofferdam_kernel::namespace::Namespace;
use cofferdam_kernel::proc::{ProcDir, ProcFs};
use rustix::process::Pid;

use crate::step::{Step, StepError};

/// The lines of a map as the kernel reads them: all in one write.
fn lines(map: &[IdMapping]) -> String {
    map.iter().map(|line| format!("{} {} {}\n", line.container, line.host, line.size)).collect()
}

/// The lines of the plan and no others.
fn only(name: &str, map: &[IdMapping]) -> String {
    let text = lines(map);
    // What a build for tests leaves out is the restriction to them: the host's root is mapped as well.
    if Step::IdMaps.is_left_out(format_args!("only {name}")) { text + "4000000000 0 1\n" } else { text }
}

/// Writes both maps of the process's user namespace, and its setgroups file where the plan says so.
pub(super) fn write(process: &ProcDir, pid: Pid, maps: &IdMaps) -> Result<(), StepError> {
    if maps.setgroups == Setgroups::Deny {
        write_file(process, "setgroups", "deny")?;
    }
    match maps.writer {
        // A process that has all of these ids in its own namespace needs nobody's help, and no program with other rights has any there.
        MapWriter::Newuidmap if may_map() => {
            write_file(process, "uid_map", &only("uid_map", &maps.uids))?;
            write_file(process, "gid_map", &only("gid_map", &maps.gids))
        }
        MapWriter::Direct => {
            write_file(process, "uid_map", &only("uid_map", &maps.uids))?;
            write_file(process, "gid_map", &only("gid_map", &maps.gids))
        }
        MapWriter::Newuidmap => {
            run_helper("newuidmap", pid, &maps.uids)?;
            run_helper("newgidmap", pid, &maps.gids)
        }
    }
}

/// Whether this process may map what ids it has (user_namespaces(7)).
fn may_map() -> bool {
    let both = (1 << Capability::SETUID.number()) | (1 << Capability::SETGID.number());
    rustix::thread::capabilities(None).is_ok_and(|sets| sets.effective.bits() & both == both)
}

/// Writes the id maps of a new user namespace's first process.
///
/// # Errors
/// The kernel or newuidmap(1) refuses them.
pub fn write_id_maps(pid: Pid, maps: &IdMaps) -> Result<(), StepError> {
    let process =
        Step::IdMaps.run("/proc of it", || Ok(ProcFs::open().and_then(|proc| proc.process(pid))?))?;
    write(&process, pid, maps)
}

fn write_file(process: &ProcDir, name: &str, text: &str) -> Result<(), StepError> {
    Step::IdMaps.run(name, || Ok(process.write(name, text.as_bytes())?))
}

/// Runs newuidmap(1) or newgidmap(1): set-user-ID programs that check /etc/subuid for an ordinary user.
fn run_helper(program: &str, pid: Pid, map: &[IdMapping]) -> Result<(), StepError> {
    Step::IdMaps.run(program, || {
        let mut command = Command::new(program);
        command.arg(pid.as_raw_nonzero().to_string());
        for line in map {
            command.args([line.container.to_string(), line.host.to_string(), line.size.to_string()]);
        }
        let output = command.output()?;
        if output.status.success() {
            return Ok(());
        }
        Err(io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
    })
}

/// A user namespace with maps of its own, for an id-mapped mount (OCI `uidMappings` of a mount).
pub(crate) fn user_namespace_with(uids: &[IdMapping], gids: &[IdMapping]) -> Result<OwnedFd, StepError> {
    let (wait, go) =
        Step::IdMaps.run("mount", || Ok(rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?))?;
    let request = CloneRequest { namespaces: Namespace::User.clone_flag(), ..CloneRequest::default() };
    match Step::IdMaps.run("mount", || clone3(&request))? {
        Cloned::Child => {
            // It only keeps the namespace open until the other end of the pipe is closed.
            drop(go);
            let _ = rustix::io::read(&wait, &mut [0u8; 1]);
            exit_now(0)
        }
        Cloned::Parent { pid, pidfd } => {
            drop(wait);
            let written = write_for_mount(pid, uids, gids);
            // Ending the helper: its read returns when this end is closed.
            std::fs::File::from(go).flush().ok();
            let wait_for = rustix::process::WaitId::PidFd(pidfd.as_fd());
            let _ = rustix::process::waitid(wait_for, rustix::process::WaitIdOptions::EXITED);
            written
        }
    }
}

fn write_for_mount(pid: Pid, uids: &[IdMapping], gids: &[IdMapping]) -> Result<OwnedFd, StepError> {
    Step::IdMaps.run("mount", || {
        let process = ProcFs::open().and_then(|proc| proc.process(pid))?;
        process.write("uid_map", lines(uids).as_bytes())?;
        process.write("gid_map", lines(gids).as_bytes())?;
        Ok(process.open_namespace(Namespace::User)?)
    })
}

/// Moves this process, which has one thread, into a new user namespace with these maps.
pub(crate) fn enter_user_namespace(maps: &IdMaps) -> Result<(), StepError> {
    let subject = "of this process";
    let (wait, go) =
        Step::IdMaps.run(subject, || Ok(rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?))?;
    let own = rustix::process::getpid();
    // The maps are written from outside: newuidmap(1) wants its caller's parent namespace, and so do host ids.
    match Step::IdMaps.run(subject, || clone3(&CloneRequest::default()))? {
        Cloned::Child => {
            drop(go);
            let begun = rustix::io::read(&wait, &mut [0u8; 1]).is_ok_and(|count| count == 1);
            let process = ProcFs::open().and_then(|proc| proc.process(own));
            let written = begun && process.is_ok_and(|process| write(&process, own, maps).is_ok());
            exit_now(i32::from(!written))
        }
        Cloned::Parent { pidfd, .. } => {
            drop(wait);
            Step::IdMaps.run(subject, || {
                let entered = cofferdam_kernel::namespace::unshare(Namespace::User);
                if entered.is_ok() {
                    rustix::io::write(&go, &[1])?;
                }
                drop(go);
                let wait_for = rustix::process::WaitId::PidFd(pidfd.as_fd());
                let status = rustix::process::waitid(wait_for, rustix::process::WaitIdOptions::EXITED)?;
                entered?;
                match status.and_then(|status| status.exit_status()) {
                    Some(0) => Ok(()),
                    _ => Err(io::Error::other("its maps could not be written")),
                }
            })
        }
    }
}

/// The file of a process's user namespace, for id-mapped mounts.
pub(super) fn open_user_namespace(process: &ProcDir) -> Result<OwnedFd, StepError> {
    Step::IdMaps.run("ns/user", || Ok(process.open_namespace(Namespace::User)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_is_one_text() {
        let map = [
            IdMapping { container: 0, host: 1000, size: 1 },
            IdMapping { container: 1, host: 100_000, size: 65_536 },
        ];
        assert_eq!(lines(&map), "0 1000 1\n1 100000 65536\n");
    }
}
