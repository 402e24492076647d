//! Writes a tree as a tar: what `cp CONTAINER:PATH -` gives.

use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use tar::{Builder, EntryType, Header};

use super::writer::inner_path;
use super::{Attributes, TreeSink, invalid, whiteout};

/// A tar that is being written.
pub struct TarSink<W: Write> {
    builder: Builder<W>,
    /// Whether it is a layer, in which some names are no files.
    layer: bool,
}

impl<W: Write> TarSink<W> {
    /// Writes to this.
    pub fn new(out: W) -> Self {
        Self { builder: Builder::new(out), layer: false }
    }

    /// Writes a layer to this.
    pub fn layer(out: W) -> Self {
        Self { builder: Builder::new(out), layer: true }
    }

    /// A path as it may stand in the archive.
    fn checked(&self, path: &Path) -> io::Result<PathBuf> {
        let path = inner_path(path)?;
        if self.layer && path.iter().any(whiteout::is_reserved) {
            return Err(invalid("in a layer this name means a deletion, and no file can have it"));
        }
        Ok(path)
    }

    /// Writes the end; answers what was written to.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn finish(self) -> io::Result<W> {
        let mut out = self.builder.into_inner()?;
        out.flush()?;
        Ok(out)
    }

    /// Attributes go before their entry, in an extended header (pax; GNU tar and bsdtar write them so).
    fn extend(&mut self, attributes: &Attributes) -> io::Result<()> {
        let named: Vec<(String, &[u8])> = attributes
            .xattrs
            .iter()
            .map(|(name, value)| (format!("SCHILY.xattr.{}", name.to_string_lossy()), value.as_slice()))
            .collect();
        if named.is_empty() {
            return Ok(());
        }
        self.builder.append_pax_extensions(named.iter().map(|(name, value)| (name.as_str(), *value)))
    }

    /// A deletion: an empty file whose name says so.
    fn mark(&mut self, path: &Path) -> io::Result<()> {
        self.builder.append_data(
            &mut header(EntryType::Regular, &Attributes::default(), 0),
            path,
            io::empty(),
        )
    }
}

fn header(kind: EntryType, attributes: &Attributes, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(attributes.mode);
    header.set_uid(attributes.uid.into());
    header.set_gid(attributes.gid.into());
    header.set_mtime(u64::try_from(attributes.modified).unwrap_or(0));
    header.set_size(size);
    header
}

impl<W: Write> TreeSink for TarSink<W> {
    fn folder(&mut self, path: &Path, attributes: &Attributes) -> io::Result<()> {
        let path = self.checked(path)?;
        // The root itself has no name that every reader takes.
        if path.as_os_str().is_empty() && self.layer {
            return Ok(());
        }
        self.extend(attributes)?;
        // With a slash at its end, as everybody writes a folder's name.
        let mut name =
            if path.as_os_str().is_empty() { b".".to_vec() } else { path.as_os_str().as_bytes().to_vec() };
        name.push(b'/');
        let name = Path::new(std::ffi::OsStr::from_bytes(&name)).to_owned();
        self.builder.append_data(&mut header(EntryType::Directory, attributes, 0), name, io::empty())
    }

    fn file(
        &mut self,
        path: &Path,
        attributes: &Attributes,
        size: u64,
        content: &mut dyn Read,
    ) -> io::Result<()> {
        let path = self.checked(path)?;
        self.extend(attributes)?;
        self.builder.append_data(&mut header(EntryType::Regular, attributes, size), path, content.take(size))
    }

    fn link(&mut self, path: &Path, attributes: &Attributes, target: &[u8]) -> io::Result<()> {
        let path = self.checked(path)?;
        let target = Path::new(std::ffi::OsStr::from_bytes(target));
        self.builder.append_link(&mut header(EntryType::Symlink, attributes, 0), path, target)
    }

    fn hard_link(&mut self, path: &Path, target: &Path) -> io::Result<()> {
        let (path, target) = (self.checked(path)?, self.checked(target)?);
        self.builder.append_link(&mut header(EntryType::Link, &Attributes::default(), 0), path, target)
    }

    fn pipe(&mut self, path: &Path, attributes: &Attributes) -> io::Result<bool> {
        let path = self.checked(path)?;
        self.builder.append_data(&mut header(EntryType::Fifo, attributes, 0), path, io::empty())?;
        Ok(true)
    }

    fn whiteout(&mut self, path: &Path) -> io::Result<()> {
        self.mark(&whiteout::entry_for(path))
    }

    fn opaque(&mut self, folder: &Path) -> io::Result<()> {
        self.mark(&folder.join(std::ffi::OsStr::from_bytes(whiteout::OPAQUE)))
    }
}
