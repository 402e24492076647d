//! Where the process stands and what it runs.

use cofferdam_confinement::Plan;

use super::View;
use crate::judge::Judge;
use crate::observation::{Moment, Observation, OpenFile, PathState, Reading};

/// Whether the file is held through a mount that the container can reach from its root.
fn is_inside(plan: &Plan, observation: &Observation, open: &OpenFile) -> Reading<bool> {
    let mounts = observation.mounts.clone()?;
    if !mounts.iter().any(|mount| mount.id == open.mount) {
        return Ok(false);
    }
    if plan.namespaces.mount.is_new() {
        return Ok(true);
    }
    // A root within a mount of the host's: the mount alone does not tell on which side of the root a file is.
    let root = observation.files.clone()?.root?;
    Ok(open.link.starts_with(&root.link))
}

/// CVE-2024-21626: a working directory outside of the root is a door to the host.
pub(super) fn working_directory(view: &View<'_>, judge: &mut Judge) {
    let (plan, observation) = (view.plan, view.observation);
    let planned = &plan.process.cwd;
    let item = judge.whole();
    let cwd = observation.files.as_ref().map_err(Clone::clone).and_then(|files| files.cwd.clone());
    let known = cwd.and_then(|cwd| {
        let inside = is_inside(plan, observation, &cwd)?;
        Ok((cwd, inside))
    });
    match observation.moment {
        Moment::Start => {
            let item = item.planned(planned.as_str());
            let state = match observation.paths.get(planned) {
                Some(Ok(state)) => *state,
                Some(Err(why)) => return item.unknown(why.to_string()),
                None => return item.unknown("not read"),
            };
            match (known, state) {
                (Err(why), _) => item.unknown(why.to_string()),
                (Ok((cwd, inside)), PathState::Present { file, mount, .. })
                    if inside && (file, mount) == (cwd.file, cwd.mount) =>
                {
                    item.holds(cwd.link.display().to_string());
                }
                (Ok((cwd, true)), _) => item.differs(cwd.link.display().to_string()),
                (Ok((cwd, false)), _) => {
                    item.differs_because(cwd.link.display().to_string(), "outside of the container's root");
                }
            }
        }
        Moment::Verify => {
            let item = item.planned("within the root");
            match known {
                Err(why) => item.unknown(why.to_string()),
                Ok((cwd, true)) => item.holds(cwd.link.display().to_string()),
                Ok((cwd, false)) => {
                    item.differs_because(cwd.link.display().to_string(), "outside of the container's root");
                }
            }
        }
    }
}

/// CVE-2019-5736: a process that runs the host's runtime binary can write to it through `/proc/self/exe`.
pub(super) fn program(view: &View<'_>, judge: &mut Judge) {
    let (plan, observation) = (view.plan, view.observation);
    let item = judge.whole().planned("a file of the container, not the host's runtime");
    let read = observation.files.as_ref().map_err(Clone::clone).and_then(|files| {
        let exe = files.exe.clone()?;
        Ok((is_inside(plan, observation, &exe)?, observation.observer.exe.clone()?, exe))
    });
    match read {
        Err(why) => item.unknown(why.to_string()),
        Ok((true, _, exe)) => item.holds(exe.link.display().to_string()),
        Ok((false, _, exe)) if is_interpreter(observation, &exe) => {
            item.holds_with(exe.link.display().to_string(), "the plan's interpreter of the host");
        }
        Ok((false, runtime, exe)) if exe.file == runtime => {
            item.differs_because(exe.link.display().to_string(), "the host's runtime binary");
        }
        // A running container may execute a file without a name (memfd_create(2)).
        Ok((false, _, exe)) if observation.moment == Moment::Verify && is_nameless(&exe) => {
            item.holds_with(exe.link.display().to_string(), "a nameless file of the container's own");
        }
        Ok((false, _, exe)) => {
            item.differs_because(exe.link.display().to_string(), "outside of the container's root");
        }
    }
}

/// Whether a program is the one file of the host's that the plan has for programs of another processor.
pub(super) fn is_interpreter(observation: &Observation, exe: &OpenFile) -> bool {
    observation.observer.interpreter.as_ref().is_some_and(|known| known.as_ref() == Ok(&exe.file))
}

fn is_nameless(exe: &OpenFile) -> bool {
    exe.link.to_string_lossy().starts_with("/memfd:")
}
