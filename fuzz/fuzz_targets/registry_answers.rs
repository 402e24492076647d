//! Registries' answers: whatever a registry says, a pull ends soon, and nothing that it said is taken for an image.
//!
//! The input is what the registry answers to each request in turn, cut at `%%`; the last one again and again. It needs root: what
//! an answer leads to must not be reached, so all of it happens in a network of its own.

#![no_main]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use cofferdam_image::Store;
use cofferdam_image::registry::{Client, CredentialFiles, PullOptions, RegistrySettings, Silent};
use cofferdam_kernel::link::bring_loopback_up;
use cofferdam_kernel::namespace::{Namespace, unshare};
use libfuzzer_sys::fuzz_target;

const SETTINGS: &str =
    "connect_timeout = \"200ms\"\nidle_timeout = \"200ms\"\nretries = 1\nretry_delay = \"1ms\"\n";

/// What is still to be said.
static ANSWERS: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

struct Scene {
    address: SocketAddr,
    store: Store,
    client: Client,
}

fn scene() -> &'static Scene {
    static SCENE: OnceLock<Scene> = OnceLock::new();
    SCENE.get_or_init(|| {
        unshare(Namespace::Network).expect("a network of its own");
        bring_loopback_up().expect("loopback");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        std::thread::spawn(move || listener.incoming().flatten().for_each(answer));
        let folder = std::env::temp_dir().join(format!("cofferdam-fuzz-{}", std::process::id()));
        let store = Store::open(&folder).expect("a store");
        let settings = RegistrySettings::parse("registries.toml", SETTINGS).expect("settings");
        let settings = RegistrySettings { certificate_folders: Vec::new(), ..settings };
        Scene { address, store, client: Client::new(settings, CredentialFiles::default()) }
    })
}

/// One answer for one connection.
fn answer(mut stream: std::net::TcpStream) {
    let _ = stream.set_read_timeout(Some(Duration::from_millis(200)));
    let mut asked = [0; 4096];
    let _ = stream.read(&mut asked);
    let text = {
        let mut answers = ANSWERS.lock().expect("nobody panics");
        if answers.len() > 1 { answers.remove(0) } else { answers.first().cloned().unwrap_or_default() }
    };
    if !text.starts_with(b"HTTP/") {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n");
    }
    let _ = stream.write_all(&text);
}

fuzz_target!(|bytes: &[u8]| {
    // It may say to come back in a minute, and then that is done.
    if bytes.to_ascii_lowercase().windows(11).any(|part| part == b"retry-after") {
        return;
    }
    let Scene { address, store, client } = scene();
    let mut answers = vec![Vec::new()];
    for byte in bytes {
        match answers.last_mut() {
            Some(last) if *byte == b'%' && last.last() == Some(&b'%') => {
                last.pop();
                answers.push(Vec::new());
            }
            Some(last) => last.push(*byte),
            None => {}
        }
    }
    *ANSWERS.lock().expect("nobody panics") = answers;
    let name = format!("{address}/app:1").parse().expect("a name");
    let begin = Instant::now();
    let lease = store.lease().expect("a lease");
    // It cannot name the digest of what it says itself: so much luck nobody has.
    assert!(client.pull(&lease, &name, &PullOptions::default(), &Silent).is_err());
    assert!(begin.elapsed() < Duration::from_secs(8), "{:?}", begin.elapsed());
});
