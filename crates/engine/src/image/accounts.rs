//! An image's /etc/passwd and /etc/group: read once, and kept beside the images under the image's own digest, because
//! reading them from many layers costs a start more than the start itself.

use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use cofferdam_image::tree::merged::Merged;
use serde::{Deserialize, Serialize};

use super::ReadyImage;
use crate::Engine;
use crate::error::{Error, Result};

/// The most bytes of each that are read.
const MOST_BYTES: u64 = 4 << 20;

/// Both files as texts; empty where the image has none.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Accounts {
    pub(crate) passwd: String,
    pub(crate) group: String,
}

impl Engine {
    /// The accounts of an image that is ready.
    pub(crate) fn accounts(&self, image: &ReadyImage) -> Result<Accounts> {
        let kept = image.id.strip_prefix("sha256:").map(|hex| self.kept_accounts(hex));
        // One that a power cut left empty, or half, does not read.
        if let Some(path) = &kept
            && let Ok(text) = std::fs::read(path)
            && let Ok(accounts) = serde_json::from_slice(&text)
        {
            return Ok(accounts);
        }
        let read = || -> io::Result<Accounts> {
            let tree = Merged::open(&image.layers)?;
            Ok(Accounts { passwd: text(&tree, "etc/passwd")?, group: text(&tree, "etc/group")? })
        };
        let accounts =
            read().map_err(|source| Error::io("read", format!("the accounts of {}", image.id), source))?;
        if let Some(path) = kept {
            // A full disk costs time, and nothing else.
            let _ = keep(&path, &accounts);
        }
        Ok(accounts)
    }

    fn kept_accounts(&self, hex: &str) -> PathBuf {
        self.paths.images().join("accounts").join(hex)
    }

    /// Forgets the accounts of an image that is gone.
    pub(crate) fn forget_accounts(&self, id: &str) {
        if let Some(hex) = id.strip_prefix("sha256:") {
            let _ = std::fs::remove_file(self.kept_accounts(hex));
        }
    }
}

/// A file of the image as text; links are followed inside the image, across its layers.
fn text(tree: &Merged, name: &str) -> io::Result<String> {
    let mut text = String::new();
    if let Some(file) = tree.file(Path::new(name))? {
        file.take(MOST_BYTES).read_to_string(&mut text)?;
    }
    Ok(text)
}

fn keep(path: &Path, accounts: &Accounts) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let draft = folder.join(format!(".new-{}", std::process::id()));
    let mut file =
        std::fs::File::options().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(&serde_json::to_vec(accounts)?)?;
    std::fs::rename(&draft, path)
}
