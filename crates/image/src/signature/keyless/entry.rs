//! What a log's entry says was signed: Rekor's kinds `dsse` and `hashedrekord`, in its first version (0.0.1) and its second (0.0.2).

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Claim;
use super::log::from_hex;
use crate::digest_of;

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

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DsseSecond {
    payload_hash: HashSecond,
    signatures: Vec<SignatureSecond>,
}

#[derive(Deserialize)]
struct HashedRekordSecond {
    data: HashSecond,
    signature: SignatureSecond,
}

#[derive(Deserialize)]
struct SignatureSecond {
    /// base64
    content: String,
    verifier: VerifierSecond,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VerifierSecond {
    x509_certificate: CertificateSecond,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CertificateSecond {
    /// base64
    raw_bytes: String,
}

#[derive(Deserialize)]
struct HashSecond {
    algorithm: String,
    /// base64
    digest: String,
}

impl HashSecond {
    fn is_of(&self, bytes: &[u8]) -> bool {
        let digest = BASE64_STANDARD.decode(&self.digest).ok();
        self.algorithm == "SHA2_256" && digest.is_some() && digest == from_hex(digest_of(bytes).hex())
    }
}

/// What the second version says stands under the name of its kind.
fn second<T: DeserializeOwned>(spec: &serde_json::Value, name: &str) -> Option<T> {
    serde_json::from_value(spec.get(name)?.clone()).ok()
}

/// Whether an entry says that this signature of a claim was made with this certificate.
pub(super) fn is_about(body: &[u8], claim: &Claim<'_>) -> bool {
    let Claim { certificate, signed, logged, signature, .. } = *claim;
    let Ok(Body { api_version, kind, spec }) = serde_json::from_slice(body) else { return false };
    let logged_hash = digest_of(logged);
    let is_hash = |hash: &Hash| hash.algorithm == "sha256" && hash.value == logged_hash.hex();
    let is_ours_second = |made: &SignatureSecond| {
        BASE64_STANDARD.decode(&made.content).is_ok_and(|made| made == signature)
            && BASE64_STANDARD
                .decode(&made.verifier.x509_certificate.raw_bytes)
                .is_ok_and(|by| by == certificate)
    };
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
        ("dsse", "0.0.2") => second::<DsseSecond>(&spec, "dsseV002").is_some_and(|entry| {
            entry.payload_hash.is_of(logged) && entry.signatures.iter().any(is_ours_second)
        }),
        // Of envelopes, too: then the hash is of all that is signed, and not of the payload alone.
        ("hashedrekord", "0.0.2") => second::<HashedRekordSecond>(&spec, "hashedRekordV002")
            .is_some_and(|entry| entry.data.is_of(signed) && is_ours_second(&entry.signature)),
        _ => false,
    }
}
