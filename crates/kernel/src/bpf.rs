//! bpf(2), as far as a device filter of cgroup v2 needs it: load, attach, replace, find and read back programs of type
//! `BPF_PROG_TYPE_CGROUP_DEVICE`.
#![allow(unsafe_code, reason = "bpf(2) has no safe wrapper")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// One instruction of eBPF (`Documentation/bpf/standardization/instruction-set.rst`), laid out as the kernel takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Instruction {
    /// Operation and class.
    pub code: u8,
    /// Destination register in the low four bits, source register in the high four.
    pub registers: u8,
    /// Jump distance, or offset from a pointer.
    pub offset: i16,
    /// Immediate operand.
    pub immediate: i32,
}

// `enum bpf_cmd`, `enum bpf_prog_type`, `enum bpf_attach_type` and the attach flags of <linux/bpf.h>.
const PROG_LOAD: libc::c_int = 5;
const PROG_ATTACH: libc::c_int = 8;
const PROG_DETACH: libc::c_int = 9;
const PROG_GET_FD_BY_ID: libc::c_int = 13;
const OBJ_GET_INFO_BY_FD: libc::c_int = 15;
const PROG_QUERY: libc::c_int = 16;
const PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const ATTACH_CGROUP_DEVICE: u32 = 6;
const ALLOW_MULTI: u32 = 1 << 1;
const REPLACE: u32 = 1 << 2;

/// A member of `union bpf_attr`: only those are passed to the kernel.
///
/// # Safety
///
/// The type is `repr(C)` without padding, laid out as the kernel's structure for that command up to its size, and each
/// pointer in it points to as much memory as its length field says.
unsafe trait Attribute {}

#[repr(C)]
struct Load {
    program_type: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
    interface: u32,
    expected_attach_type: u32,
}
// SAFETY: as `<linux/bpf.h>` has it for BPF_PROG_LOAD; `load_device_program` fills both pointers from live buffers.
unsafe impl Attribute for Load {}

#[repr(C)]
#[derive(Default)]
struct Attach {
    target: u32,
    program: u32,
    attach_type: u32,
    flags: u32,
    replaced: u32,
}
// SAFETY: as `<linux/bpf.h>` has it for BPF_PROG_ATTACH and BPF_PROG_DETACH; it holds no pointer.
unsafe impl Attribute for Attach {}

#[repr(C)]
struct Query {
    target: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    program_ids: u64,
    program_count: u32,
    padding: u32,
}
// SAFETY: as `<linux/bpf.h>` has it for BPF_PROG_QUERY; `device_programs` passes a live buffer of `program_count` ids.
unsafe impl Attribute for Query {}

#[repr(C)]
struct ById {
    id: u32,
    next_id: u32,
    open_flags: u32,
}
// SAFETY: as `<linux/bpf.h>` has it for BPF_PROG_GET_FD_BY_ID; it holds no pointer.
unsafe impl Attribute for ById {}

#[repr(C)]
struct GetInfo {
    program: u32,
    info_length: u32,
    info: u64,
}
// SAFETY: as `<linux/bpf.h>` has it for BPF_OBJ_GET_INFO_BY_FD; `program_info` passes a live `Info` and its size.
unsafe impl Attribute for GetInfo {}

/// The head of `struct bpf_prog_info`.
#[repr(C)]
#[derive(Default)]
struct Info {
    program_type: u32,
    id: u32,
    tag: [u8; 8],
    jited_length: u32,
    translated_length: u32,
    jited: u64,
    translated: u64,
}

fn bpf(command: libc::c_int, attribute: &mut impl Attribute) -> io::Result<libc::c_int> {
    let size = size_of_val(attribute);
    // SAFETY: `Attribute` promises the layout that the command takes and the reach of its pointers; the kernel reads and
    // writes at most `size` bytes of it.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attribute), size) };
    if result == -1 {
        return Err(io::Error::last_os_error());
    }
    libc::c_int::try_from(result).map_err(io::Error::other)
}

/// A descriptor's number as the structures of bpf(2) have it.
fn number(descriptor: BorrowedFd<'_>) -> u32 {
    // A borrowed descriptor is never negative.
    descriptor.as_raw_fd().unsigned_abs()
}

fn owned(descriptor: libc::c_int) -> OwnedFd {
    let descriptor: RawFd = descriptor;
    // SAFETY: the kernel has just made this descriptor (close-on-exec) for this call, and nothing else owns it.
    unsafe { OwnedFd::from_raw_fd(descriptor) }
}

/// Loads a program that decides on device accesses. The kernel's verifier refuses what it cannot prove safe (EINVAL,
/// EACCES), and wants `CAP_BPF` (EPERM).
pub fn load_device_program(instructions: &[Instruction]) -> io::Result<OwnedFd> {
    let mut name = [0; 16];
    name[..9].copy_from_slice(b"cofferdam");
    let mut attribute = Load {
        program_type: PROG_TYPE_CGROUP_DEVICE,
        instruction_count: u32::try_from(instructions.len()).map_err(io::Error::other)?,
        instructions: instructions.as_ptr() as u64,
        license: c"Apache-2.0".as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log: 0,
        kernel_version: 0,
        flags: 0,
        name,
        interface: 0,
        expected_attach_type: ATTACH_CGROUP_DEVICE,
    };
    bpf(PROG_LOAD, &mut attribute).map(owned)
}

/// Attaches a device program to the cgroup v2 folder `group`, beside those that are there (each must allow an access),
/// or in the place of `replaced`, without a moment in which neither is in force.
pub fn attach_device_program(
    group: BorrowedFd<'_>,
    program: BorrowedFd<'_>,
    replaced: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    let mut attribute = Attach {
        target: number(group),
        program: number(program),
        attach_type: ATTACH_CGROUP_DEVICE,
        flags: ALLOW_MULTI | if replaced.is_some() { REPLACE } else { 0 },
        replaced: replaced.map_or(0, number),
    };
    bpf(PROG_ATTACH, &mut attribute).map(drop)
}

/// Takes a device program off the cgroup v2 folder `group`.
pub fn detach_device_program(group: BorrowedFd<'_>, program: BorrowedFd<'_>) -> io::Result<()> {
    let mut attribute = Attach {
        target: number(group),
        program: number(program),
        attach_type: ATTACH_CGROUP_DEVICE,
        ..Attach::default()
    };
    bpf(PROG_DETACH, &mut attribute).map(drop)
}

/// The ids of the device programs attached to the cgroup v2 folder `group` itself, in the order in which they run.
pub fn device_programs(group: BorrowedFd<'_>) -> io::Result<Vec<u32>> {
    // The kernel's own ceiling of programs for one group and attach type (BPF_CGROUP_MAX_PROGS).
    let mut ids = [0u32; 64];
    let mut attribute = Query {
        target: number(group),
        attach_type: ATTACH_CGROUP_DEVICE,
        query_flags: 0,
        attach_flags: 0,
        program_ids: ids.as_mut_ptr() as u64,
        program_count: 64,
        padding: 0,
    };
    bpf(PROG_QUERY, &mut attribute)?;
    let count = (attribute.program_count as usize).min(ids.len());
    Ok(ids[..count].to_vec())
}

/// Opens a loaded program (wants `CAP_SYS_ADMIN`).
pub fn program_by_id(id: u32) -> io::Result<OwnedFd> {
    bpf(PROG_GET_FD_BY_ID, &mut ById { id, next_id: 0, open_flags: 0 }).map(owned)
}

fn program_info(program: BorrowedFd<'_>, info: &mut Info) -> io::Result<()> {
    let mut attribute = GetInfo {
        program: number(program),
        info_length: u32::try_from(size_of::<Info>()).map_err(io::Error::other)?,
        info: std::ptr::from_mut(info) as u64,
    };
    bpf(OBJ_GET_INFO_BY_FD, &mut attribute).map(drop)
}

/// The instructions of a loaded program as the kernel has them after verification (it may have dropped dead code).
/// Empty if the caller may not see them.
pub fn instructions(program: BorrowedFd<'_>) -> io::Result<Vec<Instruction>> {
    let mut info = Info::default();
    program_info(program, &mut info)?;
    let count = info.translated_length as usize / size_of::<Instruction>();
    let mut instructions = vec![Instruction::default(); count];
    // A second call with room for exactly that many: the kernel fills no more than `translated_length` bytes.
    let mut info = Info {
        translated_length: info.translated_length,
        translated: instructions.as_mut_ptr() as u64,
        ..Info::default()
    };
    program_info(program, &mut info)?;
    // A null pointer means that the kernel withheld them.
    if info.translated == 0 {
        instructions.clear();
    }
    Ok(instructions)
}
