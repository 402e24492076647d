//! The mount API of Linux 5.2 and later (fsopen(2), open_tree(2), move_mount(2)) and mount_setattr(2).
//!
//! Everything works on descriptors: a mount is made or cloned detached, changed while nobody can see it, and attached
//! to a target that was opened before, so that no path is resolved twice.
#![allow(unsafe_code, reason = "mount_setattr has no safe wrapper")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use linux_raw_sys::general::{
    AT_EMPTY_PATH, AT_RECURSIVE, MOUNT_ATTR__ATIME, MOUNT_ATTR_IDMAP, MOUNT_ATTR_NOATIME, MOUNT_ATTR_NODEV,
    MOUNT_ATTR_NODIRATIME, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NOSYMFOLLOW, MOUNT_ATTR_RDONLY,
    MOUNT_ATTR_RELATIME, MOUNT_ATTR_STRICTATIME, mount_attr,
};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};

/// Attributes to set and to clear on a mount; the bits are the kernel's `MOUNT_ATTR_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attributes {
    set: u64,
    clear: u64,
}

/// One attribute of a mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the kernel's")]
pub enum Attribute {
    Rdonly,
    Nosuid,
    Nodev,
    Noexec,
    Nosymfollow,
    Nodiratime,
}

/// How access times are kept; exactly one of them holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the kernel's")]
pub enum Atime {
    Relatime,
    Noatime,
    Strictatime,
}

impl Attribute {
    const fn bit(self) -> u64 {
        (match self {
            Self::Rdonly => MOUNT_ATTR_RDONLY,
            Self::Nosuid => MOUNT_ATTR_NOSUID,
            Self::Nodev => MOUNT_ATTR_NODEV,
            Self::Noexec => MOUNT_ATTR_NOEXEC,
            Self::Nosymfollow => MOUNT_ATTR_NOSYMFOLLOW,
            Self::Nodiratime => MOUNT_ATTR_NODIRATIME,
        }) as u64
    }
}

impl Attributes {
    /// Nothing to change.
    pub const NONE: Self = Self { set: 0, clear: 0 };

    /// Adds one to set.
    #[must_use]
    pub const fn with(mut self, attribute: Attribute) -> Self {
        self.set |= attribute.bit();
        self
    }

    /// Adds one to clear.
    #[must_use]
    pub const fn without(mut self, attribute: Attribute) -> Self {
        self.clear |= attribute.bit();
        self
    }

    /// Changes how access times are kept. The kernel wants the whole field cleared for that.
    #[must_use]
    pub const fn atime(mut self, atime: Atime) -> Self {
        self.clear |= MOUNT_ATTR__ATIME as u64;
        self.set |= match atime {
            Atime::Relatime => MOUNT_ATTR_RELATIME,
            Atime::Noatime => MOUNT_ATTR_NOATIME,
            Atime::Strictatime => MOUNT_ATTR_STRICTATIME,
        } as u64;
        self
    }

    /// Whether there is nothing to change.
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.set == 0 && self.clear == 0
    }

    /// Without what is to be cleared: a new mount has nothing to clear, and fsmount(2) only sets.
    #[must_use]
    pub const fn only_set(self) -> Self {
        Self { set: self.set, clear: 0 }
    }

    /// The same without read-only.
    #[must_use]
    pub const fn writable(self) -> Self {
        Self { set: self.set & !Attribute::Rdonly.bit(), clear: self.clear }
    }

    /// Whether it sets this one.
    #[must_use]
    pub const fn sets(self, attribute: Attribute) -> bool {
        self.set & attribute.bit() != 0
    }

    /// The attributes to set, as fsmount(2) takes them.
    fn for_fsmount(self) -> MountAttrFlags {
        MountAttrFlags::from_bits_retain(u32::try_from(self.set).unwrap_or(u32::MAX))
    }
}

/// Whether a change covers the mounts below as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// This mount alone.
    One,
    /// This mount and all below it.
    Tree,
}

fn setattr(mount: BorrowedFd<'_>, depth: Depth, attr: &mount_attr) -> io::Result<()> {
    let flags = AT_EMPTY_PATH | if depth == Depth::Tree { AT_RECURSIVE } else { 0 };
    // SAFETY: the path is the empty NUL-ended text, `attr` is live for the call and its true size is given.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            std::ptr::from_ref(attr),
            size_of::<mount_attr>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

const NO_CHANGE: mount_attr = mount_attr { attr_set: 0, attr_clr: 0, propagation: 0, userns_fd: 0 };

/// Changes attributes of a mount (mount_setattr(2)).
pub fn set_attributes(mount: impl AsFd, depth: Depth, attributes: Attributes) -> io::Result<()> {
    if attributes.is_none() {
        return Ok(());
    }
    setattr(
        mount.as_fd(),
        depth,
        &mount_attr { attr_set: attributes.set, attr_clr: attributes.clear, ..NO_CHANGE },
    )
}

/// Makes a detached mount show the ids of the user namespace `userns` (the file `/proc/PID/ns/user`).
pub fn set_id_map(mount: impl AsFd, depth: Depth, userns: impl AsFd) -> io::Result<()> {
    let userns_fd = userns.as_fd().as_raw_fd() as u64;
    setattr(mount.as_fd(), depth, &mount_attr { attr_set: MOUNT_ATTR_IDMAP as u64, userns_fd, ..NO_CHANGE })
}

/// Changes how mount events travel; `propagation` is one of `MS_PRIVATE`, `MS_SLAVE`, `MS_SHARED`, `MS_UNBINDABLE`.
pub fn set_propagation(mount: impl AsFd, depth: Depth, propagation: PropagationType) -> io::Result<()> {
    let propagation = match propagation {
        PropagationType::Private => libc::MS_PRIVATE,
        PropagationType::Slave => libc::MS_SLAVE,
        PropagationType::Shared => libc::MS_SHARED,
        PropagationType::Unbindable => libc::MS_UNBINDABLE,
    };
    setattr(mount.as_fd(), depth, &mount_attr { propagation, ..NO_CHANGE })
}

/// The four kinds of propagation (mount_namespaces(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the kernel's")]
pub enum PropagationType {
    Private,
    Slave,
    Shared,
    Unbindable,
}

/// Opens an absolute path as the source of a mount, in which no link may stand, neither on the way nor at the end
/// (openat2(2), `RESOLVE_NO_SYMLINKS`): for a path that was resolved before, by whoever decided that it may be shown.
pub fn open_without_links(path: &Path) -> io::Result<OwnedFd> {
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    loop {
        match openat2(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve) {
            // A rename somewhere raced with the look-up: the kernel asks to try again (openat2(2)).
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(Errno::LOOP) => {
                let why = "a symbolic link stands in this path, where none stood when it was admitted";
                return Err(io::Error::other(why));
            }
            other => return Ok(other?),
        }
    }
}

/// A detached copy of the mount that holds the file `at`/`path` (open_tree(2), `OPEN_TREE_CLONE`).
/// A path that ends in a symbolic link is not followed; an empty path means `at` itself.
pub fn clone_tree(at: impl AsFd, path: &str, depth: Depth) -> io::Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_SYMLINK_NOFOLLOW;
    if path.is_empty() {
        flags |= OpenTreeFlags::AT_EMPTY_PATH;
    }
    if depth == Depth::Tree {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    Ok(open_tree(at, path, flags)?)
}

/// Makes a new file system, detached. Options are `key=value` or a bare `flag`.
///
/// A new file system that the kernel refuses says why in its own log, which is read into the error.
pub fn new_filesystem<'o>(
    fstype: &str,
    source: &str,
    options: impl IntoIterator<Item = &'o str>,
    attributes: Attributes,
) -> io::Result<OwnedFd> {
    let context = fsopen(fstype, FsOpenFlags::FSOPEN_CLOEXEC)?;
    let configure = || -> io::Result<()> {
        if !source.is_empty() {
            fsconfig_set_string(&context, "source", source)?;
        }
        for option in options {
            match option.split_once('=') {
                Some((key, value)) => fsconfig_set_string(&context, key, value),
                None => fsconfig_set_flag(&context, option),
            }
            .map_err(|errno| {
                io::Error::new(io::Error::from(errno).kind(), format!("option {option:?}: {errno}"))
            })?;
        }
        Ok(fsconfig_create(&context)?)
    };
    configure().map_err(|error| explain(&context, error))?;
    Ok(fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes.for_fsmount())?)
}

/// Adds what the file system context logged to an error (fsopen(2): each read gives one message, then ENODATA).
fn explain(context: &OwnedFd, error: io::Error) -> io::Error {
    let mut text = [0u8; 512];
    match rustix::io::read(context, &mut text) {
        Ok(length) if length > 0 => {
            let said = String::from_utf8_lossy(text.get(..length).unwrap_or_default());
            io::Error::new(error.kind(), format!("{error} ({})", said.trim_start_matches("e ").trim()))
        }
        _ => error,
    }
}

/// Attaches a detached mount at the open file or folder `target`.
pub fn attach(mount: impl AsFd, target: impl AsFd) -> io::Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    Ok(move_mount(mount, "", target, "", flags)?)
}

/// Attaches a detached mount on a host path, which is followed to its end.
pub fn attach_at_path(mount: impl AsFd, path: &Path) -> io::Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_SYMLINKS;
    Ok(move_mount(mount, "", CWD, path, flags)?)
}
