//! `RUN --mount` with its defaults.

use super::steps::{CacheBase, SecretUse, StepMount, StepMountKind, TreeRef};
use crate::dockerfile::{BuildMount, MountType, Problem};

/// File systems that the container's own plan mounts after the build's: what lay below would be hidden.
const KERNELS: [&str; 3] = ["/dev", "/proc", "/sys"];

fn refuse(rule: impl Into<String>) -> Problem {
    Problem::BadFlag { instruction: "RUN", flag: "mount".to_owned(), rule: rule.into() }
}

/// The mount of a step. `expand` replaces variables, `workdir` is where relative targets begin, `tree` finds what `from` names.
pub(super) fn step_mount(
    mount: &BuildMount,
    number: usize,
    expand: &dyn Fn(&str) -> Result<String, Problem>,
    absolute: &dyn Fn(&str) -> String,
    tree: &dyn Fn(Option<&str>) -> TreeRef,
) -> Result<StepMount, Problem> {
    let text = |field: &Option<String>| field.as_deref().map(expand).transpose();
    let (target, source, id) = (text(&mount.target)?, text(&mount.source)?, text(&mount.id)?);
    let mut target = target.map(|target| absolute(&target));
    let (uid, gid) = (mount.uid.unwrap_or(0), mount.gid.unwrap_or(0));
    let kind = match mount.kind {
        MountType::Bind => StepMountKind::Bind {
            from: tree(mount.from.as_deref()),
            source: source.unwrap_or_else(|| "/".to_owned()),
            readonly: mount.readonly.unwrap_or(true),
        },
        MountType::Cache => {
            if mount.from.is_none() && source.is_some() {
                return Err(refuse(
                    "source is a path in what from names, and a cache without from begins empty",
                ));
            }
            let base = mount.from.as_deref().map(|from| CacheBase {
                from: tree(Some(from)),
                source: source.unwrap_or_else(|| "/".to_owned()),
            });
            let id = id.or_else(|| target.clone()).unwrap_or_default();
            let mode = mount.mode.unwrap_or(0o755);
            let readonly = mount.readonly.unwrap_or(false);
            StepMountKind::Cache { id, base, sharing: mount.sharing, mode, uid, gid, readonly }
        }
        MountType::Tmpfs => StepMountKind::Tmpfs { size: mount.size },
        MountType::Secret => {
            let last = |target: &String| target.rsplit('/').next().unwrap_or_default().to_owned();
            let id = id.or(source).or_else(|| target.as_ref().map(last)).filter(|id| !id.is_empty());
            let id = id.ok_or_else(|| refuse("a secret needs an id or a target"))?;
            if target.is_none() && mount.env.is_none() {
                target = Some(format!("/run/secrets/{}", last(&id)));
            }
            let mode = mount.mode.unwrap_or(0o400);
            let (required, env) = (mount.required, mount.env.clone());
            StepMountKind::Secret(SecretUse { id, mode, uid, gid, required, env })
        }
        MountType::Ssh => {
            let id = id.unwrap_or_else(|| "default".to_owned());
            target = target.or_else(|| Some(format!("/run/buildkit/ssh_agent.{number}")));
            let mode = mount.mode.unwrap_or(0o600);
            StepMountKind::Ssh { id, required: mount.required, mode, uid, gid }
        }
    };
    if let Some(target) = &target {
        check_target(target)?;
    }
    Ok(StepMount { target, kind })
}

fn check_target(target: &str) -> Result<(), Problem> {
    if target == "/" {
        return Err(refuse("nothing can be mounted over the whole root"));
    }
    let below = |folder: &&&str| {
        target.strip_prefix(**folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    match KERNELS.iter().find(|folder| below(folder)) {
        Some(folder) => Err(refuse(format!("nothing of a build can be mounted below {folder}"))),
        None => Ok(()),
    }
}
