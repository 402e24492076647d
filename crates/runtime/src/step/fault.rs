//! Faults on demand, in builds for tests only.
//!
//! - `COFFERDAM_FAIL_AT`: the step of this name fails. The name may be followed by a space and the step's subject, in which `*`
//!   stands for any text: `mount /proc`, `make cgroup cofferdam/*`. A closing `@2` means its second time in a process.
//! - `COFFERDAM_SKIP`: what the step of this name (and subject) applies is left out.
//! - `COFFERDAM_STEPS`: a file that exists, to which every step adds a line before its work: the process's number as it
//!   sees it, name and subject, with tabs between.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use super::Step;

/// The file of `COFFERDAM_STEPS` as the process of this number last could open it: in a container's root its path leads
/// elsewhere.
static STEPS: Mutex<Option<(u32, File)>> = Mutex::new(None);

/// Tells of the step, and fails the one that `COFFERDAM_FAIL_AT` means.
pub(super) fn before(step: Step, subject: &impl Display) -> io::Result<()> {
    let subject = subject.to_string();
    record(step, &subject);
    match std::env::var("COFFERDAM_FAIL_AT") {
        Ok(wanted) if is_due(&wanted, step, &subject) => Err(io::Error::other("injected fault")),
        _ => Ok(()),
    }
}

/// Whether the step is meant, and this is the time that is meant: every time unless the text ends in `@` and a number.
fn is_due(wanted: &str, step: Step, subject: &str) -> bool {
    static TIMES: AtomicU32 = AtomicU32::new(0);
    let (wanted, time) = match wanted.rsplit_once('@').map(|(wanted, time)| (wanted, time.parse::<u32>())) {
        Some((wanted, Ok(time))) => (wanted, Some(time)),
        _ => (wanted, None),
    };
    means(wanted, step, subject) && time.is_none_or(|time| TIMES.fetch_add(1, Ordering::Relaxed) + 1 == time)
}

/// Whether `COFFERDAM_SKIP` means the step.
pub(super) fn leaves_out(step: Step, subject: &impl Display) -> bool {
    std::env::var("COFFERDAM_SKIP").is_ok_and(|wanted| means(&wanted, step, &subject.to_string()))
}

fn means(wanted: &str, step: Step, subject: &str) -> bool {
    wanted == step.name() || matches(wanted, &format!("{step} {subject}"))
}

/// Whether a text is what a pattern says, whose `*` stand for any text.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|left| {
            left.char_indices().map(|(at, _)| at).chain([left.len()]).any(|at| matches(rest, &left[at..]))
        }),
    }
}

/// The descriptor of the file of `COFFERDAM_STEPS`.
pub(crate) fn descriptor() -> Option<RawFd> {
    Some(STEPS.lock().ok()?.as_ref()?.1.as_raw_fd())
}

fn record(step: Step, subject: &str) {
    let Ok(path) = std::env::var("COFFERDAM_STEPS") else { return };
    let Ok(mut kept) = STEPS.lock() else { return };
    let pid = std::process::id();
    let mut file = match (File::options().append(true).open(path), kept.take()) {
        (Ok(file), before) => {
            if let Some((_, theirs)) = before.filter(|(opener, _)| *opener != pid) {
                // Of the process that this one was forked from: its number may have been closed, and be another file's.
                std::mem::forget(theirs);
            }
            file
        }
        (Err(_), Some((_, file))) => file,
        (Err(_), None) => return,
    };
    // One write, so that the lines of two processes do not mix.
    let _ = file.write_all(format!("{pid}\t{step}\t{subject}\n").as_bytes());
    *kept = Some((pid, file));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text, expected) in [
            ("mount /proc", "mount /proc", true),
            ("mount /proc", "mount /proc/sys", false),
            ("make cgroup a/*", "make cgroup a/b", true),
            ("*x*", "axb", true),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "a1c2b", false),
            ("*", "", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
        assert!(means("mount", Step::Mount, "/proc"));
        assert!(!means("mount /sys", Step::Mount, "/proc"));
    }
}
