//! `cofferdam zone test`: would a connection pass, and by which rule; then it is really tried.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use cofferdam_confinement::network::Protocol;
use cofferdam_engine::{End, Engine, FlowFound, FlowTest, Tried};

use crate::command::Run;
use crate::globals::Globals;
use crate::report::{Outcome, Report};
use crate::session::{container, engine};

/// Flags of `zone test`.
#[derive(Debug, Parser)]
pub(crate) struct ZoneTestCommand {
    /// How many seconds an answer is waited for
    #[arg(long, value_name = "SECONDS", default_value_t = 2)]
    timeout: u64,
    /// Who begins: a container, zone:NAME for any running one of a zone, or host
    #[arg(value_name = "FROM")]
    from: String,
    /// Who is asked: a container, zone:NAME, host or an address; its port, tcp unless said otherwise. TO/icmp asks for an echo
    #[arg(value_name = "TO:PORT[/PROTOCOL]")]
    to: String,
}

impl Run for ZoneTestCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let engine = engine(globals)?;
        let (to, protocol, port) = target(&self.to)?;
        let test = FlowTest {
            from: end(&engine, &self.from)?,
            to: end(&engine, to)?,
            protocol,
            port,
            patience: Duration::from_secs(self.timeout),
        };
        if matches!(test.from, End::Address(_)) {
            return Err(Report::new(
                "FROM is a container, zone:NAME or host: nothing can be sent from elsewhere",
            ));
        }
        engine.enter_network()?;
        let found = engine.test_flow(&test)?;
        let mut out = std::io::stdout().lock();
        for one in &found {
            let from =
                one.from.map_or_else(|| self.from.clone(), |address| format!("{} ({address})", self.from));
            let asked = if *to == one.to.to_string() { to.to_owned() } else { format!("{to} ({})", one.to) };
            let service = port.map_or_else(|| protocol.to_string(), |port| format!("{protocol}/{port}"));
            writeln!(out, "{from} -> {asked} {service}")?;
            let verdict = if one.judgement.passes { "passes" } else { "denied" };
            writeln!(out, "  rules: {verdict}: {}", one.judgement.by.join("; "))?;
            writeln!(out, "  tried: {}", outcome(&one.tried, protocol))?;
        }
        if let Some(one) = found.iter().find(|one| contradicts(one)) {
            return Err(Report::new(format!(
                "what was tried towards {} is not what the rules say: see `cofferdam zone verify`",
                one.to
            )));
        }
        let all = found.iter().all(|one| one.judgement.passes);
        Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// An answer to what is denied. Silence says nothing: other rules of the host's, or nobody there.
fn contradicts(one: &FlowFound) -> bool {
    !one.judgement.passes && matches!(one.tried, Tried::Answered(_) | Tried::Refused(_))
}

fn outcome(tried: &Tried, protocol: Protocol) -> String {
    let milliseconds = |time: &Duration| format!("{:.1} ms", time.as_secs_f64() * 1000.0);
    match tried {
        Tried::Answered(time) if protocol == Protocol::Tcp => format!("connected in {}", milliseconds(time)),
        Tried::Answered(time) => format!("answered in {}", milliseconds(time)),
        Tried::Refused(time) => format!("it passed, nobody listens there ({})", milliseconds(time)),
        Tried::Silent if protocol == Protocol::Udp => "no answer; a datagram need not have one".to_owned(),
        Tried::Silent => "no answer".to_owned(),
        Tried::Failed(why) => format!("not sent: {why}"),
    }
}

fn end(engine: &Engine, word: &str) -> Result<End, Report> {
    if word == "host" {
        return Ok(End::Host);
    }
    if let Ok(address) = word.trim_start_matches('[').trim_end_matches(']').parse() {
        return Ok(End::Address(address));
    }
    match word.strip_prefix("zone:") {
        Some(name) => match name.parse() {
            Ok(zone) => Ok(End::Zone(zone)),
            Err(error) => Err(Report::from_error(&error)),
        },
        None => Ok(End::Container(container(engine, word)?)),
    }
}

/// `db:5432`, `zone:db:53/udp`, `[fd00::1]:443`, `db/icmp`
fn target(text: &str) -> Result<(&str, Protocol, Option<u16>), Report> {
    let wrong = || Report::new(format!("cannot read {text:?}: its form is TO:PORT[/PROTOCOL], or TO/icmp"));
    let (place, protocol) = match text.rsplit_once('/') {
        Some((place, protocol)) => (place, protocol.parse().map_err(|_| wrong())?),
        None => (text, Protocol::Tcp),
    };
    if !protocol.has_ports() {
        return Ok((place, protocol, None));
    }
    let (to, port) = place.rsplit_once(':').ok_or_else(wrong)?;
    let port = port.parse().ok().filter(|port| *port > 0).ok_or_else(wrong)?;
    Ok((to, protocol, Some(port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read() {
        let read = |text: &'static str| target(text).ok();
        assert_eq!(read("db:5432"), Some(("db", Protocol::Tcp, Some(5432))));
        assert_eq!(read("zone:db:53/udp"), Some(("zone:db", Protocol::Udp, Some(53))));
        assert_eq!(read("[fd00::1]:443"), Some(("[fd00::1]", Protocol::Tcp, Some(443))));
        assert_eq!(read("db/icmp"), Some(("db", Protocol::Icmp, None)));
        for text in ["db", "db:0", "db:x", "db:80/ip", "db:70000"] {
            assert!(read(text).is_none(), "{text}");
        }
    }
}
