//! The flags before the command.

use std::path::PathBuf;

use cofferdam_runtime::lifecycle::StateRoot;
use cofferdam_runtime::oci::Caller;

use super::arguments::{Arguments, Flag, Order, option, switch};
use super::error::UsageError;
use super::log::{Format, Log};

pub(super) const FLAGS: &[Flag] = &[
    switch("debug", "", "enable debug logging"),
    option("log", "", "FILE", "set the log file to write logs to (default: stderr)"),
    option("log-format", "", "FORMAT", "set the log format ('text' (default), or 'json')"),
    option("root", "", "DIR", "root directory for storage of container state"),
    option("criu", "", "PATH", "(ignored: checkpoints are not supported)"),
    switch("systemd-cgroup", "", "(refused: this runtime has the cgroupfs driver only)"),
    option("rootless", "", "VALUE", "ignore cgroup permission errors ('true', 'false', or 'auto')"),
    switch("version", "v", "print the version"),
];

/// What stands before the command.
#[derive(Debug)]
pub(super) struct Global {
    pub(super) root: StateRoot,
    pub(super) log: Log,
    pub(super) caller: Caller,
    pub(super) version: bool,
    pub(super) help: bool,
}

impl Default for Global {
    fn default() -> Self {
        let caller = caller();
        Self {
            root: StateRoot::new(default_root(caller)),
            log: Log { file: None, format: Format::Text, debug: false },
            caller,
            version: false,
            help: false,
        }
    }
}

/// Who calls: without root's rights everything needs a user namespace.
fn caller() -> Caller {
    match rustix::process::geteuid() {
        uid if uid.is_root() => Caller::Privileged,
        uid => Caller::Rootless { uid: uid.as_raw(), gid: rustix::process::getegid().as_raw() },
    }
}

fn default_root(caller: Caller) -> PathBuf {
    match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(folder) if caller.is_rootless() && !folder.is_empty() => {
            PathBuf::from(folder).join("cofferdam/oci")
        }
        _ => PathBuf::from("/run/cofferdam/oci"),
    }
}

impl Global {
    /// Reads the flags up to the command; gives the command and what follows it.
    pub(super) fn parse(words: &[String]) -> Result<(Self, Vec<String>), UsageError> {
        let arguments = Arguments::parse(FLAGS, words, Order::FlagsFirst)?;
        let mut global = Self { version: arguments.has("version"), help: arguments.help, ..Self::default() };
        if let Some(root) = arguments.value("root") {
            global.root = StateRoot::new(absolute(root));
        }
        global.log.debug = arguments.has("debug");
        global.log.file = arguments.value("log").filter(|path| !path.is_empty()).map(PathBuf::from);
        global.log.format = match arguments.value("log-format") {
            None | Some("text") => Format::Text,
            Some("json") => Format::Json,
            Some(other) => {
                return Err(UsageError::Value {
                    flag: "log-format",
                    text: other.to_owned(),
                    rule: "it is text or json".to_owned(),
                });
            }
        };
        match arguments.value("rootless") {
            None | Some("auto" | "true" | "false") => {}
            Some(other) => {
                return Err(UsageError::Value {
                    flag: "rootless",
                    text: other.to_owned(),
                    rule: "it is true, false or auto".to_owned(),
                });
            }
        }
        if arguments.has("systemd-cgroup") {
            return Err(UsageError::Value {
                flag: "systemd-cgroup",
                text: "true".to_owned(),
                rule: "this runtime has no systemd driver: configure its caller for the cgroupfs driver \
                       (Docker: native.cgroupdriver=cgroupfs, Podman: --cgroup-manager cgroupfs, containerd: SystemdCgroup = false)"
                    .to_owned(),
            });
        }
        Ok((global, arguments.positional))
    }
}

/// The path that does not depend on where this command was called.
pub(super) fn absolute(path: &str) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| PathBuf::from(path))
}
