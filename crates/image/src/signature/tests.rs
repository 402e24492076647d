//! Signing and checking in a store.

use super::*;
use crate::digest_of;

fn kind(text: &str) -> MediaType {
    text.parse().unwrap()
}

fn image(lease: &Lease, seed: u8) -> Descriptor {
    let manifest = Manifest {
        media_type: kind(MediaType::OCI_MANIFEST),
        config: lease.put_small(kind(MediaType::OCI_EMPTY), &[b'"', seed, b'"']).unwrap(),
        layers: Vec::new(),
        subject: None,
        artifact_type: None,
        annotations: std::collections::BTreeMap::new(),
    };
    lease.put_small(manifest.media_type.clone(), &manifest.to_bytes().unwrap()).unwrap()
}

#[test]
fn a_signature_counts_for_its_image_and_its_key_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("images")).unwrap();
    let lease = store.lease().unwrap();
    let (one, two) = (image(&lease, b'1'), image(&lease, b'2'));
    let (key, other) = (SigningKey::generate().unwrap().0, SigningKey::generate().unwrap().0);
    let (public, others) = (key.public(), other.public());
    let name: ImageReference = "registry.example/app:1".parse().unwrap();
    lease.put_reference(&name, &one).unwrap();
    let signature = lease.sign(&name, &one, &key).unwrap();
    let signers = |digest: &Descriptor, keys: &[&PublicKey]| {
        store
            .signers(std::slice::from_ref(&digest.digest), keys)
            .unwrap()
            .into_iter()
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(signers(&one, &[&others, &public]), std::slice::from_ref(&public));
    assert!(signers(&one, &[&others]).is_empty() && signers(&two, &[&public]).is_empty());
    // A signature that is hung beside another image says nothing about that.
    lease.put_referrer(&two.digest, &signature).unwrap();
    assert!(signers(&two, &[&public]).is_empty());
    // It is no image; it stays while its own does, and goes with it.
    assert_eq!(store.images().unwrap().len(), 1);
    lease.put_reference(&name.with_tag("2").unwrap(), &two).unwrap();
    drop(lease);
    let keep = crate::Reached::default();
    store.collect(&keep).unwrap().unwrap();
    assert_eq!(signers(&one, &[&public]), std::slice::from_ref(&public));
    store.remove_image(&one.digest).unwrap();
    assert!(store.referrers(&one.digest).unwrap().is_empty() && signers(&one, &[&public]).is_empty());
    store.remove_image(&two.digest).unwrap();
    store.collect(&keep).unwrap().unwrap();
    assert!(!store.contains(&signature.digest));
    assert!(store.all_referrers().unwrap().is_empty());
}

#[test]
fn bundles_count_and_what_was_changed_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("images")).unwrap();
    let lease = store.lease().unwrap();
    let one = image(&lease, b'1');
    let key = SigningKey::generate().unwrap().0;
    let public = key.public();
    let bundle = bundle::tests::bundle(&key, &one.digest, "https://sigstore.dev/cosign/sign/v1");
    let layer =
        lease.put_small(kind("application/vnd.dev.sigstore.bundle.v0.3+json"), bundle.as_bytes()).unwrap();
    let manifest = Manifest {
        media_type: kind(MediaType::OCI_MANIFEST),
        config: lease.put_small(kind(MediaType::OCI_EMPTY), b"{}").unwrap(),
        layers: vec![layer.clone()],
        subject: Some(one.clone()),
        artifact_type: Some("application/vnd.dev.sigstore.bundle.v0.3+json".to_owned()),
        annotations: std::collections::BTreeMap::new(),
    };
    let manifest = lease.put_small(manifest.media_type.clone(), &manifest.to_bytes().unwrap()).unwrap();
    lease.put_referrer(&one.digest, &manifest).unwrap();
    assert_eq!(store.signers(std::slice::from_ref(&one.digest), &[&public]).unwrap(), [&public]);
    // A disk that changed the bundle: its digest is wrong, and it proves nothing.
    std::fs::write(store.blob_path(&layer.digest), bundle.replace("tlogEntries", "tlogEntriez")).unwrap();
    assert!(store.signers(&[one.digest], &[&public]).unwrap().is_empty());
    assert_ne!(digest_of(b""), layer.digest);
}
