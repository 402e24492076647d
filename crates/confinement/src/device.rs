//! Device nodes of a container.

use cofferdam_names::ContainerPath;
use serde::{Deserialize, Serialize};

/// What kind of node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceKind {
    /// `c`, also `u`.
    Character,
    /// `b`
    Block,
    /// `p`: a named pipe; the numbers are not used.
    Fifo,
}

/// One device node. In a user namespace of its own the node is bound from the host's node with the same path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// Where it appears.
    pub path: ContainerPath,
    /// Its host node, where it is bound and not made (`--device /dev/sda:/dev/xvda`).
    pub host_path: std::path::PathBuf,
    /// What kind of node.
    pub kind: DeviceKind,
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
    /// Permission bits.
    pub mode: u32,
    /// Owner, as the container sees it.
    pub uid: u32,
    /// Group, as the container sees it.
    pub gid: u32,
}

impl Device {
    /// The nodes that every container has (OCI runtime-spec, config-linux.md, "Default Devices"); `/dev/console` and
    /// `/dev/ptmx` are the terminal's and the devpts's.
    pub fn defaults() -> impl Iterator<Item = Self> {
        const CHARACTER: [(&str, u32, u32); 6] = [
            ("null", 1, 3),
            ("zero", 1, 5),
            ("full", 1, 7),
            ("random", 1, 8),
            ("urandom", 1, 9),
            ("tty", 5, 0),
        ];
        CHARACTER.into_iter().filter_map(|(name, major, minor)| {
            let path = format!("/dev/{name}");
            Some(Self {
                path: path.parse().ok()?,
                host_path: path.into(),
                kind: DeviceKind::Character,
                major,
                minor,
                mode: 0o666,
                uid: 0,
                gid: 0,
            })
        })
    }
}

/// The links that every container's `/dev` has (OCI runtime-spec, runtime-linux.md, "Dev symbolic links", and the
/// multiplexer of the container's own devpts): name below `/dev`, target.
pub const DEV_LINKS: [(&str, &str); 6] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
    ("core", "/proc/kcore"),
];
