//! Images of several layers: run, saved, loaded elsewhere, looked after.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

mod support;

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use support::layers::{busybox_with, image};
use support::{Home, Ran, busybox_root, is_root, skip};

/// A home with busybox in three layers, if that can be here.
fn home_with_box(test: &str) -> Option<Home> {
    let home = Home::new();
    busybox_with(&home, test, "box", 2).filter(|_| is_root(test))?;
    Some(home)
}

fn has(program: &str, test: &str) -> bool {
    let found = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let found = found.is_ok();
    if !found {
        skip(test, &format!("there is no {program} here"));
    }
    found
}

/// A folder with `data/0`, `data/1` up to the number of the layer, a link to it and one that leads out.
fn layer_of_data(at: &Path, number: usize) -> std::path::PathBuf {
    let layer = at.join(format!("{number}"));
    std::fs::create_dir_all(layer.join("data")).unwrap();
    std::fs::write(layer.join(format!("data/{number}")), format!("{number}\n")).unwrap();
    std::fs::write(layer.join("data/last"), format!("of {number}\n")).unwrap();
    let _ = symlink("data", layer.join("link")).and_then(|()| symlink("../../../etc", layer.join("out")));
    layer
}

#[test]
fn an_image_is_mounted_into_a_container_of_another() {
    let test = "an_image_is_mounted_into_a_container_of_another";
    let Some(home) = home_with_box(test) else { return };
    let folder = tempfile::tempdir().unwrap();
    let layers: Vec<_> = (0..4).map(|number| layer_of_data(folder.path(), number)).collect();
    let run = |mount: &str, script: &str| {
        home.run(&["run", "--rm", "--mount", &format!("type=image,{mount}"), "box", "sh", "-c", script])
    };
    // One layer alone, two under an overlay, four as one.
    for count in [1, 2, 4] {
        let layers: Vec<&Path> = layers.iter().take(count).map(std::path::PathBuf::as_path).collect();
        image(&home, &format!("data:{count}"), &layers, |_| {});
        let script = "cat /d/data/[0-9] /d/data/last; stat -c %u /d/data/0; touch /d/x || mount -o remount,rw /d || echo closed";
        let ran = run(&format!("source=data:{count},target=/d"), script);
        let numbers: String = (0..count).map(|number| format!("{number}\n")).collect();
        assert_eq!(
            (ran.code, ran.out),
            (0, format!("{numbers}of {}\n0\nclosed\n", count - 1)),
            "{}",
            ran.err
        );
        let part = |subpath: &str, script: &str| {
            run(&format!("source=data:{count},target=/d,image-subpath={subpath}"), script)
        };
        assert_eq!(part("data", "cat /d/0").out, "0\n");
        assert_eq!(part("link", "cat /d/0").out, "0\n");
        assert_eq!(part("data/last", "cat /d").out, format!("of {}\n", count - 1));
        for missing in ["nothing", "out"] {
            let ran = part(missing, "true");
            assert!(ran.code != 0 && ran.err.contains(missing), "{ran:?}");
        }
    }
    assert!(run("source=none,target=/d", "true").err.contains("no such image: none"));
    assert!(run("source=data:1,target=/d,rw", "true").err.contains("read-only"));
    // A container keeps what its image's name led to, and the image stays as long as the container.
    let first = home.ok(&["image", "ls", "-q", "--no-trunc", "data:1"]);
    home.ok(&[
        "run",
        "-d",
        "--name",
        "user",
        "--mount",
        "type=image,source=data:1,target=/d",
        "box",
        "sleep",
        "100",
    ]);
    home.ok(&["verify", "user"]);
    let planned = home.ok(&["plan", "--mount", "type=image,source=data:1,target=/d", "box"]);
    assert!(planned.contains(&format!("image {first} (1 layers")), "{planned}");
    assert!(home.ok(&["inspect", "user"]).contains(&first));
    home.ok(&["image", "tag", "data:2", "data:1"]);
    let ran = home.run(&["rmi", &first]);
    assert!(ran.code == 1 && ran.err.contains("in use by container"), "{ran:?}");
    home.ok(&["image", "prune", "-af"]);
    home.ok(&["restart", "-t", "0", "user"]);
    assert_eq!(home.ok(&["exec", "user", "cat", "/d/data/last"]), "of 0");
    home.ok(&["rm", "-f", "user"]);
    assert_eq!(home.remains(), [""; 0]);
}

#[test]
fn user_mounts_an_image_into_a_container_of_another() {
    let test = "user_mounts_an_image_into_a_container_of_another";
    let folder = tempfile::tempdir().unwrap();
    let Some(root) = busybox_root(test, folder.path()).filter(|_| is_root(test)) else { return };
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let home = Home::of_user(Path::new(env!("CARGO_BIN_EXE_cofferdam")));
    home.ok(&["image", "import", root.to_str().unwrap(), "box"]);
    home.ok(&["image", "import", layer_of_data(folder.path(), 7).to_str().unwrap(), "data"]);
    let run = |mount: &str, script: &str| {
        let mount = format!("type=image,source=data,target=/d{mount}");
        home.run(&["run", "--rm", "--network", "none", "--mount", &mount, "box", "sh", "-c", script])
    };
    let ran = run("", "cat /d/data/last; touch /d/x || echo closed");
    assert_eq!((ran.code, ran.out.as_str()), (0, "of 7\nclosed\n"), "{}", ran.err);
    let ran = run(",image-subpath=data", "cat /d/7");
    assert_eq!((ran.code, ran.out.as_str()), (0, "7\n"), "{}", ran.err);
    assert_eq!(home.remains(), [""; 0]);
}

#[test]
fn layers_are_one_root_with_what_its_configuration_says() {
    let test = "layers_are_one_root_with_what_its_configuration_says";
    let folder = tempfile::tempdir().unwrap();
    let Some(root) = busybox_root(test, folder.path()).filter(|_| is_root(test)) else { return };
    let layer = |name: &str| {
        let layer = folder.path().join(name);
        std::fs::create_dir_all(&layer).unwrap();
        layer
    };
    // The accounts lie in another layer than the link that leads to them.
    let accounts = layer("accounts");
    std::fs::create_dir_all(accounts.join("usr/lib")).unwrap();
    std::fs::write(accounts.join("usr/lib/passwd"), "app:x:1234:1235::/:/bin/sh\n").unwrap();
    std::fs::create_dir_all(accounts.join("data")).unwrap();
    std::fs::write(accounts.join("data/seed"), "seed").unwrap();
    std::fs::write(accounts.join("data/gone"), "gone").unwrap();
    let top = layer("top");
    std::fs::create_dir_all(top.join("etc")).unwrap();
    symlink("../usr/lib/passwd", top.join("etc/passwd")).unwrap();
    std::fs::create_dir_all(top.join("data")).unwrap();
    std::fs::write(top.join("data/more"), "more").unwrap();
    let gone =
        rustix::fs::open(top.join("data"), rustix::fs::OFlags::RDONLY, rustix::fs::Mode::empty()).unwrap();
    let (kind, mode) = (rustix::fs::FileType::CharacterDevice, rustix::fs::Mode::empty());
    rustix::fs::mknodat(&gone, "gone", kind, mode, 0).unwrap();
    let home = Home::new();
    let id = image(&home, "app", &[&root, &accounts, &top], |config| {
        config.user = "app".to_owned();
        config.working_dir = "/new/folder".to_owned();
        config.env.push("GREETING=hello".to_owned());
        config.entrypoint = vec!["/bin/sh".to_owned(), "-c".to_owned()];
        config.cmd = vec!["id -u; id -g; pwd; echo $GREETING; ls /data".to_owned()];
        config.volumes = vec!["/data".to_owned()];
        config.exposed_ports = vec!["80/tcp".to_owned()];
        config.stop_signal = Some("SIGINT".to_owned());
        config.labels.insert("cofferdam.zone".to_owned(), "host".to_owned());
        config.healthcheck = Some(cofferdam_image::Healthcheck {
            test: vec!["CMD".to_owned(), "true".to_owned()],
            interval: 5_000_000_000,
            ..Default::default()
        });
    });
    let ran = home.run(&["run", "--rm", "app"]);
    assert_eq!(ran.out, "1234\n1235\n/new/folder\nhello\nmore\nseed\n", "{ran:?}");
    let ran = home.run(&["run", "--rm", "-u", "0", "app", "id -u; ls /data"]);
    assert_eq!(ran.out, "0\nmore\nseed\n", "{ran:?}");
    let shown = home.ok(&["image", "inspect", "-f", "{{.Config.StopSignal}} {{.Config.Healthcheck.Interval}} {{.Config.ExposedPorts}} {{len .RootFS.Layers}}", &id]);
    assert_eq!(shown, "SIGINT 5000000000 map[80/tcp:map[]] 3");
    // A label is a text and nothing else.
    let container = home.ok(&["create", "app"]);
    assert_ne!(home.ok(&["inspect", "-f", "{{.Config.Labels}}", &container]), "");
    assert!(!home.ok(&["ps", "-a", "--format", "{{.Zone}}"]).contains("host"));
}

#[test]
fn a_hundred_layers_run_as_one() {
    let test = "a_hundred_layers_run_as_one";
    let home = Home::new();
    if busybox_with(&home, test, "many", 99).is_none() || !is_root(test) {
        return;
    }
    let ran = home.run(&[
        "run",
        "--rm",
        "many",
        "sh",
        "-c",
        "cat /layer-1 /layer-50 /layer-99; ls / | grep -c layer-",
    ]);
    assert_eq!(ran.out, "1\n50\n99\n99\n", "{ran:?}");
    let id = home.ok(&["run", "-d", "many", "sleep", "100"]);
    assert_eq!(home.run(&["verify", &id]).code, 0);
    home.ok(&["stop", "-t", "0", &id]);
    home.ok(&["start", &id]);
    assert_eq!(home.ok(&["exec", &id, "cat", "/layer-99"]), "99");
}

#[test]
fn an_ordinary_user_runs_layers() {
    let test = "an_ordinary_user_runs_layers";
    if !is_root(test) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let Some(root) = busybox_root(test, folder.path()) else { return };
    let other = Home::new();
    let top = folder.path().join("top");
    std::fs::create_dir(&top).unwrap();
    std::fs::write(top.join("file"), "top").unwrap();
    let archive = folder.path().join("box.tar");
    image(&other, "box", &[&root, &top], |_| {});
    other.ok(&["save", "-o", archive.to_str().unwrap(), "box"]);
    let home = Home::of_user(Path::new(env!("CARGO_BIN_EXE_cofferdam")));
    let ran = home.run_with_input(&["load"], &std::fs::read(&archive).unwrap());
    assert_eq!((ran.code, ran.out.trim()), (0, "Loaded image: box:latest"), "{ran:?}");
    let ran = home.run(&["run", "--rm", "box", "cat", "/file"]);
    assert_eq!(ran.out, "top", "{ran:?}");
    assert_eq!(home.run(&["image", "verify", "--all"]).code, 0);
}

#[test]
fn what_a_container_changed_becomes_a_layer() {
    let Some(home) = home_with_box("what_a_container_changed_becomes_a_layer") else { return };
    let work = "rm /layer-1; echo new > /layer-2; mkdir -p /a/b; ln -s b /a/c; chown 33:44 /a/b";
    home.ok(&["run", "--name", "one", "box", "sh", "-c", work]);
    let id = home.ok(&["commit", "-m", "a message", "-a", "me", "one", "two:v2"]);
    let ran = home.run(&["run", "--rm", "two:v2", "sh", "-c", "cat /layer-2; ls -ldn /a/b; ls -d /layer-*"]);
    assert!(ran.out.starts_with("new\n") && ran.out.contains(" 33 "), "{ran:?}");
    assert!(ran.out.ends_with("/layer-2\n") && !ran.out.contains("/layer-1\n"), "{ran:?}");
    let changes = ["-c", "ENV X=\"y z\"", "--change=CMD [\"sh\", \"-c\", \"echo $X\"]", "-c", "LABEL a=b"];
    home.ok(&[&["commit"], &changes[..], &["one", "three"]].concat());
    assert_eq!(home.ok(&["run", "--rm", "three"]), "y z");
    assert_eq!(home.ok(&["image", "inspect", "-f", "{{.Config.Labels.a}}", "three"]), "b");
    let ran = home.run(&["commit", "-c", "RUN true", "one", "four"]);
    assert!(ran.code != 0 && ran.err.contains("cannot be a change of a commit"), "{ran:?}");
    assert_eq!(home.ok(&["image", "diff", "box", "two:v2"]), "A /a\nA /a/b\nA /a/c\nD /layer-1\nC /layer-2");
    let history = home.ok(&["history", "--format", "{{.ID}} {{.Comment}}", "--no-trunc", "two:v2"]);
    assert!(history.starts_with(&format!("{id} a message")), "{history}");
    // The same files in both archives, and in a container of it.
    let names = |tar: &Path| {
        let listed = Command::new("tar").arg("-tf").arg(tar).output().unwrap();
        assert!(listed.status.success());
        let mut names: Vec<String> =
            String::from_utf8(listed.stdout).unwrap().lines().map(str::to_owned).collect();
        names.sort();
        names
    };
    let folder = tempfile::tempdir().unwrap();
    let [of_image, of_container] = ["i.tar", "c.tar"].map(|name| folder.path().join(name));
    home.ok(&["image", "export", "-o", of_image.to_str().unwrap(), "two:v2"]);
    home.ok(&["create", "--name", "three", "two:v2"]);
    home.ok(&["export", "-o", of_container.to_str().unwrap(), "three"]);
    let (of_image, of_container) = (names(&of_image), names(&of_container));
    assert!(of_image.iter().any(|name| name.ends_with("a/c")) && of_image.len() > 10);
    assert_eq!(of_image, of_container);
    let ran = home.run(&["commit", &home.ok(&["create", "host"]), "x"]);
    assert_eq!(ran.code, 1, "{ran:?}");
}

#[test]
fn archives_go_to_skopeo_and_podman_and_back() {
    let test = "archives_go_to_skopeo_and_podman_and_back";
    let Some(home) = home_with_box(test) else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    home.ok(&["tag", "box", "localhost:5000/a/box:v1"]);
    let archive = path("saved.tar");
    home.ok(&["save", "-o", &archive, "box", "localhost:5000/a/box:v1"]);
    let id = home.ok(&["image", "ls", "-q", "--no-trunc", "box"]);
    let config = |home: &Home| {
        home.ok(&["image", "inspect", "-f", "{{.RootFS.Layers}} {{.Config.Env}} {{.Created}}", "box"])
    };
    // Twice the same bytes.
    home.ok(&["save", "-o", &path("again.tar"), "box", "localhost:5000/a/box:v1"]);
    assert!(std::fs::read(&archive).unwrap() == std::fs::read(path("again.tar")).unwrap());
    let back = |archive: &str| {
        let other = Home::new();
        let ran = other.run(&["load", "-i", archive]);
        assert_eq!(ran.code, 0, "{archive}: {ran:?}");
        if !ran.out.contains("Loaded image: box:latest") {
            let id = ran.out.trim().rsplit(' ').next().unwrap().to_owned();
            other.ok(&["tag", &id, "box"]);
        }
        assert_eq!(config(&other), config(&home), "{archive}");
        assert_eq!(other.ok(&["run", "--rm", "box", "cat", "/layer-2"]), "2");
        assert_eq!(other.run(&["image", "verify", "--all"]).code, 0, "{archive}");
        other
    };
    let other = back(&archive);
    assert_eq!(other.ok(&["image", "ls", "-q", "--no-trunc", "box"]), id, "the same digest");
    assert_eq!(other.ok(&["images", "--format", "{{.Name}}"]), "box:latest\nlocalhost:5000/a/box:v1");
    home.ok(&["save", "--format", "oci-dir", "-o", &path("layout"), "box"]);
    assert_eq!(back(&path("layout")).ok(&["image", "ls", "-q", "--no-trunc", "box"]), id);
    if has("skopeo", test) {
        let copy = |from: String, to: String| {
            let mut skopeo = Command::new("skopeo");
            skopeo.args(["--insecure-policy", "copy", "-q"]);
            if to.starts_with("oci:") {
                skopeo.arg("--preserve-digests");
            }
            let ran = Ran::of(skopeo.args([&from, &to]));
            assert_eq!(ran.code, 0, "{from} {to}: {ran:?}");
        };
        copy(
            format!("docker-archive:{archive}:box:latest"),
            format!("docker-archive:{}:box:latest", path("d.tar")),
        );
        back(&path("d.tar"));
        copy(format!("oci:{}", path("layout")), format!("oci:{}:latest", path("copied")));
        assert_eq!(back(&path("copied")).ok(&["image", "ls", "-q", "--no-trunc", "box"]), id);
        copy(format!("oci:{}", path("layout")), format!("oci-archive:{}:latest", path("o.tar")));
        back(&path("o.tar"));
    }
    if has("podman", test) {
        let podman = |args: &[&str]| {
            let (root, run) = (path("podman"), path("podman-run"));
            let common = ["--root", &root, "--runroot", &run, "--storage-driver", "vfs"];
            let ran = Ran::of(Command::new("podman").args(common).args(args));
            assert_eq!(ran.code, 0, "{args:?}: {ran:?}");
        };
        podman(&["load", "-q", "-i", &archive]);
        podman(&["save", "-q", "-o", &path("p.tar"), "localhost/box:latest"]);
        podman(&["save", "-q", "--format", "oci-archive", "-o", &path("po.tar"), "localhost/box:latest"]);
        back(&path("p.tar"));
        back(&path("po.tar"));
    }
}

#[test]
fn names_move_and_the_last_one_takes_the_image_along() {
    let Some(home) = home_with_box("names_move_and_the_last_one_takes_the_image_along") else { return };
    home.ok(&["tag", "box", "other:1"]);
    let id = home.ok(&["images", "-q", "--no-trunc", "other"]);
    assert_eq!(home.run(&["rmi", &id]).code, 1, "it has two names");
    assert_eq!(home.ok(&["rmi", "box"]), "Untagged: box:latest");
    let container = home.ok(&["create", "other:1", "true"]);
    let ran = home.run(&["rmi", "other:1"]);
    assert!(ran.code == 1 && ran.err.contains("in use by container"), "{ran:?}");
    assert_eq!(home.ok(&["rmi", "-f", "other:1"]), "Untagged: other:1");
    assert_eq!(home.ok(&["images", "--format", "{{.Repository}}", "-f", "dangling=true"]), "<none>");
    // Without a name it still is what the container is made of, also after a prune.
    home.ok(&["image", "prune", "-af"]);
    home.ok(&["start", &container]);
    home.ok(&["wait", &container]);
    assert_eq!(
        home.ok(&["system", "df", "--format", "{{.Type}} {{.TotalCount}} {{.Active}}"]),
        "Images 1 1\nContainers 1 0\nLocal Volumes 0 0"
    );
    home.ok(&["rm", &container]);
    assert!(home.ok(&["image", "prune", "-f"]).contains(&format!("Deleted: {id}")));
    for folder in ["layers", "blobs/sha256", "ingest"] {
        let left: Vec<_> =
            std::fs::read_dir(home.path().join("state/images").join(folder)).unwrap().collect();
        assert!(left.is_empty(), "{folder}: {left:?}");
    }
    for bad in [
        &["tag", "nothing", "x"][..],
        &["rmi", "nothing"],
        &["save", "-o", "/dev/null", "nothing"],
        &["run", "--pull", "never", "nothing"],
        &["history", "nothing"],
    ] {
        let ran = home.run(bad);
        assert!(ran.code != 0 && ran.err.contains("no such image"), "{bad:?}: {ran:?}");
    }
    assert!(home.run(&["tag", "nothing", "host"]).err.contains("built in"));
}

#[test]
fn what_is_about_an_image_goes_with_it_and_not_before() {
    let Some(home) = home_with_box("what_is_about_an_image_goes_with_it_and_not_before") else { return };
    let store = cofferdam_image::Store::open(&home.path().join("state/images")).unwrap();
    let image = store.images().unwrap().remove(0).descriptor;
    let lease = store.lease().unwrap();
    let put = |of: &cofferdam_image::Descriptor, text: &str| {
        let blob = lease.put_small("text/plain".parse().unwrap(), text.as_bytes()).unwrap();
        let manifest = cofferdam_image::Manifest {
            media_type: "application/vnd.oci.image.manifest.v1+json".parse().unwrap(),
            config: blob.clone(),
            layers: vec![blob],
            subject: Some(of.clone()),
            artifact_type: Some("application/x-signature".to_owned()),
            annotations: std::collections::BTreeMap::new(),
        };
        lease.put_small(manifest.media_type.clone(), &manifest.to_bytes().unwrap()).unwrap()
    };
    // As a layout of another program's keeps them: beside the image, without a name. The second one is about the first.
    let signature = put(&image, "signed");
    let countersigned = put(&signature, "countersigned");
    lease.put_unnamed(&countersigned).unwrap();
    lease.put_unnamed(&signature).unwrap();
    lease.keep_as(&put(&image, "loaded"), &[]).unwrap();
    drop(lease);
    assert_eq!(home.ok(&["image", "prune", "-f"]), "Total reclaimed space: 0B");
    assert_eq!(store.referrers(&image.digest).unwrap().len(), 1);
    assert!(store.contains(&signature.digest) && store.contains(&countersigned.digest));
    home.ok(&["rmi", "box"]);
    home.ok(&["image", "prune", "-f"]);
    assert_eq!(std::fs::read_dir(home.path().join("state/images/blobs/sha256")).unwrap().count(), 0);
}

#[test]
fn what_somebody_changed_is_found() {
    let Some(home) = home_with_box("what_somebody_changed_is_found") else { return };
    home.ok(&["run", "--rm", "box", "true"]);
    let ran = home.run(&["image", "verify", "box"]);
    assert_eq!(
        (ran.code, ran.out.trim()),
        (0, "5 blobs and 3 unpacked layers are as they should be"),
        "{ran:?}"
    );
    let lower = home.ok(&["image", "inspect", "-f", "{{.GraphDriver.Data.LowerDir}}", "box"]);
    let top = lower.split(':').next().unwrap().to_owned();
    // A file in an image: any write to it changes its time, which each start looks at.
    if top.ends_with(".erofs") {
        let image = std::fs::read(&top).unwrap();
        let at = image.windows(2).position(|bytes| bytes == b"2\n").unwrap();
        let file = std::fs::File::options().write(true).open(&top).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, b"3", at as u64).unwrap();
        let ran = home.run(&["image", "verify", "--all"]);
        assert!(ran.code == 1 && ran.err.contains("somebody has changed them"), "{ran:?}");
        assert_eq!(home.ok(&["run", "--rm", "box", "cat", "/layer-2"]), "2");
    }
    // A layer that was replaced as a whole is found at each start, and unpacked anew.
    std::fs::rename(&top, format!("{top}.old")).unwrap();
    std::fs::copy(format!("{top}.old"), &top).unwrap();
    assert_eq!(home.ok(&["run", "--rm", "box", "cat", "/layer-2"]), "2");
    assert_eq!(home.run(&["image", "verify", "--all"]).code, 0);
    // A document of its chain: nothing of the image is used.
    let id = home.ok(&["image", "ls", "-q", "--no-trunc", "box"]);
    let blob = home.path().join("state/images/blobs/sha256").join(id.strip_prefix("sha256:").unwrap());
    let text = std::fs::read_to_string(&blob).unwrap();
    std::fs::write(&blob, text.replacen("vnd.oci.image.layer", "vnd.oci.image.lay3r", 1)).unwrap();
    let ran = home.run(&["run", "--rm", "box", "true"]);
    assert!(ran.code == 125 && ran.err.contains("is not what it should be"), "{ran:?}");
}

#[test]
fn a_layer_of_an_earlier_boot_is_unpacked_anew() {
    let Some(home) = home_with_box("a_layer_of_an_earlier_boot_is_unpacked_anew") else { return };
    let id = home.ok(&["run", "-d", "box", "sleep", "100"]);
    home.ok(&["stop", "-t", "0", &id]);
    let layers = home.path().join("state/images/layers");
    for layer in std::fs::read_dir(&layers).unwrap() {
        let record = layer.unwrap().path().join("record.json");
        let text = std::fs::read_to_string(&record).unwrap();
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        std::fs::write(&record, text.replace(boot.trim(), "another boot")).unwrap();
    }
    home.ok(&["start", &id]);
    assert_eq!(home.ok(&["exec", &id, "cat", "/layer-1"]), "1");
}

#[test]
fn what_is_no_archive_of_images_leaves_nothing() {
    let home = Home::new();
    let tar = support::archive::RawTar::default().file("a", b"text").bytes();
    let unnamed = support::archive::RawTar::default().file("index.json", br#"{"schemaVersion":2}"#).bytes();
    let missing = support::archive::RawTar::default()
        .file("manifest.json", br#"[{"Config":"x.json","RepoTags":["a:b"],"Layers":["l.tar"]}]"#)
        .bytes();
    let lying = format!("blobs/sha256/{}", "0".repeat(64));
    let lying = support::archive::RawTar::default().file(&lying, b"x").bytes();
    let hostile = support::archive::RawTar::default().file("../manifest.json", b"[]").bytes();
    for (input, why) in [
        (&tar[..], "holds no images"),
        (&unnamed, "holds no images"),
        (&missing, "lack \"x.json\""),
        (&lying, "is not what it should be"),
        (&hostile, "leads out"),
        (b"", "no tar"),
        (b"text", "cannot read the images"),
    ] {
        let ran = home.run_with_input(&["load"], input);
        assert!(ran.code == 1 && ran.err.contains(why), "{why}: {ran:?}");
    }
    for folder in ["layers", "blobs/sha256", "ingest"] {
        let left = std::fs::read_dir(home.path().join("state/images").join(folder));
        assert_eq!(left.map(Iterator::count).unwrap_or(0), 0, "{folder}");
    }
}
