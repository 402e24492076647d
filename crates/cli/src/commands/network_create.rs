//! `cofferdam network create`: makes a network, a part of a zone.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use cofferdam_names::ZoneName;
use cofferdam_policy::key_value;

use crate::command::Run;
use crate::globals::Globals;
use crate::report::{Outcome, Report};
use crate::session::engine;

/// Flags of `network create`.
#[derive(Debug, Parser)]
pub(crate) struct NetworkCreateCommand {
    /// The driver: bridge is the only one
    #[arg(short, long, value_name = "DRIVER", default_value = "bridge", hide_default_value = true)]
    driver: String,
    /// Set a label on the network
    #[arg(long, value_name = "KEY[=VALUE]")]
    label: Vec<String>,
    /// The zone whose containers may be in it
    #[arg(long, default_value = "default")]
    zone: ZoneName,
    /// Containers have an IPv6 address wherever the host has IPv6
    #[arg(long)]
    ipv6: bool,
    /// Containers can be connected while they run, in any network
    #[arg(long)]
    attachable: bool,
    /// Refused: what may leave is what the zone says
    #[arg(long)]
    internal: bool,
    /// Refused: all containers have addresses of one range
    #[arg(long, value_name = "RANGE", alias = "ip-range", alias = "gateway")]
    subnet: Vec<String>,
    /// Refused: the driver has no option
    #[arg(short, long, value_name = "KEY=VALUE")]
    opt: Vec<String>,
    /// Its name
    #[arg(value_name = "NAME")]
    name: String,
}

impl Run for NetworkCreateCommand {
    fn run(self, globals: &Globals) -> Outcome {
        if self.driver != "bridge" {
            return Err(Report::new(format!(
                "cannot use network driver {}: there are no plugins",
                self.driver
            ))
            .hint("every network is a part of a zone, with routed links"));
        }
        if self.internal {
            return Err(Report::new("cannot make an internal network: what may leave is what its zone says")
                .hint("make a zone with egress = [] and the network in it"));
        }
        if let Some(range) = self.subnet.first() {
            return Err(Report::new(format!(
                "cannot use subnet {range}: all containers have addresses of one range"
            ))
            .hint("a container's own address can be chosen with run --ip"));
        }
        if let Some(option) = self.opt.first() {
            return Err(Report::new(format!("cannot use network option {option}"))
                .hint("the zone says what its containers reach"));
        }
        // Both are so anyway.
        let _ = (self.ipv6, self.attachable);
        let labels = self.label.iter().map(|label| key_value(label)).collect();
        let network = engine(globals)?.create_network(&self.name, &self.zone, labels)?;
        writeln!(std::io::stdout().lock(), "{}", network.id)?;
        Ok(ExitCode::SUCCESS)
    }
}
