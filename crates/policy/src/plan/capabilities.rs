//! Capabilities, `--privileged` and no_new_privs.

use cofferdam_confinement::{Capabilities, Flag, Mount, MountKind, Root};
use cofferdam_kernel::capability::{CapSet, Capability};

use super::{Planner, PolicyError};
use crate::{CapabilityWord, SecurityOption};

/// Names without their prefix, as a person writes them.
fn names(set: CapSet) -> String {
    if set.is_empty() {
        return "none".to_owned();
    }
    let names: Vec<&str> =
        set.iter().map(|capability| capability.name().trim_start_matches("CAP_")).collect();
    names.join(", ")
}

/// The five sets. Only root starts with them, as execve(2) would have it (and as Docker does); nothing is inheritable
/// (CVE-2022-29162) or ambient.
pub(super) fn for_user(set: CapSet, uid: u32) -> Capabilities {
    let own = if uid == 0 { set } else { CapSet::EMPTY };
    Capabilities { effective: own, permitted: own, ..Capabilities::bounded(set) }
}

impl Planner<'_> {
    /// What the container may use: the zone's, less what is dropped, and what is added within the zone's ceiling.
    pub(super) fn capabilities(&self) -> Result<CapSet, PolicyError> {
        let rules = &self.zone.process;
        let max = &rules.capabilities_max;
        if self.request.privileged {
            let ceiling = format!("capabilities_max is {}; no zone has a privileged mode", names(max.value));
            let instead = "name what the program needs: --cap-add, --device, -v, as far as a zone allows it";
            return Err(self.never("--privileged", &max.place, ceiling, instead));
        }
        let added = CapabilityWord::set(&self.request.cap_add);
        // `ALL` means all that may be had: the kernel's full set would be beyond every zone.
        let wants_all = self.request.cap_add.contains(&CapabilityWord::All);
        let beyond = added.difference(max.value);
        if !beyond.is_empty() {
            let asked = if wants_all { "ALL".to_owned() } else { names(beyond) };
            let ceiling = format!("capabilities_max is {}", names(max.value));
            return Err(self.beyond(format!("--cap-add {asked}"), &max.place, ceiling));
        }
        let dropped = CapabilityWord::set(&self.request.cap_drop);
        let kept = rules.capabilities.value.difference(dropped);
        // Docker's order: `--cap-drop ALL --cap-add X` leaves X.
        let added = if self.request.cap_drop.contains(&CapabilityWord::All) {
            added
        } else {
            added.difference(dropped)
        };
        Ok(kept.union(added))
    }

    /// Read-only mounts do not go together with CAP_SYS_ADMIN: whoever has it in the user namespace that owns a mount namespace
    /// can make any of its mounts writable (mount(2), `MS_REMOUNT | MS_BIND`; tried on Linux 6.18). The kernel locks the
    /// attributes of mounts only where a mount namespace is copied into another user namespace, and ours are attached after
    /// that. Behind an id-mapped mount of the host the container's root would then write as the host's.
    pub(super) fn refuse_remountable(
        &self,
        capabilities: CapSet,
        mounts: &[Mount],
        root: &Root,
    ) -> Result<(), PolicyError> {
        if !capabilities.contains(Capability::SYS_ADMIN) {
            return Ok(());
        }
        let foreign = |mount: &&Mount| match &mount.kind {
            // The engine's own files of this container alone may be changed by it.
            MountKind::Bind { source, .. } => !source.starts_with(&self.context.state_dir),
            // Where it is a folder, its files are the store's.
            MountKind::Image { .. } => true,
            _ => false,
        };
        let readonly = |mount: &&Mount| {
            [mount.flags, mount.recursive_flags].iter().any(|flags| flags.readonly == Flag::Set)
        };
        let what = match mounts.iter().filter(foreign).find(readonly) {
            Some(mount) => mount.target.to_string(),
            None if root.readonly => "/".to_owned(),
            None => return Ok(()),
        };
        let rule = format!(
            "{what} is read-only, which a container with this capability can undo; leave one of the two out"
        );
        Err(PolicyError::invalid("--cap-add SYS_ADMIN", rule))
    }

    /// Set unless the zone allows new privileges; a request can always ask for it.
    pub(super) fn no_new_privileges(&self) -> Result<bool, PolicyError> {
        let rule = &self.zone.process.new_privileges;
        let asked = self.request.security_options.iter().rev().find_map(|option| match option {
            SecurityOption::NoNewPrivileges(set) => Some(*set),
            _ => None,
        });
        if asked == Some(false) && !rule.value {
            let ceiling = "process.new_privileges is false: set-user-id programs give no rights";
            return Err(self.beyond("--security-opt no-new-privileges=false", &rule.place, ceiling));
        }
        Ok(asked == Some(true) || !rule.value)
    }
}
