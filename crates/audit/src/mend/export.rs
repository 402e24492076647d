//! The same for many hosts: what is planned here, in the words of the tools that carry it there.

use serde_json::json;

use super::Mending;

/// For which tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Export {
    /// A playbook.
    Ansible,
    /// A script for sh.
    Shell,
    /// Ignition 3.4, for hosts that are made at their first boot.
    Ignition,
}

/// The files of a mending, and what sets parameters, in the form of a tool. What was in the files here before is in them too.
#[must_use]
pub fn export(mending: &Mending, form: Export) -> String {
    match form {
        Export::Ansible => ansible(mending),
        Export::Shell => shell(mending),
        Export::Ignition => ignition(mending),
    }
}

const HEAD: &str = "Made by `cofferdam audit host --export`: read it before it is used.";

fn ansible(mending: &Mending) -> String {
    let mut out =
        format!("# {HEAD}\n- name: What the audit asks for\n  hosts: all\n  become: true\n  tasks:\n");
    for change in &mending.changes {
        let folder = change.path.rsplit_once('/').map_or("/", |(folder, _)| folder);
        // JSON's texts are YAML's as well, with everything in them escaped.
        let (path, folder, text) = (json!(change.path), json!(folder), json!(change.after));
        out += &format!(
            "    - name: {folder}\n      ansible.builtin.file: {{ path: {folder}, state: directory, mode: \"0755\" }}\n"
        );
        out += &format!(
            "    - name: {path}\n      ansible.builtin.copy:\n        dest: {path}\n        content: {text}\n        owner: root\n        group: root\n        mode: \"0644\"\n"
        );
    }
    if !mending.parameters.is_empty() {
        out += "    - name: Kernel parameters\n      ansible.builtin.command: sysctl --system\n      changed_when: false\n";
    }
    out
}

fn shell(mending: &Mending) -> String {
    let mut out = format!("#!/bin/sh\n# {HEAD}\nset -eu\numask 022\n");
    for change in &mending.changes {
        let folder = change.path.rsplit_once('/').map_or("/", |(folder, _)| folder);
        // The word is quoted: nothing in the text is expanded. No line of ours is this word.
        out += &format!(
            "mkdir -p {folder}\ncat > {path} <<'END_OF_COFFERDAM'\n{text}END_OF_COFFERDAM\n",
            path = change.path,
            text = change.after
        );
        if let Some(then) = change.then {
            out += &format!("echo {}\n", quoted(&format!("{}: {then}", change.path)));
        }
    }
    if !mending.parameters.is_empty() {
        out += "sysctl --system > /dev/null\n";
    }
    out
}

/// A word of sh's.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

fn ignition(mending: &Mending) -> String {
    let file = |change: &super::Change| {
        json!({
            "path": change.path,
            "mode": 0o644,
            "overwrite": true,
            "contents": { "source": format!("data:,{}", percent(&change.after)) },
        })
    };
    // The words go to the kernel by Ignition itself, not by a loader's drop-in.
    let files: Vec<_> = mending
        .changes
        .iter()
        .filter(|change| !change.path.starts_with("/etc/default/grub.d"))
        .map(file)
        .collect();
    let mut config = json!({ "ignition": { "version": "3.4.0" }, "storage": { "files": files } });
    if !mending.boot_words.is_empty() {
        config["kernelArguments"] = json!({ "shouldExist": mending.boot_words });
    }
    format!("{config:#}\n")
}

/// Text in a data URL (RFC 2397).
fn percent(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out += &format!("%{byte:02X}");
        }
    }
    out
}
