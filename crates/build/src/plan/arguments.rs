//! Build arguments: what `ARG` before the first stage gives, and what every build has.

use std::collections::{BTreeMap, BTreeSet};

use cofferdam_image::Platform;

use super::{PlanError, PlanOptions, StepNetwork};
use crate::dockerfile::{Dockerfile, From, Problem, expand};

/// Arguments that need no `ARG`: a proxy is the machine's, and neither an image nor a cache key may depend on it.
const PROXIES: [&str; 10] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "FTP_PROXY",
    "ftp_proxy",
    "NO_PROXY",
    "no_proxy",
    "ALL_PROXY",
    "all_proxy",
];

pub(super) fn is_predefined(name: &str) -> bool {
    PROXIES.contains(&name) || name == "SOURCE_DATE_EPOCH" || name.starts_with("BUILDKIT_")
}

/// What holds for all stages.
pub(super) struct Globals {
    /// `--build-arg`
    pub(super) given: BTreeMap<String, String>,
    /// `ARG` before the first stage, and the platforms.
    pub(super) values: BTreeMap<String, String>,
    /// The names of given arguments that an `ARG` there has.
    pub(super) used: BTreeSet<String>,
    /// `--platform`
    pub(super) platform: Platform,
    pub(super) runs_others: fn(&Platform) -> bool,
    /// `NAME=value` of the proxies that were given.
    pub(super) proxies: Vec<String>,
    /// `--network` and `--add-host`.
    pub(super) network: StepNetwork,
    pub(super) hosts: Vec<String>,
    /// The Dockerfile's escape character.
    pub(super) escape: char,
}

impl Globals {
    pub(super) fn new(file: &Dockerfile, options: &PlanOptions) -> Result<Self, PlanError> {
        let given = &options.build_args;
        let proxies = PROXIES.iter().filter_map(|name| Some(format!("{name}={}", given.get(*name)?)));
        let mut globals = Self {
            given: given.clone(),
            values: platforms(&options.platform),
            used: BTreeSet::new(),
            platform: options.platform.clone(),
            runs_others: options.runs_others,
            proxies: proxies.collect(),
            network: options.network,
            hosts: options.hosts.clone(),
            escape: file.directives.escape,
        };
        let target = file.target(options.target.as_deref()).ok();
        let name = target.and_then(|target| file.stages.get(target)?.from.name.clone());
        globals.values.insert("TARGETSTAGE".into(), name.unwrap_or_else(|| "default".into()));
        for (line, name, default) in &file.global_arguments {
            let value = match given.get(name) {
                Some(value) => {
                    globals.used.insert(name.clone());
                    Some(value.clone())
                }
                None => match default {
                    Some(text) => Some(globals.expand(text, *line)?),
                    // One of every build's own may be named to be seen: it keeps its value.
                    None => continue,
                },
            };
            globals.values.extend(value.map(|value| (name.clone(), value)));
        }
        Ok(globals)
    }

    /// For which platform a stage is, if it does not begin with another stage.
    pub(super) fn platform_of(&self, from: &From) -> Result<Platform, PlanError> {
        let Some(text) = &from.platform else { return Ok(self.platform.clone()) };
        let text = self.expand(text, from.line)?;
        text.parse().map_err(|_| {
            let rule = format!("{text:?} is no platform: OS/ARCHITECTURE[/VARIANT]");
            Problem::BadFlag { instruction: "FROM", flag: "platform".into(), rule }.at(from.line).into()
        })
    }

    /// Replaces variables by global arguments.
    pub(super) fn expand(&self, text: &str, line: usize) -> Result<String, PlanError> {
        let lookup = |name: &str| self.values.get(name).cloned();
        Ok(expand(text, self.escape, &lookup).map_err(|error| Problem::Expand(error).at(line))?)
    }
}

fn platforms(target: &Platform) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    for (prefix, platform) in [("BUILD", &Platform::host()), ("TARGET", target)] {
        let mut put = |name: &str, value: String| values.insert(format!("{prefix}{name}"), value);
        put("PLATFORM", platform.to_string());
        put("OS", platform.os.clone());
        put("ARCH", platform.architecture.clone());
        put("VARIANT", platform.variant.clone().unwrap_or_default());
    }
    values
}
