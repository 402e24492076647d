//! Keys that sign images, and those that check signatures: ECDSA on P-256 with SHA-256, and Ed25519.

use std::fmt;

use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    UnparsedPublicKey,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};

use super::SignatureError;
use crate::digest_of;

/// What stands before a P-256 point in a SubjectPublicKeyInfo (RFC 5480): the only form of it there is.
const P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// What stands before an Ed25519 key (RFC 8410).
const ED: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// A key that signatures are checked with.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey {
    kind: Kind,
    /// The point or the key, without what stands before it.
    bytes: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Kind {
    P256,
    Ed25519,
}

impl PublicKey {
    /// Reads a key as `cosign` and `openssl` write it: PEM, `PUBLIC KEY`.
    ///
    /// # Errors
    /// It is no such key.
    pub fn from_pem(text: &[u8]) -> Result<Self, SignatureError> {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(text).map_err(|_| SignatureError::NoPublicKey)?;
        Self::from_der(der.as_ref())
    }

    /// Reads a key as certificates hold it: SubjectPublicKeyInfo.
    pub(super) fn from_der(der: &[u8]) -> Result<Self, SignatureError> {
        if let Some(point) =
            der.strip_prefix(&P256).filter(|point| point.len() == 65 && point.first() == Some(&4))
        {
            return Ok(Self { kind: Kind::P256, bytes: point.to_vec() });
        }
        match der.strip_prefix(&ED) {
            Some(key) if key.len() == 32 => Ok(Self { kind: Kind::Ed25519, bytes: key.to_vec() }),
            _ => Err(SignatureError::NoPublicKey),
        }
    }

    /// The same form, for files.
    #[must_use]
    pub fn to_pem(&self) -> String {
        use base64::Engine as _;
        let text = base64::prelude::BASE64_STANDARD.encode(self.der());
        let mut pem = "-----BEGIN PUBLIC KEY-----\n".to_owned();
        for line in text.as_bytes().chunks(64) {
            pem.push_str(&String::from_utf8_lossy(line));
            pem.push('\n');
        }
        pem + "-----END PUBLIC KEY-----\n"
    }

    pub(super) fn der(&self) -> Vec<u8> {
        let prefix: &[u8] = match self.kind {
            Kind::P256 => &P256,
            Kind::Ed25519 => &ED,
        };
        [prefix, &self.bytes].concat()
    }

    /// Whether this key made a signature of these bytes.
    #[must_use]
    pub fn has_signed(&self, bytes: &[u8], signature: &[u8]) -> bool {
        match self.kind {
            Kind::P256 => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.bytes).verify(bytes, signature)
            }
            Kind::Ed25519 => UnparsedPublicKey::new(&ED25519, &self.bytes).verify(bytes, signature),
        }
        .is_ok()
    }
}

/// Kind and the beginning of its digest.
impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::P256 => "ecdsa-p256",
            Kind::Ed25519 => "ed25519",
        };
        write!(f, "{kind} {}", digest_of(&self.der()).hex().get(..16).unwrap_or_default())
    }
}

/// A key that signs.
pub struct SigningKey {
    pair: Pair,
    random: SystemRandom,
}

enum Pair {
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// Without the key.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningKey").field(&self.public()).finish()
    }
}

impl SigningKey {
    /// Reads a key as `openssl genpkey` writes it: PEM, `PRIVATE KEY`, not encrypted.
    ///
    /// # Errors
    /// It is no such key.
    pub fn from_pem(text: &[u8]) -> Result<Self, SignatureError> {
        if text.windows(10).any(|part| part == b" ENCRYPTED" || part == b"-ENCRYPTED") {
            return Err(SignatureError::EncryptedKey);
        }
        let der = PrivatePkcs8KeyDer::from_pem_slice(text).map_err(|_| SignatureError::NoSigningKey)?;
        Self::from_der(der.secret_pkcs8_der())
    }

    fn from_der(der: &[u8]) -> Result<Self, SignatureError> {
        let random = SystemRandom::new();
        if let Ok(pair) = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der, &random) {
            return Ok(Self { pair: Pair::P256(pair), random });
        }
        match Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
            Ok(pair) => Ok(Self { pair: Pair::Ed25519(pair), random }),
            Err(_) => Err(SignatureError::NoSigningKey),
        }
    }

    /// A new key on P-256, and its file (PEM).
    ///
    /// # Errors
    /// The kernel gives no random bytes.
    pub fn generate() -> Result<(Self, String), SignatureError> {
        use base64::Engine as _;
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new());
        let der = made.map_err(|_| SignatureError::Random)?;
        let text = base64::prelude::BASE64_STANDARD.encode(der.as_ref());
        let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"));
        Ok((Self::from_der(der.as_ref())?, pem))
    }

    /// The key that checks what this one signs.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        match &self.pair {
            Pair::P256(pair) => PublicKey { kind: Kind::P256, bytes: pair.public_key().as_ref().to_vec() },
            Pair::Ed25519(pair) => {
                PublicKey { kind: Kind::Ed25519, bytes: pair.public_key().as_ref().to_vec() }
            }
        }
    }

    pub(super) fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>, SignatureError> {
        match &self.pair {
            Pair::P256(pair) => {
                let signed = pair.sign(&self.random, bytes).map_err(|_| SignatureError::Random)?;
                Ok(signed.as_ref().to_vec())
            }
            Pair::Ed25519(pair) => Ok(pair.sign(bytes).as_ref().to_vec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with `openssl genpkey -algorithm ed25519` and `openssl pkey -pubout`.
    const ED_PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIPtJowfTVwfEAf4IPwvHpICGacdsnefmX5vMSnASxHpY\n-----END PRIVATE KEY-----\n";
    const ED_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEArR2n36EWY7PcEomNpKdrpElsa+t0BLnV8eKysPXp1zc=\n-----END PUBLIC KEY-----\n";

    #[test]
    fn keys_are_read_written_and_used() {
        let (made, pem) = SigningKey::generate().unwrap();
        let read = SigningKey::from_pem(pem.as_bytes()).unwrap();
        assert_eq!(read.public(), made.public());
        let ed = SigningKey::from_pem(ED_PRIVATE.as_bytes()).unwrap();
        assert_eq!(ed.public(), PublicKey::from_pem(ED_PUBLIC.as_bytes()).unwrap());
        assert_eq!(ed.public().to_pem(), ED_PUBLIC);
        for key in [made, ed] {
            let public = PublicKey::from_pem(key.public().to_pem().as_bytes()).unwrap();
            let mut signature = key.sign(b"text").unwrap();
            assert!(public.has_signed(b"text", &signature));
            assert!(!public.has_signed(b"texts", &signature));
            signature[9] ^= 1;
            assert!(!public.has_signed(b"text", &signature));
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in ["", "x", ED_PRIVATE, &ED_PUBLIC.replace("MCow", "MCoy")] {
            assert!(PublicKey::from_pem(text.as_bytes()).is_err());
        }
        assert!(matches!(SigningKey::from_pem(ED_PUBLIC.as_bytes()), Err(SignatureError::NoSigningKey)));
        let encrypted = "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nAA==\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n";
        assert!(matches!(SigningKey::from_pem(encrypted.as_bytes()), Err(SignatureError::EncryptedKey)));
    }
}
