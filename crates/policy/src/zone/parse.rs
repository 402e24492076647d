//! A zone file's text becomes a [`Zone`], or the list of everything that is wrong with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use cofferdam_confinement::resources::Limit;
use cofferdam_kernel::capability::CapSet;
use cofferdam_names::ZoneName;
use cofferdam_settings::{FileProblem, ProblemList, Reader, Section};
use thiserror::Error;

use super::builtin::{BUILTIN_ZONES, builtin_zone};
use super::{
    IdScope, ImageRules, Isolation, LimitRules, LsmRules, MountRules, NamespaceRules, NetworkAccess,
    NetworkRules, Place, ProcessRules, Setting, Sharing, SyscallRules, Zone, sections,
};

/// A zone file that is not valid: every problem, in the order of the text.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub struct ZoneFileError {
    /// The file, as given.
    pub file: String,
    /// At least one.
    pub problems: Vec<FileProblem>,
}

impl fmt::Display for ZoneFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = ProblemList { file: &self.file, problems: &self.problems };
        write!(f, "invalid zone file {}{list}", self.file)
    }
}

/// Reads a zone. What the file leaves out is as in the built-in zone that `base` names (`default` if it names none).
/// `file` is how messages show where the text is from.
///
/// # Errors
/// [`ZoneFileError`] with everything that is wrong, also sections whose enforcement is not built yet.
pub fn parse_zone(file: &str, text: &str) -> Result<Zone, ZoneFileError> {
    read_zone(file, text, None)
}

/// Reads a zone over another one; over what its `base` names if there is none.
pub(super) fn read_zone(file: &str, text: &str, over: Option<Zone>) -> Result<Zone, ZoneFileError> {
    let label: Arc<str> = file.into();
    let mut reader = Reader::new(Arc::clone(&label), text);
    let zone = reader.document().and_then(|document| read_document(&mut reader, document, over));
    let problems = reader.into_problems();
    match zone {
        Some(zone) if problems.is_empty() => Ok(zone),
        _ => Err(ZoneFileError { file: file.to_owned(), problems }),
    }
}

fn read_document<'i>(reader: &mut Reader<'i>, mut document: Section<'i>, over: Option<Zone>) -> Option<Zone> {
    let base_rule = format!("it is one of {}", BUILTIN_ZONES.join(", "));
    let base = reader.value(&mut document, "base", &base_rule, |value| builtin_zone(value.as_str()?).ok());
    let mut zone = match (over, base) {
        (Some(zone), _) => zone,
        (None, Some(base)) => base.value,
        (None, None) => builtin_zone("default").ok()?,
    };
    let name_rule = "it is 1 to 63 of a-z, 0-9 and '-', not at either end";
    match reader.value(&mut document, "zone", name_rule, |value| value.as_str()?.parse::<ZoneName>().ok()) {
        Some(name) => zone.name = name,
        None => reader.require(&document, "zone", "a zone file names its zone: zone = \"NAME\""),
    }
    let about =
        reader.value(&mut document, "about", "it is a text", |value| value.as_str().map(str::to_owned));
    replace(&mut zone.about, about);
    let rule = "it is \"process\"; \"vm\" is not built yet, so nothing could enforce it";
    let isolation = reader.value(&mut document, "isolation", rule, |value| match value.as_str()? {
        "process" => Some(Isolation::Process),
        _ => None,
    });
    replace(&mut zone.isolation, isolation);
    sections::read_all(reader, &mut document, &mut zone);
    reader.finish(document);
    Some(zone)
}

/// A setting that the file has takes the place of the one below it.
pub(super) fn replace<T>(setting: &mut Setting<T>, new: Option<Setting<T>>) {
    if let Some(new) = new {
        *setting = new;
    }
}

impl Zone {
    /// A zone in which nothing is allowed, before its file is read.
    pub(super) fn closed(file: &str, name: ZoneName) -> Self {
        let place = Place { file: file.into(), line: 1 };
        fn at<T>(place: &Place, value: T) -> Setting<T> {
            Setting::new(value, place.clone())
        }
        Self {
            name: at(&place, name),
            about: at(&place, String::new()),
            isolation: at(&place, Isolation::Process),
            ids: at(&place, IdScope::PerContainer),
            process: ProcessRules {
                capabilities: at(&place, CapSet::EMPTY),
                capabilities_max: at(&place, CapSet::EMPTY),
                syscalls: at(&place, SyscallRules::Strict),
                writable: at(&place, false),
                new_privileges: at(&place, false),
                lsm: at(&place, LsmRules::None),
            },
            limits: LimitRules {
                memory: at(&place, Limit::Max),
                memory_max: at(&place, Limit::Max),
                cpus: at(&place, Limit::Max),
                cpus_max: at(&place, Limit::Max),
                pids: at(&place, Limit::Max),
                pids_max: at(&place, Limit::Max),
                cgroup_parents: at(&place, Vec::new()),
                oom_score_adj_min: at(&place, 0),
                ulimits: at(&place, BTreeMap::new()),
                ulimits_max: at(&place, BTreeMap::new()),
            },
            mounts: MountRules {
                readonly_default: at(&place, true),
                access: at(&place, BTreeMap::new()),
                volumes_from: at(&place, BTreeSet::new()),
            },
            namespaces: NamespaceRules {
                host: at(&place, BTreeSet::new()),
                share: at(&place, Sharing::None),
            },
            devices: at(&place, BTreeMap::new()),
            network: NetworkRules {
                mode: at(&place, NetworkAccess::None),
                host: at(&place, false),
                trust: at(&place, false),
                egress: at(&place, Vec::new()),
                ingress: at(&place, Vec::new()),
                publish: at(&place, Vec::new()),
                connections: at(&place, None),
                connections_per_second: at(&place, None),
                zone_connections: at(&place, None),
                log: at(&place, false),
            },
            images: ImageRules {
                allowed: at(&place, Vec::new()),
                require_digest: at(&place, false),
                signed_by: at(&place, Vec::new()),
                keyless: at(&place, Vec::new()),
            },
            posture: at(&place, Vec::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let error = parse_zone("z.toml", text).unwrap_err();
        error.problems.iter().map(|p| format!("{}:{} {}", p.line, p.column, p.message)).collect()
    }

    #[test]
    fn what_is_left_out_comes_from_the_base() {
        let zone = parse_zone("z.toml", "zone = \"web\"\n[process]\nwritable = false\n").unwrap();
        assert_eq!(zone.process.writable.place.to_string(), "z.toml:3");
        assert_eq!(zone.process.capabilities.place.file.as_ref(), "<built in>/default.toml");
        let zone = parse_zone("z.toml", "zone = \"web\"\nbase = \"strict\"\n").unwrap();
        assert_eq!(zone.process.syscalls.value, SyscallRules::Strict);
        assert_eq!(zone.name.value.as_str(), "web");
    }

    #[test]
    fn a_default_is_its_own_ceiling_and_a_ceiling_lowers_the_default() {
        let text = "zone = \"web\"\n[process]\ncapabilities = [\"chown\"]\n[limits]\nmemory = \"1g\"\npids_max = 9\ncpus = 1.5\n";
        let zone = parse_zone("z.toml", text).unwrap();
        assert_eq!(zone.process.capabilities_max.value, zone.process.capabilities.value);
        assert_eq!(zone.limits.memory_max.value, Limit::Value(1 << 30));
        assert_eq!((zone.limits.pids.value, zone.limits.pids_max.value), (Limit::Value(9), Limit::Value(9)));
        assert_eq!(zone.limits.cpus_max.value, Limit::Value(1_500_000_000));
        let text = "zone = \"web\"\n[process]\ncapabilities_max = [\"CHOWN\", \"NET_RAW\"]\n";
        let zone = parse_zone("z.toml", text).unwrap();
        assert_eq!(zone.process.capabilities.value, ["CHOWN".parse().unwrap()].into_iter().collect());
    }

    #[test]
    fn every_problem_is_told_with_its_place() {
        let text = "zone = \"Web\"\nabuot = \"x\"\nisolation = \"vm\"\n[process]\ncapabilites = []\n  capabilities = [\"FLY\"]\n\
                    [network]\nmode = \"bridge\"\n[operators]\nadmin = []\n";
        assert_eq!(
            problems(text),
            [
                "1:1 zone: it is 1 to 63 of a-z, 0-9 and '-', not at either end",
                "2:1 unknown key \"abuot\"; did you mean \"about\"?",
                "3:1 isolation: it is \"process\"; \"vm\" is not built yet, so nothing could enforce it",
                "5:1 unknown key \"process.capabilites\"; did you mean \"capabilities\"?",
                "6:19 process.capabilities: \"FLY\": it is a capability's name, such as \"CHOWN\"",
                "8:1 network.mode: it is \"none\" or \"zone\"",
                "9:2 operators: enforcement of who may operate a zone (it needs `cofferdam serve`) is not built yet; \
                 leave [operators] out",
            ]
        );
    }

    #[test]
    fn one_range_for_a_whole_zone_is_refused_because_it_is_not_built() {
        let text = "zone = \"web\"\n[identity]\nids = \"per-zone\"\n";
        let problems = problems(text);
        assert!(problems.len() == 1 && problems[0].contains("not built yet"), "{problems:?}");
        assert!(parse_zone("z.toml", &text.replace("per-zone", "per-container")).is_ok());
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        for (text, part) in [
            ("", "names its zone"),
            ("zone = \"a\"\nzone = \"b\"\n", "not TOML"),
            (
                "zone = \"a\"\n[process]\ncapabilities = [\"KILL\"]\ncapabilities_max = []\n",
                "not in capabilities_max",
            ),
            ("zone = \"a\"\n[limits]\npids = 5\npids_max = 4\n", "above pids_max"),
            ("zone = \"a\"\n[limits]\nmemory = \"1m\"\n", "limits.memory"),
            ("zone = \"a\"\n[limits]\npids = 0\n", "limits.pids"),
            (
                "zone = \"a\"\n[limits.ulimits]\nnofile = 9\n[limits.ulimits_max]\nnofile = 8\n",
                "above ulimits_max",
            ),
            ("zone = \"a\"\n[mounts.access]\n\"/a/../b\" = \"read\"\n", "mounts.access"),
            ("zone = \"a\"\n[mounts.access]\n\"srv\" = \"read\"\n", "mounts.access"),
            ("zone = \"a\"\n[devices.access]\n\"/srv\" = \"r\"\n", "devices.access"),
            ("zone = \"a\"\n[namespaces]\nhost = [\"pid\"]\n", "only \"uts\""),
            ("zone = \"a\"\n[images]\nkeyless = true\n", "images.keyless"),
            ("zone = \"a\"\n[images]\nkeyless = [\"a@b\"]\n", "SUBJECT by ISSUER"),
            ("zone = \"a\"\n[images]\nkeyless = [\"* by https://a\"]\n", "SUBJECT by ISSUER"),
            ("zone = \"a\"\n[images]\nkeyless = [\"a@b by https://*\"]\n", "SUBJECT by ISSUER"),
            ("zone = \"a\"\n[images]\nsigned_by = [\"../x\"]\n", "image trust add"),
            ("zone = \"a\"\nprocess = 1\n", "it is a table"),
            ("zone = \"a\"\nbase = \"nothing\"\n", "base"),
        ] {
            let told = problems(text);
            assert!(told.iter().any(|problem| problem.contains(part)), "{text}: {told:?}");
        }
    }
}
