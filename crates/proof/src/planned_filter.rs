//! The filter that a profile compiles to.

use cofferdam_confinement::seccomp::{Arch, Profile, compile};
use cofferdam_names::Digest;
use serde::{Deserialize, Serialize};

/// The program that a profile stands for, by its digest. It is compiled here anew, and not taken from the runtime that
/// installs it: what the runtime had in hand is what is being checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlannedFilter {
    pub(crate) digest: Digest,
    /// How many instructions it has.
    pub(crate) length: usize,
}

impl PlannedFilter {
    /// Compiles it, or says why it compiles to none.
    pub(crate) fn compile(profile: &Profile) -> Result<Self, String> {
        let native = Arch::native().ok_or("no filters can be compiled for this processor")?;
        let program = compile(profile, native).map_err(|error| error.to_string())?.program;
        Ok(Self { digest: program.digest(), length: program.instructions().len() })
    }
}
