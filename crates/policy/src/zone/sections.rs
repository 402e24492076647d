//! The sections of a zone file, one function each.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cofferdam_confinement::resources::{DeviceAccess, Limit};
use cofferdam_kernel::capability::{CapSet, Capability};
use cofferdam_kernel::namespace::Namespace;
use cofferdam_kernel::rlimit::Resource;
use cofferdam_settings::{Reader, Section, unsigned};
use toml::de::DeValue;

use super::parse::replace;
use super::{
    IdScope, LimitRules, LsmRules, MountAccess, ProcessRules, Setting, Sharing, SoftHard, SyscallRules, Zone,
    network,
};
use crate::{ByteSize, CpuCount};

/// Reads every section over what the zone has so far.
pub(super) fn read_all<'i>(reader: &mut Reader<'i>, document: &mut Section<'i>, zone: &mut Zone) {
    if let Some(mut section) = reader.table(document, "identity") {
        let rule = "it is \"per-container\": one range for all of a zone is not built yet";
        let ids = reader.value(&mut section, "ids", rule, |value| {
            (value.as_str()? == "per-container").then_some(IdScope::PerContainer)
        });
        replace(&mut zone.ids, ids);
        reader.finish(section);
    }
    if let Some(section) = reader.table(document, "process") {
        process(reader, section, &mut zone.process);
    }
    if let Some(section) = reader.table(document, "limits") {
        limits(reader, section, &mut zone.limits);
    }
    if let Some(section) = reader.table(document, "mounts") {
        mounts(reader, section, zone);
    }
    if let Some(section) = reader.table(document, "namespaces") {
        namespaces(reader, section, zone);
    }
    if let Some(mut section) = reader.table(document, "devices") {
        if let Some(access) = reader.table(&mut section, "access") {
            let rule = "its form is \"/dev/NAME\" = \"rwm\", with letters left out as needed";
            zone.devices = reader.map(access, rule, |path, value| {
                let access = DeviceAccess::try_from(value.as_str()?).ok()?;
                Some((absolute(path).filter(|path| path.starts_with("/dev/"))?, access))
            });
        }
        reader.finish(section);
    }
    if let Some(section) = reader.table(document, "network") {
        network::read(reader, section, &mut zone.network);
    }
    if let Some(section) = reader.table(document, "images") {
        super::image_rules::read(reader, section, zone);
    }
    if let Some(section) = reader.table(document, "placement") {
        placement(reader, section, zone);
    }
    if let Some(entry) = reader.take(document, "operators") {
        let rule = "enforcement of who may operate a zone (it needs `cofferdam serve`) is not built yet; leave [operators] out";
        reader.refuse(&entry, document, rule);
    }
}

fn placement<'i>(reader: &mut Reader<'i>, mut section: Section<'i>, zone: &mut Zone) {
    // Which checks there are only the audit knows; a name that it does not know lets nothing start.
    let rule =
        "it is the id of a check of `cofferdam audit host`, such as \"kernel.unprivileged_bpf_disabled\"";
    let required = reader.list(&mut section, "require", rule, |word| {
        (!word.is_empty() && !word.contains(char::is_whitespace)).then(|| word.to_owned())
    });
    replace(&mut zone.posture, required);
    reader.finish(section);
}

fn process<'i>(reader: &mut Reader<'i>, mut section: Section<'i>, rules: &mut ProcessRules) {
    let rule = "it is a capability's name, such as \"CHOWN\"";
    let read = |word: &str| word.parse::<Capability>().ok();
    let set =
        |list: Setting<Vec<Capability>>| Setting::new(list.value.into_iter().collect::<CapSet>(), list.place);
    let default = reader.list(&mut section, "capabilities", rule, read).map(set);
    let max = reader.list(&mut section, "capabilities_max", rule, read).map(set);
    match (default, max) {
        (Some(default), Some(max)) => {
            let beyond = default.value.difference(max.value);
            if !beyond.is_empty() {
                reader.require_at(
                    &default.place,
                    format!("process.capabilities: {beyond:?} is not in capabilities_max"),
                );
            }
            (rules.capabilities, rules.capabilities_max) = (default, max);
        }
        (Some(default), None) => {
            rules.capabilities_max = default.clone();
            rules.capabilities = default;
        }
        (None, Some(max)) => {
            let kept = rules.capabilities.value.intersection(max.value);
            if kept != rules.capabilities.value {
                rules.capabilities = Setting::new(kept, max.place.clone());
            }
            rules.capabilities_max = max;
        }
        (None, None) => {}
    }
    let syscalls = reader.value(&mut section, "syscalls", "it is \"default\" or \"strict\"", |value| {
        match value.as_str()? {
            "default" => Some(SyscallRules::Default),
            "strict" => Some(SyscallRules::Strict),
            _ => None,
        }
    });
    replace(&mut rules.syscalls, syscalls);
    let rule = "it is true or false";
    replace(&mut rules.writable, reader.value(&mut section, "writable", rule, DeValue::as_bool));
    replace(&mut rules.new_privileges, reader.value(&mut section, "new_privileges", rule, DeValue::as_bool));
    let rule = "it is \"none\", \"apparmor:PROFILE\" or \"selinux:USER:ROLE:TYPE:LEVEL\"";
    replace(&mut rules.lsm, reader.value(&mut section, "lsm", rule, |value| lsm(value.as_str()?)));
    reader.finish(section);
}

fn lsm(text: &str) -> Option<LsmRules> {
    match text.split_once(':') {
        None => (text == "none").then_some(LsmRules::None),
        Some(("apparmor", profile)) if !profile.is_empty() && profile != "unconfined" => {
            Some(LsmRules::AppArmor(profile.to_owned()))
        }
        Some(("selinux", label)) if label.split(':').count() >= 3 => {
            Some(LsmRules::Selinux(label.to_owned()))
        }
        Some(_) => None,
    }
}

fn limits<'i>(reader: &mut Reader<'i>, mut section: Section<'i>, rules: &mut LimitRules) {
    let sizes = "it is a size such as \"512m\", or \"unlimited\"";
    let cpus = "it is a number of processors such as 1.5, or \"unlimited\"";
    let tasks = "it is a number above 0, or \"unlimited\"";
    let default = reader.value(&mut section, "memory", sizes, memory_limit);
    let max = reader.value(&mut section, "memory_max", sizes, memory_limit);
    bound(reader, "memory", (&mut rules.memory, &mut rules.memory_max), default, max);
    let default = reader.value(&mut section, "cpus", cpus, cpu_limit);
    let max = reader.value(&mut section, "cpus_max", cpus, cpu_limit);
    bound(reader, "cpus", (&mut rules.cpus, &mut rules.cpus_max), default, max);
    let default = reader.value(&mut section, "pids", tasks, task_limit);
    let max = reader.value(&mut section, "pids_max", tasks, task_limit);
    bound(reader, "pids", (&mut rules.pids, &mut rules.pids_max), default, max);
    let rule = "it is a number from -1000 to 1000";
    let score = reader.value(&mut section, "oom_score_adj_min", rule, |value| {
        let number = value.as_integer()?;
        let number = i32::from_str_radix(number.as_str(), number.radix()).ok()?;
        (-1000..=1000).contains(&number).then_some(number)
    });
    replace(&mut rules.oom_score_adj_min, score);
    let rule = "it is a pattern of paths below the cgroup hierarchies' roots, without a leading slash, such as \"batch/*\"";
    let parents = reader.list(&mut section, "cgroup_parents", rule, |word| {
        (!word.is_empty() && !word.starts_with('/')).then(|| word.to_owned())
    });
    replace(&mut rules.cgroup_parents, parents);
    ulimits(reader, &mut section, rules);
    reader.finish(section);
}

/// Puts a default and its ceiling over what was there: a default alone is its own ceiling, and a ceiling alone lowers
/// the default to it.
fn bound(
    reader: &mut Reader<'_>,
    name: &str,
    (default, max): (&mut Setting<Limit>, &mut Setting<Limit>),
    new_default: Option<Setting<Limit>>,
    new_max: Option<Setting<Limit>>,
) {
    match (new_default, new_max) {
        (Some(new_default), Some(new_max)) => {
            if new_default.value > new_max.value {
                reader.require_at(&new_default.place, format!("limits.{name} is above {name}_max"));
            }
            (*default, *max) = (new_default, new_max);
        }
        (Some(new_default), None) => {
            max.clone_from(&new_default);
            *default = new_default;
        }
        (None, Some(new_max)) => {
            if default.value > new_max.value {
                default.clone_from(&new_max);
            }
            *max = new_max;
        }
        (None, None) => {}
    }
}

fn ulimits<'i>(reader: &mut Reader<'i>, section: &mut Section<'i>, rules: &mut LimitRules) {
    if let Some(table) = reader.table(section, "ulimits") {
        let rule = "its form is NAME = \"SOFT:HARD\" with a resource of getrlimit(2), such as nofile";
        let read = reader.map(table, rule, |name, value| {
            let resource: Resource = name.parse().ok()?;
            Some((resource, soft_hard(value)?))
        });
        rules.ulimits = flatten(read);
        rules.ulimits_max = Setting::new(BTreeMap::new(), rules.ulimits.place.clone());
    }
    if let Some(table) = reader.table(section, "ulimits_max") {
        let rule =
            "its form is NAME = NUMBER or \"unlimited\" with a resource of getrlimit(2), such as nofile";
        let read = reader.map(table, rule, |name, value| {
            let resource: Resource = name.parse().ok()?;
            Some((resource, amount(value)?))
        });
        rules.ulimits_max = flatten(read);
    }
    for (resource, limit) in &rules.ulimits.value {
        if rules.ulimits_max.value.get(resource).is_some_and(|max| limit.hard > *max) {
            let message = format!("limits.ulimits: {} is above ulimits_max", resource.name());
            reader.require_at(&rules.ulimits.place, message);
        }
    }
}

fn flatten<K: Ord, V>(map: Setting<BTreeMap<K, Setting<V>>>) -> Setting<BTreeMap<K, V>> {
    let values = map.value.into_iter().map(|(key, setting)| (key, setting.value)).collect();
    Setting::new(values, map.place)
}

fn soft_hard(value: &DeValue<'_>) -> Option<SoftHard> {
    let (soft, hard) = match value.as_str().and_then(|text| text.split_once(':')) {
        Some((soft, hard)) => (amount_text(soft)?, amount_text(hard)?),
        None => (amount(value)?, amount(value)?),
    };
    (soft <= hard).then_some(SoftHard { soft, hard })
}

/// A number, or "unlimited".
fn amount(value: &DeValue<'_>) -> Option<u64> {
    unsigned(value).or_else(|| amount_text(value.as_str()?))
}

fn amount_text(text: &str) -> Option<u64> {
    if text == "unlimited" { Some(u64::MAX) } else { text.parse::<ByteSize>().ok().map(|size| size.0) }
}

fn memory_limit(value: &DeValue<'_>) -> Option<Limit> {
    match amount(value)? {
        u64::MAX => Some(Limit::Max),
        // Docker's least: below it, a program cannot even be loaded.
        bytes => (bytes >= 6 << 20).then_some(Limit::Value(bytes)),
    }
}

fn cpu_limit(value: &DeValue<'_>) -> Option<Limit> {
    let text = match value {
        DeValue::String(text) if text == "unlimited" => return Some(Limit::Max),
        DeValue::String(text) => text.as_ref(),
        DeValue::Integer(number) if number.radix() == 10 => number.as_str(),
        DeValue::Float(number) => number.as_str(),
        _ => return None,
    };
    text.parse::<CpuCount>().ok().map(|count| Limit::Value(count.0))
}

fn task_limit(value: &DeValue<'_>) -> Option<Limit> {
    match amount(value)? {
        u64::MAX => Some(Limit::Max),
        count => (count > 0).then_some(Limit::Value(count)),
    }
}

fn mounts<'i>(reader: &mut Reader<'i>, mut section: Section<'i>, zone: &mut Zone) {
    let readonly = reader.value(&mut section, "readonly_default", "it is true or false", DeValue::as_bool);
    replace(&mut zone.mounts.readonly_default, readonly);
    let zones =
        reader.list(&mut section, "volumes_from", "it is the name of a zone", |word| word.parse().ok());
    if let Some(zones) = zones {
        zone.mounts.volumes_from = Setting::new(zones.value.into_iter().collect(), zones.place);
    }
    if let Some(access) = reader.table(&mut section, "access") {
        let rule = "its form is \"/HOST/PATH\" = \"none\", \"read\" or \"write\"";
        zone.mounts.access = reader.map(access, rule, |path, value| {
            let access = match value.as_str()? {
                "none" => MountAccess::None,
                "read" => MountAccess::Read,
                "write" => MountAccess::Write,
                _ => return None,
            };
            Some((absolute(path)?, access))
        });
    }
    reader.finish(section);
}

/// An absolute path in its shortest form: without `.`, `..`, double and trailing slashes, so that it can match.
fn absolute(text: &str) -> Option<PathBuf> {
    let shortest: PathBuf = Path::new(text).components().collect();
    (text.starts_with('/') && shortest.to_str() == Some(text) && !text.split('/').any(|part| part == ".."))
        .then_some(shortest)
}

fn namespaces<'i>(reader: &mut Reader<'i>, mut section: Section<'i>, zone: &mut Zone) {
    let rule = "only \"uts\" can be shared with the host so far";
    let host = reader.list(&mut section, "host", rule, |word| (word == "uts").then_some(Namespace::Uts));
    if let Some(host) = host {
        zone.namespaces.host = Setting::new(host.value.into_iter().collect(), host.place);
    }
    let share =
        reader.value(&mut section, "share", "it is \"none\" or \"zone\"", |value| match value.as_str()? {
            "none" => Some(Sharing::None),
            "zone" => Some(Sharing::Zone),
            _ => None,
        });
    replace(&mut zone.namespaces.share, share);
    reader.finish(section);
}
