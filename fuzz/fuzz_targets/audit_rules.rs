//! Files of rules, and a host's settings: any text ends in checks or an error.

#![no_main]

use cofferdam_audit::host::{Source, audit};
use libfuzzer_sys::fuzz_target;

/// Files of a host that are read by parsers of their own.
const FILES: [&str; 10] = [
    "etc/passwd",
    "etc/shadow",
    "etc/sudoers",
    "etc/ssh/sshd_config",
    "etc/fstab",
    "etc/sysctl.conf",
    "etc/modprobe.d/x.conf",
    "etc/docker/daemon.json",
    "var/lib/dpkg/status",
    "boot/config-6.1.0",
];

fuzz_target!(|text: &str| {
    let _ = cofferdam_audit::rules::parse(text);
    let root = std::env::temp_dir().join(format!("cofferdam-fuzz-tree-{}", std::process::id()));
    for file in FILES {
        let path = root.join(file);
        let _ = path.parent().map(std::fs::create_dir_all);
        let _ = std::fs::write(path, text);
    }
    if let Ok(source) = Source::at_rest(&root) {
        let _ = audit(&source, "tree");
    }
});
