//! Lets go of the pages of the program's own code and stack that a long wait does not need.
#![allow(unsafe_code, reason = "pages are given back under what uses them")]

use std::ffi::c_void;
use std::ops::ControlFlow;

use crate::objects::{self, PAGE};

/// Unmaps every page of the program's read-only segments (code, constants) from this process. They stay in the page
/// cache; those that are needed again are mapped again at their next use. For a process that idles for hours this is
/// the difference between all that its start touched and the few pages of its loop.
pub fn release() {
    objects::each(|base, headers| {
        headers.iter().for_each(|header| release_segment(base, header));
        ControlFlow::Continue(())
    });
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

fn release_segment(base: usize, header: &libc::Elf64_Phdr) {
    if header.p_type != libc::PT_LOAD || header.p_flags & libc::PF_W != 0 {
        return;
    }
    let (Ok(start), Ok(size)) = (usize::try_from(header.p_vaddr), usize::try_from(header.p_memsz)) else {
        return;
    };
    let begin = (base + start) & !(PAGE - 1);
    let length = base + start + size - begin;
    // SAFETY: the range is one segment that was mapped from the program's file, privately and not writable: no page
    // of it was ever changed (there are no relocations in code), so each is the same when it is read in again.
    // The kernel gives pages of its vDSO back in the same way.
    unsafe { libc::madvise(begin as *mut c_void, length, libc::MADV_DONTNEED) };
}

#[cfg(test)]
mod tests {
    #[test]
    fn code_and_constants_are_there_again_when_they_are_used() {
        let text = String::from("constants") + " and code";
        super::release();
        assert_eq!(text, "constants and code");
    }
}
