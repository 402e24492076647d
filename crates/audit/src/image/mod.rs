//! Images: what is in them, before anything of it runs.

mod checks;
mod facts;
mod open;

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use cofferdam_image::Store;

pub use checks::controls;
pub use facts::ImageFacts;
pub use open::ImageError;

use crate::tree::Tree;
use crate::{Assessment, Report};

fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    i64::try_from(now).unwrap_or(i64::MAX)
}

/// Looks at an archive of `docker save`, an OCI layout (folder or archive), or a root file system (folder or tar), archives
/// compressed or not, and judges every image in it.
///
/// # Errors
/// It cannot be read, or is none of these.
pub fn audit(path: &Path, shown: &str) -> Result<Vec<Report>, ImageError> {
    if path.is_dir() && !path.join("oci-layout").exists() {
        let tree = Tree::at_rest(path).map_err(|error| ImageError::Spool(Box::new(error)))?;
        return Ok(vec![judged(&format!("image {shown}"), &ImageFacts::of_tree(tree, None, now()))]);
    }
    let opened = open::open(path)?;
    let many = opened.len() > 1;
    let report = |opened: open::Opened| {
        let target = match &opened.name {
            Some(name) if many => format!("image {name} in {shown}"),
            Some(name) => format!("image {name} ({shown})"),
            None => format!("image {shown}"),
        };
        judged(&target, &ImageFacts::of(opened, now()))
    };
    Ok(opened.into_iter().map(report).collect())
}

/// Looks at an image of our store.
///
/// # Errors
/// It is not there, or cannot be read.
pub fn audit_stored(store: Store, word: &str) -> Result<Report, ImageError> {
    let opened = open::of_store(store, word)?;
    Ok(judged(&format!("image {word}"), &ImageFacts::of(opened, now())))
}

fn judged(target: &str, facts: &ImageFacts) -> Report {
    Report::new(Assessment::of(target, facts, controls()), Vec::new(), Vec::new())
}
