//! Volumes: named and anonymous, filled from the image, of one zone.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

mod support;

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use support::{Home, busybox_home, busybox_root, eventually, is_root};

fn names(home: &Home) -> Vec<String> {
    home.ok(&["volume", "ls", "-q"]).lines().map(str::to_owned).collect()
}

fn folder_of(home: &Home, name: &str) -> PathBuf {
    home.ok(&["volume", "inspect", "--format", "{{.Mountpoint}}", name]).into()
}

/// A home with an image whose /data has a file of user 1000's and is a volume.
fn image_with_data(test: &str, change: impl FnOnce(&Path)) -> Option<Home> {
    let folder = tempfile::tempdir().unwrap();
    let root = busybox_root(test, folder.path()).filter(|_| is_root(test))?;
    let data = root.join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("file"), "of the image").unwrap();
    for path in [data.join("file"), data.clone()] {
        chown(path, Some(1000), Some(1000)).unwrap();
    }
    std::fs::set_permissions(&data, PermissionsExt::from_mode(0o751)).unwrap();
    change(&root);
    let home = Home::new();
    home.ok(&["image", "import", "--volume", "/data", root.to_str().unwrap(), "box"]);
    Some(home)
}

#[test]
fn a_named_volume_outlives_its_containers_and_keeps_the_numbers_of_users() {
    let Some(home) = busybox_home("a_named_volume_outlives_its_containers_and_keeps_the_numbers_of_users")
    else {
        return;
    };
    let script = "echo kept >/v/file; chown 1000:1000 /v/file; stat -c %u /v";
    assert_eq!(home.ok(&["run", "--rm", "-v", "data:/v", "busybox", "sh", "-c", script]), "0");
    assert_eq!(names(&home), ["data"]);
    let file = folder_of(&home, "data").join("file");
    assert_eq!(file.metadata().unwrap().uid(), 1000, "on the disk as the container sees it");
    // Another container, of other host ids.
    home.ok(&["run", "-d", "busybox", "sleep", "1000"]);
    let mount = "type=volume,source=data,target=/w,readonly";
    let ran = home.run(&[
        "run",
        "--rm",
        "--mount",
        mount,
        "busybox",
        "sh",
        "-c",
        "cat /w/file; stat -c %u /w/file; touch /w/x",
    ]);
    assert_eq!((ran.code, ran.out.trim()), (1, "kept\n1000"), "{ran:?}");
    assert!(ran.err.contains("Read-only file system"), "{ran:?}");
    // In use by a container that does not run, too.
    let id = home.ok(&["create", "-v", "data:/v", "busybox", "true"]);
    let ran = home.run(&["volume", "rm", "data"]);
    assert!(ran.code == 1 && ran.err.contains(&id[..12]), "{ran:?}");
    assert_eq!(home.ok(&["volume", "ls", "-q", "--filter", "dangling=true"]), "");
    home.ok(&["rm", "-v", &id]);
    assert_eq!(names(&home), ["data"], "it has a name: rm -v leaves it");
    home.ok(&["volume", "prune", "-f"]);
    assert_eq!(names(&home), ["data"]);
    home.ok(&["volume", "rm", "data"]);
    assert_eq!(names(&home), [""; 0]);
    assert_eq!(home.run(&["volume", "rm", "data"]).code, 1);
    assert_eq!(home.run(&["volume", "rm", "-f", "data"]).code, 0);
    assert_eq!(std::fs::read_dir(home.path().join("state/volumes")).unwrap().count(), 0);
}

#[test]
fn a_new_volume_is_filled_from_the_image() {
    let Some(home) = image_with_data("a_new_volume_is_filled_from_the_image", |_| {}) else { return };
    let script = "cat /data/file; stat -c %u:%a /data /data/file; echo changed >/data/file";
    let first = home.run(&["run", "--rm", "-v", "named:/data", "box", "sh", "-c", script]);
    assert_eq!(first.out, "of the image1000:751\n1000:644\n", "{first:?}");
    let second = home.ok(&["run", "--rm", "-v", "named:/data", "box", "cat", "/data/file"]);
    assert_eq!(second, "changed", "filled once");
    let ran = home.run(&[
        "run",
        "--rm",
        "--mount",
        "type=volume,src=empty,dst=/data,volume-nocopy",
        "box",
        "ls",
        "/data",
    ]);
    assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{ran:?}");
    let ran = home.run(&["run", "--rm", "-v", "elsewhere:/none", "box", "ls", "/none"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{ran:?}");
}

#[test]
fn anonymous_volumes_go_with_their_container() {
    let Some(home) = image_with_data("anonymous_volumes_go_with_their_container", |_| {}) else { return };
    assert_eq!(
        home.ok(&["run", "--rm", "-v", "/more", "box", "sh", "-c", "touch /more/x; cat /data/file"]),
        "of the image"
    );
    assert!(eventually(|| names(&home).is_empty()), "{:?}", names(&home));
    let id = home.ok(&["run", "-d", "-v", "/more", "box", "sleep", "1000"]);
    assert_eq!(names(&home).len(), 2, "the image's and the one asked for");
    let mounts =
        home.ok(&["inspect", "--format", "{{range .Mounts}}{{.Type}} {{.Destination}} {{.RW}};{{end}}", &id]);
    assert_eq!(mounts, "volume /more true;volume /data true;");
    assert_eq!(home.run(&["verify", &id]).code, 0);
    home.ok(&["rm", "-f", &id]);
    assert_eq!(names(&home).len(), 2, "rm without -v leaves them");
    home.ok(&["volume", "prune", "-f"]);
    assert_eq!(names(&home), [""; 0]);
    let id = home.ok(&["run", "-d", "box", "sleep", "1000"]);
    home.ok(&["rm", "-f", "-v", &id]);
    assert_eq!(names(&home), [""; 0]);
    // A container that cannot be made leaves none.
    assert_eq!(home.run(&["run", "--rm", "-v", "/more", "--cap-add", "SYS_ADMIN", "box", "true"]).code, 125);
    assert_eq!(home.run(&["run", "--rm", "-v", "/more", "box", "no-such-program"]).code, 127);
    assert_eq!(names(&home), [""; 0]);
}

#[test]
fn volumes_of_another_container_are_shared() {
    let Some(home) = image_with_data("volumes_of_another_container_are_shared", |_| {}) else { return };
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("host"), "bound").unwrap();
    let bind = format!("{}:/bind:ro", folder.path().display());
    home.ok(&[
        "run",
        "-d",
        "--name",
        "first",
        "-v",
        "named:/n",
        "-v",
        &bind,
        "box",
        "sh",
        "-c",
        "echo 1 >/n/x; echo 2 >/data/y; sleep 1000",
    ]);
    let all = "until [ -e /data/y ]; do :; done; cat /n/x /data/y /bind/host";
    let ran = home.run(&["run", "--rm", "--volumes-from", "first", "box", "sh", "-c", all]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "1\n2\nbound"), "{ran:?}");
    let ran = home.run(&["run", "--rm", "--volumes-from", "first:ro", "box", "touch", "/n/z"]);
    assert!(ran.err.contains("Read-only"), "{ran:?}");
    // What is read-only there stays so.
    let ran = home.run(&["run", "--rm", "--volumes-from", "first:rw", "box", "touch", "/bind/z"]);
    assert!(ran.err.contains("Read-only"), "{ran:?}");
    let ran = home.run(&["run", "--rm", "--volumes-from", "first", "--tmpfs", "/data", "box", "ls", "/data"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, ""), "its own mount wins: {ran:?}");
    assert_eq!(home.run(&["run", "--rm", "--volumes-from", "none", "box", "true"]).code, 125);
    assert_eq!(names(&home).len(), 2, "the sharers took nothing away with them");
    home.ok(&["create", "--name", "second", "--volumes-from", "first", "box", "true"]);
    home.ok(&["rm", "-f", "-v", "first"]);
    assert_eq!(names(&home).len(), 2, "the anonymous one is still used");
    home.ok(&["rm", "-v", "second"]);
    assert_eq!(names(&home).len(), 2, "it was not made for the second");
    home.ok(&["volume", "prune", "-af"]);
    assert_eq!(names(&home), [""; 0]);
}

#[test]
fn a_volume_is_of_the_zone_that_made_it() {
    let Some(home) = busybox_home("a_volume_is_of_the_zone_that_made_it") else { return };
    home.ok(&["run", "--rm", "-v", "data:/v", "busybox", "touch", "/v/x"]);
    assert_eq!(home.ok(&["volume", "inspect", "--format", "{{.Zone}}", "data"]), "default");
    let ran = home.run(&["run", "--rm", "--zone", "strict", "-v", "data:/v", "busybox", "ls", "/v"]);
    assert_eq!(ran.code, 125, "{ran:?}");
    assert!(ran.err.contains("zone `strict`") && ran.err.contains("zone `default`"), "{ran:?}");
    let zone = home.ok(&["zone", "show", "strict"]).replace("zone = \"strict\"", "zone = \"reader\"");
    let file = home.path().join("reader.toml");
    std::fs::write(&file, zone.replace("volumes_from = []", "volumes_from = [\"default\"]")).unwrap();
    home.ok(&["zone", "apply", file.to_str().unwrap()]);
    let ran = home.run(&["run", "--rm", "--zone", "reader", "-v", "data:/v", "busybox", "ls", "/v"]);
    assert_eq!((ran.code, ran.out.trim()), (0, "x"), "{ran:?}");
    home.ok(&["volume", "create", "--zone", "reader", "--label", "a=b", "other"]);
    assert_eq!(home.run(&["run", "--rm", "-v", "other:/v", "busybox", "true"]).code, 125);
    assert_eq!(home.run(&["volume", "create", "other"]).code, 1, "the name is another zone's");
    assert_eq!(home.run(&["volume", "create", "--zone", "none", "third"]).code, 1);
    assert_eq!(home.ok(&["volume", "ls", "-q", "--filter", "label=a=b"]), "other");
    assert_eq!(home.ok(&["inspect", "--type", "volume", "--format", "{{.Labels.a}}", "other"]), "b");
    for bad in ["../x", ".x", "x", "a/b"] {
        assert_ne!(home.run(&["volume", "create", bad]).code, 0, "{bad}");
        assert_ne!(home.run(&["volume", "rm", bad]).code, 0, "{bad}");
    }
}

/// The image's volume is a link that leads out of the image, or a path that does.
#[test]
fn cve_2022_23648_image_volume_path_reads_host_files() {
    let test = "cve_2022_23648_image_volume_path_reads_host_files";
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), "the host's").unwrap();
    for target in
        [outside.path().display().to_string(), format!("../../../../../../{}", outside.path().display())]
    {
        let home = image_with_data(test, |root| {
            std::fs::remove_dir_all(root.join("data")).unwrap();
            symlink(&target, root.join("data")).unwrap();
        });
        let Some(home) = home else { return };
        let ran = home.run(&["run", "--rm", "box", "ls", "-a", "/data"]);
        assert!(!ran.out.contains("secret"), "{ran:?}");
        let ran = home.run(&["run", "--rm", "-v", "v:/data/../../..", "box", "ls", "/"]);
        assert!(!ran.out.contains("secret"), "{ran:?}");
    }
}

#[test]
fn volumes_that_nobody_needs_do_not_come_of_races() {
    let Some(home) = busybox_home("volumes_that_nobody_needs_do_not_come_of_races") else { return };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5 {
                    let ran = home.run(&["run", "--rm", "-v", "shared:/v", "busybox", "true"]);
                    assert_eq!(ran.code, 0, "{ran:?}");
                    let _ = home.run(&["volume", "rm", "shared"]);
                }
            });
        }
    });
    let left = names(&home);
    assert!(left.len() <= 1, "{left:?}");
    let folders = std::fs::read_dir(home.path().join("state/volumes")).unwrap();
    assert_eq!(folders.count(), left.len());
}

/// A part of a volume, and no link that a container put into its place.
#[test]
fn a_part_of_a_volume_is_mounted_and_no_link_is_followed() {
    let Some(home) = busybox_home("a_part_of_a_volume_is_mounted_and_no_link_is_followed") else { return };
    let script = "mkdir -p /v/a/b; echo inside >/v/a/b/file; ln -s /etc /v/link; ln -s a /v/near";
    home.ok(&["run", "--rm", "-v", "data:/v", "busybox", "sh", "-c", script]);
    let read = |part: &str| {
        let mount = format!("type=volume,src=data,dst=/part,volume-subpath={part}");
        home.run(&["run", "--rm", "--mount", &mount, "busybox", "cat", "/part/file"])
    };
    assert_eq!(read("a/b").out, "inside\n");
    for bad in ["link", "near/b", "none", "../data"] {
        let ran = read(bad);
        assert_eq!((ran.code, ran.out.as_str()), (125, ""), "{bad}: {ran:?}");
    }
    let mount = "type=volume,src=data,dst=/part,volume-subpath=a/b";
    home.ok(&["run", "-d", "--name", "box", "--mount", mount, "busybox", "sleep", "100"]);
    home.ok(&["verify", "box"]);
}
