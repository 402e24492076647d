//! `cargo xtask layers`: arrows between crates run upwards only.

use std::process::ExitCode;

use anyhow::Result;

use crate::workspace::Workspace;

/// The house, from the ground up (docs in `ARCHITECTURE.md`). A crate may use only crates on earlier lines; a name
/// that ends in `-` stands for every crate with that prefix, and those may not use each other.
const HOUSE: &[&str] = &[
    "names",
    "settings",
    "kernel",
    "wire-",
    "confinement",
    "policy",
    "runtime",
    "network",
    "microvm",
    "proof",
    "resolver",
    "rootless",
    "image",
    "build",
    "shim",
    "audit",
    "scan",
    "engine",
    "registry",
    "api",
    "cri",
    "compose",
    "cli",
    "cofferdam",
];

/// Packages that are not part of the house: they may use anything, and nothing may use them.
const OUTSIDE: [&str; 2] = ["xtask", "cofferdam-tests"];

/// The line of the house on which a package stands.
fn storey(package: &str) -> Option<usize> {
    let name = package.strip_prefix("cofferdam-").unwrap_or(package);
    HOUSE.iter().position(|line| if line.ends_with('-') { name.starts_with(line) } else { name == *line })
}

/// Runs the check, prints each wrong arrow.
pub(crate) fn run() -> Result<ExitCode> {
    let workspace = Workspace::load()?;
    let mut faults = Vec::new();
    for package in workspace.packages.iter().filter(|package| !OUTSIDE.contains(&package.name.as_str())) {
        let dependencies = package
            .dependencies
            .iter()
            .map(|dependency| dependency.name.as_str())
            .filter(|name| workspace.packages.iter().any(|package| package.name == *name));
        faults.extend(wrong_arrows(&package.name, dependencies));
    }
    for fault in &faults {
        println!("layers: {fault}");
    }
    println!("layers: {} packages, {} wrong", workspace.packages.len(), faults.len());
    Ok(if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The dependencies of one package that it may not have, each as a sentence.
fn wrong_arrows<'a>(package: &str, dependencies: impl Iterator<Item = &'a str>) -> Vec<String> {
    let Some(own) = storey(package) else {
        return vec![format!("{package} has no place in the house's list (xtask/src/layers.rs)")];
    };
    dependencies
        .filter_map(|dependency| match storey(dependency) {
            Some(line) if line < own => None,
            Some(_) => Some(format!("{package} depends on {dependency}, which is not above it")),
            None => Some(format!("{package} depends on {dependency}, which has no place in the house")),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::wrong_arrows;

    #[test]
    fn an_arrow_upwards_is_right_and_one_downwards_or_sideways_is_wrong() {
        assert!(
            wrong_arrows("cofferdam-policy", ["cofferdam-names", "cofferdam-wire-oci"].into_iter())
                .is_empty()
        );
        assert_eq!(wrong_arrows("cofferdam-kernel", ["cofferdam-confinement"].into_iter()).len(), 1);
        assert_eq!(wrong_arrows("cofferdam-wire-oci", ["cofferdam-wire-docker"].into_iter()).len(), 1);
        assert_eq!(wrong_arrows("cofferdam-wire-oci", ["cofferdam-wire-oci"].into_iter()).len(), 1);
    }

    #[test]
    fn a_package_without_a_place_is_wrong() {
        assert_eq!(wrong_arrows("cofferdam-misc", std::iter::empty()).len(), 1);
        assert_eq!(wrong_arrows("cofferdam-cli", ["xtask"].into_iter()).len(), 1);
    }
}
