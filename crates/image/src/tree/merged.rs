//! Layers read as one tree, as an overlay shows them, without mounting them: whoever may read their files may do it.
//!
//! Names are looked up one by one below descriptors. A link is followed inside the tree, wherever its layer is, and never
//! out of it (CVE-2022-23648, CVE-2021-30465).

use std::collections::{BTreeMap, VecDeque};
use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, StatxFlags, openat, readlinkat, statx};
use rustix::io::Errno;

use super::walk::{Reader, Walk, names, open_file};
use super::whiteout::{Marks, is_whiteout};
use super::{LeftOut, TreeSink, at, invalid};

/// How many links are followed on the way to one file (path_resolution(7)).
const MOST_LINKS: u32 = 40;

/// Read-only layers, seen as one tree.
#[derive(Debug)]
pub struct Merged {
    root: Stack,
}

/// The same folder in each layer that has it and shows, topmost first.
type Stack = Vec<OwnedFd>;

/// What stands under a name.
enum Found {
    Nothing,
    Folder(Stack),
    /// Something else, in this folder of the stack.
    Other(usize),
}

/// Where a path leads.
enum Place {
    Nothing,
    Folder(Stack),
    /// The folder that has it, and its name there.
    File(OwnedFd, OsString),
}

impl Merged {
    /// Opens the roots of layers, topmost first.
    ///
    /// # Errors
    /// One is no folder.
    pub fn open(layers: &[PathBuf]) -> io::Result<Self> {
        let open = |path: &PathBuf| crate::open_layer(path).map_err(at(path));
        Ok(Self { root: layers.iter().map(open).collect::<io::Result<_>>()? })
    }

    /// Opens a file; none if nothing or something else stands there.
    ///
    /// # Errors
    /// A layer cannot be read.
    pub fn file(&self, path: &Path) -> io::Result<Option<File>> {
        match self.find(path)? {
            Place::File(folder, name) => match open_file(&folder, &name) {
                Ok((file, _)) => Ok(Some(file)),
                Err(error) if error.kind() == io::ErrorKind::Other => Ok(None),
                Err(error) => Err(error),
            },
            Place::Nothing | Place::Folder(_) => Ok(None),
        }
    }

    /// Passes on a folder as `shown`, with everything below it. False where there is none.
    ///
    /// # Errors
    /// A layer cannot be read, or the sink refuses.
    pub fn folder(
        &self,
        path: &Path,
        walk: &Walk<'_>,
        shown: &Path,
        sink: &mut dyn TreeSink,
    ) -> io::Result<Option<LeftOut>> {
        let Place::Folder(stack) = self.find(path)? else { return Ok(None) };
        let Some(top) = stack.first() else { return Ok(None) };
        let stat = statx(top, "", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS)?;
        let mut reader = walk.reader(&stat, sink);
        pass(&mut reader, &stack, shown, super::walk::MOST_LEVELS)?;
        Ok(Some(reader.left_out))
    }

    fn find(&self, path: &Path) -> io::Result<Place> {
        let mut left: VecDeque<OsString> = parts(path);
        // The folders on the way, below the root: `..` goes back.
        let mut way: Vec<Stack> = Vec::new();
        let mut links = MOST_LINKS;
        while let Some(name) = left.pop_front() {
            if name == ".." {
                way.pop();
                continue;
            }
            let here = way.last().unwrap_or(&self.root);
            let index = match look_up(here, &name)? {
                Found::Nothing => return Ok(Place::Nothing),
                Found::Folder(stack) => {
                    way.push(stack);
                    continue;
                }
                Found::Other(index) => index,
            };
            let Some(folder) = here.get(index) else { return Ok(Place::Nothing) };
            match readlinkat(folder, &name, Vec::new()) {
                Ok(target) => {
                    links = links.checked_sub(1).ok_or(Errno::LOOP)?;
                    let target = Path::new(OsStr::from_bytes(target.to_bytes()));
                    if target.is_absolute() {
                        way.clear();
                    }
                    for part in parts(target).into_iter().rev() {
                        left.push_front(part);
                    }
                }
                Err(Errno::INVAL) if left.is_empty() => return Ok(Place::File(folder.try_clone()?, name)),
                Err(Errno::INVAL) => return Ok(Place::Nothing),
                Err(error) => return Err(error.into()),
            }
        }
        match way.pop() {
            Some(stack) => Ok(Place::Folder(stack)),
            None => Ok(Place::Folder(self.root.iter().map(OwnedFd::try_clone).collect::<io::Result<_>>()?)),
        }
    }
}

fn parts(path: &Path) -> VecDeque<OsString> {
    let part = |part: Component<'_>| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        _ => None,
    };
    path.components().filter_map(part).collect()
}

fn open_folder(at: impl std::os::fd::AsFd, name: &OsStr) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(at, name, flags, Mode::empty())?)
}

fn look_up(stack: &[OwnedFd], name: &OsStr) -> io::Result<Found> {
    let mut folders = Stack::new();
    for (index, folder) in stack.iter().enumerate() {
        let stat = match statx(folder, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS) {
            Err(Errno::NOENT) => continue,
            other => other?,
        };
        if FileType::from_raw_mode(stat.stx_mode.into()) == FileType::Directory {
            let folder = open_folder(folder, name)?;
            let hides = index + 1 < stack.len() && Marks::own().is_opaque(&folder)?;
            folders.push(folder);
            if hides {
                break;
            }
        } else if folders.is_empty() && !is_whiteout(&stat) {
            return Ok(Found::Other(index));
        } else {
            // A deletion, or a file below a folder, which the folder hides.
            break;
        }
    }
    Ok(if folders.is_empty() { Found::Nothing } else { Found::Folder(folders) })
}

/// The names of a folder, with those that are deleted, in order.
fn all_names(stack: &[OwnedFd]) -> io::Result<Vec<CString>> {
    let mut all: BTreeMap<CString, ()> = BTreeMap::new();
    for folder in stack {
        all.extend(names(folder)?.into_iter().map(|name| (name, ())));
    }
    Ok(all.into_keys().collect())
}

fn pass(reader: &mut Reader<'_, '_>, stack: &[OwnedFd], shown: &Path, levels: usize) -> io::Result<()> {
    let levels = levels.checked_sub(1).ok_or_else(|| at(shown)(invalid("folders nest too deep")))?;
    let Some(top) = stack.first() else { return Ok(()) };
    reader.tell_folder(top, shown)?;
    for name in all_names(stack).map_err(at(shown))? {
        let name = OsStr::from_bytes(name.as_bytes());
        let inner = shown.join(name);
        match look_up(stack, name).map_err(at(&inner))? {
            Found::Nothing => {}
            Found::Folder(inner_stack) => pass(reader, &inner_stack, &inner, levels)?,
            Found::Other(index) => {
                let Some(folder) = stack.get(index) else { continue };
                let stat = statx(folder, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS)?;
                reader.pass(folder, name, &inner, &stat, levels)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::fs::symlink;

    use rustix::fs::{XattrFlags, mknodat, setxattr};

    use super::*;

    fn layers() -> (tempfile::TempDir, Vec<PathBuf>) {
        let folder = tempfile::tempdir().unwrap();
        let layers: Vec<PathBuf> = ["top", "middle", "low"].map(|name| folder.path().join(name)).to_vec();
        for layer in &layers {
            std::fs::create_dir_all(layer.join("etc/deep")).unwrap();
            let name = layer.file_name().unwrap();
            std::fs::write(layer.join("etc/deep").join(name), "").unwrap();
        }
        std::fs::write(layers[2].join("etc/passwd"), "low").unwrap();
        std::fs::write(layers[1].join("etc/passwd"), "middle").unwrap();
        std::fs::write(layers[2].join("etc/gone"), "low").unwrap();
        (folder, layers)
    }

    fn text(merged: &Merged, path: &str) -> Option<String> {
        let mut text = String::new();
        merged.file(Path::new(path)).unwrap()?.read_to_string(&mut text).unwrap();
        Some(text)
    }

    #[test]
    fn the_topmost_counts_and_links_lead_across_layers() {
        let (folder, layers) = layers();
        std::fs::write(folder.path().join("passwd"), "outside").unwrap();
        symlink("/etc", layers[0].join("link")).unwrap();
        symlink("../../../../../passwd", layers[0].join("out")).unwrap();
        symlink("b", layers[0].join("a")).unwrap();
        symlink("a", layers[0].join("b")).unwrap();
        symlink("etc/passwd", layers[2].join("passwd")).unwrap();
        let merged = Merged::open(&layers).unwrap();
        for (path, expected) in [
            ("etc/passwd", Some("middle")),
            ("/etc/../etc/./passwd", Some("middle")),
            ("link/passwd", Some("middle")),
            ("out", Some("middle")),
            ("etc", None),
            ("etc/passwd/x", None),
            ("not/here", None),
        ] {
            assert_eq!(text(&merged, path).as_deref(), expected, "{path}");
        }
        assert!(merged.file(Path::new("a")).is_err(), "links in a circle");
    }

    #[test]
    fn deletions_hide_what_is_below() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let (_folder, layers) = layers();
        let middle = File::open(layers[1].join("etc")).unwrap();
        mknodat(&middle, "gone", FileType::CharacterDevice, Mode::empty(), 0).unwrap();
        setxattr(layers[1].join("etc/deep"), c"trusted.overlay.opaque", b"y", XattrFlags::empty()).unwrap();
        let merged = Merged::open(&layers).unwrap();
        assert_eq!(text(&merged, "etc/gone"), None);
        let out = tempfile::tempdir().unwrap();
        let mut writer =
            super::super::writer::TreeWriter::at_path(out.path(), super::super::owners::Owners::Same)
                .unwrap();
        let walked = merged.folder(Path::new("etc"), &Walk::default(), Path::new("x"), &mut writer).unwrap();
        assert_eq!(walked, Some(LeftOut::default()));
        writer.finish().unwrap();
        let mut names: Vec<_> = std::fs::read_dir(out.path().join("x/deep"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["middle", "top"]);
        assert!(!out.path().join("x/gone").exists() && out.path().join("x/passwd").exists());
        let nothing = merged.folder(Path::new("etc/passwd"), &Walk::default(), Path::new(""), &mut {
            super::super::writer::TreeWriter::at_path(out.path(), super::super::owners::Owners::Same).unwrap()
        });
        assert_eq!(nothing.unwrap(), None);
    }
}
