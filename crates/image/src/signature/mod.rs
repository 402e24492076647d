//! Signatures of images, as cosign makes them with a key.
//!
//! A signature is kept in the store beside its image, so that a start can check it without the network. What counts as signed: a
//! manifest or index whose digest a signed text names (simple signing), or a signed statement (sigstore bundle). Certificates
//! instead of keys (keyless), transparency logs and timestamps are not understood: a signature that needs them proves nothing here.

mod bundle;
mod keys;
mod simple;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use cofferdam_names::{Digest, ImageReference};
use thiserror::Error;

use crate::{Descriptor, Document, Lease, Manifest, MediaType, Store, StoreError};

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
        for digest in digests {
            for referrer in self.referrers(digest)? {
                let Ok(Document::Manifest(manifest)) = self.document(&referrer) else { continue };
                if !is_signature(&manifest) {
                    continue;
                }
                for layer in &manifest.layers {
                    let signed_by = self.layer_signers(layer, digest, keys);
                    found
                        .extend(signed_by.into_iter().filter(|key| !found.contains(key)).collect::<Vec<_>>());
                }
            }
        }
        Ok(found)
    }

    fn layer_signers<'a>(
        &self,
        layer: &Descriptor,
        digest: &Digest,
        keys: &[&'a PublicKey],
    ) -> Vec<&'a PublicKey> {
        // The bytes have the digest that the manifest names, which has the one that the index names.
        let Some(text) = (layer.size <= MOST_TEXT).then(|| self.read_small(layer).ok()).flatten() else {
            return Vec::new();
        };
        if !is_simple(layer) {
            return bundle::signers(&text, digest, keys);
        }
        let signature = layer.annotations.get(simple::SIGNATURE);
        let signature = signature.and_then(|signature| BASE64_STANDARD.decode(signature).ok());
        match (signature, simple::subject(&text)) {
            (Some(signature), Some(subject)) if subject == *digest => {
                keys.iter().filter(|key| key.has_signed(&text, &signature)).copied().collect()
            }
            _ => Vec::new(),
        }
    }
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
