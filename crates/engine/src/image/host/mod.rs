//! The image `host`: the host's own `/usr`, read-only, and a cleaned `/etc`; nothing of `/root`, `/home` and `/var`.
//!
//! A small skeleton of links, empty folders and copied configuration is made once and again when one of its sources
//! has changed. `/usr` is not copied: it is a mount of the image.

mod allow_list;
mod copy;
mod skeleton;

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use cofferdam_confinement::{Flag, Mount, MountFlags, MountIdMap, MountKind, Propagation};
use cofferdam_names::ContainerPath;
use cofferdam_policy::ImageConfig;
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::ReadyImage;

/// Why the image could not be made ready.
#[derive(Debug, Error)]
pub enum HostImageError {
    /// A file could not be read or made.
    #[error("cannot make image host ready: {operation} {}", path.display())]
    Io {
        /// What was done.
        operation: &'static str,
        /// To which file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// The host keeps its programs in places that this image does not know.
    #[error("cannot make image host ready: this host has no /usr")]
    NoUsr,
}

fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> HostImageError {
    move |source| HostImageError::Io { operation, path: path.to_owned(), source }
}

/// The folders beside `/usr` that hold programs and libraries: links into it (merged /usr) or folders of their own.
const PROGRAM_FOLDERS: [&str; 6] = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"];

/// The search path of Debian's and Docker's containers.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Makes the image ready below `images` (the folder for all images) from the host whose root is `host`.
pub(crate) fn ready(images: &Path, host: &Path) -> Result<ReadyImage, HostImageError> {
    let id = fingerprint(host)?;
    let root = images.join("host").join(&id);
    if !root.exists() {
        skeleton::make(&root, host)?;
    }
    let mut mounts = vec![program_mount(host, "usr")];
    mounts.extend(
        PROGRAM_FOLDERS
            .into_iter()
            .filter(|name| is_own_folder(&host.join(name)))
            .map(|name| program_mount(host, name)),
    );
    let config =
        ImageConfig { env: vec![PATH.to_owned()], cmd: vec!["/bin/sh".to_owned()], ..ImageConfig::default() };
    Ok(ReadyImage { id: format!("host-{id}"), layers: vec![root], stack: None, mounts, config })
}

/// Whether it is a folder and not a link to one.
fn is_own_folder(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir())
}

/// A folder of programs, as the host has it, but read-only and without set-user-ID and devices.
fn program_mount(host: &Path, name: &str) -> Mount {
    let target: Result<ContainerPath, _> = format!("/{name}").parse();
    Mount {
        // The names are ours and valid.
        target: target.unwrap_or_else(|_| ContainerPath::root()),
        kind: MountKind::Bind {
            source: host.join(name),
            resolved: false,
            recursive: false,
            id_map: MountIdMap::Container { recursive: false },
        },
        flags: MountFlags { readonly: Flag::Set, nosuid: Flag::Set, nodev: Flag::Set, ..MountFlags::KEEP },
        recursive_flags: MountFlags::KEEP,
        propagation: vec![Propagation::Rprivate],
    }
}

/// A digest of what the skeleton is made from: names, inodes and change times, not contents, because it is computed at
/// each start. Tools replace or rewrite these files, and a folder's own times tell when its entries change.
fn fingerprint(host: &Path) -> Result<String, HostImageError> {
    let usr = host.join("usr");
    if !usr.is_dir() {
        return Err(HostImageError::NoUsr);
    }
    let mut hash = Sha256::new();
    hash.update([skeleton::VERSION]);
    let listed = allow_list::ENTRIES.iter().map(|entry| host.join("etc").join(entry));
    let programs = PROGRAM_FOLDERS.iter().map(|name| host.join(name));
    // The entries of /etc themselves: a new one that a pattern matches changes its times.
    for path in [host.join("etc")].into_iter().chain(listed).chain(programs) {
        let Ok(metadata) = path.symlink_metadata() else { continue };
        hash.update(path.as_os_str().as_encoded_bytes());
        for number in [metadata.ino(), metadata.size(), u64::from(metadata.mode())] {
            hash.update(number.to_le_bytes());
        }
        hash.update(metadata.mtime().to_le_bytes());
        hash.update(metadata.mtime_nsec().to_le_bytes());
    }
    Ok(hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    /// A small host: merged /usr, secrets beside what belongs.
    fn host() -> tempfile::TempDir {
        let host = tempfile::tempdir().unwrap();
        let path = |name: &str| host.path().join(name);
        for folder in [
            "usr/bin",
            "etc/ssl/certs",
            "etc/ssl/private",
            "etc/apt/auth.conf.d",
            "etc/apt/sources.list.d",
            "etc/python3.11",
            "root",
            "home/me",
            "var/lib",
            "lib64",
        ] {
            std::fs::create_dir_all(path(folder)).unwrap();
        }
        symlink("usr/bin", path("bin")).unwrap();
        symlink("/usr/share/zoneinfo/UTC", path("etc/localtime")).unwrap();
        for (file, text) in [
            ("etc/nsswitch.conf", "hosts: files"),
            ("etc/python3.11/sitecustomize.py", "#"),
            ("etc/ssl/certs/a.pem", "cert"),
            ("etc/ssl/private/a.key", "secret"),
            ("etc/shadow", "secret"),
            ("etc/machine-id", "secret"),
            ("etc/apt/auth.conf.d/x", "secret"),
            ("etc/apt/sources.list", "deb http://deb.example/ stable main\ndeb https://me:secret@x/ a b\n"),
            ("etc/apt/sources.list.d/x.list", "deb https://example/ stable main\n"),
            ("etc/npmrc", "secret"),
            ("etc/profile", "secret"),
            ("root/key", "secret"),
        ] {
            std::fs::write(path(file), text).unwrap();
        }
        std::fs::set_permissions(path("etc/profile"), PermissionsExt::from_mode(0o640)).unwrap();
        host
    }

    fn texts(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                texts(&entry.path(), found);
            } else if kind.is_file() {
                found.push((entry.path(), std::fs::read_to_string(entry.path()).unwrap()));
            }
        }
    }

    #[test]
    fn what_belongs_is_there_and_no_secret_is() {
        let (host, images) = (host(), tempfile::tempdir().unwrap());
        let image = ready(images.path(), host.path()).unwrap();
        let root = &image.layers[0];
        assert_eq!(std::fs::read_link(root.join("bin")).unwrap(), Path::new("usr/bin"));
        assert_eq!(
            std::fs::read_link(root.join("etc/localtime")).unwrap(),
            Path::new("/usr/share/zoneinfo/UTC")
        );
        for file in [
            "etc/nsswitch.conf",
            "etc/python3.11/sitecustomize.py",
            "etc/ssl/certs/a.pem",
            "etc/apt/sources.list.d/x.list",
            "etc/passwd",
            "etc/group",
        ] {
            assert!(root.join(file).is_file(), "{file}");
        }
        for folder in ["usr", "root", "home/user", "proc", "sys", "dev", "run/lock", "var/tmp", "tmp"] {
            assert!(std::fs::read_dir(root.join(folder)).unwrap().next().is_none(), "{folder}");
        }
        let mode = |name: &str| std::fs::metadata(root.join(name)).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode("tmp"), mode("root"), mode("etc")), (0o1777, 0o700, 0o755));
        let mut found = Vec::new();
        texts(root, &mut found);
        for (path, text) in found {
            assert!(!text.contains("secret"), "{}", path.display());
        }
        let targets: Vec<_> = image.mounts.iter().map(|mount| mount.target.as_str()).collect();
        assert_eq!(targets, ["/usr", "/lib64"]);
    }

    #[test]
    fn a_changed_source_makes_a_new_version_and_the_same_one_is_kept() {
        let (host, images) = (host(), tempfile::tempdir().unwrap());
        let first = ready(images.path(), host.path()).unwrap();
        assert_eq!(ready(images.path(), host.path()).unwrap(), first);
        std::fs::write(host.path().join("etc/nsswitch.conf"), "hosts: files dns").unwrap();
        let second = ready(images.path(), host.path()).unwrap();
        assert_ne!(second.id, first.id);
        let text = std::fs::read_to_string(second.layers[0].join("etc/nsswitch.conf")).unwrap();
        assert_eq!(text, "hosts: files dns");
        assert!(first.layers[0].exists(), "a running container still uses it");
    }
}
