//! The engine that a command works with, and what goes wrong there in a person's words.

use std::path::PathBuf;

use cofferdam_engine::registry::{Client, CredentialFiles, RegistryError, RegistrySettings};
use cofferdam_engine::{Engine, Error, ExitClass, Paths, ZoneStoreError};
use cofferdam_names::ContainerId;

use crate::globals::{Globals, LogLevel};
use crate::report::Report;

/// Moves state and run state, as `--root` does: for tests and for scripts that keep containers apart.
const ROOT_VARIABLE: &str = "COFFERDAM_ROOT";

/// Opens the engine in the place that `--root`, the environment or the user says.
pub(crate) fn engine(globals: &Globals) -> Result<Engine, Report> {
    let paths = paths(globals)?;
    globals.log(LogLevel::Debug, || {
        format!("state in {}, run state in {}", paths.state().display(), paths.run().display())
    });
    Ok(Engine::open(paths)?)
}

/// The place that `--root`, the environment or the user says.
pub(crate) fn paths(globals: &Globals) -> Result<Paths, Report> {
    let root = globals.root.clone().or_else(|| std::env::var_os(ROOT_VARIABLE).map(Into::into));
    match root.filter(|root| !root.as_os_str().is_empty()) {
        Some(root) => {
            let root = std::path::absolute(root)
                .map_err(|error| Report::new("cannot tell the working directory").because(&error))?;
            Ok(Paths::below(&root))
        }
        None => Paths::for_user(rustix::process::geteuid().as_raw(), |name| std::env::var_os(name))
            .map_err(|error| Report::from_error(&error).hint("set HOME, or give --root DIR")),
    }
}

/// The way to registries: settings from `registries.toml`, credentials and proxies as the environment says.
///
/// The file is below `--root` where that is given; otherwise the user's own, or else the host's.
pub(crate) fn registry_client(globals: &Globals) -> Result<Client, Error> {
    let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
    let settings = RegistrySettings::read(&registries_file(globals, &variable))?;
    Ok(Client::new(settings.with_environment(&variable), CredentialFiles::of_environment(&variable)))
}

fn registries_file(globals: &Globals, variable: &dyn Fn(&str) -> Option<String>) -> PathBuf {
    const FILE: &str = "registries.toml";
    if let Some(root) = globals.root.clone().or_else(|| variable(ROOT_VARIABLE).map(PathBuf::from)) {
        return root.join(FILE);
    }
    let folder = variable("XDG_CONFIG_HOME").map(PathBuf::from);
    let folder = folder.or_else(|| Some(PathBuf::from(variable("HOME")?).join(".config")));
    let own = folder.filter(|folder| folder.is_absolute()).map(|folder| folder.join("cofferdam").join(FILE));
    let is_user = !rustix::process::geteuid().is_root();
    own.filter(|file| is_user && file.exists()).unwrap_or_else(|| PathBuf::from("/etc/cofferdam").join(FILE))
}

/// Finds a container by what a person calls it.
pub(crate) fn container(engine: &Engine, word: &str) -> Result<ContainerId, Report> {
    Ok(engine.resolve(word)?)
}

impl From<Error> for Report {
    fn from(error: Error) -> Self {
        let hint = match &error {
            Error::NoContainer { .. } => Some("see `cofferdam ps -a`"),
            Error::Running { .. } => Some("stop it first, or give --force"),
            Error::NotRunning { .. } => Some("start it first with `cofferdam start`"),
            Error::NoImage { .. } => Some("see `cofferdam image ls`; the image `host` is always there"),
            Error::Registry(RegistryError::Denied { .. }) => Some("see `cofferdam login`"),
            Error::NoVolume { .. } => Some("see `cofferdam volume ls`"),
            Error::NoNetwork { .. } => Some("see `cofferdam network ls`"),
            Error::NetworkInUse { .. } => {
                Some("remove the container first; `cofferdam ps -a` shows those that do not run as well")
            }
            Error::NetworkOfZone { .. } => Some(
                "a network is for containers of its zone: see --zone, and `cofferdam network create --zone`",
            ),
            Error::VolumeInUse { .. } => {
                Some("remove the container first; `cofferdam ps -a` shows those that do not run as well")
            }
            Error::VolumeOfZone { .. } => {
                Some("take another name, or let the zone file say mounts.volumes_from")
            }
            _ => None,
        };
        let report = Self::from_error(&error);
        match hint {
            Some(hint) => report.hint(hint),
            None => report,
        }
    }
}

impl From<ZoneStoreError> for Report {
    fn from(error: ZoneStoreError) -> Self {
        Self::from_error(&error)
    }
}

/// A failure of `exec`: Docker's statuses for a program that cannot be run, and 1 for everything else.
pub(crate) fn exec_failure(error: Error) -> Report {
    match error.exit_class() {
        ExitClass::Engine => Report::from(error),
        _ => start_failure(error),
    }
}

/// A failure of `run`, `create` or `start`, with Docker's exit status for it.
pub(crate) fn start_failure(error: Error) -> Report {
    let status = error.exit_class().code();
    Report::from(error).status(status)
}
