//! The files that are written: drop-ins of our own beside what the owner and the packages wrote, never in it.

use crate::control::Fix;

/// A kind of file that a fix goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum DropIn {
    /// Kernel parameters (sysctl.d(5)).
    Parameters,
    /// Modules (modprobe.d(5)).
    Modules,
    /// The SSH server (sshd_config(5)).
    Ssh,
    /// GRUB's command line for the kernel.
    Grub,
    /// Limits of logins (limits.conf(5)).
    Limits,
    /// What systemd does with core dumps (coredump.conf.d(5)).
    CoreDumps,
    /// systemd's journal (journald.conf.d(5)).
    Journal,
    /// Rules of the kernel's audit (audit.rules(7)).
    AuditRules,
}

impl DropIn {
    /// Its path. The last file counts everywhere but with SSH, where the first one does.
    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::Parameters => "/etc/sysctl.d/zz-cofferdam.conf",
            Self::Modules => "/etc/modprobe.d/cofferdam.conf",
            Self::Ssh => "/etc/ssh/sshd_config.d/00-cofferdam.conf",
            Self::Grub => "/etc/default/grub.d/zz-cofferdam.cfg",
            Self::Limits => "/etc/security/limits.d/zz-cofferdam.conf",
            Self::CoreDumps => "/etc/systemd/coredump.conf.d/zz-cofferdam.conf",
            Self::Journal => "/etc/systemd/journald.conf.d/zz-cofferdam.conf",
            Self::AuditRules => "/etc/audit/rules.d/cofferdam.rules",
        }
    }

    /// The section that its lines belong to.
    const fn section(self) -> Option<&'static str> {
        match self {
            Self::CoreDumps => Some("[Coredump]"),
            Self::Journal => Some("[Journal]"),
            _ => None,
        }
    }

    /// What has to happen before what was written is in force on a running system; nothing for what is set at once.
    pub(super) const fn then(self) -> Option<&'static str> {
        match self {
            Self::Parameters => None,
            Self::Modules => Some("modules that are loaded stay until a reboot"),
            Self::Ssh => Some(
                "run `systemctl reload ssh` (or `sshd`), and keep this session open until a new one works",
            ),
            Self::Grub => Some("run `update-grub` and reboot"),
            Self::Limits => Some("new logins have the limits"),
            Self::CoreDumps => Some("from the next core dump on"),
            Self::Journal => Some("run `systemctl restart systemd-journald`"),
            Self::AuditRules => Some("run `augenrules --load`"),
        }
    }

    /// What a line is about: a later line about the same takes its place.
    fn key(self, line: &str) -> &str {
        match self {
            Self::Parameters | Self::CoreDumps | Self::Journal => {
                line.split('=').next().unwrap_or(line).trim()
            }
            Self::Ssh => line.split_whitespace().next().unwrap_or(line),
            Self::Modules | Self::Grub | Self::Limits | Self::AuditRules => line,
        }
    }

    /// Its text with these lines in it; what else it had stays.
    pub(super) fn with(self, before: Option<&str>, lines: &[String]) -> String {
        let head = "# Written by `cofferdam audit host --fix`; `cofferdam audit undo` takes it back.";
        let mut all: Vec<&str> = match before {
            Some(text) => text.lines().collect(),
            None => std::iter::once(head).chain(self.section()).collect(),
        };
        for line in lines {
            let same = |other: &&str| !other.starts_with('#') && self.key(other) == self.key(line);
            match all.iter().position(same) {
                Some(place) => all[place] = line,
                None => all.push(line),
            }
        }
        all.join("\n") + "\n"
    }
}

impl Fix {
    /// The file that it goes to, and its line there.
    pub(super) fn line(&self) -> (DropIn, String) {
        match self {
            Self::Parameter { name, value } => (DropIn::Parameters, format!("{name} = {value}")),
            Self::BarModule { name } => (DropIn::Modules, format!("install {name} /bin/false")),
            Self::SshSetting { name, value } => (DropIn::Ssh, format!("{name} {value}")),
            Self::BootWord { word } => {
                (DropIn::Grub, format!("GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX {word}\""))
            }
            Self::NoCoreDumps => (DropIn::Limits, "* hard core 0".to_owned()),
            Self::CoreDumpSetting { name, value } => (DropIn::CoreDumps, format!("{name}={value}")),
            Self::JournalSetting { name, value } => (DropIn::Journal, format!("{name}={value}")),
            Self::Watch { path } => (DropIn::AuditRules, format!("-w {path} -k containers")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_takes_the_place_of_one_about_the_same() {
        let text = DropIn::Parameters.with(None, &["a.b = 1".to_owned(), "c = 2".to_owned()]);
        assert_eq!(text.lines().skip(1).collect::<Vec<_>>(), ["a.b = 1", "c = 2"]);
        let later = DropIn::Parameters.with(Some(&text), &["a.b = 3".to_owned()]);
        assert_eq!(later.lines().skip(1).collect::<Vec<_>>(), ["a.b = 3", "c = 2"]);
        assert_eq!(DropIn::Parameters.with(Some(&later), &["a.b = 3".to_owned()]), later, "nothing new");
        let journal = DropIn::Journal.with(None, &["Storage=persistent".to_owned()]);
        assert!(journal.ends_with("[Journal]\nStorage=persistent\n"), "{journal}");
    }
}
