//! Images: the store of blobs and names, and what manifests, indexes and configurations mean.
//!
//! Everything that comes from outside is checked on its way in: shapes become types that can hold only what is valid, and no
//! blob gets its place in the store before its size and digest are what its descriptor says. The crate knows nothing of
//! containers, zones and plans, and decides nothing about confinement.

mod commit;
mod config_file;
mod descriptor;
mod erofs;
mod hashing;
mod layer;
mod manifest;
mod media_type;
mod platform;
pub mod registry;
pub mod signature;
mod store;
mod transfer;
pub mod tree;

pub use config_file::{Healthcheck, HistoryEntry, ImageConfigFile};
pub use descriptor::Descriptor;
pub use hashing::{Hasher, digest_of};
pub use layer::{
    Layer, LayerCompression, LayerError, LayerForm, LayerOptions, NewLayer, Record as LayerRecord, Stack,
    Unpacked, open_layer,
};
pub use manifest::{Document, DocumentError, ImageIndex, Manifest};
pub use media_type::{Compression, MediaKind, MediaType};
pub use platform::Platform;
pub use store::{
    Collected, Draft, Ingest, Lease, MAX_DOCUMENT, Reached, Store, StoreError, StoredImage, Verified,
};
pub use transfer::{Loaded, TransferError};
pub use tree::writer::Limits;
