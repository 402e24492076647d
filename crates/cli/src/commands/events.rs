//! `cofferdam events`: what happens, as it happens.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use cofferdam_engine::{Event, EventQuery};
use cofferdam_names::{Timestamp, ZoneName};
use serde_json::{Value, json};

use crate::command::Run;
use crate::filter::Filter;
use crate::globals::Globals;
use crate::plain;
use crate::report::{Outcome, Report};
use crate::session::engine;
use crate::template::Template;
use crate::when;

/// Flags of `events`.
#[derive(Debug, Parser)]
pub(crate) struct EventsCommand {
    /// Show what happened from then on (RFC 3339, Unix seconds, or how long ago: 10m)
    #[arg(long, value_name = "TIME", value_parser = when::parse)]
    since: Option<Timestamp>,
    /// Stop then
    #[arg(long, value_name = "TIME", value_parser = when::parse)]
    until: Option<Timestamp>,
    /// Show only what matches
    #[arg(short, long, value_name = "KEY=VALUE")]
    filter: Vec<Filter>,
    /// json or TEMPLATE
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
}

/// The kinds of things that events are of.
const KINDS: [&str; 5] = ["container", "image", "network", "volume", "zone"];
/// The actions that there are, of whatever kind.
const ACTIONS: [&str; 44] = [
    "apply",
    "archive-path",
    "attach",
    "commit",
    "connect",
    "copy",
    "create",
    "delete",
    "destroy",
    "detach",
    "die",
    "disconnect",
    "exec_create",
    "exec_detach",
    "exec_die",
    "exec_start",
    "export",
    "extract-to-dir",
    "health_status",
    "import",
    "kill",
    "load",
    "mount",
    "oom",
    "pause",
    "prune",
    "pull",
    "push",
    "remove",
    "rename",
    "repair",
    "repair-failed",
    "resize",
    "restart",
    "save",
    "start",
    "stop",
    "tag",
    "top",
    "unmount",
    "unpause",
    "untag",
    "update",
    "verify",
];
const FILTERS: [&str; 8] = ["container", "event", "id", "image", "label", "name", "type", "zone"];

impl Run for EventsCommand {
    fn run(self, globals: &Globals) -> Outcome {
        if let Some(unknown) = self.filter.iter().find(|filter| !FILTERS.contains(&filter.key.as_str())) {
            return Err(unknown.unknown(&FILTERS));
        }
        self.filter.iter().try_for_each(check_value)?;
        let shape = match self.format.as_deref() {
            None | Some("") => Shape::Usual,
            Some("json") => Shape::Json,
            Some(text) => Shape::Template(Template::parse(text)?),
        };
        let engine = engine(globals)?;
        for event in engine.events(&EventQuery { since: self.since, until: self.until })? {
            let event = event?;
            if matches(&event, &self.filter) {
                plain::print(&format!("{}\n", shape.write(&event)?))?;
                std::io::stdout().lock().flush()?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

enum Shape {
    Usual,
    Json,
    Template(Template),
}

impl Shape {
    fn write(&self, event: &Event) -> Result<String, Report> {
        match self {
            Self::Usual => {
                let attributes: Vec<String> =
                    event.attributes.iter().map(|(key, value)| format!("{key}={value}")).collect();
                Ok(format!(
                    "{} {} {} {} ({})",
                    event.time,
                    event.kind,
                    event.action,
                    event.id,
                    attributes.join(", ")
                ))
            }
            Self::Json => Ok(document(event).to_string()),
            Self::Template(template) => Ok(template.render(&fields(event))?),
        }
    }
}

/// The event as Docker's API shows it.
fn document(event: &Event) -> Value {
    let nanos = i64::try_from(event.time.unix_nanos()).unwrap_or(i64::MAX);
    json!({
        "Type": event.kind,
        "Action": event.action,
        "Actor": { "ID": event.id, "Attributes": event.attributes },
        "scope": "local",
        "time": event.time.unix_seconds(),
        "timeNano": nanos,
        "id": event.id,
        "status": event.action,
        "from": event.attributes.get("image").cloned().unwrap_or_default(),
    })
}

/// The same for templates, which may also name the fields as Go programs do.
fn fields(event: &Event) -> Value {
    let mut document = document(event);
    if let Some(fields) = document.as_object_mut() {
        for (name, key) in [
            ("Scope", "scope"),
            ("Time", "time"),
            ("TimeNano", "timeNano"),
            ("ID", "id"),
            ("Status", "status"),
            ("From", "from"),
        ] {
            let value = fields.get(key).cloned().unwrap_or_default();
            fields.insert(name.to_owned(), value);
        }
    }
    document
}

/// A value that no event can have is a mistake: it would be waited for in vain.
fn check_value(filter: &Filter) -> Result<(), Report> {
    match filter.key.as_str() {
        "type" => filter.one_of(&KINDS),
        "event" => filter.one_of(&ACTIONS),
        "zone" => filter.parsed::<ZoneName>("zone name").map(drop),
        _ => Ok(()),
    }
}

/// Whether every key of the filters has a value that fits.
fn matches(event: &Event, filters: &[Filter]) -> bool {
    FILTERS.iter().all(|key| {
        let mut values = filters.iter().filter(|filter| filter.key == *key).peekable();
        values.peek().is_none() || values.any(|filter| fits(event, filter))
    })
}

fn fits(event: &Event, filter: &Filter) -> bool {
    let attribute = |key: &str| event.attributes.get(key) == Some(&filter.value);
    match filter.key.as_str() {
        "type" => event.kind == filter.value,
        // `exec_start` stands for `exec_start: COMMAND`.
        "event" => event.action.split(':').next() == Some(&filter.value),
        "id" => event.id.starts_with(&filter.value),
        "container" => {
            event.kind == "container" && (event.id.starts_with(&filter.value) || attribute("name"))
        }
        "label" => {
            let (key, value) = filter.label();
            event.attributes.get(&key).is_some_and(|has| value.is_none_or(|value| *has == value))
        }
        key => attribute(key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_no_event_has_is_a_mistake() {
        let told = |text: &str| check_value(&text.parse().unwrap()).map_err(|report| report.text());
        for good in
            ["type=container", "event=exec_die", "event=die", "zone=default", "label=x", "container=y"]
        {
            assert_eq!(told(good), Ok(()), "{good}");
        }
        assert!(told("event=stat").unwrap_err().contains("did you mean start?"));
        assert!(told("type=pod").unwrap_err().contains("container, image"));
        assert!(told("zone=A b").is_err());
    }

    #[test]
    fn filters_of_one_key_are_alternatives() {
        let event = Event {
            time: Timestamp::from_unix(5, 0),
            kind: "container".into(),
            action: "start".into(),
            id: "abcd".into(),
            attributes: [("name", "web"), ("tier", "front")].map(|(k, v)| (k.into(), v.into())).into(),
        };
        let fits = |filters: &[&str]| {
            let filters: Vec<Filter> = filters.iter().map(|text| text.parse().unwrap()).collect();
            matches(&event, &filters)
        };
        assert!(fits(&[]));
        assert!(fits(&["event=stop", "event=start", "container=web", "label=tier"]));
        assert!(!fits(&["event=stop", "container=web"]));
        assert!(!fits(&["label=tier=back"]));
        assert_eq!(
            Shape::Usual.write(&event).unwrap(),
            "1970-01-01T00:00:05.000000000Z container start abcd (name=web, tier=front)"
        );
        let template =
            Template::parse("{{.Time}} {{.time}} {{.TimeNano}} {{.Status}} {{.ID}} {{.Actor.ID}}").unwrap();
        assert_eq!(Shape::Template(template).write(&event).unwrap(), "5 5 5000000000 start abcd abcd");
        let exec = Event { action: "exec_start: sh -c x".into(), ..event.clone() };
        assert!(matches(&exec, &["event=exec_start".parse().unwrap()]));
    }
}
