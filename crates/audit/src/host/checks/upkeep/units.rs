//! Services that should be there, one of each kind, and services that should not.

use crate::control::{About, Body, Control, Dimension, Evidence, Gain, Severity, Verdict};
use crate::host::HostFacts;
use crate::line::{Line, lines};

/// Kinds of services, any unit of which will do.
fn wanted_lines() -> Vec<Line<&'static str>> {
    lines! { &'static str;
        Line { id: "service.log", title: "Something writes the system's log", why: "Without a log nobody knows afterwards what a container did to its host.", remedy: "enable rsyslog, or make the journal persistent", severity: Severity::Medium, gain: Gain::Concealment, references: [(CisLinux, "6.1"), (Lynis, "LOGG-2130"), (Lynis, "LOGG-2138"), (Lynis, "LOGG-2136")], judge: "rsyslog.service syslog-ng.service systemd-journald.service systemd-journald.socket metalog.service", weak: "", strong: "" },
        Line { id: "service.audit", title: "The kernel's audit runs", why: "It writes down who became root and who changed what containers are started with, where nobody but root can remove it.", remedy: "install and enable auditd", severity: Severity::Medium, gain: Gain::Concealment, references: [(CisLinux, "6.2.1.1"), (Lynis, "ACCT-9628"), (Lynis, "ACCT-9630"), (Stig, "auditd")], judge: "auditd.service", weak: "", strong: "" },
        Line { id: "service.time", title: "Something keeps the clock right", why: "Logs of several hosts tell a story only on one clock, and certificates are only as good as the time.", remedy: "enable chrony or systemd-timesyncd", severity: Severity::Low, gain: Gain::Concealment, references: [(CisLinux, "2.3.1.1"), (Lynis, "TIME-3104")], judge: "chrony.service chronyd.service systemd-timesyncd.service ntp.service ntpsec.service ntpd.service openntpd.service", weak: "", strong: "" },
        Line { id: "service.firewall", title: "A packet filter is loaded at boot", why: "What an engine publishes, and what the host listens on, is otherwise open to every network.", remedy: "enable nftables, ufw or firewalld", severity: Severity::Medium, gain: Gain::OtherTenants, references: [(CisLinux, "4.1"), (Lynis, "FIRE-4590"), (Nist800190, "4.5.1")], judge: "nftables.service ufw.service firewalld.service netfilter-persistent.service shorewall.service ferm.service", weak: "", strong: "" },
        Line { id: "service.updates", title: "Security updates are installed by themselves", why: "The kernel bug that a container escapes with was most often mended before.", remedy: "install unattended-upgrades or dnf-automatic", severity: Severity::Medium, gain: Gain::KernelReach, references: [(Nist800190, "4.5.3"), (Lynis, "PKGS-7420")], judge: "unattended-upgrades.service dnf-automatic.timer dnf-automatic-install.timer dnf5-automatic.timer yum-cron.service zypper-auto.timer", weak: "", strong: "" },
        Line { id: "service.integrity", title: "Something compares the host's files with what they should be", why: "A program that was replaced from a container stays unseen until somebody compares.", remedy: "install AIDE, with a timer that runs it", severity: Severity::Low, gain: Gain::Concealment, references: [(CisLinux, "6.3.1"), (Lynis, "FINT-4350")], judge: "dailyaidecheck.timer aidecheck.timer aide.timer tripwire.timer samhain.service wazuh-agent.service ossec.service", weak: "", strong: "" },
        Line { id: "service.lockout", title: "Addresses that guess passwords are shut out", why: "Guessing from the network, or from a container on it, ends after a few tries.", remedy: "install fail2ban, or allow keys only", severity: Severity::Low, gain: Gain::Foothold, references: [(Lynis, "TOOL-5102"), (Lynis, "DEB-0880")], judge: "fail2ban.service sshguard.service crowdsec.service denyhosts.service", weak: "", strong: "" },
        Line { id: "service.accounting", title: "Processes are accounted for", why: "It tells which commands ran, also those that no log names.", remedy: "install acct, or sysstat", severity: Severity::Low, gain: Gain::Concealment, references: [(Lynis, "ACCT-9622"), (Lynis, "ACCT-9626")], judge: "acct.service psacct.service sysstat.service sysstat-collect.timer", weak: "", strong: "" },
    }
}

/// Services that a container host has no use for: name, section of CIS and test of Lynis (`-` for none), units.
const UNWANTED: &str = "\
avahi 2.1.2 - avahi-daemon.service avahi-daemon.socket
dhcp-server 2.1.3 - isc-dhcp-server.service dhcpd.service kea-dhcp4-server.service
dns-server 2.1.4 - named.service bind9.service
ftp-server 2.1.6 INSE-8300 vsftpd.service proftpd.service pure-ftpd.service
ldap-server 2.1.7 - slapd.service
mail-server 2.1.8 - dovecot.service cyrus-imapd.service
nis 2.1.10 INSE-8310 ypserv.service ypbind.service nis.service
rsync 2.1.13 - rsync.service rsyncd.service
snmp 2.1.15 - snmpd.service
telnet-server 2.1.16 INSE-8322 telnet.socket inetutils-telnetd.service
tftp 2.1.16 INSE-8318 tftpd-hpa.service tftp.socket atftpd.service
inetd 2.1.19 INSE-8000 inetd.service xinetd.service openbsd-inetd.service
rsh-server 2.1 INSE-8304 rsh.socket rlogin.socket rexec.socket
debug-shell - - debug-shell.service
ctrl-alt-del - - ctrl-alt-del.target
";

/// The checks.
pub(super) fn controls() -> Vec<Control<HostFacts>> {
    wanted_lines().iter().map(wanted).chain(UNWANTED.lines().filter_map(unwanted)).collect()
}

fn wanted(line: &Line<&'static str>) -> Control<HostFacts> {
    let wanted = line.judge;
    Control::new(line.about("services", Dimension::ControlPlane), move |facts: &HostFacts| {
        let units = facts.units.get()?;
        if units.is_empty() {
            return Ok(Verdict::unknown("the host has no systemd: what it starts is not known"));
        }
        let found = wanted.split(' ').find(|name| {
            // The journal has no link that enables it: being installed starts it.
            units.get(*name).is_some_and(|unit| {
                !unit.masked && (unit.enabled || name.starts_with("systemd-journald") && unit.installed)
            })
        });
        Ok(match found {
            Some(unit) => Verdict::pass(format!("{unit} is enabled")),
            None => Verdict::fail(format!("none of {} is enabled", wanted.replace(' ', ", "))),
        })
    })
}

fn unwanted(line: &'static str) -> Option<Control<HostFacts>> {
    let mut words = line.splitn(4, ' ');
    let (name, cis, lynis, unwanted) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let mut about = About::new("services", format!("service.no_{name}"))
        .title(format!("{name} is not started"))
        .why("A service that a container host has no use for is one more that a container, or its network, can aim at.")
        .remedy(format!("systemctl disable --now {unwanted}"))
        .weight(Severity::Low, Gain::Foothold)
        .dimension(Dimension::ControlPlane);
    for (body, id) in [(Body::CisLinux, cis), (Body::Lynis, lynis)] {
        if id != "-" {
            about = about.reference(body, id);
        }
    }
    Some(Control::new(about, move |facts: &HostFacts| {
        let units = facts.units.get()?;
        let started = unwanted
            .split(' ')
            .filter(|name| units.get(*name).is_some_and(|unit| unit.enabled && !unit.masked));
        Ok(Verdict::none_of(started.map(|name| Evidence::new(format!("{name} is enabled"))), "it is not"))
    }))
}

#[cfg(test)]
pub(in crate::host::checks) mod tests {
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
    pub(in crate::host::checks) fn every_service_can_be_missed_and_found() {
        for line in &wanted_lines() {
            let first = line.judge.split(' ').next().unwrap();
            assert_eq!(judge(&wanted(line), "other.service"), Outcome::Fail, "{}", line.id());
            assert_eq!(judge(&wanted(line), first), Outcome::Pass, "{}", line.id());
        }
        for line in UNWANTED.lines() {
            let control = unwanted(line).unwrap();
            assert_eq!(judge(&control, line.split(' ').nth(3).unwrap()), Outcome::Fail, "{line}");
            assert_eq!(judge(&control, "other.service"), Outcome::Pass, "{line}");
        }
    }
}
