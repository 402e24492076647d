//! Timestamps of authorities (RFC 3161): that a signature was there at a time, signed in the form of CMS (RFC 5652).

use cofferdam_names::Timestamp;
use ring::digest::{Algorithm, SHA256, SHA384, SHA512, digest};
use rustls::pki_types::{AlgorithmIdentifier, CertificateDer, alg_id};
use webpki::EndEntityCert;

use super::certificate::{self, ALGORITHMS, Certificate, TIME_STAMPING};
use super::der::{self, Element, INTEGER, OCTETS, OID, SEQUENCE, SET, TIME};
use super::root::{Authority, TrustRoot};

/// 1.2.840.113549.1.7.2 (RFC 5652, 5.1)
const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2];
/// 1.2.840.113549.1.9.16.1.4 (RFC 3161, 2.4.2)
const TIMESTAMP: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 16, 1, 4];
/// 1.2.840.113549.1.9.3 and .4 (RFC 5652, 11.1 and 11.2)
const CONTENT_TYPE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 3];
const MESSAGE_DIGEST: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 4];
/// 1.2.840.113549.1.9.16.2.47 (RFC 5035)
const SIGNING_CERTIFICATE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 16, 2, 47];

/// 2.16.840.1.101.3.4.2.1 to .3 (RFC 5754)
const HASHES: [(&[u8], &Algorithm); 3] = [
    (&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1], &SHA256),
    (&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 2], &SHA384),
    (&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3], &SHA512),
];

/// 1.2.840.113549.1.1.1: RSA with the hash that is said elsewhere (RFC 3370, 3.2), as an element.
const RSA: &[u8] = &[OID, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];

/// When an authority that is trusted has seen a signature (seconds since 1970). `response` is a TimeStampResp.
pub(super) fn time(root: &TrustRoot, response: &[u8], signature: &[u8]) -> Option<u64> {
    let token = Token::read(response)?;
    let seen = Seen::read(token.content)?;
    if digest(seen.hash, signature).as_ref() != seen.imprint {
        return None;
    }
    let by = |authority: &&Authority| authority.valid.has(seen.time) && token.is_by(authority, seen.time);
    root.time_authorities.iter().find(by).map(|_| seen.time)
}

/// What was signed: a hash, and when it was seen (RFC 3161, 2.4.2, TSTInfo).
struct Seen<'a> {
    hash: &'static Algorithm,
    imprint: &'a [u8],
    time: u64,
}

impl<'a> Seen<'a> {
    fn read(content: &'a [u8]) -> Option<Self> {
        let fields = der::parts(content, SEQUENCE)?;
        let [version, policy, imprint, number, time, ..] = fields.as_slice() else { return None };
        let known =
            version.tag == INTEGER && version.content == [1] && policy.tag == OID && number.tag == INTEGER;
        let imprint = der::parts(imprint.whole, SEQUENCE)?;
        let [algorithm, hashed] = imprint.as_slice() else { return None };
        let known = known && hashed.tag == OCTETS && time.tag == TIME;
        let seen = Self { hash: hash(algorithm)?, imprint: hashed.content, time: seconds(time.content)? };
        known.then_some(seen)
    }
}

/// `YYYYMMDDhhmmss[.f]Z`
fn seconds(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() != 14 || !digits(whole) || !digits(part) {
        return None;
    }
    let at = |from: usize, to: usize| whole.get(from..to);
    let (year, month, day) = (at(0, 4)?, at(4, 6)?, at(6, 8)?);
    let (hour, minute, second) = (at(8, 10)?, at(10, 12)?, at(12, 14)?);
    let time: Timestamp = format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z").parse().ok()?;
    u64::try_from(time.unix_seconds()).ok()
}

/// What is signed, and by whom, as far as it is told (RFC 5652, SignedData with one SignerInfo).
struct Token<'a> {
    content: &'a [u8],
    certificates: Vec<&'a [u8]>,
    /// The signer's name: who has issued the certificate, and its number.
    issuer: &'a [u8],
    number: &'a [u8],
    attributes: &'a [u8],
    hash: &'static Algorithm,
    /// The signature's algorithm, as it stands, and itself.
    algorithm: &'a [u8],
    signature: &'a [u8],
}

impl<'a> Token<'a> {
    /// Of what was not granted there is none.
    fn read(response: &'a [u8]) -> Option<Self> {
        let response = der::parts(response, SEQUENCE)?;
        let [status, token] = response.as_slice() else { return None };
        let status = der::parts(status.whole, SEQUENCE)?;
        let granted = status.first().is_some_and(|it| it.tag == INTEGER && matches!(it.content, [0 | 1]));
        let signed = der::parts(inside(token, SIGNED_DATA)?, SEQUENCE)?;
        let [_version, _hashes, content, rest @ .., signers] = signed.as_slice() else { return None };
        let content = der::only(inside(content, TIMESTAMP)?, OCTETS)?;
        // Beside certificates there may be lists of what was withdrawn.
        let certificates = rest
            .iter()
            .find(|part| part.tag == 0xa0)
            .map_or(Some(Vec::new()), |part| der::all(part.content))?;
        let certificates = certificates.iter().filter(|it| it.tag == SEQUENCE).map(|it| it.whole).collect();
        let signers = der::parts(signers.whole, SET)?;
        let [signer] = signers.as_slice() else { return None };
        let signer = der::parts(signer.whole, SEQUENCE)?;
        let [_version, name, hashed, attributes, algorithm, signature, ..] = signer.as_slice() else {
            return None;
        };
        let name = der::parts(name.whole, SEQUENCE)?;
        let [issuer, number] = name.as_slice() else { return None };
        let known = granted && attributes.tag == 0xa0 && signature.tag == OCTETS;
        known.then_some(Self {
            content,
            certificates,
            issuer: issuer.whole,
            number: number.whole,
            attributes: attributes.content,
            hash: hash(hashed)?,
            algorithm: algorithm.content,
            signature: signature.content,
        })
    }

    /// Whether this authority has signed it, with a certificate that was good at that time.
    fn is_by(&self, authority: &Authority, time: u64) -> bool {
        let Some((leaf, chain)) = self.signer(authority) else { return false };
        let Some(certificate) = Certificate::parse(leaf) else { return false };
        certificate.is_for_timestamps_alone()
            && self.names(leaf)
            && self.is_signed_with(leaf)
            && certificate::is_issued_by(leaf, &chain, time, TIME_STAMPING)
    }

    /// The signer's certificate, and the chain from it to what is trusted. The chain of an authority may begin with the only
    /// certificate that it signs with; otherwise that one is in the token.
    fn signer(&self, authority: &'a Authority) -> Option<(&'a [u8], Vec<Vec<u8>>)> {
        let is_it =
            |der: &[u8]| Certificate::parse(der).is_some_and(|it| it.is_called(self.issuer, self.number));
        let (first, others) = authority.chain.split_first()?;
        if !others.is_empty() && is_it(first) {
            return Some((first, others.to_vec()));
        }
        if Certificate::parse(first).is_some_and(|it| it.is_for_timestamps_alone()) {
            return None;
        }
        let leaf = self.certificates.iter().copied().find(|der| is_it(der))?;
        Some((leaf, authority.chain.clone()))
    }

    /// Whether what is signed names this certificate (ESSCertIDv2), this content and its type.
    fn names(&self, leaf: &[u8]) -> bool {
        let is_type = |value: &Element<'_>| value.tag == OID && value.content == TIMESTAMP;
        let is_digest = |value: &Element<'_>| {
            value.tag == OCTETS && value.content == digest(self.hash, self.content).as_ref()
        };
        self.attribute(CONTENT_TYPE).is_some_and(|value| is_type(&value))
            && self.attribute(MESSAGE_DIGEST).is_some_and(|value| is_digest(&value))
            && self
                .attribute(SIGNING_CERTIFICATE)
                .is_some_and(|value| is_named(&value, leaf).unwrap_or(false))
    }

    /// The one value of an attribute that is there once.
    fn attribute(&self, id: &[u8]) -> Option<Element<'a>> {
        let mut found = None;
        for attribute in der::all(self.attributes)? {
            let parts = der::parts(attribute.whole, SEQUENCE)?;
            let [kind, values] = parts.as_slice() else { return None };
            if kind.content == id {
                let values = der::parts(values.whole, SET)?;
                let ([value], None) = (values.as_slice(), found) else { return None };
                found = Some(*value);
            }
        }
        found
    }

    fn is_by_algorithm(&self, known: AlgorithmIdentifier) -> bool {
        let with_hash = [
            (&SHA256, alg_id::RSA_PKCS1_SHA256),
            (&SHA384, alg_id::RSA_PKCS1_SHA384),
            (&SHA512, alg_id::RSA_PKCS1_SHA512),
        ];
        let by_hash = |(hash, id): &(&Algorithm, AlgorithmIdentifier)| *hash == self.hash && *id == known;
        known.as_ref() == self.algorithm || self.algorithm.starts_with(RSA) && with_hash.iter().any(by_hash)
    }

    fn is_signed_with(&self, leaf: &[u8]) -> bool {
        let leaf = CertificateDer::from(leaf);
        let Ok(certificate) = EndEntityCert::try_from(&leaf) else { return false };
        // They stand in the token under another tag than the one that they are signed under (RFC 5652, 5.4).
        let signed = der::encoded(SET, self.attributes);
        ALGORITHMS.iter().any(|algorithm| {
            self.is_by_algorithm(algorithm.signature_alg_id())
                && certificate.verify_signature(*algorithm, &signed, self.signature).is_ok()
        })
    }
}

/// Whether a signed list of certificates has this one first: by its hash, which is SHA-256 if nothing is said (RFC 5035, 5.4.1.1).
fn is_named(value: &Element<'_>, leaf: &[u8]) -> Option<bool> {
    let lists = der::parts(value.whole, SEQUENCE)?;
    let named = der::parts(lists.first()?.whole, SEQUENCE)?;
    let named = der::parts(named.first()?.whole, SEQUENCE)?;
    let (by, hashed) = match named.as_slice() {
        [algorithm, hashed, ..] if algorithm.tag == SEQUENCE => (hash(algorithm)?, hashed),
        [hashed, ..] => (&SHA256, hashed),
        [] => return None,
    };
    Some(hashed.tag == OCTETS && hashed.content == digest(by, leaf).as_ref())
}

/// What a pair of a kind and a content under the tag 0 holds, which has this kind.
fn inside<'a>(element: &Element<'a>, kind: &[u8]) -> Option<&'a [u8]> {
    let parts = der::parts(element.whole, SEQUENCE)?;
    match parts.as_slice() {
        [id, content] if id.tag == OID && id.content == kind && content.tag == 0xa0 => Some(content.content),
        _ => None,
    }
}

fn hash(algorithm: &Element<'_>) -> Option<&'static Algorithm> {
    let parts = der::parts(algorithm.whole, SEQUENCE)?;
    // What follows are its parameters: none, for all that are known here.
    let id = parts.first().filter(|id| id.tag == OID && parts.len() <= 2)?;
    HASHES.iter().find(|(known, _)| *known == id.content).map(|(_, hash)| *hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_whole() {
        assert_eq!(seconds(b"20260301120000Z"), Some(1_772_366_400));
        assert_eq!(seconds(b"20260301120000.5Z"), Some(1_772_366_400));
        for bad in
            ["20260301120000", "202603011200Z", "20260301120000.Z", "2026030112000xZ", "20261301120000Z", ""]
        {
            assert_eq!(seconds(bad.as_bytes()), None, "{bad}");
        }
    }
}
