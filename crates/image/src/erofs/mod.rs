//! EROFS images (kernel: filesystems/erofs.rst, fs/erofs/erofs_fs.h), written while a layer streams in.
//!
//! The image holds the layer's tar as it is, from byte 4096 on: a tar keeps each file's content in one piece at a multiple of 512
//! bytes, which is what a plain file of an image with blocks of 512 bytes is. So a layer is one sequential write, its content
//! is still the very bytes that its digest stands for, and what is added are folders, attributes and names behind it.

mod format;
mod read;
mod stack;
mod tree;
mod write;

pub(crate) use stack::write_stack;
pub(crate) use tree::Tree;

use std::fs::File;
use std::io;

/// Where the tar begins. The superblock stands before it, at 1024.
pub(crate) const TAR_AT: u64 = 4096;

/// Bytes of a block: those of a tar.
const BLOCK: u64 = 512;

/// Writes the image of a tree into a file that holds its tar, which ends at this byte.
pub(crate) fn write(tree: &Tree<'_>, file: &File, tar_end: u64) -> io::Result<()> {
    write::write(tree, file, tar_end, &[])
}
