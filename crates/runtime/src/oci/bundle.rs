//! From a bundle's folder to a plan.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use cofferdam_confinement::RootSource;
use cofferdam_names::ContainerId;
use cofferdam_wire_oci as wire;
use serde::de::DeserializeOwned;
use thiserror::Error;

use super::{BundleOptions, Caller, ConfigError, Converted, plan};

/// The largest document that is read, in bytes: far above any real one, far below what would exhaust memory.
const MAX_DOCUMENT: u64 = 16 << 20;

/// Why a document on disk could not be used.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum DocumentError {
    #[error("JSON specification file {path} not found")]
    NotFound { path: PathBuf },
    #[error("cannot read {path}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path} has more than {MAX_DOCUMENT} bytes")]
    TooLarge { path: PathBuf },
    #[error("{path} is not valid")]
    Parse { path: PathBuf, source: wire::ParseError },
}

/// Why a bundle could not become a plan.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum BundleError {
    #[error("cannot use the bundle {path}")]
    Folder { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Document(#[from] DocumentError),
    #[error("invalid configuration")]
    Config(#[from] ConfigError),
    #[error("invalid rootfs {path}")]
    Root { path: PathBuf, source: std::io::Error },
    #[error("invalid rootfs {path}: it is not a folder")]
    RootIsNoFolder { path: PathBuf },
    #[error("invalid rootfs {path}: not an absolute path, or a symlink (it leads to {leads_to})")]
    RootIsLink { path: PathBuf, leads_to: PathBuf },
}

/// Reads one JSON document from a file.
///
/// # Errors
/// If it is missing, unreadable, too large or not of the shape that it should have.
pub fn read_document<T: DeserializeOwned>(path: &Path) -> Result<T, DocumentError> {
    let read = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::NotFound => DocumentError::NotFound { path: path.to_owned() },
        _ => DocumentError::Read { path: path.to_owned(), source },
    };
    let mut bytes = Vec::with_capacity(16 << 10);
    File::open(path).map_err(read)?.take(MAX_DOCUMENT + 1).read_to_end(&mut bytes).map_err(read)?;
    if bytes.len() as u64 > MAX_DOCUMENT {
        return Err(DocumentError::TooLarge { path: path.to_owned() });
    }
    wire::parse(&bytes).map_err(|source| DocumentError::Parse { path: path.to_owned(), source })
}

/// Reads a bundle's `config.json` and makes its plan. The bundle's path is made absolute and free of links first, so
/// that nothing depends on where a later command is started.
///
/// # Errors
/// If the bundle, its configuration or its root file system cannot be used.
pub fn load(
    container: ContainerId,
    bundle: &Path,
    caller: Caller,
    no_pivot: bool,
    no_new_keyring: bool,
) -> Result<(PathBuf, Converted), BundleError> {
    let folder = std::fs::canonicalize(bundle)
        .map_err(|source| BundleError::Folder { path: bundle.to_owned(), source })?;
    let spec: wire::Spec = read_document(&folder.join("config.json"))?;
    let options = BundleOptions { bundle: &folder, caller, no_pivot, no_new_keyring };
    let mut converted = plan(container, &spec, &options)?;
    if let RootSource::Directory { path } = &mut converted.plan.root.source {
        *path = checked_root(path)?;
    }
    Ok((folder, converted))
}

/// The root's folder, which no link may stand for: a link could be turned between this check and its use.
fn checked_root(path: &Path) -> Result<PathBuf, BundleError> {
    let leads_to =
        std::fs::canonicalize(path).map_err(|source| BundleError::Root { path: path.to_owned(), source })?;
    if !leads_to.is_dir() {
        return Err(BundleError::RootIsNoFolder { path: path.to_owned() });
    }
    let plain: PathBuf = path.components().collect();
    if plain != leads_to && !has_dot_dot(&plain) {
        return Err(BundleError::RootIsLink { path: path.to_owned(), leads_to });
    }
    Ok(leads_to)
}

fn has_dot_dot(path: &Path) -> bool {
    path.components().any(|part| part == std::path::Component::ParentDir)
}
