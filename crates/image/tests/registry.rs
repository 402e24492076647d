//! Pull and push with Debian's docker-registry: what goes there comes back the same.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests: a failed unwrap is a failed test")]

mod registries;

use std::sync::Mutex;

use cofferdam_image::registry::{
    BlobState, Progress, PullOptions, PushOptions, RegistryError, RegistrySettings, Silent,
};
use cofferdam_image::signature::{PublicKey, SigningKey};
use cofferdam_image::{Descriptor, Document, Lease, Manifest, MediaType, Store};
use cofferdam_names::Digest;
use registries::certificates::Certificates;
use registries::debian_registry::{DebianRegistry, Wishes};
use registries::images::{client, client_of, name, noise, put_blob, put_image, put_index, store};

/// Remembers the last state of each blob.
#[derive(Default)]
struct Watch(Mutex<Vec<(Digest, BlobState)>>);

impl Progress for Watch {
    fn blob(&self, digest: &Digest, _: u64, state: BlobState) {
        let mut seen = self.0.lock().unwrap();
        seen.retain(|(known, _)| known != digest);
        seen.push((digest.clone(), state));
    }
}

impl Watch {
    fn count(&self, state: BlobState) -> usize {
        self.0.lock().unwrap().iter().filter(|(_, seen)| *seen == state).count()
    }
}

fn blobs(store: &Store) -> usize {
    std::fs::read_dir(store.folder().join("blobs/sha256")).unwrap().count()
}

#[test]
fn what_was_pushed_is_pulled_with_the_same_digest() {
    let Some(registry) = DebianRegistry::start("what_was_pushed_is_pulled", &Wishes::default()) else {
        return;
    };
    let (client, (_one, from), (_two, to)) = (client("", None), store(), store());
    let lease = from.lease().unwrap();
    // One layer that goes in parts.
    let layers = [noise(1, 17 << 20), noise(2, 100_000), Vec::new()];
    let manifest = put_image(&lease, "linux/amd64", &layers);
    let image = name(&registry.name("team/app:1"));
    lease.put_reference(&image, &manifest).unwrap();
    let watch = Watch::default();
    let pushed = client.push(&from, &image, &PushOptions::default(), &watch).unwrap();
    assert_eq!((&pushed, watch.count(BlobState::Done)), (&manifest, 4));

    let lease = to.lease().unwrap();
    let watch = Watch::default();
    let pulled = client.pull(&lease, &image, &PullOptions::default(), &watch).unwrap();
    assert_eq!((&pulled.descriptor, &pulled.manifest, pulled.unchanged), (&manifest, &manifest, false));
    assert_eq!(to.pulled_as(&manifest.digest).unwrap(), std::slice::from_ref(&image));
    assert_eq!(watch.count(BlobState::Done), 3);
    assert_eq!(blobs(&to), 5);
    assert_eq!(to.reference(&image).unwrap().unwrap().digest, manifest.digest);
    let again = client.pull(&lease, &image, &PullOptions::default(), &Silent).unwrap();
    assert!(again.unchanged);
    let by_digest = name(&format!("{}@{}", registry.name("team/app"), manifest.digest));
    assert_eq!(
        client.pull(&lease, &by_digest, &PullOptions::default(), &Silent).unwrap().descriptor,
        manifest
    );

    // A second push moves nothing, one to another repository mounts, and one with a new layer moves that.
    let lease = from.lease().unwrap();
    let watch = Watch::default();
    client.push(&from, &image, &PushOptions::default(), &watch).unwrap();
    assert_eq!(watch.count(BlobState::Present), 4);
    let other = name(&registry.name("other/app:2"));
    lease
        .put_reference(&other, &put_image(&lease, "linux/amd64", &[layers[0].clone(), noise(9, 10)]))
        .unwrap();
    let watch = Watch::default();
    client.push(&from, &other, &PushOptions::default(), &watch).unwrap();
    assert_eq!((watch.count(BlobState::Mounted), watch.count(BlobState::Done)), (1, 2));
    let tags = client.tags(&name(&registry.name("team/app"))).unwrap();
    assert_eq!(tags, [image]);
    for missing in ["team/app:none", "nobody/app:1"] {
        let error = client.pull(&lease, &name(&registry.name(missing)), &PullOptions::default(), &Silent);
        assert!(matches!(error, Err(RegistryError::NotFound { .. })), "{error:?}");
    }
}

#[test]
fn an_index_is_pushed_whole_and_pulled_for_one_platform() {
    let Some(registry) = DebianRegistry::start("an_index_is_pushed_whole", &Wishes::default()) else {
        return;
    };
    let (client, (_one, from), (_two, to)) = (client("", None), store(), store());
    let lease = from.lease().unwrap();
    let amd = put_image(&lease, "linux/amd64", &[noise(1, 1000), noise(2, 1000)]);
    let arm = put_image(&lease, "linux/arm64", &[noise(1, 1000), noise(3, 1000)]);
    let index = put_index(&lease, &[("linux/amd64", amd.clone()), ("linux/arm64/v8", arm.clone())]);
    let image = name(&registry.name("multi:1"));
    lease.put_reference(&image, &index).unwrap();
    client.push(&from, &image, &PushOptions::default(), &Silent).unwrap();

    let lease = to.lease().unwrap();
    let options = |platform: &str| PullOptions { platform: Some(platform.parse().unwrap()) };
    let pulled = client.pull(&lease, &image, &options("linux/arm64"), &Silent).unwrap();
    assert_eq!((&pulled.descriptor.digest, &pulled.manifest.digest), (&index.digest, &arm.digest));
    assert!(!to.contains(&amd.digest));
    assert!(matches!(to.document(&pulled.descriptor).unwrap(), Document::Index(_)));
    let error = client.pull(&lease, &image, &options("linux/s390x"), &Silent).unwrap_err().to_string();
    assert!(error.contains("linux/s390x") && error.contains("linux/amd64, linux/arm64/v8"), "{error}");
    // Not all of it is here: refused, and one platform may be pushed alone.
    let copy = name(&registry.name("copy:1"));
    lease.put_reference(&copy, &pulled.descriptor).unwrap();
    let error = client.push(&to, &copy, &PushOptions::default(), &Silent).unwrap_err();
    assert!(error.to_string().contains("linux/amd64 of its index is not here"), "{error}");
    let alone = PushOptions { platform: Some("linux/arm64".parse().unwrap()) };
    assert_eq!(client.push(&to, &copy, &alone, &Silent).unwrap().digest, arm.digest);
    let both = client.pull(&lease, &image, &options("linux/amd64"), &Silent).unwrap();
    assert_eq!(both.manifest.digest, amd.digest);
    client.push(&to, &copy, &PushOptions::default(), &Silent).unwrap();
    // A lone manifest of another platform, where one was asked for.
    let lone = name(&registry.name("lone:1"));
    lease.put_reference(&lone, &arm).unwrap();
    client.push(&to, &lone, &PushOptions::default(), &Silent).unwrap();
    assert!(client.pull(&lease, &lone, &options("linux/amd64"), &Silent).is_err());
}

#[test]
fn a_password_lets_in() {
    let wishes = Wishes { basic: true, ..Wishes::default() };
    let Some(registry) = DebianRegistry::start("a_password_lets_in", &wishes) else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("docker/config.json");
    let (client, (_one, from)) = (client("", Some(&file)), store());
    let lease = from.lease().unwrap();
    let image = name(&registry.name("app:1"));
    lease.put_reference(&image, &put_image(&lease, "linux/amd64", &[noise(1, 1000)])).unwrap();
    let push = || client.push(&from, &image, &PushOptions::default(), &Silent);
    assert!(matches!(push(), Err(RegistryError::Denied { anonymous: true, .. })));
    let denied = client.login(&registry.host(), "me", "wrong").unwrap_err();
    assert!(matches!(denied, RegistryError::Denied { anonymous: false, .. }), "{denied}");
    assert!(!file.exists());
    assert_eq!(client.login(&registry.host(), "me", "secret").unwrap().file, Some(file.clone()));
    push().unwrap();
    client.pull(&lease, &image, &PullOptions::default(), &Silent).unwrap();
    assert!(client.logout(&registry.host()).unwrap());
    assert!(!client.logout(&registry.host()).unwrap());
    assert!(client.pull(&lease, &image, &PullOptions::default(), &Silent).is_err());
}

#[test]
fn certificates_are_checked_and_the_clients_own_is_shown() {
    let files = Certificates::make();
    let (certificate, key, ca) = (files.path("server.pem"), files.path("server.key"), files.path("ca.pem"));
    let wishes = Wishes { tls: Some((&certificate, &key, Some(&ca))), ..Wishes::default() };
    let Some(registry) = DebianRegistry::start("certificates_are_checked", &wishes) else { return };
    let (_one, from) = store();
    let lease = from.lease().unwrap();
    let image = name(&registry.name("app:1"));
    lease.put_reference(&image, &put_image(&lease, "linux/amd64", &[noise(1, 1000)])).unwrap();
    let host = registry.host();
    let client_pem = format!(
        "client_certificate = {:?}\nclient_key = {:?}\n",
        files.path("client.pem"),
        files.path("client.key")
    );
    let push = |settings: &str| {
        let client = client(&format!("retries = 0\n[registry.\"{host}\"]\n{settings}"), None);
        client.push(&from, &image, &PushOptions::default(), &Silent)
    };
    // Nobody knows the authority; the authority is known and the client is not; both are.
    for refused in [client_pem.clone(), format!("ca = {ca:?}\n"), "transport = \"http\"\n".to_owned()] {
        assert!(push(&refused).is_err(), "{refused}");
    }
    push(&format!("ca = {ca:?}\n{client_pem}")).unwrap();
    push(&format!("transport = \"unverified-tls\"\n{client_pem}")).unwrap();
    // The folders that Docker has.
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join(&host);
    std::fs::create_dir(&own).unwrap();
    for (from, to) in [("ca.pem", "ca.crt"), ("client.pem", "me.cert"), ("client.key", "me.key")] {
        std::fs::copy(files.path(from), own.join(to)).unwrap();
    }
    let settings = RegistrySettings {
        certificate_folders: vec![folder.path().to_owned()],
        ..RegistrySettings::default()
    };
    client_of(settings.clone(), None).push(&from, &image, &PushOptions::default(), &Silent).unwrap();
    std::fs::remove_file(own.join("me.key")).unwrap();
    let error = client_of(settings, None).push(&from, &image, &PushOptions::default(), &Silent).unwrap_err();
    assert!(matches!(error, RegistryError::Certificate { what: "the key", .. }), "{error}");
}

/// The manifest of something that is about an image and says so.
fn put_attestation(lease: &Lease, subject: &Descriptor, kind: &str) -> Descriptor {
    let manifest = Manifest {
        media_type: registries::images::kind(MediaType::OCI_MANIFEST),
        config: put_blob(lease, MediaType::OCI_EMPTY, b"{}"),
        layers: vec![put_blob(lease, kind, b"{\"about\":1}")],
        subject: Some(subject.clone()),
        artifact_type: Some(kind.to_owned()),
        annotations: Default::default(),
    };
    let bytes = manifest.to_bytes().unwrap();
    let descriptor = lease.put_small(manifest.media_type, &bytes).unwrap();
    lease.put_referrer(&subject.digest, &descriptor).unwrap();
    descriptor
}

#[test]
fn signatures_go_with_their_image_and_come_back() {
    let Some(registry) = DebianRegistry::start("signatures_go_with_their_image", &Wishes::default()) else {
        return;
    };
    let (client, (_one, from), (_two, to)) = (client("", None), store(), store());
    let lease = from.lease().unwrap();
    let image = name(&registry.name("signed:1"));
    let manifest = put_image(&lease, "linux/amd64", &[noise(1, 1000)]);
    lease.put_reference(&image, &manifest).unwrap();
    let keys: Vec<SigningKey> = (0..2).map(|_| SigningKey::generate().unwrap().0).collect();
    let publics: Vec<PublicKey> = keys.iter().map(SigningKey::public).collect();
    let publics: Vec<&PublicKey> = publics.iter().collect();
    lease.sign(&image, &manifest, &keys[0]).unwrap();
    let sbom = put_attestation(&lease, &manifest, "application/spdx+json");
    client.push(&from, &image, &PushOptions::default(), &Silent).unwrap();
    // The second key's signature stands beside the first's; pushing twice adds nothing.
    lease.sign(&image, &manifest, &keys[1]).unwrap();
    client.push(&from, &image, &PushOptions::default(), &Silent).unwrap();
    client.push(&from, &image, &PushOptions::default(), &Silent).unwrap();

    let lease = to.lease().unwrap();
    client.pull(&lease, &image, &PullOptions::default(), &Silent).unwrap();
    let digests = [manifest.digest.clone()];
    assert!(to.signers(&digests, &publics).unwrap().is_empty());
    assert_eq!(client.pull_signatures(&lease, &image, &digests).unwrap(), 1);
    assert_eq!(to.signers(&digests, &publics).unwrap().len(), 2);
    // This registry has no referrers' API: the tag stands for it. An SBOM is no signature.
    let tag = image.with_tag(&format!("sha256-{}", manifest.digest.hex())).unwrap();
    let lease = from.lease().unwrap();
    assert!(client.tags(&image).unwrap().contains(&tag));
    let about = client.pull(&lease, &tag, &PullOptions::default(), &Silent).unwrap();
    assert_eq!(about.manifest.digest, sbom.digest);
    assert!(from.contains(&sbom.digest) && !to.contains(&sbom.digest));
    // An image without signatures has none.
    let plain = name(&registry.name("plain:1"));
    lease.put_reference(&plain, &put_image(&lease, "linux/amd64", &[noise(2, 10)])).unwrap();
    let pushed = client.push(&from, &plain, &PushOptions::default(), &Silent).unwrap();
    assert_eq!(client.pull_signatures(&lease, &plain, &[pushed.digest]).unwrap(), 0);
}
