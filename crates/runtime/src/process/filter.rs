//! The system call filter of a process: compiled before the clone, installed just before the exec.

use std::io;
use std::os::fd::OwnedFd;

use cofferdam_confinement::seccomp::{self, Arch, Profile, Program};
use cofferdam_kernel::seccomp::{FilterFlags, FilterImage};

use crate::channel::Channel;
use crate::step::{Step, StepError};

/// A compiled filter, or none where the plan says unconfined.
#[derive(Debug)]
pub(crate) struct Filter {
    program: Option<(Program, FilterFlags)>,
}

impl Filter {
    /// Compiles the plan's profile.
    pub(crate) fn compile(profile: Option<&Profile>) -> Result<Self, StepError> {
        let Some(profile) = profile else { return Ok(Self { program: None }) };
        let compiled = Step::Seccomp.run("profile", || {
            let native = Arch::native()
                .ok_or_else(|| io::Error::other("no filter can be compiled for this machine"))?;
            seccomp::compile(profile, native).map_err(io::Error::other)
        })?;
        let flags = FilterFlags {
            log: profile.flags.log,
            spec_allow: profile.flags.spec_allow,
            tsync: profile.flags.tsync,
            new_listener: profile.notifies(),
            wait_killable_recv: profile.flags.wait_killable_recv,
        };
        Ok(Self { program: Some((compiled.program, flags)) })
    }

    /// Installs it; gives the listener of a filter that notifies. A tracer that may not read it back is shown it first: the same
    /// bytes at the same place, with no other call in between.
    pub(crate) fn install(&self, shown_to: Option<&Channel>) -> Result<Option<OwnedFd>, StepError> {
        let Some((program, flags)) = &self.program else { return Ok(None) };
        let mut listener = None;
        Step::Seccomp.apply("", || {
            let image = FilterImage::of(program.instructions()).map_err(io::Error::other)?;
            if let Some(channel) = shown_to {
                channel.show(image.as_bytes())?;
            }
            listener = image.install(*flags).map_err(io::Error::other)?;
            Ok(())
        })?;
        Ok(listener)
    }
}
