//! SHA-256 as digests.

use std::io::{self, Read};

use cofferdam_names::Digest;
use sha2::{Digest as _, Sha256};

/// A digest that is being computed.
#[derive(Debug, Clone, Default)]
pub struct Hasher(Sha256);

impl Hasher {
    /// Takes in more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Takes in all that a reader has. How many bytes that was.
    ///
    /// # Errors
    /// It cannot be read to its end.
    pub fn read(&mut self, content: &mut dyn Read) -> io::Result<u64> {
        let (mut buffer, mut total) = (vec![0; 1 << 16], 0);
        loop {
            match content.read(&mut buffer)? {
                0 => return Ok(total),
                count => {
                    self.update(buffer.get(..count).unwrap_or_default());
                    total += count as u64;
                }
            }
        }
    }

    /// The digest of all bytes.
    #[must_use]
    pub fn finish(self) -> Digest {
        Digest::sha256(self.0.finalize().into())
    }
}

/// The digest of some bytes.
#[must_use]
pub fn digest_of(bytes: &[u8]) -> Digest {
    let mut hasher = Hasher::default();
    hasher.update(bytes);
    hasher.finish()
}
