//! The files of tar archives, one laid over the other as an image's layers are (OCI image specification, "Layers").

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::unmounted::resolve;
use super::{Failure, FileKind, FileStatus, MOST_ENTRIES, Node, Spool, Unmounted, tape};

/// More files than any image has; each costs memory.
const MOST_FILES: usize = 2_000_000;
/// More removed files are not remembered.
const MOST_BURIED: usize = 50_000;

/// An archive whose files cannot be told.
#[derive(Debug, Error)]
pub(crate) enum ArchiveError {
    #[error("it is no tar that can be read")]
    Tar(#[source] std::io::Error),
    #[error("it has more than {MOST_FILES} files")]
    TooMany,
}

/// A file of an archive.
#[derive(Debug)]
struct File {
    status: FileStatus,
    /// The layer that it came with.
    layer: usize,
    what: What,
    capabilities: Option<Box<[u8]>>,
}

#[derive(Debug)]
enum What {
    Folder(BTreeMap<Box<[u8]>, usize>),
    File(Spool),
    /// A file with holes in GNU's own formats, whose bytes are not told.
    Sparse,
    Link(Box<[u8]>),
    Other,
}

/// A file that a later layer removed or replaced: gone from the image's view, and still in what is shipped.
#[derive(Debug, Clone)]
pub(crate) struct Buried {
    /// Its path.
    pub(crate) path: String,
    /// The layer that still has it, from 1.
    pub(crate) layer: usize,
    /// Its bytes.
    pub(crate) content: Spool,
}

/// Layers of archives as one tree.
#[derive(Debug)]
pub(crate) struct Archive {
    files: Vec<File>,
    layers: usize,
    buried: Vec<Buried>,
    outside: usize,
}

impl Archive {
    /// A tree with nothing in it.
    pub(crate) fn empty() -> Self {
        let status = FileStatus {
            kind: FileKind::Folder,
            mode: 0o755,
            uid: 0,
            gid: 0,
            size: 0,
            modified: 0,
            device: 0,
        };
        let root = File { status, layer: 0, what: What::Folder(BTreeMap::new()), capabilities: None };
        Self { files: vec![root], layers: 0, buried: Vec::new(), outside: 0 }
    }

    /// Lays a tar over what is there: whiteouts remove what lower layers have.
    pub(crate) fn lay(&mut self, tar: &Spool) -> Result<(), ArchiveError> {
        self.layers += 1;
        for entry in tape::entries(tar) {
            let entry = entry.map_err(ArchiveError::Tar)?;
            if self.files.len() >= MOST_FILES {
                return Err(ArchiveError::TooMany);
            }
            self.put(entry);
        }
        Ok(())
    }

    /// Files that later layers removed or replaced.
    pub(crate) fn buried(&self) -> &[Buried] {
        &self.buried
    }

    /// How many entries had paths that lead out of the root.
    pub(crate) fn outside(&self) -> usize {
        self.outside
    }

    /// The bytes of a file, links followed.
    pub(crate) fn content(&self, path: &str) -> Option<&Spool> {
        match &self.file(resolve(self, Path::new(path), true).ok()?)?.what {
            What::File(content) => Some(content),
            _ => None,
        }
    }

    fn file(&self, node: Node) -> Option<&File> {
        self.files.get(usize::try_from(node.0).ok()?)
    }

    fn known(&self, node: Node) -> Result<&File, Failure> {
        self.file(node).ok_or(Failure::Absent)
    }

    fn put(&mut self, entry: tape::Entry) {
        let path = PathBuf::from(OsString::from_vec(entry.path));
        let is_outside = path.components().any(|part| part == std::path::Component::ParentDir);
        if is_outside {
            self.outside += 1;
            return;
        }
        let relative = path.strip_prefix("/").unwrap_or(&path);
        let Some(name) = relative.file_name().map(|name| name.as_bytes().to_vec()) else {
            self.files[0].status = entry.status;
            return;
        };
        let Some(folder) = self.folder(relative.parent().unwrap_or(Path::new(""))) else { return };
        if name == b".wh..wh..opq" {
            self.clear(folder, relative.parent().unwrap_or(Path::new("")));
            return;
        }
        if let Some(gone) = name.strip_prefix(b".wh.") {
            let path = relative.with_file_name(OsStr::from_bytes(gone));
            self.remove(folder, gone, &path);
            return;
        }
        let what = match entry.kind {
            tape::Kind::Folder => {
                let there = self.entry(folder, &name);
                if let Some(there) = there.filter(|there| matches!(self.files[*there].what, What::Folder(_)))
                {
                    (self.files[there].status, self.files[there].layer) = (entry.status, self.layers);
                    return;
                }
                What::Folder(BTreeMap::new())
            }
            tape::Kind::File(content) => What::File(content),
            tape::Kind::Sparse => What::Sparse,
            tape::Kind::Link(target) => What::Link(target.into()),
            tape::Kind::Other => What::Other,
            tape::Kind::HardLink(target) => {
                let target = Path::new(OsStr::from_bytes(&target)).to_owned();
                let found = resolve(self, &target, false).ok().and_then(|node| usize::try_from(node.0).ok());
                if let Some(found) = found {
                    self.replace(folder, &name, relative, found);
                }
                return;
            }
        };
        let capabilities = entry.capabilities.map(Vec::into_boxed_slice);
        self.files.push(File { status: entry.status, layer: self.layers, what, capabilities });
        self.replace(folder, &name, relative, self.files.len() - 1);
    }

    /// The folder at a path, made where it is missing; links on the way are followed, as an unpacking in a root does.
    fn folder(&mut self, path: &Path) -> Option<usize> {
        if let Ok(node) = resolve(self, path, true) {
            let found = usize::try_from(node.0).ok()?;
            return matches!(self.files.get(found)?.what, What::Folder(_)).then_some(found);
        }
        let name = path.file_name()?.as_bytes().to_vec();
        let above = self.folder(path.parent()?)?;
        let status = FileStatus { modified: 0, ..self.files[0].status };
        let status = FileStatus { kind: FileKind::Folder, mode: 0o755, uid: 0, gid: 0, ..status };
        self.files.push(File {
            status,
            layer: self.layers,
            what: What::Folder(BTreeMap::new()),
            capabilities: None,
        });
        let made = self.files.len() - 1;
        self.replace(above, &name, path, made);
        Some(made)
    }

    fn entry(&self, folder: usize, name: &[u8]) -> Option<usize> {
        match &self.files.get(folder)?.what {
            What::Folder(children) => children.get(name).copied(),
            _ => None,
        }
    }

    fn replace(&mut self, folder: usize, name: &[u8], path: &Path, new: usize) {
        self.remove(folder, name, path);
        if let Some(File { what: What::Folder(children), .. }) = self.files.get_mut(folder) {
            children.insert(name.into(), new);
        }
    }

    fn remove(&mut self, folder: usize, name: &[u8], path: &Path) {
        let Some(File { what: What::Folder(children), .. }) = self.files.get_mut(folder) else { return };
        if let Some(gone) = children.remove(name) {
            self.bury(gone, path);
        }
    }

    /// An opaque folder hides what lower layers have in it.
    fn clear(&mut self, folder: usize, path: &Path) {
        let Some(File { what: What::Folder(children), .. }) = self.files.get(folder) else { return };
        let lower = |child: &&usize| self.files.get(**child).is_some_and(|file| file.layer < self.layers);
        let gone: Vec<Box<[u8]>> =
            children.iter().filter(|(_, child)| lower(child)).map(|(name, _)| name.clone()).collect();
        for name in gone {
            self.remove(folder, &name, &path.join(OsStr::from_bytes(&name)));
        }
    }

    /// Remembers the files of lower layers that are gone, without following what hard links may lead in a circle to.
    fn bury(&mut self, gone: usize, path: &Path) {
        let mut ahead = vec![(gone, path.to_owned())];
        let mut steps = 0;
        while let Some((index, path)) = ahead.pop() {
            steps += 1;
            if steps > MOST_BURIED || self.buried.len() >= MOST_BURIED {
                return;
            }
            let Some(file) = self.files.get(index).filter(|file| file.layer < self.layers) else { continue };
            match &file.what {
                What::File(content) if content.len() > 0 => {
                    let path = format!("/{}", path.to_string_lossy());
                    self.buried.push(Buried { path, layer: file.layer, content: content.clone() });
                }
                What::Folder(children) => {
                    let below =
                        children.iter().map(|(name, child)| (*child, path.join(OsStr::from_bytes(name))));
                    ahead.extend(below);
                }
                _ => {}
            }
        }
    }
}

impl Unmounted for Archive {
    fn root(&self) -> Node {
        Node(0)
    }

    fn status(&self, node: Node) -> Result<FileStatus, Failure> {
        Ok(self.known(node)?.status)
    }

    fn child(&self, folder: Node, name: &[u8]) -> Result<Option<Node>, Failure> {
        match &self.known(folder)?.what {
            What::Folder(children) => Ok(children.get(name).map(|child| Node(*child as u64))),
            _ => Err(Failure::Absent),
        }
    }

    fn children(&self, folder: Node) -> Result<Vec<(OsString, Node)>, Failure> {
        let What::Folder(children) = &self.known(folder)?.what else { return Err(Failure::Absent) };
        let first = children.iter().take(MOST_ENTRIES);
        Ok(first.map(|(name, child)| (OsString::from_vec(name.to_vec()), Node(*child as u64))).collect())
    }

    fn target(&self, link: Node) -> Result<Vec<u8>, Failure> {
        match &self.known(link)?.what {
            What::Link(target) => Ok(target.to_vec()),
            _ => Err(Failure::NoFile),
        }
    }

    fn read(&self, file: Node, most: usize) -> Result<Vec<u8>, Failure> {
        match &self.known(file)?.what {
            What::File(content) => content.bytes(most),
            What::Sparse => {
                Err(Failure::Damaged("it is a sparse file in a format that is not read".to_owned()))
            }
            _ => Err(Failure::NoFile),
        }
    }

    fn capabilities(&self, file: Node) -> Result<Option<Vec<u8>>, Failure> {
        Ok(self.known(file)?.capabilities.as_ref().map(|bytes| bytes.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::Fact;
    use crate::tree::Tree;
    use crate::tree::tape::tests::{Made, spool};

    fn laid(layers: &[&[Made]]) -> Archive {
        let mut archive = Archive::empty();
        for layer in layers {
            archive.lay(&spool(layer)).unwrap();
        }
        archive
    }

    #[test]
    fn a_later_layer_hides_and_what_it_hides_is_remembered() {
        let lower =
            &[Made::file("app/.env", "SECRET=1"), Made::file("app/keep", "x"), Made::file("etc/a", "old")];
        let upper =
            &[Made::file("app/.wh..env", ""), Made::file("etc/a", "new"), Made::file("etc/.wh.none", "")];
        let archive = laid(&[lower, upper]);
        let buried: Vec<_> = archive.buried().iter().map(|gone| (gone.path.as_str(), gone.layer)).collect();
        assert_eq!(buried, [("/app/.env", 1), ("/etc/a", 1)]);
        let tree = Tree::unmounted(archive);
        assert_eq!(tree.list("/app").known().unwrap().as_deref().unwrap(), ["keep"]);
        assert_eq!(tree.text("/etc/a"), Fact::Known(Some("new".to_owned())));
    }

    #[test]
    fn an_opaque_folder_hides_only_what_lies_below() {
        let archive = laid(&[
            &[Made::file("d/old", "1"), Made::file("d/sub/deep", "2")],
            &[Made::file("d/new", "3"), Made::file("d/.wh..wh..opq", "")],
        ]);
        assert_eq!(archive.buried().len(), 2);
        let tree = Tree::unmounted(archive);
        assert_eq!(tree.list("/d").known().unwrap().as_deref().unwrap(), ["new"]);
    }

    #[test]
    fn links_stay_inside_and_lead_to_where_a_layer_writes() {
        let archive = laid(&[
            &[
                Made::link("lib", "usr/lib"),
                Made::file("usr/lib/a", "a"),
                Made::link("up", "../../../usr/lib/a"),
                Made::link("x", "y"),
                Made::link("y", "/x"),
            ],
            &[Made::file("lib/b", "b"), Made::file("../../evil", "no"), Made::hard("hard", "usr/lib/a")],
        ]);
        assert_eq!(archive.outside(), 1);
        let tree = Tree::unmounted(archive);
        assert_eq!(tree.text("/usr/lib/b"), Fact::Known(Some("b".to_owned())));
        assert_eq!(tree.text("/up"), Fact::Known(Some("a".to_owned())));
        assert_eq!(tree.text("/hard"), Fact::Known(Some("a".to_owned())));
        assert!(tree.text("/x").known().is_none());
        assert_eq!(tree.link("/lib"), Fact::Known(Some("usr/lib".to_owned())));
        assert_eq!(tree.list("/evil"), Fact::Known(None));
    }

    #[test]
    fn a_folder_that_is_its_own_child_ends() {
        let archive = laid(&[
            &[Made::folder("a"), Made::hard("a/b", "a"), Made::file("a/c", "x")],
            &[Made::file(".wh.a", "")],
        ]);
        assert_eq!(archive.entry(0, b"a"), None);
    }
}
