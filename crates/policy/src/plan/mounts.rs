//! The mounts that every container has, and the order of all of them.

use std::path::Path;

use cofferdam_confinement::{
    AccessTime, Flag, IdMaps, Mount, MountFlags, MountIdMap, MountKind, NamespaceSource, Namespaces,
    Propagation,
};
use cofferdam_names::ContainerPath;

use super::{Planner, PolicyError, path};
use crate::{ByteSize, CgroupMode, NamespaceMode};

/// Docker's size of /dev/shm, also for who asks for 0.
const SHM_SIZE: ByteSize = ByteSize(64 << 20);

/// The group that owns terminals (`tty` in every distribution).
const TTY_GROUP: u32 = 5;

/// The shortest form of a path in a container: without `.`, `..` and needless slashes, and never above the root.
pub(super) fn shortest(text: &str) -> Result<ContainerPath, PolicyError> {
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    path(&format!("/{}", parts.join("/")))
}

/// A new kernel file system.
fn filesystem(target: &str, fstype: &str, options: &[&str], flags: MountFlags) -> Result<Mount, PolicyError> {
    let source = if fstype == "tmpfs" && target == "/dev/shm" { "shm" } else { fstype };
    Ok(Mount {
        target: path(target)?,
        kind: MountKind::Filesystem {
            fstype: fstype.to_owned(),
            source: source.to_owned(),
            options: options.iter().map(|option| (*option).to_owned()).collect(),
            copy_up: false,
        },
        flags,
        recursive_flags: MountFlags::KEEP,
        propagation: Vec::new(),
    })
}

fn readonly(flags: MountFlags) -> MountFlags {
    MountFlags { readonly: Flag::Set, ..flags }
}

impl Planner<'_> {
    /// All mounts: the image's, the system's, then files and volumes from the root downwards.
    pub(super) fn mounts(&self, maps: &IdMaps, namespaces: &Namespaces) -> Result<Vec<Mount>, PolicyError> {
        let user = self.user_mounts()?;
        let taken = |target: &ContainerPath| user.iter().any(|mount| mount.target == *target);
        let mut mounts = self.context.image_mounts.clone();
        mounts
            .extend(self.system_mounts(maps, namespaces)?.into_iter().filter(|mount| !taken(&mount.target)));
        let mut outer: Vec<Mount> =
            self.etc_mounts(namespaces)?.into_iter().filter(|mount| !taken(&mount.target)).collect();
        outer.extend(user);
        outer.sort_by_key(|mount| mount.target.as_str().split('/').count());
        mounts.extend(outer);
        Ok(mounts)
    }

    fn system_mounts(&self, maps: &IdMaps, namespaces: &Namespaces) -> Result<Vec<Mount>, PolicyError> {
        let inert = MountFlags::inert();
        let dev = MountFlags {
            nosuid: Flag::Set,
            noexec: Flag::Set,
            access_time: Some(AccessTime::Strictatime),
            ..MountFlags::KEEP
        };
        let terminals = MountFlags { nosuid: Flag::Set, noexec: Flag::Set, ..MountFlags::KEEP };
        let group = format!("gid={TTY_GROUP}");
        let mut pts = vec!["newinstance", "ptmxmode=0666", "mode=0620"];
        if maps.host_gid(TTY_GROUP).is_some() {
            pts.push(&group);
        }
        let mut mounts = vec![
            filesystem("/proc", "proc", &[], inert)?,
            filesystem("/dev", "tmpfs", &["mode=755", "size=65536k"], dev)?,
            filesystem("/dev/pts", "devpts", &pts, terminals)?,
            match namespaces.network {
                NamespaceSource::Host => self.hosts_sys(readonly(inert))?,
                _ => filesystem("/sys", "sysfs", &[], readonly(inert))?,
            },
        ];
        if self.context.host.cgroup_mode != CgroupMode::None && self.context.host.cgroup_delegated {
            mounts.push(Mount {
                target: path("/sys/fs/cgroup")?,
                kind: MountKind::Cgroup,
                flags: readonly(inert),
                recursive_flags: MountFlags::KEEP,
                propagation: Vec::new(),
            });
        }
        mounts.push(filesystem("/dev/mqueue", "mqueue", &[], inert)?);
        if let NamespaceSource::Join(file) = &namespaces.ipc {
            mounts.push(self.shared_memory(file, inert)?);
        } else if self.request.namespaces.ipc != Some(NamespaceMode::None) {
            let size =
                format!("size={}", self.request.shm_size.filter(|size| size.0 > 0).unwrap_or(SHM_SIZE).0);
            mounts.push(filesystem("/dev/shm", "tmpfs", &["mode=1777", &size], inert)?);
        }
        Ok(mounts)
    }

    /// With the host's network there is no sysfs of the container's own: the kernel gives one only to who owns the network. The
    /// host's shows the same devices, and the links that the container has a part in anyway. What the host has mounted below it
    /// (security, debug, tracing, bpf) stays out, and all of it belongs to ids that the container does not have.
    fn hosts_sys(&self, flags: MountFlags) -> Result<Mount, PolicyError> {
        if self.context.host.rootless {
            let why =
                "an ordinary user's containers cannot have the host's /sys without what is mounted below it";
            return Err(PolicyError::not_built("--network host", why));
        }
        Ok(Mount {
            target: path("/sys")?,
            kind: MountKind::Bind {
                source: "/sys".into(),
                resolved: true,
                recursive: false,
                id_map: MountIdMap::None,
            },
            flags,
            recursive_flags: MountFlags::KEEP,
            propagation: vec![Propagation::Rprivate],
        })
    }

    /// The /dev/shm of the container whose IPC namespace is joined: that of the process whose namespace's file this is.
    fn shared_memory(&self, ipc: &Path, flags: MountFlags) -> Result<Mount, PolicyError> {
        if self.request.shm_size.is_some() {
            let rule = "the /dev/shm of another container is not this one's to size";
            return Err(PolicyError::invalid("--shm-size", rule));
        }
        let process = ipc.ancestors().nth(2).unwrap_or(ipc);
        Ok(Mount {
            target: path("/dev/shm")?,
            kind: MountKind::Bind {
                source: process.join("root/dev/shm"),
                resolved: false,
                recursive: false,
                id_map: MountIdMap::None,
            },
            flags,
            recursive_flags: MountFlags::KEEP,
            propagation: vec![Propagation::Rprivate],
        })
    }

    /// The files that the engine writes for each container.
    fn etc_mounts(&self, namespaces: &Namespaces) -> Result<Vec<Mount>, PolicyError> {
        let mut mounts = Vec::new();
        for name in ["hostname", "hosts", "resolv.conf"] {
            if name == "hostname" && !namespaces.uts.is_new() {
                continue;
            }
            let source = self.context.state_dir.join(name);
            let mut mount = self.readonly_file(&source, path(&format!("/etc/{name}"))?);
            if !self.request.read_only && self.zone.process.writable.value {
                mount.flags.readonly = Flag::Keep;
            }
            mounts.push(mount);
        }
        Ok(mounts)
    }

    /// One file of the host, from which nothing can be gained but its text.
    pub(super) fn readonly_file(&self, source: &Path, target: ContainerPath) -> Mount {
        Mount {
            target,
            kind: MountKind::Bind {
                source: source.to_owned(),
                resolved: false,
                recursive: false,
                id_map: self.bind_id_map(false),
            },
            flags: MountFlags::readonly_safe(),
            recursive_flags: MountFlags::KEEP,
            propagation: vec![Propagation::Rprivate],
        }
    }

    /// A bound file shows the host's ids as the container's same numbers; an ordinary user cannot map a mount, and needs
    /// it less: the own id is the container's root.
    pub(super) fn bind_id_map(&self, recursive: bool) -> MountIdMap {
        if self.context.host.rootless { MountIdMap::None } else { MountIdMap::Container { recursive } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_shortened_as_text() {
        for (given, short) in
            [("/a/./b//c/", "/a/b/c"), ("/../..", "/"), ("/a/../proc/x", "/proc/x"), ("//proc", "/proc")]
        {
            assert_eq!(shortest(given).unwrap().as_str(), short);
        }
    }
}
