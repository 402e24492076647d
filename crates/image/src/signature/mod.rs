//! Signatures of images, as cosign makes them: with a key, or with a certificate that lives for minutes (keyless).
//!
//! A signature is kept in the store beside its image, so that a start can check it without the network. What counts as signed: a
//! manifest or index whose digest a signed text names (simple signing), or a signed statement (sigstore bundle). By whom is told by
//! keys that are trusted here, or by a root of trust that was brought here.

mod bundle;
mod keyless;
mod keys;
mod simple;

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use cofferdam_names::{Digest, ImageReference};
use thiserror::Error;

use crate::{Descriptor, Document, Lease, Manifest, MediaType, Store, StoreError};

use bundle::Bundle;
pub use keyless::{Identity, TrustRoot, TrustRootError};
pub use keys::{PublicKey, SigningKey};
pub use simple::SIMPLE_SIGNING;

/// The most bytes of a signed text or a bundle.
pub(crate) const MOST_TEXT: u64 = 1 << 20;

/// The most signatures of one manifest of signatures.
pub(crate) const MOST_LAYERS: usize = 100;

/// Why something could not be signed, or a key not be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// It is no key to check signatures with.
    #[error("it holds no public key that is known (PEM, `PUBLIC KEY`, ECDSA on P-256 or Ed25519)")]
    NoPublicKey,
    /// It is no key to sign with.
    #[error(
        "it holds no private key that is known (PEM, `PRIVATE KEY` in PKCS#8, ECDSA on P-256 or Ed25519)"
    )]
    NoSigningKey,
    /// It is encrypted.
    #[error(
        "encrypted private keys, such as cosign's, are not understood; `openssl pkcs8 -topk8 -nocrypt` and `cofferdam image trust generate` write others"
    )]
    EncryptedKey,
    /// The kernel gives no random bytes.
    #[error("cannot get random bytes")]
    Random,
    /// A text could not be written.
    #[error("cannot write a signature")]
    Write(#[source] serde_json::Error),
    /// The store could not be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whether a descriptor is of a manifest of signatures, as far as it tells.
pub(crate) fn may_be_signature(descriptor: &Descriptor) -> bool {
    descriptor.artifact_type.as_deref().is_none_or(|kind| {
        kind.starts_with(bundle::BUNDLE)
            || kind == "application/vnd.dev.cosign.artifact.sig.v1+json"
            || kind.starts_with("application/vnd.oci.image.config")
            || kind == SIMPLE_SIGNING
    })
}

/// Whether a manifest holds signatures that are understood.
pub(crate) fn is_signature(manifest: &Manifest) -> bool {
    let known =
        |layer: &Descriptor| is_simple(layer) || layer.media_type.as_str().starts_with(bundle::BUNDLE);
    !manifest.layers.is_empty() && manifest.layers.len() <= MOST_LAYERS && manifest.layers.iter().all(known)
}

/// Whether a layer is a text of simple signing.
pub(crate) fn is_simple(layer: &Descriptor) -> bool {
    layer.media_type.as_str() == SIMPLE_SIGNING
}

impl Store {
    /// Those of the keys that have signed one of these digests, as far as signatures in the store say: the digests of an image's
    /// index and of its manifest. A signature that does not read proves nothing, and is no error.
    ///
    /// # Errors
    /// The store's index cannot be read.
    pub fn signers<'a>(
        &self,
        digests: &[Digest],
        keys: &[&'a PublicKey],
    ) -> Result<Vec<&'a PublicKey>, StoreError> {
        let mut found: Vec<&PublicKey> = Vec::new();
        self.each_signature(digests, |signature| {
            let signed_by = match signature {
                Signature::Simple { text, signature, .. } => {
                    keys.iter().filter(|key| key.has_signed(text, signature)).copied().collect()
                }
                Signature::Bundle(bundle) => bundle.signers(keys),
            };
            for key in signed_by {
                if !found.contains(&key) {
                    found.push(key);
                }
            }
        })?;
        Ok(found)
    }

    /// Who has signed one of these digests with a certificate that this root of trust answers for, as far as signatures in the store
    /// say.
    ///
    /// # Errors
    /// The store's index cannot be read.
    pub fn identities(&self, digests: &[Digest], root: &TrustRoot) -> Result<BTreeSet<Identity>, StoreError> {
        let mut found = BTreeSet::new();
        self.each_signature(digests, |signature| {
            found.extend(match signature {
                Signature::Simple { layer, text, signature } => {
                    simple::identity(layer, text, signature, root)
                }
                Signature::Bundle(bundle) => bundle.identity(root),
            });
        })?;
        Ok(found)
    }

    /// Shows what is signed of these digests.
    fn each_signature(
        &self,
        digests: &[Digest],
        mut look: impl FnMut(Signature<'_>),
    ) -> Result<(), StoreError> {
        for digest in digests {
            for referrer in self.referrers(digest)? {
                let Ok(Document::Manifest(manifest)) = self.document(&referrer) else { continue };
                if is_signature(&manifest) {
                    manifest.layers.iter().for_each(|layer| self.look_at(layer, digest, &mut look));
                }
            }
        }
        Ok(())
    }

    fn look_at(&self, layer: &Descriptor, digest: &Digest, look: &mut impl FnMut(Signature<'_>)) {
        // The bytes have the digest that the manifest names, which has the one that the index names.
        let Some(text) = (layer.size <= MOST_TEXT).then(|| self.read_small(layer).ok()).flatten() else {
            return;
        };
        if !is_simple(layer) {
            if let Some(bundle) = Bundle::about(&text, digest) {
                look(Signature::Bundle(&bundle));
            }
            return;
        }
        let signature = layer.annotations.get(simple::SIGNATURE);
        let signature = signature.and_then(|signature| BASE64_STANDARD.decode(signature).ok());
        if let (Some(signature), Some(subject)) = (signature, simple::subject(&text))
            && subject == *digest
        {
            look(Signature::Simple { layer, text: &text, signature: &signature });
        }
    }
}

/// What says that an image is signed; whether it is, and by whom, is not judged yet.
enum Signature<'a> {
    /// Its text names the image.
    Simple {
        layer: &'a Descriptor,
        text: &'a [u8],
        signature: &'a [u8],
    },
    Bundle(&'a Bundle),
}

impl Lease {
    /// Signs an image: a manifest or an index. The signature is kept beside it; `push` takes it along.
    ///
    /// # Errors
    /// It could not be signed, or the signature not be written.
    pub fn sign(
        &self,
        name: &ImageReference,
        image: &Descriptor,
        key: &SigningKey,
    ) -> Result<Descriptor, SignatureError> {
        let reference = format!("{}/{}", name.registry(), name.repository());
        let text = simple::payload(&reference, &image.digest).map_err(SignatureError::Write)?;
        let kind = |text: &str| -> Result<MediaType, SignatureError> {
            text.parse()
                .map_err(|source| StoreError::Document { digest: image.digest.clone(), source }.into())
        };
        let mut layer = self.put_small(kind(SIMPLE_SIGNING)?, &text)?;
        layer.annotations.insert(simple::SIGNATURE.to_owned(), BASE64_STANDARD.encode(key.sign(&text)?));
        let manifest = signature_manifest(self, vec![layer])?;
        let bytes = manifest.to_bytes().map_err(SignatureError::Write)?;
        let descriptor = self.put_small(manifest.media_type, &bytes)?;
        self.put_referrer(&image.digest, &descriptor)?;
        Ok(descriptor)
    }
}

/// A manifest of signatures as cosign writes it: with a configuration of an image, whose layers are the texts.
pub(crate) fn signature_manifest(lease: &Lease, layers: Vec<Descriptor>) -> Result<Manifest, SignatureError> {
    let kind = |text: &str| -> Result<MediaType, SignatureError> {
        let digest = layers.first().map_or_else(|| crate::digest_of(b""), |layer| layer.digest.clone());
        text.parse().map_err(|source| StoreError::Document { digest, source }.into())
    };
    let diff_ids: Vec<&str> = layers.iter().map(|layer| layer.digest.as_str()).collect();
    let config = serde_json::json!({
        "architecture": "",
        "os": "",
        "config": {},
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    });
    let config = serde_json::to_vec(&config).map_err(SignatureError::Write)?;
    Ok(Manifest {
        config: lease.put_small(kind(MediaType::OCI_CONFIG)?, &config)?,
        media_type: kind(MediaType::OCI_MANIFEST)?,
        layers,
        subject: None,
        artifact_type: None,
        annotations: std::collections::BTreeMap::new(),
    })
}

#[cfg(test)]
mod tests;
