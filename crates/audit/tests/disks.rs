//! Disks made by mke2fs and qemu-img, read without mounting them, compared with the folder that they were made from.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says what it skips"
)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use cofferdam_audit::host::{Source, audit_disk};
use cofferdam_audit::{Fact, FileKind, FileStatus, Outcome, Tree};

/// Whether the programs are there; says so if not.
fn has(test: &str, programs: &[&str]) -> bool {
    let there = |program: &&&str| {
        let folders = ["/usr/bin", "/usr/sbin", "/sbin", "/bin"];
        folders.iter().any(|folder| Path::new(folder).join(program).exists())
    };
    let missing: Vec<_> = programs.iter().filter(|program| !there(program)).collect();
    if !missing.is_empty() {
        eprintln!("SKIP {test}: there is no {missing:?}");
    }
    missing.is_empty()
}

fn run(program: &str, arguments: &[&str]) {
    let output =
        Command::new(program).args(arguments).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn write(root: &Path, path: &str, bytes: &[u8]) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// A small system with everything that a file system can hold.
fn system(root: &Path) {
    write(root, "etc/passwd", b"root:x:0:0::/root:/bin/sh\n");
    write(root, "etc/hostname", b"guest\n");
    write(root, "etc/os-release", b"PRETTY_NAME=\"A guest\"\n");
    write(root, "etc/ssh/sshd_config", b"PermitRootLogin yes\n");
    write(root, "usr/sbin/sshd", b"x");
    write(root, "usr/bin/su", b"x");
    fs::set_permissions(root.join("usr/bin/su"), fs::Permissions::from_mode(0o4755)).unwrap();
    // Longer than the direct blocks and the first list of them, in blocks of 1 KiB.
    let long: Vec<u8> =
        (0..600_000u32).flat_map(|number| [number.to_le_bytes()[0], number.to_le_bytes()[1]]).collect();
    write(root, "var/long", &long);
    let mut holes = fs::File::create(root.join("var/holes")).unwrap();
    holes.seek(SeekFrom::Start(2 << 20)).unwrap();
    holes.write_all(b"after").unwrap();
    for number in 0..700 {
        write(root, &format!("many/{}-{number}", "n".repeat(40)), b"");
    }
    symlink("/etc/hostname", root.join("short")).unwrap();
    symlink(format!("/{}etc/hostname", "./".repeat(60)), root.join("long-link")).unwrap();
    symlink("loop", root.join("loop")).unwrap();
}

fn all_paths(tree: &Tree) -> BTreeMap<PathBuf, FileStatus> {
    let mut found = BTreeMap::new();
    let mut ahead = vec![PathBuf::from("/")];
    while let Some(folder) = ahead.pop() {
        for name in tree.list(&folder).get().unwrap().clone().unwrap() {
            let path = folder.join(name);
            let status = tree.own_status(&path).get().unwrap().unwrap();
            if status.kind == FileKind::Folder {
                ahead.push(path.clone());
            }
            found.insert(path, status);
        }
    }
    found.remove(Path::new("/lost+found"));
    found
}

fn assert_same(disk: &Tree, folder: &Tree, which: &str) {
    let (ours, theirs) = (all_paths(disk), all_paths(folder));
    assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>(), "{which}");
    for (path, status) in &ours {
        let wanted = theirs[path];
        let told = |status: &FileStatus| (status.kind, status.mode, status.uid, status.gid, status.modified);
        assert_eq!(told(status), told(&wanted), "{which}: {}", path.display());
        match status.kind {
            FileKind::File => {
                let same = disk.bytes(path) == folder.bytes(path);
                assert!(same && status.size == wanted.size, "{which}: {}", path.display());
            }
            FileKind::Link => assert_eq!(disk.link(path), folder.link(path), "{which}: {}", path.display()),
            _ => {}
        }
    }
    assert_eq!(disk.text("/short"), Fact::Known(Some("guest\n".to_owned())), "{which}");
    assert_eq!(disk.text("/long-link"), Fact::Known(Some("guest\n".to_owned())), "{which}");
    assert!(disk.text("/loop").known().is_none(), "{which}");
}

/// A folder with a system, and a file system made from it.
fn made(options: &[&str]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    fs::create_dir(&root).unwrap();
    system(&root);
    let image = folder.path().join("disk.img");
    let (root, file) = (root.to_str().unwrap(), image.to_str().unwrap());
    let mut arguments = vec!["-q", "-F", "-d", root];
    arguments.extend(options);
    arguments.extend([file, "24m"]);
    run("mke2fs", &arguments);
    (folder, image)
}

#[test]
fn every_kind_of_ext_is_read_as_it_was_written() {
    if !has("every_kind_of_ext_is_read_as_it_was_written", &["mke2fs"]) {
        return;
    }
    for options in [
        &["-t", "ext4"][..],
        &["-t", "ext4", "-b", "1024", "-O", "extents,64bit,dir_index,metadata_csum"],
        &["-t", "ext4", "-b", "4096", "-O", "extents,inline_data,dir_index", "-I", "256"],
        &["-t", "ext3", "-b", "1024"],
        &["-t", "ext2", "-b", "1024", "-I", "128"],
        &["-t", "ext2", "-b", "2048"],
    ] {
        let (folder, image) = made(options);
        let (source, left_out) =
            Source::of_disk(&image).unwrap_or_else(|error| panic!("{options:?}: {error:?}"));
        assert!(left_out.is_empty());
        assert_same(
            &source.tree,
            &Tree::at_rest(&folder.path().join("root")).unwrap(),
            &format!("{options:?}"),
        );
    }
}

#[test]
fn the_audit_of_a_disk_finds_what_is_planted_on_it() {
    if !has("the_audit_of_a_disk_finds_what_is_planted_on_it", &["mke2fs"]) {
        return;
    }
    let (_folder, image) = made(&["-t", "ext4"]);
    let report = audit_disk(&image, "disk").unwrap();
    let outcome =
        |id: &str| report.findings.iter().find(|finding| finding.about.id == id).unwrap().verdict.outcome;
    assert_eq!(outcome("sshd.PermitRootLogin"), Outcome::Fail);
    assert_eq!(outcome("kernel.kptr_restrict"), Outcome::Unknown, "no kernel runs on it");
    assert_eq!(outcome("files.devices"), Outcome::Pass);
}

#[test]
fn qcow2_is_read_compressed_or_not() {
    if !has("qcow2_is_read_compressed_or_not", &["mke2fs", "qemu-img"]) {
        return;
    }
    let (folder, image) = made(&["-t", "ext4"]);
    let root = Tree::at_rest(&folder.path().join("root")).unwrap();
    let made = folder.path().join("disk.qcow2");
    for options in [&[][..], &["-c"], &["-o", "cluster_size=4096"], &["-c", "-o", "compat=0.10"]] {
        let mut arguments = vec!["convert", "-f", "raw", "-O", "qcow2"];
        arguments.extend(options);
        arguments.extend([image.to_str().unwrap(), made.to_str().unwrap()]);
        run("qemu-img", &arguments);
        let (source, _) = Source::of_disk(&made).unwrap();
        assert_same(&source.tree, &root, &format!("{options:?}"));
    }
    let over = folder.path().join("over.qcow2");
    let backing =
        ["create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", made.to_str().unwrap(), over.to_str().unwrap()];
    run("qemu-img", &backing);
    let error = Source::of_disk(&over).unwrap_err().to_string();
    assert!(error.contains("backing file"), "{error}");
}

#[test]
fn partitions_are_found_and_mounted_as_their_table_says() {
    if !has("partitions_are_found_and_mounted_as_their_table_says", &["mke2fs", "sfdisk"]) {
        return;
    }
    for label in ["gpt", "dos"] {
        let (folder, image) = made(&["-t", "ext4"]);
        let boot_root = folder.path().join("boot");
        write(&boot_root, "config-6.1.0", b"CONFIG_A=y\n");
        let boot = folder.path().join("boot.img");
        let options = ["-q", "-F", "-t", "ext2", "-L", "the-boot", "-d", boot_root.to_str().unwrap()];
        run("mke2fs", &[&options[..], &[boot.to_str().unwrap(), "4m"]].concat());
        let root = folder.path().join("root");
        write(&root, "etc/fstab", b"LABEL=the-boot /boot ext2 ro 0 0\n");
        fs::create_dir(root.join("boot")).unwrap();
        let options = ["-q", "-F", "-t", "ext4", "-d", root.to_str().unwrap()];
        run("mke2fs", &[&options[..], &[image.to_str().unwrap(), "24m"]].concat());

        let disk = folder.path().join("whole.img");
        let mut file = fs::File::create(&disk).unwrap();
        file.set_len(48 << 20).unwrap();
        let table =
            format!("label: {label}\nstart=2048,size=8192\nstart=10240,size=49152\nstart=59392,size=8192\n");
        let script = folder.path().join("table");
        fs::write(&script, table).unwrap();
        let shell = format!("sfdisk -q {} < {}", disk.display(), script.display());
        run("sh", &["-c", &shell]);
        for (start, bytes) in [(2048, fs::read(&boot).unwrap()), (10240, fs::read(&image).unwrap())] {
            file.seek(SeekFrom::Start(start * 512)).unwrap();
            file.write_all(&bytes).unwrap();
        }
        file.seek(SeekFrom::Start(59392 * 512)).unwrap();
        file.write_all(b"LUKS\xba\xbe").unwrap();
        let (source, left_out) = Source::of_disk(&disk).unwrap();
        assert_eq!(left_out, ["partition 3 holds a LUKS container (encrypted)"], "{label}");
        assert_eq!(source.tree.text("/etc/hostname"), Fact::Known(Some("guest\n".to_owned())));
        assert_eq!(
            source.tree.text("/boot/config-6.1.0"),
            Fact::Known(Some("CONFIG_A=y\n".to_owned())),
            "{label}"
        );
    }
}

#[test]
fn what_the_journal_has_newer_counts() {
    if !has("what_the_journal_has_newer_counts", &["mke2fs", "debugfs"]) {
        return;
    }
    for options in
        [&["-t", "ext4"][..], &["-t", "ext4", "-O", "extents,64bit,metadata_csum"], &["-t", "ext3"]]
    {
        let (folder, image) = made(&[options, &["-b", "4096"]].concat());
        let list = Command::new("debugfs").args(["-R", "blocks /etc/hostname"]).arg(&image).output().unwrap();
        let block = String::from_utf8(list.stdout).unwrap().trim().to_owned();
        let newer = folder.path().join("newer");
        let mut bytes = b"later\n".to_vec();
        bytes.resize(4096, 0);
        fs::write(&newer, bytes).unwrap();
        let commands = folder.path().join("commands");
        fs::write(&commands, format!("jo\njw -b {block} {}\njc\n", newer.display())).unwrap();
        run("debugfs", &["-w", "-f", commands.to_str().unwrap(), image.to_str().unwrap()]);
        let (source, _) = Source::of_disk(&image).unwrap();
        assert_eq!(source.tree.text("/etc/hostname"), Fact::Known(Some("later\n".to_owned())), "{options:?}");
        assert_eq!(
            source.tree.text("/etc/ssh/sshd_config"),
            Fact::Known(Some("PermitRootLogin yes\n".to_owned()))
        );
    }
}

#[test]
fn a_disk_without_a_system_that_is_read_says_what_it_holds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk");
    for (at, bytes, words) in [
        (0, &b"XFSB"[..], "XFS"),
        (0x1_0040, b"_BHRfS_M", "Btrfs"),
        (512, b"LABELONE", "an LVM volume"),
        (0, b"LUKS\xba\xbe", "encrypted"),
        (4096, b"\xfc\x4e\x2b\xa9", "RAID"),
        (0, b"KDMV", "VMware"),
        (0, b"vhdxfile", "Hyper-V"),
        (0, b"", "nothing that is known"),
    ] {
        let mut file = fs::File::create(&path).unwrap();
        file.set_len(1 << 20).unwrap();
        file.seek(SeekFrom::Start(at)).unwrap();
        file.write_all(bytes).unwrap();
        let error = Source::of_disk(&path).unwrap_err().to_string();
        assert!(error.contains(words) && error.contains("no ext4"), "{error}");
    }
}

/// A partition table that says the largest numbers of all: the last sector of a partition that begins at the first.
#[test]
fn a_partition_without_an_end_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk");
    let mut disk = vec![0u8; 1 << 20];
    disk[512..520].copy_from_slice(b"EFI PART");
    disk[512 + 72] = 2;
    disk[512 + 80] = 1;
    disk[512 + 84] = 128;
    disk[1024] = 1;
    disk[1024 + 40..1024 + 48].fill(0xff);
    fs::write(&path, disk).unwrap();
    assert!(Source::of_disk(&path).unwrap_err().to_string().contains("nothing that is known"));
}

/// Bytes of a disk that are changed at random: it answers, or says that it cannot.
#[test]
fn a_damaged_disk_neither_hangs_nor_crashes() {
    if !has("a_damaged_disk_neither_hangs_nor_crashes", &["mke2fs"]) {
        return;
    }
    let (folder, image) = made(&["-t", "ext4", "-b", "1024"]);
    let whole = fs::read(&image).unwrap();
    let damaged = folder.path().join("damaged");
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let mut random = |most: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % most
    };
    for _ in 0..25 {
        let mut bytes = whole.clone();
        for _ in 0..40 {
            // Most of what matters is at the beginning: descriptors, bitmaps, inodes, folders.
            let at = usize::try_from(random(2 << 20)).unwrap();
            bytes[at] = u8::try_from(random(256)).unwrap();
        }
        for _ in 0..4 {
            let at = 1024 + usize::try_from(random(400)).unwrap();
            bytes[at] = u8::try_from(random(256)).unwrap();
        }
        fs::write(&damaged, &bytes).unwrap();
        if let Ok(report) = audit_disk(&damaged, "damaged") {
            assert!(!report.findings.is_empty());
        }
    }
}
