//! Registries that break off, stall, lie and send elsewhere: each pull ends in bounded time with a clear error, uses nothing that
//! is wrong, and the next try carries on.
#![allow(clippy::unwrap_used, reason = "tests: a failed unwrap is a failed test")]

mod registries;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use cofferdam_image::registry::{PullOptions, PushOptions, RegistryError, Silent};
use cofferdam_image::{Descriptor, MediaType, Store, StoreError};
use registries::images::{client, name, noise, put_image, put_index, store};
use registries::server::{Asked, Says, Server};

/// Short waits, for tests.
const QUICK: &str =
    "connect_timeout = \"2s\"\nidle_timeout = \"300ms\"\nretries = 2\nretry_delay = \"5ms\"\n";

/// An image as a server has it.
struct Hosted {
    _folder: tempfile::TempDir,
    store: Store,
    manifest: Descriptor,
    layer: Descriptor,
}

const LAYER: usize = 1 << 20;

fn hosted() -> Arc<Hosted> {
    let (folder, store) = store();
    let lease = store.lease().unwrap();
    let manifest = put_image(&lease, "linux/amd64", &[noise(7, LAYER)]);
    let (_, read) = store.manifest(&manifest, &"linux/amd64".parse().unwrap()).unwrap();
    Arc::new(Hosted { _folder: folder, store, manifest, layer: read.layers[0].clone() })
}

impl Hosted {
    fn bytes(&self, digest: &str) -> Vec<u8> {
        std::fs::read(self.store.blob_path(&digest.parse().unwrap())).unwrap()
    }

    /// What an honest registry says.
    fn says(&self, asked: &Asked) -> Says {
        let last = asked.path.rsplit('/').next().unwrap();
        if asked.path.contains("/manifests/") {
            let digest = if last == "1" { self.manifest.digest.as_str() } else { last };
            Says::document(MediaType::OCI_MANIFEST, &self.bytes(digest))
        } else if asked.path.contains("/blobs/") {
            Says::blob(asked, &self.bytes(last))
        } else {
            Says::new(200)
        }
    }

    fn is_layer(&self, asked: &Asked) -> bool {
        asked.path.ends_with(self.layer.digest.as_str())
    }
}

/// A server of which the layer is special.
fn server_of_layer(
    hosted: &Arc<Hosted>,
    layer: impl Fn(&Asked, Says) -> Says + Send + Sync + 'static,
) -> Server {
    let hosted = Arc::clone(hosted);
    Server::start(move |asked| {
        let says = hosted.says(asked);
        if hosted.is_layer(asked) { layer(asked, says) } else { says }
    })
}

fn pull(server: &Server, to: &Store) -> Result<(), RegistryError> {
    let lease = to.lease().unwrap();
    let image = name(&server.name("app:1"));
    client(QUICK, None).pull(&lease, &image, &PullOptions::default(), &Silent).map(|_| ())
}

fn has_layer(to: &Store, hosted: &Hosted) -> bool {
    to.contains(&hosted.layer.digest)
}

#[test]
fn a_cut_connection_carries_on_where_it_was() {
    let hosted = hosted();
    let server = server_of_layer(&hosted, |_, says| Says { cut: Some(300_000), ..says });
    let (_folder, to) = store();
    let before = hosted.manifest.size + 1000;
    pull(&server, &to).unwrap();
    assert!(has_layer(&to, &hosted));
    // Each byte came once: the layer, its manifest and its configuration.
    assert!(server.sent() < hosted.layer.size + before, "{} bytes were sent", server.sent());
    assert_eq!(server.count("GET /v2/app/blobs/"), 1 + 4);
}

#[test]
fn a_pull_that_failed_is_carried_on_by_the_next_command() {
    let hosted = hosted();
    // Dies after a part, and answers nothing but failures from then on.
    let server = server_of_layer(&hosted, |asked, says| {
        if asked.start() == 0 { Says { cut: Some(600_000), ..says } } else { Says::new(503) }
    });
    let (_folder, to) = store();
    let error = pull(&server, &to).unwrap_err();
    assert!(matches!(error, RegistryError::Status { status: 503, .. }), "{error:?}");
    assert!(!has_layer(&to, &hosted) && to.images().unwrap().is_empty());
    let honest = server_of_layer(&hosted, |_, says| says);
    pull(&honest, &to).unwrap();
    assert!(has_layer(&to, &hosted));
    assert!(honest.sent() < hosted.layer.size - 600_000 + 4000, "{} bytes were sent again", honest.sent());
}

#[test]
fn a_server_that_cannot_carry_on_begins_anew() {
    let hosted = hosted();
    let tries = AtomicUsize::new(0);
    let whole = hosted.bytes(hosted.layer.digest.as_str());
    let server = server_of_layer(&hosted, move |_, _| {
        let says = Says::new(200).body(whole.clone());
        if tries.fetch_add(1, Ordering::Relaxed) == 0 { Says { cut: Some(500_000), ..says } } else { says }
    });
    let (_folder, to) = store();
    pull(&server, &to).unwrap();
    assert!(has_layer(&to, &hosted));
}

#[test]
fn a_part_that_was_wrong_is_fetched_anew() {
    let hosted = hosted();
    let tries = AtomicUsize::new(0);
    // The first part is of something else.
    let server = server_of_layer(&hosted, move |_, says| {
        if tries.fetch_add(1, Ordering::Relaxed) == 0 {
            Says { cut: Some(500_000), body: noise(99, says.body.len()), ..says }
        } else {
            says
        }
    });
    let (_folder, to) = store();
    // Within one pull it is a wrong digest; what was wrong is gone, so that the next one succeeds.
    let error = pull(&server, &to).unwrap_err();
    assert!(matches!(error, RegistryError::Store(StoreError::WrongDigest { .. })), "{error:?}");
    pull(&server, &to).unwrap();
    assert!(has_layer(&to, &hosted));
}

#[test]
fn a_stalled_connection_ends_in_bounded_time() {
    let hosted = hosted();
    let server = server_of_layer(&hosted, |_, says| Says { stall: Some(10_000), ..says });
    let (_folder, to) = store();
    let begin = Instant::now();
    let error = pull(&server, &to).unwrap_err();
    assert!(matches!(error, RegistryError::Broken { times: 3, .. }), "{error:?}");
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    let silent = Server::start(|_| Says { stall: Some(0), length: Some(5), ..Says::new(200) });
    let begin = Instant::now();
    assert!(pull(&silent, &to).is_err());
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
}

#[test]
fn a_registry_that_drips_ends_in_bounded_time() {
    let hosted = hosted();
    let server = server_of_layer(&hosted, |_, says| Says { drip: Some(10_000), ..says });
    let (_folder, to) = store();
    let begin = Instant::now();
    let error = pull(&server, &to).unwrap_err();
    let RegistryError::Broken { times: 3, source, .. } = &error else { panic!("{error:?}") };
    assert!(source.to_string().contains("bytes a second"), "{source}");
    // So does one whose documents drip.
    let hosted_too = Arc::clone(&hosted);
    let drips = Server::start(move |asked| Says { drip: Some(5), ..hosted_too.says(asked) });
    assert!(pull(&drips, &to).is_err());
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    // What came is kept, and the next try carries on.
    let honest = Arc::clone(&hosted);
    let server = Server::start(move |asked| honest.says(asked));
    pull(&server, &to).unwrap();
    assert!(server.sent() < (LAYER - 10_000 + 4000) as u64, "{}", server.sent());
    assert!(has_layer(&to, &hosted));
}

#[test]
fn lies_about_blobs_are_refused() {
    let hosted = hosted();
    let (size, digest) = (hosted.layer.size, hosted.layer.digest.clone());
    type Lie = Box<dyn Fn(&Asked, Says) -> Says + Send + Sync>;
    let lies: Vec<(&str, Lie)> = vec![
        ("longer by its header", Box::new(move |_, says| Says { length: Some(size + 1), ..says })),
        (
            "shorter by its header",
            Box::new(move |_, says| Says { length: Some(size - 1), body: says.body[1..].into(), ..says }),
        ),
        ("another content", Box::new(|_, says| Says { body: noise(3, says.body.len()), ..says })),
        ("a part that was not asked for", Box::new(|_, says| Says { status: 206, ..says })),
        ("not found", Box::new(|_, _| Says::new(404))),
        ("no success", Box::new(|_, _| Says::new(204))),
    ];
    for (lie, says) in lies {
        let server = server_of_layer(&hosted, says);
        let (_folder, to) = store();
        let error = pull(&server, &to).unwrap_err();
        assert!(!to.contains(&digest) && to.images().unwrap().is_empty(), "{lie}");
        assert!(error.to_string().contains(&digest.hex()[..20]), "{lie}: {error}");
    }
}

#[test]
fn lies_about_manifests_are_refused() {
    let hosted = hosted();
    let bytes = hosted.bytes(hosted.manifest.digest.as_str());
    let text = String::from_utf8(bytes.clone()).unwrap();
    let document = |media_type: &str, text: &str| Says::document(media_type, text.as_bytes());
    let huge = format!("{}{}", text, " ".repeat(5 << 20));
    let cases = [
        ("a page", document("text/html", "<html>")),
        ("another type", document(MediaType::OCI_INDEX, &text)),
        ("no JSON", document(MediaType::OCI_MANIFEST, "{")),
        (
            "schema 1",
            document("application/vnd.docker.distribution.manifest.v1+prettyjws", "{\"schemaVersion\":1}"),
        ),
        ("too large", document(MediaType::OCI_MANIFEST, &huge)),
        ("too large without saying so", Says { length: None, ..document(MediaType::OCI_MANIFEST, &huge) }),
        (
            "another digest in its header",
            document(MediaType::OCI_MANIFEST, &text)
                .header("Docker-Content-Digest", format!("sha256:{}", "00".repeat(32))),
        ),
        (
            "foreign layers",
            document(
                MediaType::OCI_MANIFEST,
                &text
                    .replace(MediaType::OCI_LAYER, "application/vnd.oci.image.layer.nondistributable.v1.tar"),
            ),
        ),
        (
            "another size of its configuration",
            document(MediaType::OCI_MANIFEST, &text.replacen("\"size\":", "\"size\":1", 1)),
        ),
        (
            "a huge configuration",
            document(MediaType::OCI_MANIFEST, &text.replacen("\"size\":", "\"size\":99999999", 1)),
        ),
    ];
    for (lie, says) in cases {
        let (of_server, honest) = (says.clone(), Arc::clone(&hosted));
        let server = Server::start(move |asked| {
            if asked.path.contains("/manifests/") { of_server.clone() } else { honest.says(asked) }
        });
        let (_folder, to) = store();
        assert!(pull(&server, &to).is_err(), "{lie}");
        assert!(to.images().unwrap().is_empty(), "{lie}");
    }
    // By digest, the document must have it.
    let other = Arc::clone(&hosted);
    let server = Server::start(move |asked| {
        let mut says = other.says(asked);
        says.body.push(b' ');
        says
    });
    let (_folder, to) = store();
    let lease = to.lease().unwrap();
    let image = name(&format!("{}@{}", server.name("app"), hosted.manifest.digest));
    let error = client(QUICK, None).pull(&lease, &image, &PullOptions::default(), &Silent).unwrap_err();
    assert!(matches!(error, RegistryError::Store(StoreError::WrongDigest { .. })), "{error:?}");
}

#[test]
fn an_index_must_say_what_its_images_are() {
    let (_folder, from) = store();
    let lease = from.lease().unwrap();
    let manifest = put_image(&lease, "linux/amd64", &[noise(1, 100)]);
    for wrong in [
        Descriptor { size: manifest.size + 1, ..manifest.clone() },
        Descriptor { media_type: MediaType::DOCKER_MANIFEST.parse().unwrap(), ..manifest.clone() },
    ] {
        let index = put_index(&lease, &[("linux/amd64", wrong)]);
        let (index, manifest) = (from.read_small(&index).unwrap(), from.read_small(&manifest).unwrap());
        let server = Server::start(move |asked| match asked.path.as_str() {
            "/v2/app/manifests/1" => Says::document(MediaType::OCI_INDEX, &index),
            path if path.contains("/manifests/") => Says::document(MediaType::OCI_MANIFEST, &manifest),
            _ => Says::new(404),
        });
        let (_folder, to) = store();
        assert!(pull(&server, &to).is_err());
        assert_eq!(server.count("/blobs/"), 0);
    }
}

#[test]
fn a_layer_that_is_another_than_its_configuration_says_is_refused() {
    let (_folder, from) = store();
    let lease = from.lease().unwrap();
    let manifest = put_image(&lease, "linux/amd64", &[noise(1, 200_000)]);
    let (_, read) = from.manifest(&manifest, &"linux/amd64".parse().unwrap()).unwrap();
    // A whole and right blob that is no tar, and one that is another tar.
    for layer in [noise(5, 200_000), registries::images::tar_of("other", &noise(6, 200_000))] {
        let layer = registries::images::put_blob(&lease, MediaType::OCI_LAYER, &layer);
        let text = String::from_utf8(from.read_small(&manifest).unwrap()).unwrap();
        let text = text
            .replace(read.layers[0].digest.as_str(), layer.digest.as_str())
            .replace(&format!("\"size\":{}", read.layers[0].size), &format!("\"size\":{}", layer.size));
        let blobs = from.clone();
        let server = Server::start(move |asked| match asked.path.rsplit_once('/').unwrap() {
            (_, "1") => Says::document(MediaType::OCI_MANIFEST, text.as_bytes()),
            (_, digest) => match digest.parse() {
                Ok(digest) => Says::blob(asked, &std::fs::read(blobs.blob_path(&digest)).unwrap()),
                Err(_) => Says::new(200),
            },
        });
        let (_folder, to) = store();
        let error = pull(&server, &to).unwrap_err();
        assert!(matches!(error, RegistryError::Layer(_)), "{error:?}");
        assert!(to.images().unwrap().is_empty());
        let layers = std::fs::read_dir(to.folder().join("layers")).unwrap().count();
        assert_eq!(layers, 0, "nothing of it is left");
    }
}

#[test]
fn failures_that_pass_are_tried_again_and_others_are_not() {
    let hosted = hosted();
    for (status, passes) in [(429, true), (500, true), (503, true), (400, false), (501, false)] {
        let tries = AtomicUsize::new(0);
        let server = server_of_layer(&hosted, move |_, says| {
            if tries.fetch_add(1, Ordering::Relaxed) < 2 { Says::new(status) } else { says }
        });
        let (_folder, to) = store();
        assert_eq!(pull(&server, &to).is_ok(), passes, "{status}");
    }
    let server = server_of_layer(&hosted, |_, _| Says::new(429).header("Retry-After", "86400"));
    let (_folder, to) = store();
    let error = pull(&server, &to).unwrap_err();
    assert!(matches!(error, RegistryError::Later { seconds: 86400, .. }), "{error:?}");
    // It says how long, and is believed.
    let tries = AtomicUsize::new(0);
    let server = server_of_layer(&hosted, move |_, says| {
        if tries.fetch_add(1, Ordering::Relaxed) == 0 {
            Says::new(429).header("Retry-After", "1")
        } else {
            says
        }
    });
    let begin = Instant::now();
    pull(&server, &to).unwrap();
    assert!(begin.elapsed() >= Duration::from_secs(1));
}

#[test]
fn what_a_registry_says_of_a_failure_is_shown_without_what_drives_a_terminal() {
    let body = "{\"errors\":[{\"code\":\"DENIED\",\"message\":\"\\u001b[2Jpay\\nfirst\"}]}";
    let server = Server::start(move |_| Says::new(403).body(body));
    let (_folder, to) = store();
    let error = pull(&server, &to).unwrap_err().to_string();
    assert!(error.contains("([2Jpay first)") && !error.contains('\u{1b}'), "{error:?}");
}

#[test]
fn credentials_stay_with_the_registry_when_it_sends_elsewhere() {
    let hosted = hosted();
    let (there, of_there) = (Arc::clone(&hosted), Arc::clone(&hosted));
    let elsewhere = Server::start(move |asked| there.says(asked));
    let to_there = elsewhere.host();
    let server = Server::start(move |asked| {
        if asked.header("authorization").is_empty() {
            return Says::new(401).header("WWW-Authenticate", "Basic realm=\"x\"");
        }
        if of_there.is_layer(asked) {
            return Says::new(307).header("Location", format!("http://{to_there}{}", asked.path));
        }
        of_there.says(asked)
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.json");
    let auth = BASE64_STANDARD.encode("me:secret");
    std::fs::write(&file, format!("{{\"auths\":{{\"{}\":{{\"auth\":\"{auth}\"}}}}}}", server.host()))
        .unwrap();
    let (_folder, to) = store();
    let lease = to.lease().unwrap();
    let image = name(&server.name("app:1"));
    client(QUICK, Some(&file)).pull(&lease, &image, &PullOptions::default(), &Silent).unwrap();
    assert!(has_layer(&to, &hosted));
    let asked = elsewhere.asked.lock().unwrap();
    let requests: Vec<&Asked> = asked.iter().filter(|asked| asked.path.contains("/blobs/")).collect();
    assert!(!requests.is_empty() && requests.iter().all(|asked| asked.header("authorization").is_empty()));
    // In a circle, and to nowhere.
    for location in ["/v2/app/manifests/1", "ftp://x/", "http://user:password@127.0.0.1/"] {
        let server = Server::start(move |_| Says::new(302).header("Location", location));
        assert!(matches!(pull(&server, &to), Err(RegistryError::Answer { .. })), "{location}");
        assert!(server.asked.lock().unwrap().len() < 10);
    }
}

/// A token server and a registry that wants its tokens; what was asked of the token server.
fn token_servers(hosted: Arc<Hosted>, life: u64) -> (Server, Server, Arc<Mutex<Vec<String>>>) {
    let log: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&log);
    let tokens = Server::start(move |asked| {
        let mut seen = seen.lock().unwrap();
        seen.push(format!(
            "{} {} {}",
            asked.path,
            asked.header("authorization"),
            String::from_utf8_lossy(&asked.body)
        ));
        let number = seen.len();
        Says::new(200).body(format!("{{\"token\":\"t{number}\",\"expires_in\":{life}}}"))
    });
    let realm = format!("http://{}/token", tokens.host());
    let used = AtomicUsize::new(0);
    let server = Server::start(move |asked| {
        let token = asked.header("authorization").strip_prefix("Bearer t").map(str::to_owned);
        // The first token is taken for two requests and is over then.
        let good = match token.as_deref() {
            Some("1") => used.fetch_add(1, Ordering::Relaxed) < 2,
            Some(_) => true,
            None => false,
        };
        if good {
            hosted.says(asked)
        } else {
            let challenge = format!("Bearer realm=\"{realm}\",service=\"s\",scope=\"repository:app:pull\"");
            Says::new(401).header("WWW-Authenticate", challenge)
        }
    });
    (tokens, server, log)
}

#[test]
fn tokens_are_fetched_used_and_renewed() {
    let hosted = hosted();
    let (_tokens, server, log) = token_servers(Arc::clone(&hosted), 300);
    let (_folder, to) = store();
    pull(&server, &to).unwrap();
    let asked = log.lock().unwrap().clone();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert_eq!(asked[0].trim(), "/token?service=s&scope=repository%3Aapp%3Apull");
    // With a password, and with an identity token.
    for (entry, wanted) in [
        (format!("\"auth\":\"{}\"", BASE64_STANDARD.encode("me:secret")), "Basic bWU6c2VjcmV0"),
        (
            "\"identitytoken\":\"ID/1\"".to_owned(),
            "grant_type=refresh_token&client_id=cofferdam&service=s&scope=repository%3Aapp%3Apull&refresh_token=ID%2F1",
        ),
    ] {
        let (_tokens, server, log) = token_servers(Arc::clone(&hosted), 300);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.json");
        std::fs::write(&file, format!("{{\"auths\":{{\"{}\":{{{entry}}}}}}}", server.host())).unwrap();
        let (_folder, to) = store();
        let lease = to.lease().unwrap();
        let image = name(&server.name("app:1"));
        client(QUICK, Some(&file)).pull(&lease, &image, &PullOptions::default(), &Silent).unwrap();
        let asked = log.lock().unwrap().clone();
        assert!(asked[0].contains(wanted), "{asked:?}");
    }
}

#[test]
fn a_mirror_is_asked_first_and_passed_over_when_it_lacks_something() {
    let hosted = hosted();
    let (one, two, three) = (Arc::clone(&hosted), Arc::clone(&hosted), Arc::clone(&hosted));
    let registry = Server::start(move |asked| one.says(asked));
    let whole = Server::start(move |asked| two.says(asked));
    let half =
        Server::start(move |asked| if three.is_layer(asked) { Says::new(404) } else { three.says(asked) });
    let empty = Server::start(|_| Says::new(404));
    for (mirror, blobs) in [(&whole, 0), (&half, 1), (&empty, 2)] {
        let before = registry.count("/blobs/");
        let (_folder, to) = store();
        let lease = to.lease().unwrap();
        let settings = format!(
            "{QUICK}[registry.\"{}\"]\nmirrors = [\"http://{}/hub\"]\n",
            registry.host(),
            mirror.host()
        );
        let image = name(&registry.name("app:1"));
        client(&settings, None).pull(&lease, &image, &PullOptions::default(), &Silent).unwrap();
        assert_eq!(registry.count("/blobs/") - before, blobs);
        assert!(mirror.count("GET /v2/hub/app/manifests/1") == 1);
    }
}

#[test]
fn an_upload_that_breaks_off_carries_on_where_it_was() {
    let (_folder, from) = store();
    let lease = from.lease().unwrap();
    let manifest = put_image(&lease, "linux/amd64", &[noise(5, 35 << 20)]);
    let got: Arc<Mutex<Vec<u8>>> = Arc::default();
    let (kept, broken) = (Arc::clone(&got), AtomicUsize::new(0));
    let server = Server::start(move |asked| {
        let mut kept = kept.lock().unwrap();
        let place = |status: u16, size: usize| {
            Says::new(status)
                .header("Location", "/up/1?x=y")
                .header("Range", format!("0-{}", size.saturating_sub(1)))
        };
        match (asked.method.as_str(), asked.path.as_str()) {
            ("HEAD", _) => Says::new(404),
            ("POST", _) => place(202, 0),
            ("GET", "/up/1?x=y") => place(204, kept.len()),
            ("PATCH", _) => {
                // The second part arrives by half, and nobody says so.
                let half = kept.len() > 1 << 20 && broken.fetch_add(1, Ordering::Relaxed) == 0;
                let end = if half { asked.body.len() / 2 } else { asked.body.len() };
                kept.extend_from_slice(&asked.body[..end]);
                if half { Says::new(500) } else { place(202, kept.len()) }
            }
            ("PUT", path) if path.starts_with("/up/1") => {
                if asked.body.len() > 1000 || !kept.is_empty() {
                    kept.extend_from_slice(&asked.body);
                }
                Says::new(201)
            }
            _ => Says::new(201),
        }
    });
    let image = name(&server.name("app:1"));
    lease.put_reference(&image, &manifest).unwrap();
    client(QUICK, None).push(&from, &image, &PushOptions::default(), &Silent).unwrap();
    let got = got.lock().unwrap();
    let (_, read) = from.manifest(&manifest, &"linux/amd64".parse().unwrap()).unwrap();
    // The configuration goes to the same place: it may stand before or after.
    let layer = std::fs::read(from.blob_path(&read.layers[0].digest)).unwrap();
    assert!(got.windows(4096).any(|part| part == &layer[layer.len() - 8192..layer.len() - 4096]));
    assert!(got.len() >= layer.len() && got.len() < layer.len() + 5000, "{} of {}", got.len(), layer.len());
}
