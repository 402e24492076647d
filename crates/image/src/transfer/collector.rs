//! Takes the files of an archive in, in whatever order they come: blobs go straight into the store, lists are kept.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;

use cofferdam_names::Digest;

use super::early::{Early, Order};
use super::{BLOBS, DOCKER_MANIFEST, INDEX, LAYOUT};
use crate::tree::writer::inner_path;
use crate::tree::{Attributes, TreeSink, invalid};
use crate::{Descriptor, Lease, MAX_DOCUMENT};

/// More files than an archive of images has.
const MOST_FILES: usize = 20_000;

/// The most bytes of all files of an archive together.
const MOST_BYTES: u64 = 256 << 30;

/// Read, hashed and written at a time.
const PIECE: usize = 256 << 10;

/// What has been taken in.
pub(super) struct Collector<'l> {
    lease: &'l Lease,
    /// `index.json`, `manifest.json` and `oci-layout`.
    pub(super) lists: BTreeMap<String, Vec<u8>>,
    /// What other files are: their digests and sizes.
    files: BTreeMap<PathBuf, (Digest, u64)>,
    /// Links between them.
    links: BTreeMap<PathBuf, PathBuf>,
    early: Early,
    count: usize,
    bytes: u64,
}

impl<'l> Collector<'l> {
    /// Layers that can be unpacked before the archive has come to its end go to `orders`.
    pub(super) fn new(lease: &'l Lease, orders: Sender<Order>) -> Self {
        Self {
            lease,
            lists: BTreeMap::new(),
            files: BTreeMap::new(),
            links: BTreeMap::new(),
            early: Early::new(orders),
            count: 0,
            bytes: 0,
        }
    }

    /// What a file is, by its name in a list; links are followed.
    pub(super) fn find(&self, name: &str) -> Option<(Digest, u64)> {
        let mut path = inner_path(Path::new(name)).ok()?;
        for _ in 0..8 {
            if let Some(found) = self.files.get(&path) {
                return Some(found.clone());
            }
            path.clone_from(self.links.get(&path)?);
        }
        None
    }

    fn count(&mut self, size: u64) -> io::Result<()> {
        self.count += 1;
        self.bytes = self.bytes.saturating_add(size);
        if self.count > MOST_FILES {
            return Err(invalid(format!("it has more than {MOST_FILES} files")));
        }
        if self.bytes > MOST_BYTES {
            return Err(invalid(format!("its files are larger than {} GiB together", MOST_BYTES >> 30)));
        }
        Ok(())
    }

    /// Lets go of whoever waits for orders.
    pub(super) fn order_no_more(&mut self) {
        self.early = Early::default();
    }

    /// Takes a blob in whose name is its digest.
    fn blob(&self, digest: &Digest, size: u64, content: &mut dyn Read) -> io::Result<()> {
        let media_type = "application/octet-stream".parse().map_err(io::Error::other)?;
        let descriptor = Descriptor::new(media_type, digest.clone(), size);
        if let Some(mut ingest) = self.lease.ingest(&descriptor).map_err(io::Error::other)? {
            // What an earlier try has left is nothing that could be carried on here.
            ingest.restart().map_err(io::Error::other)?;
            copy(&mut content.take(size), &mut ingest)?;
            ingest.finish().map_err(io::Error::other)?;
        }
        Ok(())
    }
}

/// In pieces as large as those that a layer is written in: [`io::copy`] takes small ones.
fn copy(content: &mut dyn Read, target: &mut dyn Write) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        let mut filled = 0;
        while let room = piece.get_mut(filled..).unwrap_or_default()
            && !room.is_empty()
        {
            match content.read(room)? {
                0 => return target.write_all(piece.get(..filled).unwrap_or_default()),
                count => filled += count,
            }
        }
        target.write_all(&piece)?;
    }
}

/// The digest that a path names, if it is a blob's.
fn blob_digest(path: &Path) -> Option<Digest> {
    let hex = path.strip_prefix(BLOBS).ok()?.to_str()?;
    format!("sha256:{hex}").parse().ok()
}

impl TreeSink for Collector<'_> {
    fn folder(&mut self, _: &Path, _: &Attributes) -> io::Result<()> {
        self.count(0)
    }

    fn file(&mut self, path: &Path, _: &Attributes, size: u64, content: &mut dyn Read) -> io::Result<()> {
        self.count(size)?;
        let path = inner_path(path)?;
        if let Some(name) = path.to_str().filter(|name| [INDEX, DOCKER_MANIFEST, LAYOUT].contains(name)) {
            if size > MAX_DOCUMENT {
                return Err(invalid(format!("it has {size} bytes; at most {MAX_DOCUMENT} are read")));
            }
            let mut bytes = Vec::new();
            content.take(size).read_to_end(&mut bytes)?;
            if name == DOCKER_MANIFEST {
                self.early.list(self.lease, &bytes, &self.files);
            }
            self.lists.insert(name.to_owned(), bytes);
            return Ok(());
        }
        let found = match blob_digest(&path) {
            Some(digest) => {
                self.blob(&digest, size, content)?;
                (digest, size)
            }
            // Beside the layers an old archive has files that nothing names (`VERSION`, `<id>/json`).
            None if path.extension().is_some_and(|end| end == "tar" || end == "json") => {
                let mut draft = self.lease.draft().map_err(io::Error::other)?;
                copy(&mut content.take(size), &mut draft)?;
                draft.finish().map_err(io::Error::other)?
            }
            None => return Ok(()),
        };
        self.files.insert(path.clone(), found);
        self.early.came(self.lease, &path, &self.files);
        Ok(())
    }

    fn link(&mut self, path: &Path, _: &Attributes, target: &[u8]) -> io::Result<()> {
        self.count(0)?;
        use std::os::unix::ffi::OsStrExt;
        let (path, target) = (inner_path(path)?, Path::new(std::ffi::OsStr::from_bytes(target)));
        // `../<id>/layer.tar`: one layer under two names. Names only: nothing is opened by them.
        let mut inner = path.parent().unwrap_or_else(|| Path::new("")).to_owned();
        for part in target.components() {
            match part {
                std::path::Component::Normal(name) => inner.push(name),
                std::path::Component::ParentDir if inner.pop() => {}
                std::path::Component::CurDir => {}
                _ => return Err(invalid("a link leads out of the archive")),
            }
        }
        self.links.insert(path, inner);
        Ok(())
    }

    fn hard_link(&mut self, path: &Path, target: &Path) -> io::Result<()> {
        self.count(0)?;
        self.links.insert(inner_path(path)?, inner_path(target)?);
        Ok(())
    }
}
