//! Whether the zone lets the image run.

use std::collections::BTreeSet;

use cofferdam_names::{Digest, ImageReference, KeyName};
use serde::{Deserialize, Serialize};

use super::{Planner, PolicyError, beyond};
use crate::zone::{CertifiedSigner, Setting, matches_pattern};
use crate::{HOST_IMAGE, Zone};

/// What is known of where an image is from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImageOrigin {
    /// The names by which it is meant: the one that was asked for, or all of its names where it was asked for by its id.
    pub names: Vec<ImageReference>,
    /// The names that it was pulled by; none for one that was made here.
    pub pulled: Vec<ImageReference>,
    /// The keys of this host that have signed it.
    pub signed_by: BTreeSet<KeyName>,
    /// Those who have signed it with certificates.
    pub certified: BTreeSet<CertifiedSigner>,
    /// It is what a build has made so far: the images that the build began with were judged then ([`admit_image`]).
    pub unfinished: bool,
}

impl Planner<'_> {
    pub(super) fn admit_image(&self) -> Result<(), PolicyError> {
        let asked = self.request.zone.as_ref();
        if let Some(asked) = asked.filter(|asked| **asked != self.zone.name.value) {
            let rule = format!("the request is for zone `{asked}`");
            return Err(PolicyError::invalid(format!("zone `{}`", self.zone.name.value), rule));
        }
        if self.context.origin.unfinished {
            return Ok(());
        }
        admit_image(self.zone, &self.request.image, &self.context.origin)
    }
}

/// Whether a zone lets an image run, or a build begin with it.
///
/// # Errors
/// [`PolicyError`] that names the zone, its rule and the image.
pub fn admit_image(zone: &Zone, word: &str, origin: &ImageOrigin) -> Result<(), PolicyError> {
    check_source(zone, word, origin)?;
    check_digest(zone, word)?;
    check_signature(zone, word, origin)
}

fn check_source(zone: &Zone, image: &str, origin: &ImageOrigin) -> Result<(), PolicyError> {
    let Setting { value: patterns, place } = &zone.images.allowed;
    if image == HOST_IMAGE {
        let fits = patterns.iter().any(|pattern| matches_pattern(pattern, image));
        return if fits {
            Ok(())
        } else {
            Err(beyond(zone, format!("image {image}"), place, ceiling(patterns)))
        };
    }
    // An id has no source of its own: its names have.
    let any = patterns.iter().any(|pattern| pattern == "*");
    if !any && !origin.names.iter().any(|name| allows(zone, name)) {
        return Err(beyond(zone, format!("image {image}"), place, ceiling(patterns)));
    }
    // A name that was given here says nothing of where an image is from.
    match origin.pulled.first() {
        Some(from) if !any && !origin.pulled.iter().any(|name| allows(zone, name)) => {
            let asked = format!("image {image}, which was pulled as {}", from.familiar());
            Err(beyond(zone, asked, place, ceiling(patterns)))
        }
        _ => Ok(()),
    }
}

fn check_signature(zone: &Zone, image: &str, origin: &ImageOrigin) -> Result<(), PolicyError> {
    let rules = &zone.images;
    let by_key = rules.signed_by.value.iter().any(|key| origin.signed_by.contains(key));
    let means = |signer| rules.means(signer);
    let host = image == HOST_IMAGE;
    if !rules.want_signature() || (!host && (by_key || origin.certified.iter().any(means))) {
        return Ok(());
    }
    let keys: Vec<&str> = rules.signed_by.value.iter().map(AsRef::as_ref).collect();
    let signers: Vec<String> = rules.keyless.value.iter().map(ToString::to_string).collect();
    let (by_keys, by_signers) = (
        format!("images.signed_by is {}", keys.join(", ")),
        format!("images.keyless is {}", signers.join(", ")),
    );
    let (who, place, rule) = match (keys.is_empty(), signers.is_empty()) {
        (false, true) => ("keys", &rules.signed_by.place, by_keys),
        (true, _) => ("signers", &rules.keyless.place, by_signers),
        (false, false) => ("keys or signers", &rules.signed_by.place, format!("{by_keys}, {by_signers}")),
    };
    let asked = format!("image {image} without a signature by one of these {who}");
    Err(beyond(zone, asked, place, rule))
}

/// Whether a zone lets an image be fetched for one of its containers: what can be told by its name. Who signed it is judged when it
/// is here.
///
/// # Errors
/// [`PolicyError`] that names the zone and its rule.
pub fn check_pull(zone: &Zone, name: &ImageReference, word: &str) -> Result<(), PolicyError> {
    let Setting { value: patterns, place } = &zone.images.allowed;
    if !allows(zone, name) {
        return Err(beyond(zone, format!("image {word}"), place, ceiling(patterns)));
    }
    check_digest(zone, word)
}

fn allows(zone: &Zone, name: &ImageReference) -> bool {
    let patterns = &zone.images.allowed.value;
    forms(name).iter().any(|form| patterns.iter().any(|pattern| matches_pattern(pattern, form)))
}

fn ceiling(patterns: &[String]) -> String {
    format!("images.allowed is {}", patterns.join(", "))
}

fn check_digest(zone: &Zone, image: &str) -> Result<(), PolicyError> {
    let Setting { value: required, place } = &zone.images.require_digest;
    if !*required || has_digest(image) {
        return Ok(());
    }
    let asked = format!("image {image} without a digest");
    Err(beyond(zone, asked, place, "images.require_digest is true"))
}

/// All forms of a name that a pattern may mean.
fn forms(name: &ImageReference) -> [String; 4] {
    let repository = format!("{}/{}", name.registry(), name.repository());
    [name.to_string(), name.familiar(), repository, name.familiar_repository()]
}

/// Whether an image was asked for by what it is: by a digest, or by its whole id.
fn has_digest(image: &str) -> bool {
    let hex = |text: &str| format!("sha256:{text}").parse::<Digest>().is_ok();
    image.parse::<Digest>().is_ok()
        || hex(image)
        || image.parse::<ImageReference>().is_ok_and(|name| name.digest().is_some())
}
