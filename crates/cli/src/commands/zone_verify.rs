//! `cofferdam zone verify`: whether every running container of a zone is confined as planned.

use clap::Parser;
use cofferdam_engine::ListFilters;
use cofferdam_names::{ContainerId, ZoneName};

use super::receipt_check::Shape;
use super::verify::{Form, verify};
use crate::command::Run;
use crate::globals::Globals;
use crate::report::Outcome;
use crate::session::engine;

/// Flags of `zone verify`.
#[derive(Debug, Parser)]
pub(crate) struct ZoneVerifyCommand {
    /// How what was found is shown
    #[arg(long, value_enum, default_value_t = Shape::Table)]
    format: Shape,
    /// Do not shorten values
    #[arg(long)]
    no_trunc: bool,
    /// First make the host's packet rules anew for all running containers, as they are planned
    #[arg(long)]
    repair: bool,
    /// The zone's name
    #[arg(value_name = "ZONE")]
    name: ZoneName,
}

impl Run for ZoneVerifyCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let engine = engine(globals)?;
        engine.zones().load(&self.name)?;
        if self.repair {
            engine.repair_network()?;
        }
        let inside = engine.list(&ListFilters { zones: vec![self.name], ..ListFilters::default() })?;
        let ids: Vec<ContainerId> = inside.into_iter().map(|container| container.id).collect();
        verify(&engine, &ids, Form::Shown { shape: self.format, whole: self.no_trunc })
    }
}
