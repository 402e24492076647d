//! Whether what was unpacked is still what its blob holds.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use cofferdam_names::Digest;

use super::{FILES, IMAGE, LayerError, LayerForm, LayerOptions, RECORD, Record, remove, unpack};
use crate::{Hasher, Limits, Store, StoreError};

impl Store {
    /// Unpacks a layer's blob again beside it and compares both, file by file. Whether the layer is unpacked at all.
    ///
    /// # Errors
    /// They differ, or cannot be read.
    pub fn verify_layer(&self, blob: &Digest, diff_id: &Digest) -> Result<bool, LayerError> {
        let Some(layer) = self.layer(diff_id)? else {
            let record = Record::read(&self.layer_folder(diff_id).join(RECORD))?;
            // Of an earlier boot: not used, and unpacked anew when it is needed.
            if record.is_none_or(|record| !record.is_of_this_boot()) {
                return Ok(false);
            }
            return Err(StoreError::Changed { diff_id: diff_id.clone() }.into());
        };
        let lease = self.lease()?;
        let scratch = self.layers().join(format!(".new-verify-{}-{}", diff_id.hex(), std::process::id()));
        remove(&scratch)?;
        let mut file = self.open_blob(blob)?;
        let form = match (layer.record.tar, self.form()) {
            (Some(_), _) => LayerForm::Best,
            (None, LayerForm::Owned) => LayerForm::Owned,
            (None, _) => LayerForm::Folder,
        };
        let compared = unpack::fill(&scratch, diff_id, &mut file, Limits::default(), form).and_then(|()| {
            if layer.record.tar.is_some() {
                let digest = |path: &Path| of_file(path).map_err(LayerError::Write);
                return Ok((digest(&scratch.join(IMAGE))?, digest(&layer.files)?));
            }
            let digest = |folder: &Path| lease.digest_of_files(folder, &LayerOptions::default());
            Ok((digest(&scratch.join(FILES))?, digest(&layer.files)?))
        });
        remove(&scratch)?;
        let (expected, found) = compared?;
        if expected == found {
            Ok(true)
        } else {
            Err(StoreError::Changed { diff_id: diff_id.clone() }.into())
        }
    }
}

/// The digest of an image: holes, of which there may be very large ones, count by their place alone.
pub(super) fn of_file(path: &Path) -> io::Result<Digest> {
    use rustix::fs::{SeekFrom, seek};
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    let (mut hasher, mut at) = (Hasher::default(), 0);
    let mut buffer = vec![0; 1 << 18];
    while at < size {
        let start = match seek(&file, SeekFrom::Data(at)) {
            Ok(start) => start,
            Err(rustix::io::Errno::NXIO) => break,
            Err(error) => return Err(error.into()),
        };
        let end = seek(&file, SeekFrom::Hole(start))?;
        at = start;
        while at < end {
            let wanted = usize::try_from(end - at).unwrap_or(usize::MAX).min(buffer.len());
            let piece = buffer.get_mut(..wanted).unwrap_or_default();
            file.read_exact_at(piece, at)?;
            // Where a file system keeps a hole is its own choice: zeroes are none, wherever they are.
            for (index, page) in piece.chunks(4096).enumerate() {
                if page.iter().any(|byte| *byte != 0) {
                    hasher.update(&(at + 4096 * index as u64).to_le_bytes());
                    hasher.update(page);
                }
            }
            at = end.min(at + wanted as u64);
        }
    }
    hasher.update(&size.to_le_bytes());
    Ok(hasher.finish())
}
