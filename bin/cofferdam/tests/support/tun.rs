//! `/dev/net/tun` as ordinary users have it on most machines, in a mount namespace of the calling thread's own.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use cofferdam_kernel::namespace::{Namespace, unshare};
use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use rustix::mount::{MountPropagationFlags, mount_bind, mount_change};

/// Puts a node that everybody may open in the place of the machine's own, for this thread and all commands that it runs.
pub fn give_to_all(folder: &Path) {
    put(folder, 0o666);
}

/// Puts one that nobody but root may open.
pub fn keep_from_all(folder: &Path) {
    put(folder, 0o600);
}

fn put(folder: &Path, mode: u32) {
    unshare(Namespace::Mount).unwrap();
    let flags = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", flags).unwrap();
    let node = folder.join(format!("tun-{mode:o}"));
    mknodat(CWD, &node, FileType::CharacterDevice, Mode::from_raw_mode(mode), makedev(10, 200)).unwrap();
    std::fs::set_permissions(&node, std::fs::Permissions::from_mode(mode)).unwrap();
    mount_bind(&node, "/dev/net/tun").unwrap();
}
