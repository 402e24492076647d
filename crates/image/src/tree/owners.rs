//! Whose files are: from the numbers on a disk to a container's, and back.

use std::io;

use cofferdam_confinement::{IdMapping, IdMaps};
use rustix::fs::{Gid, Uid};
use rustix::io::Errno;

use super::invalid;

/// How the owners of files that are written follow from those of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owners {
    /// As the kernel gives them: the writer's own.
    Writers,
    /// The same numbers.
    Same,
    /// These, whatever the source says.
    All(u32, u32),
    /// The host ids behind a container's.
    HostIds(IdMaps),
    /// The container root's host ids, whatever the source says.
    ContainerRoot(IdMaps),
}

impl Owners {
    /// User and group to give to a file; none to leave it.
    pub(super) fn of(&self, uid: u32, gid: u32) -> io::Result<Option<(u32, u32)>> {
        let mapped = |maps: &IdMaps, uid: u32, gid: u32| {
            let pair = maps.host_uid(uid).zip(maps.host_gid(gid));
            pair.map(Some)
                .ok_or_else(|| invalid(format!("user {uid} or group {gid} is outside the container's ids")))
        };
        match self {
            Self::Writers => Ok(None),
            Self::Same => Ok(Some((uid, gid))),
            Self::All(uid, gid) => Ok(Some((*uid, *gid))),
            Self::HostIds(maps) => mapped(maps, uid, gid),
            Self::ContainerRoot(maps) => mapped(maps, 0, 0),
        }
    }
}

/// Why a file could not be given away. To the kernel an id that a user namespace does not have is an invalid argument.
pub fn refused(error: Errno, uid: Uid, gid: Gid) -> io::Error {
    if error != Errno::INVAL {
        return error.into();
    }
    let (uid, gid) = (uid.as_raw(), gid.as_raw());
    invalid(format!(
        "user {uid} or group {gid} is outside the ids of this user, who gets more by ranges in /etc/subuid and /etc/subgid"
    ))
}

/// The container's number of a host id; the kernel's "nobody" (65534) for one that it has no number for, as a process in it
/// would see.
pub fn container_id(lines: &[IdMapping], host: u32) -> u32 {
    let inside = |line: &IdMapping| {
        let offset = host.checked_sub(line.host).filter(|offset| *offset < line.size)?;
        line.container.checked_add(offset)
    };
    lines.iter().find_map(inside).unwrap_or(65_534)
}

#[cfg(test)]
mod tests {
    use cofferdam_confinement::{MapWriter, Setgroups};

    use super::*;

    #[test]
    fn ids_go_there_and_back() {
        let lines = vec![IdMapping { container: 0, host: 1 << 30, size: 65_536 }];
        let maps = IdMaps {
            uids: lines.clone(),
            gids: lines.clone(),
            writer: MapWriter::Direct,
            setgroups: Setgroups::Allow,
        };
        let owners = Owners::HostIds(maps.clone());
        assert_eq!(owners.of(33, 5).unwrap(), Some(((1 << 30) + 33, (1 << 30) + 5)));
        assert!(owners.of(70_000, 0).is_err());
        assert_eq!(Owners::ContainerRoot(maps).of(70_000, 9).unwrap(), Some((1 << 30, 1 << 30)));
        assert_eq!(container_id(&lines, (1 << 30) + 33), 33);
        assert_eq!(container_id(&lines, 0), 65_534);
    }
}
