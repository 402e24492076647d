//! The SSH server: the way into the host that stands open to everybody.

use Want::{AtMost, Without, Words};

use crate::control::Gain::{Concealment, Denial, Foothold, HostRoot, Hygiene, Information, OtherTenants};
use crate::control::Severity::{High, Low, Medium};
use crate::control::{About, Body, Control, Dimension, Fix, Gain, Severity, Verdict};
use crate::host::HostFacts;

const AREA: &str = "ssh";

/// What a setting should be.
enum Want {
    /// One of these words; the first is what we would set.
    Words(&'static [&'static str]),
    /// A number of at most this, above 0.
    AtMost(u64),
    /// A list without any of these.
    Without(&'static [&'static str]),
}

/// A setting: keyword, the server's own default, what it should be, why.
struct Line {
    name: &'static str,
    default: &'static str,
    want: Want,
    why: &'static str,
    severity: Severity,
    gain: Gain,
    cis: &'static str,
}

#[rustfmt::skip]
const LINES: &[Line] = &[
    Line { name: "PermitRootLogin", default: "prohibit-password", want: Words(&["no", "prohibit-password", "without-password", "forced-commands-only"]), why: "A password that opens root from the network is the shortest way past every container.", severity: High, gain: HostRoot, cis: "5.1.20" },
    Line { name: "PasswordAuthentication", default: "yes", want: Words(&["no"]), why: "Passwords are guessed and reused; a container on the host's network can try them against 127.0.0.1 all day.", severity: Medium, gain: Foothold, cis: "" },
    Line { name: "PermitEmptyPasswords", default: "no", want: Words(&["no"]), why: "An account without a password would be open to the network.", severity: High, gain: Foothold, cis: "5.1.19" },
    Line { name: "HostbasedAuthentication", default: "no", want: Words(&["no"]), why: "Trust in another host's word lets a container that speaks from that host's address in.", severity: High, gain: Foothold, cis: "5.1.10" },
    Line { name: "IgnoreRhosts", default: "yes", want: Words(&["yes", "shosts-only"]), why: "A file in a home that a container can write should never decide who gets in.", severity: Medium, gain: Foothold, cis: "5.1.11" },
    Line { name: "PermitUserEnvironment", default: "no", want: Words(&["no"]), why: "An environment from a user's own file goes around what the administrator restricted.", severity: Medium, gain: Foothold, cis: "5.1.21" },
    Line { name: "StrictModes", default: "yes", want: Words(&["yes"]), why: "Keys in a home that others can write are whoever's keys.", severity: High, gain: Foothold, cis: "" },
    Line { name: "UsePAM", default: "yes", want: Words(&["yes"]), why: "Without PAM neither limits nor lockouts apply to those who come by SSH.", severity: Low, gain: Foothold, cis: "5.1.22" },
    Line { name: "X11Forwarding", default: "no", want: Words(&["no"]), why: "A forwarded display gives the server's users, and so an escaped container, a way to the screen of whoever logs in.", severity: Low, gain: OtherTenants, cis: "5.1.12" },
    Line { name: "AllowTcpForwarding", default: "yes", want: Words(&["no", "local"]), why: "A forwarded port takes traffic past the walls between networks of containers.", severity: Low, gain: OtherTenants, cis: "5.1.8" },
    Line { name: "AllowAgentForwarding", default: "yes", want: Words(&["no"]), why: "Root on the host, and so an escaped container, can use the forwarded keys of everybody who is logged in.", severity: Low, gain: Foothold, cis: "5.1.8" },
    Line { name: "PermitTunnel", default: "no", want: Words(&["no"]), why: "A tunnel joins networks that the host keeps apart.", severity: Medium, gain: OtherTenants, cis: "" },
    Line { name: "GatewayPorts", default: "no", want: Words(&["no"]), why: "A forwarded port that listens on all addresses opens a container's service to the world.", severity: Medium, gain: OtherTenants, cis: "" },
    Line { name: "Compression", default: "yes", want: Words(&["no", "delayed", "yes"]), why: "Compression before the login is code that strangers reach.", severity: Low, gain: HostRoot, cis: "" },
    Line { name: "LogLevel", default: "INFO", want: Words(&["VERBOSE", "INFO"]), why: "The log of who came with which key is what tells afterwards how an attacker got to the host.", severity: Low, gain: Concealment, cis: "5.1.14" },
    Line { name: "SyslogFacility", default: "AUTH", want: Words(&["AUTH", "AUTHPRIV"]), why: "Logins that are logged elsewhere are not seen by what watches logins.", severity: Low, gain: Concealment, cis: "" },
    Line { name: "MaxAuthTries", default: "6", want: AtMost(4), why: "Fewer tries per connection make guessing slow and loud.", severity: Low, gain: Foothold, cis: "5.1.16" },
    Line { name: "MaxSessions", default: "10", want: AtMost(10), why: "One stolen connection should not carry any number of sessions.", severity: Low, gain: Denial, cis: "5.1.17" },
    Line { name: "LoginGraceTime", default: "120", want: AtMost(60), why: "Connections that never log in hold processes of root's (and held CVE-2024-6387 open).", severity: Medium, gain: HostRoot, cis: "5.1.13" },
    Line { name: "ClientAliveCountMax", default: "3", want: AtMost(3), why: "A session that nobody is behind any more is one to take over.", severity: Low, gain: Foothold, cis: "5.1.7" },
    Line { name: "ClientAliveInterval", default: "0", want: AtMost(300), why: "A session that nobody is behind any more is one to take over.", severity: Low, gain: Foothold, cis: "5.1.7" },
    Line { name: "TCPKeepAlive", default: "yes", want: Words(&["no", "yes"]), why: "Keep-alives below SSH can be forged by a neighbour; those of SSH itself cannot.", severity: Low, gain: Denial, cis: "" },
    Line { name: "UseDNS", default: "no", want: Words(&["no"]), why: "A name that the caller's own name server gives should not decide or delay a login.", severity: Low, gain: Denial, cis: "" },
    Line { name: "DisableForwarding", default: "no", want: Words(&["yes"]), why: "One word closes every kind of forwarding, also those that later versions add.", severity: Low, gain: OtherTenants, cis: "5.1.8" },
    Line { name: "GSSAPIAuthentication", default: "no", want: Words(&["no"]), why: "An exchange that nobody uses is code before the login that strangers reach.", severity: Low, gain: HostRoot, cis: "5.1.9" },
    Line { name: "Banner", default: "none", want: Words(&["/etc/issue.net", "/etc/issue"]), why: "A notice before the login takes away the excuse of not having known whose host it is.", severity: Low, gain: Hygiene, cis: "5.1.5" },
    Line { name: "Ciphers", default: "", want: Without(&["3des-cbc", "aes128-cbc", "aes192-cbc", "aes256-cbc", "arcfour", "arcfour128", "arcfour256", "blowfish-cbc", "cast128-cbc", "rijndael-cbc@lysator.liu.se"]), why: "Ciphers that are broken let a neighbour on the wire read administrators' sessions.", severity: Medium, gain: Information, cis: "5.1.6" },
    Line { name: "MACs", default: "", want: Without(&["hmac-md5", "hmac-md5-96", "hmac-ripemd160", "hmac-sha1", "hmac-sha1-96", "umac-64@openssh.com", "hmac-md5-etm@openssh.com", "hmac-md5-96-etm@openssh.com", "hmac-sha1-96-etm@openssh.com"]), why: "Weak checks of integrity let a neighbour on the wire change administrators' sessions.", severity: Medium, gain: Information, cis: "5.1.15" },
    Line { name: "KexAlgorithms", default: "", want: Without(&["diffie-hellman-group1-sha1", "diffie-hellman-group14-sha1", "diffie-hellman-group-exchange-sha1"]), why: "A key exchange that can be recorded now and broken later opens what administrators typed.", severity: Medium, gain: Information, cis: "5.1.12" },
    Line { name: "HostKeyAlgorithms", default: "", want: Without(&["ssh-dss", "ssh-rsa"]), why: "A host key that can be forged lets a neighbour stand in for the host.", severity: Medium, gain: Information, cis: "" },
];

/// Those that Lynis looks at as well (its test SSH-7408).
const LYNIS: [&str; 14] = [
    "AllowTcpForwarding",
    "ClientAliveCountMax",
    "ClientAliveInterval",
    "Compression",
    "GatewayPorts",
    "IgnoreRhosts",
    "LoginGraceTime",
    "LogLevel",
    "MaxAuthTries",
    "MaxSessions",
    "PermitRootLogin",
    "PermitTunnel",
    "StrictModes",
    "UseDNS",
];

/// The checks.
pub(super) fn controls() -> Vec<Control<HostFacts>> {
    let mut controls: Vec<_> = LINES.iter().map(control).collect();
    controls.push(who());
    controls
}

fn words(want: &Want) -> String {
    match want {
        Words([only]) => (*only).to_owned(),
        Words(words) => format!("one of {}", words.join(", ")),
        AtMost(most) => format!("at most {most}, and not 0"),
        Without(_) => "without what is broken".to_owned(),
    }
}

fn control(line: &'static Line) -> Control<HostFacts> {
    let name = line.name;
    let mut about = About::new(AREA, format!("sshd.{name}"))
        .title(format!("The SSH server's {name} is {}", words(&line.want)))
        .why(line.why)
        .weight(line.severity, line.gain)
        .dimension(Dimension::ControlPlane);
    if !line.cis.is_empty() {
        about = about.reference(Body::CisLinux, line.cis);
    }
    if LYNIS.contains(&name) {
        about = about.reference(Body::Lynis, "SSH-7408");
    }
    let value = match line.want {
        Words(words) => Some(words[0].to_owned()),
        AtMost(most) => Some(most.to_string()),
        Without(_) => None,
    };
    about.remedy = match &value {
        Some(value) => {
            format!("write `{name} {value}` to a file in /etc/ssh/sshd_config.d and reload the server").into()
        }
        None => format!("remove {name} from the server's files: its own list has none of these").into(),
    };
    // A banner is text that only the owner can write; and where only passwords let people in, `no` would lock them out.
    about.fix =
        value.filter(|_| name != "Banner").map(|value| Fix::SshSetting { name: name.to_owned(), value });
    Control::new(about, move |facts: &HostFacts| {
        let Some(sshd) = facts.ssh.get()? else {
            return Ok(Verdict::not_applicable("no SSH server is installed"));
        };
        let setting = sshd.settings.get(&name.to_ascii_lowercase());
        let value = setting.map_or(line.default, |setting| setting.value.as_str());
        let holds = match &line.want {
            Words(words) => words.iter().any(|word| word.eq_ignore_ascii_case(value)),
            AtMost(most) => seconds(value).is_some_and(|number| (1..=*most).contains(&number)),
            Without(broken) => lists_none(value, broken),
        };
        let seen = match setting {
            Some(_) => format!("{name} {value}"),
            None => format!("{name} is not set; the server takes {:?}", line.default),
        };
        let verdict = if holds { Verdict::pass(seen) } else { Verdict::fail(seen) };
        Ok(match setting {
            Some(setting) => verdict.at(setting.path.as_str(), Some(setting.line)),
            None => verdict,
        })
    })
}

/// A number of seconds or of anything: `60`, `2m`, `1h`.
fn seconds(text: &str) -> Option<u64> {
    let (number, factor) = match text.strip_suffix(['s', 'm', 'h']) {
        Some(number) => (
            number,
            if text.ends_with('m') {
                60
            } else if text.ends_with('h') {
                3600
            } else {
                1
            },
        ),
        None => (text, 1),
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// A list that takes from the server's own (`-`) cannot add what is broken; one that adds to it (`+`, `^`) can.
fn lists_none(value: &str, broken: &[&str]) -> bool {
    if value.is_empty() || value.starts_with('-') {
        return true;
    }
    let list = value.trim_start_matches(['+', '^']);
    !list.split(',').any(|name| broken.contains(&name.trim()))
}

fn who() -> Control<HostFacts> {
    let about = About::new(AREA, "sshd.allowed")
        .title("The SSH server names who may log in")
        .why("An account that a package or an image brings along should not be one that the network can log in to.")
        .remedy("write `AllowGroups GROUP` to a file in /etc/ssh/sshd_config.d")
        .weight(Low, Foothold)
        .dimension(Dimension::ControlPlane)
        .reference(Body::CisLinux, "5.1.4")
        .reference(Body::Lynis, "SSH-7440");
    Control::new(about, |facts: &HostFacts| {
        let Some(sshd) = facts.ssh.get()? else {
            return Ok(Verdict::not_applicable("no SSH server is installed"));
        };
        let named = ["allowusers", "allowgroups"].iter().find_map(|name| sshd.settings.get(*name));
        Ok(match named {
            Some(setting) => {
                Verdict::pass(setting.value.as_str()).at(setting.path.as_str(), Some(setting.line))
            }
            None => Verdict::fail("neither AllowUsers nor AllowGroups is set"),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::Outcome;
    use crate::fact::Fact;
    use crate::host::checks::planted::nothing;
    use crate::host::{Setting, Sshd};

    fn judge(name: &str, value: Option<&str>) -> Outcome {
        let mut facts = nothing();
        let mut sshd = Sshd::default();
        if let Some(value) = value {
            let setting = Setting { value: value.to_owned(), path: "/x".to_owned(), line: 1 };
            sshd.settings.insert(name.to_ascii_lowercase(), setting);
        }
        facts.ssh = Fact::Known(Some(sshd));
        let control = controls().into_iter().find(|control| control.about.id == format!("sshd.{name}"));
        control.unwrap().judge(&facts).outcome
    }

    #[test]
    fn every_setting_can_pass_and_can_fail() {
        for line in LINES {
            let (good, bad) = match line.want {
                Words(words) => (words[0].to_owned(), "garbage".to_owned()),
                AtMost(most) => (most.to_string(), (most + 1).to_string()),
                Without(broken) => ("aes256-gcm@openssh.com".to_owned(), format!("x,{}", broken[0])),
            };
            assert_eq!(judge(line.name, Some(&good)), Outcome::Pass, "{} {good}", line.name);
            assert_eq!(judge(line.name, Some(&bad)), Outcome::Fail, "{} {bad}", line.name);
        }
        assert_eq!(judge("LoginGraceTime", None), Outcome::Fail, "the server's own default counts");
        assert_eq!(judge("LoginGraceTime", Some("1m")), Outcome::Pass);
        assert_eq!(judge("ClientAliveInterval", Some("0")), Outcome::Fail);
        assert_eq!(judge("Ciphers", Some("+3des-cbc")), Outcome::Fail);
        assert_eq!(judge("Ciphers", Some("-3des-cbc")), Outcome::Pass);
    }
}
