//! `cp`: files of a container, out and in, whether it runs or not.
//!
//! A container's paths are resolved below a descriptor of its root, each time, by the kernel (CVE-2018-15664 is a path that
//! was checked and then used), and nothing of the container is executed or loaded for it (CVE-2019-14271).

mod inside;
mod into;
mod out;

use std::path::PathBuf;

pub(crate) use inside::Inside;

/// How files are copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CopyOptions {
    /// `-a`: owners keep their numbers, and set-user-ID bits stay.
    pub archive: bool,
    /// `-L`: a link as the source means what it leads to.
    pub follow: bool,
}

/// What was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Copied {
    /// Bytes of files.
    pub bytes: u64,
    /// Device nodes, pipes and sockets that were left out.
    pub left_out: u64,
}

/// The place of a copy: the folder that is there already, and the name of the copy in it (empty to merge two folders).
#[derive(Debug, Clone, PartialEq, Eq)]
struct Target {
    folder: PathBuf,
    name: PathBuf,
}

/// What stands at a target before the copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Existing {
    Folder,
    Other,
    Nothing,
}

/// Docker's rules of where a copy goes: into a folder that is there, or under the name that was given.
///
/// `content_only` is a source that ends with `/.`; `as_folder` a target that ends with `/`.
fn target(
    path: &std::path::Path,
    existing: Existing,
    source_name: &std::ffi::OsStr,
    source_is_folder: bool,
    content_only: bool,
    as_folder: bool,
) -> Result<Target, &'static str> {
    let named = || {
        let name = path.file_name().ok_or("the target names no file")?;
        let folder = path.parent().unwrap_or(std::path::Path::new("")).to_owned();
        Ok(Target { folder, name: name.into() })
    };
    match existing {
        Existing::Folder => {
            let name = if content_only { PathBuf::new() } else { source_name.into() };
            Ok(Target { folder: path.to_owned(), name })
        }
        Existing::Other if source_is_folder => Err("a folder cannot be copied over a file"),
        Existing::Other if as_folder => Err("the target is no folder"),
        Existing::Other => named(),
        Existing::Nothing if as_folder && !source_is_folder => Err("the folder of the target does not exist"),
        Existing::Nothing => named(),
    }
}

/// Whether a path means what is in a folder: it ends with `/.`.
fn means_content(path: &[u8]) -> bool {
    path == b"." || path.ends_with(b"/.")
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::path::Path;

    use super::*;

    #[test]
    fn dockers_rules_of_where_a_copy_goes() {
        let at = |path: &str, existing, folder, content, slash| {
            target(Path::new(path), existing, OsStr::new("src"), folder, content, slash)
                .map(|target| format!("{}|{}", target.folder.display(), target.name.display()))
        };
        use Existing::{Folder, Nothing, Other};
        assert_eq!(at("/d", Folder, false, false, false).unwrap(), "/d|src");
        assert_eq!(at("/d", Folder, true, true, false).unwrap(), "/d|");
        assert_eq!(at("/d/n", Nothing, true, true, false).unwrap(), "/d|n");
        assert_eq!(at("/d/n", Nothing, false, false, false).unwrap(), "/d|n");
        assert_eq!(at("/d/n", Other, false, false, false).unwrap(), "/d|n");
        assert!(at("/d/n", Other, true, false, false).is_err());
        assert!(at("/d/n", Nothing, false, false, true).is_err());
        assert!(at("/d/n", Other, false, false, true).is_err());
        assert_eq!(at("/d/n/", Nothing, true, false, true).unwrap(), "/d|n");
        assert!(at("/", Nothing, true, false, false).is_err());
    }
}
