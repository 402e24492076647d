//! A sigstore of a test's own: an authority, a log of certificates, a log of signatures, an authority for timestamps, and what they
//! make of a signature.

#![allow(dead_code, reason = "each test that has one uses its own part of it")]

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, PublicKeyData, SanType, SerialNumber, date_time_ymd,
};
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use serde_json::{Value, json};

#[path = "clock.rs"]
pub(crate) mod clock;

pub(crate) use clock::{Clock, Ticks};

/// Noon of the day for which certificates are made, 1 March 2026.
pub(crate) const NOON: u64 = 1_772_366_400;

/// What somebody states who signs an image.
pub(crate) const SIGNED: &str = "https://sigstore.dev/cosign/sign/v1";

const STATEMENT_TYPE: &str = "application/vnd.in-toto+json";

pub(crate) fn base64(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

fn sha256(parts: &[&[u8]]) -> Vec<u8> {
    digest(&SHA256, &parts.concat()).as_ref().to_vec()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    match content.len() {
        short @ 0..=0x7f => [&[tag, u8::try_from(short).unwrap()], content].concat(),
        long @ 0x80..=0xff => [&[tag, 0x81, u8::try_from(long).unwrap()], content].concat(),
        long => [&[tag, 0x82], u16::try_from(long).unwrap().to_be_bytes().as_slice(), content].concat(),
    }
}

/// Bytes behind their length of two bytes.
fn sized(bytes: &[u8]) -> Vec<u8> {
    [u16::try_from(bytes.len()).unwrap().to_be_bytes().as_slice(), bytes].concat()
}

/// The first element of what a DER element holds.
fn first_inside(bytes: &[u8]) -> &[u8] {
    let size = |bytes: &[u8]| match bytes[1] {
        short @ 0..=0x7f => (2, usize::from(short)),
        0x81 => (3, usize::from(bytes[2])),
        _ => (4, usize::from(u16::from_be_bytes([bytes[2], bytes[3]]))),
    };
    let inside = &bytes[size(bytes).0..];
    let (head, length) = size(inside);
    &inside[..head + length]
}

fn sign(key: &KeyPair, bytes: &[u8]) -> Vec<u8> {
    let random = SystemRandom::new();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &key.serialize_der(), &random);
    pair.unwrap().sign(&random, bytes).unwrap().as_ref().to_vec()
}

/// How somebody signs; as it should be, if nothing else is said.
#[derive(Clone)]
pub(crate) struct Wish {
    pub(crate) subject: SanType,
    pub(crate) issuer: String,
    /// When the log takes it in.
    pub(crate) time: u64,
    pub(crate) purpose: ExtendedKeyUsagePurpose,
    /// Whether the log of certificates gets to see the certificate.
    pub(crate) public: bool,
    /// What the log is told that was signed; the truth, if nothing is said.
    pub(crate) logged: Option<Vec<u8>>,
    /// Whether the log is Rekor's second version: it tells no time, so an authority for timestamps does.
    pub(crate) second: bool,
}

impl Wish {
    pub(crate) fn of(mail: &str) -> Self {
        Self {
            subject: SanType::Rfc822Name(mail.try_into().unwrap()),
            issuer: "https://accounts.example.org".to_owned(),
            time: NOON,
            purpose: ExtendedKeyUsagePurpose::CodeSigning,
            public: true,
            logged: None,
            second: false,
        }
    }
}

/// What comes of it.
#[derive(Clone)]
pub(crate) struct Made {
    pub(crate) certificate: Vec<u8>,
    pub(crate) pem: String,
    pub(crate) signature: Vec<u8>,
    /// As a bundle has it.
    pub(crate) entry: Value,
    /// What an authority for timestamps answers.
    pub(crate) timestamps: Vec<Vec<u8>>,
}

pub(crate) struct Sigstore {
    root: CertifiedIssuer<'static, KeyPair>,
    authority: CertifiedIssuer<'static, KeyPair>,
    certificates: KeyPair,
    signatures: KeyPair,
    pub(crate) clock: Clock,
}

fn issuer(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params
}

impl Sigstore {
    pub(crate) fn make() -> Self {
        let key = || KeyPair::generate().unwrap();
        let root = CertifiedIssuer::self_signed(issuer("root"), key()).unwrap();
        let authority = CertifiedIssuer::signed_by(issuer("authority"), key(), &root).unwrap();
        Self { root, authority, certificates: key(), signatures: key(), clock: Clock::make() }
    }

    /// The file that hosts trust.
    pub(crate) fn trust_root(&self) -> Value {
        let log = |key: &KeyPair| {
            let key = key.subject_public_key_info();
            json!({
                "baseUrl": "https://log.example",
                "hashAlgorithm": "SHA2_256",
                "publicKey": {
                    "rawBytes": base64(&key),
                    "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                    "validFor": { "start": "2026-01-01T00:00:00.000Z" },
                },
                "logId": { "keyId": base64(&sha256(&[&key])) },
            })
        };
        let certificates: Vec<Value> = [&self.authority, &self.root]
            .iter()
            .map(|certificate| json!({ "rawBytes": base64(certificate.der()) }))
            .collect();
        json!({
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [log(&self.signatures)],
            "certificateAuthorities": [{
                "subject": { "organization": "example", "commonName": "authority" },
                "uri": "https://authority.example",
                "certChain": { "certificates": certificates },
                "validFor": { "start": "2026-01-01T00:00:00Z", "end": "2026-12-31T23:59:59Z" },
            }],
            "ctlogs": [log(&self.certificates)],
            "timestampAuthorities": [{
                "subject": { "organization": "example", "commonName": "clock" },
                "uri": "https://clock.example",
                "certChain": { "certificates": self.clock.chain() },
                "validFor": { "start": "2026-01-01T00:00:00Z" },
            }],
        })
    }

    /// A certificate for a key, by the rules of Fulcio.
    fn certificate(&self, wish: &Wish, key: &KeyPair) -> (Vec<u8>, String) {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.serial_number = Some(SerialNumber::from(7u64));
        params.not_before = date_time_ymd(2026, 3, 1);
        params.not_after = date_time_ymd(2026, 3, 2);
        params.subject_alt_names = vec![wish.subject.clone()];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![wish.purpose.clone()];
        let issuer = der(0x0c, wish.issuer.as_bytes());
        let told = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 57264, 1, 8], issuer);
        params.custom_extensions = vec![told];
        if wish.public {
            let seen = params.clone().signed_by(key, &self.authority).unwrap();
            let promise = self.promise(first_inside(seen.der()));
            let list = der(0x04, &sized(&sized(&promise)));
            let promise = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 11129, 2, 4, 2], list);
            params.custom_extensions.push(promise);
        }
        let certificate = params.signed_by(key, &self.authority).unwrap();
        (certificate.der().to_vec(), certificate.pem())
    }

    /// What the log of certificates answers who shows it one (RFC 6962, 3.2).
    fn promise(&self, seen: &[u8]) -> Vec<u8> {
        let id = sha256(&[&self.certificates.subject_public_key_info()]);
        let time = (NOON * 1000).to_be_bytes();
        let size = u32::try_from(seen.len()).unwrap().to_be_bytes();
        let issuer = sha256(&[&self.authority.key().subject_public_key_info()]);
        let signed = [&[0, 0], time.as_slice(), &[0, 1], &issuer, &size[1..], seen, &[0, 0]].concat();
        let signature = sized(&sign(&self.certificates, &signed));
        [&[0], id.as_slice(), &time, &[0, 0], &[4, 3], &signature].concat()
    }

    /// Somebody gets a certificate, signs, and has it written down. `kind` is the log's word for what is signed.
    pub(crate) fn sign(&self, wish: &Wish, kind: &str, signed: &[u8], logged: &[u8]) -> Made {
        let key = KeyPair::generate().unwrap();
        let (certificate, pem) = self.certificate(wish, &key);
        let signature = sign(&key, signed);
        let hash = sha256(&[wish.logged.as_deref().unwrap_or(logged)]);
        let hash = json!({ "algorithm": "sha256", "value": hex(&hash) });
        let (content, by) = (base64(&signature), base64(pem.as_bytes()));
        let spec = match kind {
            _ if wish.second => {
                return self.sign_second(wish, kind, (signed, logged), (certificate, pem), signature);
            }
            "dsse" => json!({
                "envelopeHash": hash,
                "payloadHash": hash,
                "signatures": [{ "signature": content, "verifier": by }],
            }),
            _ => json!({
                "data": { "hash": hash },
                "signature": { "content": content, "publicKey": { "content": by } },
            }),
        };
        let body = json!({ "apiVersion": "0.0.1", "kind": kind, "spec": spec }).to_string();
        let entry = self.entry(body.as_bytes(), wish.time);
        Made { certificate, pem, signature, entry, timestamps: Vec::new() }
    }

    /// The same with Rekor's second version, and a timestamp.
    fn sign_second(
        &self,
        wish: &Wish,
        kind: &str,
        (signed, logged): (&[u8], &[u8]),
        (certificate, pem): (Vec<u8>, String),
        signature: Vec<u8>,
    ) -> Made {
        let hash = |of: &[u8]| json!({ "algorithm": "SHA2_256", "digest": base64(&sha256(&[wish.logged.as_deref().unwrap_or(of)])) });
        let by = json!({
            "keyDetails": "PKIX_ECDSA_P256_SHA_256",
            "x509Certificate": { "rawBytes": base64(&certificate) },
        });
        let made = json!({ "content": base64(&signature), "verifier": by });
        let spec = match kind {
            "dsse" => json!({ "dsseV002": { "payloadHash": hash(logged), "signatures": [made] } }),
            _ => json!({ "hashedRekordV002": { "data": hash(signed), "signature": made } }),
        };
        let body = json!({ "apiVersion": "0.0.2", "kind": kind, "spec": spec }).to_string();
        let mut entry = self.entry(body.as_bytes(), wish.time);
        let fields = entry.as_object_mut().unwrap();
        fields.remove("inclusionPromise");
        fields.remove("integratedTime");
        fields["logIndex"] = json!("2");
        fields["inclusionProof"]["checkpoint"]["envelope"] =
            json!(self.checkpoint("log.example", body.as_bytes()));
        let timestamps = vec![self.clock.answer(wish.time, &signature, &Ticks::default())];
        Made { certificate, pem, signature, entry, timestamps }
    }

    /// What the log says of its tree, under this name.
    pub(crate) fn checkpoint(&self, origin: &str, body: &[u8]) -> String {
        let id = sha256(&[&self.signatures.subject_public_key_info()]);
        let note = format!("{origin}\n5\n{}\n", base64(&tree(&leaves(body))));
        let signature = [&id[..4], &sign(&self.signatures, note.as_bytes())].concat();
        let name = origin.split(' ').next().unwrap();
        format!("{note}\n\u{2014} {name} {}\n", base64(&signature))
    }

    /// What the log of signatures answers who gives it one: the third of five leaves, behind ten million in another tree.
    fn entry(&self, body: &[u8], time: u64) -> Value {
        let id = sha256(&[&self.signatures.subject_public_key_info()]);
        let index = 10_000_002;
        let promised = format!(
            r#"{{"body":"{}","integratedTime":{time},"logID":"{}","logIndex":{index}}}"#,
            base64(body),
            hex(&id)
        );
        let leaves = leaves(body);
        let root = tree(&leaves);
        let hashes: Vec<String> = path(&leaves, 2).iter().map(|hash| base64(hash)).collect();
        json!({
            "logIndex": index.to_string(),
            "logId": { "keyId": base64(&id) },
            "kindVersion": { "kind": "dsse", "version": "0.0.1" },
            "integratedTime": time.to_string(),
            "inclusionPromise": {
                "signedEntryTimestamp": base64(&sign(&self.signatures, promised.as_bytes())),
            },
            "inclusionProof": {
                "logIndex": "2",
                "rootHash": base64(&root),
                "treeSize": "5",
                "hashes": hashes,
                "checkpoint": { "envelope": self.checkpoint("log.example - 1", body) },
            },
            "canonicalizedBody": base64(body),
        })
    }

    /// A bundle, as `cosign sign` makes it of an image.
    pub(crate) fn bundle(&self, wish: &Wish, digest: &str, predicate: &str) -> Value {
        let subject = digest.strip_prefix("sha256:").unwrap();
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{ "digest": { "sha256": subject } }],
            "predicateType": predicate,
            "predicate": {},
        })
        .to_string();
        let signed =
            format!("DSSEv1 {} {STATEMENT_TYPE} {} {statement}", STATEMENT_TYPE.len(), statement.len());
        // The second version takes envelopes in as what was signed.
        let kind = if wish.second { "hashedrekord" } else { "dsse" };
        let made = self.sign(wish, kind, signed.as_bytes(), statement.as_bytes());
        let stamped = made.timestamps.iter().map(|it| json!({ "signedTimestamp": base64(it) }));
        json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {
                "certificate": { "rawBytes": base64(&made.certificate) },
                "tlogEntries": [made.entry],
                "timestampVerificationData": { "rfc3161Timestamps": stamped.collect::<Vec<_>>() },
            },
            "dsseEnvelope": {
                "payload": base64(statement.as_bytes()),
                "payloadType": STATEMENT_TYPE,
                "signatures": [{ "sig": base64(&made.signature) }],
            },
        })
    }
}

/// Five leaves of a log, of which this is the third.
fn leaves(body: &[u8]) -> Vec<Vec<u8>> {
    [b"a", b"b", body, b"d", b"e"].iter().map(|leaf| sha256(&[&[0], leaf])).collect()
}

/// The hash of a tree of leaves' hashes (RFC 9162, 2.1.1), as it is defined.
fn tree(leaves: &[Vec<u8>]) -> Vec<u8> {
    match leaves {
        [] => sha256(&[]),
        [leaf] => leaf.clone(),
        _ => {
            let (left, right) = leaves.split_at(half(leaves.len()));
            sha256(&[&[1], &tree(left), &tree(right)])
        }
    }
}

/// The largest power of two below a number.
fn half(count: usize) -> usize {
    count.next_power_of_two() / 2
}

/// The hashes that prove one leaf (RFC 9162, 2.1.3.1).
fn path(leaves: &[Vec<u8>], at: usize) -> Vec<Vec<u8>> {
    if leaves.len() < 2 {
        return Vec::new();
    }
    let half = half(leaves.len());
    let (left, right) = leaves.split_at(half);
    let (mut found, other) = if at < half { (path(left, at), right) } else { (path(right, at - half), left) };
    found.push(tree(other));
    found
}
