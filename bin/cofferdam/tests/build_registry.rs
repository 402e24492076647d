//! `cofferdam build` and registries: base images that are not here, what the zone of the steps lets a build begin with.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

#[allow(dead_code, reason = "shared with the tests of the image crate")]
#[path = "../../../crates/image/tests/registries/debian_registry.rs"]
mod debian_registry;
mod support;

use debian_registry::{DebianRegistry, Wishes};
use support::{Home, Ran, busybox_root, is_root};

/// A home with a folder to build in, and a registry that has busybox as `box:1`, which is not in the home.
struct Scene {
    home: Home,
    registry: DebianRegistry,
    project: tempfile::TempDir,
    base: String,
}

impl Scene {
    fn new(test: &str) -> Option<Self> {
        let project = tempfile::tempdir().unwrap();
        let root = busybox_root(test, project.path()).filter(|_| is_root(test))?;
        // First: it gives this thread the network that the registry is then in, too.
        let home = Home::new();
        let registry = DebianRegistry::start(test, &Wishes::default())?;
        let base = registry.name("box:1");
        home.ok(&["image", "import", root.to_str().unwrap(), &base]);
        home.ok(&["push", "-q", &base]);
        home.ok(&["rmi", &base]);
        std::fs::remove_dir_all(root).unwrap();
        Some(Self { home, registry, project, base })
    }

    fn build(&self, dockerfile: &str, more: &[&str]) -> Ran {
        std::fs::write(self.project.path().join("Dockerfile"), dockerfile).unwrap();
        let mut args = vec!["build", "--compression", "none"];
        if self.home.path().join("steps.toml").exists() {
            args.extend(["--zone", "steps"]);
        }
        args.extend(more);
        args.push(self.project.path().to_str().unwrap());
        self.home.run(&args)
    }

    /// The zone `steps`: as `build`, with these rules for images.
    fn rules(&self, rules: &str) {
        let shown = self.home.ok(&["zone", "show", "build"]);
        let at = shown.find("[images]").unwrap();
        let rest = shown[at + 1..].find("\n[").map_or("", |end| &shown[at + 1 + end..]);
        let file = self.home.path().join("steps.toml");
        let text = format!("{}[images]\n{rules}\n{rest}", &shown[..at]);
        std::fs::write(&file, text.replace("zone = \"build\"", "zone = \"steps\"")).unwrap();
        self.home.ok(&["zone", "apply", file.to_str().unwrap()]);
    }
}

#[test]
fn base_images_are_brought_here() {
    let Some(scene) = Scene::new("base_images_are_brought_here") else { return };
    let base = &scene.base;
    let text = format!("FROM {base}\nRUN echo made > /made\nCOPY --from={base} /bin/busybox /second\n");
    let never = scene.build(&text, &["--pull=never"]);
    assert!(never.code == 1 && never.err.contains("no such image"), "{never:?}");
    let built = scene.build(&text, &["-t", "own"]);
    assert_eq!(built.code, 0, "{built:?}");
    assert_eq!(built.err.matches("Pulling ").count(), 1, "{built:?}");
    assert_eq!(scene.home.ok(&["run", "--rm", "own", "cat", "/made"]), "made");
    let again = scene.build(&text, &["-q"]);
    assert_eq!((again.code, again.err.as_str()), (0, ""), "{again:?}");
    for flag in ["--pull", "--pull=true", "--pull=always"] {
        let pulled = scene.build(&text, &[flag]);
        assert!(pulled.code == 0 && pulled.err.contains("Pulling "), "{flag}: {pulled:?}");
    }
    drop(scene.registry);
    assert_eq!(scene.home.run(&["build", "-q", scene.project.path().to_str().unwrap()]).code, 0);
    assert_eq!(scene.home.remains(), [""; 0]);
}

#[test]
fn a_build_begins_only_with_what_its_zone_admits() {
    let Some(scene) = Scene::new("a_build_begins_only_with_what_its_zone_admits") else { return };
    let base = scene.base.clone();
    let text = format!("FROM {base}\nRUN true\n");
    let digest = {
        let pulled = scene.home.ok(&["pull", &base]);
        let at = pulled.find("sha256:").unwrap();
        pulled[at..at + 71].to_owned()
    };
    let by_digest = scene.registry.name(&format!("box@{digest}"));
    let all = "allowed = [\"*\"]\n";
    // What is here is judged as well as what would be fetched.
    for here in [true, false] {
        if !here {
            scene.home.ok(&["rmi", &base]);
        }
        for (rules, rule) in [
            ("allowed = [\"trusted.example/*\"]", "images.allowed is trusted.example/*"),
            (&format!("{all}require_digest = true"), "images.require_digest is true"),
        ] {
            scene.rules(rules);
            let refused = scene.build(&text, &[]);
            let said = ["zone `steps`", rule, base.as_str(), "Dockerfile:1"];
            assert!(refused.code == 1 && said.iter().all(|part| refused.err.contains(part)), "{refused:?}");
            // Also where files are only taken from it.
            let refused = scene.build(&format!("FROM scratch\nCOPY --from={base} /bin /bin\n"), &[]);
            assert!(refused.code == 1 && refused.err.contains(rule), "{refused:?}");
            assert_eq!(scene.home.ok(&["image", "ls", "-q"]).lines().count(), usize::from(here));
        }
    }
    scene.rules(&format!("{all}require_digest = true"));
    let built = scene.build(&format!("FROM {by_digest}\nRUN true\n"), &[]);
    assert_eq!(built.code, 0, "{built:?}");
    // A registry's own images: the steps of the build are not judged anew.
    scene.rules(&format!("allowed = [\"{}/*\"]", scene.registry.host()));
    let built = scene.build(&format!("FROM {base}\nRUN echo more > /x\nRUN cat /x\n"), &["-t", "own"]);
    assert_eq!(built.code, 0, "{built:?}");
    let other = scene.build("FROM own\n", &[]);
    assert!(other.code == 1 && other.err.contains("image own"), "{other:?}");
}

#[test]
fn a_base_image_is_signed_where_the_zone_wants_it() {
    let Some(scene) = Scene::new("a_base_image_is_signed_where_the_zone_wants_it") else { return };
    let base = &scene.base;
    let key = scene.home.path().join("own.key").to_str().unwrap().to_owned();
    scene.home.ok(&["image", "trust", "--generate", &key]);
    scene.home.ok(&["image", "trust", "own", &format!("{key}.pub")]);
    scene.rules("allowed = [\"*\"]\nsigned_by = [\"own\"]");
    let text = format!("FROM {base}\nRUN true\n");
    let refused = scene.build(&text, &[]);
    let said = ["zone `steps`", "images.signed_by is own", base.as_str()];
    assert!(refused.code == 1 && said.iter().all(|part| refused.err.contains(part)), "{refused:?}");
    scene.home.ok(&["image", "sign", "--key", &key, base]);
    let built = scene.build(&text, &[]);
    assert_eq!(built.code, 0, "{built:?}");
}

/// Asks the registry by hand: the head of its answer, and the body.
fn ask(registry: &DebianRegistry, line: &str, headers: &str, body: &str) -> (String, String) {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(registry.host()).unwrap();
    let length = body.len();
    write!(
        stream,
        "{line} HTTP/1.1\r\nHost: {}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}",
        registry.host()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

/// What an index says of a manifest that the registry has.
fn entry(registry: &DebianRegistry, tag: &str, architecture: &str) -> serde_json::Value {
    const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    let line = format!("GET /v2/box/manifests/{tag}");
    let (head, body) = ask(registry, &line, &format!("Accept: {MANIFEST}\r\n"), "");
    let digest = head.lines().find_map(|line| line.strip_prefix("Docker-Content-Digest: ")).unwrap();
    serde_json::json!({
        "mediaType": MANIFEST, "digest": digest, "size": body.len(),
        "platform": { "os": "linux", "architecture": architecture }
    })
}

/// An index is anybody's who has the registry: the signature of what this machine would run says nothing of what it has for others.
#[test]
fn a_signature_counts_for_the_platform_that_it_is_of() {
    let Some(scene) = Scene::new("a_signature_counts_for_the_platform_that_it_is_of") else { return };
    let plain = &["--sbom=false", "--provenance=false", "-q"];
    let foreign = scene.registry.name("box:foreign");
    let made = scene.build(
        "FROM scratch\nCOPY Dockerfile /foreign\n",
        &[&plain[..], &["--platform", "linux/s390x", "-t", &foreign]].concat(),
    );
    assert_eq!(made.code, 0, "{made:?}");
    scene.home.ok(&["push", "-q", &foreign]);
    let index = serde_json::json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [
            entry(&scene.registry, "1", cofferdam_image::Platform::host().architecture.as_str()),
            entry(&scene.registry, "foreign", "s390x"),
        ]
    });
    let headers = "Content-Type: application/vnd.oci.image.index.v1+json\r\n";
    let (head, body) = ask(&scene.registry, "PUT /v2/box/manifests/both", headers, &index.to_string());
    assert!(head.contains("201 Created"), "{head} {body}");

    let key = scene.home.path().join("own.key").to_str().unwrap().to_owned();
    scene.home.ok(&["image", "trust", "--generate", &key]);
    scene.home.ok(&["image", "trust", "own", &format!("{key}.pub")]);
    scene.home.ok(&["pull", "-q", &scene.base]);
    scene.home.ok(&["image", "sign", "--key", &key, &scene.base]);
    scene.rules("allowed = [\"*\"]\nsigned_by = [\"own\"]");
    let both = scene.registry.name("box:both");
    let native = scene.build(&format!("FROM {both}\nRUN true\n"), &[]);
    assert_eq!(native.code, 0, "{native:?}");
    let text =
        format!("FROM --platform=linux/s390x {both} AS other\nFROM {both}\nCOPY --from=other /foreign /\n");
    let refused = scene.build(&text, &[]);
    assert!(refused.code == 1 && refused.err.contains("images.signed_by is own"), "{refused:?}");
}

#[test]
fn results_of_steps_go_to_other_machines() {
    let Some(scene) = Scene::new("results_of_steps_go_to_other_machines") else { return };
    let base = scene.base.clone();
    let text = format!(
        "FROM {base} AS tool\nRUN head -c 16 /dev/urandom | od > /tool\nFROM {base}\n\
        RUN head -c 16 /dev/urandom | od > /made\nCOPY --from=tool /tool /tool\nRUN cat /made /tool > /both\n"
    );
    let folder = scene.home.path().join("cache");
    let (to, from) =
        (format!("type=local,dest={}", folder.display()), format!("type=local,src={}", folder.display()));
    let name = scene.registry.name("cache:1");
    let named = format!("type=registry,ref={name}");
    let id = |scene: &Scene, more: &[&str]| {
        let ran = scene.build(&text, &[&["-q"], more].concat());
        assert_eq!(ran.code, 0, "{ran:?}");
        ran.out.trim().to_owned()
    };
    let first =
        id(&scene, &["--cache-to", &format!("{to},mode=max"), "--cache-to", &format!("{named},mode=max")]);
    let other = |more: &[&str]| {
        let home = Home::new();
        let mut args = vec!["build", "-q", "--compression", "none"];
        args.extend(more);
        args.push(scene.project.path().to_str().unwrap());
        let ran = home.run(&args);
        assert_eq!(ran.code, 0, "{ran:?}");
        (home, ran.out.trim().to_owned())
    };
    for place in [&from, &named, &name] {
        let (home, built) = other(&["--cache-from", place]);
        assert_eq!(built, first, "{place}");
        assert_eq!(home.run(&["image", "verify", "--all"]).code, 0);
        assert_eq!(home.ok(&["images", "-q", "-a"]).lines().count(), 2, "the base and the result");
    }
    // Random numbers differ where nothing was taken.
    assert_ne!(other(&[]).1, first);
    assert_ne!(other(&["--cache-from", &from, "--no-cache"]).1, first);
    // Only what the image holds: the other stage is done anew, and so is what depends on it.
    let least = scene.home.path().join("least");
    id(&scene, &["--cache-to", &format!("type=local,dest={}", least.display())]);
    assert_ne!(other(&["--cache-from", &format!("type=local,src={}", least.display())]).1, first);
    // A blob that is not what it is called is not taken, and the build goes on.
    let blobs = folder.join("blobs/sha256");
    for entry in std::fs::read_dir(&blobs).unwrap().flatten() {
        if entry.metadata().unwrap().len() > 1024 {
            let mut bytes = std::fs::read(entry.path()).unwrap();
            bytes[600] ^= 1;
            std::fs::write(entry.path(), bytes).unwrap();
        }
    }
    for place in [from.as_str(), "type=local,src=/none", base.as_str()] {
        assert_ne!(other(&["--cache-from", place]).1, first, "{place}");
    }
    // What the zone says of images holds for a cache.
    for (rules, why) in [
        ("allowed = [\"trusted.example/*\"]", "images.allowed is trusted.example/*"),
        ("allowed = [\"*\"]\nrequire_digest = true", "images.require_digest is true"),
        ("allowed = [\"*\"]\nsigned_by = [\"own\"]", "wants images signed"),
    ] {
        scene.rules(rules);
        let refused = scene.build("FROM scratch\nCOPY Dockerfile /\n", &["--cache-from", &named]);
        let said = ["zone `steps`", why, name.as_str()];
        assert!(refused.code == 1 && said.iter().all(|part| refused.err.contains(part)), "{refused:?}");
    }
    assert_eq!(scene.home.remains(), [""; 0]);
}

/// BuildKit's caches, in both of its forms and as a folder, and an image: what they are is told, and the build is done.
#[test]
fn a_cache_of_buildkits_is_told_of_and_the_build_goes_on() {
    let Some(scene) = Scene::new("a_cache_of_buildkits_is_told_of_and_the_build_goes_on") else { return };
    scene.home.ok(&["pull", "-q", &scene.base]);
    let config = r#"{"layers":[],"records":[]}"#;
    let blob = cofferdam_image::digest_of(config.as_bytes());
    let (head, _) = ask(&scene.registry, "POST /v2/box/blobs/uploads/", "", "");
    let place = head.lines().find_map(|line| line.strip_prefix("Location: ")).unwrap();
    let place = place.split_once("//").map_or(place, |(_, rest)| &rest[rest.find('/').unwrap()..]);
    let line = format!("PUT {place}&digest={blob}");
    let (head, body) = ask(&scene.registry, &line, "Content-Type: application/octet-stream\r\n", config);
    assert!(head.contains("201"), "{head} {body}");
    let described = serde_json::json!({
        "mediaType": "application/vnd.buildkit.cacheconfig.v0",
        "digest": blob,
        "size": config.len(),
    });
    let index_type = "application/vnd.oci.image.index.v1+json";
    let manifest_type = "application/vnd.oci.image.manifest.v1+json";
    let index = serde_json::json!({ "schemaVersion": 2, "mediaType": index_type, "manifests": [described] });
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": manifest_type, "config": described, "layers": [],
    });
    for (tag, kind, text) in [("index", index_type, &index), ("manifest", manifest_type, &manifest)] {
        let line = format!("PUT /v2/box/manifests/{tag}");
        let (head, body) =
            ask(&scene.registry, &line, &format!("Content-Type: {kind}\r\n"), &text.to_string());
        assert!(head.contains("201"), "{tag}: {head} {body}");
    }
    let folder = scene.project.path().join("cache");
    let blobs = folder.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    let text = index.to_string();
    let digest = cofferdam_image::digest_of(text.as_bytes());
    std::fs::write(blobs.join(digest.hex()), &text).unwrap();
    let top = serde_json::json!({
        "schemaVersion": 2,
        "manifests": [{ "mediaType": index_type, "digest": digest, "size": text.len() }],
    });
    std::fs::write(folder.join("index.json"), top.to_string()).unwrap();
    let name = |tag: &str| scene.registry.name(&format!("box:{tag}"));
    for (place, what) in [
        (name("index"), "it is BuildKit's"),
        (format!("type=registry,ref={}", name("manifest")), "it is BuildKit's"),
        (format!("type=local,src={}", folder.display()), "it is BuildKit's"),
        (scene.base.clone(), "it is no cache, but an image"),
        (name("nothing"), "is not used"),
    ] {
        let ran = scene.build(&format!("FROM {}\nRUN true\n", scene.base), &["--cache-from", &place]);
        assert_eq!(ran.code, 0, "{place}: {ran:?}");
        assert!(ran.err.contains("note: the cache") && ran.err.contains(what), "{place}: {}", ran.err);
    }
    // What cannot be written ends a build, or does not, as was said.
    let nowhere = "type=registry,ref=127.0.0.1:1/x:1";
    let text = format!("FROM {}\nRUN true\n", scene.base);
    assert_ne!(scene.build(&text, &["--cache-to", nowhere]).code, 0);
    let ran = scene.build(&text, &["--cache-to", &format!("{nowhere},ignore-error=true")]);
    assert!(ran.code == 0 && ran.err.contains("is not written"), "{ran:?}");
}
