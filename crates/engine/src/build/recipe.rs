//! Where the Dockerfile and the files of a build come from.

use std::io::Read;
use std::path::{Path, PathBuf};

use cofferdam_build::Context;

use crate::error::{Error, Result};

/// Which Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildFile {
    /// A path in the context.
    InContext(PathBuf),
    /// A text from elsewhere, and what it is called.
    Text {
        /// In messages.
        name: String,
        /// The text.
        text: String,
    },
}

/// Where the files come from.
pub enum BuildSource {
    /// A folder.
    Folder(PathBuf, BuildFile),
    /// A tar, compressed or not.
    Tar(Box<dyn Read>, BuildFile),
    /// There are none.
    Nowhere(BuildFile),
}

/// A Dockerfile and its files, ready to be read.
pub(super) struct Recipe {
    pub(super) name: String,
    pub(super) text: String,
    pub(super) context: Context,
}

impl Recipe {
    /// Opens what was asked for. A tar is unpacked below `folder`.
    pub(super) fn read(source: &mut BuildSource, folder: &Path) -> Result<Self> {
        match source {
            BuildSource::Folder(path, file) => Self::of_folder(path, file),
            BuildSource::Tar(stream, file) => {
                let place = folder.join("context");
                std::fs::create_dir(&place).map_err(|source| Error::io("make", place.display(), source))?;
                Context::unpack(stream, &place)?;
                Self::of_folder(&place, file)
            }
            BuildSource::Nowhere(BuildFile::Text { name, text }) => {
                Ok(Self { name: name.clone(), text: text.clone(), context: Context::none() })
            }
            BuildSource::Nowhere(BuildFile::InContext(path)) => {
                Err(Error::NoDockerfile { path: path.clone() })
            }
        }
    }

    fn of_folder(path: &Path, file: &BuildFile) -> Result<Self> {
        match file {
            BuildFile::Text { name, text } => {
                let context = Context::folder(path, None)?;
                Ok(Self { name: name.clone(), text: text.clone(), context })
            }
            BuildFile::InContext(inner) => {
                let context = Context::folder(path, Some(inner))?;
                let text = context.read(inner)?;
                let text = text.ok_or_else(|| Error::NoDockerfile { path: inner.clone() })?;
                Ok(Self { name: inner.display().to_string(), text, context })
            }
        }
    }
}
