//! A plan as a sheet for people: every isolation choice, one a line. What a person may rely on stands here or in the JSON; nothing
//! is left out, so each part is taken apart field by field.

mod files;
mod network;
mod process;

use std::fmt::Display;

use cofferdam_confinement::{IdMapping, NamespaceSource, Namespaces, Plan};
use serde_json::Value;

/// Lines with a label, in sections.
#[derive(Default)]
struct Sheet(String);

/// Width of the labels.
const LABEL: usize = 18;

impl Sheet {
    fn section(&mut self, title: &str) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.0.push_str(title);
        self.0.push('\n');
    }

    fn line(&mut self, label: &str, value: impl Display) {
        let gap = if label.len() < LABEL { "" } else { " " };
        self.0.push_str(&format!("  {label:<LABEL$}{gap}{value}\n"));
    }

    /// One line per value; the label stands before the first.
    fn lines(&mut self, label: &str, values: impl IntoIterator<Item = String>) {
        let mut label = label;
        for value in values {
            self.line(label, value);
            label = "";
        }
    }

    /// A line where there is something to say.
    fn optional(&mut self, label: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.line(label, value);
        }
    }

    /// Every field of a value that is set, by its dotted name.
    fn fields(&mut self, value: &impl serde::Serialize) {
        if let Ok(value) = serde_json::to_value(value) {
            flatten(self, "", &value);
        }
    }
}

fn flatten(sheet: &mut Sheet, name: &str, value: &Value) {
    match value {
        Value::Null => {}
        Value::Object(fields) => {
            for (key, value) in fields {
                let name = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
                flatten(sheet, &name, value);
            }
        }
        Value::Array(items) if items.is_empty() => {}
        Value::String(text) => sheet.line(name, text),
        other => sheet.line(name, other),
    }
}

/// "yes" or "no"
fn yes(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

/// The sheet.
pub(crate) fn sheet(plan: &Plan) -> String {
    let Plan {
        schema,
        container,
        zone,
        namespaces,
        root,
        mounts,
        devices,
        masked_paths,
        readonly_paths,
        hostname,
        domainname,
        sysctls,
        loopback_up,
        network,
        net_devices,
        session_keyring,
        personality,
        memory_policy,
        cgroup,
        process,
        hooks,
        annotations,
    } = plan;
    let mut sheet = Sheet::default();
    sheet.section("Container");
    sheet.line("id", container);
    sheet.line("zone", zone.as_ref().map_or("none", |zone| zone.as_str()));
    sheet.line("plan schema", schema);
    sheet.optional("host name", hostname.as_ref());
    sheet.optional("domain name", domainname.as_ref());
    sheet.lines("annotation", annotations.iter().map(|(key, value)| format!("{key}={value}")));
    namespaces_of(&mut sheet, namespaces);
    sheet.section("Network");
    sheet.line("loopback", if *loopback_up { "up" } else { "down" });
    if let Some(network) = network {
        network::network(&mut sheet, network);
    }
    sheet.lines("device", net_devices.iter().map(|(host, name)| format!("{host} as {name}")));
    files::root(&mut sheet, root);
    files::mounts(&mut sheet, mounts);
    files::devices(&mut sheet, devices);
    sheet.section("Hidden and read-only");
    sheet.lines("masked", masked_paths.iter().map(ToString::to_string));
    sheet.lines("read-only", readonly_paths.iter().map(ToString::to_string));
    process::process(&mut sheet, process);
    sheet.section("Kernel");
    sheet.line("session keyring", if *session_keyring { "new" } else { "the caller's" });
    sheet.optional("personality", personality.map(|persona| format!("{persona:#x}")));
    if let Some(policy) = memory_policy {
        sheet.line("memory policy", format!("{} of nodes {:?}", policy.mode.name(), policy.nodes));
    }
    sheet.lines("sysctl", sysctls.iter().map(|(key, value)| format!("{key}={value}")));
    sheet.section("Limits of the group");
    sheet.line("cgroup", cgroup.path.as_ref().map_or("the caller's own", |path| path.as_str()));
    sheet.optional("owner", cgroup.owner);
    let mut limits = cgroup.resources.clone();
    let rules = std::mem::take(&mut limits.devices);
    sheet.fields(&limits);
    sheet.lines("devices", rules.iter().map(ToString::to_string));
    if !hooks.is_empty() {
        sheet.section("Hooks");
        sheet.fields(hooks);
    }
    sheet.0
}

fn namespaces_of(sheet: &mut Sheet, namespaces: &Namespaces) {
    let Namespaces {
        user,
        id_maps,
        mount,
        pid,
        network,
        ipc,
        uts,
        cgroup,
        time,
        monotonic_offset,
        boottime_offset,
    } = namespaces;
    let source = |source: &NamespaceSource| match source {
        NamespaceSource::Host => "THE HOST'S".to_owned(),
        NamespaceSource::New => "its own".to_owned(),
        NamespaceSource::Join(path) => format!("joined: {}", path.display()),
    };
    sheet.section("Namespaces");
    let kinds = [
        ("user", user),
        ("mount", mount),
        ("pid", pid),
        ("network", network),
        ("ipc", ipc),
        ("uts", uts),
        ("cgroup", cgroup),
        ("time", time),
    ];
    for (name, kind) in kinds {
        sheet.line(name, source(kind));
    }
    if let Some(maps) = id_maps {
        let line = |line: &IdMapping| {
            let last = |first: u32| u64::from(first) + u64::from(line.size).saturating_sub(1);
            format!(
                "{}-{} inside are {}-{} on the host",
                line.container,
                last(line.container),
                line.host,
                last(line.host)
            )
        };
        sheet.lines("users", maps.uids.iter().map(line));
        sheet.lines("groups", maps.gids.iter().map(line));
        sheet.line("maps written by", format!("{:?}", maps.writer).to_lowercase());
        sheet.line("setgroups", format!("{:?}", maps.setgroups).to_lowercase());
    }
    for (name, offset) in [("monotonic clock", monotonic_offset), ("boottime clock", boottime_offset)] {
        sheet.optional(
            name,
            offset.as_ref().map(|offset| format!("{} s {} ns", offset.secs, offset.nanosecs)),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_are_set_show_by_their_name() {
        let mut sheet = Sheet::default();
        sheet.fields(&serde_json::json!({ "a": { "b": 1, "c": null }, "d": [], "e": "x", "f": [1] }));
        assert_eq!(sheet.0, "  a.b               1\n  e                 x\n  f                 [1]\n");
    }
}
