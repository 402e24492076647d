//! Sigstore bundles: a statement (in-toto) that names a digest, in an envelope (DSSE) that is signed, by a key or with a certificate.
//!
//! Shapes: sigstore's protobuf-specs, `sigstore_bundle.proto` in its JSON form; DSSE's `envelope.md` and `protocol.md`; in-toto's
//! Statement v1.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use cofferdam_names::Digest;
use serde::Deserialize;

use super::PublicKey;
use super::keyless::{Claim, Identity, LogEntry, TrustRoot};

/// The beginning of the types of bundles, as layers and as artifacts: `.v0.3+json` and others follow.
pub(super) const BUNDLE: &str = "application/vnd.dev.sigstore.bundle";

const STATEMENT: &str = "https://in-toto.io/Statement/v1";
pub(super) const STATEMENT_TYPE: &str = "application/vnd.in-toto+json";

/// What cosign states when it signs an image.
const SIGNED: &str = "https://sigstore.dev/cosign/sign/v1";

/// The most entries of logs, and the most timestamps, that one bundle is judged by.
const MOST_ENTRIES: usize = 4;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    verification_material: Material,
    dsse_envelope: Option<Envelope>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Material {
    /// Said to be which key; which it is, is told by the signature.
    public_key: Option<serde_json::Value>,
    certificate: Option<Certificate>,
    /// Before version 0.3: the first is the signer's, the others are not needed.
    x509_certificate_chain: Option<Chain>,
    #[serde(default)]
    tlog_entries: Vec<LogEntry>,
    #[serde(default)]
    timestamp_verification_data: Option<Timestamps>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Timestamps {
    #[serde(default)]
    rfc3161_timestamps: Vec<SignedTimestamp>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SignedTimestamp {
    /// base64
    signed_timestamp: String,
}

#[derive(Deserialize)]
struct Chain {
    certificates: Vec<Certificate>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Certificate {
    raw_bytes: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<EnvelopeSignature>,
}

#[derive(Deserialize)]
struct EnvelopeSignature {
    sig: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Subject>,
    predicate_type: String,
}

#[derive(Deserialize)]
struct Subject {
    digest: SubjectDigest,
}

#[derive(Deserialize)]
struct SubjectDigest {
    sha256: Option<String>,
}

/// A bundle that states that an image is signed; by whom is not judged yet.
pub(super) struct Bundle {
    material: Material,
    payload: Vec<u8>,
    /// The bytes that are signed.
    signed: Vec<u8>,
    signatures: Vec<Vec<u8>>,
}

impl Bundle {
    /// Reads a bundle. None for what states nothing of this digest.
    pub(super) fn about(text: &[u8], digest: &Digest) -> Option<Self> {
        let decode = |text: &str| BASE64_STANDARD.decode(text).ok();
        let Wire { verification_material: material, dsse_envelope } = serde_json::from_slice(text).ok()?;
        let envelope = dsse_envelope.filter(|envelope| envelope.payload_type == STATEMENT_TYPE)?;
        let payload = decode(&envelope.payload).filter(|payload| states(payload, digest))?;
        let signed = encoded(&envelope.payload_type, &payload);
        let signatures = envelope.signatures.iter().filter_map(|signature| decode(&signature.sig)).collect();
        Some(Self { material, payload, signed, signatures })
    }

    /// Those of the keys that have signed it.
    pub(super) fn signers<'a>(&self, keys: &[&'a PublicKey]) -> Vec<&'a PublicKey> {
        if self.material.public_key.is_none() {
            return Vec::new();
        }
        let by =
            |key: &PublicKey| self.signatures.iter().any(|signature| key.has_signed(&self.signed, signature));
        keys.iter().filter(|key| by(key)).copied().collect()
    }

    /// Who has signed it with a certificate.
    pub(super) fn identity(&self, root: &TrustRoot) -> Option<Identity> {
        let chain = self.material.x509_certificate_chain.as_ref();
        let first = chain.and_then(|chain| chain.certificates.first());
        let certificate = self.material.certificate.as_ref().or(first)?;
        let certificate = BASE64_STANDARD.decode(&certificate.raw_bytes).ok()?;
        let timestamps = self.material.timestamp_verification_data.iter();
        let timestamps = timestamps.flat_map(|data| &data.rfc3161_timestamps).take(MOST_ENTRIES);
        let timestamps: Vec<Vec<u8>> =
            timestamps.filter_map(|it| BASE64_STANDARD.decode(&it.signed_timestamp).ok()).collect();
        let entries = self.material.tlog_entries.iter().take(MOST_ENTRIES);
        // More than one signature has never been defined for a bundle.
        let [signature] = self.signatures.as_slice() else { return None };
        let judged = entries.map(|entry| {
            root.judge(&Claim {
                certificate: &certificate,
                signed: &self.signed,
                logged: &self.payload,
                signature,
                entry,
                timestamps: &timestamps,
            })
        });
        judged.filter_map(Result::ok).next()
    }
}

/// Whether a statement says that what has this digest was signed.
fn states(payload: &[u8], digest: &Digest) -> bool {
    let Ok(statement) = serde_json::from_slice::<Statement>(payload) else { return false };
    statement.kind == STATEMENT
        && statement.predicate_type == SIGNED
        && statement.subject.iter().any(|subject| subject.digest.sha256.as_deref() == Some(digest.hex()))
}

/// What a signature of an envelope is of (DSSE, "Signature Definition").
pub(super) fn encoded(kind: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::SigningKey;
    use super::*;

    pub(in super::super) fn statement(digest: &Digest, predicate: &str) -> String {
        format!(
            r#"{{"_type":"{STATEMENT}","subject":[{{"name":"","digest":{{"sha256":"{}"}}}}],"predicateType":"{predicate}","predicate":{{}}}}"#,
            digest.hex()
        )
    }

    pub(in super::super) fn wrapped(material: &str, statement: &str, signature: &[u8]) -> String {
        format!(
            r#"{{"mediaType":"{BUNDLE}.v0.3+json","verificationMaterial":{material},"dsseEnvelope":{{"payload":"{}","payloadType":"{STATEMENT_TYPE}","signatures":[{{"sig":"{}"}}]}}}}"#,
            BASE64_STANDARD.encode(statement),
            BASE64_STANDARD.encode(signature)
        )
    }

    pub(in super::super) fn bundle(key: &SigningKey, digest: &Digest, predicate: &str) -> String {
        let statement = statement(digest, predicate);
        let signature = key.sign(&encoded(STATEMENT_TYPE, statement.as_bytes())).unwrap();
        wrapped(r#"{"publicKey":{"hint":"x"},"tlogEntries":[]}"#, &statement, &signature)
    }

    fn signers<'a>(text: &[u8], digest: &Digest, keys: &[&'a PublicKey]) -> Vec<&'a PublicKey> {
        Bundle::about(text, digest).map(|bundle| bundle.signers(keys)).unwrap_or_default()
    }

    #[test]
    fn only_a_statement_of_this_digest_by_this_key_counts() {
        let (key, _) = SigningKey::generate().unwrap();
        let (other, _) = SigningKey::generate().unwrap();
        let (digest, public, others) = (Digest::sha256([1; 32]), key.public(), other.public());
        let good = bundle(&key, &digest, SIGNED);
        assert_eq!(signers(good.as_bytes(), &digest, &[&others, &public]), [&public]);
        assert!(signers(good.as_bytes(), &digest, &[&others]).is_empty());
        assert!(signers(good.as_bytes(), &Digest::sha256([2; 32]), &[&public]).is_empty());
        // An attestation of something else is no signature of the image.
        let attestation = bundle(&key, &digest, "https://slsa.dev/provenance/v1");
        assert!(signers(attestation.as_bytes(), &digest, &[&public]).is_empty());
        let keyless = good.replace("{\"publicKey\":{\"hint\":\"x\"},", "{");
        assert!(keyless != good && signers(keyless.as_bytes(), &digest, &[&public]).is_empty());
        assert!(signers(b"{}", &digest, &[&public]).is_empty());
    }

    #[test]
    fn the_encoding_is_dsses() {
        // The example of protocol.md.
        assert_eq!(
            encoded("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }
}
