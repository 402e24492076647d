//! Device nodes: the planned ones with their numbers, and no other in `/dev`.

use std::collections::BTreeSet;

use cofferdam_confinement::{DeviceKind, MountKind};
use cofferdam_kernel::capability::Capability;
use rustix::fs::FileType;

use super::{MADE_BY_HOOK, View};
use crate::judge::Judge;
use crate::observation::{Moment, PathState};

fn show(kind: DeviceKind, major: u32, minor: u32) -> String {
    match kind {
        DeviceKind::Character => format!("c {major}:{minor}"),
        DeviceKind::Block => format!("b {major}:{minor}"),
        DeviceKind::Fifo => "p".to_owned(),
    }
}

fn show_state(state: &PathState) -> String {
    let PathState::Present { mode, device, .. } = state else { return "absent".to_owned() };
    match FileType::from_raw_mode(*mode) {
        FileType::CharacterDevice => show(DeviceKind::Character, device.0, device.1),
        FileType::BlockDevice => show(DeviceKind::Block, device.0, device.1),
        FileType::Fifo => show(DeviceKind::Fifo, 0, 0),
        _ => "no device".to_owned(),
    }
}

pub(super) fn planned(view: &View<'_>, judge: &mut Judge) {
    let (plan, observation) = (view.plan, view.observation);
    for device in &plan.devices {
        let wanted = show(device.kind, device.major, device.minor);
        let item = judge.item(device.path.as_str()).planned(wanted.as_str());
        match observation.paths.get(&device.path) {
            None => item.unknown("not read"),
            Some(Err(why)) => item.unknown(why.to_string()),
            Some(Ok(state)) if show_state(state) == wanted => item.holds(wanted),
            // A running container may remove a node of its own.
            Some(Ok(PathState::Absent)) if observation.moment == Moment::Verify => {
                item.holds_with("absent", "removed by the container itself");
            }
            Some(Ok(state)) => item.differs(show_state(state)),
        }
    }
}

pub(super) fn extra(view: &View<'_>, judge: &mut Judge) {
    let (plan, observation) = (view.plan, view.observation);
    let target = |path: &str| path.trim_end_matches('/') == "/dev";
    let bound = plan
        .mounts
        .iter()
        .any(|mount| target(mount.target.as_str()) && matches!(mount.kind, MountKind::Bind { .. }));
    // The plan itself brings in a whole folder of nodes: `mounts` says which.
    if bound {
        return;
    }
    let planned = "no other node in /dev";
    let nodes = match &observation.device_nodes {
        Ok(nodes) => nodes,
        Err(why) => return judge.whole().planned(planned).unknown(why.to_string()),
    };
    let known: BTreeSet<&str> = plan.devices.iter().map(|device| device.path.as_str()).collect();
    let mounted: BTreeSet<&str> = plan.mounts.iter().map(|mount| mount.target.as_str()).collect();
    // Within the host's own user namespace CAP_MKNOD makes nodes; the cgroup's device rules decide on their use.
    let may_make = observation.moment == Moment::Verify
        && !plan.namespaces.user.is_new()
        && "CAP_MKNOD"
            .parse::<Capability>()
            .is_ok_and(|mknod| plan.process.capabilities.permitted.contains(mknod));
    let mut extra = 0;
    for node in nodes {
        let console =
            plan.process.terminal && node.path == "/dev/console" && (136..=143).contains(&node.device.0);
        let multiplexer = node.path == "/dev/ptmx" && node.device == (5, 2);
        if known.contains(node.path.as_str())
            || mounted.contains(node.path.as_str())
            || console
            || multiplexer
        {
            continue;
        }
        extra += 1;
        let kind = if node.block { DeviceKind::Block } else { DeviceKind::Character };
        let seen = show(kind, node.device.0, node.device.1);
        let item = judge.item(node.path.as_str()).planned("absent");
        // Device 0:0 is a whiteout of an overlay: nothing can be opened through it.
        if may_make || node.device == (0, 0) {
            item.holds_with(seen, "made by the container itself, which may; its cgroup decides on its use");
        } else if view.hooked {
            item.unclear(seen, MADE_BY_HOOK);
        } else {
            item.differs(seen);
        }
    }
    if extra == 0 {
        judge.whole().planned(planned).holds(format!("{} nodes", nodes.len()));
    }
}
