//! What this host is and has, gathered for a plan.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use cofferdam_confinement::resources::NumberList;
use cofferdam_kernel::capability::CapSet;
use cofferdam_kernel::credentials::rlimit;
use cofferdam_kernel::version::kernel_version;
use cofferdam_policy::{CgroupMode, ContainerRequest, HostFacts, IdAllocation, IdRange};
use cofferdam_runtime::cgroup::Layout;

use crate::error::{Error, Result};

/// Looks at the host for a request. Cheap: it is done at each start.
pub(crate) fn gather_for(request: &ContainerRequest) -> Result<HostFacts> {
    let sets = &request.resources;
    let mut facts = gather()?;
    if sets.cpuset_cpus.is_some() || sets.cpuset_mems.is_some() {
        facts.online_cpus = online("/sys/devices/system/cpu/online");
        facts.online_mems = online("/sys/devices/system/node/online");
    }
    Ok(facts)
}

/// A list of numbers; none where the kernel has no such list, as one without memory nodes.
fn online(file: &str) -> Option<NumberList> {
    NumberList::try_from(std::fs::read_to_string(file).ok()?).ok()
}

pub(crate) fn gather() -> Result<HostFacts> {
    let uid = rustix::process::geteuid().as_raw();
    let rootless = uid != 0;
    let (cgroup_mode, cgroup_controllers, cgroup_delegated) = cgroups(uid);
    let nofile = "nofile".parse().map_err(std::io::Error::other).and_then(rlimit);
    let (_, nofile_hard) = nofile.map_err(|source| Error::io("read", "the limit of open files", source))?;
    let machine = rustix::system::sysinfo();
    Ok(HostFacts {
        kernel: kernel_version(),
        cgroup_mode,
        cgroup_controllers,
        cgroup_delegated,
        lsms: security_modules(),
        rootless,
        uid,
        gid: rustix::process::getegid().as_raw(),
        capabilities: permitted_capabilities(),
        nofile_hard,
        oom_score_adj: own_oom_score(),
        cpus: std::thread::available_parallelism()
            .map_or(1, |count| u32::try_from(count.get()).unwrap_or(u32::MAX)),
        online_cpus: None,
        online_mems: None,
        memory: u64::from(machine.mem_unit).saturating_mul(machine.totalram),
        tools: if rootless { tools() } else { BTreeSet::new() },
        tun: rootless && File::options().read(true).write(true).open(cofferdam_rootless::TUN).is_ok(),
        lowest_port: if rootless { lowest_port() } else { 0 },
    })
}

fn cgroups(uid: u32) -> (CgroupMode, BTreeSet<String>, bool) {
    let Ok(layout) = Layout::detect() else { return (CgroupMode::None, BTreeSet::new(), false) };
    let mode = if layout.is_v2() { CgroupMode::V2 } else { CgroupMode::V1 };
    let names = |layout: &Layout| {
        let hierarchies = layout.hierarchies().iter();
        hierarchies
            .flat_map(|hierarchy| hierarchy.controllers())
            .map(|known| known.name().to_owned())
            .collect()
    };
    // An ordinary user has only what was delegated on v2; v1 has no safe delegation.
    if uid == 0 || (layout.is_v2() && layout.is_usable()) {
        return (mode, names(&layout), true);
    }
    (mode, BTreeSet::new(), false)
}

/// The list of securityfs; a host that has not mounted it shows SELinux and AppArmor in their own places.
fn security_modules() -> Vec<String> {
    if let Ok(list) = std::fs::read_to_string("/sys/kernel/security/lsm") {
        return list.trim().split(',').map(str::to_owned).collect();
    }
    let apparmor = std::fs::read_to_string("/sys/module/apparmor/parameters/enabled");
    let found = [
        ("apparmor", apparmor.is_ok_and(|text| text.trim() == "Y")),
        ("selinux", Path::new("/sys/fs/selinux/enforce").exists()),
    ];
    found.into_iter().filter(|(_, active)| *active).map(|(name, _)| name.to_owned()).collect()
}

fn permitted_capabilities() -> CapSet {
    rustix::thread::capabilities(None).map_or(CapSet::EMPTY, |sets| CapSet::from_bits(sets.permitted.bits()))
}

fn own_oom_score() -> i32 {
    std::fs::read_to_string("/proc/self/oom_score_adj")
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(0)
}

/// The programs that an ordinary user's start may need, where the search path has them.
fn tools() -> BTreeSet<String> {
    let all = ["newuidmap", "newgidmap", "pasta"];
    all.into_iter().filter(|name| tool(name).is_some()).map(str::to_owned).collect()
}

/// A program's file, where the search path has it.
pub(crate) fn tool(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found = std::env::split_paths(&path).map(|folder| folder.join(name));
    found.find(|file| file.is_absolute() && file.is_file())
}

/// The lowest port at which programs without rights may listen (Documentation/networking/ip-sysctl.rst).
fn lowest_port() -> u16 {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    text.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(1024)
}

/// The ids for a container of an ordinary user: its subordinate ranges where newuidmap(1) can map them, its own id
/// otherwise.
pub(crate) fn own_ids(host: &HostFacts) -> IdAllocation {
    if host.tools.contains("newuidmap") && host.tools.contains("newgidmap") {
        let name = user_name(host.uid);
        let uids = ranges("/etc/subuid", host.uid, name.as_deref());
        let gids = ranges("/etc/subgid", host.uid, name.as_deref());
        if !uids.is_empty() && !gids.is_empty() {
            return IdAllocation::Subordinate { uids, gids };
        }
    }
    IdAllocation::OwnId
}

fn user_name(uid: u32) -> Option<String> {
    let passwd = std::fs::read_to_string("/etc/passwd").ok()?;
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

/// The lines of a user in subuid(5): `name or uid:first:count`.
fn ranges(file: &str, uid: u32, name: Option<&str>) -> Vec<IdRange> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let range = |line: &str| {
        let mut fields = line.split(':');
        let owner = fields.next()?;
        let owned = Some(owner) == name || owner.parse() == Ok(uid);
        let range =
            IdRange { first: fields.next()?.parse().ok()?, size: fields.next()?.trim().parse().ok()? };
        owned.then_some(range)
    };
    text.lines().filter_map(range).collect()
}
