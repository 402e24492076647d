//! Moves a running process to another file with the same program, without executing it.
//!
//! Executing a program costs far more than mapping it: new page tables, relocations, the C library's questions to the processor
//! (each of which leaves a virtual machine). What `/proc/PID/exe` leads to can be changed (PR_SET_MM_MAP in
//! PR_SET_MM(2const)), once nothing of the process is mapped from the old file any more.
#![allow(unsafe_code, reason = "mappings are replaced under the code that runs from them")]

use std::ffi::c_void;
use std::io;
use std::ops::{ControlFlow, Range};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use crate::objects::{self, PAGE};

/// Makes `file` the file of this process's program: what is mapped from the old one is mapped from `file` or becomes private
/// memory with the same bytes. `file` has to be the same file, open for reading, by another mount for one. The process may have
/// one thread only. After an error the process goes on as well, from either file.
///
/// Wants CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN, and a kernel with CONFIG_CHECKPOINT_RESTORE.
pub fn move_to(file: BorrowedFd<'_>) -> io::Result<()> {
    let own = Layout::read()?;
    let (there, here) = (rustix::fs::fstat(file)?, rustix::fs::stat("/proc/self/exe")?);
    if (there.st_dev, there.st_ino) != (here.st_dev, here.st_ino) {
        return Err(io::Error::other("the file is not the one of the program that runs"));
    }
    let mut image = Image::default();
    objects::each(|base, headers| {
        image.list(base, headers);
        // The program itself is the first.
        ControlFlow::Break(())
    });
    for segment in &image.segments {
        segment.map_from(file)?;
    }
    if let Some(range) = image.read_only_after_relocation {
        // SAFETY: the C library made these pages read-only after it relocated them; nothing writes to them since.
        check(unsafe { libc::mprotect(range.start as *mut c_void, range.len(), libc::PROT_READ) })?;
    }
    own.tell_kernel(file)
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The places that PR_SET_MM_MAP wants to be told again, as `/proc/self/stat` has them.
struct Layout {
    code: Range<u64>,
    heap_start: u64,
    stack: u64,
    arguments: Range<u64>,
    environment: Range<u64>,
}

impl Layout {
    fn read() -> io::Result<Self> {
        let text = std::fs::read_to_string("/proc/self/stat")?;
        Self::parse(&text).ok_or_else(|| io::Error::other("/proc/self/stat is not as expected"))?
    }

    /// `None` for a text that is none of the kernel's.
    fn parse(text: &str) -> Option<io::Result<Self>> {
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        // The first field after the name is the third of the manual page's list.
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        if field(20)? != 1 {
            return Some(Err(io::Error::other("the process has several threads")));
        }
        Some(Ok(Self {
            code: field(26)?..field(27)?,
            heap_start: field(47)?,
            stack: field(28)?,
            arguments: field(48)?..field(49)?,
            environment: field(50)?..field(51)?,
        }))
    }

    fn tell_kernel(&self, file: BorrowedFd<'_>) -> io::Result<()> {
        // SAFETY: sbrk(0) only reads where the heap ends.
        let heap_end = unsafe { libc::sbrk(0) } as u64;
        // The kernel wants the heap behind the data, which it is not in a program that was loaded as a library is; the place of
        // the data serves accounts only.
        let data = self.heap_start - 1;
        let map = MemoryMap {
            start_code: self.code.start,
            end_code: self.code.end,
            start_data: data,
            end_data: data,
            start_brk: self.heap_start,
            brk: heap_end,
            start_stack: self.stack,
            arg_start: self.arguments.start,
            arg_end: self.arguments.end,
            env_start: self.environment.start,
            env_end: self.environment.end,
            auxv: 0,
            auxv_size: 0,
            exe_fd: u32::try_from(file.as_raw_fd()).map_err(io::Error::other)?,
        };
        // SAFETY: the kernel reads the structure during the call; all places but the data's are those that it has already.
        check(unsafe {
            libc::prctl(
                libc::PR_SET_MM,
                libc::PR_SET_MM_MAP as libc::c_ulong,
                &raw const map,
                size_of::<MemoryMap>() as libc::c_ulong,
                0,
            )
        })
    }
}

/// `struct prctl_mm_map`.
#[repr(C)]
struct MemoryMap {
    start_code: u64,
    end_code: u64,
    start_data: u64,
    end_data: u64,
    start_brk: u64,
    brk: u64,
    start_stack: u64,
    arg_start: u64,
    arg_end: u64,
    env_start: u64,
    env_end: u64,
    auxv: u64,
    auxv_size: u32,
    exe_fd: u32,
}

/// What is mapped from the program's file.
#[derive(Default)]
struct Image {
    segments: Vec<Segment>,
    read_only_after_relocation: Option<Range<usize>>,
}

struct Segment {
    /// Whole pages.
    range: Range<usize>,
    offset: libc::off_t,
    protection: libc::c_int,
}

impl Segment {
    fn map_from(&self, file: BorrowedFd<'_>) -> io::Result<()> {
        if self.protection & libc::PROT_WRITE != 0 { self.become_memory() } else { self.map_again(file) }
    }

    /// The same bytes, from the new file.
    fn map_again(&self, file: BorrowedFd<'_>) -> io::Result<()> {
        // SAFETY: the range is one segment that was mapped from this very file, privately and not writable: each page of it is the
        // same when it is read in again. The kernel replaces the mapping in one step, so that the code that runs here finds
        // itself where it was.
        let mapped = unsafe {
            libc::mmap(
                self.range.start as *mut c_void,
                self.range.len(),
                self.protection,
                libc::MAP_PRIVATE | libc::MAP_FIXED,
                file.as_raw_fd(),
                self.offset,
            )
        };
        if mapped == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// The same bytes in memory that belongs to no file.
    fn become_memory(&self) -> io::Result<()> {
        let (start, size) = (self.range.start as *mut c_void, self.range.len());
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: new memory at a place that the kernel chooses.
        let copy =
            unsafe { libc::mmap(ptr::null_mut(), size, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0) };
        if copy == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: both ranges are mapped, readable, the new one writable, and apart. The process has one thread, and between the
        // copy and the move nothing here writes to the program's variables, so that none is lost.
        let moved = unsafe {
            ptr::copy_nonoverlapping(start.cast::<u8>(), copy.cast::<u8>(), size);
            libc::mremap(copy, size, size, libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED, start)
        };
        if moved == libc::MAP_FAILED {
            let error = io::Error::last_os_error();
            // SAFETY: the copy is ours alone, and stays where it was after a failed move.
            unsafe { libc::munmap(copy, size) };
            return Err(error);
        }
        Ok(())
    }
}

impl Image {
    #[allow(clippy::cast_possible_truncation, reason = "addresses of this process fit its own word")]
    fn list(&mut self, base: usize, headers: &[libc::Elf64_Phdr]) {
        for header in headers {
            let begin = base + header.p_vaddr as usize;
            let first_page = begin & !(PAGE - 1);
            let pages = |size: u64| first_page..(begin + size as usize).next_multiple_of(PAGE);
            match header.p_type {
                // Behind what the file has of a segment comes memory without a file.
                libc::PT_LOAD => self.segments.push(Segment {
                    range: pages(header.p_filesz),
                    offset: (header.p_offset as usize & !(PAGE - 1)) as libc::off_t,
                    protection: protection(header.p_flags),
                }),
                libc::PT_GNU_RELRO => {
                    // As the C library does it: whole pages only.
                    let end = (begin + header.p_memsz as usize) & !(PAGE - 1);
                    self.read_only_after_relocation = Some(first_page..end);
                }
                _ => {}
            }
        }
    }
}

fn protection(flags: u32) -> libc::c_int {
    [(libc::PF_R, libc::PROT_READ), (libc::PF_W, libc::PROT_WRITE), (libc::PF_X, libc::PROT_EXEC)]
        .into_iter()
        .filter_map(|(flag, protection)| (flags & flag != 0).then_some(protection))
        .fold(0, |all, one| all | one)
}

#[cfg(test)]
mod tests {
    use super::Layout;

    #[test]
    fn a_process_with_several_threads_is_refused() {
        let text = std::fs::read_to_string("/proc/self/stat").unwrap();
        // The test's own thread, beside the one that waits for it.
        assert!(Layout::parse(&text).unwrap().is_err());
        assert!(Layout::parse("1 (x) S").is_none());
    }
}
