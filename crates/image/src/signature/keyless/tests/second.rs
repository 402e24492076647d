//! Rekor's second version, and timestamps of authorities: what holds, and each thing that is wrong.

use cofferdam_names::Digest;
use serde_json::{Value, json};

use super::super::super::bundle::Bundle;
use super::super::{Claim, TrustRoot, Unproven, timestamp};
use super::sigstore::clock::ClockParts;
use super::sigstore::{self, Clock, Sigstore, Ticks, Wish, base64};
use super::{MAIL, base64_decoded, judged, of_text, releaser, root};
use crate::digest_of;

/// Rekor's second version, with a timestamp.
fn second() -> Wish {
    Wish { second: true, ..Wish::of(MAIL) }
}

#[test]
fn the_second_version_counts_with_a_timestamp() {
    let mut sigstore = Sigstore::make();
    assert_eq!(judged(&sigstore, &sigstore, &second(), |_| ()), Ok(releaser()));
    // A chain that does not begin with the certificate that the authority signs with: the token brings it.
    sigstore.clock.known = false;
    assert_eq!(judged(&sigstore, &sigstore, &second(), |_| ()), Ok(releaser()));
    let bare = Ticks { enclosed: false, ..Ticks::default() };
    let stamped = |sigstore: &Sigstore, ticks: &Ticks| {
        let change = |made: &mut sigstore::Made| {
            made.timestamps = vec![sigstore.clock.answer(sigstore::NOON, &made.signature, ticks)];
        };
        judged(sigstore, sigstore, &second(), change)
    };
    assert_eq!(stamped(&sigstore, &bare), Err(Unproven::NotTimed));
    sigstore.clock.known = true;
    assert_eq!(stamped(&sigstore, &bare), Ok(releaser()));
    // One of several is enough, and a time of the log's own needs none.
    let several = |made: &mut sigstore::Made| made.timestamps.insert(0, b"none".to_vec());
    assert_eq!(judged(&sigstore, &sigstore, &second(), several), Ok(releaser()));
    for kind in ["dsse", "hashedrekord"] {
        let made = sigstore.sign(&second(), kind, b"signed", b"payload");
        let entry = serde_json::from_value(made.entry).unwrap();
        let (certificate, signature, timestamps) = (&made.certificate, &made.signature, &made.timestamps);
        let claim =
            |logged| Claim { certificate, signed: b"signed", logged, signature, entry: &entry, timestamps };
        assert_eq!(root(&sigstore).judge(&claim(b"payload")), Ok(releaser()), "{kind}");
        let other = root(&sigstore).judge(&claim(b"other"));
        // A hash of all that is signed is one of the payload, too.
        assert_eq!(other.is_ok(), kind == "hashedrekord", "{other:?}");
    }
}

#[test]
fn a_timestamp_that_is_wrong_in_one_thing_proves_nothing() {
    let sigstore = Sigstore::make();
    let found = |change: &dyn Fn(&mut sigstore::Made)| judged(&sigstore, &sigstore, &second(), change);
    let clock = &sigstore.clock;
    let answered = |time, ticks: &Ticks| {
        found(&|made| made.timestamps = vec![clock.answer(time, &made.signature, ticks)])
    };
    let good = Ticks::default();
    assert_eq!(answered(sigstore::NOON, &good), Ok(releaser()));
    assert_eq!(found(&|made| made.timestamps.clear()), Err(Unproven::NotTimed));
    // A timestamp over another signature, which is taken from its bundle.
    let other = sigstore.sign(&second(), "hashedrekord", b"text", b"text").timestamps;
    assert_eq!(found(&|made| made.timestamps.clone_from(&other)), Err(Unproven::NotTimed));
    for (ticks, what) in [
        (Ticks { status: 2, ..good.clone() }, "refused"),
        (Ticks { typed: false, ..good.clone() }, "of another type"),
        (Ticks { named: false, ..good.clone() }, "another certificate is named"),
        (Ticks { digested: false, ..good.clone() }, "the attributes are another content's"),
        (Ticks { digests: 0, ..good.clone() }, "without the content's digest"),
        (Ticks { digests: 2, ..good.clone() }, "with two digests"),
        (Ticks { signers: 0, ..good.clone() }, "signed by nobody"),
        (Ticks { signers: 2, ..good.clone() }, "signed by two"),
    ] {
        assert_eq!(answered(sigstore::NOON, &ticks), Err(Unproven::NotTimed), "{what}");
    }
    // Made at a time when the signer's certificate was not good yet, or not any more.
    assert_eq!(answered(sigstore::NOON + 200_000, &good), Err(Unproven::NotIssued));
    assert_eq!(answered(sigstore::NOON - 20_000_000, &good), Err(Unproven::NotTimed));
    // Any byte: of a response, that is, which leads to another time, or to none.
    let made = sigstore.sign(&second(), "hashedrekord", b"text", b"text");
    let (root, response) = (root(&sigstore), &made.timestamps[0]);
    assert_eq!(timestamp::time(&root, response, &made.signature), Some(sigstore::NOON));
    for at in 0..response.len() {
        assert_eq!(timestamp::time(&root, &response[..at], &made.signature), None, "cut at {at}");
        let mut changed = response.clone();
        changed[at] ^= 1;
        // What is not signed and not needed may be changed: versions, the list of hashes, the certificate that is known already.
        let time = timestamp::time(&root, &changed, &made.signature);
        assert!(time.is_none_or(|time| time == sigstore::NOON), "at {at}: {time:?}");
    }
}

#[test]
fn who_may_tell_the_time_is_known() {
    let wrong = |parts: &ClockParts| {
        let mut sigstore = Sigstore::make();
        sigstore.clock = Clock::of(parts);
        judged(&sigstore, &sigstore, &second(), |_| ())
    };
    let good = ClockParts::default();
    let (stamps, programs) =
        (rcgen::ExtendedKeyUsagePurpose::TimeStamping, rcgen::ExtendedKeyUsagePurpose::CodeSigning);
    assert_eq!(wrong(&good), Ok(releaser()));
    for purposes in [vec![], vec![programs.clone()], vec![stamps.clone(), programs]] {
        let parts = ClockParts { purposes, ..good.clone() };
        assert_eq!(wrong(&parts), Err(Unproven::NotTimed), "{:?}", parts.purposes);
    }
    assert_eq!(wrong(&ClockParts { critical: false, ..good.clone() }), Err(Unproven::NotTimed));
    // Its certificate has ended the day before.
    assert_eq!(wrong(&ClockParts { last_day: 28, ..good }), Err(Unproven::NotTimed));
    // One of another authority, and one that the trusted one's root has issued beside it.
    let sigstore = Sigstore::make();
    for (clock, known, counts) in [
        (Clock::make(), true, false),
        (Clock::make(), false, false),
        (sigstore.clock.sibling(), true, false),
        (sigstore.clock.sibling(), false, true),
    ] {
        let mut trusted = sigstore.trust_root();
        if !known {
            let chain =
                trusted["timestampAuthorities"][0]["certChain"]["certificates"].as_array_mut().unwrap();
            chain.remove(0);
        }
        let root = TrustRoot::parse(trusted.to_string().as_bytes()).unwrap();
        let response = clock.answer(sigstore::NOON, b"signature", &Ticks::default());
        let time = timestamp::time(&root, &response, b"signature");
        assert_eq!(time.is_some(), counts, "known: {known}");
    }
    let mut ended = sigstore.trust_root();
    ended["timestampAuthorities"][0]["validFor"] = json!({ "end": "2026-02-28T00:00:00Z" });
    let root = TrustRoot::parse(ended.to_string().as_bytes()).unwrap();
    let response = sigstore.clock.answer(sigstore::NOON, b"signature", &Ticks::default());
    assert_eq!(timestamp::time(&root, &response, b"signature"), None);
}

#[test]
fn an_entry_of_the_second_version_that_is_wrong_in_one_thing_proves_nothing() {
    let (sigstore, other) = (Sigstore::make(), Sigstore::make());
    let body = |made: &sigstore::Made| base64_decoded(&made.entry["canonicalizedBody"]);
    for (at, value) in [
        ("/logIndex", json!("3")),
        ("/inclusionProof/logIndex", json!("1")),
        ("/inclusionProof/treeSize", json!("6")),
        ("/inclusionProof/rootHash", json!(base64(&[1; 32]))),
        ("/inclusionProof/hashes/1", json!(base64(&[1; 32]))),
        ("/inclusionProof/hashes", json!([])),
        ("/inclusionProof", Value::Null),
        ("/canonicalizedBody", json!(base64(b"{}"))),
        ("/logId/keyId", json!(base64(&[1; 32]))),
    ] {
        let change = |made: &mut sigstore::Made| *made.entry.pointer_mut(at).unwrap() = value.clone();
        assert_eq!(judged(&sigstore, &sigstore, &second(), change), Err(Unproven::NotLogged), "{at}");
    }
    // The tree of another log, of one of another name, and without any signature.
    for (log, origin, cut) in [
        (&other, "log.example", false),
        (&sigstore, "other.example", false),
        (&sigstore, "log.example", true),
    ] {
        let change = |made: &mut sigstore::Made| {
            let mut note = log.checkpoint(origin, &body(made));
            if cut {
                note.truncate(note.find("\n\n").unwrap() + 2);
            }
            made.entry["inclusionProof"]["checkpoint"]["envelope"] = json!(note);
        };
        assert_eq!(
            judged(&sigstore, &sigstore, &second(), change),
            Err(Unproven::NotLogged),
            "{origin} {cut}"
        );
    }
    // A promise that is there must hold, also where there is a proof.
    let promise = |made: &mut sigstore::Made| {
        made.entry["inclusionPromise"] = json!({ "signedEntryTimestamp": base64(b"none") });
    };
    assert_eq!(judged(&sigstore, &sigstore, &second(), promise), Err(Unproven::NotLogged));
    // The entry of another artifact, and of another signature of the same one.
    let logged = Wish { logged: Some(b"other".to_vec()), ..second() };
    assert_eq!(judged(&sigstore, &sigstore, &logged, |_| ()), Err(Unproven::OtherEntry));
    let others = sigstore.sign(&second(), "hashedrekord", b"text", b"text");
    let change = |made: &mut sigstore::Made| made.entry.clone_from(&others.entry);
    assert_eq!(judged(&sigstore, &sigstore, &second(), change), Err(Unproven::OtherEntry));
    // A time at which the log's key did not count.
    let made = sigstore.sign(&second(), "hashedrekord", b"text", b"text");
    let mut root = sigstore.trust_root();
    root["tlogs"][0]["publicKey"]["validFor"] = json!({ "end": "2026-02-28T00:00:00Z" });
    let root = TrustRoot::parse(root.to_string().as_bytes()).unwrap();
    assert_eq!(of_text(&root, &made), Err(Unproven::NotTimed));
}

/// A bundle that cosign 3.1.3 made on 2026-11-28 of an image with this digest, with what servers of sigstore's own programs answered:
/// rekor-tiles 2.3.0 as the log, timestamp-authority 2.1.2. The authority that issued the certificate is one of these tests'.
#[test]
fn what_cosign_3_makes_counts() {
    let digest: Digest =
        "sha256:4efa2988b3032807a4d6b30f7b8f9be1d8daf82711763263a872bffb6815ee86".parse().unwrap();
    let root = TrustRoot::parse(include_bytes!("../cosign3/trusted_root.json")).unwrap();
    let text = include_str!("../cosign3/bundle.json");
    let identity = |text: &str, digest: &Digest| Bundle::about(text.as_bytes(), digest)?.identity(&root);
    assert_eq!(identity(text, &digest), Some(releaser()));
    assert_eq!(identity(text, &digest_of(b"1")), None);
    let bundle: Value = serde_json::from_str(text).unwrap();
    for at in [
        "/verificationMaterial/timestampVerificationData",
        "/verificationMaterial/tlogEntries/0/inclusionProof",
    ] {
        let mut bundle = bundle.clone();
        *bundle.pointer_mut(at).unwrap() = Value::Null;
        assert_eq!(identity(&bundle.to_string(), &digest), None, "{at}");
    }
}
