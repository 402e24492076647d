//! `cofferdam zone watch`: connections that begin and packets that are denied, as it happens.

use std::collections::HashMap;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use cofferdam_engine::{Engine, Seen, Watch};
use cofferdam_names::ZoneName;

use crate::command::Run;
use crate::globals::Globals;
use crate::report::{Outcome, Report};
use crate::session::engine;

/// Flags of `zone watch`.
#[derive(Debug, Parser)]
pub(crate) struct ZoneWatchCommand {
    /// Only what is denied
    #[arg(long)]
    denied: bool,
    /// End after so many lines
    #[arg(long, value_name = "N")]
    count: Option<usize>,
    /// End after so many seconds
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<u64>,
    /// Lines to read, or one JSON object a line
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
    /// The zones; all of them where none is named
    #[arg(value_name = "ZONE")]
    zones: Vec<ZoneName>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// How long what is known of containers is believed.
const FRESH: Duration = Duration::from_secs(1);

/// Whose addresses are whose: zone and name of containers.
struct Names<'e> {
    engine: &'e Engine,
    known: HashMap<IpAddr, (String, String)>,
    asked: Option<Instant>,
}

impl Names<'_> {
    /// The container that has an address. One that is not known may have been started since.
    fn of(&mut self, address: IpAddr) -> Option<(String, String)> {
        let stale = self.asked.is_none_or(|asked| asked.elapsed() > FRESH);
        if stale && !self.known.contains_key(&address) {
            // Without names what is seen is shown all the same.
            self.known = self.engine.linked_addresses().unwrap_or_default().into_iter().collect();
            self.asked = Some(Instant::now());
        }
        self.known.get(&address).cloned()
    }
}

impl Run for ZoneWatchCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let engine = engine(globals)?;
        engine.enter_network()?;
        let watch = Watch::open().map_err(|error| {
            let report = Report::new(format!("cannot watch the host's packets: {error}"));
            report.hint("it takes root, and one watch at a time")
        })?;
        let mut names = Names { engine: &engine, known: HashMap::new(), asked: None };
        let end = self.seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
        let mut left = self.count.unwrap_or(usize::MAX);
        while left > 0 && end.is_none_or(|end| Instant::now() < end) {
            let patience = end.map_or(FRESH, |end| end.saturating_duration_since(Instant::now()).min(FRESH));
            let (seen, whole) = watch.next(patience)?;
            let mut out = std::io::stdout().lock();
            for one in seen.into_iter().filter(|one| !self.denied || !one.passed) {
                let sides = [names.of(one.from), names.of(one.to)];
                if left > 0 && self.wants(&one, &sides) {
                    left -= 1;
                    writeln!(out, "{}", line(&one, &sides, self.format))?;
                }
            }
            if !whole {
                writeln!(std::io::stderr().lock(), "some packets came too fast and are not shown")?;
            }
            out.flush()?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

type Side = Option<(String, String)>;

impl ZoneWatchCommand {
    /// Only what a container has part in; only of these zones, if there are any.
    fn wants(&self, seen: &Seen, sides: &[Side; 2]) -> bool {
        let zones = sides.iter().flatten().map(|(zone, _)| zone.as_str()).chain(seen.zone.as_deref());
        let mut zones = zones.peekable();
        zones.peek().is_some()
            && (self.zones.is_empty()
                || zones.any(|zone| self.zones.iter().any(|wanted| wanted.as_str() == zone)))
    }
}

fn protocol(number: u8) -> String {
    match number {
        1 | 58 => "icmp".to_owned(),
        6 => "tcp".to_owned(),
        17 => "udp".to_owned(),
        132 => "sctp".to_owned(),
        other => format!("protocol {other}"),
    }
}

fn line(seen: &Seen, sides: &[Side; 2], format: Format) -> String {
    let service = protocol(seen.protocol);
    let what = if seen.passed { "passed" } else { "denied" };
    if format == Format::Json {
        let side = |address: IpAddr, side: &Side| {
            let (zone, container) = side.clone().unzip();
            serde_json::json!({"address": address, "zone": zone, "container": container})
        };
        return serde_json::json!({
            "verdict": what,
            "byZone": seen.zone,
            "protocol": service,
            "port": seen.port,
            "from": side(seen.from, &sides[0]),
            "to": side(seen.to, &sides[1]),
        })
        .to_string();
    }
    let name = |side: &Side| side.as_ref().map_or_else(String::new, |(zone, name)| format!("{zone}/{name} "));
    let to = match seen.port {
        Some(port) => SocketAddr::new(seen.to, port).to_string(),
        None => seen.to.to_string(),
    };
    let by = seen.zone.as_ref().map_or_else(String::new, |zone| format!(" by zone {zone}"));
    format!("{what} {service} {}{} -> {}{to}{by}", name(&sides[0]), seen.from, name(&sides[1]))
}
