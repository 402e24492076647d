//! Sigstore bundles with a key: a statement (in-toto) that names a digest, in an envelope (DSSE) that is signed.
//!
//! Shapes: sigstore's protobuf-specs, `sigstore_bundle.proto` in its JSON form; DSSE's `envelope.md` and `protocol.md`; in-toto's
//! Statement v1. A bundle with a certificate instead of a key (keyless) is not understood, and so it proves nothing.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use cofferdam_names::Digest;
use serde::Deserialize;

use super::PublicKey;

/// The beginning of the types of bundles, as layers and as artifacts: `.v0.3+json` and others follow.
pub(super) const BUNDLE: &str = "application/vnd.dev.sigstore.bundle";

const STATEMENT: &str = "https://in-toto.io/Statement/v1";
const STATEMENT_TYPE: &str = "application/vnd.in-toto+json";

/// What cosign states when it signs an image.
const SIGNED: &str = "https://sigstore.dev/cosign/sign/v1";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    verification_material: Material,
    dsse_envelope: Option<Envelope>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Material {
    /// Said to be which key; which it is, is told by the signature.
    public_key: Option<serde_json::Value>,
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

/// Those of the keys by which a bundle says that this digest is signed.
pub(super) fn signers<'a>(text: &[u8], digest: &Digest, keys: &[&'a PublicKey]) -> Vec<&'a PublicKey> {
    let decode = |text: &str| BASE64_STANDARD.decode(text).ok();
    let Ok(Bundle { verification_material, dsse_envelope: Some(envelope) }) = serde_json::from_slice(text)
    else {
        return Vec::new();
    };
    if verification_material.public_key.is_none() || envelope.payload_type != STATEMENT_TYPE {
        return Vec::new();
    }
    let Some(payload) = decode(&envelope.payload).filter(|payload| states(payload, digest)) else {
        return Vec::new();
    };
    let signed = encoded(&envelope.payload_type, &payload);
    let signatures: Vec<Vec<u8>> =
        envelope.signatures.iter().filter_map(|signature| decode(&signature.sig)).collect();
    let signer = |key: &&&PublicKey| signatures.iter().any(|signature| key.has_signed(&signed, signature));
    keys.iter().filter(signer).copied().collect()
}

/// Whether a statement says that what has this digest was signed.
fn states(payload: &[u8], digest: &Digest) -> bool {
    let Ok(statement) = serde_json::from_slice::<Statement>(payload) else { return false };
    statement.kind == STATEMENT
        && statement.predicate_type == SIGNED
        && statement.subject.iter().any(|subject| subject.digest.sha256.as_deref() == Some(digest.hex()))
}

/// What a signature of an envelope is of (DSSE, "Signature Definition").
fn encoded(kind: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::SigningKey;
    use super::*;

    pub(in super::super) fn bundle(key: &SigningKey, digest: &Digest, predicate: &str) -> String {
        let statement = format!(
            r#"{{"_type":"{STATEMENT}","subject":[{{"name":"","digest":{{"sha256":"{}"}}}}],"predicateType":"{predicate}","predicate":{{}}}}"#,
            digest.hex()
        );
        let signature = key.sign(&encoded(STATEMENT_TYPE, statement.as_bytes())).unwrap();
        format!(
            r#"{{"mediaType":"{BUNDLE}.v0.3+json","verificationMaterial":{{"publicKey":{{"hint":"x"}},"tlogEntries":[]}},"dsseEnvelope":{{"payload":"{}","payloadType":"{STATEMENT_TYPE}","signatures":[{{"sig":"{}"}}]}}}}"#,
            BASE64_STANDARD.encode(statement),
            BASE64_STANDARD.encode(signature)
        )
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
        let keyless = good.replace("\"publicKey\"", "\"certificate\"");
        assert!(signers(keyless.as_bytes(), &digest, &[&public]).is_empty());
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
