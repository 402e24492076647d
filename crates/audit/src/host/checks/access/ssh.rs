//! The SSH server: the way into the host that stands open to everybody.

use Want::{AtMost, Without, Words};

use crate::control::Gain::{Concealment, Denial, Foothold, HostRoot, Hygiene, Information, OtherTenants};
use crate::control::Severity::{High, Low, Medium};
use crate::control::{About, Body, Control, Dimension, Fix, Gain, Severity, Verdict};
use crate::host::HostFacts;

const AREA: &str = "ssh";

/// What a setting should be.
enum Want {
    /// One of these words, with spaces between; the first is what we would set.
    Words(&'static str),
    /// A number of at most this, above 0.
    AtMost(u64),
    /// A list without any of these.
    Without(&'static str),
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

/// A line; not inlined, as the compiler would make a constant of it: see [`crate::line`] why it should not.
#[inline(never)]
fn line(
    name: &'static str,
    default: &'static str,
    want: Want,
    why: &'static str,
    severity: Severity,
    gain: Gain,
    cis: &'static str,
) -> Line {
    Line { name, default, want, why, severity, gain, cis }
}

#[rustfmt::skip]
fn lines() -> Vec<Line> {
    vec![
        line("PermitRootLogin", "prohibit-password", Words("no prohibit-password without-password forced-commands-only"), "A password that opens root from the network is the shortest way past every container.", High, HostRoot, "5.1.20"),
        line("PasswordAuthentication", "yes", Words("no"), "Passwords are guessed and reused; a container on the host's network can try them against 127.0.0.1 all day.", Medium, Foothold, ""),
        line("PermitEmptyPasswords", "no", Words("no"), "An account without a password would be open to the network.", High, Foothold, "5.1.19"),
        line("HostbasedAuthentication", "no", Words("no"), "Trust in another host's word lets a container that speaks from that host's address in.", High, Foothold, "5.1.10"),
        line("IgnoreRhosts", "yes", Words("yes shosts-only"), "A file in a home that a container can write should never decide who gets in.", Medium, Foothold, "5.1.11"),
        line("PermitUserEnvironment", "no", Words("no"), "An environment from a user's own file goes around what the administrator restricted.", Medium, Foothold, "5.1.21"),
        line("StrictModes", "yes", Words("yes"), "Keys in a home that others can write are whoever's keys.", High, Foothold, ""),
        line("UsePAM", "yes", Words("yes"), "Without PAM neither limits nor lockouts apply to those who come by SSH.", Low, Foothold, "5.1.22"),
        line("X11Forwarding", "no", Words("no"), "A forwarded display gives the server's users, and so an escaped container, a way to the screen of whoever logs in.", Low, OtherTenants, "5.1.12"),
        line("AllowTcpForwarding", "yes", Words("no local"), "A forwarded port takes traffic past the walls between networks of containers.", Low, OtherTenants, "5.1.8"),
        line("AllowAgentForwarding", "yes", Words("no"), "Root on the host, and so an escaped container, can use the forwarded keys of everybody who is logged in.", Low, Foothold, "5.1.8"),
        line("PermitTunnel", "no", Words("no"), "A tunnel joins networks that the host keeps apart.", Medium, OtherTenants, ""),
        line("GatewayPorts", "no", Words("no"), "A forwarded port that listens on all addresses opens a container's service to the world.", Medium, OtherTenants, ""),
        line("Compression", "yes", Words("no delayed yes"), "Compression before the login is code that strangers reach.", Low, HostRoot, ""),
        line("LogLevel", "INFO", Words("VERBOSE INFO"), "The log of who came with which key is what tells afterwards how an attacker got to the host.", Low, Concealment, "5.1.14"),
        line("SyslogFacility", "AUTH", Words("AUTH AUTHPRIV"), "Logins that are logged elsewhere are not seen by what watches logins.", Low, Concealment, ""),
        line("MaxAuthTries", "6", AtMost(4), "Fewer tries per connection make guessing slow and loud.", Low, Foothold, "5.1.16"),
        line("MaxSessions", "10", AtMost(10), "One stolen connection should not carry any number of sessions.", Low, Denial, "5.1.17"),
        line("LoginGraceTime", "120", AtMost(60), "Connections that never log in hold processes of root's (and held CVE-2024-6387 open).", Medium, HostRoot, "5.1.13"),
        line("ClientAliveCountMax", "3", AtMost(3), "A session that nobody is behind any more is one to take over.", Low, Foothold, "5.1.7"),
        line("ClientAliveInterval", "0", AtMost(300), "A session that nobody is behind any more is one to take over.", Low, Foothold, "5.1.7"),
        line("TCPKeepAlive", "yes", Words("no yes"), "Keep-alives below SSH can be forged by a neighbour; those of SSH itself cannot.", Low, Denial, ""),
        line("UseDNS", "no", Words("no"), "A name that the caller's own name server gives should not decide or delay a login.", Low, Denial, ""),
        line("DisableForwarding", "no", Words("yes"), "One word closes every kind of forwarding, also those that later versions add.", Low, OtherTenants, "5.1.8"),
        line("GSSAPIAuthentication", "no", Words("no"), "An exchange that nobody uses is code before the login that strangers reach.", Low, HostRoot, "5.1.9"),
        line("Banner", "none", Words("/etc/issue.net /etc/issue"), "A notice before the login takes away the excuse of not having known whose host it is.", Low, Hygiene, "5.1.5"),
        line("Ciphers", "", Without("3des-cbc aes128-cbc aes192-cbc aes256-cbc arcfour arcfour128 arcfour256 blowfish-cbc cast128-cbc rijndael-cbc@lysator.liu.se"), "Ciphers that are broken let a neighbour on the wire read administrators' sessions.", Medium, Information, "5.1.6"),
        line("MACs", "", Without("hmac-md5 hmac-md5-96 hmac-ripemd160 hmac-sha1 hmac-sha1-96 umac-64@openssh.com hmac-md5-etm@openssh.com hmac-md5-96-etm@openssh.com hmac-sha1-96-etm@openssh.com"), "Weak checks of integrity let a neighbour on the wire change administrators' sessions.", Medium, Information, "5.1.15"),
        line("KexAlgorithms", "", Without("diffie-hellman-group1-sha1 diffie-hellman-group14-sha1 diffie-hellman-group-exchange-sha1"), "A key exchange that can be recorded now and broken later opens what administrators typed.", Medium, Information, "5.1.12"),
        line("HostKeyAlgorithms", "", Without("ssh-dss ssh-rsa"), "A host key that can be forged lets a neighbour stand in for the host.", Medium, Information, ""),
    ]
}

/// Those that Lynis looks at as well (its test SSH-7408).
const LYNIS: &str = "AllowTcpForwarding ClientAliveCountMax ClientAliveInterval Compression GatewayPorts IgnoreRhosts LoginGraceTime LogLevel MaxAuthTries MaxSessions PermitRootLogin PermitTunnel StrictModes UseDNS";

/// The checks.
pub(super) fn controls() -> Vec<Control<HostFacts>> {
    let mut controls: Vec<_> = lines().into_iter().map(control).collect();
    controls.push(who());
    controls
}

fn words(want: &Want) -> String {
    match want {
        Words(words) if words.contains(' ') => format!("one of {}", words.replace(' ', ", ")),
        Words(only) => (*only).to_owned(),
        AtMost(most) => format!("at most {most}, and not 0"),
        Without(_) => "without what is broken".to_owned(),
    }
}

fn control(line: Line) -> Control<HostFacts> {
    let name = line.name;
    let mut about = About::new(AREA, format!("sshd.{name}"))
        .title(format!("The SSH server's {name} is {}", words(&line.want)))
        .why(line.why)
        .weight(line.severity, line.gain)
        .dimension(Dimension::ControlPlane);
    if !line.cis.is_empty() {
        about = about.reference(Body::CisLinux, line.cis);
    }
    if LYNIS.split(' ').any(|known| known == name) {
        about = about.reference(Body::Lynis, "SSH-7408");
    }
    let value = match line.want {
        Words(words) => words.split(' ').next().map(str::to_owned),
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
            Words(words) => words.split(' ').any(|word| word.eq_ignore_ascii_case(value)),
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
fn lists_none(value: &str, broken: &str) -> bool {
    if value.is_empty() || value.starts_with('-') {
        return true;
    }
    let list = value.trim_start_matches(['+', '^']);
    list.split(',').all(|name| broken.split(' ').all(|known| known != name.trim()))
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
pub(in crate::host::checks) mod tests {
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
    pub(in crate::host::checks) fn every_setting_can_pass_and_can_fail() {
        for line in lines() {
            let (good, bad) = match line.want {
                Words(words) => (words.split(' ').next().unwrap().to_owned(), "garbage".to_owned()),
                AtMost(most) => (most.to_string(), (most + 1).to_string()),
                Without(broken) => {
                    ("aes256-gcm@openssh.com".to_owned(), format!("x,{}", broken.split(' ').next().unwrap()))
                }
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
