//! What the kernel does with the memory of a process that crashes: the handler runs as the host's root.

use crate::control::{About, Control, Fix, Gain, Severity, Verdict};
use crate::host::HostFacts;

const AREA: &str = "core dumps";

/// The program behind `kernel.core_pattern`.
pub(super) fn handler() -> Control<HostFacts> {
    let about = About::new(AREA, "core_pattern.handler")
        .title("Core dumps go to no program, or to one that only root can change")
        .why("The handler in kernel.core_pattern runs as the host's root for a crash in any container, with what that container left in its memory as input.")
        .remedy("set `kernel.core_pattern` to an absolute path of a root-owned handler, or to `core` with `ulimit -c 0`")
        .weight(Severity::High, Gain::HostRoot);
    Control::new(about, |facts: &HostFacts| {
        let Some(pattern) = facts.kernel.parameter("kernel.core_pattern")? else {
            return Ok(Verdict::not_applicable("this kernel writes no core dumps"));
        };
        let Some(command) = pattern.strip_prefix('|') else {
            return Ok(Verdict::pass(format!("the pattern is {pattern:?}: no program runs")));
        };
        let program = command.split_whitespace().next().unwrap_or_default();
        let known = ["/bin/false", "/bin/true", "/usr/bin/false", "/usr/bin/true"];
        if known.contains(&program) {
            return Ok(Verdict::pass(format!("{program} takes them and does nothing")));
        }
        const TRUSTED: [&str; 6] = ["/usr/", "/lib/", "/sbin/", "/bin/", "/opt/", "/nix/store/"];
        Ok(if TRUSTED.iter().any(|folder| program.starts_with(folder)) && !program.contains("/../") {
            Verdict::pass(format!("{program} takes them"))
        } else {
            Verdict::fail(format!("{program:?} takes them: not in a folder of the system's own programs"))
        })
    })
}

/// Whether the kernel waits for the handler.
pub(super) fn waits() -> Control<HostFacts> {
    let about = About::new(AREA, "core_pattern.waits")
        .title("The kernel limits how many core dumps are handled at a time")
        .why("With no limit, a container that crashes in a loop starts any number of the host's core dump handlers at once.")
        .remedy("write `kernel.core_pipe_limit = 16` to a file in /etc/sysctl.d")
        .weight(Severity::Low, Gain::Denial);
    let fix = Fix::Parameter { name: "kernel.core_pipe_limit".to_owned(), value: "16".to_owned() };
    let about = About { fix: Some(fix), ..about };
    Control::new(about, |facts: &HostFacts| {
        let pattern = facts.kernel.parameter("kernel.core_pattern")?.unwrap_or_default();
        if !pattern.starts_with('|') {
            return Ok(Verdict::not_applicable("no program takes core dumps"));
        }
        Ok(match facts.kernel.number("kernel.core_pipe_limit")? {
            Some(limit @ 1..) => Verdict::pass(format!("at most {limit} at a time")),
            _ => Verdict::fail("kernel.core_pipe_limit is 0: any number at a time"),
        })
    })
}
