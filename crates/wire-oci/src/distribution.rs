//! What registries answer with: errors, tags, tokens (OCI distribution-spec 1.1; Docker's token authentication).

use serde::Deserialize;

use crate::null;

/// The body of a failed request (distribution-spec, "Error Codes").
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[allow(missing_docs, reason = "the specification's names")]
pub struct ErrorList {
    #[serde(default, deserialize_with = "null::as_default")]
    pub errors: Vec<ErrorEntry>,
}

/// One error.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[allow(missing_docs, reason = "the specification's names")]
pub struct ErrorEntry {
    #[serde(default, deserialize_with = "null::as_default")]
    pub code: String,
    #[serde(default, deserialize_with = "null::as_default")]
    pub message: String,
}

/// The tags of a repository ("Listing Tags").
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[allow(missing_docs, reason = "the specification's names")]
pub struct TagList {
    #[serde(default, deserialize_with = "null::as_default")]
    pub tags: Vec<String>,
}

/// What a token server gives (Docker's "Token Authentication Specification").
#[derive(Clone, PartialEq, Eq, Default, Deserialize)]
#[allow(missing_docs, reason = "the specification's names")]
pub struct Token {
    #[serde(default, deserialize_with = "null::as_default")]
    pub token: String,
    #[serde(default, deserialize_with = "null::as_default")]
    pub access_token: String,
    #[serde(default, deserialize_with = "null::as_default")]
    pub expires_in: u64,
}

/// Without the tokens: they are secrets.
impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}

/// What a credential helper says and reads (docker-credential-helpers).
#[derive(Clone, PartialEq, Eq, Default, Deserialize, serde::Serialize)]
#[serde(rename_all = "PascalCase")]
#[allow(missing_docs, reason = "the helpers' names")]
pub struct HelperCredential {
    #[serde(rename = "ServerURL", default, deserialize_with = "null::as_default")]
    pub server_url: String,
    #[serde(default, deserialize_with = "null::as_default")]
    pub username: String,
    #[serde(default, deserialize_with = "null::as_default")]
    pub secret: String,
}

impl std::fmt::Debug for HelperCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HelperCredential").field("username", &self.username).finish_non_exhaustive()
    }
}
