//! Why a layer could not be unpacked or written.

use std::io;

use cofferdam_names::Digest;
use thiserror::Error;

use crate::StoreError;

/// Why a layer could not be unpacked or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LayerError {
    /// The store could not be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The archive is not what a layer may be, or a file could not be written.
    #[error("cannot unpack layer {diff_id}")]
    Unpack {
        /// Which.
        diff_id: Digest,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// What was unpacked is something else.
    #[error(
        "layer {expected} is not what the image's configuration says: its content has the digest {found}"
    )]
    WrongContent {
        /// What the configuration says.
        expected: Digest,
        /// What came.
        found: Digest,
    },
    /// Files could not be read into a layer.
    #[error("cannot make a layer of the files")]
    Write(#[source] io::Error),
}
