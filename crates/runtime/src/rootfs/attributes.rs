//! The plan's mount flags in the kernel's terms.

use cofferdam_confinement::{AccessTime, Flag, MountFlags, Propagation};
use cofferdam_kernel::mount::{Atime, Attribute, Attributes, Depth, PropagationType};

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
