//! Ids, capability sets and resource limits of the calling process, which has one thread.
#![allow(
    unsafe_code,
    reason = "setgroups and prlimit take arrays and structs that rustix has no raw door for"
)]

use std::io;

use rustix::process::{Gid, Pid, Uid};
use rustix::thread::{CapabilitiesSecureBits, CapabilitySet, CapabilitySets};

use crate::capability::CapSet;
use crate::rlimit::Resource;

/// The three sets that capset(2) takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the kernel's")]
pub struct ThreadSets {
    pub effective: CapSet,
    pub permitted: CapSet,
    pub inheritable: CapSet,
}

/// Whether this process is root, and of the machine's own user namespace: root of another one may do less (give files to ids
/// that it has not got, mount what lies on disks, write `trusted.` attributes). Where procfs does not tell, root counts as the
/// machine's.
#[must_use]
pub fn is_root_of_host() -> bool {
    rustix::process::geteuid().is_root()
        && std::fs::read_to_string("/proc/self/uid_map")
            .map_or(true, |map| map.split_ascii_whitespace().eq(["0", "0", "4294967295"]))
}

/// Sets real, effective and saved user.
pub fn set_uid(uid: u32) -> io::Result<()> {
    let uid = Uid::from_raw(uid);
    Ok(rustix::thread::set_thread_res_uid(uid, uid, uid)?)
}

/// Sets real, effective and saved group.
pub fn set_gid(gid: u32) -> io::Result<()> {
    let gid = Gid::from_raw(gid);
    Ok(rustix::thread::set_thread_res_gid(gid, gid, gid)?)
}

/// Sets the supplementary groups.
pub fn set_groups(groups: &[u32]) -> io::Result<()> {
    let groups: Vec<Gid> = groups.iter().map(|&gid| Gid::from_raw(gid)).collect();
    Ok(rustix::thread::set_thread_groups(&groups)?)
}

/// Keeps permitted capabilities over the next change of user (prctl(2), `PR_SET_KEEPCAPS`).
pub fn keep_capabilities() -> io::Result<()> {
    Ok(rustix::thread::set_keep_capabilities(true)?)
}

/// Sets effective, permitted and inheritable.
pub fn set_capabilities(sets: ThreadSets) -> io::Result<()> {
    let bits = |set: CapSet| CapabilitySet::from_bits_retain(set.bits());
    let sets = CapabilitySets {
        effective: bits(sets.effective),
        permitted: bits(sets.permitted),
        inheritable: bits(sets.inheritable),
    };
    Ok(rustix::thread::set_capabilities(None, sets)?)
}

/// Drops everything that is not in `keep` from the bounding set, also capabilities that this code has no name for.
pub fn limit_bounding_set(keep: CapSet) -> io::Result<()> {
    for number in 0..64u32 {
        if keep.bits() & (1 << number) != 0 {
            continue;
        }
        // SAFETY: this prctl takes plain numbers only.
        let result = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(number), 0, 0, 0) };
        if result != 0 {
            let error = io::Error::last_os_error();
            // EINVAL: past the last capability of this kernel.
            return if error.raw_os_error() == Some(libc::EINVAL) { Ok(()) } else { Err(error) };
        }
    }
    Ok(())
}

/// Makes the ambient set exactly `wanted`; each must be permitted and inheritable.
pub fn set_ambient(wanted: CapSet) -> io::Result<()> {
    rustix::thread::clear_ambient_capability_set()?;
    for capability in wanted.iter() {
        let (raise, number) = (libc::PR_CAP_AMBIENT_RAISE, libc::c_ulong::from(capability.number()));
        // SAFETY: this prctl takes plain numbers only.
        let result = unsafe { libc::prctl(libc::PR_CAP_AMBIENT, raise as libc::c_ulong, number, 0, 0) };
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// No set-user-ID program and no file capability adds rights from here on.
pub fn set_no_new_privileges() -> io::Result<()> {
    Ok(rustix::thread::set_no_new_privs(true)?)
}

/// Files that the calling thread makes from here on belong to this user and group (setfsuid(2)), on file systems that have no
/// number for its own. It keeps its capabilities (`SECBIT_NO_SETUID_FIXUP`), and its user for every other purpose.
pub fn make_files_as(uid: u32, gid: u32) -> io::Result<()> {
    rustix::thread::set_capabilities_secure_bits(secure_bits()? | CapabilitiesSecureBits::NO_SETUID_FIXUP)?;
    // SAFETY: both calls take plain numbers.
    let now = unsafe {
        libc::setfsgid(gid);
        libc::setfsuid(uid);
        // They answer the id before, and no error: a second look tells.
        (libc::setfsuid(u32::MAX), libc::setfsgid(u32::MAX))
    };
    if (u32::try_from(now.0), u32::try_from(now.1)) == (Ok(uid), Ok(gid)) {
        Ok(())
    } else {
        Err(io::Error::new(io::ErrorKind::PermissionDenied, "the kernel keeps the file system ids"))
    }
}

/// The securebits of the calling thread, raw.
pub fn secure_bits() -> io::Result<CapabilitiesSecureBits> {
    Ok(rustix::thread::capabilities_secure_bits()?)
}

/// Sets a limit of a process (`None`: the caller); `u64::MAX` is "unlimited".
pub fn set_rlimit(pid: Option<Pid>, resource: Resource, soft: u64, hard: u64) -> io::Result<()> {
    let limit = libc::rlimit64 { rlim_cur: soft, rlim_max: hard };
    let pid = pid.map_or(0, |pid| pid.as_raw_nonzero().get());
    // SAFETY: `limit` is live for the call, and the old value is not asked for.
    let result = unsafe {
        libc::syscall(
            libc::SYS_prlimit64,
            pid,
            libc::c_int::from(resource.number()),
            &raw const limit,
            std::ptr::null_mut::<libc::rlimit64>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The soft and hard limit of the calling process.
pub fn rlimit(resource: Resource) -> io::Result<(u64, u64)> {
    let mut limit = libc::rlimit64 { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is live for the call and of the size that the kernel writes.
    let result = unsafe {
        libc::syscall(
            libc::SYS_prlimit64,
            0,
            libc::c_int::from(resource.number()),
            std::ptr::null::<libc::rlimit64>(),
            &raw mut limit,
        )
    };
    if result == 0 { Ok((limit.rlim_cur, limit.rlim_max)) } else { Err(io::Error::last_os_error()) }
}
