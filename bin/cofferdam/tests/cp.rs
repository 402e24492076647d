//! `cp`: files out of containers and into them, and what containers try with it.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

mod support;

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use support::archive::{RawEntry, RawTar};
use support::{Home, Ran, busybox_home, eventually, skip};

/// Containers in the states in which files are copied.
fn boxes(home: &Home) -> [&'static str; 3] {
    home.ok(&["run", "-d", "--name", "running", "busybox", "sleep", "1000"]);
    home.ok(&["run", "--name", "ended", "busybox", "true"]);
    home.ok(&["create", "--rm", "--name", "created", "busybox", "sleep", "1000"]);
    ["running", "ended", "created"]
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn a_file_goes_in_and_comes_back() {
    let Some(home) = busybox_home("a_file_goes_in_and_comes_back") else { return };
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("note");
    std::fs::write(&source, "hello").unwrap();
    std::os::unix::fs::chown(&source, Some(1234), Some(1234)).unwrap();
    std::fs::set_permissions(&source, PermissionsExt::from_mode(0o640)).unwrap();
    for name in boxes(&home) {
        let into = |target: &str| home.ok(&["cp", source.to_str().unwrap(), &format!("{name}:{target}")]);
        into("/tmp");
        into("/tmp/renamed");
        into("etc/");
        let back = folder.path().join(format!("back-{name}"));
        for path in ["/tmp/note", "/tmp/renamed", "/etc/note"] {
            home.ok(&["cp", &format!("{name}:{path}"), back.to_str().unwrap()]);
            assert_eq!(text(&back), "hello", "{name}:{path}");
            let metadata = back.metadata().unwrap();
            assert_eq!((metadata.uid(), metadata.mode() & 0o7777), (0, 0o640), "{name}");
        }
        home.ok(&["cp", "-a", source.to_str().unwrap(), &format!("{name}:/tmp/kept")]);
        home.ok(&["cp", "-a", &format!("{name}:/tmp/kept"), back.to_str().unwrap()]);
        assert_eq!(back.metadata().unwrap().uid(), 1234, "{name}");
        if name != "ended" {
            let _ = home.run(&["start", name]);
            let owners = home.ok(&["exec", name, "stat", "-c", "%u", "/tmp/note", "/tmp/kept"]);
            assert_eq!(owners, "0\n1234", "{name}");
        }
        for (from, to) in [
            (source.to_str().unwrap(), format!("{name}:/none/x")),
            (source.to_str().unwrap(), format!("{name}:/tmp/none/")),
            (folder.path().to_str().unwrap(), format!("{name}:/etc/passwd")),
            ("/no/such/file", format!("{name}:/tmp")),
        ] {
            let ran = home.run(&["cp", from, &to]);
            assert_eq!(ran.code, 1, "{from} {to}: {ran:?}");
        }
        assert_eq!(home.run(&["cp", &format!("{name}:/none"), "/tmp"]).code, 1);
    }
    assert!(home.run(&["cp", "running:/etc", "ended:/tmp"]).err.contains("pass a tar on"));
    assert_eq!(home.run(&["cp", "a", "b"]).code, 1);
}

#[test]
fn a_folder_goes_in_and_comes_back_whole() {
    let Some(home) = busybox_home("a_folder_goes_in_and_comes_back_whole") else { return };
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("tree");
    std::fs::create_dir_all(source.join("a/b")).unwrap();
    std::fs::write(source.join("a/b/file"), "deep").unwrap();
    std::fs::hard_link(source.join("a/b/file"), source.join("second")).unwrap();
    symlink("a/b/file", source.join("link")).unwrap();
    symlink("/etc/passwd", source.join("absolute")).unwrap();
    std::fs::set_permissions(source.join("a"), PermissionsExt::from_mode(0o500)).unwrap();
    let path = source.to_str().unwrap();
    for name in boxes(&home) {
        home.ok(&["cp", path, &format!("{name}:/tmp")]);
        home.ok(&["cp", &format!("{path}/."), &format!("{name}:/root")]);
        home.ok(&["cp", path, &format!("{name}:/tmp/other")]);
        // Once more, over itself.
        home.ok(&["cp", path, &format!("{name}:/tmp")]);
        for from in ["/tmp/tree", "/root/.", "/tmp/other"] {
            let back = folder.path().join("back");
            home.ok(&["cp", &format!("{name}:{from}"), back.to_str().unwrap()]);
            assert_eq!(text(&back.join("a/b/file")), "deep", "{name}:{from}");
            assert_eq!(back.join("second").metadata().unwrap().nlink(), 2);
            assert_eq!(std::fs::read_link(back.join("link")).unwrap(), Path::new("a/b/file"));
            assert_eq!(std::fs::read_link(back.join("absolute")).unwrap(), Path::new("/etc/passwd"));
            assert_eq!(back.join("a").metadata().unwrap().mode() & 0o777, 0o500);
            std::fs::remove_dir_all(&back).unwrap();
        }
        // A link is copied as one, and followed on demand.
        let back = folder.path().join("one");
        home.ok(&["cp", &format!("{name}:/tmp/tree/link"), back.to_str().unwrap()]);
        assert!(back.symlink_metadata().unwrap().is_symlink());
        std::fs::remove_file(&back).unwrap();
        home.ok(&["cp", "-L", &format!("{name}:/tmp/tree/absolute"), back.to_str().unwrap()]);
        assert!(text(&back).contains("joe"), "inside the container's root");
        std::fs::remove_file(&back).unwrap();
        let link = source.join("link");
        home.ok(&["cp", "-L", link.to_str().unwrap(), &format!("{name}:/tmp/followed")]);
        home.ok(&["cp", &format!("{name}:/tmp/followed"), back.to_str().unwrap()]);
        assert_eq!(text(&back), "deep");
        std::fs::remove_file(&back).unwrap();
        // A target that is a link means what it leads to, inside the root.
        home.ok(&["cp", link.to_str().unwrap(), &format!("{name}:/tmp/point")]);
        home.ok(&["cp", "-L", link.to_str().unwrap(), &format!("{name}:/tmp/tree/absolute")]);
        home.ok(&["cp", &format!("{name}:/etc/passwd"), back.to_str().unwrap()]);
        assert_eq!(text(&back), "deep");
        std::fs::remove_file(&back).unwrap();
    }
    assert_ne!(text(Path::new("/etc/passwd")), "deep");
}

#[test]
fn tars_stream_out_and_in() {
    let Some(home) = busybox_home("tars_stream_out_and_in") else { return };
    let tar = RawTar::default()
        .add(&RawEntry { name: "dir", kind: b'5', mode: 0o750, uid: 1000, ..RawEntry::default() }, b"")
        .add(&RawEntry { name: "dir/file", mode: 0o4755, uid: 1000, ..RawEntry::default() }, b"text")
        .bytes();
    for name in boxes(&home) {
        let ran = home.run_with_input(&["cp", "-", &format!("{name}:/tmp")], &tar);
        assert_eq!(ran.code, 0, "{ran:?}");
        let out = home.command().args(["cp", &format!("{name}:/tmp/dir"), "-"]).output().unwrap();
        assert!(out.status.success());
        let folder = tempfile::tempdir().unwrap();
        let mut untar = Command::new("tar")
            .args(["-xp", "--same-owner", "-C"])
            .arg(folder.path())
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut untar.stdin.take().unwrap(), &out.stdout).unwrap();
        assert!(untar.wait().unwrap().success());
        let file = folder.path().join("dir/file");
        assert_eq!(text(&file), "text");
        let metadata = file.metadata().unwrap();
        assert_eq!((metadata.uid(), metadata.mode() & 0o7777), (1000, 0o4755), "{name}");
        for (target, tar) in [
            ("/etc/passwd", &tar),
            ("/tmp", &RawTar::default().file("../../escape", b"x").bytes()),
            ("/tmp", &RawTar::default().file("/escape", b"x").bytes()),
        ] {
            let ran = home.run_with_input(&["cp", "-", &format!("{name}:{target}")], tar);
            assert_eq!(ran.code, 1, "{ran:?}");
        }
        // Without -a nothing of a container can become set-user-ID on the host.
        let back = folder.path().join("back");
        home.ok(&["cp", &format!("{name}:/tmp/dir/file"), back.to_str().unwrap()]);
        assert_eq!(back.metadata().unwrap().mode() & 0o7777, 0o755);
    }
}

#[test]
fn what_is_mounted_is_copied_and_the_kernels_files_are_not() {
    let Some(home) = busybox_home("what_is_mounted_is_copied_and_the_kernels_files_are_not") else { return };
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("in"), "bound").unwrap();
    let volume = format!("{}:/data:rw", folder.path().display());
    home.ok(&["run", "-d", "--name", "box", "-v", &volume, "busybox", "sleep", "1000"]);
    let back = folder.path().join("back");
    let copies = |name: &str| {
        home.ok(&["cp", &format!("{name}:/data/in"), back.to_str().unwrap()]);
        assert_eq!(text(&back), "bound");
        home.ok(&["cp", back.to_str().unwrap(), &format!("{name}:/data/new")]);
        let new = folder.path().join("new");
        assert_eq!(new.metadata().unwrap().uid(), 0, "id-mapped");
        std::fs::remove_file(new).unwrap();
    };
    copies("box");
    home.ok(&["cp", back.to_str().unwrap(), "box:/dev/shm/x"]);
    assert_eq!(home.ok(&["exec", "box", "cat", "/dev/shm/x"]), "bound");
    assert_eq!(home.run(&["cp", "box:/proc/1/status", "/tmp"]).code, 1);
    assert_eq!(home.run(&["cp", "box:/sys/kernel", "/tmp"]).code, 1);
    let elsewhere = tempfile::tempdir().unwrap();
    let all = elsewhere.path().join("all");
    home.ok(&["cp", "box:/", all.to_str().unwrap()]);
    assert!(all.join("data/in").exists() && !all.join("proc/1").exists());
    home.ok(&["stop", "-t", "0", "box"]);
    copies("box");
    // And it starts again: the copy's own mount of its root is gone.
    home.ok(&["start", "box"]);
    home.ok(&["verify", "box"]);
}

/// A container that keeps swapping a folder for a link to the host's `/`, while files are copied through that name.
#[test]
fn cve_2018_15664_cp_follows_a_link_swapped_by_the_container() {
    let Some(home) = busybox_home("cve_2018_15664_cp_follows_a_link_swapped_by_the_container") else {
        return;
    };
    let outside = tempfile::tempdir().unwrap();
    let path = outside.path().to_str().unwrap();
    std::fs::write(outside.path().join("secret"), "the host's").unwrap();
    // The container has a folder of the same path, so that the link leads somewhere inside its root as well.
    let script = format!(
        "mkdir -p {path} /spot /real; echo own >{path}/secret; echo own >/real/secret; cd /; \
         while true; do rm -rf /spot; ln -s {path} /spot; rm -f /spot; mkdir /spot; echo own >/spot/secret; done"
    );
    home.ok(&["run", "-d", "--name", "swapper", "busybox", "sh", "-c", &script]);
    let source = tempfile::NamedTempFile::new().unwrap();
    let back = tempfile::tempdir().unwrap();
    let mut copied = 0;
    for _ in 0..60 {
        let ran: Ran = home.run(&["cp", source.path().to_str().unwrap(), "swapper:/spot/written"]);
        copied += usize::from(ran.code == 0);
        let file = back.path().join("secret");
        if home.run(&["cp", "-L", "swapper:/spot/secret", file.to_str().unwrap()]).code == 0 {
            assert!(!text(&file).contains("host"), "read from the host");
        }
    }
    assert!(!outside.path().join("written").exists(), "written to the host");
    assert_eq!(text(&outside.path().join("secret")), "the host's");
    assert!(copied > 0, "the race was never lost by the container: the test tests nothing");
}

/// The first copy brings a link out of its folder, and the second one a folder of the same name.
#[test]
fn cve_2019_11246_a_second_cp_writes_through_the_link_of_the_first() {
    let Some(home) = busybox_home("cve_2019_11246_a_second_cp_writes_through_the_link_of_the_first") else {
        return;
    };
    let host = tempfile::tempdir().unwrap();
    let keys = host.path().join(".ssh/authorized_keys");
    std::fs::create_dir(host.path().join(".ssh")).unwrap();
    std::fs::write(&keys, "mine").unwrap();
    let target = host.path().to_str().unwrap();
    home.ok(&["run", "-d", "--name", "box", "busybox", "sleep", "1000"]);
    let inside = |script: &str| home.ok(&["exec", "box", "sh", "-c", script]);
    inside("mkdir /tmp/data; ln -s ../.ssh /tmp/data/notes; ln -s ../.ssh/authorized_keys /tmp/data/file");
    home.ok(&["cp", "box:/tmp/data", target]);
    // Again, over itself: links give way to links.
    home.ok(&["cp", "box:/tmp/data", target]);
    inside("cd /tmp/data; rm notes; mkdir notes; chmod 777 notes; echo theirs >notes/authorized_keys");
    for place in ["box:/tmp/data", "box:/tmp/data/notes"] {
        let to = if place.ends_with("notes") { format!("{target}/data") } else { target.to_owned() };
        let ran = home.run(&["cp", place, &to]);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.err.contains("neither a file nor a link"), "{ran:?}");
        assert_eq!(text(&keys), "mine");
    }
    assert_ne!(keys.parent().unwrap().metadata().unwrap().mode() & 0o777, 0o777);
    // A file takes the place of a link, and does not go through it.
    inside("cd /tmp/data; rm -r file notes; echo theirs >file");
    home.ok(&["cp", "box:/tmp/data", target]);
    assert_eq!(text(&host.path().join("data/file")), "theirs\n");
    assert_eq!(text(&keys), "mine");
    // A link that the user names is the user's.
    symlink(host.path().join(".ssh"), host.path().join("own")).unwrap();
    home.ok(&["cp", "box:/tmp/data/file", &format!("{target}/own")]);
    assert_eq!(text(&host.path().join(".ssh/file")), "theirs\n");
}

#[test]
fn diff_shows_names_that_are_no_text() {
    let Some(home) = busybox_home("diff_shows_names_that_are_no_text") else { return };
    let script = r#"d=$(printf '/tmp/\377'); mkdir "$d"; touch "$d/x""#;
    home.ok(&["run", "--name", "box", "busybox", "sh", "-c", script]);
    let diff = home.ok(&["diff", "box"]);
    assert!(diff.lines().any(|line| line.ends_with("/tmp/\u{fffd}/x")), "{diff}");
}

/// The image has libraries and name service files of its own, which a copying program that enters the root would load.
#[test]
fn cve_2019_14271_cp_loads_a_library_of_the_container() {
    let test = "cve_2019_14271_cp_loads_a_library_of_the_container";
    let Some(home) = busybox_home(test) else { return };
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("loaded");
    let source = folder.path().join("evil.c");
    std::fs::write(
        &source,
        format!(
            "#include <fcntl.h>\n__attribute__((constructor)) void init(void) {{ open(\"{}\", O_CREAT|O_WRONLY, 0600); }}",
            mark.display()
        ),
    )
    .unwrap();
    let library = folder.path().join("evil.so");
    let built = Command::new("gcc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status();
    if !built.is_ok_and(|status| status.success()) {
        skip(test, "gcc does not work here");
        return;
    }
    home.ok(&["run", "-d", "--name", "evil", "busybox", "sleep", "1000"]);
    home.ok(&["exec", "evil", "sh", "-c", "mkdir -p /lib/x86_64-linux-gnu /lib64 /usr; ln -s /lib /usr/lib; echo 'passwd: files evil' >/etc/nsswitch.conf"]);
    for name in ["libnss_files.so.2", "libnss_evil.so.2", "libc.so.6"] {
        home.ok(&["cp", library.to_str().unwrap(), &format!("evil:/lib/x86_64-linux-gnu/{name}")]);
    }
    home.ok(&["exec", "evil", "sh", "-c", "echo /lib/x86_64-linux-gnu/libnss_evil.so.2 >/etc/ld.so.preload"]);
    let back = folder.path().join("back");
    home.ok(&["cp", "-a", "evil:/etc", back.to_str().unwrap()]);
    home.ok(&["cp", "-a", back.to_str().unwrap(), "evil:/tmp"]);
    assert!(!mark.exists(), "a library of the container was loaded");
    assert_eq!(home.ok(&["exec", "evil", "sh", "-c", "ls -d /tmp/back"]), "/tmp/back");
}

#[test]
fn a_copy_that_is_killed_leaves_no_mount() {
    let Some(home) = busybox_home("a_copy_that_is_killed_leaves_no_mount") else { return };
    home.ok(&["create", "--name", "box", "busybox", "sleep", "1000"]);
    let mounts = || std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let before = mounts();
    let mut child =
        home.command().args(["cp", "-", "box:/tmp"]).stdin(std::process::Stdio::piped()).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(200));
    // While its root is mounted elsewhere, it is not started.
    assert_eq!(home.run(&["start", "box"]).code, 1);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(mounts(), before);
    assert!(eventually(|| home.run(&["start", "box"]).code == 0));
}

/// Docker's rule of a busy place: what is mounted, and what is a device, is not replaced by a copy, and stays in force.
#[test]
fn nothing_mounted_and_no_device_is_replaced() {
    let Some(home) = busybox_home("nothing_mounted_and_no_device_is_replaced") else { return };
    std::fs::write(home.path().join("file"), "mine").unwrap();
    std::fs::write(home.path().join("kept"), "kept").unwrap();
    let file = home.path().join("file").display().to_string();
    let bind = format!("{}:/kept:ro", home.path().join("kept").display());
    home.ok(&["run", "-d", "--name", "box", "-v", &bind, "busybox", "sleep", "1000"]);
    home.ok(&["exec", "box", "ln", "-s", "/kept", "/tmp/link"]);
    for (target, why) in [
        ("/etc/hosts", "is mounted there"),
        ("/kept", "is mounted there"),
        ("/tmp/link", "is mounted there"),
        ("/dev/null", "is a device"),
    ] {
        let ran = home.run(&["cp", &file, &format!("box:{target}")]);
        assert!(ran.code == 1 && ran.err.contains(why), "{target}: {ran:?}");
    }
    assert_eq!(home.ok(&["exec", "box", "cat", "/kept"]), "kept");
    home.ok(&["verify", "box"]);
    home.ok(&["cp", &file, "box:/tmp/file"]);
    home.ok(&["cp", &file, "box:/tmp/file"]);
    assert_eq!(home.ok(&["exec", "box", "cat", "/tmp/file"]), "mine");
}

/// What the engine made to mount something on is none of the container's changes.
#[test]
fn diff_leaves_out_what_the_engine_made() {
    let Some(home) = busybox_home("diff_leaves_out_what_the_engine_made") else { return };
    home.ok(&["run", "--name", "idle", "-v", "data:/some/where", "busybox", "true"]);
    assert_eq!(home.ok(&["diff", "idle"]), "");
    home.ok(&["run", "--name", "busy", "busybox", "sh", "-c", "touch /etc/own; chmod 700 /tmp; mkdir /new"]);
    assert_eq!(home.ok(&["diff", "busy"]), "C /etc\nA /etc/own\nA /new\nC /tmp");
    let script = "touch \"$(printf '/tmp/x\\nA \\033[31m')\"";
    home.ok(&["run", "--name", "forger", "busybox", "sh", "-c", script]);
    assert_eq!(home.ok(&["diff", "forger"]), "C /tmp\nA /tmp/x\\nA \\x1b[31m");
}
