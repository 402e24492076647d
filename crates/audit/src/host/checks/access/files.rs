//! Owner and mode of files that decide who may do what.

use crate::control::{About, Body, Control, Dimension, Gain, Severity, Verdict};
use crate::host::HostFacts;
use crate::tree::FileKind;

const AREA: &str = "file permissions";

/// One path that only root should own, with the most that its mode may allow.
pub(in crate::host::checks) struct Line {
    path: &'static str,
    most: u32,
    severity: Severity,
    gain: Gain,
    references: Vec<(Body, &'static str)>,
}

/// The lines of a text: path, mode, severity, gain, and `BODY:SECTION` for each that asks for it. One text, as a table of
/// constants would cost every process: see [`crate::line`].
pub(in crate::host::checks) fn lines(text: &'static str) -> impl Iterator<Item = Line> {
    text.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let (path, most) = (words.next()?, u32::from_str_radix(words.next()?, 8).ok()?);
        let (severity, gain) = (Severity::of_word(words.next()?)?, Gain::of_word(words.next()?)?);
        let reference = |word: &'static str| {
            let (body, section) = word.split_once(':')?;
            Some((Body::of_word(body)?, section))
        };
        Some(Line { path, most, severity, gain, references: words.map(reference).collect::<Option<_>>()? })
    })
}

/// The paths of a text's lines.
pub(in crate::host::checks) fn paths_of(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().filter_map(|line| line.split(' ').next())
}

/// Path, the most of its mode, severity, gain, who asks for it.
const LINES: &str = "\
/etc/passwd 644 critical host-root CisLinux:7.1.1 Lynis:FILE-7524
/etc/passwd- 644 high information CisLinux:7.1.2
/etc/group 644 critical host-root CisLinux:7.1.3 Lynis:FILE-7524
/etc/group- 644 high information CisLinux:7.1.4
/etc/shadow 640 critical host-root CisLinux:7.1.5 Lynis:AUTH-9228
/etc/shadow- 640 high host-root CisLinux:7.1.6
/etc/gshadow 640 high host-root CisLinux:7.1.7
/etc/gshadow- 640 high host-root CisLinux:7.1.8
/etc/shells 644 low foothold CisLinux:7.1.9
/etc/security/opasswd 600 low information CisLinux:7.1.10
/etc/sudoers 440 critical host-root Lynis:AUTH-9252
/etc/sudoers.d 755 high host-root Lynis:AUTH-9252
/etc/ssh/sshd_config 644 high host-root CisLinux:5.1.1 Lynis:FILE-7524
/etc/ssh/ssh_host_rsa_key 600 high other-tenants CisLinux:5.1.2
/etc/ssh/ssh_host_ecdsa_key 600 high other-tenants CisLinux:5.1.2
/etc/ssh/ssh_host_ed25519_key 600 high other-tenants CisLinux:5.1.2
/etc/crontab 644 high host-root CisLinux:2.4.1.2 Lynis:FILE-7524
/etc/cron.d 755 high host-root CisLinux:2.4.1.7 Lynis:FILE-7524
/etc/cron.hourly 755 high host-root CisLinux:2.4.1.3 Lynis:FILE-7524
/etc/cron.daily 755 high host-root CisLinux:2.4.1.4 Lynis:FILE-7524
/etc/cron.weekly 755 high host-root CisLinux:2.4.1.5 Lynis:FILE-7524
/etc/cron.monthly 755 high host-root CisLinux:2.4.1.6 Lynis:FILE-7524
/etc/cron.allow 640 low foothold CisLinux:2.4.1.8 Lynis:SCHD-7704
/etc/at.allow 640 low foothold CisLinux:2.4.2.1 Lynis:SCHD-7720
/boot/grub/grub.cfg 600 medium host-root CisLinux:1.4.2 Lynis:FILE-7524
/boot/grub2/grub.cfg 600 medium host-root CisLinux:1.4.2
/etc/hosts 644 high other-tenants
/etc/hosts.allow 644 medium foothold Lynis:FILE-7524
/etc/hosts.deny 644 medium foothold Lynis:FILE-7524
/etc/hosts.equiv 644 medium foothold
/etc/resolv.conf 644 medium other-tenants
/etc/nsswitch.conf 644 high host-root
/etc/ld.so.conf 644 high host-root
/etc/ld.so.preload 644 critical host-root
/etc/profile 644 high host-root
/etc/environment 644 high host-root
/etc/fstab 644 high host-root
/etc/sysctl.conf 644 high host-root
/etc/sysctl.d 755 high host-root
/etc/modprobe.d 755 high host-root
/etc/modules-load.d 755 high host-root
/etc/systemd/system 755 critical host-root Lynis:BOOT-5184
/usr/lib/systemd/system 755 critical host-root Lynis:BOOT-5184
/etc/init.d 755 high host-root Lynis:BOOT-5184
/etc/rc.local 755 high host-root Lynis:BOOT-5184
/etc/pam.d 755 critical host-root
/etc/security 755 high host-root
/etc/subuid 644 critical host-root
/etc/subgid 644 critical host-root
/etc/login.defs 644 medium foothold
/etc/motd 644 low hygiene CisLinux:1.6.4 Lynis:FILE-7524
/etc/issue 644 low hygiene CisLinux:1.6.5 Lynis:FILE-7524
/etc/issue.net 644 low hygiene CisLinux:1.6.6 Lynis:FILE-7524
/root 750 medium information Lynis:HOME-9304
/root/.ssh 700 high host-root Lynis:FILE-7524
/root/.ssh/authorized_keys 600 critical host-root
/etc 755 critical host-root
/usr 755 critical host-root
/usr/bin 755 critical host-root
/usr/sbin 755 critical host-root
/usr/lib 755 critical host-root
/usr/local/bin 2775 high host-root
/usr/local/sbin 2775 high host-root
/boot 755 high host-root
/lib/modules 755 critical host-root
/var/log 2775 medium concealment Lynis:LOGG-2150
/var/spool/cron/crontabs 1730 high host-root
/dev/mem 640 critical host-root
/dev/kmsg 644 medium information
/dev/sda 660 critical host-root
/dev/vda 660 critical host-root
/dev/nvme0n1 660 critical host-root
";

/// Paths that must have the sticky bit where everybody may write.
const STICKY: &[&str] = &["/tmp", "/var/tmp", "/dev/shm"];

pub(super) fn paths() -> impl Iterator<Item = &'static str> {
    paths_of(LINES).chain(STICKY.iter().copied())
}

/// One check for each line.
pub(super) fn controls() -> Vec<Control<HostFacts>> {
    let mut controls: Vec<_> = lines(LINES).map(control).collect();
    controls.extend(STICKY.iter().map(|path| sticky(path)));
    controls
}

pub(in crate::host::checks) fn control(line: Line) -> Control<HostFacts> {
    let Line { path, most, severity, gain, references } = line;
    let about = About::new(AREA, format!("file.{path}"))
        .title(format!("{path} belongs to root, and its mode is {most:04o} or less"))
        .why("A container that has one of the host's folders, or that escapes to an ordinary user, goes on from files that it may change or read.")
        .remedy(format!("chown root {path} && chmod {most:04o} {path}"))
        .weight(severity, gain)
        .dimension(Dimension::ControlPlane);
    let about = about.references(&references);
    Control::new(about, move |facts: &HostFacts| {
        let Some(status) = facts.file(path)? else {
            return Ok(Verdict::not_applicable(format!("there is no {path}")));
        };
        let seen = format!("mode {:04o}, user {}, group {}", status.mode, status.uid, status.gid);
        // That a file of words may be executed gives nothing to anybody.
        let counted = if status.kind == FileKind::File { 0o666 } else { 0o777 };
        let wrong = status.uid != 0 || status.mode & counted & !most != 0;
        Ok(if wrong { Verdict::fail(seen).at(path, None) } else { Verdict::pass(seen) })
    })
}

fn sticky(path: &'static str) -> Control<HostFacts> {
    let about = About::new(AREA, format!("file.{path}"))
        .title(format!("In {path} everybody removes only what is their own"))
        .why("Without the sticky bit any process that gets at the folder replaces the files of the others, those of the host's services among them.")
        .remedy(format!("chmod 1777 {path}"))
        .weight(Severity::High, Gain::HostRoot)
        .dimension(Dimension::ControlPlane)
        .reference(Body::Lynis, if path == "/var/tmp" { "FILE-6363" } else { "FILE-6362" });
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
pub(in crate::host::checks) mod tests {
    use super::*;
    use crate::control::Outcome;
    use crate::fact::Fact;
    use crate::host::checks::planted::nothing;
    use crate::tree::FileStatus;

    #[test]
    pub(in crate::host::checks) fn every_line_passes_with_its_mode_and_fails_with_more_or_another_owner() {
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
        assert_eq!(lines(LINES).count(), LINES.lines().count(), "each line is understood");
        for line in lines(LINES) {
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
