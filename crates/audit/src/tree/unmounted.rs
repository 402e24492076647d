//! Trees that no kernel has mounted: the files of an archive, or of a disk's file system, found by our own reading.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fmt::Debug;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use super::{Failure, FileKind, FileStatus};

/// A file of such a tree, by a number that only the tree understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Node(pub(crate) u64);

/// What can be asked of such a tree. Nothing in it is trusted: each answer is bounded, whatever its bytes say.
pub(crate) trait Unmounted: Debug + Send + Sync {
    /// Its root.
    fn root(&self) -> Node;
    /// Owner, mode and size.
    fn status(&self, node: Node) -> Result<FileStatus, Failure>;
    /// The entry of a folder; `None` where it has none of this name.
    fn child(&self, folder: Node, name: &[u8]) -> Result<Option<Node>, Failure>;
    /// The entries of a folder, without `.` and `..`, at most [`super::MOST_ENTRIES`], in no order.
    fn children(&self, folder: Node) -> Result<Vec<(OsString, Node)>, Failure>;
    /// Where a symbolic link points.
    fn target(&self, link: Node) -> Result<Vec<u8>, Failure>;
    /// The bytes of a regular file, which are at most so many.
    fn read(&self, file: Node, most: usize) -> Result<Vec<u8>, Failure>;
    /// The bytes of `security.capability`.
    fn capabilities(&self, file: Node) -> Result<Option<Vec<u8>>, Failure>;
}

/// As many links as Linux follows in one path.
const MOST_LINKS: usize = 40;
/// A path of more parts than any that Linux takes (4096 bytes).
const MOST_PARTS: usize = 2048;

/// What a path leads to: links are followed inside the tree, as if its root were `/`.
pub(crate) fn resolve(tree: &dyn Unmounted, path: &Path, follow: bool) -> Result<Node, Failure> {
    let mut ahead: VecDeque<OsString> = parts(path).collect();
    let mut behind = vec![tree.root()];
    let (mut links, mut steps) = (0, 0);
    while let Some(part) = ahead.pop_front() {
        steps += 1;
        if steps > MOST_PARTS {
            return Err(Failure::Circle);
        }
        let here = behind.last().copied().unwrap_or_else(|| tree.root());
        if part == ".." {
            if behind.len() > 1 {
                behind.pop();
            }
            continue;
        }
        if tree.status(here)?.kind != FileKind::Folder {
            return Err(Failure::Absent);
        }
        let node = tree.child(here, part.as_bytes())?.ok_or(Failure::Absent)?;
        let is_link = tree.status(node)?.kind == FileKind::Link;
        if !is_link || (ahead.is_empty() && !follow) {
            behind.push(node);
            continue;
        }
        links += 1;
        if links > MOST_LINKS {
            return Err(Failure::Circle);
        }
        let target = tree.target(node)?;
        let target = Path::new(std::ffi::OsStr::from_bytes(&target));
        if target.is_absolute() {
            behind.truncate(1);
        }
        for part in parts(target).collect::<Vec<_>>().into_iter().rev() {
            ahead.push_front(part);
        }
    }
    Ok(behind.last().copied().unwrap_or_else(|| tree.root()))
}

fn parts(path: &Path) -> impl Iterator<Item = OsString> {
    path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    })
}
