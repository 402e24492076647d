//! Whom this host trusts: keys, one file (PEM) for each, and one root of trust for certificates, below the state folder.

use std::collections::BTreeMap;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use cofferdam_image::signature::{PublicKey, TrustRoot};
use cofferdam_names::KeyName;

use crate::Engine;
use crate::engine::make_private_folder;
use crate::error::{Error, Result};

/// Larger files are no keys.
const MOST_BYTES: u64 = 64 << 10;

/// Larger files are no roots of trust: the public sigstore's has some ten KiB.
const MOST_ROOT_BYTES: u64 = 1 << 20;

/// The file of the root of trust, in its folder.
const ROOT: &str = "trusted_root.json";

/// How the file of a key ends.
const ENDING: &str = ".pub";

impl Engine {
    fn trust_folder(&self) -> PathBuf {
        self.paths.state().join("keys/trusted")
    }

    /// Trusts a key under a name, which must be free.
    ///
    /// # Errors
    /// The name is taken, or the file cannot be written.
    pub fn trust_key(&self, name: &KeyName, key: &PublicKey) -> Result<()> {
        let folder = self.trust_folder();
        make_private_folder(&folder)?;
        let failed = |source| Error::io("trust", format!("key {name}"), source);
        let draft = folder.join(format!(".new-{}", std::process::id()));
        let mut options = std::fs::OpenOptions::new();
        let opened = options.write(true).create(true).truncate(true).mode(0o600).open(&draft);
        let written =
            opened.and_then(|mut file| std::io::Write::write_all(&mut file, key.to_pem().as_bytes()));
        // A name that is taken is never given to another key in passing.
        let linked =
            written.and_then(|()| std::fs::hard_link(&draft, folder.join(format!("{name}{ENDING}"))));
        let _ = std::fs::remove_file(&draft);
        linked.map_err(failed)
    }

    /// Trusts the authorities and logs of a root (`trusted_root.json`), in the place of those before.
    ///
    /// # Errors
    /// It is no such root, or the file cannot be written.
    pub fn trust_authorities(&self, text: &[u8]) -> Result<TrustRoot> {
        if text.len() as u64 > MOST_ROOT_BYTES {
            let why = format!("they are larger than {} KiB", MOST_ROOT_BYTES >> 10);
            return Err(Error::io("use", "the trusted authorities", std::io::Error::other(why)));
        }
        let root = parse_root(text)?;
        let folder = self.trust_folder();
        make_private_folder(&folder)?;
        let draft = folder.join(format!(".new-root-{}", std::process::id()));
        let written = std::fs::write(&draft, text).and_then(|()| std::fs::rename(&draft, folder.join(ROOT)));
        written.map_err(|source| {
            let _ = std::fs::remove_file(&draft);
            Error::io("trust", "the authorities", source)
        })?;
        Ok(root)
    }

    /// Trusts no authorities any more. Whether there were some.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn distrust_authorities(&self) -> Result<bool> {
        match std::fs::remove_file(self.trust_folder().join(ROOT)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(Error::io("remove", "the trusted authorities", source)),
        }
    }

    /// The authorities and logs that this host trusts, if it trusts some.
    ///
    /// # Errors
    /// The file cannot be read, or is none.
    pub fn trust_root(&self) -> Result<Option<TrustRoot>> {
        let path = self.trust_folder().join(ROOT);
        match read_file(&path, MOST_ROOT_BYTES) {
            Ok(text) => parse_root(&text).map(Some),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::io("read", path.display(), source)),
        }
    }

    /// Trusts a key no longer. Whether there was one of this name.
    ///
    /// # Errors
    /// Its file cannot be removed.
    pub fn distrust_key(&self, name: &KeyName) -> Result<bool> {
        match std::fs::remove_file(self.trust_folder().join(format!("{name}{ENDING}"))) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(Error::io("remove", format!("key {name}"), source)),
        }
    }

    /// All keys that are trusted, by name.
    ///
    /// # Errors
    /// One cannot be read, or is none.
    pub fn trusted_keys(&self) -> Result<BTreeMap<KeyName, PublicKey>> {
        let folder = self.trust_folder();
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            Err(source) => return Err(Error::io("read", folder.display(), source)),
        };
        let mut keys = BTreeMap::new();
        for entry in entries {
            let entry = entry.map_err(|source| Error::io("read", folder.display(), source))?;
            let name = entry.file_name();
            let Some(name) =
                name.to_str().and_then(|name| name.strip_suffix(ENDING)?.parse::<KeyName>().ok())
            else {
                continue;
            };
            let path = entry.path();
            let text =
                read_file(&path, MOST_BYTES).map_err(|source| Error::io("read", path.display(), source))?;
            let key = PublicKey::from_pem(&text)
                .map_err(|error| Error::io("use", format!("key {name}"), std::io::Error::other(error)))?;
            keys.insert(name, key);
        }
        Ok(keys)
    }
}

fn parse_root(text: &[u8]) -> Result<TrustRoot> {
    TrustRoot::parse(text)
        .map_err(|error| Error::io("use", "the trusted authorities", std::io::Error::other(error)))
}

/// The first bytes of a file.
fn read_file(path: &Path, most: u64) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let file = std::fs::File::open(path)?;
    std::io::Read::read_to_end(&mut std::io::Read::take(file, most), &mut text)?;
    Ok(text)
}
