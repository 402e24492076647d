//! Hosts made for tests: a tree laid out like a running system's root, with weaknesses planted in it.

use std::path::Path;

use crate::control::{Outcome, Verdict};
use crate::fact::Fact;
use crate::host::{Accounts, HostFacts, Kernel, Security, Source, View};

/// A host of which nothing is known.
pub(super) fn nothing() -> HostFacts {
    fn gap<T>() -> Fact<T> {
        Fact::unknown("not planted")
    }
    HostFacts {
        view: View::Running,
        name: gap(),
        distribution: gap(),
        kernel: Kernel::unknown("not planted"),
        security: Security {
            modules: gap(),
            lockdown: gap(),
            selinux: gap(),
            apparmor: gap(),
            cpu: gap(),
            smt: gap(),
        },
        mounts: gap(),
        cgroups: gap(),
        modules: gap(),
        loadable_modules: gap(),
        barred_modules: gap(),
        files: [].into(),
        texts: [].into(),
        accounts: Accounts::unknown("not planted"),
        ssh: gap(),
        sockets: gap(),
        units: gap(),
        processes: gap(),
        packages: gap(),
        engines: crate::host::Engines { docker: gap(), podman: gap(), containerd: gap(), kubelet: gap() },
        containers: gap(),
        audit_rules: gap(),
        survey: gap(),
        json: std::sync::OnceLock::new(),
    }
}

/// Something that stands in a planted tree.
#[derive(Clone, Copy)]
pub(super) enum Plant {
    /// A file with this text.
    File(&'static str, &'static str),
    /// A folder.
    Folder(&'static str),
}

use Plant::{File, Folder};

/// What stands in every planted tree, unless a case says otherwise.
const GROUND: &[Plant] = &[
    File("etc/passwd", "root:x:0:0::/root:/bin/bash\n"),
    File("etc/shadow", "root:*:19000:0:99999:7:::\n"),
    File("etc/group", "root:x:0:\n"),
    File("proc/cmdline", "quiet\n"),
    File("proc/sys/kernel/osrelease", "6.12.1\n"),
    File("boot/config-6.12.1", "CONFIG_MODULES=y\n"),
    File("lib/modules/6.12.1/modules.dep", "kernel/net/dccp/dccp.ko.xz:\n"),
    File("proc/self/mountinfo", "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n"),
    File("sys/kernel/security/lsm", "lockdown,capability,landlock,yama,apparmor\n"),
    Folder("etc/modprobe.d"),
];

fn plant(root: &Path, plants: &[Plant]) {
    for plant in plants {
        match plant {
            File(path, text) => {
                let path = root.join(path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, text).unwrap();
            }
            Folder(path) => std::fs::create_dir_all(root.join(path)).unwrap(),
        }
    }
}

/// The verdict of one check on a tree with these plants.
pub(super) fn verdict(id: &str, plants: &[Plant]) -> Verdict {
    let folder = tempfile::tempdir().unwrap();
    plant(folder.path(), GROUND);
    plant(folder.path(), plants);
    let facts = HostFacts::of(&Source::running(folder.path()).unwrap());
    let control = super::controls().into_iter().find(|control| control.about.id == id);
    control.unwrap_or_else(|| panic!("no check is called {id}")).judge(&facts)
}

/// All verdicts on a tree with these plants: by id, by a look at everything, and by one at what each check judges by.
pub(super) fn both_ways(plants: &[Plant]) -> Vec<(String, Verdict, Verdict)> {
    use std::collections::BTreeMap;

    let folder = tempfile::tempdir().unwrap();
    plant(folder.path(), GROUND);
    plant(folder.path(), plants);
    let source = Source::running(folder.path()).unwrap();
    let whole = HostFacts::of(&source);
    let mut parts: BTreeMap<String, HostFacts> = BTreeMap::new();
    let mut found = Vec::new();
    for control in super::controls() {
        let part = super::parts_of(&control.about);
        let facts = parts.entry(format!("{part:?}")).or_insert_with(|| {
            HostFacts::gather(&source, &crate::host::Wanted { parts: part, ..super::wanted() })
        });
        found.push((control.about.id.to_string(), control.judge(&whole), control.judge(facts)));
    }
    found
}

/// One check with a tree that is weak in its point, and one that is not.
pub(super) struct Case(pub(super) &'static str, pub(super) &'static [Plant], pub(super) &'static [Plant]);

/// Runs cases.
pub(super) fn run(cases: &[Case]) {
    for Case(id, weak, strong) in cases {
        let on_weak = verdict(id, weak);
        assert_eq!(on_weak.outcome, Outcome::Fail, "{id} on the weak tree: {on_weak:?}");
        let on_strong = verdict(id, strong);
        assert_eq!(on_strong.outcome, Outcome::Pass, "{id} on the strong tree: {on_strong:?}");
    }
}
