//! An OCI bundle's configuration becomes a plan, once; nothing behind this module reads a raw specification.
//!
//! Where the specification is silent, what runc does is followed, because bundles are written against it. Where the
//! specification or a caller asks for something that cannot be enforced here, the answer is an error, never a shrug.

mod bundle;
mod default_spec;
mod devices;
mod error;
mod features;
mod hooks;
mod memory_policy;
mod mount_option;
mod mounts;
mod namespaces;
mod process;
mod resources;
mod seccomp;
mod sysctl;

use std::path::Path;

use cofferdam_confinement::{
    Cgroup, CgroupPath, NamespaceSource, Namespaces, PivotMethod, Plan, Propagation, Root, RootSource,
    SCHEMA_VERSION,
};
use cofferdam_names::ContainerId;
use cofferdam_wire_oci as wire;

pub use bundle::{BundleError, DocumentError, load, read_document};
pub use default_spec::{SpecFor, default_spec};
pub use error::ConfigError;
use error::at;
pub use features::features;
use mounts::MountContext;
pub use process::process;
pub use resources::{resources, resources_update};

/// Who asks for the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// The host's root, or root of a user namespace that was set up for it.
    Privileged,
    /// Someone who needs a user namespace to do anything, with these ids.
    #[allow(missing_docs, reason = "said above")]
    Rootless { uid: u32, gid: u32 },
}

impl Caller {
    /// Whether there are no privileges over the host.
    #[must_use]
    pub fn is_rootless(self) -> bool {
        matches!(self, Self::Rootless { .. })
    }
}

/// What a runtime's command line adds to a bundle.
#[derive(Debug, Clone, Copy)]
pub struct BundleOptions<'a> {
    /// The bundle's folder, absolute.
    pub bundle: &'a Path,
    /// Who asks.
    pub caller: Caller,
    /// `--no-pivot`
    pub no_pivot: bool,
    /// `--no-new-keyring`
    pub no_new_keyring: bool,
}

/// A plan, and what its author should hear about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Converted {
    /// The plan.
    pub plan: Plan,
    /// Things that the specification lets a runtime go on with.
    pub warnings: Vec<String>,
}

/// Makes the plan for a configuration.
///
/// # Errors
/// If a property cannot be used; with its path, the reason and what to do.
pub fn plan(
    container: ContainerId,
    spec: &wire::Spec,
    options: &BundleOptions<'_>,
) -> Result<Converted, ConfigError> {
    check_version(&spec.oci_version)?;
    if spec.vm.is_some() {
        return Err(ConfigError::new(
            "vm",
            "this runtime isolates processes; virtual machines are not supported",
        ));
    }
    let default_linux = wire::Linux::default();
    let linux = spec.linux.as_ref().unwrap_or(&default_linux);
    refuse_unsupported(linux)?;
    let mut warnings = Vec::new();
    let caller = options.caller;
    let namespaces = namespaces::namespaces(linux, caller)?;
    check_dependencies(spec, linux, &namespaces)?;
    let Some(wire_process) = &spec.process else {
        return Err(ConfigError::new(
            "process",
            "process property must not be empty: there is nothing to run",
        ));
    };
    let seccomp = linux.seccomp.as_ref().map(seccomp::seccomp).transpose()?;
    let process = process("process", wire_process, namespaces.id_maps.as_ref(), seccomp, &mut warnings)?;
    let root = root(spec, linux, &namespaces, options)?;
    let RootSource::Directory { path: root_path } = &root.source else {
        return Err(ConfigError::new("root.path", "it is no folder"));
    };
    let context = MountContext {
        bundle: options.bundle,
        root: root_path,
        user_namespace: namespaces.user != NamespaceSource::Host,
        rootless: caller.is_rootless(),
        label: &linux.mount_label,
    };
    let mounts = mounts::mounts(&spec.mounts, &context, &mut warnings)?;
    let cgroup = cgroup(&container, linux, &namespaces, &mounts, &process, caller, &mut warnings)?;
    let net_devices = devices::net_devices(&linux.net_devices, &namespaces, caller.is_rootless())?;
    let devices = devices::with_defaults(&linux.devices, &mounts)?;
    let plan = Plan {
        schema: SCHEMA_VERSION,
        container,
        zone: None,
        root,
        mounts,
        devices,
        masked_paths: mounts::paths("linux.maskedPaths", &linux.masked_paths)?,
        readonly_paths: mounts::paths("linux.readonlyPaths", &linux.readonly_paths)?,
        hostname: uts_name("hostname", &spec.hostname)?,
        domainname: uts_name("domainname", &spec.domainname)?,
        sysctls: sysctl::sysctls(&linux.sysctl, &namespaces)?,
        loopback_up: namespaces.network.is_new(),
        network: None,
        net_devices,
        session_keyring: !options.no_new_keyring,
        personality: personality(linux)?,
        memory_policy: linux.memory_policy.as_ref().map(memory_policy::memory_policy).transpose()?,
        cgroup,
        process,
        hooks: hooks::hooks(spec.hooks.as_ref())?,
        annotations: spec.annotations.clone(),
        namespaces,
    };
    Ok(Converted { plan, warnings })
}

/// Version 1 in any minor version: a later one only adds properties, and unknown properties are skipped by rule.
fn check_version(version: &str) -> Result<(), ConfigError> {
    let refuse = |problem: &str| Err(ConfigError::new("ociVersion", format!("{version:?}: {problem}")));
    let core = version.split(['-', '+']).next().unwrap_or_default();
    let numbers: Vec<&str> = core.split('.').collect();
    let number = |text: &&str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if numbers.len() != 3 || !numbers.iter().all(number) {
        return refuse("not a version such as 1.0.2");
    }
    if numbers[0] != "1" {
        return refuse("unsupported: this runtime reads version 1 of the OCI runtime specification");
    }
    Ok(())
}

/// Controls that this runtime cannot put in force.
fn refuse_unsupported(linux: &wire::Linux) -> Result<(), ConfigError> {
    if linux.intel_rdt.is_some() {
        return Err(ConfigError::new(
            "linux.intelRdt",
            "limits of cache and memory bandwidth (resctrl) are not supported: remove the property",
        ));
    }
    Ok(())
}

/// Properties that ask for a namespace of the container's own.
fn check_dependencies(
    spec: &wire::Spec,
    linux: &wire::Linux,
    namespaces: &Namespaces,
) -> Result<(), ConfigError> {
    if namespaces.uts == NamespaceSource::Host {
        for (field, text) in [("hostname", &spec.hostname), ("domainname", &spec.domainname)] {
            if !text.is_empty() {
                return Err(ConfigError::new(
                    field,
                    format!(
                        "unable to set {field} without a private UTS namespace: it would rename the host"
                    ),
                ));
            }
        }
    }
    if namespaces.mount == NamespaceSource::Host {
        for (field, paths) in
            [("linux.maskedPaths", &linux.masked_paths), ("linux.readonlyPaths", &linux.readonly_paths)]
        {
            if !paths.is_empty() {
                return Err(ConfigError::new(
                    field,
                    "unable to restrict sys entries without a private MNT namespace: they would be covered on the host",
                ));
            }
        }
        // What runc makes of such a container: mounts on the host, which stay when it is gone.
        return Err(ConfigError::new(
            "linux.namespaces",
            "the container's mounts would be made on the host, and stay there: add {\"type\": \"mount\"}",
        ));
    }
    Ok(())
}

fn uts_name(field: &str, text: &str) -> Result<Option<String>, ConfigError> {
    // __NEW_UTS_LEN
    if text.len() > 64 || text.contains('\0') {
        return Err(ConfigError::new(field, "it has at most 64 bytes and no NUL"));
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

fn root(
    spec: &wire::Spec,
    linux: &wire::Linux,
    namespaces: &Namespaces,
    options: &BundleOptions<'_>,
) -> Result<Root, ConfigError> {
    let Some(root) = &spec.root else {
        return Err(ConfigError::new("root", "root must be specified: it names the container's files"));
    };
    if root.path.is_empty() {
        return Err(ConfigError::new("root.path", "missing: it names the folder of the container's files"));
    }
    mounts::no_nul("root.path", &root.path)?;
    let propagation = propagation(linux.rootfs_propagation);
    let pivot = match (&namespaces.mount, options.no_pivot) {
        (NamespaceSource::Host, _) => PivotMethod::Chroot,
        (_, true) => PivotMethod::MoveMount,
        (_, false) => PivotMethod::PivotRoot,
    };
    if pivot == PivotMethod::MoveMount
        && matches!(propagation, Some(Propagation::Private | Propagation::Rprivate))
    {
        return Err(ConfigError::new(
            "linux.rootfsPropagation",
            "rootfsPropagation of [r]private is not safe without pivot_root: leave --no-pivot out",
        ));
    }
    Ok(Root {
        source: RootSource::Directory { path: options.bundle.join(&root.path) },
        readonly: root.readonly,
        // Mount events of the host reach the container's copies, and never the other way round.
        propagation: propagation.unwrap_or(Propagation::Rslave),
        pivot,
    })
}

fn propagation(wire: Option<wire::RootfsPropagation>) -> Option<Propagation> {
    use wire::RootfsPropagation as P;
    Some(match wire? {
        P::Unset => return None,
        P::Private => Propagation::Private,
        P::Rprivate => Propagation::Rprivate,
        P::Slave => Propagation::Slave,
        P::Rslave => Propagation::Rslave,
        P::Shared => Propagation::Shared,
        P::Rshared => Propagation::Rshared,
        P::Unbindable => Propagation::Unbindable,
        P::Runbindable => Propagation::Runbindable,
    })
}

fn personality(linux: &wire::Linux) -> Result<Option<u64>, ConfigError> {
    let Some(personality) = &linux.personality else { return Ok(None) };
    if !personality.flags.is_empty() {
        return Err(ConfigError::new(
            "linux.personality.flags",
            "the specification names no flag, so none can be set: remove the list",
        ));
    }
    // <linux/personality.h>: PER_LINUX, PER_LINUX32.
    Ok(Some(match personality.domain {
        wire::PersonalityDomain::Linux => 0,
        wire::PersonalityDomain::Linux32 => 8,
    }))
}

fn cgroup(
    container: &ContainerId,
    linux: &wire::Linux,
    namespaces: &Namespaces,
    mounts: &[cofferdam_confinement::Mount],
    process: &cofferdam_confinement::Process,
    caller: Caller,
    warnings: &mut Vec<String>,
) -> Result<Cgroup, ConfigError> {
    let mut limits = match &linux.resources {
        Some(wire) => resources("linux.resources", wire, warnings)?,
        None => cofferdam_confinement::resources::Resources::default(),
    };
    // Without privileges no device node can be made and no device filter loaded: file permissions decide alone.
    limits.devices =
        if caller.is_rootless() { Vec::new() } else { resources::with_default_devices(limits.devices) };
    let path = cgroup_path(container, &linux.cgroups_path, caller, &limits)?;
    let own_writable_tree = namespaces.cgroup.is_new()
        && mounts.iter().any(|mount| {
            mount.kind == cofferdam_confinement::MountKind::Cgroup
                && mount.target.as_str().trim_end_matches('/') == "/sys/fs/cgroup"
                && mount.flags.readonly != cofferdam_confinement::Flag::Set
        });
    let owner = match &namespaces.id_maps {
        Some(maps) => maps.host_uid(process.user.uid),
        None => None,
    };
    Ok(Cgroup { path, owner: owner.filter(|_| own_writable_tree), resources: limits })
}

fn cgroup_path(
    container: &ContainerId,
    text: &str,
    caller: Caller,
    limits: &cofferdam_confinement::resources::Resources,
) -> Result<Option<CgroupPath>, ConfigError> {
    let field = "linux.cgroupsPath";
    let text = if text.is_empty() {
        // A rootless container that asks for no limit stays where its caller is: it needs no group of its own.
        if caller.is_rootless() && *limits == cofferdam_confinement::resources::Resources::default() {
            return Ok(None);
        }
        format!("{}/{container}", CgroupPath::OWN_PARENT)
    } else if !text.contains('/') && text.matches(':').count() == 2 {
        return Err(ConfigError::new(
            field,
            format!(
                "{text:?} is of the systemd driver's form, and this runtime has only the cgroupfs driver: configure the caller for it"
            ),
        ));
    } else {
        clean(text).ok_or_else(|| {
            ConfigError::new(
                field,
                format!("{text:?} names the root of the hierarchy, not a group of the container's own"),
            )
        })?
    };
    CgroupPath::try_from(text).map(Some).map_err(at(field))
}

/// The path below the hierarchy's root without `.`, `..` and doubled slashes, taken as if it were rooted there (so that
/// `..` cannot leave it); none for the root itself. A relative path is of the runtime's choice, and this is ours.
fn clean(text: &str) -> Option<String> {
    let mut parts: Vec<&str> = if text.starts_with('/') { Vec::new() } else { vec![CgroupPath::OWN_PARENT] };
    let floor = parts.len();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                if parts.len() > floor {
                    parts.pop();
                }
            }
            name => parts.push(name),
        }
    }
    (parts.len() > floor).then(|| parts.join("/"))
}
