//! `registries.toml`: which registries have mirrors, which are reached without TLS, and whose certificates count.
//!
//! ```toml
//! connect_timeout = "10s"          # these four are as here where they are left out
//! idle_timeout = "30s"
//! retries = 5
//! retry_delay = "250ms"
//!
//! [registry."docker.io"]
//! mirrors = ["https://mirror.example", "http://localhost:5000/hub"]
//!
//! [registry."registry.example:5000"]
//! transport = "tls"                # or "unverified-tls", or "http"
//! ca = "/etc/ssl/private/example-ca.pem"
//! client_certificate = "/etc/ssl/private/me.pem"
//! client_key = "/etc/ssl/private/me.key"
//! blocked = false
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cofferdam_settings::{FileProblem, ProblemList, Reader, Section};
use thiserror::Error;

use super::url::Url;

/// How the client speaks to registries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistrySettings {
    /// By registry, as image references name it.
    pub registries: BTreeMap<String, HostSettings>,
    /// Folders with one folder of certificates for each registry, as Docker and Podman have them.
    pub certificate_folders: Vec<PathBuf>,
    /// How long to wait.
    pub patience: Patience,
    /// What the environment says of proxies.
    pub proxies: super::proxy::Proxies,
}

/// How long to wait, and how often to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For a connection, with its TLS handshake.
    pub connect: Duration,
    /// For the next bytes of a connection.
    pub idle: Duration,
    /// How many more tries a request has that failed for no reason of its own.
    pub retries: u32,
    /// Before the second try; twice as long before each further one.
    pub delay: Duration,
}

/// What is said of one registry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HostSettings {
    /// Where to look first when pulling.
    pub mirrors: Vec<Mirror>,
    /// How it is reached; none where nothing is said.
    pub transport: Option<Transport>,
    /// A file of the certificates (PEM) that its certificate may be signed by, instead of the system's.
    pub ca: Option<PathBuf>,
    /// Files of the client's own certificate and key (PEM).
    pub client: Option<(PathBuf, PathBuf)>,
    /// Nothing is pulled from it or pushed to it.
    pub blocked: bool,
}

/// How a registry is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// TLS with a certificate that is checked.
    Tls,
    /// TLS with any certificate.
    UnverifiedTls,
    /// No TLS.
    Http,
}

/// Another place with the same repositories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror(pub(crate) Url);

/// Why the settings cannot be used.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// Something is wrong in it.
    #[error("{0}")]
    Invalid(InvalidFile),
}

/// Everything that is wrong in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidFile {
    file: String,
    problems: Vec<FileProblem>,
}

impl fmt::Display for InvalidFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = ProblemList { file: &self.file, problems: &self.problems };
        write!(f, "invalid settings of registries {}{list}", self.file)
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            retries: 5,
            delay: Duration::from_millis(250),
        }
    }
}

impl Default for RegistrySettings {
    fn default() -> Self {
        Self {
            registries: BTreeMap::new(),
            certificate_folders: vec!["/etc/docker/certs.d".into(), "/etc/containers/certs.d".into()],
            patience: Patience::default(),
            proxies: super::proxy::Proxies::default(),
        }
    }
}

impl RegistrySettings {
    /// Reads the file; one that is not there says nothing.
    ///
    /// # Errors
    /// It cannot be read, or something is wrong in it.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&path.display().to_string(), &text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(SettingsError::Read { path: path.to_owned(), source }),
        }
    }

    /// Takes what an environment says of proxies.
    #[must_use]
    pub fn with_environment(mut self, variable: &dyn Fn(&str) -> Option<String>) -> Self {
        self.proxies = super::proxy::Proxies::from_environment(variable);
        self
    }

    /// What is said of a registry.
    #[must_use]
    pub fn host(&self, registry: &str) -> HostSettings {
        self.registries.get(registry).cloned().unwrap_or_default()
    }

    /// Reads the text of the file. `file` is how messages show it.
    ///
    /// # Errors
    /// Something is wrong in it.
    pub fn parse(file: &str, text: &str) -> Result<Self, SettingsError> {
        let mut reader = Reader::new(file.into(), text);
        let mut settings = Self::default();
        if let Some(document) = reader.document() {
            read_document(&mut reader, document, &mut settings);
        }
        let problems = reader.into_problems();
        if problems.is_empty() {
            Ok(settings)
        } else {
            Err(SettingsError::Invalid(InvalidFile { file: file.to_owned(), problems }))
        }
    }
}

fn read_document<'i>(reader: &mut Reader<'i>, mut document: Section<'i>, settings: &mut RegistrySettings) {
    let patience = &mut settings.patience;
    let rule = "it is a time from 1ms to 1h, such as \"30s\" or \"250ms\"";
    for (key, place) in [
        ("connect_timeout", &mut patience.connect),
        ("idle_timeout", &mut patience.idle),
        ("retry_delay", &mut patience.delay),
    ] {
        if let Some(time) = reader.value(&mut document, key, rule, |value| duration(value.as_str()?)) {
            *place = time.value;
        }
    }
    let retries = reader.value(&mut document, "retries", "it is a number from 0 to 20", |value| {
        cofferdam_settings::unsigned(value)
            .and_then(|count| u32::try_from(count).ok())
            .filter(|count| *count <= 20)
    });
    if let Some(retries) = retries {
        patience.retries = retries.value;
    }
    if let Some(table) = reader.table(&mut document, "registry") {
        for (name, section) in reader.tables(table) {
            if is_registry(&name) {
                let host = read_host(reader, section);
                settings.registries.insert(name, host);
            } else {
                let place = section.place.clone();
                reader.require_at(
                    &place,
                    format!("registry.{name:?}: it is a host, with its port if it has one, such as \"registry.example:5000\""),
                );
            }
        }
    }
    reader.finish(document);
}

/// Whether image references could name it.
fn is_registry(name: &str) -> bool {
    format!("{name}/x").parse::<cofferdam_names::ImageReference>().is_ok_and(|image| image.registry() == name)
}

fn read_host<'i>(reader: &mut Reader<'i>, mut section: Section<'i>) -> HostSettings {
    let rule = "it is \"tls\", \"unverified-tls\" or \"http\"";
    let transport = reader.value(&mut section, "transport", rule, |value| match value.as_str()? {
        "tls" => Some(Transport::Tls),
        "unverified-tls" => Some(Transport::UnverifiedTls),
        "http" => Some(Transport::Http),
        _ => None,
    });
    let rule = "it is an address such as \"https://mirror.example\" or \"https://mirror.example/prefix\"";
    let mirrors = reader.list(&mut section, "mirrors", rule, |word| {
        Url::parse(word).filter(|url| !url.path.contains('?')).map(Mirror)
    });
    let path_rule = "it is an absolute path of a PEM file";
    let mut path = |key| {
        let found = reader.value(&mut section, key, path_rule, |value| {
            Some(PathBuf::from(value.as_str()?)).filter(|path| path.is_absolute())
        });
        found.map(|setting| setting.value)
    };
    let (ca, certificate, key) = (path("ca"), path("client_certificate"), path("client_key"));
    let blocked = reader.value(&mut section, "blocked", "it is true or false", |value| value.as_bool());
    let client = match (certificate, key) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        _ => {
            let place = section.place.clone();
            reader.require_at(&place, "client_certificate and client_key stand together".to_owned());
            None
        }
    };
    reader.finish(section);
    HostSettings {
        mirrors: mirrors.map(|setting| setting.value).unwrap_or_default(),
        transport: transport.map(|setting| setting.value),
        ca,
        client,
        blocked: blocked.is_some_and(|setting| setting.value),
    }
}

/// A number with `ms`, `s` or `m`.
fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    let scale = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        _ => return None,
    };
    let millis = number.parse::<u64>().ok()?.checked_mul(scale)?;
    (1..=3_600_000).contains(&millis).then(|| Duration::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_read() {
        let text = r#"
            idle_timeout = "2s"
            retries = 1
            [registry."docker.io"]
            mirrors = ["https://m.example/hub/"]
            [registry."localhost:5000"]
            transport = "http"
            [registry."r.example"]
            ca = "/ca.pem"
            client_certificate = "/me.pem"
            client_key = "/me.key"
            blocked = true
        "#;
        let settings = RegistrySettings::parse("r.toml", text).unwrap();
        assert_eq!((settings.patience.idle, settings.patience.retries), (Duration::from_secs(2), 1));
        assert_eq!(settings.patience.connect, Patience::default().connect);
        assert_eq!(settings.host("docker.io").mirrors[0].0.to_string(), "https://m.example/hub/");
        assert_eq!(settings.host("localhost:5000").transport, Some(Transport::Http));
        assert_eq!(settings.host("r.example").client, Some(("/me.pem".into(), "/me.key".into())));
        assert!(settings.host("r.example").blocked);
        assert_eq!(settings.host("other"), HostSettings::default());
    }

    #[test]
    fn every_problem_is_told_with_its_place() {
        let text = "retires = 1\n[registry.\"a b\"]\n[registry.\"x.y\"]\ntransport = \"ftp\"\nmirors = []\n\
                    client_key = \"/k\"\n[registry.\"z.y\"]\nmirrors = [\"ftp://x\", 'http://u:p@x']\nca = \"rel\"\n";
        let error = RegistrySettings::parse("r.toml", text).unwrap_err().to_string();
        let lines: Vec<&str> = error.lines().map(str::trim).collect();
        assert_eq!(lines.len(), 9, "{error}");
        for (line, part) in [
            (1, "r.toml:1:1: unknown key \"retires\"; did you mean \"retries\"?"),
            (2, "r.toml:2:"),
            (3, "r.toml:3:1: client_certificate and client_key stand together"),
            (4, "r.toml:4:1: registry.x.y.transport: it is \"tls\""),
            (5, "r.toml:5:1: unknown key \"registry.x.y.mirors\"; did you mean \"mirrors\"?"),
            (6, "r.toml:8:12: registry.z.y.mirrors: \"ftp://x\""),
            (7, "r.toml:8:23"),
            (8, "r.toml:9:1: registry.z.y.ca"),
        ] {
            assert!(lines[line].starts_with(part), "{part}\n{error}");
        }
    }
}
