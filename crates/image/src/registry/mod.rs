//! Registries: pull, push and what they need (OCI distribution-spec 1.1 and Docker's token authentication).
//!
//! One thread, and one connection, for each blob on its way. Nothing that a registry says is trusted: documents are bounded and
//! checked against the digest they were asked by, blobs get their place in the store only when size and digest are right, and
//! texts of errors are cut and cleaned before they are shown. Credentials go to the host they were stored for, and to the token
//! server that it names, and nowhere else.

mod call;
mod challenge;
mod client;
mod credential_helper;
mod credentials;
mod documents;
mod download;
mod endpoint;
mod error;
mod file;
mod flow;
mod progress;
mod proxy;
mod pull;
mod push;
mod referrers;
mod session;
mod settings;
mod steady;
mod tls;
mod token;
mod upload;
mod url;

pub use client::{Client, Login};
pub use credentials::{Credential, CredentialError, CredentialFiles};
pub use error::RegistryError;
pub use progress::{BlobState, Progress, Silent};
pub use proxy::Proxies;
pub use pull::{PullOptions, Pulled};
pub use push::PushOptions;

pub use settings::{HostSettings, Mirror, Patience, RegistrySettings, SettingsError, Transport};
