//! An image's configuration: what it runs on, what its containers are like, and which layers it has.

use std::collections::BTreeMap;

use cofferdam_names::{Digest, Timestamp};
use cofferdam_wire_oci::{image as wire, parse};

use super::{DocumentError, Platform};

/// An image configuration (OCI image-spec, config.md). Texts in it are an image's: shown and passed to its containers, never
/// read as our configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageConfigFile {
    /// When it was made; none if it does not say, or says what is no time.
    pub created: Option<Timestamp>,
    /// By whom.
    pub author: Option<String>,
    /// What it runs on.
    pub platform: Platform,
    /// `NAME=value`
    pub env: Vec<String>,
    /// What is always executed.
    pub entrypoint: Vec<String>,
    /// Its arguments, or the command where there is no entry point.
    pub cmd: Vec<String>,
    /// User and group, as names or numbers of the image.
    pub user: String,
    /// The working folder.
    pub working_dir: String,
    /// Folders that are volumes.
    pub volumes: Vec<String>,
    /// `80/tcp`
    pub exposed_ports: Vec<String>,
    /// Name or number of the signal that ends it.
    pub stop_signal: Option<String>,
    /// Inert texts.
    pub labels: BTreeMap<String, String>,
    /// Docker's health check.
    pub healthcheck: Option<Healthcheck>,
    /// Instructions for the build of an image from this one.
    pub on_build: Vec<String>,
    /// The shell of such a build.
    pub shell: Vec<String>,
    /// Digests of the layers before they were compressed, the lowest first.
    pub diff_ids: Vec<Digest>,
    /// How it came to be.
    pub history: Vec<HistoryEntry>,
}

/// Docker's `HEALTHCHECK`. Times are nanoseconds; 0 is "as usual".
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "Docker's names")]
pub struct Healthcheck {
    pub test: Vec<String>,
    pub interval: u64,
    pub timeout: u64,
    pub start_period: u64,
    pub start_interval: u64,
    pub retries: u64,
}

/// One step of an image's making.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "the specification's names")]
pub struct HistoryEntry {
    pub created: Option<Timestamp>,
    pub created_by: String,
    pub author: Option<String>,
    pub comment: String,
    /// Whether it changed no file.
    pub empty_layer: bool,
}

const MOST_DIFF_IDS: usize = 1000;

impl ImageConfigFile {
    /// One with nothing in it, for an image made here and now.
    #[must_use]
    pub fn new(created: Timestamp) -> Self {
        Self {
            created: Some(created),
            author: None,
            platform: Platform::host(),
            env: Vec::new(),
            entrypoint: Vec::new(),
            cmd: Vec::new(),
            user: String::new(),
            working_dir: String::new(),
            volumes: Vec::new(),
            exposed_ports: Vec::new(),
            stop_signal: None,
            labels: BTreeMap::new(),
            healthcheck: None,
            on_build: Vec::new(),
            shell: Vec::new(),
            diff_ids: Vec::new(),
            history: Vec::new(),
        }
    }

    /// Reads the bytes of a configuration blob.
    ///
    /// # Errors
    /// They are no image configuration.
    pub fn parse(bytes: &[u8]) -> Result<Self, DocumentError> {
        let wire: wire::ImageConfig =
            parse(bytes).map_err(|source| DocumentError::Parse { what: "an image configuration", source })?;
        wire.try_into()
    }

    /// Its bytes, for a configuration that is made here.
    ///
    /// # Errors
    /// None that can be thought of: JSON of plain texts.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(&wire::ImageConfig::from(self.clone()))
    }
}

impl TryFrom<wire::ImageConfig> for ImageConfigFile {
    type Error = DocumentError;

    fn try_from(wire: wire::ImageConfig) -> Result<Self, Self::Error> {
        let wire::ImageConfig { created, author, platform, config, rootfs, history } = wire;
        if !matches!(rootfs.kind.as_str(), "layers" | "") {
            return Err(DocumentError::invalid("rootfs.type of an image configuration", &rootfs.kind));
        }
        if rootfs.diff_ids.len() > MOST_DIFF_IDS {
            return Err(DocumentError::TooMany {
                what: "an image configuration",
                count: rootfs.diff_ids.len(),
                of: "layers",
                most: MOST_DIFF_IDS,
            });
        }
        let diff_ids: Result<Vec<Digest>, _> = rootfs.diff_ids.into_iter().map(Digest::try_from).collect();
        // The kernel cannot be told of a variable or an argument with a NUL in it.
        let texts = config.env.iter().chain(&config.entrypoint).chain(&config.cmd);
        if let Some(text) = texts.into_iter().find(|text| text.contains('\0')) {
            return Err(DocumentError::invalid("text of an image configuration", text));
        }
        Ok(Self {
            created: created.and_then(|created| created.parse().ok()),
            author,
            platform: platform.into(),
            env: config.env,
            entrypoint: config.entrypoint,
            cmd: config.cmd,
            user: config.user,
            working_dir: config.working_dir,
            volumes: config.volumes.into_keys().collect(),
            exposed_ports: config.exposed_ports.into_keys().collect(),
            stop_signal: Some(config.stop_signal).filter(|signal| !signal.is_empty()),
            labels: config.labels,
            healthcheck: config.healthcheck.map(Healthcheck::from),
            on_build: config.on_build,
            shell: config.shell,
            diff_ids: diff_ids.map_err(|source| DocumentError::Digest { source })?,
            history: history.into_iter().map(HistoryEntry::from).collect(),
        })
    }
}

impl From<ImageConfigFile> for wire::ImageConfig {
    fn from(file: ImageConfigFile) -> Self {
        let named = |names: Vec<String>| names.into_iter().map(|name| (name, wire::Nothing)).collect();
        Self {
            created: file.created.map(|created| created.to_string()),
            author: file.author,
            platform: file.platform.into(),
            config: wire::ContainerConfig {
                user: file.user,
                exposed_ports: named(file.exposed_ports),
                env: file.env,
                entrypoint: file.entrypoint,
                cmd: file.cmd,
                volumes: named(file.volumes),
                working_dir: file.working_dir,
                labels: file.labels,
                stop_signal: file.stop_signal.unwrap_or_default(),
                healthcheck: file.healthcheck.map(wire::Healthcheck::from),
                on_build: file.on_build,
                shell: file.shell,
            },
            rootfs: wire::RootFs {
                kind: "layers".to_owned(),
                diff_ids: file.diff_ids.into_iter().map(String::from).collect(),
            },
            history: file.history.into_iter().map(wire::History::from).collect(),
        }
    }
}

impl From<wire::Healthcheck> for Healthcheck {
    fn from(wire: wire::Healthcheck) -> Self {
        let number = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok()).unwrap_or(0);
        Self {
            test: wire.test,
            interval: number(wire.interval),
            timeout: number(wire.timeout),
            start_period: number(wire.start_period),
            start_interval: number(wire.start_interval),
            retries: number(wire.retries),
        }
    }
}

impl From<Healthcheck> for wire::Healthcheck {
    fn from(check: Healthcheck) -> Self {
        let number = |number: u64| i64::try_from(number).ok().filter(|number| *number > 0);
        Self {
            test: check.test,
            interval: number(check.interval),
            timeout: number(check.timeout),
            start_period: number(check.start_period),
            start_interval: number(check.start_interval),
            retries: number(check.retries),
        }
    }
}

impl From<wire::History> for HistoryEntry {
    fn from(wire: wire::History) -> Self {
        let wire::History { created, created_by, author, comment, empty_layer } = wire;
        Self {
            created: created.and_then(|created| created.parse().ok()),
            created_by: created_by.unwrap_or_default(),
            author,
            comment: comment.unwrap_or_default(),
            empty_layer,
        }
    }
}

impl From<HistoryEntry> for wire::History {
    fn from(entry: HistoryEntry) -> Self {
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        Self {
            created: entry.created.map(|created| created.to_string()),
            created_by: some(entry.created_by),
            author: entry.author,
            comment: some(entry.comment),
            empty_layer: entry.empty_layer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dockers_nulls_are_read_and_what_is_read_is_written_again() {
        let text = br#"{"architecture":"amd64","os":"linux","created":"2024-01-02T03:04:05.6Z",
            "config":{"Hostname":"x","User":"","ExposedPorts":{"80/tcp":{}},"Env":["A=b"],"Cmd":["sh"],"Volumes":null,
            "Healthcheck":{"Test":["CMD","x"],"Interval":5000000000},"OnBuild":null,"Labels":{"a":"b"},"Entrypoint":null,
            "StopSignal":"SIGINT","WorkingDir":"/w"},
            "rootfs":{"type":"layers","diff_ids":["sha256:0000000000000000000000000000000000000000000000000000000000000000"]},
            "history":[{"created_by":"x","empty_layer":true},{}]}"#;
        let file = ImageConfigFile::parse(text).unwrap();
        assert_eq!((file.cmd.len(), file.entrypoint.len(), file.diff_ids.len()), (1, 0, 1));
        assert_eq!(file.exposed_ports, ["80/tcp"]);
        assert_eq!(file.healthcheck.as_ref().unwrap().interval, 5_000_000_000);
        assert_eq!(ImageConfigFile::parse(&file.to_bytes().unwrap()).unwrap(), file);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for bad in [
            &br#"{"rootfs":{"type":"windows"}}"#[..],
            br#"{"rootfs":{"type":"layers","diff_ids":["x"]}}"#,
            br#"{"config":{"Env":["A=\u0000"]}}"#,
            br#"{"config":{"Env":"A"}}"#,
            b"[]",
            b"",
        ] {
            assert!(ImageConfigFile::parse(bad).is_err(), "{}", String::from_utf8_lossy(bad));
        }
    }
}
