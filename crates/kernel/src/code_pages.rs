//! Lets go of the pages of the program's own code that a long wait does not need.
#![allow(unsafe_code, reason = "the dynamic linker's list of segments has no safe wrapper")]

use std::ffi::c_void;

/// Unmaps every page of the program's read-only segments (code, constants) from this process. They stay in the page
/// cache; those that are needed again are mapped again at their next use. For a process that idles for hours this is
/// the difference between all that its start touched and the few pages of its loop.
pub fn release() {
    // SAFETY: the callback has the type that the function asks for, and does not use its data pointer.
    unsafe { libc::dl_iterate_phdr(Some(release_object), std::ptr::null_mut()) };
}

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
