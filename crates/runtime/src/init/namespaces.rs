//! Fills the new namespaces: root's id, clocks, links, names, kernel parameters.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use cofferdam_confinement::{Namespaces, Plan};
use cofferdam_kernel::credentials::{set_gid, set_groups, set_uid};
use cofferdam_kernel::link::bring_loopback_up;
use cofferdam_kernel::namespace::{Namespace, join, unshare};
use cofferdam_kernel::proc::ProcFs;
use rustix::fs::OFlags;

use crate::step::{Step, StepError};

/// Does everything that the namespaces need besides the mounts.
pub(super) fn enter(plan: &Plan, clocks: Option<&Clocks>) -> Result<(), StepError> {
    let namespaces = &plan.namespaces;
    if let Some(maps) = &namespaces.id_maps {
        Step::BecomeRoot.apply("", || {
            set_gid(0)?;
            set_uid(0)?;
            if maps.setgroups == cofferdam_confinement::Setgroups::Allow { set_groups(&[]) } else { Ok(()) }
        })?;
    }
    if namespaces.cgroup.is_new() {
        Step::CgroupNamespace.apply("", || unshare(Namespace::Cgroup))?;
    }
    if namespaces.time.is_new() {
        make_time_namespace(clocks)?;
    }
    if plan.loopback_up {
        Step::Loopback.apply("lo", bring_loopback_up)?;
    }
    if let Some(hostname) = &plan.hostname {
        Step::Hostname.apply(hostname, || Ok(rustix::system::sethostname(hostname.as_bytes())?))?;
    }
    if let Some(domainname) = &plan.domainname {
        Step::Hostname.apply(domainname, || Ok(rustix::system::setdomainname(domainname.as_bytes())?))?;
    }
    write_sysctls(plan)
}

/// The clock offsets of a new time namespace, and the open file that takes them.
pub(super) struct Clocks {
    file: OwnedFd,
    lines: String,
}

impl Clocks {
    /// Opens the file of offsets, if there are any. Of a process that is not dumpable it belongs to the host's root, and the
    /// root of a user namespace could not open it any more; whose offsets it takes is decided when it is written.
    pub(super) fn open(namespaces: &Namespaces) -> Result<Option<Self>, StepError> {
        let lines: String =
            [("monotonic", namespaces.monotonic_offset), ("boottime", namespaces.boottime_offset)]
                .into_iter()
                .filter_map(|(clock, offset)| Some((clock, offset?)))
                .map(|(clock, offset)| format!("{clock} {} {}\n", offset.secs, offset.nanosecs))
                .collect();
        if !namespaces.time.is_new() || lines.is_empty() {
            return Ok(None);
        }
        let file = Step::TimeNamespace.run("clock offsets", || {
            Ok(ProcFs::open()?.this_process()?.open_file("timens_offsets", OFlags::WRONLY)?)
        })?;
        Ok(Some(Self { file, lines }))
    }
}

/// The offsets can be written only while no process is in the namespace; the caller then moves in itself.
fn make_time_namespace(clocks: Option<&Clocks>) -> Result<(), StepError> {
    Step::TimeNamespace.apply("", || {
        unshare(Namespace::Time)?;
        if let Some(clocks) = clocks.filter(|_| !Step::TimeNamespace.is_left_out("offsets")) {
            rustix::io::write(&clocks.file, clocks.lines.as_bytes())?;
        }
        let children = rustix::fs::open(
            "/proc/self/ns/time_for_children",
            OFlags::RDONLY | OFlags::CLOEXEC,
            rustix::fs::Mode::empty(),
        )?;
        join(Namespace::Time, children.as_fd())
    })
}

/// Through the host's procfs, checked to be one (CVE-2025-52881); the kernel gives the view of the caller's namespaces.
fn write_sysctls(plan: &Plan) -> Result<(), StepError> {
    if plan.sysctls.is_empty() {
        return Ok(());
    }
    let proc = Step::Sysctl.run("/proc", || ProcFs::open().map_err(io::Error::from))?;
    for (name, value) in &plan.sysctls {
        Step::Sysctl.apply(format_args!("{name}={value}"), || Ok(proc.set_sysctl(name, value)?))?;
    }
    Ok(())
}
