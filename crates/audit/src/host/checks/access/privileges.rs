//! Who becomes root, by sudo, by a group, or by being an engine's client.

use crate::control::{About, Body, Control, Dimension, Evidence, Gain, Severity, Verdict};
use crate::fact::Unknown;
use crate::host::{HostFacts, SudoRule};

const AREA: &str = "privileges";

/// The checks.
pub(super) fn controls() -> Vec<Control<HostFacts>> {
    let mut controls = vec![sudo_needs_password(), sudo_everything(), sudo_hardened(), su_restricted()];
    controls.extend(GROUPS.iter().map(group));
    controls
}

/// Groups whose members are root in all but name: group, title, why, severity, reference.
type GroupLine = (&'static str, &'static str, Severity, &'static [(Body, &'static str)]);
const GROUPS: &[GroupLine] = &[
    (
        "docker",
        "Who may speak to Docker's socket starts a privileged container and is root on the host with it.",
        Severity::High,
        &[(Body::CisDocker, "1.1.2"), (Body::NsaCisa, "Authentication and authorization")],
    ),
    (
        "podman",
        "Who may speak to Podman's system socket starts a privileged container and is root on the host with it.",
        Severity::High,
        &[],
    ),
    (
        "lxd",
        "Who may speak to LXD mounts the host's root into a container and is root on the host with it.",
        Severity::High,
        &[],
    ),
    (
        "incus-admin",
        "Who may speak to Incus as an administrator mounts the host's root into a container and is root on the host with it.",
        Severity::High,
        &[],
    ),
    (
        "libvirt",
        "Who may speak to libvirt attaches the host's disk to a machine of their own and is root on the host with it.",
        Severity::Medium,
        &[],
    ),
    ("disk", "Who may write the disks writes any file on them, /etc/shadow first.", Severity::High, &[]),
    ("kmem", "Who may read the kernel's memory reads every container's.", Severity::High, &[]),
    (
        "shadow",
        "Who may read the password hashes guesses them in peace.",
        Severity::Medium,
        &[(Body::CisLinux, "7.2.8")],
    ),
];

fn group(line: &'static GroupLine) -> Control<HostFacts> {
    let (name, why, severity, references) = *line;
    let about = About::new(AREA, format!("group.{name}"))
        .title(format!("Nobody but root is in the group {name}"))
        .why(why)
        .remedy(format!("remove the accounts with `gpasswd -d USER {name}`; use rootless containers or per-zone rights instead"))
        .weight(severity, Gain::HostRoot)
        .dimension(Dimension::ControlPlane);
    let about = about.references(references);
    Control::new(about, move |facts: &HostFacts| {
        let Some(members) = facts.accounts.members(name)? else {
            return Ok(Verdict::not_applicable(format!("there is no group {name}")));
        };
        let members = members.into_iter().filter(|member| member != "root");
        let seen = members.map(|member| Evidence::at(format!("{member} is"), "/etc/group", None));
        Ok(Verdict::none_of(seen, "nobody is"))
    })
}

/// The rules of sudo that grant something, without its settings.
fn grants(rules: &[SudoRule]) -> impl Iterator<Item = &SudoRule> {
    const OTHERS: [&str; 6] =
        ["Defaults", "User_Alias", "Runas_Alias", "Host_Alias", "Cmnd_Alias", "Cmd_Alias"];
    rules.iter().filter(|rule| !OTHERS.iter().any(|word| rule.text.starts_with(word)))
}

fn evidence(rule: &SudoRule) -> Evidence {
    Evidence::at(rule.text.as_str(), rule.path.as_str(), Some(rule.line))
}

fn installed(facts: &HostFacts) -> Result<Option<&[SudoRule]>, Unknown> {
    let rules = facts.accounts.sudo.get()?;
    Ok((!rules.is_empty()).then_some(rules.as_slice()))
}

fn sudo_needs_password() -> Control<HostFacts> {
    let about = About::new(AREA, "sudo.password")
        .title("sudo asks for a password")
        .why("A process that escapes to a user whose sudo asks for nothing is root one word later.")
        .remedy("remove NOPASSWD and `!authenticate` from sudo's files with visudo")
        .weight(Severity::High, Gain::HostRoot)
        .dimension(Dimension::ControlPlane)
        .reference(Body::CisLinux, "5.2.4");
    Control::new(about, |facts: &HostFacts| {
        let Some(rules) = installed(facts)? else {
            return Ok(Verdict::not_applicable("sudo has no rules here"));
        };
        let wrong =
            rules.iter().filter(|rule| rule.text.contains("NOPASSWD") || rule.text.contains("!authenticate"));
        Ok(Verdict::none_of(wrong.map(evidence), "every rule does"))
    })
}

fn sudo_everything() -> Control<HostFacts> {
    let about = About::new(AREA, "sudo.some_commands")
        .title("sudo gives nobody but root and one group of administrators everything")
        .why("Each account that may run everything as root is one more whose takeover is the host's.")
        .remedy("name the commands that the account needs, in a file below /etc/sudoers.d")
        .weight(Severity::Medium, Gain::HostRoot)
        .dimension(Dimension::ControlPlane);
    Control::new(about, |facts: &HostFacts| {
        const ADMINISTRATORS: [&str; 4] = ["root", "%sudo", "%wheel", "%admin"];
        let Some(rules) = installed(facts)? else {
            return Ok(Verdict::not_applicable("sudo has no rules here"));
        };
        let wrong = grants(rules).filter(|rule| {
            let who = rule.text.split_whitespace().next().unwrap_or_default();
            let everything = rule.text.trim_end().ends_with("ALL") && rule.text.contains('=');
            everything && !ADMINISTRATORS.contains(&who)
        });
        Ok(Verdict::none_of(wrong.map(evidence), "nobody else gets everything"))
    })
}

fn sudo_hardened() -> Control<HostFacts> {
    let about = About::new(AREA, "sudo.terminal")
        .title("sudo runs commands in a terminal of their own")
        .why("In a shared terminal a command that root runs can be fed keys by what the user left behind.")
        .remedy("add `Defaults use_pty` to sudo's files with visudo")
        .weight(Severity::Low, Gain::HostRoot)
        .dimension(Dimension::ControlPlane)
        .reference(Body::CisLinux, "5.2.2");
    Control::new(about, |facts: &HostFacts| {
        let Some(rules) = installed(facts)? else {
            return Ok(Verdict::not_applicable("sudo has no rules here"));
        };
        let mut settings = rules.iter().filter(|rule| rule.text.starts_with("Defaults"));
        let holds = |rule: &SudoRule| {
            let words = rule.text.trim_start_matches("Defaults");
            words.split([',', ' ', '\t']).any(|word| word.trim() == "use_pty")
        };
        Ok(match settings.find(|rule| holds(rule)) {
            Some(rule) => Verdict::pass(rule.text.as_str()),
            None => Verdict::fail("`Defaults use_pty` is not set"),
        })
    })
}

fn su_restricted() -> Control<HostFacts> {
    let about = About::new(AREA, "su.restricted")
        .title("Only one group may use su")
        .why(
            "su lets any escaped process try passwords of all accounts; a group of administrators ends that.",
        )
        .remedy("add `auth required pam_wheel.so use_uid` to /etc/pam.d/su")
        .weight(Severity::Low, Gain::Foothold)
        .dimension(Dimension::ControlPlane)
        .reference(Body::CisLinux, "5.2.7");
    Control::new(about, |facts: &HostFacts| {
        let lines = facts.accounts.pam.get()?;
        let mut su = lines.iter().filter(|(file, _)| file == "su").peekable();
        if su.peek().is_none() {
            return Ok(Verdict::not_applicable("there is no /etc/pam.d/su"));
        }
        let found = su.any(|(_, line)| line.contains("pam_wheel.so") && !line.starts_with("session"));
        Ok(if found {
            Verdict::pass("pam_wheel does")
        } else {
            Verdict::fail("everybody may").at("/etc/pam.d/su", None)
        })
    })
}
