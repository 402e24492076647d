//! The root: what it is made of, whether it can be written to, and whether mounts travel to the host.

use cofferdam_confinement::{Plan, Propagation, RootSource};

use super::View;
use crate::judge::Judge;
use crate::mount_roles::{MountRoles, Role};
use crate::observation::{Moment, Observation, Scope};

pub(super) fn compare(view: &View<'_>, judge: &mut Judge) {
    let (plan, observation) = (view.plan, view.observation);
    if observation.scope == Scope::Entered {
        return same_as_container(observation, judge);
    }
    source(view, judge);
    let roles = match &view.mounts {
        Ok(roles) => roles,
        Err(why) => {
            judge.item("access").planned(access(plan.root.readonly)).unknown(why.to_string());
            judge.item("propagation").planned(show(plan.root.propagation)).unknown(why.to_string());
            return;
        }
    };
    let item = judge.item("access").planned(access(plan.root.readonly));
    match roles.entry(Role::Root) {
        None => item.unknown("no mount is the root's"),
        Some(entry) => match (plan.root.readonly, entry.has("ro") || entry.super_has("ro")) {
            (planned, observed) if planned == observed => item.holds(access(observed)),
            (false, _) => item.holds_with("read-only", "stricter than planned"),
            (true, _) => item.differs("writable"),
        },
    }
    if let (RootSource::Overlay { .. }, Some(entry)) = (&plan.root.source, roles.entry(Role::Root)) {
        let item = judge.item("device nodes").planned("without effect");
        if entry.has("nodev") { item.holds("without effect") } else { item.differs("they open devices") }
    }
    if plan.namespaces.mount.is_new() {
        propagation(plan, observation, roles, judge);
    }
}

/// A process that entered has the root of the container's first process, through the same mount.
fn same_as_container(observation: &Observation, judge: &mut Judge) {
    let item = judge.whole().planned("the container's");
    let own = observation.files.as_ref().map_err(Clone::clone).and_then(|files| files.root.clone());
    match (own, &observation.container_root) {
        (Ok(own), Some(Ok(root))) if (own.file, own.mount) == (root.file, root.mount) => {
            item.holds("the same")
        }
        (Ok(own), Some(Ok(_))) => item.differs(own.link.display().to_string()),
        (Err(why), _) => item.unknown(why.to_string()),
        (_, Some(Err(why))) => item.unknown(why.to_string()),
        (_, None) => item.unknown("the root of the container's first process was not read"),
    }
}

fn access(readonly: bool) -> &'static str {
    if readonly { "read-only" } else { "writable" }
}

fn source(view: &View<'_>, judge: &mut Judge) {
    let (plan, observation) = (view.plan, view.observation);
    match &plan.root.source {
        RootSource::Directory { path } => {
            let item = judge.item("source").planned(path.display().to_string());
            let root = observation.files.as_ref().map_err(Clone::clone).and_then(|files| files.root.clone());
            match (root, &observation.root_source) {
                (Ok(root), Some(Ok(folder))) if root.file == *folder => item.holds("the same folder"),
                (Ok(root), Some(Ok(_))) => item.differs(root.link.display().to_string()),
                (Err(why), _) => item.unknown(why.to_string()),
                (_, Some(Err(why))) => item.unknown(why.to_string()),
                (_, None) => item.unknown("not read"),
            }
        }
        RootSource::Overlay { lower, .. } => {
            let item = judge.item("source").planned(format!("overlay of {} layers", lower.len()));
            match &view.mounts {
                Err(why) => item.unknown(why.to_string()),
                Ok(roles) => match roles.entry(Role::Root) {
                    Some(entry) if entry.fstype == "overlay" => item.holds("overlay"),
                    Some(entry) => item.differs(entry.fstype.as_str()),
                    None => item.unknown("no mount is the root's"),
                },
            }
        }
    }
}

fn show(propagation: Propagation) -> &'static str {
    match propagation {
        Propagation::Private | Propagation::Rprivate => "private",
        Propagation::Slave | Propagation::Rslave => "slave: the host's mounts may arrive, none leaves",
        Propagation::Shared | Propagation::Rshared => "shared",
        Propagation::Unbindable | Propagation::Runbindable => "unbindable",
    }
}

/// No mount of the container may be in a peer group, unless the plan says so: what is mounted below it would appear on
/// the host.
fn propagation(plan: &Plan, observation: &Observation, roles: &MountRoles<'_>, judge: &mut Judge) {
    let planned = plan.root.propagation;
    let item = judge.item("propagation").planned(show(planned));
    let Some(root) = roles.entry(Role::Root) else { return item.unknown("no mount is the root's") };
    let peers = root.peers;
    let holds = match planned {
        Propagation::Private | Propagation::Rprivate => peers.is_private(),
        Propagation::Slave | Propagation::Rslave => peers.shared.is_none(),
        Propagation::Shared | Propagation::Rshared => peers.shared.is_some(),
        Propagation::Unbindable | Propagation::Runbindable => peers.unbindable,
    };
    if !holds {
        return item.differs(format!("shared {:?}, master {:?}", peers.shared, peers.master));
    }
    let shares = |at: usize| {
        plan.mounts.get(at).is_some_and(|mount| {
            mount.propagation.iter().any(|kind| matches!(kind, Propagation::Shared | Propagation::Rshared))
        })
    };
    let root_shares = matches!(planned, Propagation::Shared | Propagation::Rshared);
    let may = |role: Role| match role {
        Role::Planned(at) | Role::Below(at) | Role::Hierarchy(at) => shares(at),
        // A running container may share among its own mounts; those that came from outside it may not.
        Role::Extra => observation.moment == Moment::Verify,
        Role::BelowRoot | Role::Root | Role::Device | Role::Mask | Role::Readonly | Role::Console => false,
    };
    let leaking =
        roles.with_roles().find(|(entry, role)| entry.peers.shared.is_some() && !root_shares && !may(*role));
    match leaking {
        None => item.holds(show(planned)),
        Some((entry, _)) => item.differs(format!("{} is shared", entry.mount_point.display())),
    }
}
