//! The files of a stage as one tree: an overlay of its layers that nobody but this process can see.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use cofferdam_image::{Lease, open_layer};
use cofferdam_kernel::credentials::is_root_of_host;
use cofferdam_kernel::mount::{Attributes, new_filesystem};
use rustix::fs::{Mode, OFlags};

use super::{BuildError, StageLayer};

/// Layers made ready to be mounted, topmost first, as folders or images of file systems; at least one.
#[derive(Debug, Clone)]
pub struct Layers(pub Vec<PathBuf>);

impl Layers {
    /// Unpacks what is not unpacked yet. Without a layer it is the folder `empty`.
    ///
    /// # Errors
    /// A layer cannot be unpacked.
    pub fn ready(lease: &Lease, layers: &[StageLayer], empty: &Path) -> Result<Self, BuildError> {
        for layer in layers {
            lease.unpack_blob(&layer.blob, &layer.diff_id)?;
        }
        let ids: Vec<_> = layers.iter().map(|layer| layer.diff_id.clone()).collect();
        let mut lower = lease.store().snapshot(&ids)?;
        if lower.is_empty() {
            lower.push(empty.to_owned());
        }
        Ok(Self(lower))
    }

    /// The tree, to be read only.
    ///
    /// # Errors
    /// It cannot be mounted.
    pub fn open(&self) -> io::Result<OwnedFd> {
        match self.0.as_slice() {
            // An overlay needs two.
            [only] => open_layer(only),
            _ => self.mount(&[]),
        }
    }

    /// The tree with a folder that takes what is written.
    ///
    /// # Errors
    /// It cannot be mounted.
    pub fn open_with(&self, upper: &Path, work: &Path) -> io::Result<OwnedFd> {
        let (upper, work) = (open_path(upper)?, open_path(work)?);
        self.mount(&[format!("upperdir={}", fd_path(&upper)), format!("workdir={}", fd_path(&work))])
    }

    /// A mount that is attached nowhere: it goes when its descriptor is closed, also by a kill.
    fn mount(&self, more: &[String]) -> io::Result<OwnedFd> {
        let lower = self.0.iter().map(|path| open_lower(path)).collect::<io::Result<Vec<_>>>()?;
        let paths: Vec<String> = lower.iter().map(fd_path).collect();
        let joined = format!("lowerdir={}", paths.join(":"));
        // fsconfig(2) takes 256 bytes; one option a layer is for Linux 6.5 and newer.
        let mut options: Vec<String> = if joined.len() < 256 {
            vec![joined]
        } else {
            paths.iter().map(|path| format!("lowerdir+={path}")).collect()
        };
        options.extend_from_slice(more);
        // In a user namespace the marks of deletions are attributes that an ordinary user may write.
        options.extend((!is_root_of_host()).then(|| "userxattr".to_owned()));
        new_filesystem("overlay", "overlay", options.iter().map(String::as_str), Attributes::NONE)
    }
}

fn open_path(path: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

/// A layer as an overlay takes it. Of an image it is the mount itself: what is only open in it when it goes, is in no mount any
/// more, and no overlay can be made of it.
fn open_lower(path: &Path) -> io::Result<OwnedFd> {
    if path.extension().is_none_or(|extension| extension != "erofs") {
        return open_path(path);
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let image = rustix::fs::open(path, flags, Mode::empty())?;
    new_filesystem("erofs", &fd_path(&image), [], Attributes::NONE)
}

pub(crate) fn open_folder(path: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

fn fd_path(fd: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}
