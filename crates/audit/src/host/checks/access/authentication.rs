//! How passwords are asked for and kept: PAM and login.defs(5).

use crate::control::{About, Body, Control, Dimension, Gain, Severity, Verdict};
use crate::fact::Unknown;
use crate::host::HostFacts;

const AREA: &str = "authentication";

fn about(id: &'static str) -> About {
    About::new(AREA, id).dimension(Dimension::ControlPlane).weight(Severity::Low, Gain::Foothold)
}

/// The checks.
pub(super) fn controls() -> Vec<Control<HostFacts>> {
    vec![hash_method(), lockout(), quality(), history(), umask(), maximum_age(), no_nullok(), fail_delay()]
}

fn setting(facts: &HostFacts, name: &str) -> Result<Option<String>, Unknown> {
    Ok(facts.accounts.login.get()?.get(name).cloned())
}

/// The lines of PAM's files with one of the modules; none where PAM is not installed.
fn pam_lines<'a>(facts: &'a HostFacts, modules: &[&str]) -> Result<Option<Vec<&'a str>>, Unknown> {
    let lines = facts.accounts.pam.get()?;
    let found = lines.iter().filter(|(_, line)| modules.iter().any(|module| line.contains(module)));
    Ok((!lines.is_empty()).then(|| found.map(|(_, line)| line.as_str()).collect()))
}

fn module_present(facts: &HostFacts, modules: &[&str], missing: &str) -> crate::control::Judgement {
    Ok(match pam_lines(facts, modules)? {
        None => Verdict::not_applicable("PAM is not installed"),
        Some(lines) => match lines.first() {
            Some(line) => Verdict::pass(*line),
            None => Verdict::fail(missing),
        },
    })
}

fn hash_method() -> Control<HostFacts> {
    let about = about("login.hash_method")
        .title("New passwords are kept as yescrypt or SHA-512")
        .why("A hash that leaks with a backup or a volume is worth little where guessing is slow.")
        .remedy("set `ENCRYPT_METHOD YESCRYPT` in /etc/login.defs")
        .weight(Severity::Medium, Gain::Foothold)
        .reference(Body::CisLinux, "5.4.1.4")
        .reference(Body::Lynis, "AUTH-9230");
    Control::new(about, |facts: &HostFacts| {
        Ok(match setting(facts, "ENCRYPT_METHOD")?.as_deref() {
            Some(method @ ("YESCRYPT" | "SHA512" | "SHA256" | "BCRYPT")) => Verdict::pass(method),
            Some(method) => Verdict::fail(method).at("/etc/login.defs", None),
            None => Verdict::not_applicable("login.defs does not say; PAM decides"),
        })
    })
}

fn lockout() -> Control<HostFacts> {
    let about = about("pam.lockout")
        .title("An account is locked for a while after wrong passwords")
        .why("Without it a process that escaped guesses passwords of the host's accounts as fast as it can.")
        .remedy("enable pam_faillock in /etc/pam.d")
        .reference(Body::CisLinux, "5.3.3.1.1")
        .reference(Body::Lynis, "AUTH-9328");
    Control::new(about, |facts: &HostFacts| {
        module_present(facts, &["pam_faillock.so", "pam_tally2.so"], "no module does that")
    })
}

fn quality() -> Control<HostFacts> {
    let about = about("pam.quality")
        .title("Weak passwords are refused")
        .why("The accounts that a container's escape meets are as strong as their worst password.")
        .remedy("install libpam-pwquality")
        .reference(Body::CisLinux, "5.3.3.2.1")
        .reference(Body::Lynis, "AUTH-9262");
    let modules = &["pam_pwquality.so", "pam_cracklib.so", "pam_passwdqc.so"];
    Control::new(about, move |facts: &HostFacts| module_present(facts, modules, "no module looks at them"))
}

fn history() -> Control<HostFacts> {
    let about = about("pam.history")
        .title("Old passwords are not taken again")
        .why("A password that leaked once stays useless only if it never comes back.")
        .remedy("add pam_pwhistory to /etc/pam.d/common-password")
        .reference(Body::CisLinux, "5.3.3.3.1");
    Control::new(about, |facts: &HostFacts| {
        Ok(match pam_lines(facts, &["pam_pwhistory.so", "remember="])? {
            None => Verdict::not_applicable("PAM is not installed"),
            Some(lines) if lines.is_empty() => Verdict::fail("none is remembered"),
            Some(lines) => Verdict::pass(lines[0]),
        })
    })
}

fn umask() -> Control<HostFacts> {
    let about = about("login.umask")
        .title("New files are closed to others by default")
        .why("What people and services write on the host ends up in volumes, where a container reads all that is open.")
        .remedy("set `UMASK 027` in /etc/login.defs")
        .reference(Body::CisLinux, "5.4.2.6")
        .reference(Body::Lynis, "AUTH-9328");
    Control::new(about, |facts: &HostFacts| {
        let Some(text) = setting(facts, "UMASK")? else {
            return Ok(Verdict::fail("login.defs sets none: it is 022"));
        };
        let mask = u32::from_str_radix(&text, 8).map_err(|_| Unknown(format!("no mask: {text:?}")))?;
        Ok(if mask & 0o027 == 0o027 {
            Verdict::pass(text)
        } else {
            Verdict::fail(text).at("/etc/login.defs", None)
        })
    })
}

fn maximum_age() -> Control<HostFacts> {
    let about = about("login.maximum_age")
        .title("Passwords are changed at least once a year")
        .why("A password that never changes serves whoever found it in an old image or backup for ever.")
        .remedy("set `PASS_MAX_DAYS 365` in /etc/login.defs")
        .reference(Body::CisLinux, "5.4.1.1")
        .reference(Body::Lynis, "AUTH-9286");
    Control::new(about, |facts: &HostFacts| {
        let Some(text) = setting(facts, "PASS_MAX_DAYS")? else {
            return Ok(Verdict::fail("login.defs sets no limit"));
        };
        let days: u64 = text.parse().map_err(|_| Unknown(format!("no number: {text:?}")))?;
        Ok(if days <= 365 { Verdict::pass(text) } else { Verdict::fail(format!("{days} days")) })
    })
}

fn no_nullok() -> Control<HostFacts> {
    let about = about("pam.nullok")
        .title("PAM lets nobody in without a password")
        .why("With nullok an account that has none is open to every process on the host.")
        .remedy("remove `nullok` from the pam_unix lines in /etc/pam.d")
        .weight(Severity::Medium, Gain::Foothold)
        .reference(Body::CisLinux, "5.3.3.4.1");
    Control::new(about, |facts: &HostFacts| {
        Ok(match pam_lines(facts, &["pam_unix.so"])? {
            None => Verdict::not_applicable("PAM is not installed"),
            Some(lines) => {
                match lines.iter().find(|line| line.split_whitespace().any(|word| word == "nullok")) {
                    Some(line) => Verdict::fail(*line),
                    None => Verdict::pass("no line has nullok"),
                }
            }
        })
    })
}

fn fail_delay() -> Control<HostFacts> {
    let about = about("login.fail_delay")
        .title("A wrong password costs time")
        .why("Guessing from a container is cheap; a few seconds for each try make it long.")
        .remedy("set `FAIL_DELAY 4` in /etc/login.defs, or add pam_faildelay")
        .reference(Body::Lynis, "AUTH-9328");
    Control::new(about, |facts: &HostFacts| {
        let delay = setting(facts, "FAIL_DELAY")?;
        if let Some(delay) = delay.filter(|text| text.parse::<u64>().is_ok_and(|seconds| seconds >= 2)) {
            return Ok(Verdict::pass(format!("{delay} seconds")));
        }
        module_present(facts, &["pam_faildelay.so"], "nothing does that")
    })
}
