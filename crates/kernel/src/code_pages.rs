//! Lets go of the pages of the program's own code and stack that a long wait does not need.
#![allow(unsafe_code, reason = "the dynamic linker's list of segments has no safe wrapper")]

use std::ffi::c_void;

/// Unmaps every page of the program's read-only segments (code, constants) from this process. They stay in the page
/// cache; those that are needed again are mapped again at their next use. For a process that idles for hours this is
/// the difference between all that its start touched and the few pages of its loop.
pub fn release() {
    // SAFETY: the callback has the type that the function asks for, and does not use its data pointer.
    unsafe { libc::dl_iterate_phdr(Some(release_object), std::ptr::null_mut()) };
}

/// Gives back the pages of the first thread's stack that earlier, deeper calls have touched. Any other thread's is left alone: it
/// may be shorter.
#[inline(never)]
pub fn release_stack() {
    if rustix::thread::gettid() != rustix::process::getpid() {
        return;
    }
    let here = 0_u8;
    let end = (&raw const *std::hint::black_box(&here) as usize).saturating_sub(KEPT) & !(PAGE - 1);
    // SAFETY: this function has a frame of its own, which is the deepest. The stack grows downwards, so that nothing lives in these
    // pages: they are further below than this frame and the system call's wrapper go. They are the stack's own: it is longer than
    // that from the start, and the kernel keeps other mappings away from its end (stack_guard_gap).
    unsafe { libc::madvise((end - RELEASED) as *mut c_void, RELEASED, libc::MADV_DONTNEED) };
}

/// How far below a frame the stack is left alone.
const KEPT: usize = 1024;
/// How much below that is given back: within what the kernel makes of a stack at an exec (128 kB).
const RELEASED: usize = 96 * 1024;

/// # Safety
/// `info` points to the description of a loaded object, as `dl_iterate_phdr` gives it.
unsafe extern "C" fn release_object(
    info: *mut libc::dl_phdr_info,
    _size: libc::size_t,
    _data: *mut c_void,
) -> libc::c_int {
    // SAFETY: the caller's promise; nothing writes to it meanwhile.
    let info = unsafe { &*info };
    if info.dlpi_phdr.is_null() {
        return 0;
    }
    // SAFETY: `dlpi_phdr` points to `dlpi_phnum` program headers of the loaded object, which stays loaded.
    let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
    for header in headers {
        if header.p_type != libc::PT_LOAD || header.p_flags & libc::PF_W != 0 {
            continue;
        }
        let (Ok(start), Ok(size)) = (usize::try_from(header.p_vaddr), usize::try_from(header.p_memsz)) else {
            continue;
        };
        let Ok(base) = usize::try_from(info.dlpi_addr) else { continue };
        let begin = (base + start) & !(PAGE - 1);
        let length = base + start + size - begin;
        // SAFETY: the range is one segment that was mapped from the program's file, privately and not writable: no page
        // of it was ever changed (there are no relocations in code), so each is the same when it is read in again.
        // The kernel gives pages of its vDSO back in the same way.
        unsafe { libc::madvise(begin as *mut c_void, length, libc::MADV_DONTNEED) };
    }
    0
}

/// Smallest page of the architectures that there are programs for; segments are aligned to at least one.
const PAGE: usize = 4096;

#[cfg(test)]
mod tests {
    #[test]
    fn code_and_constants_are_there_again_when_they_are_used() {
        let text = String::from("constants") + " and code";
        super::release();
        assert_eq!(text, "constants and code");
    }
}
