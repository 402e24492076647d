//! Which host ids stand behind the container's.

use cofferdam_confinement::{IdMapping, IdMaps, MapWriter, Namespaces, Setgroups};

use super::{Planner, PolicyError};
use crate::{HostFacts, IdAllocation, IdRange};

impl Planner<'_> {
    /// The maps of a user namespace of its own.
    pub(super) fn id_maps(&self) -> Result<IdMaps, PolicyError> {
        id_maps(&self.context.host, &self.context.ids)
    }

    /// The maps that the container lives under: its own, or those of the namespace that it joins.
    pub(super) fn maps_in_force<'m>(&'m self, namespaces: &'m Namespaces) -> Result<&'m IdMaps, PolicyError> {
        namespaces
            .id_maps
            .as_ref()
            .ok_or_else(|| PolicyError::invalid("user namespace", "the container to join has no id maps"))
    }
}

/// The maps of a user namespace with these ids, container id 0 first.
///
/// # Errors
/// They are no ranges of ids, or a program that has to map them is missing.
pub fn id_maps(host: &HostFacts, ids: &IdAllocation) -> Result<IdMaps, PolicyError> {
    match ids {
        IdAllocation::Range(range) => {
            let lines = vec![line(0, *range)?];
            let (writer, setgroups) = (MapWriter::Direct, Setgroups::Allow);
            Ok(IdMaps { uids: lines.clone(), gids: lines, writer, setgroups })
        }
        IdAllocation::OwnId => Ok(IdMaps {
            uids: vec![line(0, IdRange { first: host.uid, size: 1 })?],
            gids: vec![line(0, IdRange { first: host.gid, size: 1 })?],
            writer: MapWriter::Direct,
            setgroups: Setgroups::Deny,
        }),
        IdAllocation::Subordinate { uids, gids } => {
            for tool in ["newuidmap", "newgidmap"] {
                if !host.tools.contains(tool) {
                    let advice =
                        "install it (Debian: uidmap), or remove your lines from /etc/subuid and /etc/subgid";
                    return Err(PolicyError::lacks("id ranges", format!("{tool} is missing"), advice));
                }
            }
            Ok(IdMaps {
                uids: own_and_subordinate(host.uid, uids)?,
                gids: own_and_subordinate(host.gid, gids)?,
                writer: MapWriter::Newuidmap,
                setgroups: Setgroups::Allow,
            })
        }
    }
}

fn own_and_subordinate(own: u32, ranges: &[IdRange]) -> Result<Vec<IdMapping>, PolicyError> {
    let mut lines = vec![line(0, IdRange { first: own, size: 1 })?];
    let mut next = 1u32;
    for range in ranges {
        lines.push(line(next, *range)?);
        next = next.checked_add(range.size).ok_or_else(|| invalid(*range, "the ranges are too long"))?;
    }
    Ok(lines)
}

fn invalid(range: IdRange, rule: &str) -> PolicyError {
    PolicyError::invalid(format!("host ids {} and {} more", range.first, range.size.saturating_sub(1)), rule)
}

/// One line of a map. The host's root is behind no id of a container.
fn line(container: u32, range: IdRange) -> Result<IdMapping, PolicyError> {
    if range.first == 0 {
        return Err(invalid(range, "the host's root is never an id of a container"));
    }
    if range.size == 0 || range.first.checked_add(range.size).is_none() {
        return Err(invalid(range, "that is no range of ids"));
    }
    Ok(IdMapping { container, host: range.first, size: range.size })
}
