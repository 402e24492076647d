//! A process that moves to another file has to have one thread, which a test of libtest's never is: this program is its own
//! harness, and prints what libtest would.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use std::sync::atomic::{AtomicUsize, Ordering};

use cofferdam_kernel::mount::{Attribute, Attributes, Depth, clone_tree, set_attributes};
use cofferdam_kernel::{code_pages, own_image};
use rustix::fs::{Mode, OFlags, StatVfsMountFlags, fstatvfs, open};

/// A variable that is in the program's file, and has been written to.
static WRITTEN: AtomicUsize = AtomicUsize::new(1);
/// A pointer that was relocated.
static NAMES: [&str; 2] = ["relocated", "pointers"];

const OWN: &str = "/proc/self/exe";

fn main() {
    println!("\nrunning 1 test");
    let name = "a_process_goes_on_from_the_other_file";
    let result = a_process_goes_on_from_the_other_file();
    match &result {
        Ok(()) => println!("test {name} ... ok"),
        Err(Refused::Skipped(reason)) => println!("test {name} ... ok\nSKIP {name}: {reason}"),
        Err(Refused::Failed(what)) => println!("test {name} ... FAILED\n{what}"),
    }
    let failed = usize::from(matches!(result, Err(Refused::Failed(_))));
    let word = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {word}. {} passed; {failed} failed; 0 ignored; 0 measured; 0 filtered out",
        1 - failed
    );
    std::process::exit(i32::from(failed != 0) * 101);
}

enum Refused {
    Skipped(&'static str),
    Failed(String),
}

fn a_process_goes_on_from_the_other_file() -> Result<(), Refused> {
    let failed = |what: &dyn std::fmt::Debug| Refused::Failed(format!("{what:?}"));
    if !rustix::process::geteuid().is_root() {
        return Err(Refused::Skipped("it wants CAP_SYS_ADMIN"));
    }
    WRITTEN.store(2, Ordering::Relaxed);
    let before = std::fs::read(OWN).map_err(|error| failed(&error))?;
    let own = open(OWN, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(|error| failed(&error))?;
    let clone = clone_tree(&own, "", Depth::One).map_err(|error| failed(&error))?;
    set_attributes(&clone, Depth::One, Attributes::NONE.with(Attribute::Rdonly))
        .map_err(|error| failed(&error))?;

    // The clone's descriptor is a place only (O_PATH).
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&clone));
    let clone =
        open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(|error| failed(&error))?;
    let other =
        open("/bin/sh", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(|error| failed(&error))?;
    if own_image::move_to(std::os::fd::AsFd::as_fd(&other)).is_ok() {
        return Err(failed(&"it moved to another program"));
    }
    own_image::move_to(std::os::fd::AsFd::as_fd(&clone)).map_err(|error| failed(&error))?;
    drop((own, clone));

    let here = open(OWN, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(|error| failed(&error))?;
    let flags = fstatvfs(&here).map_err(|error| failed(&error))?.f_flag;
    let maps = std::fs::read_to_string("/proc/self/maps").map_err(|error| failed(&error))?;
    let holds = [
        ("its file is read-only", flags.contains(StatVfsMountFlags::RDONLY)),
        ("it is the same file", std::fs::read(OWN).is_ok_and(|after| after == before)),
        (
            "variables are kept",
            WRITTEN.fetch_add(1, Ordering::Relaxed) == 2 && WRITTEN.load(Ordering::Relaxed) == 3,
        ),
        ("relocations are kept", NAMES.concat() == "relocatedpointers"),
        ("no page is both written to and executed", !maps.contains(" rwx")),
        // The heap grows, threads come, children are executed.
        ("what is given back of the stack can be used again", {
            let before = deep(20);
            code_pages::release_stack();
            deep(20) == before
        }),
        ("the heap grows", vec![7_u8; 4 << 20].iter().all(|byte| *byte == 7)),
        ("threads start", std::thread::spawn(|| NAMES.len()).join().is_ok_and(|count| count == 2)),
        (
            "children are executed",
            std::process::Command::new("/bin/true").status().is_ok_and(|status| status.success()),
        ),
    ];
    match holds.iter().find(|(_, holds)| !holds) {
        Some((what, _)) => Err(failed(what)),
        None => Ok(()),
    }
}

/// Fills 80 kB of stack.
fn deep(levels: u8) -> u64 {
    let filled = std::hint::black_box([levels; 4096]);
    let below = if levels == 0 { 0 } else { deep(levels - 1) };
    below + u64::from(filled[usize::from(levels)])
}
