//! Readers of `/proc` (proc(5)): what the kernel says about a process, typed.
//!
//! Each format has a pure parser (bytes to value) in its own file; [`ProcFs`] and [`ProcDir`] do the I/O. `/proc` is
//! opened once and checked to be a whole procfs; everything below is opened relative to that descriptor with
//! openat2(2), without crossing a mount and without following a link, so that neither a fake `/proc` nor a file
//! mounted over one of its files is ever read or written in place of the kernel's (CVE-2019-19921, CVE-2023-27561,
//! CVE-2023-28642, CVE-2025-52881).

mod cgroup;
mod dir;
mod fd;
mod fs;
mod id_map;
mod limits;
mod mountinfo;
mod numa_maps;
mod parse;
mod stat;
mod status;
mod timens;

pub use cgroup::{CgroupMembership, parse_cgroup};
pub use dir::{FileId, ProcDir};
pub use fd::{Descriptor, FdInfo, parse_fdinfo};
pub use fs::{ProcError, ProcFs};
pub use id_map::{IdMapLine, SetgroupsState, parse_id_map, parse_setgroups};
pub use limits::{Limit, parse_limits};
pub use mountinfo::{MountEntry, PeerGroups, parse_mountinfo};
pub use parse::ParseError;
pub use stat::{ProcessStat, parse_stat};
pub use status::{Ids, SeccompMode, Status, parse_status};
pub use timens::{ClockOffsets, parse_timens_offsets};
