//! What only a process inside the namespaces can read: host name, domain name and kernel parameters.
//!
//! Three ways in, by what the caller may do: an administrator with one thread (the shim at the gate) enters and comes
//! back; one with several threads sends a thread of its own; an ordinary user must enter the user namespace first,
//! from which there is no way back, and so sends a child.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;

use cofferdam_confinement::Plan;
use cofferdam_kernel::clone::{CloneRequest, Cloned, clone3, exit_now};
use cofferdam_kernel::namespace::Namespace;
use cofferdam_kernel::proc::ProcFs;
use rustix::process::{
    DumpableBehavior, Pid, PidfdFlags, WaitOptions, pidfd_open, set_dumpable_behavior, waitpid,
};
use rustix::thread::{
    CapabilitySet, ThreadNameSpaceType, move_into_link_name_space, move_into_thread_name_spaces,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::gather::reading;
use super::{Inside, NamespaceIds, ObserveError, Reading, Unreadable};

/// The kinds whose values are read through the caller's own membership.
const VISITED: [Namespace; 4] = [Namespace::User, Namespace::Uts, Namespace::Ipc, Namespace::Network];

fn kind_flag(kind: Namespace) -> ThreadNameSpaceType {
    ThreadNameSpaceType::from_bits_retain(u32::try_from(kind.clone_flag()).unwrap_or(0))
}

/// The kinds in which the process is elsewhere than the caller.
fn foreign(namespaces: &BTreeMap<Namespace, NamespaceIds>) -> Reading<Vec<Namespace>> {
    let mut kinds = Vec::new();
    for kind in VISITED {
        let ids = namespaces.get(&kind).ok_or_else(|| Unreadable("namespace not read".to_owned()))?;
        if ids.own.clone()? != ids.host.clone()? {
            kinds.push(kind);
        }
    }
    Ok(kinds)
}

/// Reads them.
///
/// # Errors
/// The caller is left in the container's namespaces and must end.
pub(super) fn read_inside(
    proc: &ProcFs,
    pid: Pid,
    plan: &Plan,
    namespaces: &BTreeMap<Namespace, NamespaceIds>,
) -> Result<Reading<Inside>, ObserveError> {
    let kinds = match foreign(namespaces) {
        Ok(kinds) => kinds,
        Err(why) => return Ok(Err(why)),
    };
    let needs_user = plan.sysctls.keys().any(|name| name.starts_with("user"));
    // A user who has all rights in a namespace of that user's own (the network of an ordinary user's containers) would not get back
    // into the host's.
    let administrator = rustix::process::geteuid().is_root()
        && rustix::thread::capabilities(None)
            .is_ok_and(|sets| sets.effective.contains(CapabilitySet::SYS_ADMIN));
    let without_user: Vec<Namespace> =
        kinds.iter().copied().filter(|kind| *kind != Namespace::User).collect();
    if kinds.is_empty() || (without_user.is_empty() && !needs_user) {
        return Ok(read_here(proc, plan, false));
    }
    let pidfd = match reading(pidfd_open(pid, PidfdFlags::empty())) {
        Ok(pidfd) => pidfd,
        Err(why) => return Ok(Err(why)),
    };
    if !administrator || (needs_user && kinds.contains(&Namespace::User)) {
        return Ok(send_child(proc, &pidfd, &kinds, plan));
    }
    if has_one_thread() {
        enter_and_return(proc, pid, &pidfd, &without_user, plan)
    } else {
        Ok(send_thread(proc, &pidfd, &without_user, plan))
    }
}

/// The link count of the folder of threads: two more than it has folders in it.
fn has_one_thread() -> bool {
    rustix::fs::stat("/proc/self/task").is_ok_and(|stat| stat.st_nlink == 3)
}

fn enter(pidfd: &OwnedFd, kinds: &[Namespace]) -> io::Result<()> {
    let flags = kinds.iter().fold(ThreadNameSpaceType::empty(), |flags, kind| flags | kind_flag(*kind));
    Ok(move_into_thread_name_spaces(rustix::fd::AsFd::as_fd(pidfd), flags)?)
}

fn enter_and_return(
    proc: &ProcFs,
    pid: Pid,
    pidfd: &OwnedFd,
    kinds: &[Namespace],
    plan: &Plan,
) -> Result<Reading<Inside>, ObserveError> {
    let own = match reading(proc.this_thread()) {
        Ok(own) => own,
        Err(why) => return Ok(Err(why)),
    };
    let mut ways_back = Vec::with_capacity(kinds.len());
    for kind in kinds {
        match reading(own.open_namespace(*kind)) {
            Ok(way_back) => ways_back.push(way_back),
            Err(why) => return Ok(Err(why)),
        }
    }
    if let Err(error) = enter(pidfd, kinds) {
        return Ok(Err(cannot_enter(&error)));
    }
    let inside = read_here(proc, plan, false);
    for way_back in ways_back {
        move_into_link_name_space(rustix::fd::AsFd::as_fd(&way_back), None)
            .map_err(|errno| ObserveError::Lost { pid: pid.as_raw_nonzero().get(), source: errno.into() })?;
    }
    Ok(inside)
}

fn cannot_enter(error: &io::Error) -> Unreadable {
    Unreadable(format!("cannot enter the container's namespaces: {error}"))
}

fn send_thread(proc: &ProcFs, pidfd: &OwnedFd, kinds: &[Namespace], plan: &Plan) -> Reading<Inside> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, || {
            enter(pidfd, kinds).map_err(|error| cannot_enter(&error))?;
            read_here(proc, plan, false)
        });
        match thread {
            Ok(thread) => thread.join().unwrap_or_else(|_| Err(Unreadable("the reader failed".to_owned()))),
            Err(error) => Err(Unreadable(format!("cannot start a thread: {error}"))),
        }
    })
}

fn send_child(proc: &ProcFs, pidfd: &OwnedFd, kinds: &[Namespace], plan: &Plan) -> Reading<Inside> {
    in_child(pidfd, kinds, || read_here(proc, plan, kinds.contains(&Namespace::User)))
}

/// Reads as the root of the process's user namespace, by a child: some files in /proc are their process's user's alone.
pub(super) fn as_its_root<T>(pid: Pid, read: impl FnOnce() -> Reading<T>) -> Reading<T>
where
    T: Serialize + DeserializeOwned,
{
    let pidfd = reading(pidfd_open(pid, PidfdFlags::empty()))?;
    in_child(&pidfd, &[Namespace::User], read)
}

/// Reads in a child that enters these namespaces.
fn in_child<T>(pidfd: &OwnedFd, kinds: &[Namespace], read: impl FnOnce() -> Reading<T>) -> Reading<T>
where
    T: Serialize + DeserializeOwned,
{
    let (from_child, to_parent) = reading(rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC))?;
    match reading(clone3(&CloneRequest::default()))? {
        Cloned::Child => {
            drop(from_child);
            // The namespace's own root must not reach into this process (CVE-2016-9962).
            let answer = set_dumpable_behavior(DumpableBehavior::NotDumpable)
                .map_err(io::Error::from)
                .and_then(|()| enter(pidfd, kinds))
                .map_err(|error| cannot_enter(&error))
                .and_then(|()| read())
                .map_err(|why| why.0);
            let sent =
                serde_json::to_vec(&answer).is_ok_and(|text| File::from(to_parent).write_all(&text).is_ok());
            exit_now(i32::from(!sent))
        }
        Cloned::Parent { pid, .. } => {
            drop(to_parent);
            let mut text = Vec::new();
            let read = reading(File::from(from_child).read_to_end(&mut text));
            reading(rustix::io::retry_on_intr(|| waitpid(Some(pid), WaitOptions::empty())))?;
            read?;
            let answer: Result<T, String> = reading(serde_json::from_slice(&text))?;
            answer.map_err(Unreadable)
        }
    }
}

/// Reads where the calling thread is.
fn read_here(proc: &ProcFs, plan: &Plan, own_ids: bool) -> Reading<Inside> {
    let names = rustix::system::uname();
    let sysctls = plan.sysctls.keys().map(|name| {
        let value = proc.sysctl(name).ok();
        (name.clone(), value.map(|text| String::from_utf8_lossy(text.trim_ascii()).into_owned()))
    });
    Ok(Inside {
        hostname: names.nodename().to_string_lossy().into_owned(),
        domainname: names.domainname().to_string_lossy().into_owned(),
        sysctls: sysctls.collect(),
        own_ids,
    })
}
