//! Reads a tar, from whomever.

use std::cell::Cell;
use std::ffi::{CString, OsStr};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use tar::{Archive, Entry, EntryType};

use super::sparse::SparseFile;
use super::{Attributes, LeftOut, TreeSink, at, compression, invalid, whiteout, xattr};

/// What an entry's extended header (pax) says beside what the tar crate reads from it: name, size, owner.
#[derive(Debug, Default)]
struct Extensions {
    xattrs: Vec<(CString, Vec<u8>)>,
    /// GNU's sparse files: the version of the format, the name and the whole length.
    sparse: Option<(u64, u64)>,
    sparse_name: Option<Vec<u8>>,
    sparse_size: Option<u64>,
}

/// The most that the headers of one entry may hold together: the tar crate reads long names and extended headers whole, and
/// a few bytes of a compressed stream can be very many of them.
const MOST_HEADER_BYTES: u64 = 1 << 20;

/// A stream that gives only so much until it is told that more may be read, and ends with a whole block where that is missing.
struct Metered<R> {
    stream: R,
    left: Rc<Cell<u64>>,
    /// How much was given.
    given: Rc<Cell<u64>>,
    /// Whether it may end here: the last entry's content is whole. What fills its block up, and the blocks that mark the end, are
    /// missing in layers that umoci made; Go's reader, which others have, does without them.
    may_end: Rc<Cell<bool>>,
}

/// Bytes of a block of a tar.
const BLOCK: u64 = 512;

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.left.get();
        if left == 0 && !buffer.is_empty() {
            return Err(invalid(format!(
                "the names and extended headers of an entry are larger than {} MiB",
                MOST_HEADER_BYTES >> 20
            )));
        }
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let given = self.given.get();
        let mut read = self.stream.read(buffer.get_mut(..most).unwrap_or_default())?;
        if read == 0 && most > 0 && self.may_end.get() {
            let missing = usize::try_from(given.next_multiple_of(BLOCK) - given).unwrap_or(0);
            read = missing.min(most);
            buffer.get_mut(..read).unwrap_or_default().fill(0);
        }
        self.left.set(left.saturating_sub(read as u64));
        self.given.set(given + read as u64);
        Ok(read)
    }
}

/// What names mean that begin with `.wh.` (OCI image-spec, layer.md, "Whiteouts").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// Files like others.
    Plain,
    /// Deletions of what the layers below have.
    Layer,
}

/// Passes all entries of a tar on, compressed or not.
///
/// # Errors
/// It is none, holds what is not taken, or the sink refuses.
pub fn unpack(stream: &mut dyn Read, sink: &mut dyn TreeSink) -> io::Result<LeftOut> {
    read(&mut compression::open(stream)?, Names::Plain, sink)
}

/// Passes all entries of a tar on that is not compressed. What follows its end is not read.
///
/// # Errors
/// It is none, holds what is not taken, or the sink refuses.
pub fn read(stream: &mut dyn Read, names: Names, sink: &mut dyn TreeSink) -> io::Result<LeftOut> {
    let left = Rc::new(Cell::new(MOST_HEADER_BYTES));
    let (given, may_end) = (Rc::<Cell<u64>>::default(), Rc::<Cell<bool>>::default());
    let stream =
        Metered { stream, left: Rc::clone(&left), given: Rc::clone(&given), may_end: Rc::clone(&may_end) };
    let mut archive = Archive::new(stream);
    let (mut left_out, mut seen) = (LeftOut::default(), false);
    let mut entries = archive.entries()?;
    loop {
        left.set(MOST_HEADER_BYTES);
        let Some(entry) = entries.next() else { break };
        let mut entry = entry.map_err(|error| no_header(error, seen))?;
        left.set(u64::MAX);
        may_end.set(false);
        seen = true;
        match entry.header().entry_type() {
            // What it says of all entries after it is not needed: it is not read into memory.
            EntryType::XGlobalHeader => {
                io::copy(&mut entry, &mut io::sink())?;
                continue;
            }
            // The tar crate takes these in itself, but for those whose header is of no format that has them.
            kind @ (EntryType::XHeader | EntryType::GNULongName | EntryType::GNULongLink) => {
                return Err(invalid(format!("an entry of kind {kind:?} in a tar of the old format")));
            }
            _ => {}
        }
        let extensions = extensions(&mut entry)?;
        let path = match &extensions.sparse_name {
            Some(name) => name.clone(),
            None => entry.path_bytes().into_owned(),
        };
        let path = PathBuf::from(OsStr::from_bytes(&path));
        let passed = match names {
            Names::Layer if whiteout::pass_on(&path, sink).map_err(at(&path))? => Ok(()),
            _ => pass_on(&mut entry, extensions, &path, sink, &mut left_out),
        };
        passed.map_err(at(&path))?;
        // Up to the next header, which is read with a limit.
        io::copy(&mut entry, &mut io::sink())?;
        let sparse = entry.header().entry_type() == EntryType::GNUSparse;
        let size = if sparse { entry.header().entry_size()? } else { entry.size() };
        may_end.set(given.get() == entry.raw_file_position().saturating_add(size));
    }
    if seen { Ok(left_out) } else { Err(invalid("it is no tar, or an empty one")) }
}

/// Where a header should be is something else. The reader's own words hold bytes of that, and say nothing to a person.
fn no_header(error: io::Error, seen: bool) -> io::Error {
    let text = error.to_string();
    let is_of_header = text.starts_with("numeric field") || text.contains("checksum mismatch");
    match (is_of_header, seen) {
        (true, false) => invalid("it is no tar"),
        (true, true) => invalid("it is damaged: what stands in the place of an entry is none"),
        _ => error,
    }
}

fn pass_on(
    entry: &mut Entry<'_, impl Read>,
    extensions: Extensions,
    path: &Path,
    sink: &mut dyn TreeSink,
    left_out: &mut LeftOut,
) -> io::Result<()> {
    let attributes = attributes(entry.header(), extensions.xattrs)?;
    let target = entry.link_name_bytes().map(std::borrow::Cow::into_owned);
    let target = || target.clone().ok_or_else(|| invalid("a link without a target"));
    match entry.header().entry_type() {
        EntryType::Directory => sink.folder(path, &attributes),
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
            match (extensions.sparse, extensions.sparse_size) {
                (None, _) => {
                    let size = entry.size();
                    // GNU's older format, which the tar crate fills up by itself.
                    if entry.header().entry_type() == EntryType::GNUSparse {
                        sink.sparse_file(path, &attributes, size, entry)
                    } else {
                        sink.file(path, &attributes, size, entry)
                    }
                }
                (Some((1, 0)), Some(size)) => {
                    sink.sparse_file(path, &attributes, size, &mut SparseFile::new(entry, size)?)
                }
                (Some((major, minor)), _) => Err(invalid(format!(
                    "a sparse file in format {major}.{minor}; 1.0 is read (tar --sparse-version=1.0)"
                ))),
            }
        }
        EntryType::Symlink => sink.link(path, &attributes, &target()?),
        EntryType::Link => sink.hard_link(path, Path::new(OsStr::from_bytes(&target()?))),
        EntryType::Fifo => {
            left_out.nodes += u64::from(!sink.pipe(path, &attributes)?);
            Ok(())
        }
        EntryType::Char | EntryType::Block => {
            left_out.nodes += 1;
            Ok(())
        }
        other => Err(invalid(format!("an entry of kind {other:?}, which is not known"))),
    }
}

fn extensions(entry: &mut Entry<'_, impl Read>) -> io::Result<Extensions> {
    let mut found = Extensions::default();
    let (mut major, mut minor) = (None, 0);
    let number = |value: &[u8]| -> io::Result<u64> {
        let text = std::str::from_utf8(value).map_err(|_| invalid("an extended header that is no text"))?;
        text.parse().map_err(|_| invalid(format!("{text:?} in an extended header is no number")))
    };
    let Some(records) = entry.pax_extensions()? else { return Ok(found) };
    for record in records {
        let record = record?;
        let value = record.value_bytes();
        match record.key_bytes() {
            b"GNU.sparse.major" => major = Some(number(value)?),
            b"GNU.sparse.minor" => minor = number(value)?,
            b"GNU.sparse.name" => found.sparse_name = Some(value.to_vec()),
            b"GNU.sparse.realsize" => found.sparse_size = Some(number(value)?),
            // The older formats, which have no version of their own.
            b"GNU.sparse.numblocks" => major = major.or(Some(0)),
            key => {
                if let Some(name) = key.strip_prefix(b"SCHILY.xattr.").filter(|name| xattr::may_travel(name))
                {
                    found.xattrs.push((CString::new(name)?, value.to_vec()));
                }
            }
        }
    }
    found.sparse = major.map(|major| (major, minor));
    Ok(found)
}

fn attributes(header: &tar::Header, xattrs: Vec<(CString, Vec<u8>)>) -> io::Result<Attributes> {
    let id =
        |number: u64| u32::try_from(number).map_err(|_| invalid(format!("{number} is no user or group")));
    Ok(Attributes {
        uid: id(header.uid()?)?,
        gid: id(header.gid()?)?,
        mode: header.mode()?,
        modified: i64::try_from(header.mtime()?).unwrap_or(0),
        xattrs,
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    struct Nothing;

    impl TreeSink for Nothing {
        fn folder(&mut self, _: &Path, _: &Attributes) -> io::Result<()> {
            Ok(())
        }
        fn file(&mut self, _: &Path, _: &Attributes, _: u64, _: &mut dyn Read) -> io::Result<()> {
            Ok(())
        }
        fn link(&mut self, _: &Path, _: &Attributes, _: &[u8]) -> io::Result<()> {
            Ok(())
        }
        fn hard_link(&mut self, _: &Path, _: &Path) -> io::Result<()> {
            Ok(())
        }
    }

    /// A compressed tar of one entry of this kind and size, all zeros, and a file after it.
    fn compressed(kind: EntryType, size: u64) -> Vec<u8> {
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let mut entry = |kind, size: u64| {
            let mut header = tar::Header::new_gnu();
            header.set_path("x").unwrap();
            header.set_entry_type(kind);
            header.set_size(size);
            header.set_mode(0o644);
            header.set_uid(0);
            header.set_gid(0);
            header.set_mtime(0);
            header.set_cksum();
            gz.write_all(header.as_bytes()).unwrap();
            io::copy(&mut io::repeat(0).take(size.next_multiple_of(512)), &mut gz).unwrap();
        };
        entry(kind, size);
        entry(EntryType::Regular, 3 << 20);
        entry(EntryType::Regular, 1);
        gz.write_all(&[0; 1024]).unwrap();
        gz.finish().unwrap()
    }

    #[test]
    fn a_header_that_expands_without_end_is_not_read_whole() {
        for kind in [EntryType::GNULongName, EntryType::GNULongLink, EntryType::XHeader] {
            let bomb = compressed(kind, 64 << 20);
            assert!(bomb.len() < 1 << 20);
            let error = unpack(&mut bomb.as_slice(), &mut Nothing).unwrap_err();
            assert!(error.to_string().contains("larger than 1 MiB"), "{kind:?}: {error}");
        }
        // Large files, and what is said of all entries, are no headers.
        for kind in [EntryType::XGlobalHeader, EntryType::Regular] {
            unpack(&mut compressed(kind, 8 << 20).as_slice(), &mut Nothing).unwrap();
        }
        unpack(&mut compressed(EntryType::GNULongName, 4096).as_slice(), &mut Nothing).unwrap();
    }
}
