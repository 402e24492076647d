//! Trees of files: read from a folder or a tar, written into a folder or a tar. Layers, `cp` and volumes are made of these.
//!
//! Between a source and a sink, owners are a container's: 0 is its root, whoever that is on the host.

pub mod archive;
pub mod compression;
pub mod merged;
pub mod owners;
pub mod pack;
pub mod removal;
pub(crate) mod sparse;
pub mod usage;
pub mod walk;
pub mod whiteout;
pub mod writer;
pub(crate) mod xattr;

use std::ffi::CString;
use std::io::{self, Read};
use std::path::Path;

/// Whose a file is, who may do what with it, and what else belongs to it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attributes {
    /// The owner's number in the container.
    pub uid: u32,
    /// The group's.
    pub gid: u32,
    /// Permission bits, set-user-ID and the like included.
    pub mode: u32,
    /// Seconds since 1970.
    pub modified: i64,
    /// Extended attributes that may travel (`xattr::may_travel`).
    pub xattrs: Vec<(CString, Vec<u8>)>,
}

/// What takes the entries of a tree, in the order of the source. Paths are relative, and none is trusted.
pub trait TreeSink {
    /// Whether an entry is wanted. One that is not is passed over, a folder with all that is in it, before it is opened.
    fn wants(&mut self, _path: &Path) -> bool {
        true
    }
    /// A folder; one that is there already gets the attributes.
    fn folder(&mut self, path: &Path, attributes: &Attributes) -> io::Result<()>;
    /// A file of so many bytes.
    fn file(
        &mut self,
        path: &Path,
        attributes: &Attributes,
        size: u64,
        content: &mut dyn Read,
    ) -> io::Result<()>;
    /// A file that the source keeps without its holes: what is read of it is whole nevertheless.
    fn sparse_file(
        &mut self,
        path: &Path,
        attributes: &Attributes,
        size: u64,
        content: &mut dyn Read,
    ) -> io::Result<()> {
        self.file(path, attributes, size, content)
    }
    /// A symbolic link.
    fn link(&mut self, path: &Path, attributes: &Attributes, target: &[u8]) -> io::Result<()>;
    /// Another name of a file that came before.
    fn hard_link(&mut self, path: &Path, target: &Path) -> io::Result<()>;
    /// A named pipe. Whether it has been taken; one that is not counts as left out.
    fn pipe(&mut self, _path: &Path, _attributes: &Attributes) -> io::Result<bool> {
        Ok(false)
    }
    /// In a layer: what the layers below have under this name is gone.
    fn whiteout(&mut self, _path: &Path) -> io::Result<()> {
        Err(invalid("a deletion, which only a layer can hold"))
    }
    /// In a layer: what the layers below have in this folder is gone.
    fn opaque(&mut self, _folder: &Path) -> io::Result<()> {
        Err(invalid("a folder that hides others, which only a layer can hold"))
    }
}

/// What did not come along.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LeftOut {
    /// Device nodes, pipes and sockets.
    pub nodes: u64,
}

/// An error that says where.
pub fn at(path: &Path) -> impl FnOnce(io::Error) -> io::Error + '_ {
    move |error| io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// An error that says that what came is not what it should be.
pub fn invalid(message: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message.into())
}
