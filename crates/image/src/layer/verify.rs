//! Whether what was unpacked is still what its blob holds.

use cofferdam_names::Digest;

use super::{LayerError, LayerOptions, remove, unpack};
use crate::{Limits, Store, StoreError};

impl Store {
    /// Unpacks a layer's blob again beside it and compares both, file by file. Whether the layer is unpacked at all.
    ///
    /// # Errors
    /// They differ, or cannot be read.
    pub fn verify_layer(&self, blob: &Digest, diff_id: &Digest) -> Result<bool, LayerError> {
        let Some(layer) = self.layer(diff_id)? else { return Ok(false) };
        let lease = self.lease()?;
        let scratch = self.layers().join(format!(".new-verify-{}-{}", diff_id.hex(), std::process::id()));
        remove(&scratch)?;
        let mut file = self.open_blob(blob)?;
        let compared = unpack::fill(&scratch, diff_id, &mut file, Limits::default()).and_then(|()| {
            let digest = |folder: &std::path::Path| lease.digest_of_files(folder, &LayerOptions::default());
            Ok((digest(&scratch.join(super::FILES))?, digest(&layer.files)?))
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
