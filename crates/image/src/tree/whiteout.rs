//! Deletions in layers: as a tar names them (OCI image-spec, layer.md, "Whiteouts") and as an overlay file system keeps them on
//! a disk (kernel: filesystems/overlayfs.rst, "whiteouts and opaque directories").

use std::ffi::{CStr, OsStr};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use cofferdam_kernel::credentials::is_root_of_host;
use rustix::fs::{
    AtFlags, FileType, Mode, Statx, StatxFlags, XattrFlags, fgetxattr, fsetxattr, mknodat, statx,
};
use rustix::io::Errno;

use super::{TreeSink, invalid};

/// What the name of a deletion begins with; what follows is the name of what is deleted.
const PREFIX: &[u8] = b".wh.";

/// What the name begins with of what an older union file system (aufs) kept for itself.
const OWN_PREFIX: &[u8] = b".wh..wh.";

/// The name of the file that makes its folder hide those below.
pub const OPAQUE: &[u8] = b".wh..wh..opq";

/// Passes on an entry of a layer that is no file but a deletion. Whether it was one.
pub(super) fn pass_on(path: &Path, sink: &mut dyn TreeSink) -> io::Result<bool> {
    let mut parts = path.components().rev();
    let Some(Component::Normal(name)) = parts.next() else { return Ok(false) };
    // What aufs kept for itself are no files of the image, whatever lies in its folders.
    let own = |part: Component<'_>| part.as_os_str().as_bytes().starts_with(OWN_PREFIX);
    if name.as_bytes() != OPAQUE && path.components().any(own) {
        return Ok(true);
    }
    if parts.any(|part| part.as_os_str().as_bytes().starts_with(PREFIX)) {
        return Err(invalid("it lies in what is marked as deleted"));
    }
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    match name.as_bytes().strip_prefix(PREFIX) {
        None => Ok(false),
        Some(_) if name.as_bytes() == OPAQUE => sink.opaque(folder).map(|()| true),
        Some(b"" | b"." | b"..") => Err(invalid("it deletes a folder from within")),
        Some(deleted) => sink.whiteout(&folder.join(OsStr::from_bytes(deleted))).map(|()| true),
    }
}

/// Whether a name means a deletion wherever it stands in a layer.
pub(super) fn is_reserved(name: &OsStr) -> bool {
    name.as_bytes().starts_with(PREFIX)
}

/// The path of a tar's entry that deletes what has this path.
pub(super) fn entry_for(path: &Path) -> std::path::PathBuf {
    let mut name = PREFIX.to_vec();
    name.extend(path.file_name().unwrap_or_default().as_bytes());
    path.with_file_name(OsStr::from_bytes(&name))
}

/// Where an overlay keeps its marks: `trusted.` as root, `user.` for one that an ordinary user mounts (`userxattr`), also as root
/// of a user namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marks {
    /// `trusted.overlay.`
    Trusted,
    /// `user.overlay.`
    User,
}

impl Marks {
    /// Those of an overlay that this process mounts.
    #[must_use]
    pub fn own() -> Self {
        if is_root_of_host() { Self::Trusted } else { Self::User }
    }

    fn opaque(self) -> &'static CStr {
        match self {
            Self::Trusted => c"trusted.overlay.opaque",
            Self::User => c"user.overlay.opaque",
        }
    }

    /// Marks an open folder as hiding those below.
    pub(super) fn set_opaque(self, folder: impl AsFd) -> io::Result<()> {
        Ok(fsetxattr(folder, self.opaque(), b"y", XattrFlags::empty())?)
    }

    /// Whether an open folder hides those below. One that leads to another place is refused: an overlay writes such marks only
    /// where it is told to, and nothing here follows them.
    pub(super) fn is_opaque(self, folder: impl AsFd) -> io::Result<bool> {
        let redirect = match self {
            Self::Trusted => c"trusted.overlay.redirect",
            Self::User => c"user.overlay.redirect",
        };
        if read(&folder, redirect)?.is_some() {
            return Err(invalid("the overlay has renamed this folder by a mark, which is not read"));
        }
        Ok(read(&folder, self.opaque())?.is_some_and(|value| value == b"y"))
    }
}

fn read(file: impl AsFd, name: &CStr) -> io::Result<Option<Vec<u8>>> {
    let mut value = Vec::with_capacity(256);
    match fgetxattr(file, name, rustix::buffer::spare_capacity(&mut value)) {
        Ok(_) => Ok(Some(value)),
        Err(Errno::NODATA | Errno::NOTSUP) => Ok(None),
        // Longer than any that is known: there is one.
        Err(Errno::RANGE) => Ok(Some(Vec::new())),
        Err(error) => Err(error.into()),
    }
}

/// Whether what was looked at is an overlay's mark of a deletion.
#[must_use]
pub fn is_whiteout(stat: &Statx) -> bool {
    FileType::from_raw_mode(stat.stx_mode.into()) == FileType::CharacterDevice
        && (stat.stx_rdev_major, stat.stx_rdev_minor) == (0, 0)
}

/// Whether this name in a folder is an overlay's mark of a deletion.
pub(super) fn is_there(folder: impl AsFd, name: &OsStr) -> bool {
    statx(folder, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS)
        .is_ok_and(|stat| is_whiteout(&stat))
}

/// Makes an overlay's mark of a deletion.
pub(super) fn make(folder: impl AsFd, name: &OsStr) -> io::Result<()> {
    Ok(mknodat(folder, name, FileType::CharacterDevice, Mode::empty(), rustix::fs::makedev(0, 0))?)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::Attributes;
    use super::*;

    #[derive(Default)]
    struct Heard(Vec<(char, PathBuf)>);

    impl TreeSink for Heard {
        fn folder(&mut self, _: &Path, _: &Attributes) -> io::Result<()> {
            Ok(())
        }
        fn file(&mut self, _: &Path, _: &Attributes, _: u64, _: &mut dyn io::Read) -> io::Result<()> {
            Ok(())
        }
        fn link(&mut self, _: &Path, _: &Attributes, _: &[u8]) -> io::Result<()> {
            Ok(())
        }
        fn hard_link(&mut self, _: &Path, _: &Path) -> io::Result<()> {
            Ok(())
        }
        fn whiteout(&mut self, path: &Path) -> io::Result<()> {
            self.0.push(('w', path.to_owned()));
            Ok(())
        }
        fn opaque(&mut self, folder: &Path) -> io::Result<()> {
            self.0.push(('o', folder.to_owned()));
            Ok(())
        }
    }

    #[test]
    fn names_tell_deletions_from_files() {
        for (path, heard) in [
            ("a/.wh.b", Some(Some(('w', "a/b")))),
            (".wh.b", Some(Some(('w', "b")))),
            ("a/.wh..wh..opq", Some(Some(('o', "a")))),
            (".wh..wh..opq", Some(Some(('o', "")))),
            ("./.wh..wh.plnk/1.2", Some(None)),
            (".wh..wh.aufs", Some(None)),
            ("a/wh.b", None),
            ("a/.whb", None),
            ("", None),
        ] {
            let mut sink = Heard::default();
            let was_one = pass_on(Path::new(path), &mut sink).unwrap();
            assert_eq!(was_one, heard.is_some(), "{path}");
            let heard = heard.flatten().map(|(kind, path)| (kind, PathBuf::from(path)));
            assert_eq!(sink.0.pop(), heard, "{path}");
        }
    }

    #[test]
    fn tricks_with_deletions_are_refused() {
        for path in [".wh.", "a/.wh..", "a/.wh...", ".wh.a/b", "a/.wh.b/c"] {
            assert!(pass_on(Path::new(path), &mut Heard::default()).is_err(), "{path}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut sink = Heard::default();
        assert!(pass_on(&entry_for(Path::new("a/b")), &mut sink).unwrap());
        assert_eq!(sink.0, [('w', PathBuf::from("a/b"))]);
    }
}
