//! `linux.seccomp`.

use std::path::PathBuf;

use cofferdam_confinement::seccomp::{
    Action, Arch, ArgIndex, Comparison, Condition, Flags, Listener, Profile, Rule,
};
use cofferdam_wire_oci as wire;

use super::error::{ConfigError, at};
use super::mounts::no_nul;

/// Converts the filter.
pub(super) fn seccomp(wire: &wire::Seccomp) -> Result<Profile, ConfigError> {
    let field = "linux.seccomp";
    let default_action = action(field, wire.default_action, wire.default_errno_ret, "defaultErrnoRet")?;
    if default_action == Action::Notify {
        return Err(ConfigError::new(
            format!("{field}.defaultAction"),
            "SCMP_ACT_NOTIFY cannot be used as default action: the runtime itself would wait for the agent",
        ));
    }
    let mut rules = Vec::with_capacity(wire.syscalls.len());
    for (index, syscall) in wire.syscalls.iter().enumerate() {
        rules.extend(rule(&format!("{field}.syscalls[{index}]"), syscall)?);
    }
    let listener = listener(field, wire, &rules)?;
    Ok(Profile {
        default_action,
        architectures: wire
            .architectures
            .iter()
            .enumerate()
            .map(|(index, arch)| {
                text(arch).parse::<Arch>().map_err(at(format!("{field}.architectures[{index}]")))
            })
            .collect::<Result<_, _>>()?,
        flags: flags(field, wire.flags.as_deref())?,
        listener,
        rules,
    })
}

/// The word that stands in the document for a value of a closed set.
fn text<T: serde::Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        _ => String::new(),
    }
}

fn action(
    field: &str,
    wire: wire::SeccompAction,
    errno: Option<u32>,
    errno_name: &str,
) -> Result<Action, ConfigError> {
    Action::from_oci(&text(&wire), errno).map_err(at(format!("{field}.{errno_name}")))
}

fn rule(field: &str, wire: &wire::SeccompSyscall) -> Result<Vec<Rule>, ConfigError> {
    if wire.names.is_empty() {
        return Err(ConfigError::new(
            format!("{field}.names"),
            "empty: a rule names at least one system call",
        ));
    }
    for (index, name) in wire.names.iter().enumerate() {
        let place = format!("{field}.names[{index}]");
        no_nul(&place, name)?;
        if name.is_empty() {
            return Err(ConfigError::new(place, "empty: it is a system call's name"));
        }
    }
    let action = action(field, wire.action, wire.errno_ret, "errnoRet")?;
    if action == Action::Notify && wire.names.iter().any(|name| name == "write") {
        return Err(ConfigError::new(
            format!("{field}.names"),
            "SCMP_ACT_NOTIFY cannot be used for the write syscall: the runtime itself would wait for the agent",
        ));
    }
    let args = wire
        .args
        .iter()
        .enumerate()
        .map(|(index, arg)| {
            let field = format!("{field}.args[{index}]");
            Ok(Condition {
                index: ArgIndex::try_from(arg.index).map_err(at(format!("{field}.index")))?,
                comparison: Comparison::from_oci(&text(&arg.op), arg.value, arg.value_two)
                    .map_err(at(format!("{field}.op")))?,
            })
        })
        .collect::<Result<_, ConfigError>>()?;
    Ok(Rule::from_oci(wire.names.clone(), action, args))
}

fn flags(field: &str, wire: Option<&[wire::SeccompFlag]>) -> Result<Flags, ConfigError> {
    let Some(wire) = wire else {
        // As runc does where the list is absent, and not where it is empty.
        return Ok(Flags { spec_allow: true, ..Flags::default() });
    };
    let mut flags = Flags::default();
    for (index, flag) in wire.iter().enumerate() {
        flags.set(&text(flag)).map_err(at(format!("{field}.flags[{index}]")))?;
    }
    Ok(flags)
}

fn listener(field: &str, wire: &wire::Seccomp, rules: &[Rule]) -> Result<Option<Listener>, ConfigError> {
    let place = format!("{field}.listenerPath");
    if wire.listener_path.is_empty() {
        if rules.iter().any(|rule| rule.action == Action::Notify) {
            return Err(ConfigError::new(
                place,
                "missing: an action is SCMP_ACT_NOTIFY, which needs the socket of an agent",
            ));
        }
        if !wire.listener_metadata.is_empty() {
            return Err(ConfigError::new(
                format!("{field}.listenerMetadata"),
                "it is set without listenerPath: no one would read it",
            ));
        }
        return Ok(None);
    }
    no_nul(&place, &wire.listener_path)?;
    if !wire.listener_path.starts_with('/') {
        return Err(ConfigError::new(place, format!("{:?} is not an absolute path", wire.listener_path)));
    }
    Ok(Some(Listener { path: PathBuf::from(&wire.listener_path), metadata: wire.listener_metadata.clone() }))
}
