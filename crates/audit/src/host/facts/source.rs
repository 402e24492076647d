//! Where facts about a host come from.

use std::io;
use std::path::Path;

use serde::Serialize;

use crate::disk::{self, Disk, DiskError};
use crate::fact::Fact;
use crate::tree::{FileStatus, Tree};

/// Whether a system runs in the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum View {
    /// The tree is this machine's own root: `/proc` and `/sys` are the kernel's.
    Running,
    /// The tree lies there: what stands at its `/proc` says nothing.
    AtRest,
}

/// A host's files.
#[derive(Debug)]
pub struct Source {
    /// The files.
    pub tree: Tree,
    /// Whether a system runs in them.
    pub view: View,
}

impl Source {
    /// The system that runs below this root. Only for `/`, and for trees laid out like it by tests.
    pub fn running(root: &Path) -> io::Result<Self> {
        Ok(Self { tree: Tree::running(root)?, view: View::Running })
    }

    /// A tree that no system runs in, as a disk, a backup or an image's root.
    pub fn at_rest(root: &Path) -> io::Result<Self> {
        Ok(Self { tree: Tree::at_rest(root)?, view: View::AtRest })
    }

    /// The system on a disk's image: raw or qcow2, with partitions or without. Nothing is mounted. Also gives what else is on
    /// the disk and was not looked at, in words.
    ///
    /// # Errors
    /// It cannot be read, or has no root of a system in a file system that is read here.
    pub fn of_disk(path: &Path) -> Result<(Self, Vec<String>), DiskError> {
        let Disk { tree, left_out } = disk::open(path)?;
        Ok((Self { tree, view: View::AtRest }, left_out))
    }

    /// The text of a file; for the kernel's own files only where the kernel made them.
    pub(crate) fn text(&self, path: &str) -> Fact<Option<String>> {
        if self.is_kernels_and_at_rest(path) { at_rest(path) } else { self.tree.text(path) }
    }

    /// What stands at a path, or the link itself where it leads nowhere; the same for the kernel's own files.
    pub(crate) fn status(&self, path: &str) -> Fact<Option<FileStatus>> {
        if self.is_kernels_and_at_rest(path) { at_rest(path) } else { self.tree.own_or_linked(path) }
    }

    /// Whether the path is one that only a running kernel fills: what a tree at rest has there was planted.
    fn is_kernels_and_at_rest(&self, path: &str) -> bool {
        const KERNELS: [&str; 4] = ["/proc/", "/sys/", "/dev/", "/run/"];
        !self.is_running() && KERNELS.iter().any(|folder| path.starts_with(folder))
    }

    /// Whether `/proc` and `/sys` speak for it.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.view == View::Running
    }
}

fn at_rest<T>(path: &str) -> Fact<T> {
    Fact::unknown(format!("{path} is filled by a running kernel, and no system runs in the tree"))
}
