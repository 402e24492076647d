//! The certificate of somebody who signed: who that is, and who says so (Fulcio's docs/certificate-specification.md).

use rustls::pki_types::{CertificateDer, SignatureVerificationAlgorithm, UnixTime};
use webpki::ring::{
    ECDSA_P256_SHA256, ECDSA_P256_SHA384, ECDSA_P384_SHA256, ECDSA_P384_SHA384, ED25519,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use super::Identity;
use super::der::{self, BOOLEAN, Element, OCTETS, OID, SEQUENCE, UTF8};
use super::log::sized;

/// `id-kp-codeSigning` (RFC 5280, 4.2.1.12): what such a certificate must be for.
pub(super) const CODE_SIGNING: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 3];
/// `id-kp-timeStamping`.
pub(super) const TIME_STAMPING: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 8];

/// How certificates are signed.
pub(super) const ALGORITHMS: [&dyn SignatureVerificationAlgorithm; 8] = [
    ECDSA_P256_SHA256,
    ECDSA_P256_SHA384,
    ECDSA_P384_SHA256,
    ECDSA_P384_SHA384,
    ED25519,
    RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512,
];

/// 2.5.29.37, what it is for.
const PURPOSES: &[u8] = &[0x55, 0x1d, 0x25];
/// 2.5.29.17, the names of who it is for.
const SUBJECT_NAMES: &[u8] = &[0x55, 0x1d, 0x11];
/// 1.3.6.1.4.1.57264.1.8, who has told who that is; 1.3.6.1.4.1.57264.1.1, the older form of it.
const ISSUER: &[u8] = &[0x2b, 6, 1, 4, 1, 0x83, 0xbf, 0x30, 1, 8];
const OLD_ISSUER: &[u8] = &[0x2b, 6, 1, 4, 1, 0x83, 0xbf, 0x30, 1, 1];
/// 1.3.6.1.4.1.57264.1.7, a name of a kind that the certificate's own forms do not have.
const OTHER_NAME: &[u8] = &[0x2b, 6, 1, 4, 1, 0x83, 0xbf, 0x30, 1, 7];
/// 1.3.6.1.4.1.11129.2.4.2, the promises of logs of certificates (RFC 6962, 3.3).
const PROMISES: &[u8] = &[0x2b, 6, 1, 4, 1, 0xd6, 0x79, 2, 4, 2];

/// Where its extensions stand among its fields.
const EXTENSIONS: u8 = 0xa3;

/// One certificate, taken apart but not judged.
#[derive(Debug)]
pub(super) struct Certificate<'a> {
    /// What its issuer signed, field by field.
    fields: Vec<Element<'a>>,
    /// Its key, with what stands before it.
    pub(super) key: &'a [u8],
    extensions: Vec<Extension<'a>>,
}

#[derive(Debug)]
struct Extension<'a> {
    id: &'a [u8],
    /// Whoever does not know it must not take the certificate.
    critical: bool,
    value: &'a [u8],
    whole: &'a [u8],
}

impl<'a> Certificate<'a> {
    pub(super) fn parse(der: &'a [u8]) -> Option<Self> {
        let parts = der::all(der::only(der, SEQUENCE)?)?;
        let fields = der::all(parts.first().filter(|part| part.tag == SEQUENCE)?.content)?;
        // Before number, algorithm, issuer, validity, subject and key stands a version, except in the oldest.
        let versions = usize::from(fields.first().is_some_and(|field| field.tag == 0xa0));
        let key = fields.get(versions + 5).filter(|field| field.tag == SEQUENCE)?.whole;
        let extensions = match fields.iter().find(|field| field.tag == EXTENSIONS) {
            Some(field) => der::all(der::only(field.content, SEQUENCE)?)?
                .into_iter()
                .map(extension)
                .collect::<Option<_>>()?,
            None => Vec::new(),
        };
        Some(Self { fields, key, extensions })
    }

    /// The value of an extension that is there once.
    fn value(&self, id: &[u8]) -> Option<&'a [u8]> {
        let mut found = self.extensions.iter().filter(|extension| extension.id == id);
        match (found.next(), found.next()) {
            (Some(extension), None) => Some(extension.value),
            _ => None,
        }
    }

    /// Whether it says that it is for signing programs.
    pub(super) fn is_for_signing(&self) -> bool {
        let purposes = self.value(PURPOSES).and_then(|value| der::all(der::only(value, SEQUENCE)?));
        purposes.unwrap_or_default().iter().any(|id| id.tag == OID && id.content == CODE_SIGNING)
    }

    /// Whether it is for timestamps and nothing else, and everybody must know that (RFC 3161, 2.3).
    pub(super) fn is_for_timestamps_alone(&self) -> bool {
        let mut found = self.extensions.iter().filter(|extension| extension.id == PURPOSES);
        let (Some(purposes), None) = (found.next(), found.next()) else { return false };
        let listed = der::parts(purposes.value, SEQUENCE).unwrap_or_default();
        purposes.critical && matches!(listed.as_slice(), [id] if id.tag == OID && id.content == TIME_STAMPING)
    }

    /// Whether it is the one that its issuer's name and its number stand for, as they stand in the certificate.
    pub(super) fn is_called(&self, issuer: &[u8], number: &[u8]) -> bool {
        self.field(0) == Some(number) && self.field(2) == Some(issuer)
    }

    /// Number, algorithm, issuer, validity, subject, key: one of these by its place.
    fn field(&self, at: usize) -> Option<&'a [u8]> {
        let versions = usize::from(self.fields.first().is_some_and(|field| field.tag == 0xa0));
        Some(self.fields.get(versions + at)?.whole)
    }

    /// Who it is for, by its one name, and who has told so.
    pub(super) fn identity(&self) -> Option<Identity> {
        let names = der::all(der::only(self.value(SUBJECT_NAMES)?, SEQUENCE)?)?;
        let [name] = names.as_slice() else { return None };
        let subject = match name.tag {
            // A mail address, an URI.
            0x81 | 0x86 => name.content,
            0xa0 => match der::all(name.content)?.as_slice() {
                [id, value] if id.tag == OID && id.content == OTHER_NAME && value.tag == 0xa0 => {
                    der::only(value.content, UTF8)?
                }
                _ => return None,
            },
            _ => return None,
        };
        let issuer = match self.value(ISSUER) {
            Some(value) => der::only(value, UTF8)?,
            None => self.value(OLD_ISSUER)?,
        };
        let text = |bytes: &[u8]| {
            let text = std::str::from_utf8(bytes).ok()?;
            (!text.is_empty() && !text.contains(char::is_control)).then(|| text.to_owned())
        };
        Some(Identity { subject: text(subject)?, issuer: text(issuer)? })
    }

    /// The promises of logs that it carries.
    pub(super) fn promises(&self) -> Option<Vec<&'a [u8]>> {
        let list = der::only(self.value(PROMISES)?, OCTETS)?;
        let mut left = sized(list).filter(|(_, rest)| rest.is_empty())?.0;
        let mut promises = Vec::new();
        while !left.is_empty() {
            let (promise, rest) = sized(left)?;
            promises.push(promise);
            left = rest;
        }
        Some(promises)
    }

    /// What its issuer signed before there were promises of logs: what the logs have seen (RFC 6962, 3.2).
    pub(super) fn without_promises(&self) -> Vec<u8> {
        let mut fields = Vec::new();
        for field in &self.fields {
            if field.tag == EXTENSIONS {
                let kept = self.extensions.iter().filter(|extension| extension.id != PROMISES);
                let kept: Vec<u8> = kept.flat_map(|extension| extension.whole).copied().collect();
                fields.extend(der::encoded(EXTENSIONS, &der::encoded(SEQUENCE, &kept)));
            } else {
                fields.extend(field.whole);
            }
        }
        der::encoded(SEQUENCE, &fields)
    }
}

fn extension(element: Element<'_>) -> Option<Extension<'_>> {
    let parts = der::all(element.content)?;
    let (id, value) = (parts.first()?, parts.last()?);
    let critical = match parts.as_slice() {
        [_, _] => false,
        [_, critical, _] if critical.tag == BOOLEAN => critical.content == [0xff],
        _ => return None,
    };
    let known = element.tag == SEQUENCE && id.tag == OID && value.tag == OCTETS;
    known.then_some(Extension { id: id.content, critical, value: value.content, whole: element.whole })
}

/// Whether a certificate was good at a time (seconds since 1970): issued through this chain, whose last certificate is
/// trusted. `purpose` is what the others must not say that they are not for.
pub(super) fn is_issued_by(certificate: &[u8], chain: &[Vec<u8>], time: u64, purpose: &'static [u8]) -> bool {
    let Some((root, between)) = chain.split_last() else { return false };
    let root = CertificateDer::from(root.as_slice());
    let between: Vec<CertificateDer<'_>> =
        between.iter().map(|between| CertificateDer::from(between.as_slice())).collect();
    let certificate = CertificateDer::from(certificate);
    let Ok(anchor) = anchor_from_trusted_cert(&root) else { return false };
    let Ok(certificate) = EndEntityCert::try_from(&certificate) else { return false };
    let time = UnixTime::since_unix_epoch(std::time::Duration::from_secs(time));
    // Those between need not say what they are for.
    let usage = KeyUsage::required_if_present(purpose);
    let anchors = [anchor];
    certificate.verify_for_usage(&ALGORITHMS, &anchors, &between, time, usage, None, None).is_ok()
}
