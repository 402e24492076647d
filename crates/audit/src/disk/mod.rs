//! Disks of machines that do not run: raw images and qcow2, read without mounting them and without any right but to read the
//! file.

mod blocks;
mod ext4;
mod partitions;
mod qcow2;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

use thiserror::Error;

use crate::tree::{Failure, FileStatus, Node, Spool, SpoolError, Tree, Unmounted};
use blocks::Blocks;
use ext4::{Ext4, ROOT};
use partitions::{Holds, Partition};

/// A disk whose files cannot be told.
#[derive(Debug, Error)]
pub enum DiskError {
    /// It cannot be opened.
    #[error("cannot read the image")]
    Open(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What is on it cannot be read.
    #[error("cannot read what is on the disk")]
    Read(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It is of a kind that is not read here.
    #[error("it is {0}, which is not read here")]
    Refused(String),
    /// No partition has the root of a Linux system that can be read.
    #[error("it has no ext4 file system with an /etc: {0}")]
    NoRoot(String),
}

impl From<SpoolError> for DiskError {
    fn from(error: SpoolError) -> Self {
        Self::Open(Box::new(error))
    }
}

impl From<Failure> for DiskError {
    fn from(failure: Failure) -> Self {
        Self::Read(Box::new(failure))
    }
}

/// The files of a disk.
#[derive(Debug)]
pub(crate) struct Disk {
    /// From the root of the system that is on it.
    pub(crate) tree: Tree,
    /// What else is on it, and was not looked at, in words.
    pub(crate) left_out: Vec<String>,
}

/// Opens a disk and finds the root of the system on it, with the other ext4 file systems where its fstab(5) wants them.
pub(crate) fn open(path: &Path) -> Result<Disk, DiskError> {
    let file = Spool::open(path)?;
    let disk: Arc<dyn Blocks> =
        if qcow2::is_one(&file) { Arc::new(qcow2::Qcow2::open(file)?) } else { Arc::new(file) };
    let partitions = partitions::all(&disk)?;
    let mut systems = Vec::new();
    let mut left_out = Vec::new();
    for partition in &partitions {
        match partition.holds {
            Holds::Ext4 => match Ext4::open(partition.part.clone()) {
                Ok(system) => systems.push((partition.number, system)),
                Err(failure) => left_out.push(format!("{partition}, which cannot be read: {failure}")),
            },
            _ => left_out.push(partition.to_string()),
        }
    }
    let is_root = |system: &Ext4| matches!(system.child(ROOT, b"etc"), Ok(Some(_)));
    let Some(root) = systems.iter().position(|(_, system)| is_root(system)) else {
        let all: Vec<String> = partitions.iter().map(Partition::to_string).collect();
        return Err(DiskError::NoRoot(if left_out.is_empty() { all } else { left_out }.join("; ")));
    };
    systems.swap(0, root);
    let mut files = Mounted { systems, over: BTreeMap::new() };
    files.mount_by_table();
    for (index, (number, _)) in files.systems.iter().enumerate().skip(1) {
        if !files.over.values().any(|mounted| *mounted == index) {
            left_out.push(format!("partition {number} holds ext4 that /etc/fstab does not mount"));
        }
    }
    Ok(Disk { tree: Tree::unmounted(files), left_out })
}

/// File systems as one tree: the first is the root.
#[derive(Debug)]
struct Mounted {
    /// With the numbers of their partitions.
    systems: Vec<(usize, Ext4)>,
    /// Folders on which another one is mounted.
    over: BTreeMap<Node, usize>,
}

impl Mounted {
    fn node(system: usize, inode: u32) -> Node {
        Node((system as u64) << 32 | u64::from(inode))
    }

    /// The file system and the inode of a node; of a folder that is mounted over, the root of what is mounted.
    fn place(&self, node: Node) -> Result<(&Ext4, u32, usize), Failure> {
        let (system, inode) = match self.over.get(&node) {
            Some(system) => (*system, ROOT),
            None => (
                usize::try_from(node.0 >> 32).unwrap_or(usize::MAX),
                u32::try_from(node.0 & 0xffff_ffff).unwrap_or(0),
            ),
        };
        let (_, found) = self.systems.get(system).ok_or(Failure::Absent)?;
        Ok((found, inode, system))
    }

    /// Mounts the other file systems as the root's fstab(5) says: by UUID, label, or the number of the partition.
    fn mount_by_table(&mut self) {
        const MOST_TABLE: usize = 1 << 20;
        let Ok(node) = crate::tree::resolve(self, Path::new("/etc/fstab"), true) else { return };
        let Ok(bytes) = self.read(node, MOST_TABLE) else { return };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
            let mut words = line.split_whitespace();
            let (Some(name), Some(point)) = (words.next(), words.next()) else { continue };
            let called = |(number, system): &(usize, Ext4)| {
                let digits = name.trim_start_matches(|letter: char| !letter.is_ascii_digit());
                system.is_called(name) || (name.starts_with("/dev/") && digits.parse() == Ok(*number))
            };
            let Some(index) = self.systems.iter().skip(1).position(called) else { continue };
            if let Ok(node) = crate::tree::resolve(self, Path::new(point), true) {
                self.over.insert(node, index + 1);
            }
        }
    }
}

impl Unmounted for Mounted {
    fn root(&self) -> Node {
        Self::node(0, ROOT)
    }

    fn status(&self, node: Node) -> Result<FileStatus, Failure> {
        let (system, inode, number) = self.place(node)?;
        Ok(FileStatus { device: number as u64, ..system.status(inode)? })
    }

    fn child(&self, folder: Node, name: &[u8]) -> Result<Option<Node>, Failure> {
        let (system, inode, number) = self.place(folder)?;
        Ok(system.child(inode, name)?.map(|child| Self::node(number, child)))
    }

    fn children(&self, folder: Node) -> Result<Vec<(OsString, Node)>, Failure> {
        let (system, inode, number) = self.place(folder)?;
        let children = system.children(inode)?;
        Ok(children.into_iter().map(|(name, child)| (name, Self::node(number, child))).collect())
    }

    fn target(&self, link: Node) -> Result<Vec<u8>, Failure> {
        let (system, inode, _) = self.place(link)?;
        system.target(inode)
    }

    fn read(&self, file: Node, most: usize) -> Result<Vec<u8>, Failure> {
        let (system, inode, _) = self.place(file)?;
        system.bytes(inode, most)
    }

    fn capabilities(&self, file: Node) -> Result<Option<Vec<u8>>, Failure> {
        let (system, inode, _) = self.place(file)?;
        system.capabilities(inode)
    }
}
