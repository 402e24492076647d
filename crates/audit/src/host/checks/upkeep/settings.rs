//! Settings in small files: the journal, banners, limits, boot, schedules.

use crate::control::{About, Control, Dimension, Fix, Gain, Judgement, Severity, Verdict};
use crate::host::HostFacts;
use crate::line::{Line, lines};

/// The value of `name = value` or `name value`; comments are left out, the last one counts.
fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().rev().find_map(|line| {
        let line = line.trim();
        let rest = line.strip_prefix(name)?;
        rest.starts_with(['=', ' ', '\t']).then(|| rest.trim_start_matches(['=', ' ', '\t']).trim())
    })
}

fn says(text: Option<&str>, name: &str, good: impl Fn(&str) -> bool) -> Option<bool> {
    Some(value(text?, name).is_some_and(good))
}

/// What judges a file.
type Judge = fn(&HostFacts) -> Judgement;

fn lines() -> Vec<Line<Judge>> {
    lines! { Judge;
        Line { id: "journal.persistent", title: "The journal outlives a reboot", why: "What a container did before the crash is in the part that is lost otherwise.", remedy: "write `Storage=persistent` to /etc/systemd/journald.conf", severity: Severity::Low, gain: Gain::Concealment, references: [(CisLinux, "6.1.1.4")], judge: |facts| judge(facts, "/etc/systemd/journald.conf", |text| says(text, "Storage", |value| value == "persistent")), weak: concat!("/etc/systemd/journald.conf", "\n", "[Journal]\n#Storage=auto\n"), strong: concat!("/etc/systemd/journald.conf", "\n", "[Journal]\nStorage=persistent\n") },
        Line { id: "journal.compressed", title: "Large parts of the journal are compressed", why: "A log that fills the disk stops being written.", remedy: "write `Compress=yes` to /etc/systemd/journald.conf", severity: Severity::Low, gain: Gain::Denial, references: [(CisLinux, "6.1.1.3")], judge: |facts| judge(facts, "/etc/systemd/journald.conf", |text| Some(value(text?, "Compress").is_none_or(|value| value != "no"))), weak: concat!("/etc/systemd/journald.conf", "\n", "Compress=no\n"), strong: concat!("/etc/systemd/journald.conf", "\n", "[Journal]\n") },
        Line { id: "log.rotated", title: "Old logs are put away", why: "A log that fills the disk stops being written, and stops the host.", remedy: "install logrotate", severity: Severity::Low, gain: Gain::Denial, references: [(CisLinux, "6.1.3"), (Lynis, "LOGG-2146"), (Lynis, "LOGG-2148")], judge: |facts| judge(facts, "/etc/logrotate.conf", |text| Some(text.is_some_and(|text| text.contains("rotate") || text.contains("include")))), weak: concat!("/etc/logrotate.conf", "\n", ""), strong: concat!("/etc/logrotate.conf", "\n", "weekly\nrotate 4\n") },
        Line { id: "log.remote", title: "The log is sent to another host", why: "Whoever becomes root on this one edits its log first.", remedy: "add `*.* @@host:6514` to rsyslog's configuration", severity: Severity::Low, gain: Gain::Concealment, references: [(CisLinux, "6.1.2.6"), (Lynis, "LOGG-2154"), (Lynis, "LOGG-2152")], judge: |facts| judge(facts, "/etc/rsyslog.conf", |text| Some(text?.lines().map(str::trim).any(|line| !line.starts_with('#') && (line.contains(" @") || line.contains("omfwd") || line.contains("omrelp"))))), weak: concat!("/etc/rsyslog.conf", "\n", "*.info /var/log/messages\n"), strong: concat!("/etc/rsyslog.conf", "\n", "*.* @@log.example:6514\n") },
        Line { id: "audit.kept", title: "The audit does not throw old records away", why: "An attacker who makes noise writes over the records of how it began.", remedy: "write `max_log_file_action = keep_logs` to /etc/audit/auditd.conf", severity: Severity::Low, gain: Gain::Concealment, references: [(CisLinux, "6.2.2.2"), (Lynis, "ACCT-9632")], judge: |facts| judge(facts, "/etc/audit/auditd.conf", |text| says(text, "max_log_file_action", |value| value.eq_ignore_ascii_case("keep_logs"))), weak: concat!("/etc/audit/auditd.conf", "\n", "max_log_file_action = ROTATE\n"), strong: concat!("/etc/audit/auditd.conf", "\n", "max_log_file_action = keep_logs\n") },
        Line { id: "audit.full_disk", title: "A full disk stops the host rather than the audit", why: "Filling the disk from a container is otherwise the way to act unseen.", remedy: "write `disk_full_action = halt` (or single) to /etc/audit/auditd.conf", severity: Severity::Low, gain: Gain::Concealment, references: [(CisLinux, "6.2.2.3"), (Lynis, "ACCT-9634")], judge: |facts| judge(facts, "/etc/audit/auditd.conf", |text| says(text, "disk_full_action", |value| ["halt", "single"].contains(&value.to_ascii_lowercase().as_str()))), weak: concat!("/etc/audit/auditd.conf", "\n", "disk_full_action = SUSPEND\n"), strong: concat!("/etc/audit/auditd.conf", "\n", "disk_full_action = halt\n") },
        Line { id: "banner.local", title: "The login screen tells whose host it is, and not which version", why: "A version before the login tells what to aim at.", remedy: "write a notice to /etc/issue, without \\m \\r \\s \\v", severity: Severity::Low, gain: Gain::Information, references: [(CisLinux, "1.6.2"), (Lynis, "BANN-7126")], judge: |facts| judge(facts, "/etc/issue", |text| Some(!["\\m", "\\r", "\\s", "\\v", "Debian", "Ubuntu"].iter().any(|mark| text.unwrap_or_default().contains(mark)))), weak: concat!("/etc/issue", "\n", "Debian GNU/Linux 12 \\n \\l\n"), strong: concat!("/etc/issue", "\n", "Authorised use only.\n") },
        Line { id: "banner.remote", title: "Remote logins are told whose host it is, and not which version", why: "A version before the login tells what to aim at.", remedy: "write a notice to /etc/issue.net", severity: Severity::Low, gain: Gain::Information, references: [(CisLinux, "1.6.3"), (Lynis, "BANN-7130")], judge: |facts| judge(facts, "/etc/issue.net", |text| Some(!["Debian", "Ubuntu", "Fedora", "Red Hat", "\\v"].iter().any(|mark| text.unwrap_or_default().contains(mark)))), weak: concat!("/etc/issue.net", "\n", "Debian GNU/Linux 12\n"), strong: concat!("/etc/issue.net", "\n", "Authorised use only.\n") },
        Line { id: "limits.core", title: "Programs leave no core dumps", why: "A dump holds the keys and the memory of what crashed.", remedy: "write `* hard core 0` to /etc/security/limits.conf", severity: Severity::Low, gain: Gain::OtherTenants, references: [(CisLinux, "1.5.3"), (Lynis, "KRNL-5820")], judge: |facts| judge(facts, "/etc/security/limits.conf", |text| Some(text?.lines().any(|line| { let words: Vec<&str> = line.split_whitespace().collect(); matches!(words.as_slice(), ["*", "hard" | "-", "core", "0", ..]) }))), weak: concat!("/etc/security/limits.conf", "\n", "# * hard core 0\n"), strong: concat!("/etc/security/limits.conf", "\n", "* hard core 0\n") },
        Line { id: "coredump.storage", title: "systemd keeps no core dumps", why: "A dump holds the keys and the memory of what crashed, in a container or not.", remedy: "write `Storage=none` to /etc/systemd/coredump.conf", severity: Severity::Low, gain: Gain::OtherTenants, references: [(CisLinux, "1.5.4")], judge: |facts| judge(facts, "/etc/systemd/coredump.conf", |text| says(text, "Storage", |value| value == "none")), weak: concat!("/etc/systemd/coredump.conf", "\n", "[Coredump]\n"), strong: concat!("/etc/systemd/coredump.conf", "\n", "[Coredump]\nStorage=none\n") },
        Line { id: "boot.password", title: "The boot loader asks for a password before its menu is changed", why: "`init=/bin/sh` at the console is root without a login.", remedy: "set superusers and password_pbkdf2 in /etc/grub.d, and run update-grub", severity: Severity::Low, gain: Gain::HostRoot, references: [(CisLinux, "1.4.1"), (Lynis, "BOOT-5122")], judge: |facts| judge(facts, "/boot/grub/grub.cfg", |text| Some(text?.contains("password_pbkdf2") || text?.contains("set superusers"))), weak: concat!("/boot/grub/grub.cfg", "\n", "menuentry x {}\n"), strong: concat!("/boot/grub/grub.cfg", "\n", "set superusers=\"root\"\npassword_pbkdf2 root grub.x\n") },
        Line { id: "boot.single_user", title: "Single-user mode asks for root's password", why: "Whoever reaches the console, or can have the host reboot into it, is root otherwise.", remedy: "let rescue.service run sulogin", severity: Severity::Low, gain: Gain::HostRoot, references: [(Lynis, "BOOT-5260"), (Lynis, "AUTH-9308")], judge: |facts| judge(facts, "/usr/lib/systemd/system/rescue.service", |text| Some(text?.contains("sulogin"))), weak: concat!("/usr/lib/systemd/system/rescue.service", "\n", "ExecStart=/bin/sh\n"), strong: concat!("/usr/lib/systemd/system/rescue.service", "\n", "ExecStart=-/usr/lib/systemd/systemd-sulogin-shell rescue\n") },
        Line { id: "nfs.exports", title: "What is exported over NFS does not give root away", why: "With no_root_squash root on any client, or in a container with its address, is root on the files.", remedy: "remove no_root_squash and insecure from /etc/exports", severity: Severity::High, gain: Gain::OtherTenants, references: [(Lynis, "STRG-1926"), (Lynis, "STRG-1928")], judge: |facts| judge(facts, "/etc/exports", |text| Some(!text?.lines().any(|line| !line.trim_start().starts_with('#') && (line.contains("no_root_squash") || line.contains("no_all_squash") || line.contains(",insecure") || line.contains("(insecure"))))), weak: concat!("/etc/exports", "\n", "/srv *(rw,no_root_squash)\n"), strong: concat!("/etc/exports", "\n", "/srv 10.0.0.1(ro,root_squash)\n") },
        Line { id: "hosts.equiv", title: "No other host is believed about who somebody is", why: "A container with that host's address would be believed as well.", remedy: "remove /etc/hosts.equiv", severity: Severity::Medium, gain: Gain::Foothold, references: [(Lynis, "INSE-8302")], judge: |facts| judge(facts, "/etc/hosts.equiv", |text| Some(text?.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')))), weak: concat!("/etc/hosts.equiv", "\n", "+ +\n"), strong: concat!("/etc/hosts.equiv", "\n", "# none\n") },
        Line { id: "preload", title: "No library is loaded into every program", why: "A line in this file runs somebody's code in every program of the host, root's among them.", remedy: "empty /etc/ld.so.preload, and find out who wrote it", severity: Severity::High, gain: Gain::HostRoot, references: [], judge: |facts| judge(facts, "/etc/ld.so.preload", |text| Some(text?.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')))), weak: concat!("/etc/ld.so.preload", "\n", "/tmp/x.so\n"), strong: concat!("/etc/ld.so.preload", "\n", "\n") },
        Line { id: "environment.path", title: "The search path names no folder that is not absolute", why: "Root in a folder that a container writes to would run what lies there.", remedy: "remove `.` and empty parts from PATH in /etc/environment", severity: Severity::Medium, gain: Gain::HostRoot, references: [(CisLinux, "5.4.2.5"), (Lynis, "AUTH-9328")], judge: |facts| judge(facts, "/etc/environment", |text| { let Some(path) = value(text?, "PATH") else { return Some(true) }; Some(path.trim_matches('"').split(':').all(|folder| folder.starts_with('/'))) }), weak: concat!("/etc/environment", "\n", "PATH=\"/usr/bin:.\"\n"), strong: concat!("/etc/environment", "\n", "PATH=\"/usr/sbin:/usr/bin\"\n") },
        Line { id: "shell.timeout", title: "Shells that nobody uses end by themselves", why: "A root shell that was left open is one to take over.", remedy: "write `readonly TMOUT=900` to a file in /etc/profile.d", severity: Severity::Low, gain: Gain::Foothold, references: [(CisLinux, "5.4.3.2"), (Lynis, "SHLL-6220")], judge: |facts| judge(facts, "/etc/profile", |text| Some(text?.contains("TMOUT="))), weak: concat!("/etc/profile", "\n", "umask 022\n"), strong: concat!("/etc/profile", "\n", "readonly TMOUT=900\n") },
        Line { id: "cron.allowed", title: "Only named accounts may schedule commands", why: "A scheduled command outlives the container that its author escaped from.", remedy: "write `root` to /etc/cron.allow", severity: Severity::Low, gain: Gain::Foothold, references: [(CisLinux, "2.4.1.8"), (Lynis, "SCHD-7704")], judge: |facts| judge(facts, "/etc/cron.allow", |text| Some(text.is_some())), weak: concat!("/etc/cron.allow", "\n", ""), strong: concat!("/etc/cron.allow", "\n", "root\n") },
        Line { id: "resolver.servers", title: "More than one name server is asked", why: "A container that stops the only one stops the host's updates and logins.", remedy: "add a second nameserver to /etc/resolv.conf", severity: Severity::Low, gain: Gain::Denial, references: [(Lynis, "NETW-2705")], judge: |facts| judge(facts, "/etc/resolv.conf", |text| { let count = text?.lines().filter(|line| line.trim_start().starts_with("nameserver")).count(); let local = text?.contains("127.0.0.53") || text?.contains("127.0.0.1"); Some(count >= 2 || local) }), weak: concat!("/etc/resolv.conf", "\n", "nameserver 10.0.0.1\n"), strong: concat!("/etc/resolv.conf", "\n", "nameserver 10.0.0.1\nnameserver 10.0.0.2\n") },
        Line { id: "apt.unauthenticated", title: "Packages are only taken with a signature", why: "Whoever stands between chooses what root installs here.", remedy: "remove `[trusted=yes]` from /etc/apt/sources.list", severity: Severity::High, gain: Gain::HostRoot, references: [(Lynis, "PKGS-7388")], judge: |facts| judge(facts, "/etc/apt/sources.list", |text| Some(!text?.lines().any(|line| !line.trim_start().starts_with('#') && (line.contains("trusted=yes") || line.contains("allow-insecure=yes"))))), weak: concat!("/etc/apt/sources.list", "\n", "deb [trusted=yes] http://x y main\n"), strong: concat!("/etc/apt/sources.list", "\n", "deb http://x y main\n") },
        Line { id: "apt.security", title: "Packages with security fixes are asked for", why: "The bug that a container escapes with was most often mended before.", remedy: "add the distribution's security archive to apt's sources", severity: Severity::High, gain: Gain::KernelReach, references: [(Lynis, "PKGS-7388"), (Nist800190, "4.5.3")], judge: |facts| judge(facts, "/etc/apt/sources.list.d/debian.sources", |text| Some(text?.contains("-security"))), weak: concat!("/etc/apt/sources.list.d/debian.sources", "\n", "Suites: bookworm\n"), strong: concat!("/etc/apt/sources.list.d/debian.sources", "\n", "Suites: bookworm bookworm-security\n") },
    }
}

/// The files that are read.
pub(in crate::host::checks) const TEXTS: &[&str] = &[
    "/etc/systemd/journald.conf",
    "/etc/logrotate.conf",
    "/etc/rsyslog.conf",
    "/etc/audit/auditd.conf",
    "/etc/issue",
    "/etc/issue.net",
    "/etc/security/limits.conf",
    "/etc/systemd/coredump.conf",
    "/boot/grub/grub.cfg",
    "/usr/lib/systemd/system/rescue.service",
    "/etc/exports",
    "/etc/hosts.equiv",
    "/etc/ld.so.preload",
    "/etc/environment",
    "/etc/profile",
    "/etc/cron.allow",
    "/etc/resolv.conf",
    "/etc/apt/sources.list",
    "/etc/apt/sources.list.d/debian.sources",
];

/// The checks.
pub(super) fn controls() -> Vec<Control<HostFacts>> {
    lines().iter().map(control).collect()
}

/// What a machine can write for it.
fn fix(id: &str) -> Option<Fix> {
    let setting = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let journal = |(name, value)| Some(Fix::JournalSetting { name, value });
    match id {
        "journal.persistent" => journal(setting("Storage", "persistent")),
        "journal.compressed" => journal(setting("Compress", "yes")),
        "limits.core" => Some(Fix::NoCoreDumps),
        "coredump.storage" => {
            let (name, value) = setting("Storage", "none");
            Some(Fix::CoreDumpSetting { name, value })
        }
        _ => None,
    }
}

/// Whether a file says what it should; it is judged by `None` where it does not exist.
fn judge(facts: &HostFacts, path: &str, is_good: fn(Option<&str>) -> Option<bool>) -> Judgement {
    Ok(match is_good(facts.text(path)?) {
        None => Verdict::not_applicable(format!("there is no {path}")),
        Some(true) => Verdict::pass(format!("{path} says so")),
        Some(false) => Verdict::fail(format!("{path} does not say so")).at(path, None),
    })
}

fn control(line: &Line<Judge>) -> Control<HostFacts> {
    let about = line.about("settings", Dimension::ControlPlane);
    Control::new(About { fix: fix(line.id()), ..about }, line.judge)
}

#[cfg(test)]
pub(in crate::host::checks) mod tests {
    use super::*;
    use crate::control::Outcome;
    use crate::fact::Fact;
    use crate::host::checks::planted::nothing;

    #[test]
    pub(in crate::host::checks) fn every_file_can_be_good_and_bad() {
        for line in &lines() {
            for (example, expected) in [(line.weak, Outcome::Fail), (line.strong, Outcome::Pass)] {
                let (path, text) = example.split_once('\n').unwrap();
                let path = TEXTS.iter().find(|read| **read == path);
                let path = path.unwrap_or_else(|| panic!("{example} is not read"));
                let mut facts = nothing();
                // A file that need only exist is weak where it does not.
                let text = (!text.is_empty()).then(|| text.to_owned());
                facts.texts.insert(path, Fact::Known(text));
                assert_eq!(control(line).judge(&facts).outcome, expected, "{} {:?}", line.id(), facts.texts);
            }
        }
    }
}
