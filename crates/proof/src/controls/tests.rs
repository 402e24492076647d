//! Every control: holds where all is as planned, differs where its own part is changed and only there, is unknown where
//! nothing was read.

use std::collections::BTreeSet;

use cofferdam_kernel::namespace::Namespace;
use cofferdam_kernel::proc::{FileId, IdMapLine, Ids, SeccompMode, SetgroupsState, parse_mountinfo};
use proptest::prelude::*;

use super::{CONTROLS, compare};
use crate::finding::{Finding, Verdict, overall};
use crate::fixture::{caps, leaked, observation, plan};
use crate::observation::{
    DeviceNode, FilterWitness, Member, Moment, NamespaceIds, Observation, PathState, Population, Scope,
    Stranger, Unreadable,
};

type Change = fn(&mut Observation);

#[test]
fn the_document_of_receipts_has_a_line_for_each_control() {
    let text = include_str!("../../../../docs/receipt.md");
    let cells = text.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    let mut told = BTreeSet::new();
    for cell in cells {
        let names: Vec<&str> = cell.trim_end_matches(" †").split(", ").collect();
        // `capabilities-bounding, -inheritable`
        let stem = names[0].split('-').next().unwrap();
        told.extend(names.iter().map(|name| match name.strip_prefix('-') {
            Some(rest) => format!("{stem}-{rest}"),
            None => (*name).to_owned(),
        }));
    }
    let missing: Vec<&str> = CONTROLS.iter().map(|it| it.name).filter(|name| !told.contains(*name)).collect();
    assert_eq!(missing, Vec::<&str>::new());
}

/// One more process of the container's, like the first one but for this.
fn another(seen: &mut Observation, change: fn(&mut Member)) {
    let mut member = Member {
        status: seen.status.clone().unwrap(),
        other_ids: None,
        groups: seen.group.membership.clone(),
    };
    change(&mut member);
    let population = Population { members: vec![member], ..Population::default() };
    seen.population = Some(Ok(population));
}

#[test]
fn another_process_like_the_first_one_holds() {
    let mut seen = observation();
    another(&mut seen, |member| {
        // In a user namespace that the container made it has all capabilities, which count there alone.
        let own = IdMapLine { inside: 0, outside: 100_007, size: 1 };
        member.other_ids = Some(Ok(vec![own]));
        member.status.cap_bounding = cofferdam_kernel::capability::CapSet::full();
    });
    assert_eq!(not_holding(&compare(&plan(), &seen)), []);
}

fn path<'a>(seen: &'a mut Observation, path: &str) -> &'a mut PathState {
    seen.paths.get_mut(&path.parse().unwrap()).unwrap().as_mut().unwrap()
}

fn entry(seen: &mut Observation, id: u64) -> &mut cofferdam_kernel::proc::MountEntry {
    seen.mounts.as_mut().unwrap().iter_mut().find(|entry| entry.id == id).unwrap()
}

fn drop_option(seen: &mut Observation, id: u64, option: &str, instead: &str) {
    for have in &mut entry(seen, id).options {
        if have == option {
            instead.clone_into(have);
        }
    }
}

macro_rules! with {
    ($seen:ident.$field:ident: $inner:ident => $change:expr) => {
        |$seen: &mut Observation| {
            let $inner = $seen.$field.as_mut().unwrap();
            $change;
        }
    };
}

/// One way, or several, in which each control is not as planned.
const CHANGES: &[(&str, Change)] = &[
    ("namespaces", |seen| seen.namespaces.get_mut(&Namespace::Network).unwrap().own = Ok(1)),
    ("first-process", with!(seen.status: status => status.ns_pid = vec![50, 2])),
    ("uid-map", with!(seen.uid_map: map => map[0].outside = 0)),
    ("uid-map", with!(seen.uid_map: map => map.push(IdMapLine { inside: 70_000, outside: 0, size: 1 }))),
    ("gid-map", with!(seen.gid_map: map => map[0].size = 1)),
    ("clock-offsets", with!(seen.timens_offsets: offsets => offsets.boottime = (1, 0))),
    ("user", with!(seen.status: status => status.uid = Ids::all(0))),
    ("user", with!(seen.status: status => status.uid.saved = 0)),
    ("group", with!(seen.status: status => status.gid.filesystem = 0)),
    ("supplementary-groups", with!(seen.status: status => status.groups.push(4))),
    ("umask", with!(seen.status: status => status.umask = Some(0))),
    ("capabilities-bounding", with!(seen.status: status => status.cap_bounding = caps(&["CAP_SYS_ADMIN"]))),
    ("capabilities-permitted", with!(seen.status: status => status.cap_permitted = caps(&["CAP_CHOWN"]))),
    ("capabilities-effective", with!(seen.status: status => status.cap_effective = caps(&["CAP_CHOWN"]))),
    ("capabilities-inheritable", with!(seen.status: status => status.cap_inheritable = caps(&["CAP_CHOWN"]))),
    ("capabilities-ambient", with!(seen.status: status => status.cap_ambient = caps(&["CAP_CHOWN"]))),
    ("no-new-privileges", with!(seen.status: status => status.no_new_privs = false)),
    ("seccomp", with!(seen.status: status => status.seccomp = SeccompMode::Disabled)),
    ("seccomp-filter", |seen| seen.filters.installed = Ok(Vec::new())),
    ("apparmor", |seen| seen.apparmor_label = Ok(Some("unconfined".to_owned()))),
    ("apparmor", |seen| seen.apparmor_label = Ok(Some("box (complain)".to_owned()))),
    ("selinux", |seen| seen.security_label = Ok(None)),
    ("root", |seen| seen.root_source = Some(Ok(FileId { dev: 1, ino: 99 }))),
    ("root", |seen| drop_option(seen, 10, "ro", "rw")),
    ("root", |seen| entry(seen, 10).peers.shared = Some(1)),
    ("mounts", |seen| drop_option(seen, 11, "nosuid", "relatime")),
    ("mounts", |seen| drop_option(seen, 13, "ro", "rw")),
    ("mounts", |seen| drop_option(seen, 13, "idmapped", "relatime")),
    ("mounts", |seen| entry(seen, 12).super_options = "rw,mode=755".to_owned()),
    ("mounts", |seen| drop(seen.sources.insert(2, Ok(FileId { dev: 1, ino: 99 })))),
    ("extra-mounts", |seen| {
        let line = b"90 10 8:3 / /mnt rw - ext4 /dev/sdc rw\n";
        seen.mounts.as_mut().unwrap().extend(parse_mountinfo(line).unwrap());
    }),
    ("extra-mounts", |seen| seen.host_mounts = Ok(Vec::new())),
    ("masked-paths", |seen| {
        let PathState::Present { mount_root, .. } = path(seen, "/proc/scsi") else { return };
        *mount_root = false;
    }),
    // CVE-2025-31133: something else than /dev/null stands over a masked file.
    ("masked-paths", |seen| {
        let PathState::Present { device, .. } = path(seen, "/proc/kcore") else { return };
        *device = (1, 5);
    }),
    ("readonly-paths", |seen| drop_option(seen, 17, "ro", "rw")),
    ("devices", |seen| *path(seen, "/dev/null") = PathState::Absent),
    ("devices", |seen| {
        let PathState::Present { device, .. } = path(seen, "/dev/null") else { return };
        *device = (1, 1);
    }),
    ("extra-devices", |seen| {
        let node = DeviceNode { path: "/dev/sda".to_owned(), block: true, device: (8, 0) };
        seen.device_nodes.as_mut().unwrap().push(node);
    }),
    ("hostname", with!(seen.inside: inside => inside.hostname = "host".to_owned())),
    ("domainname", with!(seen.inside: inside => inside.domainname.clear())),
    (
        "sysctls",
        with!(seen.inside: inside => {
            inside.sysctls.insert("net.ipv4.ping_group_range".to_owned(), Some("0 9".to_owned()))
        }),
    ),
    ("loopback", |seen| seen.loopback_up = Ok(false)),
    ("network", with!(seen.network: parts => parts[1].found = Ok("2 rules".to_owned()))),
    ("net-devices", |seen| seen.net_links = Ok(Vec::new())),
    ("rlimits", with!(seen.limits: limits => limits[0].hard = u64::MAX)),
    ("oom-score-adj", |seen| seen.oom_score_adj = Ok(0)),
    ("scheduler", with!(seen.scheduler: scheduler => scheduler.policy = 1)),
    ("io-priority", |seen| seen.io_priority = Ok(0)),
    ("personality", |seen| seen.personality = Ok(0)),
    ("memory-policy", |seen| seen.memory_policy = Ok(Some("bind:1".to_owned()))),
    ("memory-policy", |seen| seen.memory_policy = Ok(Some("interleave:0".to_owned()))),
    ("memory-policy", |seen| seen.memory_policy = Ok(Some("default".to_owned()))),
    // In one of several hierarchies it is elsewhere.
    ("cgroup", |seen| {
        let mut other = seen.group.membership.as_ref().unwrap()[0].clone();
        "/".clone_into(&mut other.observed);
        seen.group.membership.as_mut().unwrap().push(other);
    }),
    ("cgroup-limits", |seen| "max".clone_into(&mut seen.group.limits.as_mut().unwrap()[0].observed)),
    ("entered-processes", |seen| {
        seen.population =
            Some(Ok(Population { strangers: vec![Stranger { pid: 90, parent: 1 }], ..Population::default() }))
    }),
    ("other-processes", |seen| another(seen, |member| member.status.seccomp = SeccompMode::Disabled)),
    ("other-processes", |seen| another(seen, |member| member.status.no_new_privs = false)),
    ("other-processes", |seen| another(seen, |member| member.status.cap_bounding = caps(&["CAP_SYS_ADMIN"]))),
    ("other-processes", |seen| another(seen, |member| member.status.uid = Ids::all(0))),
    ("other-processes", |seen| {
        another(seen, |member| {
            let all = IdMapLine { inside: 0, outside: 0, size: u32::MAX };
            member.other_ids = Some(Ok(vec![all]));
        });
    }),
    ("other-processes", |seen| {
        another(seen, |member| {
            let group = &mut member.groups.as_mut().unwrap()[0];
            "/".clone_into(&mut group.observed);
        });
    }),
    ("descriptors", with!(seen.files: files => files.descriptors.as_mut().unwrap().push(leaked(3, false)))),
    // CVE-2024-21626: a folder of the host is open, also in the place of a standard stream.
    ("descriptors", with!(seen.files: files => files.descriptors.as_mut().unwrap()[0] = leaked(0, true))),
    ("working-directory", with!(seen.files: files => files.cwd.as_mut().unwrap().mount = 900)),
    ("working-directory", with!(seen.files: files => files.cwd.as_mut().unwrap().file.ino = 900)),
    // CVE-2019-5736: the program is the host's runtime.
    (
        "program",
        with!(seen.files: files => {
            let exe = files.exe.as_mut().unwrap();
            (exe.mount, exe.file) = (900, FileId { dev: 1, ino: 41 });
        }),
    ),
];

/// Controls that can only be stricter than planned in this plan, or are changed together with others below.
const ELSEWHERE: &[&str] = &["setgroups", "cpu-affinity", "extra-links"];

fn not_holding(findings: &[Finding]) -> Vec<(&str, Verdict)> {
    findings
        .iter()
        .filter(|finding| finding.verdict != Verdict::Holds)
        .map(|finding| (finding.control.as_str(), finding.verdict))
        .collect()
}

#[test]
fn what_is_as_planned_holds_and_every_control_says_so() {
    let findings = compare(&plan(), &observation());
    assert_eq!(not_holding(&findings), []);
    let spoken: BTreeSet<&str> = findings.iter().map(|finding| finding.control.as_str()).collect();
    let all: BTreeSet<&str> = CONTROLS.iter().map(|control| control.name).collect();
    // Only a process that enters is bound to processors; links are counted while it runs.
    assert_eq!(all.difference(&spoken).copied().collect::<Vec<_>>(), ["cpu-affinity", "extra-links"]);
}

#[test]
fn each_change_is_found_by_its_control_and_by_no_other() {
    for (number, (control, change)) in CHANGES.iter().enumerate() {
        let mut seen = observation();
        change(&mut seen);
        let findings = compare(&plan(), &seen);
        let named: BTreeSet<_> = not_holding(&findings).into_iter().collect();
        assert_eq!(named, BTreeSet::from([(*control, Verdict::Differs)]), "change {number}");
    }
}

#[test]
fn a_link_that_nobody_planned_is_found_while_the_container_runs() {
    let mut seen = observation();
    seen.moment = Moment::Verify;
    let links = |seen: &Observation| {
        let findings = compare(&plan(), seen).into_iter();
        findings.filter(|finding| finding.control == "extra-links").map(|it| it.verdict).collect::<Vec<_>>()
    };
    assert_eq!(links(&seen), [Verdict::Holds]);
    // The kernel's own stand in every new namespace.
    seen.net_links.as_mut().unwrap().push("sit0".to_owned());
    assert_eq!(links(&seen), [Verdict::Holds]);
    seen.net_links.as_mut().unwrap().push("v1".to_owned());
    assert_eq!(links(&seen), [Verdict::Differs]);
    seen.net_links = Err(Unreadable("no".to_owned()));
    assert_eq!(links(&seen), [Verdict::Unknown]);
}

#[test]
fn each_control_has_a_change_that_it_finds() {
    let changed: BTreeSet<&str> = CHANGES.iter().map(|(control, _)| *control).collect();
    for control in CONTROLS {
        let covered = changed.contains(control.name) || ELSEWHERE.contains(&control.name);
        assert!(covered, "{} has no change", control.name);
    }
}

#[test]
fn what_was_not_read_is_unknown_and_never_a_pass() {
    for moment in [Moment::Start, Moment::Verify] {
        let findings = compare(&plan(), &Observation::nothing(moment, "no"));
        let holding: Vec<_> = findings.iter().filter(|finding| finding.verdict == Verdict::Holds).collect();
        assert!(holding.is_empty(), "{holding:?}");
        assert_ne!(overall(&findings), Verdict::Holds);
    }
}

#[test]
fn setgroups_may_be_denied_where_it_was_allowed_and_not_the_other_way() {
    let (mut plan, mut seen) = (plan(), observation());
    seen.setgroups = Ok(SetgroupsState::Deny);
    assert_eq!(not_holding(&compare(&plan, &seen)), []);
    plan.namespaces.id_maps.as_mut().unwrap().setgroups = cofferdam_confinement::Setgroups::Deny;
    seen.observer.groups = Ok(vec![100_007]);
    seen.setgroups = Ok(SetgroupsState::Allow);
    assert_eq!(not_holding(&compare(&plan, &seen)), [("setgroups", Verdict::Differs)]);
}

#[test]
fn what_a_running_container_may_change_itself_is_no_drift() {
    let mut seen = observation();
    seen.moment = Moment::Verify;
    let status = seen.status.as_mut().unwrap();
    status.cap_bounding = caps(&[]);
    status.cap_effective = caps(&[]);
    status.seccomp_filters = Some(2);
    status.groups.clear();
    let first = seen.filters.installed.as_ref().unwrap()[0].clone();
    seen.filters.installed.as_mut().unwrap().push(first);
    seen.limits.as_mut().unwrap()[0].hard = 15;
    seen.oom_score_adj = Ok(900);
    seen.files.as_mut().unwrap().descriptors.as_mut().unwrap().push(leaked(9, false));
    let findings = compare(&plan(), &seen);
    assert_eq!(not_holding(&findings), []);
    assert!(findings.iter().filter(|finding| finding.note.is_some()).count() >= 6, "{findings:?}");
}

/// runc's case "wrong userns owner": the host's /sys with all below it, and a cgroup tree of the container's own over one
/// of the mounts that came with it.
#[test]
fn a_mount_over_one_that_came_with_a_folder_is_told_from_it() {
    let (mut plan, mut seen) = (plan(), observation());
    let target: cofferdam_names::ContainerPath = "/data/sub".parse().unwrap();
    plan.mounts.push(cofferdam_confinement::Mount {
        target,
        kind: cofferdam_confinement::MountKind::Cgroup,
        flags: cofferdam_confinement::MountFlags {
            readonly: cofferdam_confinement::Flag::Set,
            ..cofferdam_confinement::MountFlags::KEEP
        },
        recursive_flags: cofferdam_confinement::MountFlags::KEEP,
        propagation: Vec::new(),
    });
    let came = "90 13 8:2 / /data/sub ro,idmapped - ext4 /dev/sdb rw\n91 90 8:2 / /data/sub/memory ro - cgroup cgroup rw,memory\n";
    let own = "92 90 0:99 / /data/sub ro - tmpfs tmpfs rw\n93 92 0:98 /box /data/sub/memory ro - cgroup cgroup rw,memory\n";
    for line in [came, own] {
        seen.mounts.as_mut().unwrap().extend(parse_mountinfo(line.as_bytes()).unwrap());
    }
    assert_eq!(not_holding(&compare(&plan, &seen)), []);
    // Without its own, the one below does not pass for it.
    seen.mounts.as_mut().unwrap().retain(|entry| entry.id < 92);
    assert_eq!(not_holding(&compare(&plan, &seen)), [("mounts", Verdict::Differs)]);
}

#[test]
fn a_running_container_may_mount_only_with_the_right_to_and_only_of_its_own() {
    let tmpfs = b"90 10 0:99 / /mnt rw - tmpfs tmpfs rw\n";
    let disk = b"91 10 8:9 / /mnt rw - ext4 /dev/sdz rw\n";
    let verdict = |line: &[u8], admin: bool| {
        let (mut plan, mut seen) = (plan(), observation());
        seen.moment = Moment::Verify;
        if admin {
            let sets = &mut plan.process.capabilities;
            sets.permitted = sets.permitted.union(caps(&["CAP_SYS_ADMIN"]));
        }
        seen.mounts.as_mut().unwrap().extend(parse_mountinfo(line).unwrap());
        overall(&compare(&plan, &seen))
    };
    assert_eq!(verdict(tmpfs, true), Verdict::Holds);
    assert_eq!(verdict(tmpfs, false), Verdict::Differs);
    assert_eq!(verdict(disk, true), Verdict::Differs);
}

#[test]
fn a_witnessed_filter_counts_where_it_cannot_be_read_back() {
    let plan = plan();
    let digest = |seen: &Observation| seen.filters.installed.as_ref().unwrap()[0].digest();
    let mut seen = observation();
    let program = digest(&seen);
    seen.filters.installed = Err(Unreadable("not permitted".to_owned()));
    assert_eq!(not_holding(&compare(&plan, &seen)), [("seccomp-filter", Verdict::Unknown)]);
    seen.filters.witnessed = Some(FilterWitness { program, filters: 1 });
    assert_eq!(not_holding(&compare(&plan, &seen)), []);
    // Fewer filters than were seen: it is another process, or the witness is wrong.
    seen.filters.witnessed.as_mut().unwrap().filters = 2;
    assert_eq!(not_holding(&compare(&plan, &seen)), [("seccomp-filter", Verdict::Differs)]);
    let other = cofferdam_names::Digest::sha256([0; 32]);
    seen.filters.witnessed = Some(FilterWitness { program: other, filters: 1 });
    assert_eq!(not_holding(&compare(&plan, &seen)), [("seccomp-filter", Verdict::Differs)]);
}

/// A process that entered the container, as it should be.
fn entered() -> (cofferdam_confinement::Plan, Observation) {
    let (mut plan, mut seen) = (plan(), observation());
    plan.process.cpu_affinity =
        Some(cofferdam_confinement::CpuAffinity { initial: None, last: Some("0-1".to_owned()) });
    seen.scope = Scope::Entered;
    let ids = NamespaceIds { own: Ok(9), host: Ok(1), joined: Some(Ok(9)) };
    seen.namespaces = Namespace::ALL.into_iter().map(|kind| (kind, ids.clone())).collect();
    seen.container_root = Some(seen.files.as_ref().unwrap().root.clone());
    seen.affinity = Ok(vec![0, 1]);
    (plan, seen)
}

#[test]
fn one_that_entered_is_compared_by_its_own_controls_and_must_be_in_the_container() {
    let changes: &[(&str, Change)] = &[
        ("namespaces", |seen| seen.namespaces.get_mut(&Namespace::Uts).unwrap().own = Ok(10)),
        ("root", |seen| seen.container_root.as_mut().unwrap().as_mut().unwrap().mount = 900),
        ("cpu-affinity", |seen| seen.affinity = Ok(vec![0, 1, 2])),
        (
            "capabilities-bounding",
            with!(seen.status: status => status.cap_bounding = caps(&["CAP_SYS_ADMIN"])),
        ),
        ("cgroup", |seen| "/".clone_into(&mut seen.group.membership.as_mut().unwrap()[0].observed)),
    ];
    let (plan, seen) = entered();
    let findings = compare(&plan, &seen);
    assert_eq!(not_holding(&findings), []);
    let spoken: BTreeSet<&str> = findings.iter().map(|finding| finding.control.as_str()).collect();
    let own = CONTROLS.iter().filter(|control| control.of == Scope::Entered);
    assert_eq!(spoken, own.map(|control| control.name).collect());
    for (control, change) in changes {
        let (plan, mut seen) = entered();
        change(&mut seen);
        assert_eq!(not_holding(&compare(&plan, &seen)), [(*control, Verdict::Differs)], "{control}");
    }
}

#[test]
fn what_a_hook_may_have_made_is_unknown_and_what_the_host_sends_is_no_surprise() {
    let hook = cofferdam_confinement::Hook {
        path: "/bin/hook".into(),
        args: Vec::new(),
        env: Vec::new(),
        timeout_seconds: None,
    };
    let (mut plan, mut seen) = (plan(), observation());
    let line = b"90 10 8:3 / /mnt rw - ext4 /dev/sdc rw\n";
    seen.mounts.as_mut().unwrap().extend(parse_mountinfo(line).unwrap());
    plan.hooks.create_container.push(hook);
    assert_eq!(not_holding(&compare(&plan, &seen)), [("extra-mounts", Verdict::Unknown)]);
    // With the root a slave of the host's, a mount that comes down to it was the host's doing.
    let (mut plan, mut seen) = (crate::fixture::plan(), observation());
    plan.root.propagation = cofferdam_confinement::Propagation::Rslave;
    entry(&mut seen, 10).peers.master = Some(3);
    let line = b"90 10 8:3 / /mnt rw master:3 - ext4 /dev/sdc rw\n";
    seen.mounts.as_mut().unwrap().extend(parse_mountinfo(line).unwrap());
    assert_eq!(not_holding(&compare(&plan, &seen)), []);
}

proptest! {
    /// CVE-2022-29162 and its like: whatever is observed, a set that reaches past what the plan and execve allow is found.
    #[test]
    fn capabilities_never_exceed_the_plan_unseen(bits in 0u64..(1 << 41), which in 0usize..5) {
        let set = cofferdam_kernel::capability::CapSet::from_bits(bits);
        let (plan, mut seen) = (plan(), observation());
        let status = seen.status.as_mut().unwrap();
        let planned = &plan.process.capabilities;
        let (field, limit) = match which {
            0 => (&mut status.cap_bounding, planned.bounding),
            1 => (&mut status.cap_permitted, planned.permitted),
            2 => (&mut status.cap_effective, planned.effective),
            3 => (&mut status.cap_inheritable, planned.inheritable),
            _ => (&mut status.cap_ambient, planned.ambient),
        };
        *field = set;
        if !set.is_subset(limit) {
            prop_assert_eq!(overall(&compare(&plan, &seen)), Verdict::Differs);
        }
    }
}
