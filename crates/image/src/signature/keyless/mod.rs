//! Signatures with a certificate instead of a key (keyless): an authority says who somebody is, for the minutes in which a key that
//! is thrown away afterwards signs; logs that anybody can read have the certificate and the signature.
//!
//! What must hold, all without the network, by a [`TrustRoot`] that was brought here before: the certificate's key made the
//! signature; a log of signatures has signed that it took exactly this one in; the log itself (Rekor's first version) or an authority
//! for timestamps (RFC 3161; Rekor's second version has no time of its own) has signed when; a trusted authority issued the certificate
//! for signing, valid at that time; a log of certificates has promised to show it; and it says who it is for, and who told so.
//! Not understood, so that they prove nothing: certificates with keys other than ECDSA on P-256 and Ed25519.

mod certificate;
mod der;
mod entry;
mod log;
mod root;
mod timestamp;

use std::fmt;

use thiserror::Error;

use super::PublicKey;
use certificate::{CODE_SIGNING, Certificate};
use log::Kept;
pub(super) use log::{LogEntry, LogId, Number, Promise, from_hex};
pub use root::{TrustRoot, TrustRootError};

/// Who signed, as an authority has certified it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// A mail address, or the URI of a workflow.
    pub subject: String,
    /// The address of who has told so: the provider that the subject was logged in at.
    pub issuer: String,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} by {}", self.subject, self.issuer)
    }
}

/// Why a signature proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum Unproven {
    #[error("its certificate does not read, or has a key of a kind that is not known")]
    Certificate,
    #[error("the certificate's key has not made it")]
    Signature,
    #[error("no trusted log has signed that it took it in")]
    NotLogged,
    #[error("no trusted log or authority has signed when it was made")]
    NotTimed,
    #[error("what the log took in is something else")]
    OtherEntry,
    #[error("no trusted authority has issued its certificate for signing, and for that time")]
    NotIssued,
    #[error("no trusted log has promised to show its certificate")]
    Secret,
    #[error("its certificate does not say who it is for")]
    Nobody,
}

/// A signature with its certificate, and what logs say of it.
pub(super) struct Claim<'a> {
    pub(super) certificate: &'a [u8],
    /// The bytes that are signed.
    pub(super) signed: &'a [u8],
    /// Those of which a log keeps the SHA-256.
    pub(super) logged: &'a [u8],
    pub(super) signature: &'a [u8],
    pub(super) entry: &'a LogEntry,
    /// What authorities say of when it was made (TimeStampResp of RFC 3161).
    pub(super) timestamps: &'a [Vec<u8>],
}

impl TrustRoot {
    /// Who made a signature.
    pub(super) fn judge(&self, claim: &Claim<'_>) -> Result<Identity, Unproven> {
        let certificate = Certificate::parse(claim.certificate).ok_or(Unproven::Certificate)?;
        let key = PublicKey::from_der(certificate.key).map_err(|_| Unproven::Certificate)?;
        if !key.has_signed(claim.signed, claim.signature) {
            return Err(Unproven::Signature);
        }
        let kept = claim.entry.kept(self).ok_or(Unproven::NotLogged)?;
        let body = claim.entry.body().ok_or(Unproven::NotLogged)?;
        if !entry::is_about(&body, claim) {
            return Err(Unproven::OtherEntry);
        }
        let time = match kept {
            Kept::At(time) => time,
            Kept::Somewhen(log) => {
                let timestamps = claim.timestamps.iter();
                let mut times = timestamps.filter_map(|it| timestamp::time(self, it, claim.signature));
                times.find(|time| log.valid.has(*time)).ok_or(Unproven::NotTimed)?
            }
        };
        let mut issued = self.authorities.iter().filter(|authority| {
            authority.valid.has(time)
                && certificate::is_issued_by(claim.certificate, &authority.chain, time, CODE_SIGNING)
        });
        let authority = issued.next().filter(|_| certificate.is_for_signing()).ok_or(Unproven::NotIssued)?;
        let issuer = authority.chain.first().ok_or(Unproven::NotIssued)?;
        if !log::is_logged(self, &certificate, issuer) {
            return Err(Unproven::Secret);
        }
        certificate.identity().ok_or(Unproven::Nobody)
    }
}

#[cfg(test)]
pub(super) mod tests;
