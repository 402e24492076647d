//! The overlay that is a container's root: its layers, each mapped to the container's ids, and what it writes itself.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use cofferdam_confinement::StackedLayers;
use cofferdam_kernel::clone::{CloneRequest, Cloned, clone3, exit_now};
use cofferdam_kernel::mount::{
    Attribute, Attributes, Depth, PropagationType, attach, clone_tree, new_filesystem, set_id_map,
    set_propagation,
};
use cofferdam_kernel::namespace::Namespace;
use cofferdam_kernel::version::kernel_version;
use rustix::fs::{Mode, OFlags};
use rustix::process::{WaitId, WaitIdOptions, waitid};

use super::sources::open_host;
use crate::channel::{Channel, Message};
use crate::step::{Step, StepError};

/// The first Linux whose overlayfs takes a layer that stands in no mount namespace, as a mapped clone does.
const TAKES_DETACHED_LAYERS: (u32, u32) = (6, 15);

/// The parts of a root that the plan names.
#[derive(Debug)]
pub(super) struct Overlay<'p> {
    /// From the topmost down.
    pub(super) lower: &'p [PathBuf],
    /// One image that shows all of them.
    pub(super) stack: Option<&'p StackedLayers>,
    /// The folder that takes what is written, and the one beside it; none for what is only read.
    pub(super) writes: Option<(&'p Path, &'p Path)>,
    /// A folder of the container's own on the host.
    pub(super) mountpoint: &'p Path,
    pub(super) volatile: bool,
    pub(super) userxattr: bool,
    /// The user namespace that the lower layers are mapped to.
    pub(super) userns: Option<BorrowedFd<'p>>,
}

impl Overlay<'_> {
    /// Mounts it, detached.
    pub(super) fn mount(&self) -> Result<OwnedFd, StepError> {
        // Not found out by trying: a mount that fails can leave its mark in the working folder (overlayfs.rst, "Volatile mount").
        if kernel_version() < TAKES_DETACHED_LAYERS && !self.layers_are_the_hosts() {
            return self.mount_with_attached_layers();
        }
        self.combine(lower_options(&self.layers()?))
    }

    /// Mounts what is only read, detached: a single layer as it is.
    pub(super) fn mount_to_read(&self) -> Result<OwnedFd, StepError> {
        if self.stack.is_none() && self.lower.len() > 1 {
            return self.mount();
        }
        let layer = self.layers()?.pop();
        let layer = layer.ok_or_else(|| Step::MountSource.refused("image", "it has no layers"))?;
        match self.lower.first() {
            // Of a folder that is not mapped it is no mount of its own yet.
            Some(folder) if self.layers_are_the_hosts() => {
                Step::MountSource.run(folder.display(), || clone_tree(layer, "", Depth::One))
            }
            _ => Ok(layer),
        }
    }

    /// Whether each layer is what the host shows under its path, and no mount made for this container.
    fn layers_are_the_hosts(&self) -> bool {
        self.userns.is_none() && self.stack.is_none() && !self.lower.iter().any(|path| is_image(path))
    }

    fn layers(&self) -> Result<Vec<OwnedFd>, StepError> {
        if let Some(StackedLayers { image, devices }) = self.stack {
            return Step::Root.run(image.display(), || {
                let layer = mount_image(image, devices)?;
                if let Some(userns) = self.userns {
                    set_id_map(&layer, Depth::One, userns)?;
                }
                Ok(vec![layer])
            });
        }
        let open = |path: &PathBuf| {
            Step::Root.run(path.display(), || {
                let layer = match self.userns {
                    _ if is_image(path) => mount_image(path, &[])?,
                    None => return open_host(path),
                    Some(_) => clone_tree(open_host(path)?, "", Depth::One)?,
                };
                if let Some(userns) = self.userns {
                    set_id_map(&layer, Depth::One, userns)?;
                }
                Ok(layer)
            })
        };
        self.lower.iter().map(open).collect()
    }

    fn combine(&self, mut options: Vec<String>) -> Result<OwnedFd, StepError> {
        let mut open = Vec::new();
        for (option, path) in
            self.writes.into_iter().flat_map(|(upper, work)| [("upperdir", upper), ("workdir", work)])
        {
            let folder = Step::Root.run(path.display(), || open_host(path))?;
            options.push(format!("{option}={}", fd_path(&folder)));
            open.push(folder);
        }
        options.extend(self.volatile.then(|| "volatile".to_owned()));
        options.extend(self.userxattr.then(|| "userxattr".to_owned()));
        let options = options.iter().map(String::as_str);
        // Nodes stand in /dev alone: one that came into a layer or was made there from outside opens nothing.
        let mut attributes = Attributes::NONE;
        Step::Root.apply("without device nodes", || {
            attributes = attributes.with(Attribute::Nodev);
            Ok(())
        })?;
        Step::Root.run("overlay", || new_filesystem("overlay", "overlay", options, attributes))
    }

    /// [`Overlay::mount`] by a short-lived process that attaches the layers in a mount namespace of its own: nobody else sees
    /// them, and nothing of them can be left behind. The overlay keeps clones of them, which live as long as it does.
    fn mount_with_attached_layers(&self) -> Result<OwnedFd, StepError> {
        let (ours, theirs) = Step::Channel.run("to who mounts the layers", Channel::pair)?;
        let namespaces = Namespace::Mount.clone_flag();
        let cloned =
            Step::Clone.run("layers", || clone3(&CloneRequest { namespaces, ..CloneRequest::default() }))?;
        let pidfd = match cloned {
            Cloned::Parent { pidfd, .. } => pidfd,
            Cloned::Child => {
                ours.leave_to_parent();
                let sent = match self.attach_and_combine() {
                    Ok(overlay) => theirs.send(&Message::Root, &[overlay.as_fd()]),
                    Err(error) => theirs.send(&Message::from(&error), &[]),
                };
                exit_now(i32::from(sent.is_err()));
            }
        };
        drop(theirs);
        let told = ours.expect(&Message::Root);
        let _ = waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED);
        let overlay = told?.into_iter().next();
        overlay.ok_or_else(|| Step::Root.refused("overlay", "the message brought no mount"))
    }

    fn attach_and_combine(&self) -> Result<OwnedFd, StepError> {
        Step::Propagation.run("/", || {
            set_propagation(open_host(Path::new("/"))?, Depth::Tree, PropagationType::Private)
        })?;
        let place = Step::Root.run(self.mountpoint.display(), || {
            let place = new_filesystem("tmpfs", "layers", ["mode=700"], Attributes::NONE)?;
            attach(&place, open_host(self.mountpoint)?)?;
            Ok(place)
        })?;
        let layers = self.layers()?;
        let names: Vec<String> = (0..layers.len()).map(short_name).collect();
        for (layer, name) in layers.iter().zip(&names) {
            Step::Root.run(format_args!("layer {name}"), || {
                rustix::fs::mkdirat(&place, name, Mode::RWXU)?;
                let folder = rustix::fs::openat(&place, name, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
                attach(layer, &folder)
            })?;
        }
        // Names below the working folder are short: a hundred layers fit into one option, also before Linux 6.5.
        Step::Root.run("working folder", || Ok(rustix::process::fchdir(&place)?))?;
        self.combine(vec![format!("lowerdir={}", names.join(":"))])
    }
}

/// A name of one character, or of two from the 63rd on.
fn short_name(number: usize) -> String {
    const LETTERS: &[u8; 62] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let letter = |index: usize| LETTERS.get(index % LETTERS.len()).map_or('_', |letter| char::from(*letter));
    let high = (number >= LETTERS.len()).then(|| letter(number / LETTERS.len() - 1));
    high.into_iter().chain([letter(number)]).collect()
}

/// Whether a layer is an EROFS image in a file.
fn is_image(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "erofs")
}

/// Mounts a layer's image, detached. Each container has its own mount of it, with pages of its own in memory: what a bug of the
/// kernel lets one write into them, no other sees (CVE-2022-0847).
fn mount_image(path: &Path, devices: &[PathBuf]) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = |path: &Path| Ok::<_, io::Error>(rustix::fs::open(path, flags, Mode::empty())?);
    let image = open(path)?;
    let devices = devices.iter().map(|device| open(device)).collect::<Result<Vec<_>, _>>()?;
    let options: Vec<String> = devices.iter().map(|device| format!("device={}", fd_path(device))).collect();
    new_filesystem("erofs", &fd_path(&image), options.iter().map(String::as_str), Attributes::NONE)
}

/// The lower layers as overlay options: one list where it fits into the 256 bytes that fsconfig(2) takes, and one
/// option a layer (`lowerdir+`, Linux 6.5) where it does not.
fn lower_options(lower: &[OwnedFd]) -> Vec<String> {
    let paths: Vec<String> = lower.iter().map(fd_path).collect();
    let joined = format!("lowerdir={}", paths.join(":"));
    if joined.len() < 256 {
        vec![joined]
    } else {
        paths.iter().map(|path| format!("lowerdir+={path}")).collect()
    }
}

/// The path under which the kernel finds an open descriptor of this process.
fn fd_path(fd: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::short_name;

    #[test]
    fn a_hundred_names_fit_into_one_option() {
        let names: Vec<String> = (0..100).map(short_name).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), 100);
        assert!(names.join(":").len() < 256);
    }
}
