//! The host's signing key: ed25519 (RFC 8032), one per state folder, made on first use.

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::digest::sha256;

/// The private key's file in the folder of keys: PKCS#8 (RFC 8410), readable by its owner only.
const PRIVATE: &str = "host.ed25519";
/// The public key's file: 64 hexadecimal digits, for those who check receipts elsewhere.
const PUBLIC: &str = "host.ed25519.pub";
/// More than a PKCS#8 document of this kind has.
const MAX_SIZE: u64 = 4096;

/// Why there is no key.
#[derive(Debug, Error)]
pub enum KeyError {
    /// A file or folder of keys cannot be used.
    #[error("cannot {operation} {}", path.display())]
    File {
        /// What was tried.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// The error.
        source: io::Error,
    },
    /// Someone else could have read or replaced the private key.
    #[error("the key {} is not its owner's alone: mode {mode:o}, user {owner}", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// Its owner.
        owner: u32,
    },
    /// The file holds no key.
    #[error("{} holds no ed25519 key", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
    },
    /// The kernel gave no random bytes.
    #[error("cannot make a key: the kernel gave no random bytes")]
    Random,
}

/// The public half of a host's key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey([u8; 32]);

/// A text that is no public key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a public key is 64 lower-case hexadecimal digits")]
pub struct InvalidPublicKey;

impl PublicKey {
    /// SHA-256 of the 32 bytes, in hexadecimal: how envelopes name the key.
    #[must_use]
    pub fn id(&self) -> String {
        sha256(&self.0).hex().to_owned()
    }

    /// Whether the signature over the message was made with this key.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.0).verify(message, signature).is_ok()
    }

    /// Reads the file that lies beside the private key.
    ///
    /// # Errors
    /// It cannot be read, or holds no key.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let text = std::fs::read_to_string(path).map_err(|source| KeyError::File {
            operation: "read",
            path: path.to_owned(),
            source,
        })?;
        text.trim_ascii().parse().map_err(|InvalidPublicKey| KeyError::Malformed { path: path.to_owned() })
    }
}

impl FromStr for PublicKey {
    type Err = InvalidPublicKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let bytes = text.as_bytes();
        let mut key = [0; 32];
        if bytes.len() != 2 * key.len() {
            return Err(InvalidPublicKey);
        }
        for (byte, pair) in key.iter_mut().zip(bytes.chunks_exact(2)) {
            let (Some(high), Some(low)) = (digit(pair[0]), digit(pair[1])) else {
                return Err(InvalidPublicKey);
            };
            *byte = high << 4 | low;
        }
        Ok(Self(key))
    }
}

impl TryFrom<String> for PublicKey {
    type Error = InvalidPublicKey;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> String {
        key.to_string()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The host's key pair.
pub struct HostKey {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl fmt::Debug for HostKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HostKey").field(&self.public).finish()
    }
}

impl HostKey {
    /// Opens the key in a folder of keys (`<state>/keys`), made with the folder where there is none. Of several
    /// processes that make it at once, one wins and all use its key.
    ///
    /// # Errors
    /// The folder or the key cannot be used, or is open to others.
    pub fn open_or_create(folder: &Path) -> Result<Self, KeyError> {
        let path = folder.join(PRIVATE);
        if let Some(document) = read_private(&path)? {
            return Self::from_document(&document, &path);
        }
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|source| KeyError::File {
            operation: "make",
            path: folder.to_owned(),
            source,
        })?;
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| KeyError::Random)?;
        publish(&path, document.as_ref(), 0o600)?;
        // Another process may have been first: the file that is there now counts.
        let document = read_private(&path)?.ok_or_else(|| KeyError::Malformed { path: path.clone() })?;
        let key = Self::from_document(&document, &path)?;
        publish(&folder.join(PUBLIC), format!("{}\n", key.public).as_bytes(), 0o644)?;
        Ok(key)
    }

    fn from_document(document: &[u8], path: &Path) -> Result<Self, KeyError> {
        let malformed = || KeyError::Malformed { path: path.to_owned() };
        let pair = Ed25519KeyPair::from_pkcs8(document).map_err(|_| malformed())?;
        let public = pair.public_key().as_ref().try_into().map(PublicKey).map_err(|_| malformed())?;
        Ok(Self { pair, public })
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// Signs: 64 bytes.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

/// The private key's file; none where there is no such file.
fn read_private(path: &Path) -> Result<Option<Vec<u8>>, KeyError> {
    let failed = |operation| move |source| KeyError::File { operation, path: path.to_owned(), source };
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let opened =
        OpenOptions::new().read(true).custom_flags(i32::from_ne_bytes(flags.bits().to_ne_bytes())).open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("open")(error)),
    };
    let about = file.metadata().map_err(failed("look at"))?;
    let owner = about.uid();
    let mode = about.mode() & 0o7777;
    if mode & 0o077 != 0 || owner != rustix::process::geteuid().as_raw() || !about.is_file() {
        return Err(KeyError::Exposed { path: path.to_owned(), mode, owner });
    }
    let mut document = Vec::new();
    file.take(MAX_SIZE).read_to_end(&mut document).map_err(failed("read"))?;
    Ok(Some(document))
}

/// Puts a whole file in place at once; one that is there already stays.
fn publish(path: &Path, content: &[u8], mode: u32) -> Result<(), KeyError> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", std::process::id()));
    let draft = PathBuf::from(name);
    let failed = |operation: &'static str, path: &Path| {
        let path = path.to_owned();
        move |source| KeyError::File { operation, path, source }
    };
    // A draft of a process that died with this number.
    match std::fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed("remove", &draft)(error)),
        _ => {}
    }
    let mut file: File = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&draft)
        .map_err(failed("make", &draft))?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    let linked =
        written.map_err(failed("write", &draft)).and_then(|()| match std::fs::hard_link(&draft, path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(failed("make", path)(error)),
            _ => Ok(()),
        });
    std::fs::remove_file(&draft).map_err(failed("remove", &draft))?;
    linked
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let keys = folder.path().join("keys");
        let first = HostKey::open_or_create(&keys).unwrap();
        let second = HostKey::open_or_create(&keys).unwrap();
        assert_eq!(first.public(), second.public());
        assert_eq!(PublicKey::read(&keys.join(PUBLIC)).unwrap(), first.public());
        let mode = |name: &str| std::fs::metadata(keys.join(name)).unwrap().mode() & 0o7777;
        assert_eq!(mode(PRIVATE), 0o600);
        assert_eq!(std::fs::metadata(&keys).unwrap().mode() & 0o7777, 0o700);
        assert_eq!(std::fs::read_dir(&keys).unwrap().count(), 2);
        assert!(first.public().verifies(b"x", &second.sign(b"x")));
        assert!(!first.public().verifies(b"y", &second.sign(b"x")));
    }

    #[test]
    fn several_processes_get_one_key() {
        let folder = tempfile::tempdir().unwrap();
        let document = |byte: u8| vec![byte; 8];
        let path = folder.path().join("k");
        publish(&path, &document(1), 0o600).unwrap();
        publish(&path, &document(2), 0o600).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), document(1));
    }

    #[test]
    fn an_exposed_or_broken_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        HostKey::open_or_create(folder.path()).unwrap();
        let path = folder.path().join(PRIVATE);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(HostKey::open_or_create(folder.path()), Err(KeyError::Exposed { .. })));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, b"no key").unwrap();
        assert!(matches!(HostKey::open_or_create(folder.path()), Err(KeyError::Malformed { .. })));
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
        assert!(matches!(HostKey::open_or_create(folder.path()), Err(KeyError::File { .. })));
    }

    #[test]
    fn a_public_key_is_read_back() {
        let key = PublicKey([0xa5; 32]);
        assert_eq!(key.to_string().parse(), Ok(key));
        for bad in ["", "a5", &"A5".repeat(32), &"g0".repeat(32), &"a5".repeat(33)] {
            assert!(bad.parse::<PublicKey>().is_err(), "{bad:?}");
        }
    }
}
