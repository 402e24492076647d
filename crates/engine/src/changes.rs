//! `diff`: what a container changed of its image, read from the upper layer of its overlay.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use cofferdam_confinement::{IdMaps, Plan, RootSource};
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Statx, StatxFlags, makedev, openat, statx};
use std::os::fd::OwnedFd;

use crate::options::{Change, ChangeKind};

/// How deep folders may nest.
const MAX_DEPTH: u32 = 256;

/// The changes in the order of their paths, without what the engine itself made: the places of mounts, and folders that
/// only lead to them.
pub(crate) fn of(plan: &Plan) -> io::Result<Vec<Change>> {
    let RootSource::Overlay { lower, upper, .. } = &plan.root.source else { return Ok(Vec::new()) };
    let lower =
        lower.iter().map(|layer| cofferdam_image::open_layer(layer)).collect::<Result<Vec<_>, _>>()?;
    let lower: Vec<Option<OwnedFd>> = lower.into_iter().map(Some).collect();
    let targets = plan.mounts.iter().map(|mount| mount.target.as_str().trim_end_matches('/').to_owned());
    let mut walk = ChangeWalk {
        targets: targets.collect(),
        maps: plan.namespaces.id_maps.as_ref(),
        changes: Vec::new(),
    };
    walk.folder(&open_folder(CWD, upper)?, &lower, "", MAX_DEPTH)?;
    let mut changes = walk.changes;
    changes.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(changes)
}

fn open_folder(at: impl std::os::fd::AsFd, path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(at, path, flags, Mode::empty())?)
}

/// One walk through a writable layer.
struct ChangeWalk<'a> {
    /// Where the plan mounts something: the container never sees what is below.
    targets: BTreeSet<String>,
    maps: Option<&'a IdMaps>,
    changes: Vec<Change>,
}

impl ChangeWalk<'_> {
    /// `lower` are the same folder in each layer, where the layer has it.
    fn folder(
        &mut self,
        upper: &OwnedFd,
        lower: &[Option<OwnedFd>],
        prefix: &str,
        depth_left: u32,
    ) -> io::Result<()> {
        let depth_left =
            depth_left.checked_sub(1).ok_or_else(|| io::Error::other("folders nest too deep"))?;
        for entry in Dir::read_from(upper)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let path = format!("{prefix}/{}", name.to_string_lossy());
            if self.targets.contains(&path) {
                continue;
            }
            let stat = statx(upper, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS)?;
            let kind = FileType::from_raw_mode(stat.stx_mode.into());
            let below = lower.iter().flatten().find_map(|layer| {
                statx(layer, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS).ok()
            });
            // overlayfs marks what was deleted by a character device 0/0 (kernel: filesystems/overlayfs.rst, "whiteouts").
            let deleted = kind == FileType::CharacterDevice
                && makedev(stat.stx_rdev_major, stat.stx_rdev_minor) == makedev(0, 0);
            let what = match (deleted, &below) {
                (true, _) => ChangeKind::Deleted,
                (false, Some(_)) => ChangeKind::Changed,
                (false, None) => ChangeKind::Added,
            };
            let before = self.changes.len();
            self.changes.push(Change { kind: what, path: path.clone() });
            if kind == FileType::Directory {
                let name = Path::new(OsStr::from_bytes(name.to_bytes()));
                let inner: Vec<Option<OwnedFd>> =
                    lower.iter().map(|layer| open_folder(layer.as_ref()?, name).ok()).collect();
                self.folder(&open_folder(upper, name)?, &inner, &path, depth_left)?;
                let is_untouched = below.is_none_or(|below| self.is_same(&below, &stat));
                if is_untouched && self.changes.len() == before + 1 && self.leads_to_a_mount(&path) {
                    self.changes.truncate(before);
                }
            }
        }
        Ok(())
    }

    /// Whether something is mounted below a folder.
    fn leads_to_a_mount(&self, path: &str) -> bool {
        let inside = format!("{path}/");
        self.targets.range(inside.clone()..).next().is_some_and(|target| target.starts_with(&inside))
    }

    /// Whether a folder is as the image has it, but for what is in it.
    fn is_same(&self, below: &Statx, above: &Statx) -> bool {
        let owner = match self.maps {
            Some(maps) => maps.host_uid(below.stx_uid).zip(maps.host_gid(below.stx_gid)),
            None => Some((below.stx_uid, below.stx_gid)),
        };
        // Layers of root are mapped when they are mounted; those of a user are the user's in both places.
        let owned = owner == Some((above.stx_uid, above.stx_gid))
            || (below.stx_uid, below.stx_gid) == (above.stx_uid, above.stx_gid);
        owned && below.stx_mode == above.stx_mode
    }
}
