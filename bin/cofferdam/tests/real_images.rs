//! Images as other programs make them, and ours in theirs: through a registry to Docker, Podman and skopeo and back, each with the
//! same digest.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

#[allow(dead_code, reason = "shared with the tests of the image crate")]
#[path = "../../../crates/image/tests/registries/debian_registry.rs"]
mod debian_registry;
mod support;

use std::path::Path;
use std::process::{Child, Command, Stdio};

use debian_registry::{DebianRegistry, Wishes};
use support::layers::busybox_with;
use support::{Home, Ran, busybox_root, debian, eventually, is_root, skip};

const TEST: &str = "images_of_other_programs";

/// Debian's dockerd with data, sockets and mounts of its own, without a network.
struct Docker {
    daemon: Child,
    folder: tempfile::TempDir,
}

impl Docker {
    fn start() -> Option<Self> {
        if !Path::new("/usr/sbin/dockerd").exists() {
            skip(TEST, "docker.io is not installed");
            return None;
        }
        // On a real file system: Docker's own overlays cannot lie on one.
        let folder = tempfile::Builder::new().prefix("cofferdam-docker-").tempdir_in("/var/tmp").unwrap();
        let script = "mount -t tmpfs -o mode=755 tmpfs /run && exec /usr/sbin/dockerd \
            --host unix://$AT/socket --data-root $AT/data --exec-root /run/d --pidfile /run/d.pid --bridge none \
            --iptables=false --ip-forward=false --ip-masq=false --storage-driver overlay2";
        let daemon = Command::new("unshare")
            .args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private"])
            .args(["bash", "-c", script])
            .env("AT", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let docker = Self { daemon, folder };
        let log = || std::fs::read_to_string(docker.folder.path().join("log")).unwrap();
        assert!(eventually(|| docker.run(&["version"]).code == 0), "dockerd: {}", log());
        Some(docker)
    }

    fn run(&self, args: &[&str]) -> Ran {
        let host = format!("unix://{}/socket", self.folder.path().display());
        Ran::of(
            Command::new("/usr/bin/docker").args(["--host", &host]).args(args).env("DOCKER_BUILDKIT", "0"),
        )
    }

    fn ok(&self, args: &[&str]) -> String {
        out(&self.run(args), args)
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        // Its world, and all that is in it, ends with it.
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

fn out(ran: &Ran, args: &[&str]) -> String {
    assert_eq!(ran.code, 0, "{args:?} {ran:?}");
    ran.out.trim().to_owned()
}

/// Runs a program that is installed.
fn ok(args: &[&str]) -> String {
    out(&Ran::of(Command::new(args[0]).args(&args[1..])), args)
}

fn is_there(program: &str) -> bool {
    let there = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if there.is_err() {
        skip(TEST, &format!("{program} is not installed"));
    }
    there.is_ok()
}

/// The digest in what a program prints.
fn digest(text: &str) -> String {
    let at = text.find("sha256:").unwrap_or_else(|| panic!("no digest in {text}"));
    text[at..at + 71].to_owned()
}

/// Those whom images travel to and from.
struct Peers {
    home: Home,
    registry: DebianRegistry,
    docker: Option<Docker>,
    podman: Option<tempfile::TempDir>,
    skopeo: bool,
    umoci: bool,
}

impl Peers {
    fn new() -> Option<Self> {
        if !is_root(TEST) {
            return None;
        }
        // First: it gives this thread the network that the others are then in, too.
        let home = Home::new();
        let registry = DebianRegistry::start(TEST, &Wishes::default())?;
        let podman = is_there("podman")
            .then(|| tempfile::Builder::new().prefix("cofferdam-podman-").tempdir_in("/var/tmp").unwrap());
        let (skopeo, umoci) = (is_there("skopeo"), is_there("umoci"));
        Some(Self { home, registry, docker: Docker::start(), podman, skopeo, umoci })
    }

    /// Podman, where its mounts are seen by nobody else.
    fn podman(&self, args: &[&str]) -> String {
        let at = self.podman.as_ref().unwrap().path().display();
        let (root, run) = (format!("{at}/root"), format!("{at}/run"));
        let begin = ["unshare", "--mount", "--propagation", "private", "podman", "--root", &root];
        ok(&[&begin, &["--runroot", &run, "--storage-driver", "overlay"][..], args].concat())
    }

    fn at(&self, name: &str) -> String {
        format!("docker://{}", self.registry.name(name))
    }

    fn skopeo_copy(&self, args: &[&str]) {
        let insecure = ["--src-tls-verify=false", "--dest-tls-verify=false"];
        ok(&[&["skopeo", "copy", "-q"], &insecure[..], args].concat());
    }

    fn skopeo_digest(&self, name: &str) -> String {
        ok(&["skopeo", "inspect", "--tls-verify=false", "--format", "{{.Digest}}", &self.at(name)])
    }

    /// What we push is pulled by the others under the same digest.
    fn ours_goes_to_all(&self, name: &str, docker_reads_it: bool) -> String {
        let image = self.registry.name(name);
        let pushed = digest(&self.home.ok(&["push", &image]));
        if let Some(docker) = self.docker.as_ref().filter(|_| docker_reads_it) {
            docker.ok(&["pull", "-q", &image]);
            let known = docker.ok(&["image", "inspect", "--format", "{{index .RepoDigests 0}}", &image]);
            assert_eq!(digest(&known), pushed, "docker, {name}");
        }
        if self.podman.is_some() {
            self.podman(&["pull", "-q", "--tls-verify=false", &image]);
            let known = self.podman(&["image", "inspect", "--format", "{{.Digest}}", &image]);
            assert_eq!(known, pushed, "podman, {name}");
        }
        if self.skopeo {
            assert_eq!(self.skopeo_digest(name), pushed, "skopeo, {name}");
        }
        pushed
    }

    /// What another program has pushed is pulled by us under the same digest, and is what it should be.
    fn theirs_comes_to_us(&self, name: &str, pushed: &str, command: &[&str], says: &str) {
        let image = self.registry.name(name);
        assert_eq!(digest(&self.home.ok(&["pull", &image])), digest(pushed), "{name}");
        let ran = self.home.ok(&[&["run", "--rm", &image], command].concat());
        assert_eq!(ran, says, "{name}");
        let verified = self.home.run(&["image", "verify", &image]);
        assert_eq!(verified.code, 0, "{name}: {verified:?}");
    }
}

/// What the images of others hold: two layers over busybox, the second of which deletes and changes.
const DOCKERFILE: &str = "FROM scratch\nCOPY root /\nCOPY more /more\nENV MADE=there\nWORKDIR /more\nUSER joe\n\
    ENTRYPOINT [\"/bin/sh\", \"-c\"]\nCMD [\"cat kept; echo $MADE; id -u; pwd\"]\n";

#[test]
fn images_of_other_programs_come_and_ours_go_with_the_same_digest() {
    let Some(peers) = Peers::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    let Some(root) = busybox_root(TEST, folder.path()) else { return };
    std::fs::create_dir(folder.path().join("more")).unwrap();
    std::fs::write(folder.path().join("more/kept"), "kept\n").unwrap();
    std::fs::write(folder.path().join("Dockerfile"), DOCKERFILE).unwrap();
    let context = folder.path().to_str().unwrap();
    let says = "kept\nthere\n1000\n/more";

    if let Some(docker) = &peers.docker {
        let image = peers.registry.name("by-docker:1");
        docker.ok(&["build", "-q", "-t", &image, context]);
        peers.theirs_comes_to_us("by-docker:1", &docker.ok(&["push", &image]), &[], says);
        // The archive of `docker save` as well.
        let archive = folder.path().join("docker.tar");
        docker.ok(&["tag", &image, "saved:1"]);
        docker.ok(&["save", "-o", archive.to_str().unwrap(), "saved:1"]);
        peers.home.ok(&["load", "-i", archive.to_str().unwrap()]);
        assert_eq!(peers.home.ok(&["run", "--rm", "saved:1"]), says);
    }
    if peers.podman.is_some() {
        let image = peers.registry.name("by-podman:1");
        peers.podman(&["build", "-q", "-t", &image, context]);
        let file = folder.path().join("digest");
        let to = format!("--digestfile={}", file.display());
        peers.podman(&["push", "-q", "--tls-verify=false", &to, &image]);
        peers.theirs_comes_to_us("by-podman:1", &std::fs::read_to_string(file).unwrap(), &[], says);
    }
    if peers.umoci && peers.skopeo {
        let layout = folder.path().join("umoci");
        let (at, tagged) = (layout.to_str().unwrap(), format!("{}:x", layout.display()));
        ok(&["umoci", "init", "--layout", at]);
        ok(&["umoci", "new", "--image", &tagged]);
        ok(&["umoci", "insert", "--image", &tagged, root.to_str().unwrap(), "/"]);
        ok(&["umoci", "insert", "--image", &tagged, "--opaque", &format!("{context}/more"), "/root"]);
        ok(&[
            "umoci",
            "config",
            "--image",
            &tagged,
            "--config.cmd",
            "/bin/cat",
            "--config.cmd",
            "/root/kept",
        ]);
        peers.skopeo_copy(&["--preserve-digests", &format!("oci:{tagged}"), &peers.at("by-umoci:1")]);
        peers.theirs_comes_to_us("by-umoci:1", &peers.skopeo_digest("by-umoci:1"), &[], "kept");
        // Its layout by itself, and skopeo's.
        let copy = folder.path().join("layout");
        peers.skopeo_copy(&[&peers.at("by-umoci:1"), &format!("oci:{}:x", copy.display())]);
        for layout in [&layout, &copy] {
            let home = Home::new();
            let loaded = home.ok(&["load", "-i", layout.to_str().unwrap()]);
            assert_eq!(home.ok(&["run", "--rm", &digest(&loaded)]), "kept", "{}", layout.display());
        }
    }

    // Ours: one layer, a hundred, with zstd, and a whole Debian.
    let (home, name) = (&peers.home, |name: &str| peers.registry.name(name));
    home.ok(&["image", "import", root.to_str().unwrap(), &name("box:1")]);
    peers.ours_goes_to_all("box:1", true);
    busybox_with(home, TEST, &name("many:1"), 99).unwrap();
    let many = peers.ours_goes_to_all("many:1", true);
    home.ok(&["rmi", &name("many:1")]);
    peers.theirs_comes_to_us("many:1", &many, &["cat", "/layer-1", "/layer-99"], "1\n99");
    if peers.skopeo {
        let (from, to) = (peers.at("box:1"), peers.at("zstd:1"));
        peers.skopeo_copy(&["--dest-compress-format", "zstd", "--dest-compress", &from, &to]);
        peers.theirs_comes_to_us("zstd:1", &peers.skopeo_digest("zstd:1"), &["id", "-u"], "0");
        // As it came, it goes: Docker 20.10 does not read it.
        home.ok(&["tag", &name("zstd:1"), &name("zstd:2")]);
        assert_eq!(peers.ours_goes_to_all("zstd:2", false), peers.skopeo_digest("zstd:1"));
    }
    if let Some(tar) = debian::tar(TEST) {
        home.ok(&["image", "import", tar.to_str().unwrap(), &name("debian:1")]);
        let pushed = peers.ours_goes_to_all("debian:1", true);
        home.ok(&["rmi", &name("debian:1")]);
        let command =
            ["bash", "-c", "dpkg --verify coreutils && . /etc/os-release && echo $VERSION_CODENAME"];
        peers.theirs_comes_to_us("debian:1", &pushed, &command, "bookworm");
    }
    assert_eq!(home.remains(), [""; 0]);
}

/// An archive of an image with busybox and one file that is a hole, but for a word in its middle.
fn sparse_image(test: &str, folder: &Path, size: u64) -> Option<std::path::PathBuf> {
    let root = busybox_root(test, folder).filter(|_| is_root(test))?;
    let file = std::fs::File::create(root.join("sparse")).unwrap();
    file.set_len(size).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"middle", size / 2).unwrap();
    // As GNU tar writes it: the holes are told of, and are not there.
    let tar = folder.join("root.tar");
    let sparse = ["--sparse", "--format=posix", "-C", root.to_str().unwrap(), "-cf"];
    ok(&[&["tar"], &sparse[..], &[tar.to_str().unwrap(), "."]].concat());
    let bytes = std::fs::read(&tar).unwrap();
    assert!(bytes.len() < 10 << 20, "{}", bytes.len());
    let archive = folder.join("image.tar");
    std::fs::write(&archive, image_of(&bytes)).unwrap();
    Some(archive)
}

/// The peers write all of a hole, so the file is small here unless `COFFERDAM_BIG_IMAGE` says how many bytes it is to have (README,
/// "Heavier suites"). Skopeo unpacks nothing: it gets five gigabytes.
#[test]
fn a_sparse_file_goes_to_others_and_comes_back_with_the_same_digest() {
    let Some(mut peers) = Peers::new() else { return };
    let size = std::env::var("COFFERDAM_BIG_IMAGE").map_or(256 << 20, |size| size.parse().unwrap());
    let folder = tempfile::Builder::new().prefix("cofferdam-sparse-").tempdir_in("/var/tmp").unwrap();
    let began = std::time::Instant::now();
    let told = |what: &str| println!("{what}: {:.1} s", began.elapsed().as_secs_f64());
    let Some(archive) = sparse_image(TEST, folder.path(), size) else { return };
    // Not part of the context.
    std::fs::write(folder.path().join(".dockerignore"), "*\n!root\n").unwrap();
    let name = peers.registry.name("sparse:1");
    let loaded = digest(&peers.home.ok(&["load", "-i", archive.to_str().unwrap()]));
    peers.home.ok(&["tag", &loaded, &name]);
    let pushed = peers.ours_goes_to_all("sparse:1", true);
    told("ours is at all peers");
    let look = ["stat", "-c", "%s", "/sparse"];
    let says = size.to_string();
    // What they make of such a file themselves has all of its bytes in it.
    std::fs::write(folder.path().join("Dockerfile"), "FROM scratch\nCOPY root /\nENV PATH=/bin\n").unwrap();
    let context = folder.path().to_str().unwrap();
    // Each has it several times: what it takes goes before the next begins.
    if let Some(docker) = peers.docker.take() {
        let image = peers.registry.name("sparse-by-docker:1");
        let run = [&["run", "--rm", "--network", "none", &name][..], &look].concat();
        assert_eq!(docker.ok(&run), says);
        docker.ok(&["build", "-q", "-t", &image, context]);
        peers.theirs_comes_to_us("sparse-by-docker:1", &docker.ok(&["push", &image]), &look, &says);
        told("docker's is here");
    }
    if peers.podman.is_some() {
        let image = peers.registry.name("sparse-by-podman:1");
        let file = folder.path().join("digest");
        let to = format!("--digestfile={}", file.display());
        peers.podman(&["build", "-q", "-t", &image, context]);
        peers.podman(&["push", "-q", "--tls-verify=false", &to, &image]);
        let pushed = std::fs::read_to_string(file).unwrap();
        peers.theirs_comes_to_us("sparse-by-podman:1", &pushed, &look, &says);
        told("podman's is here");
    }
    if peers.skopeo {
        let mut from = (name, pushed);
        if size < 5 << 30 {
            let whole = folder.path().join("whole");
            std::fs::create_dir(&whole).unwrap();
            let archive = sparse_image(TEST, &whole, 5 << 30).unwrap();
            let loaded = digest(&peers.home.ok(&["load", "-i", archive.to_str().unwrap()]));
            from.0 = peers.registry.name("sparse-whole:1");
            peers.home.ok(&["tag", &loaded, &from.0]);
            from.1 = digest(&peers.home.ok(&["push", &from.0]));
        }
        let layout = format!("oci:{}:x", folder.path().join("layout").display());
        peers.skopeo_copy(&["--preserve-digests", &format!("docker://{}", from.0), &layout]);
        peers.skopeo_copy(&["--preserve-digests", &layout, &peers.at("sparse-by-skopeo:1")]);
        assert_eq!(peers.skopeo_digest("sparse-by-skopeo:1"), from.1);
        peers.home.ok(&["rmi", "-f", &from.1]);
        let says = size.max(5 << 30).to_string();
        peers.theirs_comes_to_us("sparse-by-skopeo:1", &from.1, &look, &says);
        told("skopeo's is here");
    }
    // A hole is none that is written: whatever came, of all the images here there is little on the disk.
    let taken = cofferdam_image::tree::usage::on_disk(&peers.home.path().join("state/images")).unwrap();
    assert!(taken < 256 << 20, "{taken}");
}

#[test]
fn a_sparse_file_of_five_gigabytes_takes_no_room() {
    let test = "a_sparse_file_of_five_gigabytes_takes_no_room";
    let folder = tempfile::tempdir().unwrap();
    let Some(archive) = sparse_image(test, folder.path(), 5 << 30) else { return };
    let home = Home::new();
    let loaded = digest(&home.ok(&["load", "-i", archive.to_str().unwrap()]));
    let look = "stat -c %s /sparse; dd if=/sparse bs=1M skip=2560 count=1 2>/dev/null | busybox head -c 6";
    let look = look.replace("dd if", "busybox dd if");
    let ran = home.run(&["run", "--rm", &loaded, "sh", "-c", &look]);
    assert_eq!(ran.out, "5368709120\nmiddle", "{ran:?}");
    let taken = cofferdam_image::tree::usage::on_disk(&home.path().join("state/images")).unwrap();
    assert!(taken < 64 << 20, "{taken}");
    // Through a registry and back.
    if let Some(registry) = DebianRegistry::start(test, &Wishes::default()) {
        let name = registry.name("sparse:1");
        home.ok(&["tag", &loaded, &name]);
        let pushed = digest(&home.ok(&["push", &name]));
        let other = Home::new();
        assert_eq!(digest(&other.ok(&["pull", &name])), pushed);
        let ran =
            other.run(&["run", "--rm", "--entrypoint", "/bin/busybox", &name, "stat", "-c", "%s", "/sparse"]);
        assert_eq!(ran.out.trim(), "5368709120", "{ran:?}");
        assert_eq!(other.run(&["image", "verify", "--all"]).code, 0);
    }
}

/// An archive, as `docker save` writes one, of an image of one layer.
fn image_of(layer: &[u8]) -> Vec<u8> {
    let diff_id = cofferdam_image::digest_of(layer);
    let config = serde_json::json!({
        "architecture": std::env::consts::ARCH.replace("x86_64", "amd64").replace("aarch64", "arm64"),
        "os": "linux",
        "config": { "Cmd": ["/bin/sh"], "Env": ["PATH=/bin"] },
        "rootfs": { "type": "layers", "diff_ids": [diff_id.to_string()] },
    });
    let list = serde_json::json!([{ "Config": "config.json", "RepoTags": null, "Layers": ["layer.tar"] }]);
    let tar = support::archive::RawTar::default()
        .file("config.json", config.to_string().as_bytes())
        .file("layer.tar", layer)
        .file("manifest.json", list.to_string().as_bytes());
    tar.bytes()
}
