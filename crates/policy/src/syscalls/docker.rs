//! Profiles in the format of Docker and Podman (`--security-opt seccomp=FILE`), and OCI's, which it extends.

use cofferdam_confinement::seccomp::{
    Action, Arch, ArgIndex, Comparison, Condition, Flags, InvalidAction, InvalidComparison, InvalidFlag,
    Listener, NoSuchArgument, Profile, Rule, UnknownArch,
};
use cofferdam_kernel::capability::{CapSet, Capability};
use serde::Deserialize;
use thiserror::Error;

/// What the conditional parts of a profile are decided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DockerContext {
    /// The machine's architecture.
    pub native: Arch,
    /// The container's bounding set.
    pub capabilities: CapSet,
    /// The kernel's version: major, minor.
    pub kernel: (u32, u32),
}

/// A text that is no profile in Docker's format.
#[derive(Debug, Error)]
pub enum DockerProfileError {
    /// Not JSON, or not of this shape; unknown keys are errors too.
    #[error("seccomp profile")]
    Shape(#[from] serde_json::Error),
    /// `architectures` and `archMap` both.
    #[error("seccomp profile: it has both architectures and archMap")]
    BothArchitectures,
    /// A rule without a call, or with `name` and `names`.
    #[error("seccomp profile: syscalls[{0}] needs either name or names")]
    Names(usize),
    /// `errno` and `defaultErrno` are names here and there; only numbers are read.
    #[error("seccomp profile: {0} is a name of an errno that is not known")]
    Errno(String),
    /// A `minKernel` that is no version.
    #[error("seccomp profile: minKernel {0:?} is no version, as 5.8 is")]
    KernelVersion(String),
    /// An action.
    #[error("seccomp profile")]
    Action(#[from] InvalidAction),
    /// An operator.
    #[error("seccomp profile")]
    Operator(#[from] InvalidComparison),
    /// An argument's number.
    #[error("seccomp profile")]
    Argument(#[from] NoSuchArgument),
    /// An architecture.
    #[error("seccomp profile")]
    Arch(#[from] UnknownArch),
    /// A flag.
    #[error("seccomp profile")]
    Flag(#[from] InvalidFlag),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wire {
    default_action: String,
    default_errno_ret: Option<u32>,
    /// Podman's: the errno by name.
    default_errno: Option<String>,
    architectures: Option<Vec<String>>,
    arch_map: Option<Vec<WireArch>>,
    flags: Option<Vec<String>>,
    listener_path: Option<String>,
    listener_metadata: Option<String>,
    syscalls: Option<Vec<WireRule>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WireArch {
    architecture: String,
    sub_architectures: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WireRule {
    name: Option<String>,
    names: Option<Vec<String>>,
    action: String,
    errno_ret: Option<u32>,
    /// Podman's: the errno by name.
    errno: Option<String>,
    args: Option<Vec<WireArg>>,
    #[serde(rename = "comment")]
    _comment: Option<String>,
    #[serde(default)]
    includes: WireFilter,
    #[serde(default)]
    excludes: WireFilter,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WireArg {
    index: u32,
    value: u64,
    #[serde(default)]
    value_two: u64,
    op: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WireFilter {
    caps: Option<Vec<String>>,
    arches: Option<Vec<String>>,
    min_kernel: Option<String>,
}

/// Reads a profile, with its conditional parts decided.
///
/// # Errors
/// [`DockerProfileError`].
pub fn parse_docker_profile(json: &str, context: &DockerContext) -> Result<Profile, DockerProfileError> {
    let wire: Wire = serde_json::from_str(json)?;
    let mut rules = Vec::new();
    for (index, rule) in wire.syscalls.unwrap_or_default().into_iter().enumerate() {
        if included(&rule.includes, context)? && !excluded(&rule.excludes, context)? {
            rules.extend(convert(index, rule)?);
        }
    }
    let mut flags = Flags::default();
    for flag in wire.flags.unwrap_or_default() {
        flags.set(&flag)?;
    }
    let metadata = wire.listener_metadata.unwrap_or_default();
    let listener = wire.listener_path.filter(|path| !path.is_empty());
    Ok(Profile {
        default_action: action(&wire.default_action, wire.default_errno_ret, wire.default_errno)?,
        architectures: architectures(wire.architectures, wire.arch_map, context.native)?,
        flags,
        listener: listener.map(|path| Listener { path: path.into(), metadata }),
        rules,
    })
}

fn convert(index: usize, rule: WireRule) -> Result<Vec<Rule>, DockerProfileError> {
    let names =
        match (rule.name.filter(|name| !name.is_empty()), rule.names.filter(|names| !names.is_empty())) {
            (Some(name), None) => vec![name],
            (None, Some(names)) => names,
            _ => return Err(DockerProfileError::Names(index)),
        };
    let mut conditions = Vec::new();
    for arg in rule.args.unwrap_or_default() {
        conditions.push(Condition {
            index: ArgIndex::try_from(arg.index)?,
            comparison: Comparison::from_oci(&arg.op, arg.value, arg.value_two)?,
        });
    }
    Ok(Rule::from_oci(names, action(&rule.action, rule.errno_ret, rule.errno)?, conditions))
}

/// An errno's number wins over its name, as with Podman, which writes both.
fn action(name: &str, errno: Option<u32>, errno_name: Option<String>) -> Result<Action, DockerProfileError> {
    let by_name = match (errno, errno_name.filter(|name| !name.is_empty())) {
        (None, Some(name)) => Some(errno_number(&name).ok_or(DockerProfileError::Errno(name))?),
        _ => None,
    };
    Ok(Action::from_oci(name, errno.or(by_name))?)
}

/// The names that refusals are written with.
fn errno_number(name: &str) -> Option<u32> {
    let known = [
        ("EPERM", 1),
        ("ENOENT", 2),
        ("EACCES", 13),
        ("EINVAL", 22),
        ("ENOSYS", 38),
        ("EPROTONOSUPPORT", 93),
        ("EOPNOTSUPP", 95),
        ("ENOTSUP", 95),
        ("EAFNOSUPPORT", 97),
    ];
    known.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
}

fn architectures(
    listed: Option<Vec<String>>,
    map: Option<Vec<WireArch>>,
    native: Arch,
) -> Result<Vec<Arch>, DockerProfileError> {
    let listed = listed.unwrap_or_default();
    let map = map.unwrap_or_default();
    if !listed.is_empty() && !map.is_empty() {
        return Err(DockerProfileError::BothArchitectures);
    }
    let mut all = Vec::new();
    for name in listed {
        all.push(name.parse()?);
    }
    for entry in map {
        if entry.architecture.parse::<Arch>()? == native {
            all.push(native);
            for name in entry.sub_architectures.unwrap_or_default() {
                all.push(name.parse()?);
            }
        }
    }
    Ok(all)
}

/// Whether the rule is for such a container: all that it asks for is there.
fn included(filter: &WireFilter, context: &DockerContext) -> Result<bool, DockerProfileError> {
    let caps = filter.caps.iter().flatten().all(|name| has(name, context));
    let arches =
        filter.arches.as_ref().is_none_or(|arches| arches.is_empty() || names_native(arches, context));
    let kernel = match &filter.min_kernel {
        Some(version) => context.kernel >= kernel_version(version)?,
        None => true,
    };
    Ok(caps && arches && kernel)
}

/// Whether the rule is not for such a container: anything that it names is there.
fn excluded(filter: &WireFilter, context: &DockerContext) -> Result<bool, DockerProfileError> {
    let caps = filter.caps.iter().flatten().any(|name| has(name, context));
    let arches = filter.arches.as_ref().is_some_and(|arches| names_native(arches, context));
    let kernel = match &filter.min_kernel {
        Some(version) => context.kernel >= kernel_version(version)?,
        None => false,
    };
    Ok(caps || arches || kernel)
}

/// A capability that is not known here is one that the container does not have.
fn has(name: &str, context: &DockerContext) -> bool {
    name.parse::<Capability>().is_ok_and(|capability| context.capabilities.contains(capability))
}

/// Architectures by the names of Go.
fn names_native(arches: &[String], context: &DockerContext) -> bool {
    let native = match context.native {
        Arch::X86_64 => "amd64",
        Arch::Aarch64 => "arm64",
        Arch::X86 => "386",
        Arch::Arm => "arm",
        _ => return false,
    };
    arches.iter().any(|arch| arch == native)
}

fn kernel_version(text: &str) -> Result<(u32, u32), DockerProfileError> {
    let version = || {
        let (major, rest) = text.split_once('.')?;
        let minor = rest.split('.').next()?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    };
    version().ok_or_else(|| DockerProfileError::KernelVersion(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(capabilities: &[&str]) -> DockerContext {
        let capabilities = capabilities.iter().map(|name| name.parse::<Capability>().unwrap()).collect();
        DockerContext { native: Arch::X86_64, capabilities, kernel: (6, 18) }
    }

    const PROFILE: &str = r#"{
        "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
        "archMap": [
            {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]},
            {"architecture": "SCMP_ARCH_RISCV64", "subArchitectures": null}
        ],
        "syscalls": [
            {"names": ["read", "write"], "action": "SCMP_ACT_ALLOW", "args": null, "comment": "", "includes": {}, "excludes": {}},
            {"names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}},
            {"names": ["futex"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "9.1"}},
            {"names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
            {"names": ["clone"], "action": "SCMP_ACT_ALLOW",
             "args": [{"index": 0, "value": 2114060288, "op": "SCMP_CMP_MASKED_EQ"}],
             "excludes": {"caps": ["CAP_SYS_ADMIN"], "arches": ["s390", "s390x"]}},
            {"names": ["cacheflush"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["arm", "arm64"]}},
            {"names": ["arch_prctl"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["amd64", "x32"]}},
            {"names": ["socket"], "action": "SCMP_ACT_ERRNO", "errnoRet": 22, "errno": "EINVAL",
             "args": [{"index": 0, "value": 16, "valueTwo": 0, "op": "SCMP_CMP_EQ"},
                      {"index": 2, "value": 9, "valueTwo": 0, "op": "SCMP_CMP_EQ"}]},
            {"name": "kill", "action": "SCMP_ACT_ERRNO", "errno": "ENOSYS"}
        ]
    }"#;

    fn names(profile: &Profile) -> Vec<&str> {
        profile.rules.iter().flat_map(|rule| &rule.names).map(String::as_str).collect()
    }

    #[test]
    fn conditions_on_capabilities_kernel_and_machine_are_decided() {
        let plain = parse_docker_profile(PROFILE, &context(&[])).unwrap();
        assert_eq!(names(&plain), ["read", "write", "ptrace", "clone", "arch_prctl", "socket", "kill"]);
        assert_eq!(plain.architectures, [Arch::X86_64, Arch::X86, Arch::X32]);
        assert_eq!(plain.default_action, Action::Errno(38));
        assert_eq!(plain.rules.last().map(|rule| rule.action), Some(Action::Errno(38)));
        let admin = parse_docker_profile(PROFILE, &context(&["CAP_SYS_ADMIN"])).unwrap();
        assert_eq!(names(&admin), ["read", "write", "ptrace", "mount", "arch_prctl", "socket", "kill"]);
        let arm = DockerContext { native: Arch::Aarch64, ..context(&[]) };
        let arm = parse_docker_profile(PROFILE, &arm).unwrap();
        assert!(names(&arm).contains(&"cacheflush") && arm.architectures.is_empty());
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for bad in [
            "",
            "{}",
            r#"{"defaultAction": "SCMP_ACT_DANCE"}"#,
            r#"{"defaultAction": "SCMP_ACT_ALLOW", "sycalls": []}"#,
            r#"{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrno": "EFOO"}"#,
            r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"action": "SCMP_ACT_ALLOW"}]}"#,
            r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"name": "a", "names": ["b"], "action": "SCMP_ACT_ALLOW"}]}"#,
            r#"{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86"], "archMap": [{"architecture": "SCMP_ARCH_X86"}]}"#,
            r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"name": "a", "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "x"}}]}"#,
            r#"{"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_FLY"]}"#,
        ] {
            assert!(parse_docker_profile(bad, &context(&[])).is_err(), "{bad}");
        }
    }
}
