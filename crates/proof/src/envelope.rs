//! DSSE, the "Dead Simple Signing Envelope" (github.com/secure-systems-lab/dsse, protocol and envelope version 1).
//!
//! The signature covers the payload's type and its bytes as they are; the payload is understood only after that.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::host_key::{HostKey, PublicKey};

/// What the payload of a receipt is.
pub const PAYLOAD_TYPE: &str = "application/vnd.cofferdam.receipt.v1+json";

/// A signed payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Envelope {
    /// Media type of the payload.
    pub payload_type: String,
    /// The payload, base64 (RFC 4648, section 4).
    pub payload: String,
    /// Signatures over both.
    pub signatures: Vec<Signature>,
}

/// One signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// Which key: [`PublicKey::id`].
    pub keyid: String,
    /// The signature, base64.
    pub sig: String,
}

/// Why an envelope is not believed.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum OpenError {
    #[error("the envelope holds {0:?}, not a receipt")]
    PayloadType(String),
    #[error("the envelope has {0} signatures; a receipt has one")]
    Signatures(usize),
    #[error("the receipt is signed by the key {0}, which is not trusted")]
    UntrustedKey(String),
    #[error("the envelope's {0} is not base64")]
    Base64(&'static str),
    #[error("the signature does not belong to this receipt")]
    Signature,
}

/// "Pre-authentication encoding": what is signed.
fn pre_authentication_encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut message = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    message.extend_from_slice(payload);
    message
}

impl Envelope {
    /// Signs a receipt's bytes.
    #[must_use]
    pub fn seal(payload: &[u8], key: &HostKey) -> Self {
        let signature = key.sign(&pre_authentication_encoding(PAYLOAD_TYPE, payload));
        Self {
            payload_type: PAYLOAD_TYPE.to_owned(),
            payload: STANDARD.encode(payload),
            signatures: vec![Signature { keyid: key.public().id(), sig: STANDARD.encode(signature) }],
        }
    }

    /// The payload, if a trusted key has signed it.
    ///
    /// # Errors
    /// It is not signed by one of these keys, or was changed since.
    pub fn open(&self, trusted: &[PublicKey]) -> Result<Vec<u8>, OpenError> {
        if self.payload_type != PAYLOAD_TYPE {
            return Err(OpenError::PayloadType(self.payload_type.clone()));
        }
        let [signature] = self.signatures.as_slice() else {
            return Err(OpenError::Signatures(self.signatures.len()));
        };
        let key = trusted
            .iter()
            .find(|key| key.id() == signature.keyid)
            .ok_or_else(|| OpenError::UntrustedKey(signature.keyid.clone()))?;
        let payload = STANDARD.decode(&self.payload).map_err(|_| OpenError::Base64("payload"))?;
        let signed = STANDARD.decode(&signature.sig).map_err(|_| OpenError::Base64("signature"))?;
        if key.verifies(&pre_authentication_encoding(&self.payload_type, &payload), &signed) {
            Ok(payload)
        } else {
            Err(OpenError::Signature)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoding_is_the_specifications() {
        // The example of the protocol's text.
        let encoded = pre_authentication_encoding("http://example.com/HelloWorld", b"hello world");
        assert_eq!(encoded, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    }

    #[test]
    fn only_a_trusted_key_opens_it() {
        let folder = tempfile::tempdir().unwrap();
        let one = HostKey::open_or_create(&folder.path().join("1")).unwrap();
        let two = HostKey::open_or_create(&folder.path().join("2")).unwrap();
        let envelope = Envelope::seal(b"{}", &one);
        assert_eq!(envelope.open(&[two.public(), one.public()]).unwrap(), b"{}");
        assert!(matches!(envelope.open(&[two.public()]), Err(OpenError::UntrustedKey(_))));
        let mut doubled = envelope.clone();
        doubled.signatures.push(envelope.signatures[0].clone());
        assert!(matches!(doubled.open(&[one.public()]), Err(OpenError::Signatures(2))));
    }

    #[test]
    fn any_changed_byte_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let key = HostKey::open_or_create(folder.path()).unwrap();
        let text = serde_json::to_vec(&Envelope::seal(b"{\"container\":\"c1\"}", &key)).unwrap();
        let opens = |text: &[u8]| {
            let envelope: Envelope = serde_json::from_slice(text).ok()?;
            envelope.open(&[key.public()]).ok()
        };
        assert!(opens(&text).is_some());
        for at in 0..text.len() {
            for change in [1u8, 2, 4, 8, 16, 32, 64, 128] {
                let mut changed = text.clone();
                changed[at] ^= change;
                assert!(opens(&changed).is_none(), "byte {at}: {}", String::from_utf8_lossy(&changed));
            }
        }
        for length in 0..text.len() {
            assert!(opens(&text[..length]).is_none());
        }
    }
}
