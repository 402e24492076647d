//! An authority for timestamps (RFC 3161), which can be told to be wrong in each thing.

use rcgen::{
    CertificateParams, CertifiedIssuer, CustomExtension, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose,
    PublicKeyData, SerialNumber, date_time_ymd,
};
use serde_json::{Value, json};

use super::{base64, der, first_inside, issuer, sha256, sign};

/// Object identifiers, as elements.
const SIGNED_DATA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02";
const TIMESTAMP: &[u8] = b"\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x04";
const DATA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01";
const CONTENT_TYPE: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x09\x03";
const MESSAGE_DIGEST: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x09\x04";
const SIGNING_CERTIFICATE: &[u8] = b"\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x02\x2f";
const SHA256: &[u8] = b"\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00";
const ECDSA_SHA256: &[u8] = b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02";
const POLICY: &[u8] = b"\x06\x03\x2a\x03\x04";

/// What an answer is to be; right, if nothing else is said.
#[derive(Clone)]
pub(crate) struct Ticks {
    /// The status of the answer: granted.
    pub(crate) status: u8,
    /// Whether the content says what it is.
    pub(crate) typed: bool,
    /// Whether the signer's certificate is named among what is signed.
    pub(crate) named: bool,
    /// Whether the attributes have the digest of the content.
    pub(crate) digested: bool,
    /// How often the attribute with the digest is there.
    pub(crate) digests: usize,
    /// Whether the certificate comes along.
    pub(crate) enclosed: bool,
    /// How many have signed.
    pub(crate) signers: usize,
}

impl Default for Ticks {
    fn default() -> Self {
        Self { status: 0, typed: true, named: true, digested: true, digests: 1, enclosed: true, signers: 1 }
    }
}

/// For what the certificate of a clock is, and until when.
#[derive(Clone)]
pub(crate) struct ClockParts {
    pub(crate) purposes: Vec<ExtendedKeyUsagePurpose>,
    pub(crate) critical: bool,
    pub(crate) last_day: u8,
}

impl Default for ClockParts {
    fn default() -> Self {
        Self { purposes: vec![ExtendedKeyUsagePurpose::TimeStamping], critical: true, last_day: 31 }
    }
}

pub(crate) struct Clock {
    root: CertifiedIssuer<'static, KeyPair>,
    key: KeyPair,
    certificate: Vec<u8>,
    /// Whether the trusted chain begins with the certificate itself.
    pub(crate) known: bool,
}

impl Clock {
    pub(crate) fn make() -> Self {
        Self::of(&ClockParts::default())
    }

    pub(crate) fn of(parts: &ClockParts) -> Self {
        let root = CertifiedIssuer::self_signed(issuer("time"), KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = Self::certificate(parts, &key, &root);
        Self { root, key, certificate, known: true }
    }

    /// Another one of the same root, which is not the one that is trusted by name.
    pub(crate) fn sibling(&self) -> Self {
        let root = CertifiedIssuer::self_signed(
            issuer("time"),
            KeyPair::try_from(self.root.key().serialize_der()).unwrap(),
        )
        .unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = Self::certificate(&ClockParts::default(), &key, &root);
        Self { root, key, certificate, known: true }
    }

    fn certificate(parts: &ClockParts, key: &KeyPair, root: &CertifiedIssuer<'static, KeyPair>) -> Vec<u8> {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.serial_number = Some(SerialNumber::from(u64::from_be_bytes(
            sha256(&[&key.subject_public_key_info()])[..8].try_into().unwrap(),
        )));
        params.not_before = date_time_ymd(2026, 1, 1);
        params.not_after = date_time_ymd(2026, if parts.last_day == 31 { 12 } else { 2 }, parts.last_day);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        if parts.critical {
            let list: Vec<u8> = parts.purposes.iter().flat_map(purpose).collect();
            let mut purposes = CustomExtension::from_oid_content(&[2, 5, 29, 37], der(0x30, &list));
            purposes.set_criticality(true);
            params.custom_extensions = vec![purposes];
        } else {
            params.extended_key_usages.clone_from(&parts.purposes);
        }
        params.signed_by(key, root).unwrap().der().to_vec()
    }

    /// What hosts trust.
    pub(crate) fn chain(&self) -> Vec<Value> {
        let root = json!({ "rawBytes": base64(self.root.der()) });
        let own = json!({ "rawBytes": base64(&self.certificate) });
        if self.known { vec![own, root] } else { vec![root] }
    }

    /// A timestamp of some bytes.
    pub(crate) fn answer(&self, time: u64, of: &[u8], ticks: &Ticks) -> Vec<u8> {
        let imprint = der(0x30, &[SHA256, &der(0x04, &sha256(&[of]))].concat());
        let time = der(0x18, stamp(time).as_bytes());
        let seen = der(0x30, &[&der(2, &[1]), POLICY, &imprint, &der(2, &[9]), &time].concat());
        let kind = if ticks.typed { TIMESTAMP } else { DATA };
        let content = der(0x30, &[kind, &der(0xa0, &der(0x04, &seen))].concat());
        let certificates = if ticks.enclosed { der(0xa0, &self.certificate) } else { Vec::new() };
        let signers = self.signer(&seen, kind, ticks).repeat(ticks.signers);
        let hashes = der(0x31, SHA256);
        let signed = [der(2, &[3]), hashes, content, certificates, der(0x31, &signers)].concat();
        let token = der(0x30, &[SIGNED_DATA, &der(0xa0, &der(0x30, &signed))].concat());
        der(0x30, &[der(0x30, &der(2, &[ticks.status])), token].concat())
    }

    fn signer(&self, seen: &[u8], kind: &[u8], ticks: &Ticks) -> Vec<u8> {
        let attribute = |id: &[u8], value: &[u8]| der(0x30, &[id, &der(0x31, value)].concat());
        let digest = sha256(&[if ticks.digested { seen } else { b"other" }]);
        let named = if ticks.named { self.certificate.as_slice() } else { b"other" };
        // ESSCertIDv2 with its usual hash, which is not said then.
        let named = der(0x30, &der(0x30, &der(0x30, &der(0x04, &sha256(&[named])))));
        let attributes = [
            attribute(CONTENT_TYPE, kind),
            attribute(MESSAGE_DIGEST, &der(0x04, &digest)).repeat(ticks.digests),
            attribute(SIGNING_CERTIFICATE, &named),
        ]
        .concat();
        let signature = sign(&self.key, &der(0x31, &attributes));
        let (issuer, number) = name(&self.certificate);
        let name = der(0x30, &[issuer, number].concat());
        der(
            0x30,
            &[
                &der(2, &[1]),
                name.as_slice(),
                SHA256,
                &der(0xa0, &attributes),
                ECDSA_SHA256,
                &der(0x04, &signature),
            ]
            .concat(),
        )
    }
}

/// Issuer and number of a certificate, as they stand in it.
fn name(certificate: &[u8]) -> (&[u8], &[u8]) {
    let fields = first_inside(certificate);
    let version = first_inside(fields);
    let after = |element: &[u8]| {
        let at = element.as_ptr() as usize - fields.as_ptr() as usize + element.len();
        element_at(&fields[at..])
    };
    let number = after(version);
    let algorithm = after(number);
    (after(algorithm), number)
}

fn element_at(bytes: &[u8]) -> &[u8] {
    let (head, length) = match bytes[1] {
        short @ 0..=0x7f => (2, usize::from(short)),
        0x81 => (3, usize::from(bytes[2])),
        _ => (4, usize::from(u16::from_be_bytes([bytes[2], bytes[3]]))),
    };
    &bytes[..head + length]
}

fn purpose(purpose: &ExtendedKeyUsagePurpose) -> Vec<u8> {
    let last = match purpose {
        ExtendedKeyUsagePurpose::TimeStamping => 8,
        ExtendedKeyUsagePurpose::CodeSigning => 3,
        _ => 1,
    };
    der(0x06, &[0x2b, 6, 1, 5, 5, 7, 3, last])
}

/// `YYYYMMDDhhmmssZ` (days as in "chrono-Compatible Low-Level Date Algorithms": years begin in March).
fn stamp(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (month, day) = (if month < 10 { month + 3 } else { month - 9 }, day - (153 * month + 2) / 5 + 1);
    let year = era * 400 + year + u64::from(month <= 2);
    format!("{year}{month:02}{day:02}{:02}{:02}{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}
