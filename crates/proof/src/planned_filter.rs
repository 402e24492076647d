//! The filter that a profile compiles to.

use cofferdam_confinement::seccomp::{Arch, Profile, Program, compile};
use cofferdam_names::Digest;

/// The program that the runtime installs for a profile, with its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlannedFilter {
    pub(crate) program: Program,
    pub(crate) digest: Digest,
}

impl PlannedFilter {
    /// Compiles it, or says why it compiles to none.
    pub(crate) fn compile(profile: &Profile) -> Result<Self, String> {
        let native = Arch::native().ok_or("no filters can be compiled for this processor")?;
        let program = compile(profile, native).map_err(|error| error.to_string())?.program;
        let digest = program.digest();
        Ok(Self { program, digest })
    }
}
