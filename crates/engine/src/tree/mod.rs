//! Trees of files: read from a folder or a tar, written into a folder or a tar. Import, `cp` and volumes are made of these.
//!
//! Between a source and a sink, owners are a container's: 0 is its root, whoever that is on the host.

pub(crate) mod archive;
pub(crate) mod compression;
pub(crate) mod owners;
pub(crate) mod pack;
pub(crate) mod removal;
pub(crate) mod sparse;
pub(crate) mod walk;
pub(crate) mod writer;
mod xattr;

use std::ffi::CString;
use std::io::{self, Read};
use std::path::Path;

/// Whose a file is, who may do what with it, and what else belongs to it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Attributes {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Permission bits, set-user-ID and the like included.
    pub(crate) mode: u32,
    /// Seconds since 1970.
    pub(crate) modified: i64,
    /// Extended attributes that may travel ([`xattr::may_travel`]).
    pub(crate) xattrs: Vec<(CString, Vec<u8>)>,
}

/// What takes the entries of a tree, in the order of the source. Paths are relative, and none is trusted.
pub(crate) trait TreeSink {
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
    /// A symbolic link.
    fn link(&mut self, path: &Path, attributes: &Attributes, target: &[u8]) -> io::Result<()>;
    /// Another name of a file that came before.
    fn hard_link(&mut self, path: &Path, target: &Path) -> io::Result<()>;
}

/// What did not come along.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct LeftOut {
    /// Device nodes, pipes and sockets.
    pub(crate) nodes: u64,
}

/// An error that says where.
pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> io::Error + '_ {
    move |error| io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

pub(crate) fn invalid(message: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message.into())
}
