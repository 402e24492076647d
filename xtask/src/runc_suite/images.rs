//! The two root filesystems that the cases start from, made of Debian's packages.
//!
//! The suite would download a busybox image and a Debian 10 image. Neither can be fetched here, so a Debian
//! busybox-static and a minimal Debian 12 stand in under the same file names; the suite takes what is there. They are
//! plain tars whatever their names say: tar looks inside, and every case unpacks one, which is most of its time.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};

use crate::command::{command, quietly};

/// Folders of a busybox root, with their modes. No proc and no sys: cases put something else in their places.
const FOLDERS: [(&str, u32); 10] = [
    ("bin", 0o755),
    ("dev", 0o755),
    ("etc", 0o755),
    ("home", 0o755),
    ("lib", 0o755),
    ("root", 0o700),
    ("tmp", 0o1777),
    ("usr/bin", 0o755),
    ("usr/sbin", 0o755),
    ("var", 0o755),
];

/// Files of a busybox root.
const FILES: [(&str, &str); 4] = [
    ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n"),
    ("etc/group", "root:x:0:\ntty:x:5:\nusers:x:100:\nnogroup:x:65534:\n"),
    ("etc/hostname", "busybox\n"),
    ("etc/nsswitch.conf", "passwd: files\ngroup: files\n"),
];

/// Makes both tars in `folder`, under the names that the suite looks for on x86-64.
pub(super) fn make(folder: &Path) -> Result<()> {
    println!("== making the root filesystems");
    let root = folder.join("busybox-root");
    busybox(&root)?;
    let tar = folder.join("busybox-amd64.tar.xz");
    quietly(command("tar", ["-cf"]).arg(&tar).arg("-C").arg(&root).arg("."))?;
    fs::remove_dir_all(&root).with_context(|| format!("remove {}", root.display()))?;
    let plain = folder.join("debian.tar");
    let arguments = ["mmdebstrap", "--quiet", "--variant=essential", "bookworm"];
    let without =
        ["doc", "man", "locale", "info"].map(|part| format!("--dpkgopt=path-exclude=/usr/share/{part}/*"));
    quietly(command("nice", arguments).arg(&plain).args(without).env("TMPDIR", "/var/tmp"))?;
    fs::rename(&plain, folder.join("debian-amd64.tar.xz")).context("name the Debian image")?;
    Ok(())
}

/// Lays out a root with every applet as a hard link to the one program.
fn busybox(root: &Path) -> Result<()> {
    for (name, mode) in FOLDERS {
        let path = root.join(name);
        fs::create_dir_all(&path).with_context(|| format!("make {}", path.display()))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))
            .with_context(|| format!("chmod {name}"))?;
    }
    for (name, text) in FILES {
        fs::write(root.join(name), text).with_context(|| format!("write {name}"))?;
    }
    let program = root.join("bin/busybox");
    fs::copy("/bin/busybox", &program).context("copy /bin/busybox")?;
    for applet in quietly(&mut command("/bin/busybox", ["--list"]))?.lines() {
        if applet != "busybox" {
            fs::hard_link(&program, root.join("bin").join(applet))
                .with_context(|| format!("link {applet}"))?;
        }
    }
    Ok(())
}
