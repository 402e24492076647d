//! The loaded objects that the process consists of (dl_iterate_phdr(3)): the program first.
#![allow(unsafe_code, reason = "the dynamic linker's list of segments has no safe wrapper")]

use std::ffi::c_void;
use std::ops::ControlFlow;

/// Smallest page of the architectures that there are programs for; segments are aligned to at least one.
pub(crate) const PAGE: usize = 4096;

type Visit<'a> = &'a mut dyn FnMut(usize, &[libc::Elf64_Phdr]) -> ControlFlow<()>;

/// Shows each object's address and program headers, until it is told to stop.
pub(crate) fn each(mut visit: impl FnMut(usize, &[libc::Elf64_Phdr]) -> ControlFlow<()>) {
    let mut visit: Visit<'_> = &mut visit;
    // SAFETY: the callback has the type that the function asks for, and gets what it expects as its data pointer.
    unsafe { libc::dl_iterate_phdr(Some(show), (&raw mut visit).cast()) };
}

/// # Safety
/// `info` points to the description of a loaded object, as `dl_iterate_phdr` gives it, and `data` to a [`Visit`].
unsafe extern "C" fn show(
    info: *mut libc::dl_phdr_info,
    _size: libc::size_t,
    data: *mut c_void,
) -> libc::c_int {
    // SAFETY: the caller's promise; nothing else uses either meanwhile.
    let (info, visit) = unsafe { (&*info, &mut *data.cast::<Visit<'_>>()) };
    let Ok(base) = usize::try_from(info.dlpi_addr) else { return 0 };
    if info.dlpi_phdr.is_null() {
        return 0;
    }
    // SAFETY: `dlpi_phdr` points to `dlpi_phnum` program headers of the loaded object, which stays loaded.
    let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
    libc::c_int::from(visit(base, headers).is_break())
}
