//! What a user brings in: `-v`, `--mount`, `--tmpfs`.

use std::path::{Component, Path};

use cofferdam_confinement::{Flag, Mount, MountFlags, MountKind, Propagation};
use cofferdam_names::ContainerPath;

use super::{Planner, PolicyError, admit_image, mounts};
use crate::zone::MountAccess;
use crate::{BindRecursion, HOST_IMAGE, TmpfsOptions, VolumeKind, VolumeRequest};

/// What a user's mount may not replace: the runtime and the container's own view of the kernel rely on them
/// (CVE-2019-19921: a volume over /proc redirects the label's write; terminals are looked for in /dev/pts).
const RESERVED: [&str; 3] = ["/dev/pts", "/proc", "/sys"];

/// Mounts a folder of a volume in its place. A container that shares the volume may put a link there, before or while it is
/// opened: so none is followed (CVE-2024-23653 and its like are of paths that were checked first and opened later).
fn narrow(asked: &str, mount: &mut Mount, subpath: &Path) -> Result<(), PolicyError> {
    if !is_inner(subpath) {
        let rule = "volume-subpath is a relative path inside the volume, without `..`";
        return Err(PolicyError::invalid(asked, rule));
    }
    if let MountKind::Bind { source, resolved, .. } = &mut mount.kind {
        source.push(subpath);
        *resolved = true;
    }
    Ok(())
}

/// Whether a path stays below where it begins.
fn is_inner(path: &Path) -> bool {
    let mut parts = path.components().peekable();
    parts.peek().is_some() && parts.all(|part| matches!(part, Component::Normal(_)))
}

impl Planner<'_> {
    pub(super) fn user_mounts(&self) -> Result<Vec<Mount>, PolicyError> {
        let mut mounts: Vec<Mount> = Vec::new();
        let volumes = self.request.volumes.iter().map(|volume| self.volume(volume));
        let tmpfs = self.request.tmpfs.iter().map(|tmpfs| {
            let asked = format!("--tmpfs {}", tmpfs.target);
            self.tmpfs(&asked, &tmpfs.target, &tmpfs.options)
        });
        for mount in volumes.chain(tmpfs) {
            let mount = mount?;
            if mounts.iter().any(|known| known.target == mount.target) {
                return Err(PolicyError::invalid(mount.target.as_str(), "two mounts have this target"));
            }
            mounts.push(mount);
        }
        Ok(mounts)
    }

    fn volume(&self, volume: &VolumeRequest) -> Result<Mount, PolicyError> {
        match &volume.kind {
            VolumeKind::Bind { source, propagation, recursion, relabel, .. } => {
                let asked = format!("volume {}:{}", source.display(), volume.target);
                let bind = Bind {
                    source,
                    propagation: *propagation,
                    recursion: *recursion,
                    relabel: relabel.is_some(),
                    readonly: volume.readonly,
                };
                self.bind(&asked, &volume.target, &bind)
            }
            VolumeKind::Volume { name, subpath, .. } => {
                let name = name.as_deref().unwrap_or_default();
                let asked = format!("volume {name}:{}", volume.target);
                let mut mount = self.engine_volume(&asked, name, &volume.target, volume.readonly)?;
                if let Some(subpath) = subpath {
                    narrow(&asked, &mut mount, subpath)?;
                }
                Ok(mount)
            }
            VolumeKind::Image { image, subpath, .. } => {
                let asked = format!("--mount type=image,source={image},target={}", volume.target);
                self.image_mount(&asked, image, subpath.as_deref(), &volume.target)
            }
            VolumeKind::Tmpfs { options } => {
                let asked = format!("--mount type=tmpfs,target={}", volume.target);
                let readonly = volume.readonly.unwrap_or(options.readonly);
                self.tmpfs(&asked, &volume.target, &TmpfsOptions { readonly, ..options.clone() })
            }
        }
    }

    /// The zone judges an image that is mounted as it judges one that runs: its programs can be run from there.
    fn image_mount(
        &self,
        asked: &str,
        image: &str,
        subpath: Option<&Path>,
        target: &ContainerPath,
    ) -> Result<Mount, PolicyError> {
        if image == HOST_IMAGE {
            return Err(PolicyError::invalid(asked, "the host's own programs are no image that is mounted"));
        }
        let found = self.context.mounted_images.get(image);
        let found =
            found.ok_or_else(|| PolicyError::invalid(asked, "the engine did not say what this image is"))?;
        admit_image(self.zone, image, &found.origin)?;
        if subpath.is_some_and(|subpath| !is_inner(subpath)) {
            return Err(PolicyError::invalid(
                asked,
                "image-subpath is a relative path inside the image, without `..`",
            ));
        }
        Ok(Mount {
            target: target_of(asked, target)?,
            kind: MountKind::Image {
                id: found.id.clone(),
                lower: found.lower.clone(),
                stack: found.stack.clone(),
                subpath: subpath.map(Path::to_owned),
                id_mapped: !self.context.host.rootless,
            },
            flags: MountFlags::readonly_safe(),
            recursive_flags: MountFlags::KEEP,
            propagation: vec![Propagation::Rprivate],
        })
    }

    /// A volume belongs to the zone that made it: what one zone's containers wrote is not another's to read or to change.
    fn engine_volume(
        &self,
        asked: &str,
        name: &str,
        target: &ContainerPath,
        readonly: Option<bool>,
    ) -> Result<Mount, PolicyError> {
        let found = self.context.volumes.get(name);
        let found =
            found.ok_or_else(|| PolicyError::invalid(asked, "the engine did not say what this volume is"))?;
        let others = &self.zone.mounts.volumes_from;
        if found.zone != self.zone.name.value && !others.value.contains(&found.zone) {
            let ceiling =
                format!("the volume is of zone `{}`, which mounts.volumes_from does not name", found.zone);
            return Err(self.beyond(asked, &others.place, ceiling));
        }
        let readonly = readonly.unwrap_or(self.zone.mounts.readonly_default.value);
        Ok(Mount {
            target: target_of(asked, target)?,
            kind: MountKind::Bind {
                source: found.folder.clone(),
                resolved: false,
                recursive: false,
                id_map: self.bind_id_map(false),
            },
            // Programs of an image that was copied into it may be set-user-ID, as in the image itself.
            flags: MountFlags {
                readonly: if readonly { Flag::Set } else { Flag::Keep },
                nodev: Flag::Set,
                ..MountFlags::KEEP
            },
            recursive_flags: MountFlags::KEEP,
            propagation: vec![Propagation::Rprivate],
        })
    }

    fn bind(&self, asked: &str, target: &ContainerPath, bind: &Bind<'_>) -> Result<Mount, PolicyError> {
        let target = target_of(asked, target)?;
        let found = self.context.bind_sources.get(bind.source);
        let found =
            found.ok_or_else(|| PolicyError::invalid(asked, "the host has no such file or folder"))?;
        let source = &found.canonical;
        let readonly = bind
            .readonly
            .unwrap_or_else(|| self.request.is_host_image() || self.zone.mounts.readonly_default.value);
        self.check_access(asked, source, readonly)?;
        if bind.relabel && self.context.host.lsms.iter().any(|lsm| lsm == "selinux") {
            return Err(PolicyError::not_built(asked, "files are not relabelled for SELinux"));
        }
        let propagation = match bind.propagation {
            None => Propagation::Rprivate,
            Some(Propagation::Shared | Propagation::Rshared) => {
                let rule = "a container in a user namespace of its own cannot pass mounts on to the host";
                return Err(PolicyError::invalid(asked, rule));
            }
            Some(other) => other,
        };
        let recursive = bind.recursion != BindRecursion::Disabled;
        // Device nodes and set-user-id programs of the host stay without effect.
        let safe = MountFlags { nosuid: Flag::Set, nodev: Flag::Set, ..MountFlags::KEEP };
        let own = MountFlags { readonly: if readonly { Flag::Set } else { Flag::Keep }, ..safe };
        Ok(Mount {
            target,
            kind: MountKind::Bind {
                source: source.clone(),
                resolved: true,
                recursive,
                id_map: self.bind_id_map(recursive),
            },
            flags: own,
            recursive_flags: match bind.recursion {
                BindRecursion::Disabled => MountFlags::KEEP,
                BindRecursion::Enabled => own,
                BindRecursion::Writable => safe,
            },
            propagation: vec![propagation],
        })
    }

    /// Whether the zone lets a path of the host in.
    fn check_access(&self, asked: &str, source: &Path, readonly: bool) -> Result<(), PolicyError> {
        let own = &self.context.engine_dirs;
        if let Some(dir) = own.iter().find(|dir| dir.starts_with(source) || source.starts_with(dir)) {
            let ceiling =
                format!("the engine's own state, {}, is never brought into a container", dir.display());
            let instead = "name the folders that the program needs, one by one";
            return Err(self.never(asked, &self.zone.mounts.access.place, ceiling, instead));
        }
        let (access, place) = self.zone.mounts.access_to(source);
        match access {
            MountAccess::Write => Ok(()),
            MountAccess::Read if readonly => Ok(()),
            MountAccess::Read => {
                let ceiling = format!("mounts.access lets {} be read only (write :ro)", source.display());
                Err(self.beyond(asked, place, ceiling))
            }
            MountAccess::None => {
                let ceiling = format!("mounts.access keeps {} out", source.display());
                Err(self.beyond(asked, place, ceiling))
            }
        }
    }

    fn tmpfs(
        &self,
        asked: &str,
        target: &ContainerPath,
        options: &TmpfsOptions,
    ) -> Result<Mount, PolicyError> {
        if options.dev {
            let rule = "device nodes do not work on a tmpfs of a user namespace";
            return Err(PolicyError::invalid(asked, rule));
        }
        let rule = &self.zone.process.new_privileges;
        if options.suid && !rule.value {
            let ceiling = "process.new_privileges is false: set-user-id programs give no rights";
            return Err(self.beyond(format!("{asked}: suid"), &rule.place, ceiling));
        }
        let mut words = vec![format!("mode={:o}", options.mode.unwrap_or(0o1777))];
        let percent = |percent: u32| self.context.host.memory / 100 * u64::from(percent);
        let size = options.size.map(|size| size.0).or(options.size_percent.map(percent));
        words.extend(size.map(|size| format!("size={size}")));
        words.extend(options.blocks.map(|blocks| format!("nr_blocks={blocks}")));
        words.extend(options.uid.map(|uid| format!("uid={uid}")));
        words.extend(options.gid.map(|gid| format!("gid={gid}")));
        words.extend(options.inodes.map(|inodes| format!("nr_inodes={inodes}")));
        let flag = |set: bool| if set { Flag::Set } else { Flag::Keep };
        Ok(Mount {
            target: target_of(asked, target)?,
            kind: MountKind::Filesystem {
                fstype: "tmpfs".to_owned(),
                source: "tmpfs".to_owned(),
                options: words,
                copy_up: false,
            },
            flags: MountFlags {
                readonly: flag(options.readonly),
                nosuid: flag(!options.suid),
                nodev: Flag::Set,
                noexec: flag(!options.exec),
                nodiratime: flag(options.nodiratime),
                access_time: options.access_time,
                ..MountFlags::KEEP
            },
            recursive_flags: MountFlags::KEEP,
            propagation: Vec::new(),
        })
    }
}

/// A bind mount as asked for.
struct Bind<'a> {
    source: &'a Path,
    propagation: Option<Propagation>,
    recursion: BindRecursion,
    relabel: bool,
    readonly: Option<bool>,
}

/// The shortest form of a target that a user may mount at.
fn target_of(asked: &str, target: &ContainerPath) -> Result<ContainerPath, PolicyError> {
    let target = mounts::shortest(target.as_str())?;
    let below = |folder: &str| {
        target.as_str().strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if target.as_str() == "/" || target.as_str() == "/dev" || RESERVED.iter().any(|folder| below(folder)) {
        let rule = "a volume is not mounted over the root, /dev, or anything below /dev/pts, /proc or /sys";
        return Err(PolicyError::invalid(asked, rule));
    }
    Ok(target)
}
