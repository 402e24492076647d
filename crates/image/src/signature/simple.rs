//! Simple signing, as cosign uses it: a small text that names a digest, and its signature in an annotation of the layer that holds
//! the text (cosign's specs/SIGNATURE_SPEC.md). Other annotations hold a certificate and what a log says.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use cofferdam_names::Digest;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};

use super::keyless::{Claim, Identity as Signer, LogEntry, LogId, Number, Promise, TrustRoot, from_hex};
use crate::Descriptor;

/// The type of a layer that holds the text.
pub const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

/// The annotation that holds the signature (base64).
pub(super) const SIGNATURE: &str = "dev.cosignproject.cosign/signature";

/// The annotation that holds the certificate of who signed (PEM).
pub(super) const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";

/// The annotation that holds what a log of signatures says.
pub(super) const LOGGED: &str = "dev.sigstore.cosign/bundle";

/// What the text says that it is.
const TYPE: &str = "cosign container image signature";

#[derive(Debug, Serialize, Deserialize)]
struct Payload {
    critical: Critical,
    /// Free for who signs; nothing here depends on it.
    #[serde(default)]
    optional: Option<serde_json::Value>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Critical {
    identity: Identity,
    image: Image,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Identity {
    docker_reference: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Image {
    docker_manifest_digest: Digest,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Logged {
    signed_entry_timestamp: String,
    payload: LoggedPayload,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LoggedPayload {
    body: String,
    integrated_time: Number,
    log_index: Number,
    /// Hexadecimal here.
    #[serde(rename = "logID")]
    log_id: String,
}

impl Logged {
    fn entry(self) -> Option<LogEntry> {
        let Self { signed_entry_timestamp, payload } = self;
        Some(LogEntry {
            log_index: payload.log_index,
            log_id: LogId { key_id: BASE64_STANDARD.encode(from_hex(&payload.log_id)?) },
            integrated_time: payload.integrated_time,
            inclusion_promise: Some(Promise { signed_entry_timestamp }),
            inclusion_proof: None,
            canonicalized_body: payload.body,
        })
    }
}

/// Who has signed a text with a certificate.
pub(super) fn identity(
    layer: &Descriptor,
    text: &[u8],
    signature: &[u8],
    root: &TrustRoot,
) -> Option<Signer> {
    let pem = layer.annotations.get(CERTIFICATE)?;
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
    let logged: Logged = serde_json::from_str(layer.annotations.get(LOGGED)?).ok()?;
    let entry = logged.entry()?;
    let timestamps = &[];
    let claim =
        Claim { certificate: &certificate, signed: text, logged: text, signature, entry: &entry, timestamps };
    root.judge(&claim).ok()
}

/// The text for an image.
pub(super) fn payload(reference: &str, digest: &Digest) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&Payload {
        critical: Critical {
            identity: Identity { docker_reference: reference.to_owned() },
            image: Image { docker_manifest_digest: digest.clone() },
            kind: TYPE.to_owned(),
        },
        optional: None,
    })
}

/// The digest that a text is about; none if it is no such text.
pub(super) fn subject(payload: &[u8]) -> Option<Digest> {
    let payload: Payload = serde_json::from_slice(payload).ok()?;
    // Atomic's older texts say another type, which cosign takes as well; who signs with cosign says this one.
    (payload.critical.kind == TYPE).then_some(payload.critical.image.docker_manifest_digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_cosigns() {
        let digest = Digest::sha256([7; 32]);
        let text = payload("registry.example/app", &digest).unwrap();
        let expected = format!(
            r#"{{"critical":{{"identity":{{"docker-reference":"registry.example/app"}},"image":{{"docker-manifest-digest":"{digest}"}},"type":"cosign container image signature"}},"optional":null}}"#
        );
        assert_eq!(String::from_utf8(text.clone()).unwrap(), expected);
        assert_eq!(subject(&text), Some(digest));
        let with_more = expected.replace("null", r#"{"creator":"x","timestamp":1}"#);
        assert!(subject(with_more.as_bytes()).is_some());
        for bad in [
            expected.replace("cosign container", "another"),
            expected.replace("sha256:07", "sha256:x"),
            "{}".into(),
        ] {
            assert_eq!(subject(bad.as_bytes()), None);
        }
    }
}
