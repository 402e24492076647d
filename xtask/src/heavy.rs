//! The heavy forms of tests that CI runs in a light one: `cargo xtask crowd`, `cargo xtask kills` and
//! `cargo xtask first-packets`.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::workspace::cargo;

/// Starts `count` containers at once (500 unless told), with the program as people get it.
pub(crate) fn crowd(count: Option<&str>) -> Result<ExitCode> {
    test("crowd", &["--release"], "COFFERDAM_CROWD", count.unwrap_or("500"))
}

/// Kills at `count` random moments (200 unless told) of containers' lives, as root and as an ordinary user, of what the image
/// store goes through, and of builds.
pub(crate) fn kills(count: Option<&str>) -> Result<ExitCode> {
    for name in ["kills", "image_faults", "build_kills"] {
        let code = test(name, &[], "COFFERDAM_KILLS", count.unwrap_or("200"))?;
        if code != ExitCode::SUCCESS {
            return Ok(code);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// `count` containers (1,000 unless told) that send as their very first act, under load.
pub(crate) fn first_packets(count: Option<&str>) -> Result<ExitCode> {
    test("first_packet", &["--release"], "COFFERDAM_FIRST_PACKETS", count.unwrap_or("1000"))
}

fn test(name: &str, flags: &[&str], variable: &str, value: &str) -> Result<ExitCode> {
    let status = Command::new(cargo())
        .args(["test", "--package", "cofferdam", "--test", name])
        .args(flags)
        .args(["--", "--nocapture", "--test-threads=1"])
        .env(variable, value)
        .status()
        .with_context(|| format!("run cargo test --test {name}"))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
