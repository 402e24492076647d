//! Settings in small files: the journal, banners, limits, boot, schedules.

use crate::control::{About, Body, Control, Dimension, Fix, Gain, Severity, Verdict};
use crate::fact::Unknown;
use crate::host::HostFacts;

/// A file and what it should say.
struct Line {
    id: &'static str,
    title: &'static str,
    why: &'static str,
    remedy: &'static str,
    path: &'static str,
    /// Whether the text is good; `None` where the file does not exist.
    good: fn(Option<&str>) -> Option<bool>,
    severity: Severity,
    gain: Gain,
    references: &'static [(Body, &'static str)],
    #[cfg_attr(not(test), expect(dead_code, reason = "the tests plant them"))]
    weak: &'static str,
    #[cfg_attr(not(test), expect(dead_code, reason = "the tests plant them"))]
    strong: &'static str,
}

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

#[rustfmt::skip]
const LINES: &[Line] = &[
    Line { id: "journal.persistent", title: "The journal outlives a reboot", why: "What a container did before the crash is in the part that is lost otherwise.", remedy: "write `Storage=persistent` to /etc/systemd/journald.conf", path: "/etc/systemd/journald.conf", good: |text| says(text, "Storage", |value| value == "persistent"), severity: Severity::Low, gain: Gain::Concealment, references: &[(Body::CisLinux, "6.1.1.4")], weak: "[Journal]\n#Storage=auto\n", strong: "[Journal]\nStorage=persistent\n" },
    Line { id: "journal.compressed", title: "Large parts of the journal are compressed", why: "A log that fills the disk stops being written.", remedy: "write `Compress=yes` to /etc/systemd/journald.conf", path: "/etc/systemd/journald.conf", good: |text| Some(value(text?, "Compress").is_none_or(|value| value != "no")), severity: Severity::Low, gain: Gain::Denial, references: &[(Body::CisLinux, "6.1.1.3")], weak: "Compress=no\n", strong: "[Journal]\n" },
    Line { id: "log.rotated", title: "Old logs are put away", why: "A log that fills the disk stops being written, and stops the host.", remedy: "install logrotate", path: "/etc/logrotate.conf", good: |text| Some(text.is_some_and(|text| text.contains("rotate") || text.contains("include"))), severity: Severity::Low, gain: Gain::Denial, references: &[(Body::CisLinux, "6.1.3"), (Body::Lynis, "LOGG-2146"), (Body::Lynis, "LOGG-2148")], weak: "", strong: "weekly\nrotate 4\n" },
    Line { id: "log.remote", title: "The log is sent to another host", why: "Whoever becomes root on this one edits its log first.", remedy: "add `*.* @@host:6514` to rsyslog's configuration", path: "/etc/rsyslog.conf", good: |text| Some(text?.lines().map(str::trim).any(|line| !line.starts_with('#') && (line.contains(" @") || line.contains("omfwd") || line.contains("omrelp")))), severity: Severity::Low, gain: Gain::Concealment, references: &[(Body::CisLinux, "6.1.2.6"), (Body::Lynis, "LOGG-2154")], weak: "*.info /var/log/messages\n", strong: "*.* @@log.example:6514\n" },
    Line { id: "audit.kept", title: "The audit does not throw old records away", why: "An attacker who makes noise writes over the records of how it began.", remedy: "write `max_log_file_action = keep_logs` to /etc/audit/auditd.conf", path: "/etc/audit/auditd.conf", good: |text| says(text, "max_log_file_action", |value| value.eq_ignore_ascii_case("keep_logs")), severity: Severity::Low, gain: Gain::Concealment, references: &[(Body::CisLinux, "6.2.2.2"), (Body::Lynis, "ACCT-9632")], weak: "max_log_file_action = ROTATE\n", strong: "max_log_file_action = keep_logs\n" },
    Line { id: "audit.full_disk", title: "A full disk stops the host rather than the audit", why: "Filling the disk from a container is otherwise the way to act unseen.", remedy: "write `disk_full_action = halt` (or single) to /etc/audit/auditd.conf", path: "/etc/audit/auditd.conf", good: |text| says(text, "disk_full_action", |value| ["halt", "single"].contains(&value.to_ascii_lowercase().as_str())), severity: Severity::Low, gain: Gain::Concealment, references: &[(Body::CisLinux, "6.2.2.3"), (Body::Lynis, "ACCT-9634")], weak: "disk_full_action = SUSPEND\n", strong: "disk_full_action = halt\n" },
    Line { id: "banner.local", title: "The login screen tells whose host it is, and not which version", why: "A version before the login tells what to aim at.", remedy: "write a notice to /etc/issue, without \\m \\r \\s \\v", path: "/etc/issue", good: |text| Some(!["\\m", "\\r", "\\s", "\\v", "Debian", "Ubuntu"].iter().any(|mark| text.unwrap_or_default().contains(mark))), severity: Severity::Low, gain: Gain::Information, references: &[(Body::CisLinux, "1.6.2"), (Body::Lynis, "BANN-7126")], weak: "Debian GNU/Linux 12 \\n \\l\n", strong: "Authorised use only.\n" },
    Line { id: "banner.remote", title: "Remote logins are told whose host it is, and not which version", why: "A version before the login tells what to aim at.", remedy: "write a notice to /etc/issue.net", path: "/etc/issue.net", good: |text| Some(!["Debian", "Ubuntu", "Fedora", "Red Hat", "\\v"].iter().any(|mark| text.unwrap_or_default().contains(mark))), severity: Severity::Low, gain: Gain::Information, references: &[(Body::CisLinux, "1.6.3"), (Body::Lynis, "BANN-7130")], weak: "Debian GNU/Linux 12\n", strong: "Authorised use only.\n" },
    Line { id: "limits.core", title: "Programs leave no core dumps", why: "A dump holds the keys and the memory of what crashed.", remedy: "write `* hard core 0` to /etc/security/limits.conf", path: "/etc/security/limits.conf", good: |text| Some(text?.lines().any(|line| { let words: Vec<&str> = line.split_whitespace().collect(); matches!(words.as_slice(), ["*", "hard" | "-", "core", "0", ..]) })), severity: Severity::Low, gain: Gain::OtherTenants, references: &[(Body::CisLinux, "1.5.3"), (Body::Lynis, "KRNL-5820")], weak: "# * hard core 0\n", strong: "* hard core 0\n" },
    Line { id: "coredump.storage", title: "systemd keeps no core dumps", why: "A dump holds the keys and the memory of what crashed, in a container or not.", remedy: "write `Storage=none` to /etc/systemd/coredump.conf", path: "/etc/systemd/coredump.conf", good: |text| says(text, "Storage", |value| value == "none"), severity: Severity::Low, gain: Gain::OtherTenants, references: &[(Body::CisLinux, "1.5.4")], weak: "[Coredump]\n", strong: "[Coredump]\nStorage=none\n" },
    Line { id: "boot.password", title: "The boot loader asks for a password before its menu is changed", why: "`init=/bin/sh` at the console is root without a login.", remedy: "set superusers and password_pbkdf2 in /etc/grub.d, and run update-grub", path: "/boot/grub/grub.cfg", good: |text| Some(text?.contains("password_pbkdf2") || text?.contains("set superusers")), severity: Severity::Low, gain: Gain::HostRoot, references: &[(Body::CisLinux, "1.4.1"), (Body::Lynis, "BOOT-5122")], weak: "menuentry x {}\n", strong: "set superusers=\"root\"\npassword_pbkdf2 root grub.x\n" },
    Line { id: "boot.single_user", title: "Single-user mode asks for root's password", why: "Whoever reaches the console, or can have the host reboot into it, is root otherwise.", remedy: "let rescue.service run sulogin", path: "/usr/lib/systemd/system/rescue.service", good: |text| Some(text?.contains("sulogin")), severity: Severity::Low, gain: Gain::HostRoot, references: &[(Body::Lynis, "BOOT-5260")], weak: "ExecStart=/bin/sh\n", strong: "ExecStart=-/usr/lib/systemd/systemd-sulogin-shell rescue\n" },
    Line { id: "nfs.exports", title: "What is exported over NFS does not give root away", why: "With no_root_squash root on any client, or in a container with its address, is root on the files.", remedy: "remove no_root_squash and insecure from /etc/exports", path: "/etc/exports", good: |text| Some(!text?.lines().any(|line| !line.trim_start().starts_with('#') && (line.contains("no_root_squash") || line.contains("no_all_squash") || line.contains(",insecure") || line.contains("(insecure")))), severity: Severity::High, gain: Gain::OtherTenants, references: &[(Body::Lynis, "STRG-1926"), (Body::Lynis, "STRG-1928")], weak: "/srv *(rw,no_root_squash)\n", strong: "/srv 10.0.0.1(ro,root_squash)\n" },
    Line { id: "hosts.equiv", title: "No other host is believed about who somebody is", why: "A container with that host's address would be believed as well.", remedy: "remove /etc/hosts.equiv", path: "/etc/hosts.equiv", good: |text| Some(text?.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))), severity: Severity::Medium, gain: Gain::Foothold, references: &[(Body::Lynis, "INSE-8302")], weak: "+ +\n", strong: "# none\n" },
    Line { id: "preload", title: "No library is loaded into every program", why: "A line in this file runs somebody's code in every program of the host, root's among them.", remedy: "empty /etc/ld.so.preload, and find out who wrote it", path: "/etc/ld.so.preload", good: |text| Some(text?.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))), severity: Severity::High, gain: Gain::HostRoot, references: &[], weak: "/tmp/x.so\n", strong: "\n" },
    Line { id: "environment.path", title: "The search path names no folder that is not absolute", why: "Root in a folder that a container writes to would run what lies there.", remedy: "remove `.` and empty parts from PATH in /etc/environment", path: "/etc/environment", good: |text| { let Some(path) = value(text?, "PATH") else { return Some(true) }; Some(path.trim_matches('"').split(':').all(|folder| folder.starts_with('/'))) }, severity: Severity::Medium, gain: Gain::HostRoot, references: &[(Body::CisLinux, "5.4.2.5"), (Body::Lynis, "AUTH-9328")], weak: "PATH=\"/usr/bin:.\"\n", strong: "PATH=\"/usr/sbin:/usr/bin\"\n" },
    Line { id: "shell.timeout", title: "Shells that nobody uses end by themselves", why: "A root shell that was left open is one to take over.", remedy: "write `readonly TMOUT=900` to a file in /etc/profile.d", path: "/etc/profile", good: |text| Some(text?.contains("TMOUT=")), severity: Severity::Low, gain: Gain::Foothold, references: &[(Body::CisLinux, "5.4.3.2"), (Body::Lynis, "SHLL-6220")], weak: "umask 022\n", strong: "readonly TMOUT=900\n" },
    Line { id: "cron.allowed", title: "Only named accounts may schedule commands", why: "A scheduled command outlives the container that its author escaped from.", remedy: "write `root` to /etc/cron.allow", path: "/etc/cron.allow", good: |text| Some(text.is_some()), severity: Severity::Low, gain: Gain::Foothold, references: &[(Body::CisLinux, "2.4.1.8"), (Body::Lynis, "SCHD-7704")], weak: "", strong: "root\n" },
    Line { id: "resolver.servers", title: "More than one name server is asked", why: "A container that stops the only one stops the host's updates and logins.", remedy: "add a second nameserver to /etc/resolv.conf", path: "/etc/resolv.conf", good: |text| { let count = text?.lines().filter(|line| line.trim_start().starts_with("nameserver")).count(); let local = text?.contains("127.0.0.53") || text?.contains("127.0.0.1"); Some(count >= 2 || local) }, severity: Severity::Low, gain: Gain::Denial, references: &[(Body::Lynis, "NETW-2705")], weak: "nameserver 10.0.0.1\n", strong: "nameserver 10.0.0.1\nnameserver 10.0.0.2\n" },
    Line { id: "apt.unauthenticated", title: "Packages are only taken with a signature", why: "Whoever stands between chooses what root installs here.", remedy: "remove `[trusted=yes]` from /etc/apt/sources.list", path: "/etc/apt/sources.list", good: |text| Some(!text?.lines().any(|line| !line.trim_start().starts_with('#') && (line.contains("trusted=yes") || line.contains("allow-insecure=yes")))), severity: Severity::High, gain: Gain::HostRoot, references: &[(Body::Lynis, "PKGS-7388")], weak: "deb [trusted=yes] http://x y main\n", strong: "deb http://x y main\n" },
    Line { id: "apt.security", title: "Packages with security fixes are asked for", why: "The bug that a container escapes with was most often mended before.", remedy: "add the distribution's security archive to apt's sources", path: "/etc/apt/sources.list.d/debian.sources", good: |text| Some(text?.contains("-security")), severity: Severity::High, gain: Gain::KernelReach, references: &[(Body::Lynis, "PKGS-7388"), (Body::Nist800190, "4.5.3")], weak: "Suites: bookworm\n", strong: "Suites: bookworm bookworm-security\n" },
];

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
    LINES.iter().map(control).collect()
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

fn control(line: &'static Line) -> Control<HostFacts> {
    let about = About::new("settings", line.id)
        .title(line.title)
        .why(line.why)
        .remedy(line.remedy)
        .weight(line.severity, line.gain)
        .dimension(Dimension::ControlPlane);
    let about = About { fix: fix(line.id), ..about.references(line.references) };
    Control::new(about, move |facts: &HostFacts| -> Result<Verdict, Unknown> {
        Ok(match (line.good)(facts.text(line.path)?) {
            None => Verdict::not_applicable(format!("there is no {}", line.path)),
            Some(true) => Verdict::pass(format!("{} says so", line.path)),
            Some(false) => Verdict::fail(format!("{} does not say so", line.path)).at(line.path, None),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::Outcome;
    use crate::fact::Fact;
    use crate::host::checks::planted::nothing;

    #[test]
    fn every_file_can_be_good_and_bad() {
        for line in LINES {
            for (text, expected) in [(line.weak, Outcome::Fail), (line.strong, Outcome::Pass)] {
                let mut facts = nothing();
                // A file that need only exist is weak where it does not.
                let text = (!text.is_empty()).then(|| text.to_owned());
                facts.texts.insert(line.path, Fact::Known(text));
                assert_eq!(control(line).judge(&facts).outcome, expected, "{} {:?}", line.id, facts.texts);
            }
            assert!(TEXTS.contains(&line.path), "{} is not read", line.path);
        }
    }
}
