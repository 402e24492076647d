//! Into a container: the host's files, or a tar.

use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use cofferdam_names::{ContainerId, ContainerPath};
use cofferdam_runtime::rootfs::aside::become_container_root;
use rustix::fs::{Mode, OFlags};
use std::os::fd::{AsFd, OwnedFd};

use super::inside::relative;
use super::{Copied, CopyOptions, Existing, Inside, means_content, target};
use crate::Engine;
use crate::error::{Error, Result};
use cofferdam_image::tree::archive;
use cofferdam_image::tree::walk::Walk;
use cofferdam_image::tree::writer::{Replace, TreeWriter};

impl Engine {
    /// Copies a file or folder of the host into a container. Owned by the container's root, unless [`CopyOptions::archive`] is
    /// set: then host user n's files are the container user n's.
    ///
    /// # Errors
    /// A path does not exist or is of the wrong kind, or a file cannot be read or written.
    pub fn copy_in(
        &self,
        id: &ContainerId,
        from: &Path,
        path: &ContainerPath,
        options: CopyOptions,
    ) -> Result<Copied> {
        let failed =
            |source| Error::io("copy", format!("{} to {}:{path}", from.display(), id.short()), source);
        self.tell_of_copy(id, "extract-to-dir", path)?;
        let content = means_content(from.as_os_str().as_bytes());
        let slash = content || from.as_os_str().as_bytes().ends_with(b"/");
        let follow = options.follow || slash;
        let metadata = if follow { from.metadata() } else { from.symlink_metadata() }.map_err(failed)?;
        // Held before the container's namespaces are entered, in which the host's paths may mean other things.
        let flags = if follow { OFlags::PATH } else { OFlags::PATH | OFlags::NOFOLLOW };
        let open = rustix::fs::open(from, flags | OFlags::CLOEXEC, Mode::empty())
            .map_err(|error| failed(error.into()))?;
        let link = metadata.is_symlink().then(|| std::fs::read_link(from)).transpose().map_err(failed)?;
        let name = from.canonicalize().ok().filter(|_| link.is_none());
        // The name as typed, but for one that says none (`.`, `..`).
        let name = from.file_name().map(PathBuf::from).or(name).unwrap_or_default();
        let name = name.file_name().map(ToOwned::to_owned).unwrap_or_default();
        let inside = self.open_inside(id)?;
        let work = || -> io::Result<Copied> {
            let place = inside.behind_links(path.as_str())?;
            let as_folder = path.as_str().ends_with('/');
            let target = target(
                Path::new(&place),
                inside.existing(&place)?,
                &name,
                metadata.is_dir(),
                content,
                as_folder,
            )
            .map_err(io::Error::other)?;
            let mut writer = inside.writer(&target.folder, options.archive)?;
            let walk = Walk::default();
            let left_out = match &link {
                Some(link) => {
                    use cofferdam_image::tree::{Attributes, LeftOut, TreeSink};
                    use std::os::unix::fs::MetadataExt;
                    let attributes = Attributes {
                        uid: metadata.uid(),
                        gid: metadata.gid(),
                        modified: metadata.mtime(),
                        ..Attributes::default()
                    };
                    writer.link(&target.name, &attributes, link.as_os_str().as_bytes())?;
                    LeftOut::default()
                }
                None if metadata.is_dir() => walk.folder(&open, &target.name, &mut writer)?,
                None => walk.file(&open, &target.name, &mut writer)?,
            };
            let bytes = writer.bytes();
            writer.finish()?;
            Ok(Copied { bytes, left_out: left_out.nodes })
        };
        work().map_err(failed)
    }

    /// Unpacks a tar into a folder of a container. The tar's owners are the container's.
    ///
    /// # Errors
    /// The folder does not exist, the tar does not read, or a file cannot be written.
    pub fn unpack_in(&self, id: &ContainerId, tar: &mut dyn Read, path: &ContainerPath) -> Result<Copied> {
        let failed = |source| Error::io("unpack into", format!("{}:{path}", id.short()), source);
        self.tell_of_copy(id, "extract-to-dir", path)?;
        let inside = self.open_inside(id)?;
        let mut work = || -> io::Result<Copied> {
            if inside.is_folder(path.as_str())? != Some(true) {
                return Err(io::Error::other("the target is no folder"));
            }
            let mut writer = inside.writer(Path::new(path.as_str()), true)?;
            let left_out = archive::unpack(tar, &mut writer)?;
            let bytes = writer.bytes();
            writer.finish()?;
            Ok(Copied { bytes, left_out: left_out.nodes })
        };
        work().map_err(failed)
    }
}

impl Inside {
    fn existing(&self, path: &str) -> io::Result<Existing> {
        Ok(match self.is_folder(path)? {
            Some(true) => Existing::Folder,
            Some(false) => Existing::Other,
            None => Existing::Nothing,
        })
    }

    /// Writes below a folder of the container; every path is resolved from its root anew.
    fn writer(&self, folder: &Path, keep_owners: bool) -> io::Result<TreeWriter> {
        let folder = folder.to_str().ok_or_else(|| io::Error::other("the path is no text"))?;
        if self.is_folder(folder)? != Some(true) {
            return Err(io::Error::other(format!("the container has no folder {folder}")));
        }
        if let Some(maps) = &self.maps {
            become_container_root(maps).map_err(io::Error::other)?;
        }
        let root: OwnedFd = rustix::io::fcntl_dupfd_cloexec(self.root.as_fd(), 0)?;
        let base = match relative(folder) {
            "." => PathBuf::new(),
            base => base.into(),
        };
        Ok(TreeWriter::new(root, base, self.owners(keep_owners), Replace::SameKind))
    }
}
