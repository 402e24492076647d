//! For each check that is no line of a tested table: a tree in which it fails, and one in which it passes; and that no check of
//! the whole list is without both.

use super::planted::Plant::File;
use super::planted::{Case, run};

const V1: &str =
    "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 0:5 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
const V2: &str = "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 0:5 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";

#[rustfmt::skip]
const WALLS: &[Case] = &[
    Case("userns.unprivileged", &[File("proc/sys/user/max_user_namespaces", "1000\n")], &[File("proc/sys/user/max_user_namespaces", "1000\n"), File("proc/sys/kernel/unprivileged_userns_clone", "0\n")]),
    Case("userns.available", &[File("proc/sys/user/max_user_namespaces", "0\n")], &[File("proc/sys/user/max_user_namespaces", "1000\n")]),
    Case("namespaces.limited", &[File("proc/sys/user/max_net_namespaces", "99999999\n")], &[File("proc/sys/user/max_net_namespaces", "1000\n")]),
    Case("cgroups.release_agent", &[File("proc/self/mountinfo", V1), File("sys/fs/cgroup/memory/release_agent", "/x\n")], &[File("proc/self/mountinfo", V1), File("sys/fs/cgroup/memory/release_agent", "\n")]),
    Case("cgroups.unified", &[File("proc/self/mountinfo", V1)], &[File("proc/self/mountinfo", V2)]),
    Case("core_pattern.handler", &[File("proc/sys/kernel/core_pattern", "|/tmp/x %p\n")], &[File("proc/sys/kernel/core_pattern", "|/usr/lib/systemd/systemd-coredump %P\n")]),
    Case("core_pattern.waits", &[File("proc/sys/kernel/core_pattern", "|/usr/x\n"), File("proc/sys/kernel/core_pipe_limit", "0\n")], &[File("proc/sys/kernel/core_pattern", "|/usr/x\n"), File("proc/sys/kernel/core_pipe_limit", "16\n")]),
    Case("lsm.mandatory", &[File("sys/kernel/security/lsm", "lockdown,capability,landlock\n")], &[]),
    Case("lsm.selinux.enforcing", &[File("sys/kernel/security/lsm", "selinux\n"), File("sys/fs/selinux/enforce", "0"), File("etc/selinux/config", "SELINUX=enforcing\n")], &[File("sys/kernel/security/lsm", "selinux\n"), File("sys/fs/selinux/enforce", "1"), File("etc/selinux/config", "SELINUX=enforcing\n")]),
    Case("lsm.apparmor.profiles", &[File("sys/kernel/security/apparmor/profiles", "a (complain)\n")], &[File("sys/kernel/security/apparmor/profiles", "docker-default (enforce)\n")]),
    Case("lsm.lockdown", &[File("sys/kernel/security/lockdown", "[none] integrity confidentiality\n")], &[File("sys/kernel/security/lockdown", "none [integrity] confidentiality\n")]),
    Case("lsm.stacked", &[File("sys/kernel/security/lsm", "capability,yama\n")], &[]),
    Case("kernel.modprobe", &[File("proc/sys/kernel/modprobe", "/tmp/x\n")], &[File("proc/sys/kernel/modprobe", "/sbin/modprobe\n")]),
    Case("kernel.tainted", &[File("proc/sys/kernel/tainted", "8192\n")], &[File("proc/sys/kernel/tainted", "4096\n")]),
    Case("kernel.release", &[File("proc/sys/kernel/osrelease", "4.19.0-18\n")], &[]),
    Case("kernel.debugfs", &[File("proc/self/mountinfo", "1 0 0:1 / /sys/kernel/debug rw - debugfs d rw\n")], &[]),
    Case("proc.hidepid", &[File("proc/self/mountinfo", "1 0 0:1 / /proc rw - proc p rw\n")], &[File("proc/self/mountinfo", "1 0 0:1 / /proc rw - proc p rw,hidepid=2\n")]),
    Case("sysfs.options", &[File("proc/self/mountinfo", "1 0 0:1 / /proc rw - proc p rw\n")], &[File("proc/self/mountinfo", "1 0 0:1 / /proc rw,nosuid,nodev,noexec - proc p rw\n")]),
    Case("cpu.smt", &[File("sys/devices/system/cpu/vulnerabilities/mds", "Mitigation: x; SMT vulnerable\n"), File("sys/devices/system/cpu/smt/control", "on\n")], &[File("sys/devices/system/cpu/smt/control", "off\n")]),
    Case("cpu.meltdown", &[File("sys/devices/system/cpu/vulnerabilities/meltdown", "Vulnerable\n")], &[File("sys/devices/system/cpu/vulnerabilities/meltdown", "Mitigation: PTI\n")]),
    Case("module.dccp", &[], &[File("etc/modprobe.d/x.conf", "install dccp /bin/false\n")]),
];

#[rustfmt::skip]
const ACCESS: &[Case] = &[
    Case("accounts.one_root", &[File("etc/passwd", "root:x:0:0::/root:/bin/sh\ntoor:x:0:0::/:/bin/sh\n")], &[]),
    Case("accounts.no_empty_password", &[File("etc/shadow", "a::1:0:1:7:::\n")], &[]),
    Case("accounts.strong_hashes", &[File("etc/shadow", "a:$1$x$y:1:0:1:7:::\n")], &[File("etc/shadow", "a:$6$x$y:1:0:1:7:::\n")]),
    Case("accounts.shadowed", &[File("etc/passwd", "a:$6$x$y:1000:1000::/a:/bin/sh\n")], &[]),
    Case("accounts.unique_ids", &[File("etc/passwd", "a:x:5:0::/a:/bin/sh\nb:x:5:0::/b:/bin/sh\n")], &[]),
    Case("accounts.unique_ids", &[File("etc/group", "root:x:0:\na:x:5:\nb:x:5:\n")], &[]),
    Case("accounts.unique_names", &[File("etc/group", "a:x:1:\na:x:2:\n")], &[]),
    Case("accounts.known_groups", &[File("etc/passwd", "a:x:5:77::/a:/bin/sh\n")], &[]),
    Case("accounts.system_shells", &[File("etc/passwd", "a:x:5:0::/a:/bin/sh\n")], &[File("etc/passwd", "a:x:5:0::/a:/usr/sbin/nologin\n")]),
    Case("accounts.root_keys", &[File("root/.ssh/authorized_keys", "ssh-ed25519 AAAA me\n")], &[File("root/.ssh/authorized_keys", "# none\n")]),
    Case("accounts.homes", &[File("etc/passwd", "a:x:1000:0::/h:/bin/sh\nb:x:1001:0::/h:/bin/sh\n")], &[]),
    Case("accounts.subordinate_ranges", &[File("etc/subuid", "a:0:65536\n")], &[File("etc/subuid", "a:100000:65536\n")]),
    Case("accounts.subordinate_apart", &[File("etc/subuid", "a:100000:65536\nb:165535:65536\n")], &[File("etc/subuid", "a:100000:65536\nb:165536:65536\n")]),
    Case("sudo.password", &[File("etc/sudoers", "a ALL=(ALL) NOPASSWD: ALL\n")], &[File("etc/sudoers", "root ALL=(ALL:ALL) ALL\n")]),
    Case("sudo.some_commands", &[File("etc/sudoers.d/x", "a ALL=(ALL) ALL\n")], &[File("etc/sudoers", "%sudo ALL=(ALL:ALL) ALL\na ALL=/usr/bin/x\n")]),
    Case("sudo.terminal", &[File("etc/sudoers", "Defaults env_reset\n")], &[File("etc/sudoers", "Defaults env_reset, use_pty\n")]),
    Case("su.restricted", &[File("etc/pam.d/su", "auth sufficient pam_rootok.so\n")], &[File("etc/pam.d/su", "auth required pam_wheel.so\n")]),
    Case("login.hash_method", &[File("etc/login.defs", "ENCRYPT_METHOD MD5\n")], &[File("etc/login.defs", "ENCRYPT_METHOD YESCRYPT\n")]),
    Case("pam.lockout", &[File("etc/pam.d/x", "auth required pam_unix.so\n")], &[File("etc/pam.d/x", "auth required pam_faillock.so\n")]),
    Case("pam.quality", &[File("etc/pam.d/x", "auth required pam_unix.so\n")], &[File("etc/pam.d/x", "password requisite pam_pwquality.so\n")]),
    Case("pam.history", &[File("etc/pam.d/x", "auth required pam_unix.so\n")], &[File("etc/pam.d/x", "password required pam_pwhistory.so\n")]),
    Case("pam.nullok", &[File("etc/pam.d/x", "auth required pam_unix.so nullok\n")], &[File("etc/pam.d/x", "auth required pam_unix.so\n")]),
    Case("login.umask", &[File("etc/login.defs", "UMASK 022\n")], &[File("etc/login.defs", "UMASK 027\n")]),
    Case("login.maximum_age", &[File("etc/login.defs", "PASS_MAX_DAYS 99999\n")], &[File("etc/login.defs", "PASS_MAX_DAYS 365\n")]),
    Case("login.fail_delay", &[File("etc/pam.d/x", "auth required pam_unix.so\n")], &[File("etc/login.defs", "FAIL_DELAY 4\n")]),
    Case("sshd.allowed", &[File("usr/sbin/sshd", "")], &[File("usr/sbin/sshd", ""), File("etc/ssh/sshd_config", "AllowGroups ssh\n")]),
    Case("mount.protected_root", &[File("proc/self/mountinfo", "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 8:1 / /mnt/x rw - ext4 /dev/sda1 rw\n")], &[]),
    Case("docker.swarm", &[File("usr/bin/dockerd", ""), File("var/lib/docker/swarm/docker-state.json", "{}")], &[File("usr/bin/dockerd", "")]),
    Case("swap.encrypted", &[File("proc/swaps", "Filename Type\n/dev/sda2 partition\n")], &[File("proc/swaps", "Filename Type\n/dev/zram0 partition\n")]),
];

/// A family whose lines differ in a name only: one tree that is weak and one that is not, for each name.
fn family(prefix: &str, weak: impl Fn(&str) -> (String, String), strong: impl Fn(&str) -> (String, String)) {
    family_without(prefix, "", weak, strong);
}

fn family_without(
    prefix: &str,
    other: &str,
    weak: impl Fn(&str) -> (String, String),
    strong: impl Fn(&str) -> (String, String),
) {
    let ids: Vec<_> = super::controls().into_iter().map(|control| control.about.id).collect();
    let mut count = 0;
    for id in ids.iter().filter(|id| id.starts_with(prefix) && **id != other) {
        let name = &id[prefix.len()..];
        let leak = |(path, text): (String, String)| -> &'static [super::planted::Plant] {
            Box::leak(Box::new([File(path.leak(), text.leak())]))
        };
        run(&[Case(id.to_string().leak(), leak(weak(name)), leak(strong(name)))]);
        count += 1;
    }
    assert!(count > 1, "{prefix}");
}

#[test]
fn every_check_on_the_walls_can_fail_and_can_pass() {
    run(WALLS);
    let cpu = |state: &'static str| {
        move |name: &str| (format!("sys/devices/system/cpu/vulnerabilities/{name}"), format!("{state}\n"))
    };
    // The threads of a core are no weakness of the kernel's list; they have a case of their own.
    family_without("cpu.", "cpu.smt", cpu("Vulnerable: x"), cpu("Not affected"));
    let bar = |word: &'static str| {
        move |name: &str| ("etc/modprobe.d/x.conf".to_owned(), format!("{word} {name} /bin/false\n"))
    };
    family("module.", |name| ("proc/modules".to_owned(), format!("{name} 1 0 - Live 0\n")), bar("install"));
}

#[test]
fn every_check_on_access_can_fail_and_can_pass() {
    run(ACCESS);
    let group =
        |member: &'static str| move |name: &str| ("etc/group".to_owned(), format!("{name}:x:77:{member}\n"));
    family("group.", group("eve"), group("root"));
    let mount = |options: &'static str| {
        move |point: &str| {
            let text = format!(
                "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 8:2 / {point} rw,{options} - ext4 /dev/sda2 rw\n"
            );
            ("proc/self/mountinfo".to_owned(), text)
        }
    };
    family("mount.options.", mount("nodev"), mount("nodev,nosuid,noexec"));
    family("mount.apart.", |_| ("x".to_owned(), String::new()), mount("rw"));
}

#[test]
fn containers_on_the_root_file_system() {
    use super::planted::{Plant::Folder, verdict};
    use crate::control::Outcome;
    for folder in ["/var/lib/docker", "/var/lib/containers", "/var/lib/containerd", "/var/lib/cofferdam"] {
        let id = format!("mount.containers.{folder}");
        let there = Folder(folder.trim_start_matches('/'));
        assert_eq!(verdict(&id, &[]).outcome, Outcome::NotApplicable);
        assert_eq!(verdict(&id, &[there]).outcome, Outcome::Fail);
        let apart = File(
            "proc/self/mountinfo",
            "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 8:2 / /var rw - ext4 /dev/sda2 rw\n",
        );
        assert_eq!(verdict(&id, &[there, apart]).outcome, Outcome::Pass);
    }
}

/// The tests that hold for every line of a table, and those above, are run again here; then each check of the whole list must have
/// failed and have passed in one of them.
#[test]
fn no_check_is_without_a_case_in_which_it_fails_and_one_in_which_it_passes() {
    use crate::control::Outcome;
    every_check_on_the_walls_can_fail_and_can_pass();
    every_check_on_access_can_fail_and_can_pass();
    containers_on_the_root_file_system();
    super::access::try_tables();
    super::engine::try_tables();
    super::upkeep::try_tables();
    super::kernel::tests::every_line_can_hold_and_can_fail();
    let judged = crate::judged::outcomes();
    let had = |id: &str, outcome| judged.get(id).is_some_and(|outcomes| outcomes.contains(&outcome));
    let controls = super::controls();
    let ids = controls.iter().map(|control| control.about.id.as_ref());
    let bare: Vec<_> = ids.filter(|id| !had(id, Outcome::Fail) || !had(id, Outcome::Pass)).collect();
    assert!(bare.is_empty(), "{bare:?}");
    assert!(controls.len() > 800, "{}", controls.len());
}

#[test]
fn a_check_is_never_passed_by_what_is_not_known() {
    use crate::control::Outcome;
    let facts = super::planted::nothing();
    for control in super::controls() {
        let verdict = control.judge(&facts);
        assert_eq!(verdict.outcome, Outcome::Unknown, "{}: {verdict:?}", control.about.id);
    }
}

#[test]
fn every_check_has_its_words_and_a_name_of_its_own() {
    let mut ids = std::collections::BTreeSet::new();
    for control in super::controls() {
        let about = &control.about;
        assert!(ids.insert(about.id.clone()), "{} stands twice", about.id);
        for (what, words) in [("title", &about.title), ("why", &about.why), ("remedy", &about.remedy)] {
            assert!(!words.is_empty(), "{} has no {what}", about.id);
        }
        assert!(about.why.ends_with('.') && !about.why.contains(". "), "{}: one sentence", about.id);
    }
}

/// A zone's start looks only at what its checks judge by: they must come to the same.
#[test]
fn a_check_says_the_same_when_only_its_own_facts_are_looked_at() {
    let plants = [
        File("usr/bin/dockerd", ""),
        File("usr/bin/podman", ""),
        File("usr/bin/containerd", ""),
        File("usr/bin/kubelet", ""),
        File("usr/sbin/sshd", ""),
        File("etc/ssh/sshd_config", "PermitRootLogin yes\n"),
        File("etc/sudoers", "eve ALL=(ALL) NOPASSWD: ALL\n"),
        File("etc/audit/rules.d/x.rules", "-w /etc/docker\n"),
        File("etc/systemd/system/rsh.socket", "x\n"),
        File("var/lib/dpkg/status", "Package: runc\nVersion: 1\nStatus: install ok installed\n"),
        File("proc/modules", "sctp 1 0 - Live 0\n"),
        File("proc/net/tcp", "h\n 0: 00000000:0947 00000000:0000 0A 0:0 0:0 0 0 0 1\n"),
    ];
    let mut all = super::planted::both_ways(&plants);
    all.retain(|(_, whole, part)| whole != part);
    assert!(all.is_empty(), "{all:#?}");
}

/// A zone's start makes only the checks that it asks for: the same ones.
#[test]
fn each_check_is_found_by_its_name_alone() {
    let all = super::controls();
    for some in all.chunks(60) {
        let ids: Vec<String> = some.iter().map(|control| control.about.id.to_string()).collect();
        let mut found = super::controls_named(&ids);
        assert_eq!(found.len(), some.len());
        found.sort_by_key(|control| ids.iter().position(|id| *id == control.about.id));
        assert!(found.iter().zip(some).all(|(one, other)| one.about == other.about), "{ids:?}");
    }
    assert!(super::controls_named(&["no.such".to_owned()]).is_empty());
}
