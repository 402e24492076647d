//! The files that a build begins with.

use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use cofferdam_image::tree::archive;
use cofferdam_image::tree::owners::Owners;
use cofferdam_image::tree::writer::TreeWriter;
use rustix::fs::{Mode, OFlags};
use thiserror::Error;

use crate::{IgnoreError, IgnoreRules};

/// The most bytes of a Dockerfile and of an ignore file.
const MOST_TEXT: u64 = 16 << 20;

/// Why a context cannot be used.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum ContextError {
    #[error("cannot read {}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("cannot understand {}", path.display())]
    Ignore { path: PathBuf, source: IgnoreError },
    #[error("cannot unpack the context that came on standard input")]
    Unpack(#[source] io::Error),
    #[error("{} is not in the context", path.display())]
    Outside { path: PathBuf },
}

/// A folder of files, and which of them count.
#[derive(Debug)]
pub struct Context {
    root: Option<OwnedFd>,
    ignore: IgnoreRules,
}

impl Context {
    /// No files at all: the Dockerfile came alone.
    #[must_use]
    pub fn none() -> Self {
        Self { root: None, ignore: IgnoreRules::default() }
    }

    /// A folder. `dockerfile` is the path of the Dockerfile, relative to it, if it is in it: its own ignore file
    /// (`Dockerfile.dockerignore`) goes before `.dockerignore`.
    ///
    /// # Errors
    /// It is no folder, or an ignore file cannot be read.
    pub fn folder(path: &Path, dockerfile: Option<&Path>) -> Result<Self, ContextError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(path, flags, Mode::empty())
            .map_err(|error| ContextError::Io { path: path.to_owned(), source: error.into() })?;
        let own = dockerfile.map(|file| {
            let mut name = file.file_name().unwrap_or_default().to_owned();
            name.push(".dockerignore");
            file.with_file_name(name)
        });
        for name in own.into_iter().chain([PathBuf::from(".dockerignore")]) {
            if let Some(text) = read(&root, &name)? {
                let failed = |source| ContextError::Ignore { path: path.join(&name), source };
                return Ok(Self { root: Some(root), ignore: IgnoreRules::parse(&text).map_err(failed)? });
            }
        }
        Ok(Self { root: Some(root), ignore: IgnoreRules::default() })
    }

    /// Unpacks a tar, compressed or not, into a new folder, which is then to be used as one.
    ///
    /// # Errors
    /// It is none, or leads out of itself.
    pub fn unpack(stream: &mut dyn Read, folder: &Path) -> Result<(), ContextError> {
        let mut unpack = || -> io::Result<()> {
            let mut writer = TreeWriter::at_path(folder, Owners::Writers)?;
            archive::unpack(stream, &mut writer)?;
            writer.finish()
        };
        unpack().map_err(ContextError::Unpack)
    }

    /// The folder.
    #[must_use]
    pub fn root(&self) -> Option<&OwnedFd> {
        self.root.as_ref()
    }

    /// Which of its files do not count.
    #[must_use]
    pub fn ignore(&self) -> &IgnoreRules {
        &self.ignore
    }

    /// A file of it as text; none where there is none. Links are followed inside the folder only.
    ///
    /// # Errors
    /// It cannot be read, or leads out.
    pub fn read(&self, path: &Path) -> Result<Option<String>, ContextError> {
        match &self.root {
            Some(root) => read(root, path),
            None => Ok(None),
        }
    }
}

fn read(root: &OwnedFd, path: &Path) -> Result<Option<String>, ContextError> {
    use rustix::fs::{ResolveFlags, openat2};
    use rustix::io::Errno;
    let failed = |source| ContextError::Io { path: path.to_owned(), source };
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = loop {
        match openat2(root, path, flags, Mode::empty(), resolve) {
            Err(Errno::AGAIN) => {}
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::XDEV) => return Err(ContextError::Outside { path: path.to_owned() }),
            other => break other.map_err(|error| failed(error.into()))?,
        }
    };
    let mut bytes = Vec::new();
    std::fs::File::from(file).take(MOST_TEXT + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MOST_TEXT {
        return Err(failed(io::Error::new(io::ErrorKind::InvalidData, "it is larger than 16 MiB")));
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| failed(io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8")))?;
    Ok(Some(text))
}
