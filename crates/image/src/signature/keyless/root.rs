//! Whom to trust, from a file that was brought here once (sigstore's protobuf-specs, `sigstore_trustroot.proto` in its JSON form;
//! for the public instance it is `trusted_root.json` of its TUF repository). Nothing of it is fetched.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use cofferdam_names::Timestamp;
use serde::Deserialize;
use thiserror::Error;

use super::super::PublicKey;

/// What the type of such a file begins with.
const TYPE: &str = "application/vnd.dev.sigstore.trustedroot";

/// Why a file is no such root.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TrustRootError {
    /// It does not read.
    #[error("it is no trust root of sigstore (trusted_root.json)")]
    Parse(#[source] serde_json::Error),
    /// It is something else.
    #[error("it is no trust root of sigstore: its mediaType is {found:?}")]
    Type {
        /// What it says that it is.
        found: String,
    },
    /// It holds nothing that could be checked by.
    #[error("it holds no {what} of a kind that is known")]
    Lacks {
        /// What is missing.
        what: &'static str,
    },
    /// A part of it does not read.
    #[error("{what} in it does not read")]
    Part {
        /// Which.
        what: &'static str,
    },
}

/// Authorities that issue certificates to those who sign, logs of these certificates, logs of signatures, and authorities that say when
/// a signature was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustRoot {
    pub(super) authorities: Vec<Authority>,
    pub(super) certificate_logs: Vec<Log>,
    pub(super) signature_logs: Vec<Log>,
    /// None are needed where logs tell times.
    pub(super) time_authorities: Vec<Authority>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Authority {
    /// The one that issues first, the root last.
    pub(super) chain: Vec<Vec<u8>>,
    pub(super) valid: Span,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Log {
    pub(super) id: Vec<u8>,
    pub(super) key: PublicKey,
    /// The host of its address, which is the name that a log of signatures has in its second version.
    pub(super) host: Option<String>,
    pub(super) valid: Span,
}

/// Seconds since 1970, both ends among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    start: i64,
    end: i64,
}

impl Span {
    pub(super) fn has(self, time: u64) -> bool {
        i64::try_from(time).is_ok_and(|time| self.start <= time && time <= self.end)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    #[serde(default)]
    media_type: String,
    #[serde(default)]
    tlogs: Vec<WireLog>,
    #[serde(default)]
    certificate_authorities: Vec<WireAuthority>,
    #[serde(default)]
    ctlogs: Vec<WireLog>,
    #[serde(default)]
    timestamp_authorities: Vec<WireAuthority>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireLog {
    #[serde(default)]
    base_url: String,
    public_key: WireKey,
    log_id: WireId,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireId {
    key_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireKey {
    raw_bytes: String,
    #[serde(default)]
    valid_for: WireSpan,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireAuthority {
    cert_chain: WireChain,
    #[serde(default)]
    valid_for: WireSpan,
}

#[derive(Deserialize)]
struct WireChain {
    certificates: Vec<WireCertificate>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireCertificate {
    raw_bytes: String,
}

#[derive(Default, Deserialize)]
struct WireSpan {
    start: Option<String>,
    end: Option<String>,
}

/// What it holds, in numbers.
impl fmt::Display for TrustRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (authorities, certificates) = (self.authorities.len(), self.certificate_logs.len());
        let (signatures, times) = (self.signature_logs.len(), self.time_authorities.len());
        write!(
            f,
            "certificate authorities: {authorities}, logs of certificates: {certificates}, logs of signatures: {signatures}, timestamp authorities: {times}"
        )
    }
}

impl TrustRoot {
    /// Reads a root.
    ///
    /// # Errors
    /// It is none, or holds nothing that could be checked by.
    pub fn parse(text: &[u8]) -> Result<Self, TrustRootError> {
        let wire: Wire = serde_json::from_slice(text).map_err(TrustRootError::Parse)?;
        if !wire.media_type.starts_with(TYPE) {
            return Err(TrustRootError::Type { found: wire.media_type });
        }
        let authorities =
            wire.certificate_authorities.iter().map(authority).collect::<Result<Vec<_>, _>>()?;
        let (certificate_logs, signature_logs) = (logs(&wire.ctlogs)?, logs(&wire.tlogs)?);
        let time_authorities =
            wire.timestamp_authorities.iter().map(authority).collect::<Result<Vec<_>, _>>()?;
        let lacks = |what| Err(TrustRootError::Lacks { what });
        match (authorities.is_empty(), certificate_logs.is_empty(), signature_logs.is_empty()) {
            (true, ..) => lacks("certificate authority"),
            (_, true, _) => lacks("log of certificates"),
            (.., true) => lacks("log of signatures"),
            _ => Ok(Self { authorities, certificate_logs, signature_logs, time_authorities }),
        }
    }
}

fn decoded(text: &str, what: &'static str) -> Result<Vec<u8>, TrustRootError> {
    BASE64_STANDARD.decode(text).map_err(|_| TrustRootError::Part { what })
}

fn span(wire: &WireSpan) -> Result<Span, TrustRootError> {
    let seconds = |text: &Option<String>, none: i64| match text {
        Some(text) => match text.parse::<Timestamp>() {
            Ok(time) => Ok(time.unix_seconds()),
            Err(_) => Err(TrustRootError::Part { what: "a time" }),
        },
        None => Ok(none),
    };
    Ok(Span { start: seconds(&wire.start, i64::MIN)?, end: seconds(&wire.end, i64::MAX)? })
}

fn authority(wire: &WireAuthority) -> Result<Authority, TrustRootError> {
    let chain: Vec<Vec<u8>> = wire
        .cert_chain
        .certificates
        .iter()
        .map(|certificate| decoded(&certificate.raw_bytes, "a certificate"))
        .collect::<Result<_, _>>()?;
    if chain.is_empty() {
        return Err(TrustRootError::Part { what: "a chain of certificates" });
    }
    Ok(Authority { chain, valid: span(&wire.valid_for)? })
}

/// Those whose keys are of a kind that is known; what the others say counts for nothing.
fn logs(wire: &[WireLog]) -> Result<Vec<Log>, TrustRootError> {
    let mut logs = Vec::new();
    for log in wire {
        let id = decoded(&log.log_id.key_id, "the id of a log")?;
        let key = PublicKey::from_der(&decoded(&log.public_key.raw_bytes, "the key of a log")?);
        let valid = span(&log.public_key.valid_for)?;
        let host = host(&log.base_url).map(str::to_owned);
        logs.extend(key.ok().map(|key| Log { id, key, host, valid }));
    }
    Ok(logs)
}

/// The host of an address, without its port.
fn host(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let host = rest.split(['/', ':']).next()?;
    (!host.is_empty()).then_some(host)
}
