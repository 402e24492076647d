//! Registries through the program: pull, push, login, run; beside skopeo and Podman; and what a zone's `[images]` lets run.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

#[allow(dead_code, reason = "shared with the tests of the image crate")]
#[path = "../../../crates/image/tests/registries/debian_registry.rs"]
mod debian_registry;
#[allow(dead_code, reason = "shared with the tests of the image crate")]
#[path = "../../../crates/image/tests/registries/server.rs"]
mod server;
mod sigstore;
mod support;

use std::path::Path;
use std::process::{Command, Stdio};

use debian_registry::{DebianRegistry, Wishes};
use server::{Says, Server};
use sigstore::{SIGNED, Sigstore, Wish};
use support::{Home, Ran, busybox_root, eventually, is_root, skip};

/// A home, and a registry that has busybox as `box:1`, which is not in the home.
fn with_busybox(test: &str) -> Option<(Home, DebianRegistry, String)> {
    let folder = tempfile::tempdir().unwrap();
    let root = busybox_root(test, folder.path()).filter(|_| is_root(test))?;
    // First: it gives this thread the network that the registry is then in, too.
    let home = Home::new();
    let registry = DebianRegistry::start(test, &Wishes::default())?;
    let name = registry.name("box:1");
    home.ok(&["image", "import", root.to_str().unwrap(), &name]);
    home.ok(&["push", "-q", &name]);
    home.ok(&["rmi", &name]);
    Some((home, registry, name))
}

/// The digest in what `pull` and `push` print.
fn digest(text: &str) -> String {
    let at = text.find("sha256:").unwrap_or_else(|| panic!("no digest in {text}"));
    text[at..at + 71].to_owned()
}

#[test]
fn run_brings_what_is_missing() {
    let Some((home, registry, name)) = with_busybox("run_brings_what_is_missing") else { return };
    let never = home.run(&["run", "--rm", "--pull", "never", &name, "true"]);
    assert_eq!((never.code, never.err.contains("no such image")), (125, true), "{never:?}");
    let ran = home.run(&["run", "--rm", &name, "sh", "-c", "echo hello"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "hello\n"), "{ran:?}");
    assert!(ran.err.contains("Pulling ") && ran.err.contains(": Pull complete\n"), "{ran:?}");
    // It is here now: nothing is asked of the registry.
    drop(registry);
    let ran = home.run(&["run", "--rm", &name, "sh", "-c", "echo again"]);
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (0, "again\n", ""), "{ran:?}");
    let always = home.run(&["run", "--rm", "--pull", "always", &name, "true"]);
    assert_eq!((always.code, always.err.contains("cannot reach 127.0.0.1")), (125, true), "{always:?}");
    let wrong = home.run(&["run", "--rm", "--pull", "often", &name, "true"]);
    assert_eq!(wrong.code, 125, "{wrong:?}");
    assert_eq!(home.remains(), [""; 0]);
}

#[test]
fn pull_and_push_say_what_docker_says() {
    let Some((home, registry, name)) = with_busybox("pull_and_push_say_what_docker_says") else { return };
    let first = home.run(&["pull", &name]);
    assert_eq!(first.code, 0, "{first:?}");
    assert!(first.out.starts_with("1: Pulling from box\n"), "{first:?}");
    assert!(first.out.contains(&format!("Status: Downloaded newer image for {name}\n{name}\n")), "{first:?}");
    let again = home.ok(&["image", "pull", &name]);
    assert!(again.contains("Image is up to date for"), "{again}");
    assert_eq!(digest(&first.out), digest(&again));
    assert_eq!(
        home.ok(&["pull", "-q", &format!("{}@{}", registry.name("box"), digest(&again))]).lines().count(),
        1
    );
    let copy = registry.name("other/box:2");
    home.ok(&["image", "tag", &name, &copy]);
    let pushed = home.run(&["push", &copy]);
    assert!(pushed.err.contains("Mounted from another repository"), "{pushed:?}");
    assert_eq!(digest(&pushed.out), digest(&again));
    // All tags, and flags that are refused by name.
    home.ok(&["image", "tag", &name, &registry.name("other/box:3")]);
    home.ok(&["push", "--all-tags", &registry.name("other/box")]);
    home.ok(&["rmi", &copy]);
    let all = home.ok(&["pull", "-q", "-a", &registry.name("other/box")]);
    assert_eq!(all, format!("{copy}\n{}", registry.name("other/box:3")));
    for (args, why) in [
        (vec!["pull", "--disable-content-trust=false", &name], "content-trust"),
        (vec!["pull", "--platform", "linux/s390x", &name], "has nothing for linux/s390x"),
        (vec!["pull", "UPPER:1"], "invalid image reference"),
        (vec!["push", "none.example/x"], "no such image"),
        (vec!["pull", &registry.name("none:1")], "has no manifest 1 of none"),
    ] {
        let ran = home.run(&args);
        assert!(ran.code == 1 && ran.err.contains(why), "{args:?} {ran:?}");
    }
    home.ok(&["pull", "-q", "--disable-content-trust", &name]);
}

#[test]
fn on_a_terminal_each_layer_has_a_bar_that_is_drawn_anew() {
    let test = "on_a_terminal_each_layer_has_a_bar_that_is_drawn_anew";
    let Some((home, _registry, name)) = with_busybox(test) else { return };
    let command = home.command();
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| format!("'{}'", word.display())).collect();
    // script(1) is the terminal.
    let line = format!("stty cols 120 rows 40; exec {} pull {name}", words.join(" "));
    let ran = Ran::of(Command::new("script").args(["-qec", &line, "/dev/null"]).stdin(Stdio::null()));
    assert_eq!(ran.code, 0, "{ran:?}");
    let bars = ran.out.lines().filter(|line| line.contains("Pulling") && line.contains("KiB/"));
    assert!(bars.count() > 0, "how far it is, of how much: {ran:?}");
    assert!(ran.out.contains("\u{1b}[2K") && ran.out.contains(": Pull complete"), "{ran:?}");
    let digest = ran.out.find(": Pull complete").and_then(|at| ran.out.get(at - 12..at)).unwrap();
    assert!(digest.bytes().all(|byte| byte.is_ascii_hexdigit()), "{digest}");
}

#[test]
fn a_login_is_kept_for_the_next_command() {
    let test = "a_login_is_kept_for_the_next_command";
    let home = Home::new();
    let Some(registry) = DebianRegistry::start(test, &Wishes { basic: true, ..Wishes::default() }) else {
        return;
    };
    let config = home.path().join("docker");
    let run = |args: &[&str], input: &[u8]| {
        let mut command = home.command();
        let child = command.args(args).env("DOCKER_CONFIG", &config).stdin(Stdio::piped());
        let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // A command that reads nothing may have ended by now; what it said is looked at.
        let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), input);
        Ran::from(child.wait_with_output().unwrap())
    };
    let host = registry.host();
    let wrong = run(&["login", "-u", "me", "--password-stdin", &host], b"wrong\n");
    assert!(wrong.code == 1 && wrong.err.contains("does not allow access"), "{wrong:?}");
    let good = run(&["login", "-u", "me", "--password-stdin", &host], b"secret\n");
    assert!(
        good.code == 0 && good.out == "Login Succeeded\n" && good.err.contains("config.json"),
        "{good:?}"
    );
    let missing = run(&["pull", &registry.name("x")], b"");
    assert!(missing.err.contains("has no manifest"), "{missing:?}");
    let out = run(&["logout", &host], b"");
    assert_eq!((out.code, out.out.as_str()), (0, format!("Removed the login for {host}\n").as_str()));
    let denied = run(&["pull", &registry.name("x")], b"");
    assert!(
        denied.err.contains("without login") && denied.err.contains("hint: see `cofferdam login`"),
        "{denied:?}"
    );
    for (args, why) in [
        (vec!["login", "-u", "me", &host], "is no terminal"),
        (vec!["login", "--password-stdin", &host], "needs --username"),
        (vec!["login", "-u", "me", "--password-stdin", "no registry"], "is no registry"),
    ] {
        let ran = run(&args, b"x");
        assert!(ran.code == 1 && ran.err.contains(why), "{args:?} {ran:?}");
    }
    // A helper keeps it instead of the file.
    let helpers = home.path().join("bin");
    std::fs::create_dir(&helpers).unwrap();
    let script = "#!/bin/sh\nread -r line\ncase $1 in\nget) printf '{\"Username\":\"me\",\"Secret\":\"secret\"}';;\n*) exit 1;;\nesac\n";
    let path = helpers.join("docker-credential-testing");
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::write(config.join("config.json"), format!("{{\"credHelpers\":{{\"{host}\":\"testing\"}}}}"))
        .unwrap();
    let path = format!("{}:{}", helpers.display(), std::env::var("PATH").unwrap());
    let ran = Ran::of(
        home.command().args(["pull", &registry.name("x")]).env("DOCKER_CONFIG", &config).env("PATH", path),
    );
    assert!(ran.err.contains("has no manifest"), "{ran:?}");
}

#[test]
fn settings_of_registries_are_read_and_their_mistakes_told() {
    let home = Home::new();
    std::fs::write(home.path().join("registries.toml"), "retires = 1\n").unwrap();
    let ran = home.run(&["pull", "x.example/a"]);
    assert!(
        ran.err.contains("registries.toml:1:1: unknown key \"retires\"; did you mean \"retries\"?"),
        "{ran:?}"
    );
    std::fs::write(home.path().join("registries.toml"), "[registry.\"x.example\"]\nblocked = true\n")
        .unwrap();
    let ran = home.run(&["pull", "x.example/a"]);
    assert!(ran.err.contains("registry x.example is blocked"), "{ran:?}");
}

#[test]
fn a_pull_that_is_interrupted_leaves_no_half_state_and_is_carried_on() {
    let test = "a_pull_that_is_interrupted";
    let Some((home, registry, name)) = with_busybox(test) else { return };
    // The registry's own files, slowly: the layer stops in the middle and nothing comes any more.
    let address = registry.host();
    let fetch = move |path: &str, range: &str| {
        let mut command = Command::new("curl");
        command.args(["-s", "-i", "-H", "Accept: application/vnd.oci.image.manifest.v1+json"]);
        if !range.is_empty() {
            command.args(["-H", &format!("Range: {range}")]);
        }
        command.arg(format!("http://{address}{path}")).output().unwrap().stdout
    };
    if Command::new("curl").arg("--version").output().is_err() {
        skip(test, "curl is not installed");
        return;
    }
    let stalls = std::sync::atomic::AtomicUsize::new(0);
    let server = Server::start(move |asked| {
        let answer = fetch(&asked.path, asked.header("range"));
        let end = answer.windows(4).position(|part| part == b"\r\n\r\n").unwrap();
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        let mut says = Says::new(head[9..12].parse().unwrap()).body(&answer[end + 4..]);
        for line in head.lines().skip(1) {
            let (name, value) = line.split_once(": ").unwrap();
            if matches!(name.to_ascii_lowercase().as_str(), "content-type" | "content-range") {
                says = says.header(name, value);
            }
        }
        // More than one of the pieces that are written at a time.
        let large = says.body.len() > 700_000;
        if large && stalls.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0 {
            says.stall = Some(600_000);
        }
        says
    });
    let image = server.name("box:1");
    let mut child =
        home.command().args(["pull", &image]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let ingest = home.path().join("state/images/ingest");
    let there = || {
        let files = std::fs::read_dir(&ingest).into_iter().flatten().flatten();
        files.map(|file| file.metadata().map_or(0, |metadata| metadata.len())).sum::<u64>()
    };
    assert!(eventually(|| there() > 100_000));
    // As Ctrl-C would, but a shell in the background lets its commands ignore that one.
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(15));
    assert_eq!(home.ok(&["images", "-q"]), "");
    assert_eq!(home.run(&["image", "verify", "--all"]).code, 0);
    let before = server.sent();
    home.ok(&["pull", &image]);
    let again = server.sent() - before;
    home.ok(&["rmi", &image]);
    home.ok(&["pull", &image]);
    let whole = server.sent() - before - again;
    assert!(again + 100_000 < whole, "{again} of {whole}");
    drop((registry, name));
}

/// Runs a peer; nothing, and says so, where it is not installed.
fn peer(test: &str, args: &[&str]) -> Option<Ran> {
    match Command::new(args[0]).args(&args[1..]).output() {
        Ok(output) => Some(Ran::from(output)),
        Err(_) => {
            skip(test, &format!("{} is not installed", args[0]));
            None
        }
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn skopeo_reads_what_we_push_and_the_other_way_round() {
    let test = "skopeo_reads_what_we_push";
    let Some((home, registry, name)) = with_busybox(test) else { return };
    let ours = digest(&home.ok(&["pull", &name]));
    let at = |rest: &str| format!("docker://{}", registry.name(rest));
    let Some(seen) =
        peer(test, &["skopeo", "inspect", "--tls-verify=false", "--format", "{{.Digest}}", &at("box:1")])
    else {
        return;
    };
    assert_eq!(seen.out.trim(), ours, "{seen:?}");
    let folder = tempfile::tempdir().unwrap();
    let layout = format!("oci:{}:x", folder.path().join("layout").display());
    let copy = |args: &[&str]| {
        let all =
            [&["skopeo", "copy", "-q", "--src-tls-verify=false", "--dest-tls-verify=false"], args].concat();
        let ran = peer(test, &all).unwrap();
        assert_eq!(ran.code, 0, "{ran:?}");
    };
    copy(&["--preserve-digests", &at("box:1"), &layout]);
    // As it is, as Docker's schema 2, and with zstd layers.
    copy(&["--preserve-digests", &layout, &at("from-skopeo:oci")]);
    copy(&["--format", "v2s2", &layout, &at("from-skopeo:docker")]);
    copy(&["--dest-compress-format", "zstd", "--dest-compress", &layout, &at("from-skopeo:zstd")]);
    for tag in ["oci", "docker", "zstd"] {
        let image = registry.name(&format!("from-skopeo:{tag}"));
        let theirs = peer(
            test,
            &[
                "skopeo",
                "inspect",
                "--tls-verify=false",
                "--format",
                "{{.Digest}}",
                &at(&format!("from-skopeo:{tag}")),
            ],
        )
        .unwrap();
        assert_eq!(digest(&home.ok(&["pull", &image])), theirs.out.trim(), "{tag}");
        assert_eq!(home.ok(&["run", "--rm", &image, "sh", "-c", &format!("echo {tag}")]), tag);
    }
    assert_eq!(digest(&home.ok(&["pull", &registry.name("from-skopeo:oci")])), ours);
}

#[test]
fn podman_pulls_what_we_push_and_the_other_way_round() {
    let test = "podman_pulls_what_we_push";
    let Some((home, registry, name)) = with_busybox(test) else { return };
    let ours = digest(&home.ok(&["pull", &name]));
    let folder = tempfile::tempdir().unwrap();
    let (root, run) = (folder.path().join("root"), folder.path().join("run"));
    let podman = |args: &[&str]| {
        let place = ["podman", "--root", text(&root), "--runroot", text(&run), "--storage-driver", "vfs"];
        let ran = peer(test, &[&place[..], args].concat())?;
        assert_eq!(ran.code, 0, "{args:?} {ran:?}");
        Some(ran.out.trim().to_owned())
    };
    if podman(&["pull", "-q", "--tls-verify=false", &name]).is_none() {
        return;
    }
    assert_eq!(podman(&["image", "inspect", "--format", "{{.Digest}}", &name]).unwrap(), ours);
    let theirs = registry.name("from-podman:1");
    podman(&["tag", &name, &theirs]);
    let file = folder.path().join("digest");
    podman(&["push", "-q", "--tls-verify=false", "--digestfile", text(&file), &theirs]);
    let pushed = std::fs::read_to_string(&file).unwrap();
    assert_eq!(digest(&home.ok(&["pull", &theirs])), pushed.trim());
    assert_eq!(home.ok(&["run", "--rm", &theirs, "sh", "-c", "echo podman"]), "podman");
    podman(&["rmi", "-a", "-f"]);
}

/// A zone file, applied.
fn zone(home: &Home, name: &str, rules: &str) {
    let path = home.path().join(format!("{name}.toml"));
    std::fs::write(&path, format!("zone = \"{name}\"\n[images]\n{rules}\n")).unwrap();
    home.ok(&["zone", "apply", text(&path)]);
}

/// Without its registry an image of the zone `prod` starts again and again, until who signed it is trusted no more.
fn starts_without_a_network_while_it_is_trusted(
    home: &Home,
    registry: DebianRegistry,
    name: &str,
    distrust: &[&str],
    rule: &str,
) {
    let container = home.run(&["run", "--zone", "prod", "-d", "--name", "keeper", name, "sleep", "100"]);
    drop(registry);
    assert_eq!(container.code, 0, "{container:?}");
    home.ok(&["stop", "-t", "0", "keeper"]);
    home.ok(&["start", "keeper"]);
    home.ok(&["stop", "-t", "0", "keeper"]);
    home.ok(&[&["image", "trust"], distrust].concat());
    let distrusted = home.run(&["start", "keeper"]);
    assert!(distrusted.code != 0 && distrusted.err.contains(rule), "{distrusted:?}");
    home.ok(&["rm", "keeper"]);
}

#[test]
fn a_zone_lets_run_what_is_signed_and_a_start_needs_no_network() {
    let test = "a_zone_lets_run_what_is_signed";
    let Some((home, registry, name)) = with_busybox(test) else { return };
    let key = home.path().join("release.key");
    let other = home.path().join("other.key");
    for path in [&key, &other] {
        home.ok(&["image", "trust", "--generate", text(path)]);
    }
    home.ok(&["image", "trust", "release", &format!("{}.pub", text(&key))]);
    assert!(home.ok(&["image", "trust"]).contains("release   ecdsa-p256 "));
    zone(&home, "prod", "signed_by = [\"release\"]");
    let run = |args: &[&str]| home.run(&[&["run", "--zone", "prod"], args].concat());
    let refusal = |ran: &Ran| {
        ran.code == 125 && ran.err.contains("zone `prod`") && ran.err.contains("images.signed_by is release")
    };
    let unsigned = run(&["--rm", &name, "true"]);
    assert!(refusal(&unsigned) && unsigned.err.contains(&format!("image {name}")), "{unsigned:?}");
    // By another key it is as good as unsigned; by the right one it runs, here and where the signature has to be fetched.
    home.ok(&["image", "sign", "--key", text(&other), &name]);
    assert!(refusal(&run(&["--rm", &name, "true"])));
    home.ok(&["image", "sign", "--key", text(&key), &name]);
    assert_eq!(run(&["--rm", &name, "sh", "-c", "echo signed"]).out, "signed\n");
    home.ok(&["push", "-q", &name]);
    home.ok(&["rmi", &name]);
    let fetched = run(&["--rm", "-q", &name, "sh", "-c", "echo fetched"]);
    assert_eq!((fetched.code, fetched.out.as_str()), (0, "fetched\n"), "{fetched:?}");
    assert_eq!(home.ok(&["image", "trust", "--check", &name]), "release");
    starts_without_a_network_while_it_is_trusted(
        &home,
        registry,
        &name,
        &["--rm", "release"],
        "images.signed_by is release",
    );
    assert_eq!(home.remains(), [""; 0]);
}

/// Hangs a bundle beside an image of this home, as `cosign sign` would beside one of a registry.
fn hang(home: &Home, image: &str, bundle: &serde_json::Value) {
    use cofferdam_image::{Manifest, MediaType, Store};
    let kind = |text: &str| -> MediaType { text.parse().unwrap() };
    let store = Store::open(&home.path().join("state/images")).unwrap();
    let subject = store.resolve(image).unwrap().descriptor;
    let lease = store.lease().unwrap();
    let bundle_type = "application/vnd.dev.sigstore.bundle.v0.3+json";
    let manifest = Manifest {
        media_type: kind(MediaType::OCI_MANIFEST),
        config: lease.put_small(kind(MediaType::OCI_EMPTY), b"{}").unwrap(),
        layers: vec![lease.put_small(kind(bundle_type), bundle.to_string().as_bytes()).unwrap()],
        subject: Some(subject.clone()),
        artifact_type: Some(bundle_type.to_owned()),
        annotations: std::collections::BTreeMap::new(),
    };
    let descriptor = lease.put_small(manifest.media_type.clone(), &manifest.to_bytes().unwrap()).unwrap();
    lease.put_referrer(&subject.digest, &descriptor).unwrap();
}

#[test]
fn a_zone_lets_run_what_is_signed_with_a_certificate_and_a_start_needs_no_network() {
    let test = "a_zone_lets_run_what_is_signed_with_a_certificate";
    let Some((home, registry, name)) = with_busybox(test) else { return };
    let (sigstore, other) = (Sigstore::make(), Sigstore::make());
    let root = home.path().join("trusted_root.json");
    std::fs::write(&root, sigstore.trust_root().to_string()).unwrap();
    zone(&home, "prod", "keyless = [\"*@example.org by https://accounts.example.org\"]");
    let run = |args: &[&str]| home.run(&[&["run", "--zone", "prod"], args].concat());
    let refusal = |ran: &Ran| {
        ran.code == 125
            && ran.err.contains("zone `prod`")
            && ran.err.contains("images.keyless is *@example.org")
    };
    let id = digest(&home.ok(&["pull", &name]));
    assert!(refusal(&run(&["--rm", &name, "true"])));
    // Whom nobody here trusts, who is somebody else, and who was told by somebody else: all as good as unsigned.
    let elsewhere = Wish { issuer: "https://other.example".to_owned(), ..Wish::of("release@example.org") };
    hang(&home, &name, &other.bundle(&Wish::of("release@example.org"), &id, SIGNED));
    hang(&home, &name, &sigstore.bundle(&Wish::of("me@other.example"), &id, SIGNED));
    hang(&home, &name, &sigstore.bundle(&elsewhere, &id, SIGNED));
    hang(
        &home,
        &name,
        &sigstore.bundle(&Wish::of("release@example.org"), &format!("sha256:{}", "0a".repeat(32)), SIGNED),
    );
    let listed = home.ok(&["image", "trust", "--authorities", text(&root)]);
    assert_eq!(
        listed,
        "certificate authorities: 1, logs of certificates: 1, logs of signatures: 1, timestamp authorities: 1"
    );
    assert!(home.ok(&["image", "trust"]).ends_with(&listed));
    assert!(refusal(&run(&["--rm", &name, "true"])));
    hang(&home, &name, &sigstore.bundle(&Wish::of("release@example.org"), &id, SIGNED));
    assert_eq!(run(&["--rm", &name, "sh", "-c", "echo signed"]).out, "signed\n");
    // It goes with the image, and is fetched with it.
    home.ok(&["push", "-q", &name]);
    home.ok(&["rmi", &name]);
    let fetched = run(&["--rm", "-q", &name, "sh", "-c", "echo fetched"]);
    assert_eq!((fetched.code, fetched.out.as_str()), (0, "fetched\n"), "{fetched:?}");
    let signers = home.ok(&["image", "trust", "--check", &name]);
    assert!(signers.contains("release@example.org by https://accounts.example.org"), "{signers}");
    starts_without_a_network_while_it_is_trusted(
        &home,
        registry,
        &name,
        &["--authorities", "none"],
        "images.keyless is",
    );
    std::fs::write(&root, "{}").unwrap();
    let bad = home.run(&["image", "trust", "--authorities", text(&root)]);
    assert!(bad.code == 1 && bad.err.contains("no trust root of sigstore"), "{bad:?}");
    assert_eq!(home.remains(), [""; 0]);
}

#[test]
fn a_zone_lets_run_what_is_from_its_sources_and_by_digest() {
    let test = "a_zone_lets_run_what_is_from_its_sources";
    let Some((home, registry, name)) = with_busybox(test) else { return };
    zone(&home, "only", "allowed = [\"good.example/*\"]");
    zone(&home, "pinned", "require_digest = true");
    // Nothing is fetched from where the zone allows nothing.
    let ran = home.run(&["run", "--rm", "--zone", "only", &name, "true"]);
    assert!(ran.code == 125 && ran.err.contains("images.allowed is good.example/*"), "{ran:?}");
    assert_eq!(home.ok(&["images", "-q"]), "");
    let pulled = digest(&home.ok(&["pull", &name]));
    home.ok(&["image", "tag", &name, "good.example/box:1"]);
    let ran = home.run(&["run", "--rm", "--zone", "only", "good.example/box:1", "true"]);
    assert!(ran.code == 125 && ran.err.contains(&format!("which was pulled as {name}")), "{ran:?}");
    let ran = home.run(&["run", "--rm", "--zone", "pinned", &name, "true"]);
    assert!(ran.code == 125 && ran.err.contains("images.require_digest is true"), "{ran:?}");
    for good in [pulled.clone(), format!("{}@{pulled}", registry.name("box"))] {
        assert_eq!(
            home.ok(&["run", "--rm", "--zone", "pinned", &good, "sh", "-c", "echo good"]),
            "good",
            "{good}"
        );
    }
}

/// A proxy that leads wherever somebody asks to go to one registry; whom it was asked for.
fn proxy(registry: u16) -> (u16, std::sync::Arc<std::sync::Mutex<Vec<String>>>) {
    use std::io::{BufRead, BufReader, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, asked) = (listener.local_addr().unwrap().port(), std::sync::Arc::default());
    let list: std::sync::Arc<std::sync::Mutex<Vec<String>>> = std::sync::Arc::clone(&asked);
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (mut client, list) = (client.unwrap(), std::sync::Arc::clone(&list));
            std::thread::spawn(move || {
                let mut lines = BufReader::new(client.try_clone().unwrap());
                let (mut head, mut line) = (Vec::new(), String::new());
                while lines.read_line(&mut line).is_ok_and(|count| count > 2) {
                    head.push(std::mem::take(&mut line));
                }
                let Some(first) = head.first().cloned() else { return };
                list.lock().unwrap().push(first.trim().to_owned());
                let mut server = std::net::TcpStream::connect(("127.0.0.1", registry)).unwrap();
                if first.starts_with("CONNECT ") {
                    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
                } else {
                    // In its absolute form, which the registry gets without the host.
                    head[0] = first.replacen("http://registry.test", "", 1);
                    server.write_all(format!("{}\r\n", head.concat()).as_bytes()).unwrap();
                }
                let (mut back, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                std::thread::spawn(move || std::io::copy(&mut back, &mut to));
                let _ = std::io::copy(&mut lines, &mut server);
            });
        }
    });
    (port, asked)
}

#[test]
fn a_proxy_of_the_environment_leads_to_a_registry() {
    let Some((home, registry, name)) = with_busybox("a_proxy_of_the_environment_leads_to_a_registry") else {
        return;
    };
    let (port, asked) = proxy(registry.port);
    let settings =
        "connect_timeout = \"2s\"\nretries = 1\n[registry.\"registry.test\"]\ntransport = \"http\"\n";
    std::fs::write(home.path().join("registries.toml"), settings).unwrap();
    let pull = |direct: &str| {
        let mut command = home.command();
        command.args(["pull", "registry.test/box:1"]).env("HTTP_PROXY", format!("http://127.0.0.1:{port}"));
        Ran::of(command.env("NO_PROXY", direct))
    };
    // Nobody else knows a registry of this name.
    let refused = pull("other.test,.test");
    assert_ne!(refused.code, 0, "{refused:?}");
    assert!(asked.lock().unwrap().is_empty());
    let pulled = pull("other.test");
    assert_eq!(pulled.code, 0, "{pulled:?}");
    let asked = asked.lock().unwrap().clone();
    assert!(!asked.is_empty() && asked.iter().all(|line| line.contains("registry.test")), "{asked:?}");
    assert_eq!(digest(&pulled.out), digest(&home.ok(&["pull", &name])));
}
