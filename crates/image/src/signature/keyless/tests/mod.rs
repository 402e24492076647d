//! Signatures with certificates of a made authority: what holds, and each thing that is missing or was changed.

use serde_json::{Value, json};

use super::super::bundle::Bundle;
use super::super::simple;
use super::*;
use crate::{Descriptor, MediaType, digest_of};

mod second;

#[path = "../../../../../../bin/cofferdam/tests/sigstore/mod.rs"]
mod sigstore;

use sigstore::{SIGNED, Sigstore, Wish, base64};

const MAIL: &str = "release@example.org";

fn root(sigstore: &Sigstore) -> TrustRoot {
    TrustRoot::parse(sigstore.trust_root().to_string().as_bytes()).unwrap()
}

fn releaser() -> Identity {
    Identity { subject: MAIL.to_owned(), issuer: "https://accounts.example.org".to_owned() }
}

/// Judges a signature of some bytes, of which something was changed.
fn judged(
    trusted: &Sigstore,
    by: &Sigstore,
    wish: &Wish,
    change: impl FnOnce(&mut sigstore::Made),
) -> Result<Identity, Unproven> {
    let mut made = by.sign(wish, "hashedrekord", b"text", b"text");
    change(&mut made);
    of_text(&root(trusted), &made)
}

/// Judges a signature of the bytes `text`.
fn of_text(root: &TrustRoot, made: &sigstore::Made) -> Result<Identity, Unproven> {
    let entry = serde_json::from_value(made.entry.clone()).unwrap();
    root.judge(&Claim {
        certificate: &made.certificate,
        signed: b"text",
        logged: b"text",
        signature: &made.signature,
        entry: &entry,
        timestamps: &made.timestamps,
    })
}

#[test]
fn who_signed_is_told_when_all_holds() {
    let sigstore = Sigstore::make();
    assert_eq!(judged(&sigstore, &sigstore, &Wish::of(MAIL), |_| ()), Ok(releaser()));
    let workflow = "https://git.example/a/.github/workflows/release.yml@refs/tags/v1";
    let uri = rcgen::SanType::URI(workflow.try_into().unwrap());
    let found = judged(&sigstore, &sigstore, &Wish { subject: uri, ..Wish::of(MAIL) }, |_| ());
    assert_eq!(found.unwrap().subject, workflow);
    // Before version 0.2 of bundles a log proved nothing: its signed time is what counts.
    let old = |made: &mut sigstore::Made| drop(made.entry.as_object_mut().unwrap().remove("inclusionProof"));
    assert_eq!(judged(&sigstore, &sigstore, &Wish::of(MAIL), old), Ok(releaser()));
}

#[test]
fn each_thing_that_is_missing_is_found() {
    let (sigstore, other) = (Sigstore::make(), Sigstore::make());
    let wish = Wish::of(MAIL);
    let check = |wish: &Wish, change: fn(&mut sigstore::Made), why| {
        assert_eq!(judged(&sigstore, &sigstore, wish, change), Err(why), "{why}");
    };
    check(&wish, |made| made.certificate[3] ^= 1, Unproven::Certificate);
    check(&wish, |made| made.signature[9] ^= 1, Unproven::Signature);
    // A log, an authority that nobody trusts here: both are another sigstore's.
    assert_eq!(judged(&sigstore, &other, &wish, |_| ()), Err(Unproven::NotLogged));
    // What the log has signed is changed, or proves nothing.
    let set = |made: &mut sigstore::Made, at: &str, value: Value| {
        let place = made.entry.pointer_mut(at).unwrap();
        assert_ne!(*place, value);
        *place = value;
    };
    for (at, value) in [
        ("/integratedTime", json!((sigstore::NOON + 1).to_string())),
        ("/logIndex", json!("1")),
        ("/inclusionPromise/signedEntryTimestamp", json!(base64(b"none"))),
        ("/inclusionPromise", Value::Null),
        ("/inclusionProof/logIndex", json!("1")),
        ("/inclusionProof/logIndex", json!("7")),
        ("/inclusionProof/treeSize", json!("6")),
        ("/inclusionProof/treeSize", json!("0")),
        ("/inclusionProof/rootHash", json!(base64(&[1; 32]))),
        ("/inclusionProof/hashes/0", json!(base64(&[1; 32]))),
        ("/inclusionProof/hashes", json!(vec![base64(&[1; 32]); 70])),
        ("/inclusionProof/checkpoint/envelope", json!("log.example\n5\nAA==\n\n\u{2014} x AAAAAA==\n")),
        ("/canonicalizedBody", json!(base64(b"{}"))),
        ("/logId/keyId", json!(base64(&[1; 32]))),
    ] {
        let found = judged(&sigstore, &sigstore, &wish, |made| set(made, at, value.clone()));
        assert_eq!(found, Err(Unproven::NotLogged), "{at} {value}");
    }
    let logged = Wish { logged: Some(b"other".to_vec()), ..wish.clone() };
    check(&logged, |_| (), Unproven::OtherEntry);
    // Two days later its certificate is worth nothing, and so is one for servers.
    check(&Wish { time: sigstore::NOON + 200_000, ..wish.clone() }, |_| (), Unproven::NotIssued);
    let server = rcgen::ExtendedKeyUsagePurpose::ServerAuth;
    check(&Wish { purpose: server, ..wish.clone() }, |_| (), Unproven::NotIssued);
    check(&Wish { public: false, ..wish.clone() }, |_| (), Unproven::Secret);
    check(&Wish { issuer: String::new(), ..wish.clone() }, |_| (), Unproven::Nobody);
    check(&Wish { issuer: "https://a\n".to_owned(), ..wish }, |_| (), Unproven::Nobody);
}

#[test]
fn no_changed_certificate_counts() {
    let sigstore = Sigstore::make();
    let root = root(&sigstore);
    let made = sigstore.sign(&Wish::of(MAIL), "hashedrekord", b"text", b"text");
    let entry: LogEntry = serde_json::from_value(made.entry).unwrap();
    let judge = |certificate: &[u8]| {
        root.judge(&Claim {
            certificate,
            signed: b"text",
            logged: b"text",
            signature: &made.signature,
            entry: &entry,
            timestamps: &[],
        })
    };
    assert!(judge(&made.certificate).is_ok());
    for at in 0..made.certificate.len() {
        assert!(judge(&made.certificate[..at]).is_err(), "cut at {at}");
        for change in [1, 0x80, 0xff] {
            let mut changed = made.certificate.clone();
            changed[at] ^= change;
            assert!(judge(&changed).is_err(), "{change} at {at}");
            // And none of its parts is looked for where there is none.
            let _ =
                Certificate::parse(&changed).map(|it| (it.identity(), it.promises(), it.without_promises()));
        }
    }
}

#[test]
fn an_authority_or_a_log_counts_only_in_its_time() {
    let sigstore = Sigstore::make();
    let made = sigstore.sign(&Wish::of(MAIL), "hashedrekord", b"text", b"text");
    for (at, why) in [
        ("/certificateAuthorities/0/validFor", Unproven::NotIssued),
        ("/ctlogs/0/publicKey/validFor", Unproven::Secret),
        ("/tlogs/0/publicKey/validFor", Unproven::NotLogged),
    ] {
        let mut root = sigstore.trust_root();
        *root.pointer_mut(at).unwrap() = json!({ "end": "2026-02-28T00:00:00Z" });
        let root = TrustRoot::parse(root.to_string().as_bytes()).unwrap();
        assert_eq!(of_text(&root, &made), Err(why), "{at}");
    }
}

#[test]
fn bundles_and_annotations_name_who_signed() {
    let sigstore = Sigstore::make();
    let (root, wish) = (root(&sigstore), Wish::of(MAIL));
    let (digest, other) = (digest_of(b"1"), digest_of(b"2"));
    let identity = |bundle: &Value, digest| {
        Bundle::about(bundle.to_string().as_bytes(), digest).and_then(|bundle| bundle.identity(&root))
    };
    let mut bundle = sigstore.bundle(&wish, digest.as_str(), SIGNED);
    assert_eq!(identity(&bundle, &digest), Some(releaser()));
    assert_eq!(identity(&bundle, &other), None);
    assert_eq!(
        identity(
            &sigstore.bundle(&Wish { second: true, ..Wish::of(MAIL) }, digest.as_str(), SIGNED),
            &digest
        ),
        Some(releaser())
    );
    let attestation = sigstore.bundle(&wish, digest.as_str(), "https://slsa.dev/provenance/v1");
    assert_eq!(identity(&attestation, &digest), None);
    // As it was before version 0.3.
    let material = bundle["verificationMaterial"].as_object_mut().unwrap();
    let certificate = material.remove("certificate").unwrap();
    material.insert("x509CertificateChain".to_owned(), json!({ "certificates": [certificate] }));
    assert_eq!(identity(&bundle, &digest), Some(releaser()));
    // cosign's second version: in annotations, with the log's answer in other words.
    let text = simple::payload("registry.example/app", &digest).unwrap();
    let made = sigstore.sign(&wish, "hashedrekord", &text, &text);
    let id = base64_decoded(&made.entry["logId"]["keyId"]);
    let number = |name: &str| made.entry[name].as_str().unwrap().parse::<u64>().unwrap();
    let logged = json!({
        "SignedEntryTimestamp": made.entry["inclusionPromise"]["signedEntryTimestamp"],
        "Payload": {
            "body": made.entry["canonicalizedBody"],
            "integratedTime": number("integratedTime"),
            "logIndex": number("logIndex"),
            "logID": sigstore::hex(&id),
        },
    });
    let kind: MediaType = simple::SIMPLE_SIGNING.parse().unwrap();
    let mut layer = Descriptor::new(kind, digest_of(&text), text.len() as u64);
    layer.annotations.insert(simple::CERTIFICATE.to_owned(), made.pem.clone());
    layer.annotations.insert(simple::LOGGED.to_owned(), logged.to_string());
    assert_eq!(simple::identity(&layer, &text, &made.signature, &root), Some(releaser()));
    layer.annotations.remove(simple::LOGGED);
    assert_eq!(simple::identity(&layer, &text, &made.signature, &root), None);
}

fn base64_decoded(value: &Value) -> Vec<u8> {
    use base64::Engine as _;
    base64::prelude::BASE64_STANDARD.decode(value.as_str().unwrap()).unwrap()
}

#[test]
fn what_is_no_root_of_trust_is_refused() {
    let good = Sigstore::make().trust_root();
    let error = |root: &Value| TrustRoot::parse(root.to_string().as_bytes()).unwrap_err().to_string();
    assert!(TrustRoot::parse(b"x").is_err());
    for (at, value, why) in [
        ("/mediaType", json!("text/plain"), "text/plain"),
        ("/certificateAuthorities", json!([]), "no certificate authority"),
        ("/ctlogs", json!([]), "no log of certificates"),
        ("/tlogs", json!([]), "no log of signatures"),
        // A key of a kind that is not known is no key.
        ("/tlogs/0/publicKey/rawBytes", json!("AAAA"), "no log of signatures"),
        ("/tlogs/0/publicKey/rawBytes", json!("?"), "the key of a log in it does not read"),
        ("/ctlogs/0/logId/keyId", json!("?"), "the id of a log"),
        ("/ctlogs/0/publicKey/validFor/start", json!("then"), "a time"),
        ("/certificateAuthorities/0/certChain/certificates", json!([]), "a chain"),
        ("/certificateAuthorities/0/certChain/certificates/0/rawBytes", json!("?"), "a certificate"),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(at).unwrap() = value;
        assert!(error(&bad).contains(why), "{at}: {}", error(&bad));
    }
}
