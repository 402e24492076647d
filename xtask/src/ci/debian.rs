//! The Debian packages that the tests need, installed once and only where they are missing.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// What `cargo xtask ci` needs beyond a Rust toolchain.
pub(crate) const TEST_PACKAGES: [&str; 25] = [
    "busybox-static",  // the smallest root filesystem
    "containerd",      // drives `cofferdam oci`
    "docker-registry", // a registry to pull from and push to
    "docker.io",       // drives `cofferdam oci`
    "e2fsprogs",       // disks for the audit: mke2fs, debugfs
    "fdisk",           // partitions on them: sfdisk
    "gcc",             // the 32-bit attack programs
    "gcc-multilib",    // the same
    "iptables",        // dockerd does not start without it
    "mmdebstrap",      // a real Debian as a root filesystem
    "nftables",        // looks at the packet rules from outside
    "passt",           // pasta: networks of ordinary users
    "passwd",          // useradd: the ordinary user
    "podman",          // drives `cofferdam oci`
    "procps",          // ps, as people use it
    "python3-venv",    // readers and schemas of other people for the audit's reports (tests/audit-forms)
    "rpm",             // rpmbuild and rpm write a database for the audit to read
    "skopeo",          // pulls what was pushed, and the other way round
    "qemu-utils",      // disk images: qemu-img
    "strace",          // counts system calls
    "tmux",            // a real terminal
    "uidmap",          // newuidmap: rootless with ranges
    "umoci",           // makes images in its own way
    "xz-utils",        // a compressed root filesystem
    "zstd",            // the same
];

/// Installs those of `packages` that dpkg does not have. Services that they bring are not started (policy-rc.d).
pub(crate) fn install_what_is_missing(packages: &[&str]) -> Result<()> {
    let missing: Vec<&str> = packages.iter().copied().filter(|package| !is_installed(package)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    println!("== installing {}", missing.join(" "));
    apt_get(&["update", "-q"])?;
    let mut arguments = vec!["install", "-y", "-q", "--no-install-recommends"];
    arguments.extend(missing);
    apt_get(&arguments)
}

fn is_installed(package: &str) -> bool {
    let query = Command::new("dpkg-query").args(["-W", "-f", "${db:Status-Status}", package]).output();
    query.is_ok_and(|output| output.stdout == b"installed")
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    let output = Command::new("apt-get")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        // Its own choice of temporary folder has vanished in the middle of an installation.
        .env("TMPDIR", "/var/tmp")
        // No service that a package brings may start on the host's network.
        .env("RUNLEVEL", "1")
        .stdin(Stdio::null())
        .output()
        .context("run apt-get")?;
    ensure!(
        output.status.success(),
        "apt-get {}: {}{}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
