//! The sheet's part on the first process: who it is, what it may do, what filters it.

use std::collections::BTreeMap;

use cofferdam_confinement::seccomp::{Action, Profile};
use cofferdam_confinement::{Capabilities, Process, Rlimit, User};
use cofferdam_kernel::capability::CapSet;

use super::{Sheet, yes};

pub(super) fn process(sheet: &mut Sheet, process: &Process) {
    let Process {
        args,
        env,
        cwd,
        create_cwd,
        terminal,
        window,
        user,
        capabilities,
        no_new_privileges,
        rlimits,
        oom_score_adj,
        apparmor_profile,
        selinux_label,
        scheduler,
        io_priority,
        cpu_affinity,
        seccomp,
        signals_wait,
        interpreter,
    } = process;
    let User { uid, gid, additional_gids, umask } = user;
    sheet.section("Process");
    sheet.line("arguments", format!("{args:?}"));
    sheet.line("working folder", format!("{cwd}{}", if *create_cwd { " (made if missing)" } else { "" }));
    sheet.line("user", format!("{uid}:{gid} (as the container sees it)"));
    if !additional_gids.is_empty() {
        sheet.line("more groups", format!("{additional_gids:?}"));
    }
    sheet.optional("umask", umask.map(|umask| format!("{umask:04o}")));
    sheet.line("terminal", yes(*terminal));
    sheet.optional(
        "terminal size",
        window.map(|size| format!("{} rows, {} columns", size.rows, size.columns)),
    );
    sheet.line("signals", if *signals_wait { "wait until it takes them" } else { "are taken at once" });
    sheet.optional(
        "interpreter",
        interpreter
            .as_ref()
            .map(|path| format!("{} of the host, for programs of another processor", path.display())),
    );
    sheet.lines("environment", env.iter().cloned());
    sheet.section("Rights");
    capability_lines(sheet, capabilities);
    sheet.line("new privileges", if *no_new_privileges { "never" } else { "MAY BE GAINED" });
    sheet.line("apparmor", apparmor_profile.as_deref().unwrap_or("none"));
    sheet.line("selinux", selinux_label.as_deref().unwrap_or("none"));
    match seccomp {
        Some(profile) => filter_lines(sheet, profile),
        None => sheet.line("system calls", "NOT FILTERED"),
    }
    sheet.section("Limits of the process");
    sheet.optional("oom score", oom_score_adj.as_ref());
    let word = |limit: u64| if limit == u64::MAX { "unlimited".to_owned() } else { limit.to_string() };
    for Rlimit { resource, soft, hard } in rlimits {
        sheet.line(resource.name(), format!("{} (hard {})", word(*soft), word(*hard)));
    }
    sheet.fields(&serde_json::json!({
        "scheduler": scheduler, "io_priority": io_priority, "cpu_affinity": cpu_affinity,
    }));
}

fn capability_lines(sheet: &mut Sheet, capabilities: &Capabilities) {
    let Capabilities { bounding, effective, permitted, inheritable, ambient } = capabilities;
    let words = |set: &CapSet| {
        let names: Vec<&str> =
            set.iter().map(|capability| capability.name().trim_start_matches("CAP_")).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(" ") }
    };
    if bounding == effective && bounding == permitted {
        sheet.line("capabilities", words(bounding));
    } else {
        sheet.line("bounding", words(bounding));
        sheet.line("effective", words(effective));
        sheet.line("permitted", words(permitted));
    }
    sheet.line("inheritable", words(inheritable));
    sheet.line("ambient", words(ambient));
}

/// The filter in figures; its rules are in the JSON.
fn filter_lines(sheet: &mut Sheet, profile: &Profile) {
    let Profile { default_action, architectures, flags, listener, rules } = profile;
    sheet.line("system calls", format!("filtered; {} unless a rule says otherwise", word(*default_action)));
    let mut counts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for rule in rules {
        let count = counts.entry(word(rule.action)).or_default();
        count.0 += rule.names.len();
        count.1 += if rule.args.is_empty() { 0 } else { rule.names.len() };
    }
    sheet.lines(
        "rules",
        counts.iter().map(|(action, (names, conditional))| {
            format!("{action}: {names} calls, {conditional} of them by their arguments")
        }),
    );
    let names: Vec<&str> = architectures.iter().map(|arch| arch.name()).collect();
    sheet.line(
        "architectures",
        if names.is_empty() { "this machine's only".to_owned() } else { names.join(" ") },
    );
    let flags = flags.oci_names();
    if !flags.is_empty() {
        sheet.line("filter flags", flags.join(" "));
    }
    sheet.optional("asks", listener.as_ref().map(|listener| listener.path.display()));
}

fn word(action: Action) -> String {
    match action {
        Action::KillProcess => "kills the process".to_owned(),
        Action::KillThread => "kills the thread".to_owned(),
        Action::Trap => "SIGSYS".to_owned(),
        Action::Errno(number) => format!("fails with {}", errno_name(number)),
        Action::Trace(number) => format!("asks a tracer ({number})"),
        Action::Notify => "asks the listener".to_owned(),
        Action::Log => "allowed and logged".to_owned(),
        Action::Allow => "allowed".to_owned(),
    }
}

fn errno_name(number: u16) -> String {
    match number {
        1 => "EPERM".to_owned(),
        38 => "ENOSYS".to_owned(),
        other => format!("errno {other}"),
    }
}
