//! Documents, names and registries' answers that were right and have been changed somewhere: each is read or refused, in bounded
//! time, and what is accepted is what it says.
#![allow(clippy::unwrap_used, reason = "tests: a failed unwrap is a failed test")]

mod registries;

use std::sync::Arc;
use std::time::{Duration, Instant};

use cofferdam_image::registry::{PullOptions, Silent};
use cofferdam_image::{Document, ImageConfigFile, MediaType, digest_of};
use cofferdam_names::ImageReference;
use proptest::prelude::*;
use registries::images::{client, kind, name, noise, put_image, put_index, store};
use registries::server::{Asked, Says, Server};

/// One change of a text: where (in thousandths of it), what is done, and with which bytes.
type Change = (usize, u8, Vec<u8>);

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let piece = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..6),
        // What means something in JSON, in names and in headers.
        proptest::sample::select(vec![
            "\"",
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "null",
            "-1",
            "1e999",
            "18446744073709551616",
            "\\ud800",
            "../",
            "@",
            "sha256:",
            "\0",
            "\r\n",
            "true",
            "[[[[[[[[",
            "\"size\":0",
            "\"mediaType\":1",
            "\"layers\":[]",
            "999999999999",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    proptest::collection::vec((0usize..1000, 0u8..4, piece), 1..4)
}

fn changed(bytes: &[u8], changes: &[Change]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for (place, what, piece) in changes {
        let at = bytes.len() * place / 1000;
        let end = (at + piece.len()).min(bytes.len());
        match what {
            0 => drop(bytes.splice(at..at, piece.iter().copied())),
            1 => drop(bytes.splice(at..end, piece.iter().copied())),
            2 => drop(bytes.drain(at..end)),
            // The same piece of it twice.
            _ => {
                let again = bytes[at..(at + 40).min(bytes.len())].to_vec();
                bytes.splice(at..at, again);
            }
        }
    }
    bytes
}

/// A manifest, an index and a configuration as they are made here.
fn documents() -> Vec<(&'static str, Vec<u8>)> {
    let (_folder, store) = store();
    let lease = store.lease().unwrap();
    let manifest = put_image(&lease, "linux/amd64", &[noise(1, 100), noise(2, 100)]);
    let index = put_index(&lease, &[("linux/amd64", manifest.clone()), ("linux/arm64/v8", manifest.clone())]);
    let (_, read) = store.manifest(&manifest, &"linux/amd64".parse().unwrap()).unwrap();
    vec![
        (MediaType::OCI_MANIFEST, store.read_small(&manifest).unwrap()),
        (MediaType::OCI_INDEX, store.read_small(&index).unwrap()),
        (MediaType::OCI_CONFIG, store.read_small(&read.config).unwrap()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changed_documents_are_read_or_refused(changes in changes()) {
        for (media_type, bytes) in documents() {
            let bytes = changed(&bytes, &changes);
            if media_type == MediaType::OCI_CONFIG {
                if let Ok(config) = ImageConfigFile::parse(&bytes) {
                    let again = ImageConfigFile::parse(&config.to_bytes().unwrap());
                    prop_assert_eq!(again.unwrap(), config);
                }
                continue;
            }
            match Document::parse(&kind(media_type), &bytes) {
                Ok(Document::Manifest(manifest)) => {
                    let again = Document::parse(&manifest.media_type, &manifest.to_bytes().unwrap());
                    prop_assert_eq!(again.unwrap(), Document::Manifest(manifest));
                }
                Ok(Document::Index(index)) => {
                    let again = Document::parse(&index.media_type, &index.to_bytes().unwrap());
                    prop_assert_eq!(again.unwrap(), Document::Index(index));
                }
                Err(_) => {}
            }
        }
    }

    #[test]
    fn changed_names_are_read_or_refused(changes in changes()) {
        let digest = digest_of(b"x");
        for text in [
            "busybox".to_owned(),
            "docker.io/library/busybox:1.36".to_owned(),
            format!("[2001:db8::1]:5000/a-b/c__d:tag@{digest}"),
        ] {
            let text = String::from_utf8_lossy(&changed(text.as_bytes(), &changes)).into_owned();
            if let Ok(name) = text.parse::<ImageReference>() {
                prop_assert_eq!(&name.to_string().parse::<ImageReference>().unwrap(), &name);
                prop_assert!(!name.to_string().contains(|c: char| c.is_control() || c == ' '), "{:?}", text);
                prop_assert!(!name.repository().split('/').any(|part| part.is_empty() || part == ".."), "{}", text);
            }
        }
    }
}

/// Headers that a registry's answer may have, also with what cannot be.
fn header() -> impl Strategy<Value = (String, String)> {
    let names = proptest::sample::select(vec![
        "Content-Type",
        "Content-Range",
        "Docker-Content-Digest",
        "Location",
        "WWW-Authenticate",
        "Retry-After",
        "Content-Encoding",
        "Link",
        "Transfer-Encoding",
        "Connection",
    ]);
    let values = proptest::sample::select(vec![
        "",
        "x",
        "application/vnd.oci.image.index.v1+json",
        "bytes 0-1/2",
        "bytes 18446744073709551615-0/1",
        "0",
        "1",
        "sha256:0000000000000000000000000000000000000000000000000000000000000000",
        "Bearer realm=\"http://127.0.0.1:1/\"",
        "Bearer realm=\"\"",
        "Basic",
        "/v2/../../etc",
        "//127.0.0.1:1/x",
        "chunked",
        "gzip",
        "close",
        "</v2/x>; rel=\"next\"",
    ]);
    (names, values).prop_map(|(name, value)| (name.to_owned(), value.to_owned()))
}

/// How one answer of a registry differs from an honest one's.
#[derive(Debug, Clone)]
struct Lie {
    /// Of the requests that a pull makes, this one.
    number: usize,
    status: Option<u16>,
    headers: Vec<(String, String)>,
    changes: Vec<Change>,
    cut: Option<usize>,
}

fn lie() -> impl Strategy<Value = Lie> {
    let status = proptest::option::of(proptest::sample::select(vec![
        100, 200, 201, 204, 206, 301, 307, 400, 401, 404, 416, 429, 500, 503, 599,
    ]));
    let headers = proptest::collection::vec(header(), 0..3);
    let changes = prop_oneof![Just(Vec::new()), changes()];
    (0usize..6, status, headers, changes, proptest::option::of(0usize..3000))
        .prop_map(|(number, status, headers, changes, cut)| Lie { number, status, headers, changes, cut })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_registry_whose_answers_are_changed_ends_a_pull_and_spoils_nothing(lies in proptest::collection::vec(lie(), 1..3)) {
        let (_from_folder, from) = store();
        let lease = from.lease().unwrap();
        let manifest = put_image(&lease, "linux/amd64", &[noise(7, 2000)]);
        drop(lease);
        let (honest, top) = (from.clone(), manifest.digest.clone());
        let says = move |asked: &Asked| {
            let last = asked.path.rsplit('/').next().unwrap();
            let bytes = |digest: &str| {
                let digest = digest.parse().ok()?;
                std::fs::read(honest.blob_path(&digest)).ok()
            };
            let digest = if last == "1" { top.as_str() } else { last };
            match bytes(digest) {
                Some(bytes) if asked.path.contains("/manifests/") => Says::document(MediaType::OCI_MANIFEST, &bytes),
                Some(bytes) => Says::blob(asked, &bytes),
                None if asked.path == "/v2/" => Says::new(200),
                None => Says::new(404),
            }
        };
        let says = Arc::new(says);
        let (truthful, count) = (Arc::clone(&says), std::sync::atomic::AtomicUsize::new(0));
        let told = lies.clone();
        let server = Server::start(move |asked| {
            let number = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let mut answer = truthful(asked);
            for lie in told.iter().filter(|lie| lie.number == number) {
                answer.status = lie.status.unwrap_or(answer.status);
                answer.headers.extend(lie.headers.iter().cloned());
                answer.body = changed(&answer.body, &lie.changes);
                answer.cut = lie.cut.or(answer.cut);
            }
            answer
        });
        let (_folder, to) = store();
        let quick = "connect_timeout = \"1s\"\nidle_timeout = \"200ms\"\nretries = 2\nretry_delay = \"1ms\"\n";
        let pull = |from: &Server| {
            let lease = to.lease().unwrap();
            client(quick, None).pull(&lease, &name(&from.name("app:1")), &PullOptions::default(), &Silent)
        };
        let begin = Instant::now();
        let pulled = pull(&server);
        // `Retry-After: 1` may be said twice.
        prop_assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
        let verified = to.verify_all().unwrap();
        prop_assert!(verified.problems.is_empty(), "{:?}", verified.problems);
        match pulled {
            Ok(pulled) => prop_assert!(to.contains(&pulled.manifest.digest)),
            Err(_) => prop_assert!(to.images().unwrap().is_empty()),
        }
        // An honest one gives the image, whatever was there before.
        let honest = Server::start(move |asked| says(asked));
        prop_assert_eq!(pull(&honest).unwrap().manifest.digest, manifest.digest);
    }
}
