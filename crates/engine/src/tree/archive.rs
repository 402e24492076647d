//! Reads a tar, from whomever.

use std::ffi::{CString, OsStr};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use tar::{Archive, Entry, EntryType};

use super::sparse::SparseFile;
use super::{Attributes, LeftOut, TreeSink, at, compression, invalid, xattr};

/// What an entry's extended header (pax) says beside what the tar crate reads from it: name, size, owner.
#[derive(Debug, Default)]
struct Extensions {
    xattrs: Vec<(CString, Vec<u8>)>,
    /// GNU's sparse files: the version of the format, the name and the whole length.
    sparse: Option<(u64, u64)>,
    sparse_name: Option<Vec<u8>>,
    sparse_size: Option<u64>,
}

/// Passes all entries of a tar on, compressed or not.
pub(crate) fn unpack(stream: &mut dyn Read, sink: &mut dyn TreeSink) -> io::Result<LeftOut> {
    let mut archive = Archive::new(compression::open(stream)?);
    let (mut left_out, mut seen) = (LeftOut::default(), false);
    for entry in archive.entries()? {
        let mut entry = entry?;
        seen = true;
        let extensions = extensions(&mut entry)?;
        let path = match &extensions.sparse_name {
            Some(name) => name.clone(),
            None => entry.path_bytes().into_owned(),
        };
        let path = PathBuf::from(OsStr::from_bytes(&path));
        pass_on(entry, extensions, &path, sink, &mut left_out).map_err(at(&path))?;
    }
    if seen { Ok(left_out) } else { Err(invalid("it is no tar, or an empty one")) }
}

fn pass_on(
    mut entry: Entry<'_, impl Read>,
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
                    sink.file(path, &attributes, size, &mut entry)
                }
                (Some((1, 0)), Some(size)) => {
                    sink.file(path, &attributes, size, &mut SparseFile::new(&mut entry, size)?)
                }
                (Some((major, minor)), _) => Err(invalid(format!(
                    "a sparse file in format {major}.{minor}; 1.0 is read (tar --sparse-version=1.0)"
                ))),
            }
        }
        EntryType::Symlink => sink.link(path, &attributes, &target()?),
        EntryType::Link => sink.hard_link(path, Path::new(OsStr::from_bytes(&target()?))),
        EntryType::XGlobalHeader => Ok(()),
        EntryType::Char | EntryType::Block | EntryType::Fifo => {
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
