//! What a log's entry says was signed: Rekor's kinds `dsse` and `hashedrekord`, version 0.0.1.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    api_version: String,
    kind: String,
    spec: serde_json::Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Dsse {
    payload_hash: Hash,
    signatures: Vec<DsseSignature>,
}

#[derive(Deserialize)]
struct DsseSignature {
    signature: String,
    verifier: String,
}

#[derive(Deserialize)]
struct HashedRekord {
    data: Data,
    signature: RekordSignature,
}

#[derive(Deserialize)]
struct Data {
    hash: Hash,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RekordSignature {
    content: String,
    public_key: RekordKey,
}

#[derive(Deserialize)]
struct RekordKey {
    content: String,
}

#[derive(Deserialize)]
struct Hash {
    algorithm: String,
    value: String,
}

/// Whether an entry says that this certificate's holder made this signature of something with this SHA-256.
pub(super) fn is_about(body: &[u8], sha256: &str, signature: &[u8], certificate: &[u8]) -> bool {
    let Ok(Body { api_version, kind, spec }) = serde_json::from_slice(body) else { return false };
    let is_hash = |hash: &Hash| hash.algorithm == "sha256" && hash.value == sha256;
    let is_ours = |said: &str, by: &str| {
        let said = BASE64_STANDARD.decode(said).is_ok_and(|said| said == signature);
        let by = BASE64_STANDARD.decode(by).ok().and_then(|pem| CertificateDer::from_pem_slice(&pem).ok());
        said && by.is_some_and(|by| by.as_ref() == certificate)
    };
    match (kind.as_str(), api_version.as_str()) {
        ("dsse", "0.0.1") => serde_json::from_value::<Dsse>(spec).is_ok_and(|entry| {
            is_hash(&entry.payload_hash)
                && entry.signatures.iter().any(|made| is_ours(&made.signature, &made.verifier))
        }),
        ("hashedrekord", "0.0.1") => serde_json::from_value::<HashedRekord>(spec).is_ok_and(|entry| {
            is_hash(&entry.data.hash)
                && is_ours(&entry.signature.content, &entry.signature.public_key.content)
        }),
        _ => false,
    }
}
