//! The plan's mount flags in the kernel's terms.

use std::io;
use std::os::fd::AsFd;

use cofferdam_confinement::{AccessTime, Flag, MountFlags, Propagation};
use cofferdam_kernel::mount::{Atime, Attribute, Attributes, Depth, PropagationType, set_propagation};

/// The attributes that mount_setattr(2) gets for these flags.
pub(super) fn attributes(flags: &MountFlags) -> Attributes {
    let each = [
        (flags.readonly, Attribute::Rdonly),
        (flags.nosuid, Attribute::Nosuid),
        (flags.nodev, Attribute::Nodev),
        (flags.noexec, Attribute::Noexec),
        (flags.nosymfollow, Attribute::Nosymfollow),
        (flags.nodiratime, Attribute::Nodiratime),
    ];
    let plain = each.into_iter().fold(Attributes::NONE, |all, (flag, attribute)| match flag {
        Flag::Keep => all,
        Flag::Set => all.with(attribute),
        Flag::Clear => all.without(attribute),
    });
    match flags.access_time {
        None => plain,
        Some(AccessTime::Relatime) => plain.atime(Atime::Relatime),
        Some(AccessTime::Noatime) => plain.atime(Atime::Noatime),
        Some(AccessTime::Strictatime) => plain.atime(Atime::Strictatime),
    }
}

/// The kernel's kind and depth of a propagation.
pub(super) fn propagation(propagation: Propagation) -> (PropagationType, Depth) {
    let kind = match propagation {
        Propagation::Private | Propagation::Rprivate => PropagationType::Private,
        Propagation::Slave | Propagation::Rslave => PropagationType::Slave,
        Propagation::Shared | Propagation::Rshared => PropagationType::Shared,
        Propagation::Unbindable | Propagation::Runbindable => PropagationType::Unbindable,
    };
    (kind, if propagation.is_recursive() { Depth::Tree } else { Depth::One })
}

/// Takes a fresh clone of host's mounts out of their peer groups: what is mounted below it in the container may not appear on
/// the host. What the host mounts later appears in the container, as the root's propagation says. Only a root that is
/// shared itself leaves mounts as they are: the caller then says of each what it should be.
pub(super) fn set_base(root: Propagation, clone: impl AsFd) -> io::Result<()> {
    match root {
        Propagation::Shared | Propagation::Rshared => Ok(()),
        Propagation::Private | Propagation::Rprivate => {
            set_propagation(clone, Depth::Tree, PropagationType::Private)
        }
        _ => set_propagation(clone, Depth::Tree, PropagationType::Slave),
    }
}
