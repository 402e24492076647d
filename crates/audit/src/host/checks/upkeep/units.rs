//! Services that should be there, one of each kind, and services that should not.

use crate::control::{About, Body, Control, Dimension, Evidence, Gain, Severity, Verdict};
use crate::host::HostFacts;

/// A kind of service, any unit of which will do.
struct Wanted {
    id: &'static str,
    title: &'static str,
    why: &'static str,
    remedy: &'static str,
    units: &'static [&'static str],
    severity: Severity,
    gain: Gain,
    references: &'static [(Body, &'static str)],
}

#[rustfmt::skip]
const WANTED: &[Wanted] = &[
    Wanted { id: "service.log", title: "Something writes the system's log", why: "Without a log nobody knows afterwards what a container did to its host.", remedy: "enable rsyslog, or make the journal persistent", units: &["rsyslog.service", "syslog-ng.service", "systemd-journald.service", "systemd-journald.socket", "metalog.service"], severity: Severity::Medium, gain: Gain::Concealment, references: &[(Body::CisLinux, "6.1"), (Body::Lynis, "LOGG-2130"), (Body::Lynis, "LOGG-2138")] },
    Wanted { id: "service.audit", title: "The kernel's audit runs", why: "It writes down who became root and who changed what containers are started with, where nobody but root can remove it.", remedy: "install and enable auditd", units: &["auditd.service"], severity: Severity::Medium, gain: Gain::Concealment, references: &[(Body::CisLinux, "6.2.1.1"), (Body::Lynis, "ACCT-9628"), (Body::Lynis, "ACCT-9630"), (Body::Stig, "auditd")] },
    Wanted { id: "service.time", title: "Something keeps the clock right", why: "Logs of several hosts tell a story only on one clock, and certificates are only as good as the time.", remedy: "enable chrony or systemd-timesyncd", units: &["chrony.service", "chronyd.service", "systemd-timesyncd.service", "ntp.service", "ntpsec.service", "ntpd.service", "openntpd.service"], severity: Severity::Low, gain: Gain::Concealment, references: &[(Body::CisLinux, "2.3.1.1"), (Body::Lynis, "TIME-3104")] },
    Wanted { id: "service.firewall", title: "A packet filter is loaded at boot", why: "What an engine publishes, and what the host listens on, is otherwise open to every network.", remedy: "enable nftables, ufw or firewalld", units: &["nftables.service", "ufw.service", "firewalld.service", "netfilter-persistent.service", "shorewall.service", "ferm.service"], severity: Severity::Medium, gain: Gain::OtherTenants, references: &[(Body::CisLinux, "4.1"), (Body::Lynis, "FIRE-4590"), (Body::Nist800190, "4.5.1")] },
    Wanted { id: "service.updates", title: "Security updates are installed by themselves", why: "The kernel bug that a container escapes with was most often mended before.", remedy: "install unattended-upgrades or dnf-automatic", units: &["apt-daily-upgrade.timer", "unattended-upgrades.service", "dnf-automatic.timer", "dnf-automatic-install.timer", "dnf5-automatic.timer", "yum-cron.service", "zypper-auto.timer"], severity: Severity::Medium, gain: Gain::KernelReach, references: &[(Body::Nist800190, "4.5.3"), (Body::Lynis, "PKGS-7420")] },
    Wanted { id: "service.integrity", title: "Something compares the host's files with what they should be", why: "A program that was replaced from a container stays unseen until somebody compares.", remedy: "install AIDE, with a timer that runs it", units: &["dailyaidecheck.timer", "aidecheck.timer", "aide.timer", "tripwire.timer", "samhain.service", "wazuh-agent.service", "ossec.service"], severity: Severity::Low, gain: Gain::Concealment, references: &[(Body::CisLinux, "6.3.1"), (Body::Lynis, "FINT-4350")] },
    Wanted { id: "service.lockout", title: "Addresses that guess passwords are shut out", why: "Guessing from the network, or from a container on it, ends after a few tries.", remedy: "install fail2ban, or allow keys only", units: &["fail2ban.service", "sshguard.service", "crowdsec.service", "denyhosts.service"], severity: Severity::Low, gain: Gain::Foothold, references: &[(Body::Lynis, "TOOL-5102")] },
    Wanted { id: "service.accounting", title: "Processes are accounted for", why: "It tells which commands ran, also those that no log names.", remedy: "install acct, or sysstat", units: &["acct.service", "psacct.service", "sysstat.service", "sysstat-collect.timer"], severity: Severity::Low, gain: Gain::Concealment, references: &[(Body::Lynis, "ACCT-9622"), (Body::Lynis, "ACCT-9626")] },
];

/// Services that a container host has no use for.
struct Unwanted {
    name: &'static str,
    units: &'static [&'static str],
    cis: &'static str,
    lynis: &'static str,
}

#[rustfmt::skip]
const UNWANTED: &[Unwanted] = &[
    Unwanted { name: "avahi", units: &["avahi-daemon.service", "avahi-daemon.socket"], cis: "2.1.2", lynis: "" },
    Unwanted { name: "dhcp-server", units: &["isc-dhcp-server.service", "dhcpd.service", "kea-dhcp4-server.service"], cis: "2.1.3", lynis: "" },
    Unwanted { name: "dns-server", units: &["named.service", "bind9.service"], cis: "2.1.4", lynis: "" },
    Unwanted { name: "ftp-server", units: &["vsftpd.service", "proftpd.service", "pure-ftpd.service"], cis: "2.1.6", lynis: "INSE-8300" },
    Unwanted { name: "ldap-server", units: &["slapd.service"], cis: "2.1.7", lynis: "" },
    Unwanted { name: "mail-server", units: &["dovecot.service", "cyrus-imapd.service"], cis: "2.1.8", lynis: "" },
    Unwanted { name: "nis", units: &["ypserv.service", "ypbind.service", "nis.service"], cis: "2.1.10", lynis: "INSE-8310" },
    Unwanted { name: "rsync", units: &["rsync.service", "rsyncd.service"], cis: "2.1.13", lynis: "" },
    Unwanted { name: "snmp", units: &["snmpd.service"], cis: "2.1.15", lynis: "" },
    Unwanted { name: "telnet-server", units: &["telnet.socket", "inetutils-telnetd.service"], cis: "2.1.16", lynis: "INSE-8322" },
    Unwanted { name: "tftp", units: &["tftpd-hpa.service", "tftp.socket", "atftpd.service"], cis: "2.1.16", lynis: "INSE-8318" },
    Unwanted { name: "inetd", units: &["inetd.service", "xinetd.service", "openbsd-inetd.service"], cis: "2.1.19", lynis: "INSE-8000" },
    Unwanted { name: "rsh-server", units: &["rsh.socket", "rlogin.socket", "rexec.socket"], cis: "2.1", lynis: "INSE-8304" },
    Unwanted { name: "debug-shell", units: &["debug-shell.service"], cis: "", lynis: "" },
    Unwanted { name: "ctrl-alt-del", units: &["ctrl-alt-del.target"], cis: "", lynis: "" },
];

/// The checks.
pub(super) fn controls() -> Vec<Control<HostFacts>> {
    WANTED.iter().map(wanted).chain(UNWANTED.iter().map(unwanted)).collect()
}

fn wanted(line: &'static Wanted) -> Control<HostFacts> {
    let about = About::new("services", line.id)
        .title(line.title)
        .why(line.why)
        .remedy(line.remedy)
        .weight(line.severity, line.gain)
        .dimension(Dimension::ControlPlane);
    let about = about.references(line.references);
    Control::new(about, move |facts: &HostFacts| {
        let units = facts.units.get()?;
        if units.is_empty() {
            return Ok(Verdict::unknown("the host has no systemd: what it starts is not known"));
        }
        let found = line.units.iter().find(|name| {
            // The journal has no link that enables it: being installed starts it.
            units.get(**name).is_some_and(|unit| {
                !unit.masked && (unit.enabled || name.starts_with("systemd-journald") && unit.installed)
            })
        });
        Ok(match found {
            Some(unit) => Verdict::pass(format!("{unit} is enabled")),
            None => Verdict::fail(format!("none of {} is enabled", line.units.join(", "))),
        })
    })
}

fn unwanted(line: &'static Unwanted) -> Control<HostFacts> {
    let mut about = About::new("services", format!("service.no_{}", line.name))
        .title(format!("{} is not started", line.name))
        .why("A service that a container host has no use for is one more that a container, or its network, can aim at.")
        .remedy(format!("systemctl disable --now {}", line.units.join(" ")))
        .weight(Severity::Low, Gain::Foothold)
        .dimension(Dimension::ControlPlane);
    if !line.cis.is_empty() {
        about = about.reference(Body::CisLinux, line.cis);
    }
    if !line.lynis.is_empty() {
        about = about.reference(Body::Lynis, line.lynis);
    }
    Control::new(about, move |facts: &HostFacts| {
        let units = facts.units.get()?;
        let started = line
            .units
            .iter()
            .filter(|name| units.get(**name).is_some_and(|unit| unit.enabled && !unit.masked));
        Ok(Verdict::none_of(started.map(|name| Evidence::new(format!("{name} is enabled"))), "it is not"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::Outcome;
    use crate::fact::Fact;
    use crate::host::Unit;
    use crate::host::checks::planted::nothing;

    fn judge(control: &Control<HostFacts>, unit: &str) -> Outcome {
        let mut facts = nothing();
        let on = Unit { installed: true, enabled: true, masked: false };
        facts.units = Fact::Known([(unit.to_owned(), on)].into());
        control.judge(&facts).outcome
    }

    #[test]
    fn every_service_can_be_missed_and_found() {
        for line in WANTED {
            assert_eq!(judge(&wanted(line), "other.service"), Outcome::Fail, "{}", line.id);
            assert_eq!(judge(&wanted(line), line.units[0]), Outcome::Pass, "{}", line.id);
        }
        for line in UNWANTED {
            assert_eq!(judge(&unwanted(line), line.units[0]), Outcome::Fail, "{}", line.name);
            assert_eq!(judge(&unwanted(line), "other.service"), Outcome::Pass, "{}", line.name);
        }
    }
}
