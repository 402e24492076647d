//! What logs say: that a certificate was written down (RFC 6962), that a signature was, and when (Rekor).

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;

use super::certificate::Certificate;
use super::root::{Log, TrustRoot};
use crate::digest_of;

/// More hashes than a tree of 2^64 leaves asks for.
const MOST_HASHES: usize = 64;

/// Whether a log of certificates has promised to write this one down: without that, an authority could issue certificates that
/// nobody ever hears of.
pub(super) fn is_logged(root: &TrustRoot, certificate: &Certificate<'_>, issuer: &[u8]) -> bool {
    let Some(issuer) = Certificate::parse(issuer) else { return false };
    let promises = certificate.promises().unwrap_or_default();
    let (seen, issuer) = (certificate.without_promises(), digest_of(issuer.key));
    let issuer = from_hex(issuer.hex()).unwrap_or_default();
    promises.into_iter().any(|promise| holds(root, promise, &seen, &issuer).is_some())
}

/// One promise (RFC 6962, 3.2): version, log, time, extensions, algorithms of a hash and a signature, signature.
fn holds(root: &TrustRoot, promise: &[u8], seen: &[u8], issuer: &[u8]) -> Option<()> {
    let (version, rest) = promise.split_first()?;
    let (id, rest) = rest.split_at_checked(32)?;
    let (time, rest) = rest.split_first_chunk::<8>()?;
    let (extensions, rest) = sized(rest)?;
    let (_algorithms, rest) = rest.split_first_chunk::<2>()?;
    let (signature, rest) = sized(rest)?;
    if *version != 0 || !rest.is_empty() {
        return None;
    }
    let size = u32::try_from(seen.len()).ok()?.to_be_bytes();
    let mut signed = vec![0, 0];
    signed.extend(time);
    // The log has seen the certificate without its promise.
    signed.extend([0, 1]);
    signed.extend(issuer);
    signed.extend(size.get(1..)?);
    signed.extend(seen);
    signed.extend(u16::try_from(extensions.len()).ok()?.to_be_bytes());
    signed.extend(extensions);
    let seconds = u64::from_be_bytes(*time) / 1000;
    let by = |log: &&Log| log.id == id && log.valid.has(seconds) && log.key.has_signed(&signed, signature);
    root.certificate_logs.iter().find(by).map(|_| ())
}

/// Bytes with their number before them in two bytes, as TLS has it, and what follows.
pub(super) fn sized(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

pub(in crate::signature) fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    text.as_bytes().chunks(2).map(pair).collect()
}

/// An entry of a log of signatures, as a bundle carries it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::signature) struct LogEntry {
    /// What is 0 is left out, here and in proofs.
    #[serde(default)]
    pub(in crate::signature) log_index: Number,
    pub(in crate::signature) log_id: LogId,
    #[serde(default)]
    pub(in crate::signature) integrated_time: Number,
    pub(in crate::signature) inclusion_promise: Option<Promise>,
    pub(in crate::signature) inclusion_proof: Option<Proof>,
    /// What was written down (base64).
    pub(in crate::signature) canonicalized_body: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::signature) struct LogId {
    /// base64
    pub(in crate::signature) key_id: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::signature) struct Promise {
    /// base64
    pub(in crate::signature) signed_entry_timestamp: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::signature) struct Proof {
    #[serde(default)]
    log_index: Number,
    root_hash: String,
    tree_size: Number,
    /// None for the one leaf of a tree.
    #[serde(default)]
    hashes: Vec<String>,
    checkpoint: Checkpoint,
}

#[derive(Debug, Clone, Deserialize)]
struct Checkpoint {
    envelope: String,
}

/// A number of 64 bits: a text in protobuf's JSON, a number in others'.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "serde_json::Value")]
pub(in crate::signature) struct Number(pub(super) u64);

impl TryFrom<serde_json::Value> for Number {
    type Error = &'static str;
    fn try_from(value: serde_json::Value) -> Result<Self, Self::Error> {
        let number = match &value {
            serde_json::Value::String(text) => text.parse().ok(),
            other => other.as_u64(),
        };
        number.map(Self).ok_or("it is no number")
    }
}

/// What a log has signed of an entry.
pub(super) enum Kept<'r> {
    /// When it has taken it in (Rekor's first version).
    At(u64),
    /// That it is in its tree, which is no word of when (the second version).
    Somewhen(&'r Log),
}

impl LogEntry {
    /// What was written down.
    pub(super) fn body(&self) -> Option<Vec<u8>> {
        BASE64_STANDARD.decode(&self.canonicalized_body).ok()
    }

    /// What a trusted log has signed of it; none where none has. A proof that is there must hold.
    pub(super) fn kept<'r>(&self, root: &'r TrustRoot) -> Option<Kept<'r>> {
        let id = BASE64_STANDARD.decode(&self.log_id.key_id).ok()?;
        let Some(promise) = &self.inclusion_promise else {
            let (proof, body) = (self.inclusion_proof.as_ref()?, self.body()?);
            let by =
                |log: &&Log| log.id == id && proof.log_index == self.log_index && proof.holds(log, &body);
            return root.signature_logs.iter().find(by).map(Kept::Somewhen);
        };
        let time = self.integrated_time.0;
        let promised = self.promise_text(&id)?;
        let signature = BASE64_STANDARD.decode(&promise.signed_entry_timestamp).ok()?;
        let by = |log: &&Log| {
            log.id == id && log.valid.has(time) && log.key.has_signed(promised.as_bytes(), &signature)
        };
        let log = root.signature_logs.iter().find(by)?;
        match &self.inclusion_proof {
            Some(proof) if !proof.holds(log, &self.body()?) => None,
            _ => Some(Kept::At(time)),
        }
    }

    /// What a log signs when it takes an entry in: JSON in its canonical form (RFC 8785). Of texts that need no escapes.
    pub(super) fn promise_text(&self, id: &[u8]) -> Option<String> {
        // Decoded and written anew, so that nothing but base64 gets in between the quotes.
        let body = BASE64_STANDARD.encode(self.body()?);
        let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
        let (time, index) = (self.integrated_time.0, self.log_index.0);
        Some(format!(r#"{{"body":"{body}","integratedTime":{time},"logID":"{id}","logIndex":{index}}}"#))
    }
}

impl Proof {
    /// Whether an entry is a leaf of a tree whose root the log has signed.
    fn holds(&self, log: &Log, body: &[u8]) -> bool {
        let decode = |text: &String| BASE64_STANDARD.decode(text).ok();
        let hashes: Option<Vec<_>> = self.hashes.iter().take(MOST_HASHES + 1).map(decode).collect();
        let (Some(hashes), Some(root)) = (hashes, decode(&self.root_hash)) else { return false };
        tree_root(self.log_index.0, self.tree_size.0, body, &hashes).is_some_and(|found| found == root)
            && self.checkpoint.holds(log, self.tree_size.0, &root)
    }
}

/// The root of a tree that has this leaf in this place (RFC 9162, 2.1.3.2).
pub(super) fn tree_root(index: u64, size: u64, leaf: &[u8], path: &[Vec<u8>]) -> Option<Vec<u8>> {
    let hash = |parts: &[&[u8]]| from_hex(digest_of(&parts.concat()).hex());
    if index >= size || path.len() > MOST_HASHES {
        return None;
    }
    let (mut at, mut last) = (index, size - 1);
    let mut found = hash(&[&[0], leaf])?;
    for sibling in path {
        if last == 0 {
            return None;
        }
        if at & 1 == 1 || at == last {
            found = hash(&[&[1], sibling, &found])?;
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            found = hash(&[&[1], &found, sibling])?;
        }
        at >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(found)
}

impl Checkpoint {
    /// A signed note (C2SP, signed-note and tlog-checkpoint): who, how many leaves, the root; an empty line; signatures.
    fn holds(&self, log: &Log, size: u64, root: &[u8]) -> bool {
        let Some((text, signatures)) = self.envelope.split_once("\n\n") else { return false };
        let mut lines = text.lines();
        let origin = lines.next().unwrap_or_default();
        // The first version names its tree beside itself; the second is called like its address, and nothing else.
        let named = origin.contains(" - ") || log.host.as_deref() == Some(origin);
        let same_size = lines.next().is_some_and(|line| line.parse() == Ok(size));
        let same_root =
            lines.next().is_some_and(|line| BASE64_STANDARD.decode(line).is_ok_and(|it| it == root));
        let signed = format!("{text}\n");
        let by_it = |line: &str| {
            let bytes = line.strip_prefix("\u{2014} ").and_then(|line| line.split_once(' '));
            let bytes = bytes.and_then(|(_, bytes)| BASE64_STANDARD.decode(bytes).ok());
            // Four bytes that tell which key.
            let signature = bytes.as_deref().and_then(|bytes| bytes.get(4..));
            signature.is_some_and(|signature| log.key.has_signed(signed.as_bytes(), signature))
        };
        named && same_size && same_root && signatures.lines().any(by_it)
    }
}
