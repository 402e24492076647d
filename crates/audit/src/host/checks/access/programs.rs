//! Programs that give rights by themselves, and files that everybody may write.

use crate::control::{About, Body, Control, Dimension, Gain, Judgement, Severity, Verdict};
use crate::fact::Unknown;
use crate::host::HostFacts;
use crate::survey::{Found, none_found};

const AREA: &str = "files and programs";

/// The checks.
pub(super) fn controls() -> Vec<Control<HostFacts>> {
    vec![set_id(), set_id_owned(), capable(), open_files(), devices()]
}

fn about(id: &'static str) -> About {
    About::new(AREA, id).dimension(Dimension::ControlPlane)
}

/// What distributions ship with the bits, by name.
const SET_ID: &str = "\
at
bwrap
chage
chfn
chsh
crontab
dbus-daemon-launch-helper
dotlockfile
expiry
fusermount
fusermount3
gpasswd
mount
mount.nfs
newgidmap
newgrp
newuidmap
pam_extrausers_chkpwd
passwd
ping
ping6
pkexec
polkit-agent-helper-1
postdrop
postqueue
snap-confine
ssh-agent
ssh-keysign
su
sudo
umount
unix_chkpwd
utempter
wall
write
write.ul
";

/// Programs with the capabilities that they are known to need.
const CAPABLE: &str = "\
ping CAP_NET_RAW
arping CAP_NET_RAW
clockdiff CAP_NET_RAW
mtr-packet CAP_NET_RAW
newuidmap CAP_SETUID
newgidmap CAP_SETGID
gst-ptp-helper CAP_NET_BIND_SERVICE CAP_NET_ADMIN
rlogin CAP_NET_BIND_SERVICE
suexec CAP_SETGID CAP_SETUID
";

fn name(found: &Found) -> &str {
    found.path.rsplit('/').next().unwrap_or(&found.path)
}

/// Those of what was found that are not as they should be: a pass only where the walk saw everything.
fn unusual(
    facts: &HostFacts,
    list: fn(&HostFacts) -> Result<&[Found], Unknown>,
    wrong: fn(&Found) -> bool,
    otherwise: &str,
) -> Judgement {
    let found: Vec<Found> = list(facts)?.iter().filter(|found| wrong(found)).cloned().collect();
    none_found(facts.survey.get()?, &found, otherwise)
}

fn set_id() -> Control<HostFacts> {
    let about = about("files.set_id")
        .title("Only programs that are known to need it are set-id")
        .why("Each set-id program is a way to root for a process that escaped to an ordinary user; one that nobody knows may be a back door.")
        .remedy("remove the bit of what is not needed: chmod a-s PROGRAM")
        .weight(Severity::Medium, Gain::HostRoot)
        .references(&[(Body::CisLinux, "7.1.13"), (Body::Stig, "SV-238258")]);
    let wrong: fn(&Found) -> bool = |found| SET_ID.lines().all(|known| known != name(found));
    Control::new(about, move |facts: &HostFacts| {
        unusual(facts, |facts| Ok(&facts.survey.get()?.set_id), wrong, "no other is")
    })
}

fn set_id_owned() -> Control<HostFacts> {
    let about = about("files.set_id_owned")
        .title("No set-id program can be rewritten by others than root")
        .why("Whoever may write a program that runs as root is root.")
        .remedy("chown root PROGRAM && chmod go-w PROGRAM")
        .weight(Severity::Critical, Gain::HostRoot);
    let wrong: fn(&Found) -> bool =
        |found| found.mode & 0o002 != 0 || (found.mode & 0o4000 != 0 && found.mode & 0o020 != 0);
    Control::new(about, move |facts: &HostFacts| {
        unusual(facts, |facts| Ok(&facts.survey.get()?.set_id), wrong, "none can")
    })
}

fn capable() -> Control<HostFacts> {
    let about = about("files.capabilities")
        .title("Only programs that are known to need them have capabilities")
        .why("A capability on a file is given to whoever runs it: CAP_SETUID on an interpreter is root for everybody.")
        .remedy("setcap -r PROGRAM")
        .weight(Severity::High, Gain::HostRoot)
        .reference(Body::Nist800190, "4.5.3");
    let wrong: fn(&Found) -> bool = |found| {
        let mut programs = CAPABLE.lines().filter_map(|line| line.split_once(' '));
        let needs = programs.find(|(program, _)| *program == name(found)).map_or("", |(_, needs)| needs);
        !found.what.split(' ').all(|has| needs.split(' ').any(|need| need == has))
    };
    Control::new(about, move |facts: &HostFacts| {
        unusual(facts, |facts| Ok(&facts.survey.get()?.capable), wrong, "no other has")
    })
}

fn open_files() -> Control<HostFacts> {
    let about = about("files.open")
        .title("Nothing of the system is writable for everybody")
        .why("A process that escaped to any user rewrites what root runs or reads next.")
        .remedy("chmod o-w FILE; chmod 1777 for folders that are meant for everybody")
        .weight(Severity::High, Gain::HostRoot)
        .references(&[(Body::CisLinux, "7.1.11"), (Body::Lynis, "FILE-7524")]);
    Control::new(about, |facts: &HostFacts| {
        unusual(facts, |facts| Ok(&facts.survey.get()?.open), |_| true, "nothing is")
    })
}

fn devices() -> Control<HostFacts> {
    let about = about("files.devices")
        .title("No device nodes lie outside of /dev")
        .why("A node for the disk in a folder that a container sees is the host's disk in the container.")
        .remedy("remove the nodes")
        .weight(Severity::Medium, Gain::HostRoot);
    Control::new(about, |facts: &HostFacts| {
        // A container's own root has its /dev inside of the engine's folders.
        let wrong: fn(&Found) -> bool = |found| !found.path.contains("/dev/");
        unusual(facts, |facts| Ok(&facts.survey.get()?.devices), wrong, "none do")
    })
}

/// A finding of its own about a disk: whether all of it was looked at.
pub(in crate::host) fn whole_disk(left_out: &[String]) -> Control<HostFacts> {
    let about = about("disk.whole")
        .title("Everything on the disk could be looked at")
        .why("What nobody looked at may hold anything.")
        .remedy("look at the other parts by themselves: `audit host --root` on a mounted copy")
        .weight(Severity::Low, Gain::Hygiene);
    let left_out: Vec<String> =
        left_out.iter().filter(|part| !part.ends_with("swap space")).cloned().collect();
    Control::new(about, move |_: &HostFacts| {
        if left_out.is_empty() { Ok(Verdict::pass("all was")) } else { Err(Unknown(left_out.join("; "))) }
    })
}

#[cfg(test)]
pub(in crate::host::checks) mod tests {
    use super::*;
    use crate::control::Outcome;
    use crate::fact::Fact;
    use crate::host::checks::planted::nothing;
    use crate::survey::Survey;

    fn found(path: &str, mode: u32, what: &str) -> Found {
        Found { path: path.to_owned(), mode, uid: 0, what: what.to_owned() }
    }

    fn outcome(id: &str, survey: Survey) -> Outcome {
        let mut facts = nothing();
        facts.survey = Fact::Known(survey);
        let all = controls();
        all.iter().find(|control| control.about.id == id).unwrap().judge(&facts).outcome
    }

    #[test]
    pub(in crate::host::checks) fn what_is_known_passes_and_what_is_not_fails() {
        let set_id = |path: &str, mode| Survey { set_id: vec![found(path, mode, "")], ..Survey::default() };
        assert_eq!(outcome("files.set_id", set_id("/usr/bin/su", 0o4755)), Outcome::Pass);
        assert_eq!(outcome("files.set_id", set_id("/opt/su2", 0o4755)), Outcome::Fail);
        assert_eq!(outcome("files.set_id_owned", set_id("/usr/bin/su", 0o4755)), Outcome::Pass);
        assert_eq!(outcome("files.set_id_owned", set_id("/usr/bin/su", 0o4775)), Outcome::Fail);
        let capable =
            |path: &str, what: &str| Survey { capable: vec![found(path, 0o755, what)], ..Survey::default() };
        assert_eq!(outcome("files.capabilities", capable("/bin/ping", "CAP_NET_RAW")), Outcome::Pass);
        assert_eq!(
            outcome("files.capabilities", capable("/bin/ping", "CAP_NET_RAW CAP_SETUID")),
            Outcome::Fail
        );
        assert_eq!(outcome("files.capabilities", capable("/bin/python3", "CAP_SETUID")), Outcome::Fail);
        let open = Survey { open: vec![found("/etc/x", 0o666, "")], ..Survey::default() };
        let devices = Survey { devices: vec![found("/opt/sda", 0o660, "")], ..Survey::default() };
        assert_eq!(outcome("files.open", open), Outcome::Fail);
        assert_eq!(outcome("files.devices", devices), Outcome::Fail);
        for id in ["files.open", "files.devices"] {
            assert_eq!(outcome(id, Survey::default()), Outcome::Pass);
            let gaps = Survey { gaps: vec!["cannot read /root".to_owned()], ..Survey::default() };
            assert_eq!(outcome(id, gaps), Outcome::Unknown, "{id}: what was not seen does not pass");
        }
    }

    #[test]
    fn a_disk_that_was_not_read_whole_is_unknown() {
        let outcome = |left_out: &[String]| whole_disk(left_out).judge(&nothing()).outcome;
        assert_eq!(outcome(&["partition 2 holds swap space".to_owned()]), Outcome::Pass);
        assert_eq!(outcome(&["partition 2 holds XFS".to_owned()]), Outcome::Unknown);
    }
}
