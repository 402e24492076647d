//! Images: what is in them, before anything of it runs.

mod checks;
mod facts;
mod open;

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use cofferdam_image::{ImageConfigFile, Store};

pub use checks::controls;
pub use facts::ImageFacts;
pub use open::ImageError;

use crate::tree::Tree;
use crate::{Assessment, Report};

fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    i64::try_from(now).unwrap_or(i64::MAX)
}

/// Looks at an archive of `docker save`, an OCI layout (folder or archive), or a tar of a root file system, each of them
/// compressed or not, and judges every image in it.
///
/// # Errors
/// It cannot be read, or is none of these.
pub fn audit(path: &Path, shown: &str) -> Result<Vec<Report>, ImageError> {
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

/// Looks at a root file system that lies in a folder, with what is known of how it is started.
///
/// # Errors
/// The folder cannot be opened.
pub fn audit_root(root: &Path, config: Option<ImageConfigFile>, shown: &str) -> std::io::Result<Report> {
    let facts = ImageFacts::of_tree(Tree::at_rest(root)?, config, now());
    Ok(judged(&format!("image {shown}"), &facts))
}

fn judged(target: &str, facts: &ImageFacts) -> Report {
    Report::new(Assessment::of(target, facts, controls()), Vec::new(), Vec::new())
}
