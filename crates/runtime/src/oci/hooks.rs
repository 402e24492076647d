//! `hooks`.

use std::path::PathBuf;

use cofferdam_confinement::{Hook, Hooks};
use cofferdam_wire_oci as wire;

use super::error::ConfigError;
use super::mounts::no_nul;

/// Converts the hooks of every moment.
pub(super) fn hooks(wire: Option<&wire::Hooks>) -> Result<Hooks, ConfigError> {
    let Some(wire) = wire else { return Ok(Hooks::default()) };
    Ok(Hooks {
        prestart: list("prestart", &wire.prestart)?,
        create_runtime: list("createRuntime", &wire.create_runtime)?,
        create_container: list("createContainer", &wire.create_container)?,
        start_container: list("startContainer", &wire.start_container)?,
        poststart: list("poststart", &wire.poststart)?,
        poststop: list("poststop", &wire.poststop)?,
    })
}

fn list(moment: &str, hooks: &[wire::Hook]) -> Result<Vec<Hook>, ConfigError> {
    hooks
        .iter()
        .enumerate()
        .map(|(index, wire)| {
            let field = format!("hooks.{moment}[{index}]");
            no_nul(&format!("{field}.path"), &wire.path)?;
            if !wire.path.starts_with('/') {
                return Err(ConfigError::new(
                    format!("{field}.path"),
                    format!("{:?} is not an absolute path", wire.path),
                ));
            }
            for (name, texts) in [("args", &wire.args), ("env", &wire.env)] {
                for (index, text) in texts.iter().enumerate() {
                    no_nul(&format!("{field}.{name}[{index}]"), text)?;
                }
            }
            let timeout_seconds = wire
                .timeout
                .map(|seconds| {
                    u32::try_from(seconds).ok().filter(|seconds| *seconds > 0).ok_or_else(|| {
                        ConfigError::new(
                            format!("{field}.timeout"),
                            format!(
                                "{seconds}: it is a number of seconds above 0; leave it out for no limit"
                            ),
                        )
                    })
                })
                .transpose()?;
            Ok(Hook {
                path: PathBuf::from(&wire.path),
                args: wire.args.clone(),
                env: wire.env.clone(),
                timeout_seconds,
            })
        })
        .collect()
}
