//! Paths inside a container's root: resolved by openat2(2) below a descriptor, never by joining strings.
//!
//! An image decides what stands in its root: every component may be a symbolic link, and one that points outside is
//! resolved as the container itself would resolve it (CVE-2021-30465, CVE-2023-27561, CVE-2026-41579).

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use cofferdam_names::ContainerPath;
use rustix::fs::{Mode, OFlags, ResolveFlags, mkdirat, openat2, readlinkat};
use rustix::io::Errno;

/// How often a dangling link is followed while folders are made (path_resolution(7) stops at 40 as well).
const MAX_LINKS: u32 = 40;

/// A descriptor of a container's root folder.
#[derive(Debug)]
pub struct RootDir(OwnedFd);

impl RootDir {
    /// Takes the root's descriptor (`O_PATH` is enough).
    #[must_use]
    pub fn new(root: OwnedFd) -> Self {
        Self(root)
    }

    /// Opens what stands at `path`, with a last link followed.
    pub fn open(&self, path: &str, flags: OFlags) -> io::Result<OwnedFd> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        loop {
            // EAGAIN: a rename somewhere raced with the look-up (openat2(2)); the kernel asks to try again.
            match openat2(&self.0, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                other => return Ok(other?),
            }
        }
    }

    /// Opens what stands at `path` for use as a mount target.
    pub fn open_path(&self, path: &ContainerPath) -> io::Result<OwnedFd> {
        self.open(path.relative(), OFlags::PATH)
    }

    /// Opens the folder at `path`, with every missing part made (0755).
    pub fn make_dir_all(&self, path: &ContainerPath) -> io::Result<OwnedFd> {
        self.make_dirs(path.relative(), MAX_LINKS)
    }

    fn make_dirs(&self, path: &str, links_left: u32) -> io::Result<OwnedFd> {
        let folder = OFlags::PATH | OFlags::DIRECTORY;
        match self.open(path, folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
        let trimmed = path.trim_end_matches('/');
        let (parent, name) = trimmed.rsplit_once('/').unwrap_or((".", trimmed));
        let parent_fd = self.make_dirs(if parent.is_empty() { "." } else { parent }, links_left)?;
        match mkdirat(&parent_fd, name, Mode::from_raw_mode(0o755)) {
            // It exists and does not resolve: a dangling link. What it names is made, inside the root.
            Err(Errno::EXIST) => match link_target(&parent_fd, parent, name)? {
                Some(target) => self.make_dirs(&target, links_left.checked_sub(1).ok_or(Errno::LOOP)?),
                None => self.open(path, folder),
            },
            Ok(()) => self.open(path, folder),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens the folder at `path`, made where nothing stands, and refuses a link in its place. For what the kernel shows of
    /// itself: where an image's link turns `/proc` to a place that others can write to, masks would be put elsewhere
    /// (CVE-2019-19921).
    pub fn make_plain_dir(&self, path: &ContainerPath) -> io::Result<OwnedFd> {
        let (parent, name) = self.make_parent(path)?;
        match mkdirat(&parent, name, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(&parent, name, flags, Mode::empty()).map_err(|error| match error {
            Errno::NOTDIR | Errno::LOOP => io::Error::other("it must be mounted on ordinary directory"),
            other => other.into(),
        })
    }

    /// Opens what stands at `path`, made as an empty file where nothing stands. Where a link leads to nothing, what it names
    /// is made, inside the root.
    pub fn make_file(&self, path: &ContainerPath) -> io::Result<OwnedFd> {
        self.make_file_at(path.relative(), MAX_LINKS)
    }

    fn make_file_at(&self, path: &str, links_left: u32) -> io::Result<OwnedFd> {
        match self.open(path, OFlags::PATH) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
        let (parent, name) = split_name(path)?;
        let folder = self.make_dirs(parent, links_left)?;
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat(&folder, name, flags, Mode::from_raw_mode(0o644)) {
            Ok(_) => self.open(path, OFlags::PATH),
            Err(Errno::EXIST) => match link_target(&folder, parent, name)? {
                Some(target) => self.make_file_at(&target, links_left.checked_sub(1).ok_or(Errno::LOOP)?),
                None => self.open(path, OFlags::PATH),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// Opens the folder that holds `path`, made where it is missing; gives the last name as well.
    pub fn make_parent<'p>(&self, path: &'p ContainerPath) -> io::Result<(OwnedFd, &'p str)> {
        let (parent, name) = split_name(path.relative())?;
        Ok((self.make_dirs(parent, MAX_LINKS)?, name))
    }
}

/// A relative path's folder and last name.
fn split_name(path: &str) -> io::Result<(&str, &str)> {
    let path = path.trim_end_matches('/');
    match path.rsplit_once('/').unwrap_or((".", path)) {
        (_, "" | "." | "..") => Err(io::Error::new(io::ErrorKind::InvalidInput, "the path ends in no name")),
        ("", name) => Ok((".", name)),
        found => Ok(found),
    }
}

/// Where a link in `folder`, which stands at `parent` below the root, leads to, from the root; none where it is no link.
fn link_target(folder: &OwnedFd, parent: &str, name: &str) -> io::Result<Option<String>> {
    let target = match readlinkat(folder, name, Vec::new()) {
        Ok(target) => target.into_string().map_err(io::Error::other)?,
        Err(Errno::INVAL | Errno::NOENT) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let inside = match target.strip_prefix('/') {
        Some(absolute) => absolute.trim_start_matches('/').to_owned(),
        None => format!("{parent}/{target}"),
    };
    Ok(Some(if inside.is_empty() { ".".to_owned() } else { inside }))
}

impl AsFd for RootDir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn root() -> (tempfile::TempDir, RootDir) {
        let folder = tempfile::tempdir().unwrap();
        let root = std::fs::File::open(folder.path()).unwrap().into();
        (folder, RootDir::new(root))
    }

    fn path(text: &str) -> ContainerPath {
        text.parse().unwrap()
    }

    #[test]
    fn folders_and_files_are_made_below_the_root() {
        let (folder, root) = root();
        root.make_dir_all(&path("/a/b/../c")).unwrap();
        assert!(folder.path().join("a/c").is_dir());
        root.make_file(&path("/x/y/file")).unwrap();
        root.make_file(&path("/x/y/file")).unwrap();
        assert!(folder.path().join("x/y/file").is_file());
        assert!(root.make_file(&path("/missing/..")).is_err());
    }

    #[test]
    fn a_link_out_of_the_root_stays_inside() {
        let (folder, root) = root();
        let outside = tempfile::tempdir().unwrap();
        symlink(outside.path(), folder.path().join("etc")).unwrap();
        symlink("/run", folder.path().join("dangling")).unwrap();
        symlink("../../../../up", folder.path().join("climb")).unwrap();
        root.make_file(&path("/etc/hostname")).unwrap();
        root.make_dir_all(&path("/dangling/lock")).unwrap();
        root.make_dir_all(&path("/climb/x")).unwrap();
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
        assert!(folder.path().join("run/lock").is_dir());
        assert!(folder.path().join("up/x").is_dir());
        assert!(folder.path().join(outside.path().strip_prefix("/").unwrap()).join("hostname").is_file());
    }

    #[test]
    fn cve_2019_19921_a_plain_folder_is_no_link() {
        let (folder, root) = root();
        symlink("/elsewhere", folder.path().join("proc")).unwrap();
        std::fs::create_dir(folder.path().join("elsewhere")).unwrap();
        symlink("/elsewhere", folder.path().join("up")).unwrap();
        std::fs::write(folder.path().join("file"), "").unwrap();
        for refused in ["/proc", "/file"] {
            let error = root.make_plain_dir(&path(refused)).unwrap_err();
            assert!(error.to_string().contains("ordinary directory"), "{refused}: {error}");
        }
        root.make_plain_dir(&path("/new/sys")).unwrap();
        root.make_plain_dir(&path("/up/sys")).unwrap();
        assert!(folder.path().join("new/sys").is_dir() && folder.path().join("elsewhere/sys").is_dir());
    }

    #[test]
    fn a_file_is_made_where_a_dangling_link_leads_inside_the_root() {
        let (folder, root) = root();
        std::fs::create_dir(folder.path().join("etc")).unwrap();
        symlink("/tmp/foo/bar", folder.path().join("jump")).unwrap();
        symlink("/jump/baz/hosts", folder.path().join("etc/hosts")).unwrap();
        symlink("../../../up/here", folder.path().join("etc/relative")).unwrap();
        root.make_file(&path("/etc/hosts")).unwrap();
        root.make_file(&path("/etc/relative")).unwrap();
        assert!(folder.path().join("tmp/foo/bar/baz/hosts").is_file());
        assert!(folder.path().join("up/here").is_file());
    }

    #[test]
    fn links_in_a_circle_end_with_an_error() {
        let (folder, root) = root();
        symlink("b", folder.path().join("a")).unwrap();
        symlink("a", folder.path().join("b")).unwrap();
        assert!(root.make_dir_all(&path("/a/x")).is_err());
        assert!(root.make_file(&path("/a")).is_err());
    }

    #[test]
    fn a_magic_link_is_not_followed() {
        let (folder, root) = root();
        symlink("/proc/self/fd/0", folder.path().join("cwd")).unwrap();
        let proc_root = RootDir::new(std::fs::File::open("/").unwrap().into());
        assert!(proc_root.open_path(&path("/proc/self/cwd/x")).is_err());
        assert!(root.open_path(&path("/cwd")).is_err());
    }
}
