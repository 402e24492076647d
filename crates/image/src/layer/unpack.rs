//! From a stream to a layer that can be mounted.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use cofferdam_kernel::credentials::is_root_of_host;
use cofferdam_names::Digest;

use super::hashed::HashedReader;
use super::record::{Counted, Record};
use super::{FILES, IMAGE, Layer, LayerError, LayerForm, RECORD, image, remove};
use crate::store::is_still_at;
use crate::tree::archive::{self, Names};
use crate::tree::compression;
use crate::tree::owners::Owners;
use crate::tree::writer::{Limits, TreeWriter};
use crate::{Lease, Store, StoreError};

/// What came of an order to unpack.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the field's names")]
pub enum Unpacked {
    /// It is here now.
    Now(Layer),
    /// It was here already; of the stream nothing was read.
    Before(Layer),
}

impl Unpacked {
    /// The layer.
    #[must_use]
    pub fn layer(self) -> Layer {
        match self {
            Self::Now(layer) | Self::Before(layer) => layer,
        }
    }
}

impl Lease {
    /// Unpacks a layer from its stream, compressed or not (which is told by its first bytes), while it may still be coming in.
    /// It gets its place only when the whole stream has been read and its uncompressed bytes have the digest `diff_id`. Waits
    /// for another process that unpacks the same one. Any thread may call it.
    ///
    /// # Errors
    /// The stream ends with an error, is no layer, breaks a limit, or is another layer; then nothing is left.
    pub fn unpack(
        &self,
        diff_id: &Digest,
        stream: &mut dyn Read,
        limits: Limits,
    ) -> Result<Unpacked, LayerError> {
        let store = self.store();
        let locked = lock(store, diff_id)?;
        if let Some(layer) = store.layer(diff_id)? {
            return Ok(Unpacked::Before(layer));
        }
        let draft = store.layers().join(format!(".new-{}", diff_id.hex()));
        // What a process that was killed has left.
        remove(&draft)?;
        match fill(&draft, diff_id, stream, limits, store.form()) {
            Ok(()) => {}
            Err(error) => {
                remove(&draft)?;
                return Err(error);
            }
        }
        let place = store.layer_folder(diff_id);
        // One of another boot, or that somebody has changed.
        remove(&place)?;
        std::fs::rename(&draft, &place).map_err(StoreError::io("write", &place))?;
        drop(locked);
        match store.layer(diff_id)? {
            Some(layer) => Ok(Unpacked::Now(layer)),
            None => Err(StoreError::NotUnpacked { diff_id: diff_id.clone() }.into()),
        }
    }

    /// Unpacks a layer from its blob, if it is not here yet.
    ///
    /// # Errors
    /// The blob is not here, or as with [`Lease::unpack`].
    pub fn unpack_blob(&self, blob: &Digest, diff_id: &Digest) -> Result<Layer, LayerError> {
        if let Some(layer) = self.store().layer(diff_id)? {
            return Ok(layer);
        }
        let mut file = self.store().open_blob(blob)?;
        Ok(self.unpack(diff_id, &mut file, Limits::default())?.layer())
    }
}

/// Held while a layer is unpacked.
pub(super) struct Locked {
    file: File,
    path: PathBuf,
}

impl Drop for Locked {
    fn drop(&mut self) {
        // Whoever waits for the lock looks whether the file is still there.
        let _ = std::fs::remove_file(&self.path);
        let _ = self.file.unlock();
    }
}

pub(super) fn lock(store: &Store, diff_id: &Digest) -> Result<Locked, StoreError> {
    let layers = store.layers();
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&layers);
    made.map_err(StoreError::io("make", &layers))?;
    let path = layers.join(format!(".lock-{}", diff_id.hex()));
    loop {
        let file = crate::store::open_lock(&path)?;
        file.lock().map_err(StoreError::io("lock", &path))?;
        if is_still_at(&file, &path).map_err(StoreError::io("look at", &path))? {
            return Ok(Locked { file, path });
        }
    }
}

/// Fills a folder with a layer and its record.
pub(super) fn fill(
    draft: &Path,
    diff_id: &Digest,
    stream: &mut dyn Read,
    limits: Limits,
    form: LayerForm,
) -> Result<(), LayerError> {
    let failed = |source| LayerError::Unpack { diff_id: diff_id.clone(), source };
    std::fs::DirBuilder::new().mode(0o700).create(draft).map_err(failed)?;
    let mut whole = compression::open(stream).map_err(failed)?;
    let image = draft.join(IMAGE);
    // An ordinary user cannot mount an image.
    let (counted, found) = if form == LayerForm::Best && is_root_of_host() {
        let (counted, found) = image::fill(&image, &mut whole, limits).map_err(failed)?;
        match (image::open_layer(&image), counted.tar) {
            // This kernel, or what the store lies on, does not let it be mounted: its tar becomes a folder after all.
            (Err(_), Some(size)) => {
                let filled = image::tar_of(&image, size)
                    .and_then(|mut tar| fill_folder(&draft.join(FILES), &mut tar, limits, form));
                std::fs::remove_file(&image).map_err(failed)?;
                filled.map_err(failed)?
            }
            _ => (counted, found),
        }
    } else {
        fill_folder(&draft.join(FILES), &mut whole, limits, form).map_err(failed)?
    };
    if found != *diff_id {
        return Err(LayerError::WrongContent { expected: diff_id.clone(), found });
    }
    let files = if counted.tar.is_some() { image } else { draft.join(FILES) };
    let record = Record::new(diff_id, &files, counted).map_err(failed)?;
    record.write(&draft.join(RECORD)).map_err(failed)
}

/// Writes a layer's files into a folder, which is made; answers the digest of its uncompressed tar.
fn fill_folder(
    files: &Path,
    stream: &mut dyn Read,
    limits: Limits,
    form: LayerForm,
) -> io::Result<(Counted, Digest)> {
    std::fs::create_dir(files)?;
    std::fs::set_permissions(files, PermissionsExt::from_mode(0o755))?;
    let mut hashed = HashedReader::new(stream, limits.stream_bytes());
    // An ordinary user cannot give files away.
    let owners = match form {
        LayerForm::Owned => Owners::Same,
        _ if is_root_of_host() => Owners::Same,
        _ => Owners::Writers,
    };
    let mut writer = TreeWriter::layer(files, owners, limits)?;
    let left_out = archive::read(&mut hashed, Names::Layer, &mut writer)?;
    let counted = Counted {
        bytes: writer.bytes(),
        entries: writer.entries(),
        left_out: left_out.nodes,
        hides_all: writer.hides_all(),
        tar: None,
    };
    writer.finish()?;
    Ok((counted, hashed.finish()?))
}
