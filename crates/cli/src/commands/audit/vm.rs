//! `cofferdam audit vm`: the system on a disk's image, read without mounting it.

use std::path::PathBuf;

use clap::Parser;
use cofferdam_audit::host::audit_disk;

use super::output::OutputFlags;
use crate::command::Run;
use crate::globals::Globals;
use crate::report::{Outcome, Report};

/// Flags of `audit vm`.
#[derive(Debug, Parser)]
pub(crate) struct AuditVmCommand {
    #[command(flatten)]
    output: OutputFlags,
    /// Disk images: raw or qcow2, with partitions or without, the system in ext2, ext3 or ext4
    #[arg(value_name = "DISK", required = true)]
    disks: Vec<PathBuf>,
}

impl Run for AuditVmCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let one = |disk: &PathBuf| {
            let shown = disk.display().to_string();
            audit_disk(disk, &format!("disk {shown}"))
                .map_err(|error| Report::new(format!("cannot audit disk {shown}")).because(&error))
        };
        self.output.show(globals, self.disks.iter().map(one).collect::<Result<Vec<_>, Report>>()?)
    }
}
