//! The processes of a container beside its first one and those with a receipt of their own: who put them there, and under what
//! they are.

use std::collections::HashSet;

use cofferdam_kernel::capability::CapSet;
use cofferdam_kernel::namespace::Namespace;
use cofferdam_kernel::proc::{IdMapLine, ProcDir, ProcError, ProcFs, Status};
use cofferdam_runtime::cgroup::{Group, Observation as Value};
use rustix::process::Pid;

use super::Reading;
use super::gather::reading;

/// A process of the container that nothing is known of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stranger {
    /// Its number on the host.
    pub pid: i32,
    /// The parent's, which is no process of the container.
    pub parent: i32,
}

/// What one of the other processes is under.
#[derive(Debug, Clone)]
pub struct Member {
    /// Its credentials and filters.
    pub status: Status,
    /// The ids of its user namespace as the reader numbers them, where that is another than the first process's: the container
    /// may have made it, or the process came from elsewhere.
    pub other_ids: Option<Reading<Vec<IdMapLine>>>,
    /// In which groups it is; empty where the container has none.
    pub groups: Reading<Vec<Value>>,
}

/// All of them.
#[derive(Debug, Clone, Default)]
pub struct Population {
    /// Those that came in without a receipt.
    pub strangers: Vec<Stranger>,
    /// All that live, strangers too.
    pub members: Vec<Member>,
    /// What those with a receipt of their own may hold, and so what they start.
    pub entered_capabilities: CapSet,
}

/// Whom the processes of a container are told from.
#[derive(Debug)]
pub struct Acquaintances<'a> {
    /// The container's first process.
    pub first: Pid,
    /// Those that entered it and have a receipt.
    pub entered: &'a [Pid],
    /// The same of other containers that share namespaces with it, each standing for all in its groups.
    pub guests: &'a [Pid],
}

/// The namespaces of a container that nobody else of the host is in, if they are new: a process in one of them is in the
/// container, wherever else it is.
const OWN: [Namespace; 3] = [Namespace::Pid, Namespace::Mount, Namespace::User];

/// Looks at every process in the container's group, or in a pid, mount or user namespace that is the container's own.
///
/// A process whose parent is outside of the container was put there by somebody (nsenter(1), or a runtime that keeps no
/// receipts). What such a one leaves behind gets the container's first process as its parent; that it is not confined still shows.
///
/// # Errors
/// The processes cannot be listed.
pub fn population(
    proc: &ProcFs,
    group: Option<&Group>,
    own_namespaces: &[Namespace],
    known: &Acquaintances<'_>,
) -> Reading<Population> {
    let first = reading(proc.process(known.first))?;
    let numbers = |kind: &Namespace| Ok((*kind, reading(first.namespace_number(*kind))?));
    let wanted = OWN.iter().filter(|kind| own_namespaces.contains(kind));
    let own = wanted.map(numbers).collect::<Reading<Vec<_>>>()?;
    let inside = members(proc, group, &own)?;
    let user = own.iter().find(|(kind, _)| *kind == Namespace::User).map(|(_, number)| *number);
    // A guest without groups of its own cannot be told from the container by them.
    let mut guests: Vec<String> = known.guests.iter().filter_map(|pid| groups_of(proc, *pid)).collect();
    let first_groups = groups_of(proc, known.first).unwrap_or_default();
    guests.retain(|guest| !within(&first_groups, std::slice::from_ref(guest)));
    let mut found = Population::default();
    for pid in inside.iter().filter(|pid| **pid != known.first && !known.guests.contains(pid)) {
        match look(proc, group, *pid, user) {
            // One that has ended since it was listed is nobody's any more.
            Err(error) if error.is_gone() => {}
            Err(error) => return reading(Err(error)),
            Ok(member) => {
                let (status, is_known) = (&member.status, known.entered.contains(pid));
                if status.state == b'Z' || status.state == b'X' || is_known {
                    continue;
                }
                // One at its gate is known as soon as it runs, and what shares the groups of a guest is the guest's.
                if traced_by_ours(proc, status)
                    || groups_of(proc, *pid).is_some_and(|own| within(&own, &guests))
                {
                    continue;
                }
                if !Pid::from_raw(status.ppid).is_some_and(|parent| inside.contains(&parent)) {
                    found.strangers.push(Stranger { pid: status.pid, parent: status.ppid });
                }
                found.members.push(member);
            }
        }
    }
    found.members.sort_by_key(|member| member.status.pid);
    found.strangers.sort_by_key(|stranger| stranger.pid);
    Ok(found)
}

fn members(proc: &ProcFs, group: Option<&Group>, own: &[(Namespace, u64)]) -> Reading<HashSet<Pid>> {
    let mut inside: HashSet<Pid> = match group {
        Some(group) => reading(group.processes())?.into_iter().collect(),
        None => HashSet::new(),
    };
    let everything = rustix::process::geteuid().is_root();
    for pid in reading(proc.processes())? {
        match is_in(proc, pid, own) {
            Ok(true) => drop(inside.insert(pid)),
            Ok(false) => {}
            Err(error) if error.is_gone() => {}
            // Another user's process cannot be looked at, and cannot be in an ordinary user's container.
            Err(_) if !everything => {}
            // Root may look at all but a few. One that has a single number is in the reader's own pid namespace, so in no
            // container's; any other could be in this one.
            Err(error) => match proc.process(pid).and_then(|process| process.status()) {
                Ok(status) if status.ns_pid.len() == 1 => {}
                Err(error) if error.is_gone() => {}
                _ => return reading(Err(error)),
            },
        }
    }
    Ok(inside)
}

fn is_in(proc: &ProcFs, pid: Pid, own: &[(Namespace, u64)]) -> Result<bool, ProcError> {
    let process = proc.process(pid)?;
    for (kind, number) in own {
        if process.namespace_number(*kind)? == *number {
            return Ok(true);
        }
    }
    Ok(false)
}

fn look(proc: &ProcFs, group: Option<&Group>, pid: Pid, user: Option<u64>) -> Result<Member, ProcError> {
    let process = proc.process(pid)?;
    let status = process.status()?;
    Ok(Member {
        other_ids: match user {
            Some(number) if process.namespace_number(Namespace::User)? != number => {
                Some(reading(process.uid_map()))
            }
            _ => None,
        },
        groups: group.map_or(Ok(Vec::new()), |group| reading(group.observe_membership(pid))),
        status,
    })
}

/// Whether it is held by this very program: by an `exec` or a start at its gate, and by no debugger.
fn traced_by_ours(proc: &ProcFs, status: &Status) -> bool {
    let Some(tracer) = Pid::from_raw(status.tracer_pid) else { return false };
    let is_ours = |tracer: &ProcDir| -> Result<bool, ProcError> {
        // Where the program had to be put out of the container's reach, it runs from a sealed copy.
        let sealed = tracer.link("exe")?.to_string_lossy().starts_with("/memfd:cofferdam");
        Ok(sealed || tracer.target_id("exe")? == proc.this_process()?.target_id("exe")?)
    };
    proc.process(tracer).is_ok_and(|tracer| is_ours(&tracer).unwrap_or(false))
}

fn groups_of(proc: &ProcFs, pid: Pid) -> Option<String> {
    let text = proc.process(pid).ok()?.read("cgroup").ok()?;
    String::from_utf8(text).ok()
}

/// Whether each of these memberships is one of a guest's, or below it.
fn within(own: &str, guests: &[String]) -> bool {
    let below = |line: &str, guest: &str| {
        line.strip_prefix(guest).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    guests.iter().any(|guest| {
        own.lines().count() == guest.lines().count()
            && own.lines().zip(guest.lines()).all(|(line, guest)| below(line, guest))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_below_a_guests_groups_is_the_guests() {
        let guest = "4:pids:/cofferdam/two\n0::/cofferdam/two\n".to_owned();
        assert!(within("4:pids:/cofferdam/two/deeper\n0::/cofferdam/two\n", std::slice::from_ref(&guest)));
        assert!(!within("4:pids:/\n0::/cofferdam/two\n", std::slice::from_ref(&guest)));
        assert!(!within("4:pids:/cofferdam/twofold\n0::/cofferdam/two\n", std::slice::from_ref(&guest)));
        assert!(!within("4:pids:/cofferdam/two\n", &[guest]));
        assert!(!within("4:pids:/cofferdam/two\n", &[]));
    }
}
