//! Credentials: Docker's `config.json` with its helpers, and Podman's `auth.json`.

use std::fmt;
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value};
use thiserror::Error;

use super::credential_helper as helper;

/// Docker Hub's key in these files.
const HUB_KEY: &str = "https://index.docker.io/v1/";

/// The user name that says that the secret is an identity token.
const TOKEN_USER: &str = "<token>";

/// What a registry lets in.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// A user and a password.
    Password {
        /// The user.
        user: String,
        /// The password.
        secret: String,
    },
    /// A token that the token server gives others for.
    IdentityToken(String),
    /// A token for the registry itself.
    RegistryToken(String),
}

/// Without the secrets.
impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password { user, .. } => {
                f.debug_struct("Password").field("user", user).finish_non_exhaustive()
            }
            Self::IdentityToken(_) => f.write_str("IdentityToken"),
            Self::RegistryToken(_) => f.write_str("RegistryToken"),
        }
    }
}

impl Credential {
    pub(super) fn of_pair(user: String, secret: String) -> Self {
        if user == TOKEN_USER { Self::IdentityToken(secret) } else { Self::Password { user, secret } }
    }
}

/// Why credentials cannot be read or written.
#[derive(Debug, Error)]
pub enum CredentialError {
    /// A file cannot be used.
    #[error("cannot {operation} {}", path.display())]
    Io {
        /// What was to be done.
        operation: &'static str,
        /// To what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// It is not what Docker or Podman write.
    #[error("cannot understand {}: {why}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// A helper does not run.
    #[error("cannot run the credential helper docker-credential-{name}")]
    RunHelper {
        /// Which.
        name: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A helper failed.
    #[error("credential helper docker-credential-{name} cannot {verb}: {why}")]
    Helper {
        /// Which.
        name: String,
        /// What.
        verb: &'static str,
        /// What it said.
        why: String,
    },
    /// No folder is known for them.
    #[error("cannot find a folder for credentials: neither DOCKER_CONFIG nor HOME is set")]
    NoFolder,
}

/// The files that hold credentials: Docker's first, which `login` writes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CredentialFiles {
    docker: Option<PathBuf>,
    others: Vec<PathBuf>,
}

impl CredentialFiles {
    /// Those that an environment names: `$DOCKER_CONFIG/config.json` or `~/.docker/config.json`, then Podman's.
    #[must_use]
    pub fn of_environment(variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let folder = |name: &str| variable(name).filter(|text| !text.is_empty()).map(PathBuf::from);
        let home = folder("HOME");
        let docker = folder("DOCKER_CONFIG").or_else(|| home.as_ref().map(|home| home.join(".docker")));
        let podman = match folder("REGISTRY_AUTH_FILE") {
            Some(file) => vec![file],
            None => folder("XDG_RUNTIME_DIR")
                .map(|run| run.join("containers/auth.json"))
                .into_iter()
                .chain(home.map(|home| home.join(".config/containers/auth.json")))
                .collect(),
        };
        Self { docker: docker.map(|folder| folder.join("config.json")), others: podman }
    }

    /// Exactly this file.
    #[must_use]
    pub fn only(file: PathBuf) -> Self {
        Self { docker: Some(file), others: Vec::new() }
    }

    /// What is stored for a repository of a registry.
    ///
    /// # Errors
    /// A file cannot be read, or a helper fails.
    pub fn find(&self, registry: &str, repository: &str) -> Result<Option<Credential>, CredentialError> {
        for path in self.docker.iter().chain(&self.others) {
            let Some(file) = read(path)? else { continue };
            if let Some(helper) = helper_for(&file, registry)
                && let Some(found) = helper::get(helper, key(registry))?
            {
                return Ok(Some(found));
            }
            if let Some(found) = stored(&file, registry, repository)
                .map_err(|why| CredentialError::File { path: path.clone(), why })?
            {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Keeps credentials for a registry, where Docker would. Answers whether they are in a file, which protects them by its mode
    /// alone.
    ///
    /// # Errors
    /// The file cannot be written, or a helper fails.
    pub fn store(
        &self,
        registry: &str,
        user: &str,
        secret: &str,
    ) -> Result<Option<PathBuf>, CredentialError> {
        let path = self.docker.as_ref().ok_or(CredentialError::NoFolder)?;
        let mut file = read(path)?.unwrap_or_default();
        let entry = if let Some(helper) = helper_for(&file, registry) {
            helper::store(helper, key(registry), user, secret)?;
            // Docker notes the server, so that logout can list it.
            Value::Object(Map::new())
        } else {
            serde_json::json!({ "auth": BASE64_STANDARD.encode(format!("{user}:{secret}")) })
        };
        let in_file = entry.get("auth").is_some();
        let auths = file.entry("auths").or_insert_with(|| Value::Object(Map::new()));
        let Some(auths) = auths.as_object_mut() else {
            return Err(CredentialError::File { path: path.clone(), why: "`auths` is no object".to_owned() });
        };
        auths.insert(key(registry).to_owned(), entry);
        write(path, &file)?;
        Ok(in_file.then(|| path.clone()))
    }

    /// Forgets the credentials for a registry. Whether there were some.
    ///
    /// # Errors
    /// The file cannot be written, or a helper fails.
    pub fn erase(&self, registry: &str) -> Result<bool, CredentialError> {
        let path = self.docker.as_ref().ok_or(CredentialError::NoFolder)?;
        let Some(mut file) = read(path)? else { return Ok(false) };
        let mut found = false;
        if let Some(helper) = helper_for(&file, registry) {
            found = helper::get(helper, key(registry))?.is_some();
            helper::erase(helper, key(registry))?;
        }
        if let Some(auths) = file.get_mut("auths").and_then(Value::as_object_mut) {
            let before = auths.len();
            auths.retain(|name, _| server_of(name) != server_of(key(registry)));
            if auths.len() != before {
                found = true;
                write(path, &file)?;
            }
        }
        Ok(found)
    }
}

/// What a registry is called in these files.
fn key(registry: &str) -> &str {
    if registry == "docker.io" { HUB_KEY } else { registry }
}

/// The host of a key: keys were once whole addresses.
fn server_of(key: &str) -> &str {
    let rest = key.split_once("://").map_or(key, |(_, rest)| rest);
    let host = rest.split('/').next().unwrap_or(rest);
    if matches!(host, "index.docker.io" | "registry-1.docker.io") { "docker.io" } else { host }
}

fn helper_for<'a>(file: &'a Map<String, Value>, registry: &str) -> Option<&'a str> {
    let helpers = file.get("credHelpers").and_then(Value::as_object);
    let own = helpers.and_then(|helpers| helpers.get(key(registry)).or_else(|| helpers.get(registry)));
    let name = own.or_else(|| file.get("credsStore"))?.as_str()?;
    Some(name).filter(|name| !name.is_empty())
}

/// The entry of a file for a repository: Podman's keys may name a part of a registry, and the longest that fits counts.
fn stored(file: &Map<String, Value>, registry: &str, repository: &str) -> Result<Option<Credential>, String> {
    let Some(auths) = file.get("auths").and_then(Value::as_object) else { return Ok(None) };
    let mut scope = format!("{registry}/{repository}");
    while scope.contains('/') {
        if let Some(entry) = auths.get(&scope) {
            return credential(entry);
        }
        scope.truncate(scope.rfind('/').unwrap_or(0));
    }
    let mut same =
        auths.iter().filter(|(name, _)| name.as_str() == key(registry) || is_server(name, registry));
    match same.next() {
        Some((_, entry)) => credential(entry),
        None => Ok(None),
    }
}

/// Whether a key means a whole registry.
fn is_server(name: &str, registry: &str) -> bool {
    let path =
        name.split_once("://").map_or(name, |(_, rest)| rest).split_once('/').map_or("", |(_, path)| path);
    server_of(name) == registry && matches!(path.trim_end_matches('/'), "" | "v1" | "v2")
}

fn credential(entry: &Value) -> Result<Option<Credential>, String> {
    let text = |name: &str| entry.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    if let Some(token) = text("identitytoken") {
        return Ok(Some(Credential::IdentityToken(token.to_owned())));
    }
    if let Some(token) = text("registrytoken") {
        return Ok(Some(Credential::RegistryToken(token.to_owned())));
    }
    let Some(auth) = text("auth") else { return Ok(None) };
    let decoded = BASE64_STANDARD.decode(auth.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let decoded = decoded.ok_or("an `auth` is not the base64 of a text")?;
    let (user, secret) = decoded.split_once(':').ok_or("an `auth` has no ':' between user and password")?;
    Ok(Some(Credential::of_pair(user.to_owned(), secret.trim_end_matches('\0').to_owned())))
}

fn read(path: &Path) -> Result<Option<Map<String, Value>>, CredentialError> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(CredentialError::Io { operation: "read", path: path.to_owned(), source }),
    };
    if text.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    // Without what the parser would say: it could show a part of a secret.
    let value: Value = serde_json::from_slice(&text)
        .map_err(|_| CredentialError::File { path: path.to_owned(), why: "it is no JSON".to_owned() })?;
    match value {
        Value::Object(file) => Ok(Some(file)),
        _ => Err(CredentialError::File { path: path.to_owned(), why: "it is no JSON object".to_owned() }),
    }
}

/// Writes the file whole or not at all, for its owner alone. A link is followed: people keep this file elsewhere.
fn write(path: &Path, file: &Map<String, Value>) -> Result<(), CredentialError> {
    let failed = |source| CredentialError::Io { operation: "write", path: path.to_owned(), source };
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().unwrap_or(Path::new("/"));
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    let draft = folder.join(format!(".config.json.{}", std::process::id()));
    let text = serde_json::to_vec_pretty(file).map_err(|error| failed(error.into()))?;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let written = options.open(&draft).and_then(|mut file| io::Write::write_all(&mut file, &text));
    let renamed = written.and_then(|()| std::fs::rename(&draft, &path));
    if renamed.is_err() {
        let _ = std::fs::remove_file(&draft);
    }
    renamed.map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(text: &str) -> (tempfile::TempDir, CredentialFiles) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        std::fs::write(&path, text).unwrap();
        (folder, CredentialFiles::only(path))
    }

    fn password(user: &str, secret: &str) -> Option<Credential> {
        Some(Credential::Password { user: user.into(), secret: secret.into() })
    }

    #[test]
    fn docker_and_podman_entries_are_found() {
        let auth = |text: &str| BASE64_STANDARD.encode(text);
        let text = format!(
            r#"{{"auths":{{"https://index.docker.io/v1/":{{"auth":"{}"}},"r.example:5000":{{"auth":"{}"}},
                "https://old.example/v2/":{{"identitytoken":"T"}},"p.example/team":{{"auth":"{}"}},"p.example/team/app":{{"auth":"{}"}},
                "empty.example":{{}}}}}}"#,
            auth("hub:a:b"),
            auth("me:secret"),
            auth("team:1"),
            auth("app:2")
        );
        let (_folder, files) = files(&text);
        let find = |registry: &str, repository: &str| files.find(registry, repository).unwrap();
        assert_eq!(find("docker.io", "library/x"), password("hub", "a:b"));
        assert_eq!(find("r.example:5000", "x"), password("me", "secret"));
        assert_eq!(find("r.example", "x"), None);
        assert_eq!(find("old.example", "x"), Some(Credential::IdentityToken("T".into())));
        assert_eq!(find("p.example", "team/app"), password("app", "2"));
        assert_eq!(find("p.example", "team/other/x"), password("team", "1"));
        assert_eq!(find("p.example", "x"), None);
        assert_eq!(find("empty.example", "x"), None);
        assert!(!format!("{:?}", find("r.example:5000", "x")).contains("secret"));
    }

    #[test]
    fn login_keeps_what_else_is_in_the_file() {
        let (folder, files) =
            files(r#"{"HttpHeaders":{"X":"y"},"auths":{"https://r.example/v1/":{"auth":"eDp5"}}}"#);
        let path = folder.path().join("config.json");
        assert_eq!(files.store("docker.io", "me", "p:w").unwrap(), Some(path.clone()));
        assert_eq!(files.find("docker.io", "x").unwrap(), password("me", "p:w"));
        assert_eq!(files.find("r.example", "x").unwrap(), password("x", "y"));
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("HttpHeaders") && text.contains(HUB_KEY));
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
        assert!(files.erase("docker.io").unwrap() && files.erase("r.example").unwrap());
        assert!(!files.erase("docker.io").unwrap());
        assert_eq!(files.find("docker.io", "x").unwrap(), None);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn files_that_are_wrong_are_named_without_their_secrets() {
        for text in [
            "[]",
            "{\"auths\": secret",
            r#"{"auths":{"r":{"auth":"!secret"}}}"#,
            r#"{"auths":{"r":{"auth":"c2VjcmV0"}}}"#,
        ] {
            let (_folder, files) = files(text);
            let error = files.find("r", "x").unwrap_err();
            assert!(
                matches!(error, CredentialError::File { .. }) && !error.to_string().contains("secret"),
                "{error}"
            );
        }
        let (_folder, files) = files(r#"{"credsStore":"../../bin/sh"}"#);
        assert!(matches!(files.find("r", "x"), Err(CredentialError::Helper { .. })));
    }
}
