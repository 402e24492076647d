//! Tokens: what a token server gives for credentials, or for none (Docker's token authentication; OAuth 2 for identity tokens).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use cofferdam_wire_oci::distribution::Token;
use ureq::http::Method;

use super::call::{Answer, Call, Payload};
use super::credentials::Credential;
use super::url::{Url, percent_encoded};

/// How long a token counts that does not say so, and at least.
const LEAST_LIFE: u64 = 60;

/// The most bytes of an answer with a token.
const MOST_ANSWER: u64 = 1 << 20;

/// What is known of how a registry wants to be asked.
#[derive(Default)]
pub(crate) struct Known {
    /// User and password with each request.
    pub(crate) basic: bool,
    /// The token server.
    pub(crate) server: Option<TokenServer>,
    /// Tokens by their scopes.
    tokens: BTreeMap<String, (String, Instant)>,
}

/// Where tokens come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TokenServer {
    pub(crate) realm: Url,
    pub(crate) service: Option<String>,
}

impl Known {
    /// The token for these scopes, if it still counts.
    pub(crate) fn token(&self, scopes: &[String]) -> Option<&str> {
        let (token, end) = self.tokens.get(&scopes.join(" "))?;
        (*end > Instant::now()).then_some(token.as_str())
    }

    pub(crate) fn keep(&mut self, scopes: &[String], token: String, seconds: u64) {
        // A little less, so that it does not end on its way.
        let life = Duration::from_secs(seconds.clamp(LEAST_LIFE, 24 * 3600) - 5);
        self.tokens.insert(scopes.join(" "), (token, Instant::now() + life));
    }

    pub(crate) fn forget(&mut self, scopes: &[String]) {
        self.tokens.remove(&scopes.join(" "));
    }
}

/// The value of `Authorization` for a user and a password (RFC 7617).
pub(crate) fn basic(user: &str, secret: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{secret}")))
}

/// The form of a request with an identity token.
pub(crate) fn form(server: &TokenServer, scopes: &[String], identity: &str) -> String {
    let service = server.service.as_deref().unwrap_or_default();
    [
        ("grant_type", "refresh_token"),
        ("client_id", "cofferdam"),
        ("service", service),
        ("scope", &scopes.join(" ")),
        ("refresh_token", identity),
    ]
    .map(|(name, value)| format!("{name}={}", percent_encoded(value)))
    .join("&")
}

/// The request for a token.
pub(crate) fn request<'a>(
    server: &TokenServer,
    scopes: &[String],
    credential: Option<&Credential>,
    form: &'a str,
) -> Call<'a> {
    if let Some(Credential::IdentityToken(_)) = credential {
        return Call::new(Method::POST, server.realm.clone(), &[])
            .header("content-type", "application/x-www-form-urlencoded")
            .payload(Payload::Bytes(form.as_bytes()));
    }
    let mut url = server.realm.clone();
    if let Some(service) = &server.service {
        url = url.with_query("service", service);
    }
    for scope in scopes {
        url = url.with_query("scope", scope);
    }
    let call = Call::get(url, &[]);
    match credential {
        Some(Credential::Password { user, secret }) => call.header("authorization", basic(user, secret)),
        _ => call,
    }
}

/// The token of an answer, and its life in seconds; none if it is not one that can stand in a header.
pub(crate) fn read(answer: Answer) -> Option<(String, u64)> {
    let bytes = answer.read(MOST_ANSWER).ok()??;
    let Token { token, access_token, expires_in } = serde_json::from_slice(&bytes).ok()?;
    let token = if token.is_empty() { access_token } else { token };
    let printable = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    printable.then_some((token, expires_in))
}
