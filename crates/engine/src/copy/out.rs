//! From a container: into the host's files, or into a tar.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use cofferdam_names::{ContainerId, ContainerPath};
use rustix::fs::{FileType, Mode, OFlags, fstat};

use super::{Copied, CopyOptions, Existing, Inside, means_content, target};
use crate::Engine;
use crate::error::{Error, Result};
use cofferdam_image::tree::owners::Owners;
use cofferdam_image::tree::pack::TarSink;
use cofferdam_image::tree::walk::{Walk, is_kernels_own};
use cofferdam_image::tree::writer::TreeWriter;
use cofferdam_image::tree::{LeftOut, TreeSink};

/// What is copied out of a container, held open.
struct Source {
    /// A folder or a file itself, or the folder that holds a link.
    open: OwnedFd,
    /// The link's name in that folder.
    link: Option<String>,
    /// The last name of the path; empty for the root.
    name: String,
    is_folder: bool,
}

impl Engine {
    /// Copies what is at a path of a container to the host. Owned by the calling user, without set-user-ID bits and file
    /// capabilities, unless [`CopyOptions::archive`] is set.
    ///
    /// # Errors
    /// A path does not exist or is of the wrong kind, or a file cannot be read or written.
    pub fn copy_out(
        &self,
        id: &ContainerId,
        path: &ContainerPath,
        to: &Path,
        options: CopyOptions,
    ) -> Result<Copied> {
        let failed = |source| Error::io("copy", format!("{}:{path} to {}", id.short(), to.display()), source);
        self.tell_of_copy(id, "archive-path", path)?;
        // Opened before the container's namespaces are entered: a path of the host is the host's.
        let existing = match to.metadata() {
            Ok(metadata) if metadata.is_dir() => Existing::Folder,
            Ok(_) => Existing::Other,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Existing::Nothing,
            Err(error) => return Err(failed(error)),
        };
        let holder = match existing {
            Existing::Folder => open_folder(to),
            _ => {
                open_folder(to.parent().filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new(".")))
            }
        };
        let inside = self.open_inside(id)?;
        let work = || -> io::Result<Copied> {
            let holder = holder?;
            let source = Source::open(&inside, path, options.follow)?;
            let content = means_content(path.as_str().as_bytes());
            let slash = to.as_os_str().as_encoded_bytes().ends_with(b"/");
            let target = target(to, existing, OsStr::new(&source.name), source.is_folder, content, slash)
                .map_err(io::Error::other)?;
            // An ordinary user cannot give files away.
            let owners =
                if options.archive && inside.maps.is_some() { Owners::Same } else { Owners::Writers };
            let mut writer = TreeWriter::on_host(holder, owners);
            let walk =
                Walk { from_host_ids: inside.maps.as_ref(), disarm: !options.archive, ..Walk::default() };
            let left_out = source.pass(&walk, &target.name, &mut writer)?;
            let bytes = writer.bytes();
            writer.finish()?;
            Ok(Copied { bytes, left_out: left_out.nodes })
        };
        work().map_err(failed)
    }

    /// Writes what is at a path of a container as a tar, with the owners' numbers as the container sees them.
    ///
    /// # Errors
    /// The path does not exist, or a file cannot be read, or the tar not written.
    pub fn pack_out(
        &self,
        id: &ContainerId,
        path: &ContainerPath,
        out: &mut dyn Write,
        options: CopyOptions,
    ) -> Result<Copied> {
        let failed = |source| Error::io("copy", format!("{}:{path}", id.short()), source);
        self.tell_of_copy(id, "archive-path", path)?;
        let inside = self.open_inside(id)?;
        let work = || -> io::Result<Copied> {
            let source = Source::open(&inside, path, options.follow)?;
            let walk = Walk { from_host_ids: inside.maps.as_ref(), ..Walk::default() };
            let mut tar = TarSink::new(out);
            let name = if means_content(path.as_str().as_bytes()) || source.name.is_empty() {
                "."
            } else {
                &source.name
            };
            let left_out = source.pass(&walk, Path::new(name), &mut tar)?;
            tar.finish()?;
            Ok(Copied { bytes: 0, left_out: left_out.nodes })
        };
        work().map_err(failed)
    }

    /// What Docker tells as well; a container that is gone is an error.
    pub(super) fn tell_of_copy(&self, id: &ContainerId, action: &str, path: &ContainerPath) -> Result<()> {
        self.definition(id)?.tell(&self.paths, action, &[("path", path.to_string())]);
        Ok(())
    }
}

fn open_folder(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}

impl Source {
    fn open(inside: &Inside, path: &ContainerPath, follow: bool) -> io::Result<Self> {
        let text = path.as_str();
        let slash = text.ends_with('/') || means_content(text.as_bytes());
        let trimmed = text.trim_end_matches("/.").trim_end_matches('/');
        let name = trimmed.rsplit('/').next().unwrap_or_default().to_owned();
        if let Some((parent, last)) = inside.parent(trimmed)?.filter(|_| !follow && !slash) {
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let found = rustix::fs::openat(&parent, last, flags, Mode::empty())?;
            if FileType::from_raw_mode(fstat(&found)?.st_mode) == FileType::Symlink {
                return Ok(Self { open: parent, link: Some(last.to_owned()), name, is_folder: false });
            }
        }
        let open = inside.root.open(super::inside::relative(trimmed), OFlags::PATH)?;
        let is_folder = FileType::from_raw_mode(fstat(&open)?.st_mode) == FileType::Directory;
        if slash && !is_folder {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        if is_kernels_own(&open)? {
            return Err(io::Error::other(
                "it is of a file system of the kernel's own, which holds no files to copy",
            ));
        }
        Ok(Self { open, link: None, name, is_folder })
    }

    fn pass(&self, walk: &Walk<'_>, shown: &Path, sink: &mut dyn TreeSink) -> io::Result<LeftOut> {
        match &self.link {
            Some(link) => walk.entry(&self.open, OsStr::new(link), shown, sink),
            None if self.is_folder => walk.folder(&self.open, shown, sink),
            None => walk.file(&self.open, shown, sink),
        }
    }
}
