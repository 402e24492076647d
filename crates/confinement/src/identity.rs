//! Which host ids stand behind the container's ids (user_namespaces(7)).

use serde::{Deserialize, Serialize};

/// One line of a `uid_map` or `gid_map`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdMapping {
    /// First id inside the container.
    pub container: u32,
    /// First id on the host.
    pub host: u32,
    /// How many ids.
    pub size: u32,
}

impl IdMapping {
    /// The host id behind a container id, if this line covers it.
    #[must_use]
    pub fn host_id(&self, container: u32) -> Option<u32> {
        let offset = container.checked_sub(self.container)?;
        (offset < self.size).then(|| self.host.checked_add(offset)).flatten()
    }
}

/// Who may write the maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MapWriter {
    /// This process writes `/proc/PID/uid_map` itself.
    Direct,
    /// `newuidmap(1)` and `newgidmap(1)` write them: an ordinary user with ranges in /etc/subuid.
    Newuidmap,
}

/// Whether setgroups(2) works inside (a rootless single-id map must deny it first).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Setgroups {
    /// Left as it is.
    Allow,
    /// Written to `/proc/PID/setgroups` before the gid map.
    Deny,
}

/// Both maps of a new user namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdMaps {
    /// Lines of `uid_map`.
    pub uids: Vec<IdMapping>,
    /// Lines of `gid_map`.
    pub gids: Vec<IdMapping>,
    /// Who writes them.
    pub writer: MapWriter,
    /// What happens to setgroups(2).
    pub setgroups: Setgroups,
}

impl IdMaps {
    /// The host user behind a container user.
    #[must_use]
    pub fn host_uid(&self, container: u32) -> Option<u32> {
        self.uids.iter().find_map(|line| line.host_id(container))
    }

    /// The host group behind a container group.
    #[must_use]
    pub fn host_gid(&self, container: u32) -> Option<u32> {
        self.gids.iter().find_map(|line| line.host_id(container))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_maps_its_own_ids_only() {
        let line = IdMapping { container: 10, host: 100_000, size: 5 };
        assert_eq!(line.host_id(9), None);
        assert_eq!(line.host_id(10), Some(100_000));
        assert_eq!(line.host_id(14), Some(100_004));
        assert_eq!(line.host_id(15), None);
        let last = IdMapping { container: 0, host: u32::MAX, size: 2 };
        assert_eq!(last.host_id(1), None);
    }
}
