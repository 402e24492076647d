//! Takes on the container's user, groups and capabilities, and gives up everything else, in the one order that works.

use std::os::fd::AsFd;

use cofferdam_confinement::{Process, Setgroups};
use cofferdam_kernel::credentials::{
    ThreadSets, keep_capabilities, limit_bounding_set, set_ambient, set_capabilities, set_gid, set_groups,
    set_no_new_privileges, set_uid,
};
use rustix::fs::Mode;
use rustix::process::{Signal, set_parent_process_death_signal};

use super::filter::Filter;
use crate::channel::{Channel, Message};
use crate::start::Supervision;
use crate::step::{Step, StepError};

/// Becomes the plan's user with the plan's capabilities.
///
/// - The bounding set first: it cannot be limited without CAP_SETPCAP.
/// - The death signal after the change of user, which clears it (prctl(2), `PR_SET_PDEATHSIG`).
pub(crate) fn take_on(
    process: &Process,
    setgroups: Option<Setgroups>,
    supervision: Supervision,
) -> Result<(), StepError> {
    let sets = &process.capabilities;
    let user = &process.user;
    Step::Credentials.apply("umask", || {
        rustix::process::umask(Mode::from_raw_mode(user.umask.unwrap_or(0o022)));
        Ok(())
    })?;
    Step::Credentials.apply("bounding set", || limit_bounding_set(sets.bounding))?;
    Step::Credentials.apply("keep capabilities", keep_capabilities)?;
    if setgroups != Some(Setgroups::Deny) {
        Step::Credentials.apply("supplementary groups", || set_groups(&user.additional_gids))?;
    }
    Step::Credentials.apply(format_args!("group {}", user.gid), || set_gid(user.gid))?;
    Step::Credentials.apply(format_args!("user {}", user.uid), || set_uid(user.uid))?;
    Step::Credentials.apply("capability sets", || {
        set_capabilities(ThreadSets {
            effective: sets.effective,
            permitted: sets.permitted,
            inheritable: sets.inheritable,
        })
    })?;
    Step::Credentials.apply("ambient set", || set_ambient(sets.ambient))?;
    if supervision == Supervision::DieWithParent {
        Step::Credentials
            .apply("death signal", || Ok(set_parent_process_death_signal(Some(Signal::KILL))?))?;
    }
    Ok(())
}

/// When the filter is installed. Without `no_new_privs` that needs CAP_SYS_ADMIN, so it comes before the change of
/// user, and the filter must allow what is done after it; with it, it comes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    BeforeCredentials,
    AfterCredentials,
}

/// Sets `no_new_privs` and installs the filter, if this is the moment for it; a listener is sent to the parent side, to which
/// the filter is shown before if it asks for that.
pub(crate) fn seal(
    process: &Process,
    filter: &Filter,
    now: Moment,
    channel: &Channel,
    shows_filter: bool,
) -> Result<(), StepError> {
    let when = if process.no_new_privileges { Moment::AfterCredentials } else { Moment::BeforeCredentials };
    if now != when {
        return Ok(());
    }
    if process.no_new_privileges {
        Step::NoNewPrivileges.apply("", set_no_new_privileges)?;
    }
    match filter.install(shows_filter.then_some(channel))? {
        None => Ok(()),
        Some(listener) => {
            Step::Seccomp.run("listener", || channel.send(&Message::SeccompListener, &[listener.as_fd()]))
        }
    }
}
