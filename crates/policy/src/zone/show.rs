//! `zone show`: the zone that is in force, written as a zone file, with the place of every setting behind it.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use cofferdam_confinement::resources::Limit;
use cofferdam_kernel::capability::CapSet;

use super::{
    IdScope, ImageRules, Isolation, LimitRules, LsmRules, NetworkAccess, NetworkRules, Place, ProcessRules,
    Sharing, SoftHard, SyscallRules, Zone,
};
use crate::{ByteSize, CpuCount};

/// The column at which the places begin.
const PLACE_COLUMN: usize = 44;

/// Lines being written.
struct Sheet(String);

impl Sheet {
    fn section(&mut self, name: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "\n[{name}]");
    }

    fn line(&mut self, key: &str, value: impl fmt::Display, place: &Place) {
        let line = format!("{key} = {value}");
        let _ = writeln!(self.0, "{line:<PLACE_COLUMN$} # {place}");
    }
}

/// A TOML basic string.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            control if control.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(control));
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

fn list(words: impl Iterator<Item = String>) -> String {
    format!("[{}]", words.map(|word| quoted(&word)).collect::<Vec<_>>().join(", "))
}

fn capabilities(set: CapSet) -> String {
    list(set.iter().map(|capability| capability.name().trim_start_matches("CAP_").to_owned()))
}

fn limit(limit: Limit, write: impl Fn(u64) -> String) -> String {
    match limit {
        Limit::Max => quoted("unlimited"),
        Limit::Value(number) => write(number),
    }
}

fn amount(number: u64) -> String {
    if number == u64::MAX { "unlimited".to_owned() } else { number.to_string() }
}

impl Zone {
    /// The zone as a complete zone file; read back, it gives the same settings.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut sheet = Sheet(String::new());
        sheet.line("zone", quoted(self.name.value.as_str()), &self.name.place);
        sheet.line("about", quoted(&self.about.value), &self.about.place);
        let isolation = match self.isolation.value {
            Isolation::Process => "process",
        };
        sheet.line("isolation", quoted(isolation), &self.isolation.place);
        sheet.section("identity");
        let ids = match self.ids.value {
            IdScope::PerContainer => "per-container",
        };
        sheet.line("ids", quoted(ids), &self.ids.place);
        process(&mut sheet, &self.process);
        limits(&mut sheet, &self.limits);
        self.write_rest(&mut sheet);
        sheet.0
    }

    fn write_rest(&self, sheet: &mut Sheet) {
        sheet.section("mounts");
        sheet.line(
            "readonly_default",
            self.mounts.readonly_default.value,
            &self.mounts.readonly_default.place,
        );
        let volumes_from = &self.mounts.volumes_from;
        let zones = list(volumes_from.value.iter().map(ToString::to_string));
        sheet.line("volumes_from", zones, &volumes_from.place);
        sheet.section("mounts.access");
        for (path, access) in &self.mounts.access.value {
            sheet.line(&quoted(&path.to_string_lossy()), quoted(access.value.word()), &access.place);
        }
        sheet.section("namespaces");
        let host = self.namespaces.host.value.iter().map(|kind| kind.link_name().to_owned());
        sheet.line("host", list(host), &self.namespaces.host.place);
        let share = match self.namespaces.share.value {
            Sharing::None => "none",
            Sharing::Zone => "zone",
        };
        sheet.line("share", quoted(share), &self.namespaces.share.place);
        sheet.section("devices.access");
        for (path, access) in &self.devices.value {
            sheet.line(&quoted(&path.to_string_lossy()), quoted(&access.value.to_string()), &access.place);
        }
        network(sheet, &self.network);
        sheet.section("images");
        let ImageRules { allowed, require_digest, signed_by, keyless } = &self.images;
        sheet.line("allowed", list(allowed.value.iter().cloned()), &allowed.place);
        sheet.line("require_digest", require_digest.value, &require_digest.place);
        let keys = signed_by.value.iter().map(ToString::to_string);
        sheet.line("signed_by", list(keys), &signed_by.place);
        let signers = keyless.value.iter().map(ToString::to_string);
        sheet.line("keyless", list(signers), &keyless.place);
        sheet.section("placement");
        sheet.line("require", list(self.posture.value.iter().cloned()), &self.posture.place);
    }
}

fn process(sheet: &mut Sheet, rules: &ProcessRules) {
    sheet.section("process");
    sheet.line("capabilities", capabilities(rules.capabilities.value), &rules.capabilities.place);
    sheet.line("capabilities_max", capabilities(rules.capabilities_max.value), &rules.capabilities_max.place);
    let syscalls = match rules.syscalls.value {
        SyscallRules::Default => "default",
        SyscallRules::Strict => "strict",
    };
    sheet.line("syscalls", quoted(syscalls), &rules.syscalls.place);
    sheet.line("writable", rules.writable.value, &rules.writable.place);
    sheet.line("new_privileges", rules.new_privileges.value, &rules.new_privileges.place);
    let lsm = match &rules.lsm.value {
        LsmRules::None => "none".to_owned(),
        LsmRules::AppArmor(profile) => format!("apparmor:{profile}"),
        LsmRules::Selinux(label) => format!("selinux:{label}"),
    };
    sheet.line("lsm", quoted(&lsm), &rules.lsm.place);
}

fn network(sheet: &mut Sheet, rules: &NetworkRules) {
    sheet.section("network");
    let mode = match rules.mode.value {
        NetworkAccess::None => "none",
        NetworkAccess::Zone => "zone",
    };
    sheet.line("mode", quoted(mode), &rules.mode.place);
    sheet.line("host", rules.host.value, &rules.host.place);
    sheet.line("trust", quoted(if rules.trust.value { "zone" } else { "none" }), &rules.trust.place);
    for (key, list_of) in [("egress", &rules.egress), ("ingress", &rules.ingress)] {
        sheet.line(key, list(list_of.value.iter().map(ToString::to_string)), &list_of.place);
    }
    let ports = list(rules.publish.value.iter().map(ToString::to_string));
    sheet.line("publish", ports, &rules.publish.place);
    let most = |limit: Option<u32>| limit.map_or_else(|| quoted("unlimited"), |limit| limit.to_string());
    sheet.line("connections", most(rules.connections.value), &rules.connections.place);
    let per_second = &rules.connections_per_second;
    sheet.line("connections_per_second", most(per_second.value), &per_second.place);
    sheet.line("zone_connections", most(rules.zone_connections.value), &rules.zone_connections.place);
    sheet.line("log", rules.log.value, &rules.log.place);
}

fn limits(sheet: &mut Sheet, rules: &LimitRules) {
    let bytes = |number| quoted(&ByteSize(number).to_string());
    let cpus = |number| CpuCount(number).to_string();
    let count = |number: u64| number.to_string();
    sheet.section("limits");
    sheet.line("memory", limit(rules.memory.value, bytes), &rules.memory.place);
    sheet.line("memory_max", limit(rules.memory_max.value, bytes), &rules.memory_max.place);
    sheet.line("cpus", limit(rules.cpus.value, cpus), &rules.cpus.place);
    sheet.line("cpus_max", limit(rules.cpus_max.value, cpus), &rules.cpus_max.place);
    sheet.line("pids", limit(rules.pids.value, count), &rules.pids.place);
    sheet.line("pids_max", limit(rules.pids_max.value, count), &rules.pids_max.place);
    sheet.line(
        "cgroup_parents",
        list(rules.cgroup_parents.value.iter().cloned()),
        &rules.cgroup_parents.place,
    );
    sheet.line("oom_score_adj_min", rules.oom_score_adj_min.value, &rules.oom_score_adj_min.place);
    sheet.section("limits.ulimits");
    let write = |limit: &SoftHard| format!("{}:{}", amount(limit.soft), amount(limit.hard));
    ulimits(sheet, &rules.ulimits.value, &rules.ulimits.place, write);
    sheet.section("limits.ulimits_max");
    ulimits(sheet, &rules.ulimits_max.value, &rules.ulimits_max.place, |max| amount(*max));
}

fn ulimits<V>(
    sheet: &mut Sheet,
    table: &BTreeMap<cofferdam_kernel::rlimit::Resource, V>,
    place: &Place,
    write: impl Fn(&V) -> String,
) {
    for (resource, value) in table {
        let name = resource.name().trim_start_matches("RLIMIT_").to_ascii_lowercase();
        sheet.line(&name, quoted(&write(value)), place);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{BUILTIN_ZONES, builtin_zone, parse_zone};

    #[test]
    fn what_is_shown_reads_back() {
        for name in BUILTIN_ZONES {
            let shown = builtin_zone(name).unwrap().to_toml();
            let again = parse_zone("again.toml", &shown).unwrap().to_toml();
            let settings = |text: &str| -> Vec<String> {
                text.lines()
                    .map(|line| line.split(" # ").next().unwrap_or_default().trim().to_owned())
                    .collect()
            };
            assert_eq!(settings(&shown), settings(&again));
            assert!(shown.contains(&format!("# <built in>/{name}.toml:")), "{shown}");
        }
    }
}
