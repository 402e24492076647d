//! The filter that a profile compiles to.

use cofferdam_confinement::seccomp::{Arch, Profile, Program, compile};

/// The program that the runtime installs for the profile, or why it compiles to none.
pub(crate) fn planned_filter(profile: &Profile) -> Result<Program, String> {
    let native = Arch::native().ok_or("no filters can be compiled for this processor")?;
    compile(profile, native).map(|compiled| compiled.program).map_err(|error| error.to_string())
}
