//! The skeleton root of image `host`.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use super::allow_list::{ENTRIES, VERSIONED};
use super::{HostImageError, PROGRAM_FOLDERS, copy, failed, is_own_folder};

/// Grows with each change of this code that makes another skeleton from the same host.
pub(super) const VERSION: u8 = 1;

/// Empty folders and their permission bits, parents first.
const FOLDERS: &[(&str, u32)] = &[
    ("usr", 0o755),
    ("etc", 0o755),
    ("proc", 0o555),
    ("sys", 0o555),
    ("dev", 0o755),
    ("run", 0o755),
    ("run/lock", 0o1777),
    ("tmp", 0o1777),
    ("root", 0o700),
    ("home", 0o755),
    ("home/user", 0o755),
    ("mnt", 0o755),
    ("opt", 0o755),
    ("srv", 0o755),
    ("media", 0o755),
    ("var", 0o755),
    ("var/cache", 0o755),
    ("var/lib", 0o755),
    ("var/log", 0o755),
    ("var/spool", 0o755),
    ("var/tmp", 0o1777),
];

/// Users that programs expect, and one ordinary one.
const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n\
    daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n\
    bin:x:2:2:bin:/bin:/usr/sbin/nologin\n\
    mail:x:8:8:mail:/var/mail:/usr/sbin/nologin\n\
    www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\n\
    user:x:1000:1000:user:/home/user:/bin/sh\n\
    nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";

/// Their groups, and those that own terminals and devices.
const GROUP: &str = "root:x:0:\ndaemon:x:1:\nbin:x:2:\nadm:x:4:\ntty:x:5:\ndisk:x:6:\nmail:x:8:\nwww-data:x:33:\n\
    shadow:x:42:\nutmp:x:43:\nvideo:x:44:\nstaff:x:50:\nusers:x:100:\nuser:x:1000:\nnogroup:x:65534:\n";

/// Makes the skeleton at `root`, whole or not at all: it is built beside it and renamed. Another process that makes the
/// same one at the same time is no fault.
pub(super) fn make(root: &Path, host: &Path) -> Result<(), HostImageError> {
    let parent = root.parent().unwrap_or(root);
    fs::create_dir_all(parent).map_err(failed("make folder", parent))?;
    let draft = parent.join(format!(".draft-{}", std::process::id()));
    // From a process of the same number that was killed.
    match fs::remove_dir_all(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed("remove", &draft)(error)),
        _ => {}
    }
    let made = fill(&draft, host).and_then(|()| keep(&draft, root));
    if made.is_err() || draft.exists() {
        // What the error says matters more than a draft that stays; the next draft of this name removes it.
        let _ = fs::remove_dir_all(&draft);
    }
    made
}

/// Gives the draft its name, once its files are on the disk: after a power cut the name must not stand for empty files.
fn keep(draft: &Path, root: &Path) -> Result<(), HostImageError> {
    let folder = fs::File::open(draft).map_err(failed("open", draft))?;
    rustix::fs::syncfs(&folder).map_err(|error| failed("sync", draft)(error.into()))?;
    match fs::rename(draft, root) {
        Err(_) if root.exists() => Ok(()),
        other => other.map_err(failed("rename", draft)),
    }
}

fn fill(draft: &Path, host: &Path) -> Result<(), HostImageError> {
    copy::folder(draft)?;
    for (name, mode) in FOLDERS {
        let path = draft.join(name);
        copy::folder(&path)?;
        set_mode(&path, *mode)?;
    }
    if rustix::process::geteuid().is_root() {
        let home = draft.join("home/user");
        // An ordinary user's engine cannot, and its containers have no other ids to be either.
        std::os::unix::fs::chown(&home, Some(1000), Some(1000)).map_err(failed("set owner of", &home))?;
    }
    for name in PROGRAM_FOLDERS {
        let (from, to) = (host.join(name), draft.join(name));
        if is_own_folder(&from) {
            copy::folder(&to)?;
        } else {
            copy::entry(&from, &to)?;
        }
    }
    for (link, target) in [("var/run", "/run"), ("var/lock", "/run/lock"), ("etc/mtab", "/proc/mounts")] {
        let path = draft.join(link);
        symlink(target, &path).map_err(failed("make link", &path))?;
    }
    copy_etc(&draft.join("etc"), &host.join("etc"))?;
    for (name, text) in
        [("passwd", PASSWD), ("group", GROUP), ("hostname", ""), ("hosts", ""), ("resolv.conf", "")]
    {
        copy::file(&draft.join("etc").join(name), text.as_bytes(), 0o644)?;
    }
    Ok(())
}

fn copy_etc(to: &Path, from: &Path) -> Result<(), HostImageError> {
    for entry in ENTRIES {
        let source = from.join(entry);
        if source.symlink_metadata().is_err() {
            continue;
        }
        let target = to.join(entry);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).map_err(failed("make folder", parent))?;
        }
        copy::entry(&source, &target)?;
    }
    for entry in fs::read_dir(from).map_err(failed("read folder", from))? {
        let name = entry.map_err(failed("read folder", from))?.file_name();
        if VERSIONED.iter().any(|start| name.to_string_lossy().starts_with(start)) {
            copy::entry(&from.join(&name), &to.join(&name))?;
        }
    }
    Ok(())
}

fn set_mode(path: &Path, mode: u32) -> Result<(), HostImageError> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(failed("set permissions of", path))
}
