//! Owner and mode of files that decide who may do what.

use crate::control::Body::{self, CisLinux, Lynis};
use crate::control::{About, Control, Dimension, Gain, Severity, Verdict};
use crate::host::HostFacts;
use crate::tree::FileKind;

const AREA: &str = "file permissions";

/// One path that only root should own, with the most that its mode may allow.
pub(in crate::host::checks) struct Line {
    path: &'static str,
    most: u32,
    severity: Severity,
    gain: Gain,
    references: &'static [(Body, &'static str)],
}

pub(in crate::host::checks) const fn line(
    path: &'static str,
    most: u32,
    severity: Severity,
    gain: Gain,
) -> Line {
    Line { path, most, severity, gain, references: &[] }
}

impl Line {
    /// The path.
    pub(in crate::host::checks) const fn path(&self) -> &'static str {
        self.path
    }

    pub(in crate::host::checks) const fn asked_by(self, references: &'static [(Body, &'static str)]) -> Self {
        Self { references, ..self }
    }
}

const LINES: &[Line] = &[
    line("/etc/passwd", 0o644, Severity::Critical, Gain::HostRoot)
        .asked_by(&[(CisLinux, "7.1.1"), (Lynis, "FILE-7524")]),
    line("/etc/passwd-", 0o644, Severity::High, Gain::Information).asked_by(&[(CisLinux, "7.1.2")]),
    line("/etc/group", 0o644, Severity::Critical, Gain::HostRoot)
        .asked_by(&[(CisLinux, "7.1.3"), (Lynis, "FILE-7524")]),
    line("/etc/group-", 0o644, Severity::High, Gain::Information).asked_by(&[(CisLinux, "7.1.4")]),
    line("/etc/shadow", 0o640, Severity::Critical, Gain::HostRoot)
        .asked_by(&[(CisLinux, "7.1.5"), (Lynis, "AUTH-9228")]),
    line("/etc/shadow-", 0o640, Severity::High, Gain::HostRoot).asked_by(&[(CisLinux, "7.1.6")]),
    line("/etc/gshadow", 0o640, Severity::High, Gain::HostRoot).asked_by(&[(CisLinux, "7.1.7")]),
    line("/etc/gshadow-", 0o640, Severity::High, Gain::HostRoot).asked_by(&[(CisLinux, "7.1.8")]),
    line("/etc/shells", 0o644, Severity::Low, Gain::Foothold).asked_by(&[(CisLinux, "7.1.9")]),
    line("/etc/security/opasswd", 0o600, Severity::Low, Gain::Information).asked_by(&[(CisLinux, "7.1.10")]),
    line("/etc/sudoers", 0o440, Severity::Critical, Gain::HostRoot).asked_by(&[(Lynis, "AUTH-9252")]),
    line("/etc/sudoers.d", 0o755, Severity::High, Gain::HostRoot).asked_by(&[(Lynis, "AUTH-9252")]),
    line("/etc/ssh/sshd_config", 0o644, Severity::High, Gain::HostRoot)
        .asked_by(&[(CisLinux, "5.1.1"), (Lynis, "FILE-7524")]),
    line("/etc/ssh/ssh_host_rsa_key", 0o600, Severity::High, Gain::OtherTenants)
        .asked_by(&[(CisLinux, "5.1.2")]),
    line("/etc/ssh/ssh_host_ecdsa_key", 0o600, Severity::High, Gain::OtherTenants)
        .asked_by(&[(CisLinux, "5.1.2")]),
    line("/etc/ssh/ssh_host_ed25519_key", 0o600, Severity::High, Gain::OtherTenants)
        .asked_by(&[(CisLinux, "5.1.2")]),
    line("/etc/crontab", 0o644, Severity::High, Gain::HostRoot)
        .asked_by(&[(CisLinux, "2.4.1.2"), (Lynis, "FILE-7524")]),
    line("/etc/cron.d", 0o755, Severity::High, Gain::HostRoot)
        .asked_by(&[(CisLinux, "2.4.1.7"), (Lynis, "FILE-7524")]),
    line("/etc/cron.hourly", 0o755, Severity::High, Gain::HostRoot)
        .asked_by(&[(CisLinux, "2.4.1.3"), (Lynis, "FILE-7524")]),
    line("/etc/cron.daily", 0o755, Severity::High, Gain::HostRoot)
        .asked_by(&[(CisLinux, "2.4.1.4"), (Lynis, "FILE-7524")]),
    line("/etc/cron.weekly", 0o755, Severity::High, Gain::HostRoot)
        .asked_by(&[(CisLinux, "2.4.1.5"), (Lynis, "FILE-7524")]),
    line("/etc/cron.monthly", 0o755, Severity::High, Gain::HostRoot)
        .asked_by(&[(CisLinux, "2.4.1.6"), (Lynis, "FILE-7524")]),
    line("/etc/cron.allow", 0o640, Severity::Low, Gain::Foothold)
        .asked_by(&[(CisLinux, "2.4.1.8"), (Lynis, "SCHD-7704")]),
    line("/etc/at.allow", 0o640, Severity::Low, Gain::Foothold)
        .asked_by(&[(CisLinux, "2.4.2.1"), (Lynis, "SCHD-7720")]),
    line("/boot/grub/grub.cfg", 0o600, Severity::Medium, Gain::HostRoot)
        .asked_by(&[(CisLinux, "1.4.2"), (Lynis, "FILE-7524")]),
    line("/boot/grub2/grub.cfg", 0o600, Severity::Medium, Gain::HostRoot).asked_by(&[(CisLinux, "1.4.2")]),
    line("/etc/hosts", 0o644, Severity::High, Gain::OtherTenants),
    line("/etc/hosts.allow", 0o644, Severity::Medium, Gain::Foothold).asked_by(&[(Lynis, "FILE-7524")]),
    line("/etc/hosts.deny", 0o644, Severity::Medium, Gain::Foothold).asked_by(&[(Lynis, "FILE-7524")]),
    line("/etc/hosts.equiv", 0o644, Severity::Medium, Gain::Foothold),
    line("/etc/resolv.conf", 0o644, Severity::Medium, Gain::OtherTenants),
    line("/etc/nsswitch.conf", 0o644, Severity::High, Gain::HostRoot),
    line("/etc/ld.so.conf", 0o644, Severity::High, Gain::HostRoot),
    line("/etc/ld.so.preload", 0o644, Severity::Critical, Gain::HostRoot),
    line("/etc/profile", 0o644, Severity::High, Gain::HostRoot),
    line("/etc/environment", 0o644, Severity::High, Gain::HostRoot),
    line("/etc/fstab", 0o644, Severity::High, Gain::HostRoot),
    line("/etc/sysctl.conf", 0o644, Severity::High, Gain::HostRoot),
    line("/etc/sysctl.d", 0o755, Severity::High, Gain::HostRoot),
    line("/etc/modprobe.d", 0o755, Severity::High, Gain::HostRoot),
    line("/etc/modules-load.d", 0o755, Severity::High, Gain::HostRoot),
    line("/etc/systemd/system", 0o755, Severity::Critical, Gain::HostRoot).asked_by(&[(Lynis, "BOOT-5184")]),
    line("/usr/lib/systemd/system", 0o755, Severity::Critical, Gain::HostRoot)
        .asked_by(&[(Lynis, "BOOT-5184")]),
    line("/etc/init.d", 0o755, Severity::High, Gain::HostRoot).asked_by(&[(Lynis, "BOOT-5184")]),
    line("/etc/rc.local", 0o755, Severity::High, Gain::HostRoot).asked_by(&[(Lynis, "BOOT-5184")]),
    line("/etc/pam.d", 0o755, Severity::Critical, Gain::HostRoot),
    line("/etc/security", 0o755, Severity::High, Gain::HostRoot),
    line("/etc/subuid", 0o644, Severity::Critical, Gain::HostRoot),
    line("/etc/subgid", 0o644, Severity::Critical, Gain::HostRoot),
    line("/etc/login.defs", 0o644, Severity::Medium, Gain::Foothold),
    line("/etc/motd", 0o644, Severity::Low, Gain::Hygiene)
        .asked_by(&[(CisLinux, "1.6.4"), (Lynis, "FILE-7524")]),
    line("/etc/issue", 0o644, Severity::Low, Gain::Hygiene)
        .asked_by(&[(CisLinux, "1.6.5"), (Lynis, "FILE-7524")]),
    line("/etc/issue.net", 0o644, Severity::Low, Gain::Hygiene)
        .asked_by(&[(CisLinux, "1.6.6"), (Lynis, "FILE-7524")]),
    line("/root", 0o750, Severity::Medium, Gain::Information).asked_by(&[(Lynis, "HOME-9304")]),
    line("/root/.ssh", 0o700, Severity::High, Gain::HostRoot).asked_by(&[(Lynis, "FILE-7524")]),
    line("/root/.ssh/authorized_keys", 0o600, Severity::Critical, Gain::HostRoot),
    line("/etc", 0o755, Severity::Critical, Gain::HostRoot),
    line("/usr", 0o755, Severity::Critical, Gain::HostRoot),
    line("/usr/bin", 0o755, Severity::Critical, Gain::HostRoot),
    line("/usr/sbin", 0o755, Severity::Critical, Gain::HostRoot),
    line("/usr/lib", 0o755, Severity::Critical, Gain::HostRoot),
    line("/usr/local/bin", 0o2775, Severity::High, Gain::HostRoot),
    line("/usr/local/sbin", 0o2775, Severity::High, Gain::HostRoot),
    line("/boot", 0o755, Severity::High, Gain::HostRoot),
    line("/lib/modules", 0o755, Severity::Critical, Gain::HostRoot),
    line("/var/log", 0o2775, Severity::Medium, Gain::Concealment).asked_by(&[(Lynis, "LOGG-2150")]),
    line("/var/spool/cron/crontabs", 0o1730, Severity::High, Gain::HostRoot),
    line("/dev/mem", 0o640, Severity::Critical, Gain::HostRoot),
    line("/dev/kmsg", 0o644, Severity::Medium, Gain::Information),
    line("/dev/sda", 0o660, Severity::Critical, Gain::HostRoot),
    line("/dev/vda", 0o660, Severity::Critical, Gain::HostRoot),
    line("/dev/nvme0n1", 0o660, Severity::Critical, Gain::HostRoot),
];

/// Paths that must have the sticky bit where everybody may write.
const STICKY: &[&str] = &["/tmp", "/var/tmp", "/dev/shm"];

pub(super) fn paths() -> impl Iterator<Item = &'static str> {
    LINES.iter().map(|line| line.path).chain(STICKY.iter().copied())
}

/// One check for each line.
pub(super) fn controls() -> Vec<Control<HostFacts>> {
    let mut controls: Vec<_> = LINES.iter().map(control).collect();
    controls.extend(STICKY.iter().map(|path| sticky(path)));
    controls
}

pub(in crate::host::checks) fn control(line: &'static Line) -> Control<HostFacts> {
    let Line { path, most, .. } = line;
    let about = About::new(AREA, format!("file.{path}"))
        .title(format!("{path} belongs to root, and its mode is {most:04o} or less"))
        .why("A container that has one of the host's folders, or that escapes to an ordinary user, goes on from files that it may change or read.")
        .remedy(format!("chown root {path} && chmod {most:04o} {path}"))
        .weight(line.severity, line.gain)
        .dimension(Dimension::ControlPlane);
    let about = about.references(line.references);
    Control::new(about, move |facts: &HostFacts| {
        let Some(status) = facts.file(path)? else {
            return Ok(Verdict::not_applicable(format!("there is no {path}")));
        };
        let seen = format!("mode {:04o}, user {}, group {}", status.mode, status.uid, status.gid);
        // That a file of words may be executed gives nothing to anybody.
        let counted = if status.kind == FileKind::File { 0o666 } else { 0o777 };
        let wrong = status.uid != 0 || status.mode & counted & !most != 0;
        Ok(if wrong { Verdict::fail(seen).at(*path, None) } else { Verdict::pass(seen) })
    })
}

fn sticky(path: &'static str) -> Control<HostFacts> {
    let about = About::new(AREA, format!("file.{path}"))
        .title(format!("In {path} everybody removes only what is their own"))
        .why("Without the sticky bit any process that gets at the folder replaces the files of the others, those of the host's services among them.")
        .remedy(format!("chmod 1777 {path}"))
        .weight(Severity::High, Gain::HostRoot)
        .dimension(Dimension::ControlPlane)
        .reference(Lynis, "FILE-6362");
    Control::new(about, move |facts: &HostFacts| {
        let Some(status) = facts.file(path)? else {
            return Ok(Verdict::not_applicable(format!("there is no {path}")));
        };
        let seen = format!("mode {:04o}, user {}", status.mode, status.uid);
        let open = status.mode & 0o002 != 0 && status.mode & 0o1000 == 0;
        Ok(if open || status.uid != 0 { Verdict::fail(seen).at(path, None) } else { Verdict::pass(seen) })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::Outcome;
    use crate::fact::Fact;
    use crate::host::checks::planted::nothing;
    use crate::tree::FileStatus;

    #[test]
    fn every_line_passes_with_its_mode_and_fails_with_more_or_another_owner() {
        let status = |mode, uid| FileStatus {
            kind: FileKind::File,
            mode,
            uid,
            gid: 0,
            size: 0,
            modified: 0,
            device: 0,
        };
        let judge = |path: &'static str, mode, uid| {
            let mut facts = nothing();
            facts.files.insert(path, Fact::Known(Some(status(mode, uid))));
            let control = controls().into_iter().find(|control| control.about.id == format!("file.{path}"));
            control.unwrap().judge(&facts).outcome
        };
        for line in LINES {
            assert_eq!(judge(line.path, line.most, 0), Outcome::Pass, "{}", line.path);
            assert_eq!(judge(line.path, line.most | 0o002, 0), Outcome::Fail, "{}", line.path);
            assert_eq!(judge(line.path, line.most, 1000), Outcome::Fail, "{}", line.path);
        }
        for path in STICKY {
            assert_eq!(judge(path, 0o1777, 0), Outcome::Pass);
            assert_eq!(judge(path, 0o777, 0), Outcome::Fail);
        }
        let mut paths: Vec<_> = paths().collect();
        paths.sort_unstable();
        let count = paths.len();
        paths.dedup();
        assert_eq!(count, paths.len(), "a path stands twice");
    }
}
