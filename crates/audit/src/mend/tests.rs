//! Mending trees, and taking it back.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::*;
use crate::host;

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// A host with a weakness for every kind of fix, whose owner comes by a key.
fn weak() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    write(root, "etc/passwd", "root:x:0:0::/root:/bin/bash\nada:x:1000:1000::/home/ada:/bin/bash\n");
    write(root, "etc/group", "root:x:0:\nsudo:x:27:ada\n");
    write(root, "etc/shadow", "root:*:19000:0:99999:7:::\nada:$6$x$y:19000:0:99999:7:::\n");
    write(root, "etc/sudoers", "%sudo ALL=(ALL:ALL) ALL\n");
    write(root, "usr/sbin/sshd", "x");
    write(
        root,
        "etc/ssh/sshd_config",
        "Include /etc/ssh/sshd_config.d/*.conf\nPermitRootLogin yes\nX11Forwarding yes\n",
    );
    write(root, "home/ada/.ssh/authorized_keys", "ssh-ed25519 AAAA ada\n");
    write(root, "etc/sysctl.d/10-own.conf", "kernel.kptr_restrict = 0\nkernel.modules_disabled = 0\n");
    write(root, "boot/vmlinuz-6.1.0", "");
    write(root, "boot/config-6.1.0", "CONFIG_MODULES=y\nCONFIG_SLAB_MERGE_DEFAULT=y\n");
    write(root, "lib/modules/6.1.0/modules.dep", "kernel/net/sctp/sctp.ko.xz:\n");
    write(root, "etc/modprobe.d/own.conf", "# mine\n");
    write(root, "etc/systemd/journald.conf", "[Journal]\n");
    write(root, "etc/systemd/coredump.conf", "[Coredump]\n");
    write(root, "etc/security/limits.conf", "# none\n");
    write(root, "etc/default/grub", "GRUB_CMDLINE_LINUX=\"quiet\"\n");
    write(root, "etc/audit/rules.d/own.rules", "-b 100\n");
    write(root, "usr/bin/dockerd", "x");
    folder
}

fn looked_at(root: &Path) -> (Source, HostFacts, Report) {
    let source = Source::at_rest(root).unwrap();
    let facts = HostFacts::of(&source);
    let report = host::judged(&facts, "tree");
    (source, facts, report)
}

fn planned(root: &Path, wanted: Wanted<'_>) -> (Source, Mending) {
    let (source, facts, report) = looked_at(root);
    let mending = Mending::plan(&source, &facts, &report, wanted);
    (source, mending)
}

fn all_files(root: &Path) -> BTreeMap<String, String> {
    let (mut found, mut ahead) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(folder) = ahead.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                ahead.push(path);
            } else {
                found.insert(path.display().to_string(), std::fs::read_to_string(path).unwrap());
            }
        }
    }
    found
}

fn only(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

#[test]
fn what_is_mended_passes_then_and_is_mended_once() {
    let folder = weak();
    let root = folder.path();
    let before = all_files(root);
    let (source, mending) = planned(root, Wanted::Safe);
    for id in [
        "kernel.kptr_restrict",
        "sshd.PermitRootLogin",
        "sshd.PasswordAuthentication",
        "module.sctp",
        "journal.persistent",
        "coredump.storage",
        "limits.core",
        "audit./usr/bin/dockerd",
    ] {
        assert!(mending.checks.iter().any(|check| check == id), "{id}: {mending:#?}");
    }
    assert!(
        mending.left_out.iter().any(|(id, why)| id == "kernel.modules_disabled" && why.contains("--only"))
    );
    apply(root, &source, &mending).unwrap();
    let (_, _, report) = looked_at(root);
    for id in &mending.checks {
        let finding = report.findings.iter().find(|finding| finding.about.id == id.as_str()).unwrap();
        assert_eq!(finding.verdict.outcome, Outcome::Pass, "{id}: {:?}", finding.verdict);
    }
    let (source, again) = planned(root, Wanted::Safe);
    assert!(again.is_empty(), "{:?} {}", again.checks, again.changes[0].diff());
    let undone = undo(root, &source).unwrap();
    assert!(undone.left.is_empty() && undone.restored.len() == mending.changes.len());
    assert_eq!(all_files(root), before, "as it was");
    assert!(matches!(undo(root, &source), Err(MendError::Nothing)));
}

#[test]
fn a_word_for_the_boot_loader_is_written_where_it_has_drop_ins() {
    let folder = weak();
    let ids = only(&["cmdline.slab_nomerge"]);
    let (source, mending) = planned(folder.path(), Wanted::Only(&ids));
    assert_eq!(mending.checks, ids, "{mending:?}");
    apply(folder.path(), &source, &mending).unwrap();
    let text = std::fs::read_to_string(folder.path().join("etc/default/grub.d/zz-cofferdam.cfg")).unwrap();
    assert!(text.contains("GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX slab_nomerge\""), "{text}");
    std::fs::remove_file(folder.path().join("etc/default/grub")).unwrap();
    std::fs::remove_dir_all(folder.path().join("etc/default/grub.d")).unwrap();
    let (_, mending) = planned(folder.path(), Wanted::Only(&ids));
    assert!(mending.is_empty());
}

#[test]
fn nobody_is_locked_out() {
    let reasons = |change: &dyn Fn(&Path)| {
        let folder = weak();
        change(folder.path());
        let (_, mending) = planned(folder.path(), Wanted::Safe);
        let left = mending.left_out.iter().map(|(id, _)| id.clone());
        left.filter(|id| ["sshd.PasswordAuthentication", "sshd.PermitRootLogin"].contains(&id.as_str()))
            .collect::<Vec<_>>()
    };
    let both = ["sshd.PermitRootLogin", "sshd.PasswordAuthentication"];
    assert_eq!(reasons(&|_| ()), Vec::<String>::new());
    // No key, and with the password gone no way for anybody.
    assert_eq!(reasons(&|root| write(root, "home/ada/.ssh/authorized_keys", "\n")), both);
    // The one with a key is not let in, or cannot log in, or has no way to root.
    let config = |more: &str| format!("Include /etc/ssh/sshd_config.d/*.conf\n{more}\nPermitRootLogin yes\n");
    assert_eq!(reasons(&|root| write(root, "etc/ssh/sshd_config", &config("AllowUsers root"))), both);
    assert_eq!(reasons(&|root| write(root, "etc/ssh/sshd_config", &config("DenyUsers x"))), both);
    assert_eq!(reasons(&|root| write(root, "etc/ssh/sshd_config", &config("PubkeyAuthentication no"))), both);
    let nologin = "root:x:0:0::/root:/bin/bash\nada:x:1000:1000::/home/ada:/usr/sbin/nologin\n";
    assert_eq!(reasons(&|root| write(root, "etc/passwd", nologin)), both);
    assert_eq!(reasons(&|root| write(root, "etc/sudoers", "# none\n")), both[..1]);
    // Drop-ins are not read at all.
    assert_eq!(reasons(&|root| write(root, "etc/ssh/sshd_config", "PermitRootLogin yes\n")), both);
}

#[test]
fn what_somebody_changed_since_is_left_alone() {
    let folder = weak();
    let ids = only(&["journal.persistent", "limits.core"]);
    let (source, mending) = planned(folder.path(), Wanted::Only(&ids));
    apply(folder.path(), &source, &mending).unwrap();
    let path = "etc/systemd/journald.conf.d/zz-cofferdam.conf";
    write(folder.path(), path, "[Journal]\nStorage=volatile\n");
    let undone = undo(folder.path(), &source).unwrap();
    assert_eq!(undone.left, [format!("/{path}")]);
    assert_eq!(undone.restored.len(), 1);
}

#[test]
fn a_link_in_a_strangers_tree_leads_nowhere_outside() {
    let outside = tempfile::tempdir().unwrap();
    let folder = weak();
    std::fs::remove_dir_all(folder.path().join("etc/modprobe.d")).unwrap();
    symlink(outside.path(), folder.path().join("etc/modprobe.d")).unwrap();
    let ids = only(&["module.sctp"]);
    let (source, mending) = planned(folder.path(), Wanted::Only(&ids));
    // The link's target does not exist inside: nothing is written, here or there.
    let _ = apply(folder.path(), &source, &mending);
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
    // A device in the place of a drop-in is not written over.
    std::fs::remove_file(folder.path().join("etc/modprobe.d")).unwrap();
    std::fs::create_dir_all(folder.path().join("etc/modprobe.d/cofferdam.conf")).unwrap();
    let (_, mending) = planned(folder.path(), Wanted::Only(&ids));
    assert!(mending.is_empty(), "{mending:?}");
}

#[test]
fn a_step_that_fails_leaves_everything_as_it_was() {
    let folder = weak();
    let root = folder.path();
    let before = all_files(root);
    let ids = only(&["module.sctp", "sshd.X11Forwarding", "limits.core"]);
    let (source, mut mending) = planned(root, Wanted::Only(&ids));
    assert_eq!(mending.changes.len(), 3);
    // The last one is where a file stands instead of a folder.
    mending.changes.push(Change { path: "/etc/passwd/x", before: None, after: "x".to_owned(), then: None });
    assert!(matches!(apply(root, &source, &mending), Err(MendError::Write { .. })));
    assert_eq!(all_files(root), before);
}

#[test]
fn exports_are_of_their_tools_own_form() {
    let folder = weak();
    let (_, mending) = planned(folder.path(), Wanted::Every);
    let ignition: serde_json::Value = serde_json::from_str(&export(&mending, Export::Ignition)).unwrap();
    assert_eq!(ignition["ignition"]["version"], "3.4.0");
    assert!(
        ignition["kernelArguments"]["shouldExist"]
            .as_array()
            .unwrap()
            .iter()
            .any(|word| word == "slab_nomerge")
    );
    let file = &ignition["storage"]["files"][0];
    assert!(file["contents"]["source"].as_str().unwrap().starts_with("data:,"), "{file}");
    let script = export(&mending, Export::Shell);
    let checked = std::process::Command::new("sh").args(["-n", "-c", &script]).status().unwrap();
    assert!(checked.success());
    let playbook = export(&mending, Export::Ansible);
    assert!(crate::document::is_yaml(&playbook), "{playbook}");
}
