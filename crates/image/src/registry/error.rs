//! Why a registry could not be used.

use std::io;
use std::path::PathBuf;

use cofferdam_names::{Digest, ImageReference};
use thiserror::Error;

use super::CredentialError;
use crate::{DocumentError, LayerError, MediaType, StoreError};

/// Why something could not be pulled, pushed or asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The server could not be reached, or broke off.
    #[error("cannot reach {host}")]
    Reach {
        /// Which.
        host: String,
        /// Why not.
        #[source]
        source: Box<ureq::Error>,
    },
    /// It answered with a failure.
    #[error("{host} answered {status} when asked {operation}{}", said(text))]
    Status {
        /// Who.
        host: String,
        /// What for.
        operation: String,
        /// The HTTP status.
        status: u16,
        /// What it said, cut and cleaned; or nothing.
        text: String,
    },
    /// It has no such thing.
    #[error("{host} has no {what}{}", said(text))]
    NotFound {
        /// Who.
        host: String,
        /// What.
        what: String,
        /// What it said, cut and cleaned; or nothing.
        text: String,
    },
    /// It wants other credentials, or some.
    #[error("{host} does not allow access to {what} {}{}", if *anonymous { "without login" } else { "with the stored credentials" }, said(text))]
    Denied {
        /// Who.
        host: String,
        /// To what.
        what: String,
        /// Whether there were no credentials.
        anonymous: bool,
        /// What it said, cut and cleaned; or nothing.
        text: String,
    },
    /// It wants to be asked again much later.
    #[error("{host} allows no more requests now; it says to wait {seconds} seconds")]
    Later {
        /// Who.
        host: String,
        /// How long.
        seconds: u64,
    },
    /// It answered something that cannot be used.
    #[error("cannot use the answer of {host}: {why}")]
    Answer {
        /// Who.
        host: String,
        /// Why not.
        why: String,
    },
    /// A blob kept breaking off.
    #[error(
        "cannot read blob {digest} from {host}: it broke off {times} times without progress, last after {got} of {size} bytes"
    )]
    Broken {
        /// Who.
        host: String,
        /// Which.
        digest: Digest,
        /// How often.
        times: u32,
        /// Bytes that came.
        got: u64,
        /// Bytes that there should be.
        size: u64,
        /// The last reason.
        #[source]
        source: io::Error,
    },
    /// A manifest, an index or a configuration does not read.
    #[error("cannot use what {host} says is {what}")]
    Document {
        /// Who.
        host: String,
        /// What.
        what: String,
        /// Why not.
        #[source]
        source: DocumentError,
    },
    /// A layer that is to come from somewhere else.
    #[error(
        "cannot use layer {digest} of type {media_type}: layers of other origin (Windows) are not pulled"
    )]
    Foreign {
        /// Which.
        digest: Digest,
        /// Its type.
        media_type: MediaType,
    },
    /// There is nothing under this name that could be pushed, or not all of it.
    #[error("cannot push {image}: {what} is not here")]
    Incomplete {
        /// What was to be pushed.
        image: Box<ImageReference>,
        /// What is missing.
        what: String,
    },
    /// The settings forbid it.
    #[error("registry {registry} is blocked in registries.toml")]
    Blocked {
        /// Which.
        registry: String,
    },
    /// Something wants a password in clear text over the network.
    #[error("{host} sends to {to}, which is not protected by TLS")]
    Downgrade {
        /// Who.
        host: String,
        /// Where to.
        to: String,
    },
    /// A certificate or a key cannot be used.
    #[error("cannot use {what} in {}", path.display())]
    Certificate {
        /// What.
        what: &'static str,
        /// Its file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The host has no list of certificate authorities.
    #[error("no certificate authorities found: none of {} is there", looked.join(", "))]
    NoAuthorities {
        /// Where it was looked.
        looked: Vec<String>,
    },
    /// The proxy's address is none.
    #[error("cannot use the proxy that the environment names: it is no http:// or https:// address")]
    Proxy,
    /// Credentials cannot be read or written.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// The store failed, or what came is not what it should be.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A layer cannot be unpacked.
    #[error(transparent)]
    Layer(#[from] LayerError),
}

fn said(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(" ({text})") }
}

impl RegistryError {
    pub(crate) fn answer(host: &str, why: impl Into<String>) -> Self {
        Self::Answer { host: host.to_owned(), why: why.into() }
    }
}

/// A text from elsewhere for a message: its first 200 characters, without what could drive a terminal.
pub(crate) fn cleaned(text: &str) -> String {
    let line: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    let words = line.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(200) {
        Some((at, _)) => format!("{}…", words.get(..at).unwrap_or_default()),
        None => words,
    }
}
