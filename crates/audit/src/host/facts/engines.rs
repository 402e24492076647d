//! Facts about container engines: what is installed, and how it is configured.

use serde::Serialize;
use serde_json::Value;

use super::{Process, Source};
use crate::fact::{Fact, Unknown};

/// More containers of one engine are not read from its records.
const MOST_CONTAINERS: usize = 5000;

/// The engines of a host; `None` where one is not installed.
#[derive(Debug, Clone, Serialize)]
pub struct Engines {
    /// Docker.
    pub docker: Fact<Option<Docker>>,
    /// Podman: the text of its containers.conf files, one after another.
    pub podman: Fact<Option<String>>,
    /// containerd: the text of its config.toml.
    pub containerd: Fact<Option<String>>,
    /// The kubelet: its configuration file and its words.
    pub kubelet: Fact<Option<Kubelet>>,
}

/// Docker's settings.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Docker {
    /// `/etc/docker/daemon.json`.
    pub file: Value,
    /// The words that dockerd was started with; none where it does not run.
    pub words: Vec<String>,
    /// Whether it runs as an ordinary user; `None` where it does not run.
    pub rootless: Option<bool>,
    /// Its containers, by its own records.
    pub containers: Fact<Vec<DockerContainer>>,
}

/// A container as Docker's records have it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DockerContainer {
    /// Its name, or the first part of its id.
    pub name: String,
    /// `config.v2.json`
    #[serde(skip)]
    pub config: Value,
    /// `hostconfig.json`
    #[serde(skip)]
    pub host: Value,
}

/// The kubelet's settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kubelet {
    /// The text of its configuration file.
    pub text: String,
    /// Its words.
    pub words: Vec<String>,
}

impl Docker {
    /// A setting: the last flag of that name, or what the file says. A flag without a value is `true`.
    #[must_use]
    pub fn setting(&self, name: &str) -> Option<Value> {
        let flag = format!("--{name}");
        let mut found = None;
        for (index, word) in self.words.iter().enumerate() {
            if let Some(value) = word.strip_prefix(&flag) {
                if let Some(value) = value.strip_prefix('=') {
                    found = Some(from_word(value));
                } else if value.is_empty() {
                    let next = self.words.get(index + 1).filter(|next| !next.starts_with('-'));
                    found = Some(next.map_or(Value::Bool(true), |next| from_word(next)));
                }
            }
        }
        // The file has lists under a name in the plural.
        found.or_else(|| self.file.get(name).or_else(|| self.file.get(format!("{name}s"))).cloned())
    }

    /// A setting that is on or off.
    #[must_use]
    pub fn switch(&self, name: &str, default: bool) -> bool {
        self.setting(name).and_then(|value| value.as_bool()).unwrap_or(default)
    }
}

fn from_word(word: &str) -> Value {
    match word {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        other => Value::String(other.to_owned()),
    }
}

impl Engines {
    /// Looks at a running system or a tree at rest.
    pub(crate) fn gather(source: &Source, processes: &Fact<Vec<Process>>) -> Self {
        Self {
            docker: docker(source, processes).into(),
            podman: podman(source).into(),
            containerd: containerd(source).into(),
            kubelet: kubelet(source, processes).into(),
        }
    }
}

fn any_exists(source: &Source, paths: &[&str]) -> Result<bool, Unknown> {
    for path in paths {
        if *source.tree.exists(path).get()? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The process of a program that runs outside of containers. Root's comes before others': a user's process of that name says what
/// its user likes.
fn running<'a>(processes: &'a Fact<Vec<Process>>, name: &str) -> Option<&'a Process> {
    let runs = |process: &&Process| {
        let program = process.words.first().and_then(|word| word.rsplit('/').next());
        program == Some(name) && !process.is_contained()
    };
    processes.known()?.iter().filter(runs).min_by_key(|process| process.uid)
}

fn docker(source: &Source, processes: &Fact<Vec<Process>>) -> Result<Option<Docker>, Unknown> {
    let process = running(processes, "dockerd");
    let programs = ["/usr/bin/dockerd", "/usr/sbin/dockerd", "/usr/local/bin/dockerd", "/snap/bin/dockerd"];
    if process.is_none() && !any_exists(source, &programs)? {
        return Ok(None);
    }
    let file = match source.tree.text("/etc/docker/daemon.json").get()? {
        Some(text) if !text.trim().is_empty() => serde_json::from_str(text)
            .map_err(|error| Unknown(format!("cannot understand /etc/docker/daemon.json: {error}")))?,
        _ => Value::Object(serde_json::Map::new()),
    };
    Ok(Some(Docker {
        file,
        words: process.map(|process| process.words.clone()).unwrap_or_default(),
        rootless: process.map(|process| process.uid != 0),
        containers: docker_containers(source).into(),
    }))
}

fn docker_containers(source: &Source) -> Result<Vec<DockerContainer>, Unknown> {
    const FOLDER: &str = "/var/lib/docker/containers";
    let mut containers = Vec::new();
    for id in source.tree.names_with_ending(FOLDER, "")?.into_iter().take(MOST_CONTAINERS) {
        let read = |name: &str| -> Option<Value> {
            let text = source.tree.text(format!("{FOLDER}/{id}/{name}"));
            serde_json::from_str(text.known()?.as_deref()?).ok()
        };
        let (Some(config), Some(host)) = (read("config.v2.json"), read("hostconfig.json")) else { continue };
        let name = config.get("Name").and_then(Value::as_str).map(|name| name.trim_start_matches('/'));
        let name = name.filter(|name| !name.is_empty()).unwrap_or(id.get(..12).unwrap_or(&id)).to_owned();
        containers.push(DockerContainer { name, config, host });
    }
    Ok(containers)
}

fn podman(source: &Source) -> Result<Option<String>, Unknown> {
    if !any_exists(source, &["/usr/bin/podman", "/usr/local/bin/podman"])? {
        return Ok(None);
    }
    let mut files: Vec<String> = ["/usr/share/containers/containers.conf", "/etc/containers/containers.conf"]
        .map(str::to_owned)
        .into();
    let drop_ins = source.tree.names_with_ending("/etc/containers/containers.conf.d", ".conf")?;
    files.extend(drop_ins.into_iter().map(|name| format!("/etc/containers/containers.conf.d/{name}")));
    let mut all = String::new();
    for path in files {
        if let Some(text) = source.tree.text(&path).get()? {
            all += text;
            all.push('\n');
        }
    }
    Ok(Some(all))
}

fn containerd(source: &Source) -> Result<Option<String>, Unknown> {
    if !any_exists(source, &["/usr/bin/containerd", "/usr/local/bin/containerd"])? {
        return Ok(None);
    }
    Ok(Some(source.tree.text("/etc/containerd/config.toml").get()?.clone().unwrap_or_default()))
}

fn kubelet(source: &Source, processes: &Fact<Vec<Process>>) -> Result<Option<Kubelet>, Unknown> {
    let process = running(processes, "kubelet");
    if process.is_none() && !any_exists(source, &["/usr/bin/kubelet", "/usr/local/bin/kubelet"])? {
        return Ok(None);
    }
    let words = process.map(|process| process.words.clone()).unwrap_or_default();
    let named = words.iter().find_map(|word| word.strip_prefix("--config="));
    let path = named.unwrap_or("/var/lib/kubelet/config.yaml");
    let text = source.tree.text(path).get()?.clone().unwrap_or_default();
    Ok(Some(Kubelet { text, words }))
}

impl Kubelet {
    /// A setting by its name in the file, or by its flag. The file is YAML; only `name: value` at any depth is read, with the
    /// names above it joined by dots.
    #[must_use]
    pub fn setting(&self, path: &str, flag: &str) -> Option<String> {
        let flag = format!("--{flag}=");
        if let Some(word) = self.words.iter().rev().find_map(|word| word.strip_prefix(&flag)) {
            return Some(word.to_owned());
        }
        let mut above: Vec<(usize, &str)> = Vec::new();
        for line in self.text.lines() {
            let indent = line.len() - line.trim_start().len();
            let Some((name, value)) = line.trim().split_once(':') else { continue };
            if name.starts_with(['#', '-']) {
                continue;
            }
            above.retain(|(depth, _)| *depth < indent);
            above.push((indent, name.trim()));
            let here = above.iter().map(|(_, name)| *name).collect::<Vec<_>>().join(".");
            if here == path {
                return Some(value.trim().trim_matches(['"', '\'']).to_owned());
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_come_before_the_file() {
        let words = ["dockerd", "--icc=false", "--tlsverify", "-H", "fd://", "--log-level", "debug"];
        let docker = Docker {
            file: serde_json::json!({"icc": true, "live-restore": true, "insecure-registries": ["a"]}),
            words: words.map(str::to_owned).into(),
            rootless: Some(false),
            containers: Fact::Known(Vec::new()),
        };
        assert!(!docker.switch("icc", true));
        assert!(docker.switch("tlsverify", false) && docker.switch("live-restore", false));
        assert_eq!(docker.setting("log-level").unwrap(), "debug");
        assert!(docker.setting("insecure-registrie").is_some());
        assert!(docker.setting("none").is_none());
    }

    #[test]
    fn a_kubelets_file() {
        let text = "authentication:\n  anonymous:\n    enabled: false\n  webhook:\n    enabled: true\nreadOnlyPort: 0\n";
        let kubelet = Kubelet { text: text.to_owned(), words: vec!["--read-only-port=10255".to_owned()] };
        assert_eq!(
            kubelet.setting("authentication.anonymous.enabled", "anonymous-auth").as_deref(),
            Some("false")
        );
        assert_eq!(kubelet.setting("readOnlyPort", "read-only-port").as_deref(), Some("10255"));
        assert_eq!(kubelet.setting("none", "none"), None);
    }
}
