//! Files by their addresses, for `ADD`.

use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use cofferdam_image::Hasher;
use cofferdam_names::Digest;

use super::{BuildError, RunnerError, Workshop};

/// Fetches what an address gives.
pub trait Fetcher {
    /// Writes it into a file.
    ///
    /// # Errors
    /// It cannot be had, or not all of it.
    fn fetch(&self, url: &str, into: &mut File) -> Result<(), RunnerError>;
}

/// A file that was fetched: it goes with the build's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fetched {
    pub(super) path: PathBuf,
    pub(super) digest: Digest,
}

/// Fetches a file, and checks what it is.
pub(super) fn fetch(
    shop: &Workshop<'_>,
    url: &str,
    expected: Option<&Digest>,
) -> Result<Fetched, BuildError> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let path = shop.options.folder.join(format!("fetched-{}", NEXT.fetch_add(1, Ordering::Relaxed)));
    let io = |error| BuildError::io("keep", path.clone())(error);
    let mut file = File::create_new(&path).map_err(io)?;
    let failed = |source| BuildError::Fetch { url: url.to_owned(), source };
    shop.fetcher.fetch(url, &mut file).map_err(failed)?;
    let mut hasher = Hasher::default();
    hasher.read(&mut File::open(&path).map_err(io)?).map_err(io)?;
    let digest = hasher.finish();
    match expected.filter(|expected| **expected != digest) {
        Some(expected) => {
            Err(BuildError::Checksum { url: url.to_owned(), expected: expected.clone(), found: digest })
        }
        None => Ok(Fetched { path, digest }),
    }
}
