//! The container's other processes: that each came into it by its first one or with a receipt, and that each is under what its
//! container is under.

use cofferdam_confinement::{IdMapping, IdMaps, Plan};
use cofferdam_kernel::capability::CapSet;
use cofferdam_kernel::proc::{IdMapLine, Ids, SeccompMode};

use super::View;
use crate::judge::Judge;
use crate::observation::{Member, Population};

/// So many are named; of the rest only the number.
const MOST: usize = 16;

/// Whether there is nothing to say against them.
pub(crate) fn holds(plan: &Plan, population: &Population) -> bool {
    let strangers = plan.namespaces.pid.is_new() && !population.strangers.is_empty();
    !strangers
        && population
            .members
            .iter()
            .all(|member| lacks(plan, population.entered_capabilities, member).is_empty())
}

/// Whoever is in the container came into it by its first process, or by an `exec` that left a receipt. Told only where the
/// container has a pid namespace of its own: elsewhere processes that are left behind go to the host's first one.
pub(super) fn entered(view: &View<'_>, judge: &mut Judge) {
    let Some(population) = &view.observation.population else { return };
    if !view.plan.namespaces.pid.is_new() {
        return;
    }
    let planned = "each with a receipt";
    match population {
        Err(why) => judge.whole().planned(planned).unknown(why.to_string()),
        Ok(population) if population.strangers.is_empty() => judge.whole().planned(planned).holds("no other"),
        Ok(population) => {
            for stranger in &population.strangers {
                let item =
                    judge.item(format!("process {}", stranger.pid)).planned("it came in with a receipt");
                item.differs(format!("put there from outside, by process {}", stranger.parent));
            }
        }
    }
}

/// What a process is under it hands on to what it starts, and nobody can take it off. So a process of the container that lacks
/// any of it was not started by the container's, or was moved.
pub(super) fn confined(view: &View<'_>, judge: &mut Judge) {
    let Some(population) = &view.observation.population else { return };
    let planned = "under what the container is under";
    let population = match population {
        Ok(population) => population,
        Err(why) => return judge.whole().planned(planned).unknown(why.to_string()),
    };
    let entered = population.entered_capabilities;
    let lacking: Vec<(i32, Vec<String>)> = population
        .members
        .iter()
        .map(|member| (member.status.pid, lacks(view.plan, entered, member)))
        .filter(|(_, lacks)| !lacks.is_empty())
        .collect();
    if lacking.is_empty() {
        return judge.whole().planned(planned).holds(format!("{} processes", population.members.len()));
    }
    for (pid, lacks) in lacking.iter().take(MOST) {
        judge.item(format!("process {pid}")).planned(planned).differs(lacks.join("; "));
    }
    if lacking.len() > MOST {
        judge.whole().planned(planned).differs(format!("{} more processes are not", lacking.len() - MOST));
    }
}

/// What a process is not under, in words.
fn lacks(plan: &Plan, entered: CapSet, member: &Member) -> Vec<String> {
    let (status, process) = (&member.status, &plan.process);
    let mut found = Vec::new();
    if process.seccomp.is_some() && status.seccomp == SeccompMode::Disabled {
        found.push("it has no system call filter".to_owned());
    }
    if process.no_new_privileges && !status.no_new_privs {
        found.push("no_new_privs is not set".to_owned());
    }
    match (&member.other_ids, &plan.namespaces.id_maps) {
        (Some(Err(why)), _) => found.push(format!("its user namespace cannot be read: {why}")),
        // In a user namespace that the container made, capabilities count for that one alone.
        (Some(Ok(lines)), Some(maps)) if lines.iter().all(|line| covers(&maps.uids, line)) => {}
        (Some(Ok(_)), _) => {
            found.push("it is in a user namespace that is not of the container's ids".to_owned())
        }
        (None, _) => {
            let sets = &process.capabilities;
            let most = sets.bounding.union(sets.inheritable).union(entered);
            for (name, set) in [
                ("bounding", status.cap_bounding),
                ("permitted", status.cap_permitted),
                ("inheritable", status.cap_inheritable),
            ] {
                let beyond = set.difference(most);
                if let Some(first) = beyond.iter().next() {
                    let others = beyond.iter().count() - 1;
                    found.push(format!("its {name} capabilities hold {} and {others} more", first.name()));
                }
            }
        }
    }
    if let Some(maps) = &plan.namespaces.id_maps {
        found.extend(foreign_ids(maps, status.uid, status.gid));
    }
    match &member.groups {
        Err(why) => found.push(format!("its control groups cannot be read: {why}")),
        Ok(groups) => {
            for value in groups.iter().filter(|value| !value.holds()) {
                found.push(format!("it is no {}, but in {}", value.control, value.observed));
            }
        }
    }
    found
}

fn foreign_ids(maps: &IdMaps, uid: Ids, gid: Ids) -> Option<String> {
    let inside = |lines: &[IdMapping], ids: Ids| {
        [ids.real, ids.effective, ids.saved, ids.filesystem]
            .into_iter()
            .all(|id| lines.iter().any(|line| id.wrapping_sub(line.host) < line.size))
    };
    if inside(&maps.uids, uid) && inside(&maps.gids, gid) {
        return None;
    }
    Some(format!(
        "its ids are the host's {} and {}, which are not the container's",
        uid.effective, gid.effective
    ))
}

/// Whether a line of another user namespace maps ids of the container's alone.
fn covers(maps: &[IdMapping], line: &IdMapLine) -> bool {
    maps.iter().any(|own| {
        let start = line.outside.wrapping_sub(own.host);
        start < own.size && line.size <= own.size - start
    })
}
