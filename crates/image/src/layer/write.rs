//! From files to a layer: the blob of what an overlay's upper folder holds.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use cofferdam_confinement::IdMaps;
use cofferdam_names::Digest;
use flate2::write::GzEncoder;
use rustix::fs::{Mode, OFlags};

use super::LayerError;
use super::hashed::HashedWriter;
use crate::tree::pack::TarSink;
use crate::tree::walk::Walk;
use crate::tree::{Attributes, LeftOut, TreeSink};
use crate::{Descriptor, Hasher, Lease, MediaType};

/// How a new layer's blob is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "the field's names")]
pub enum LayerCompression {
    #[default]
    None,
    Gzip,
}

/// How files become a layer. The same files and options give the same bytes, always.
#[derive(Debug, Clone, Default)]
pub struct LayerOptions<'a> {
    /// How the blob is compressed.
    pub compression: LayerCompression,
    /// Owners on the disk are host ids of this container's.
    pub from_host_ids: Option<&'a IdMaps>,
    /// No file is younger than this, in seconds since 1970 (`SOURCE_DATE_EPOCH`).
    pub newest: Option<i64>,
    /// What is mounted inside the folder stays out.
    pub one_file_system: bool,
    /// It is no overlay's folder: device nodes that look like an overlay's marks are none.
    pub plain: bool,
    /// Places where something was mounted, relative to the folder: what stands there was made to be mounted on, and stays out.
    pub without: Option<&'a BTreeSet<PathBuf>>,
}

impl LayerOptions<'_> {
    fn walk(&self) -> Walk<'_> {
        Walk {
            from_host_ids: self.from_host_ids,
            one_file_system: self.one_file_system,
            layer: !self.plain,
            pipes: true,
            newest: self.newest,
            ..Walk::default()
        }
    }
}

fn open(folder: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(folder, flags, Mode::empty())?)
}

/// Leaves places out; not what lies below them.
struct Without<'s> {
    places: Option<&'s BTreeSet<PathBuf>>,
    sink: &'s mut dyn TreeSink,
}

impl Without<'_> {
    fn has(&self, path: &Path) -> bool {
        self.places.is_some_and(|places| places.contains(path))
    }
}

impl TreeSink for Without<'_> {
    fn folder(&mut self, path: &Path, attributes: &Attributes) -> io::Result<()> {
        if self.has(path) { Ok(()) } else { self.sink.folder(path, attributes) }
    }

    fn file(
        &mut self,
        path: &Path,
        attributes: &Attributes,
        size: u64,
        content: &mut dyn io::Read,
    ) -> io::Result<()> {
        if self.has(path) { Ok(()) } else { self.sink.file(path, attributes, size, content) }
    }

    fn link(&mut self, path: &Path, attributes: &Attributes, target: &[u8]) -> io::Result<()> {
        self.sink.link(path, attributes, target)
    }

    fn hard_link(&mut self, path: &Path, target: &Path) -> io::Result<()> {
        self.sink.hard_link(path, target)
    }

    fn pipe(&mut self, path: &Path, attributes: &Attributes) -> io::Result<bool> {
        self.sink.pipe(path, attributes)
    }

    fn whiteout(&mut self, path: &Path) -> io::Result<()> {
        self.sink.whiteout(path)
    }

    fn opaque(&mut self, folder: &Path) -> io::Result<()> {
        if self.has(folder) { Ok(()) } else { self.sink.opaque(folder) }
    }
}

/// A layer whose blob has just been written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLayer {
    /// Its blob.
    pub descriptor: Descriptor,
    /// The digest of its uncompressed tar.
    pub diff_id: Digest,
    /// What did not come along.
    pub left_out: u64,
}

impl Lease {
    /// Makes a layer of a folder: an overlay's upper one, whose marks become deletions, or any other.
    ///
    /// # Errors
    /// A file cannot be read, or is none that a layer can hold; or the blob cannot be written.
    pub fn write_layer(&self, folder: &Path, options: &LayerOptions<'_>) -> Result<NewLayer, LayerError> {
        self.write_layer_with(options.compression, |sink| {
            let mut without = Without { places: options.without, sink };
            options.walk().folder(&open(folder)?, Path::new(""), &mut without)
        })
    }

    /// The digest of the layer that a folder would become.
    ///
    /// # Errors
    /// A file cannot be read, or is none that a layer can hold.
    pub(super) fn digest_of_files(
        &self,
        folder: &Path,
        options: &LayerOptions<'_>,
    ) -> Result<Digest, LayerError> {
        let fill =
            |sink: &mut TarSink<&mut dyn Write>| options.walk().folder(&open(folder)?, Path::new(""), sink);
        hashed(io::sink(), fill).map(|(_, digest, _)| digest).map_err(LayerError::Write)
    }

    /// Makes a layer of what somebody writes into it, in this order.
    ///
    /// # Errors
    /// The writer's own, or the blob cannot be written.
    pub fn write_layer_with(
        &self,
        compression: LayerCompression,
        fill: impl FnOnce(&mut TarSink<&mut dyn Write>) -> io::Result<LeftOut>,
    ) -> Result<NewLayer, LayerError> {
        let mut draft = self.draft()?;
        let written = match compression {
            LayerCompression::None => hashed(&mut draft, fill)
                .map(|(_, diff_id, left_out)| (MediaType::OCI_LAYER, diff_id, left_out)),
            LayerCompression::Gzip => {
                // No name and no time in its header: the same bytes each time.
                let gzip = GzEncoder::new(&mut draft, flate2::Compression::default());
                hashed(gzip, fill).and_then(|(gzip, diff_id, left_out)| {
                    gzip.finish()?;
                    Ok((MediaType::OCI_LAYER_GZIP, diff_id, left_out))
                })
            }
        };
        let (media_type, diff_id, left_out) = written.map_err(LayerError::Write)?;
        let (digest, size) = draft.finish()?;
        let media_type = media_type.parse().map_err(io::Error::other).map_err(LayerError::Write)?;
        let descriptor = Descriptor::new(media_type, digest, size);
        Ok(NewLayer { descriptor, diff_id, left_out: left_out.nodes })
    }
}

/// Writes a tar; answers what it was written to, its digest and what was left out.
fn hashed<W: Write>(
    out: W,
    fill: impl FnOnce(&mut TarSink<&mut dyn Write>) -> io::Result<LeftOut>,
) -> io::Result<(W, Digest, LeftOut)> {
    let mut hashed = HashedWriter { stream: out, hasher: Hasher::default() };
    let mut buffered = io::BufWriter::with_capacity(1 << 17, &mut hashed);
    let mut sink = TarSink::layer(&mut buffered as &mut dyn Write);
    let left_out = fill(&mut sink)?;
    sink.finish()?;
    drop(buffered);
    let HashedWriter { stream, hasher } = hashed;
    Ok((stream, hasher.finish(), left_out))
}
