//! Whether the zone lets the image run.

use std::collections::BTreeSet;

use cofferdam_names::{Digest, ImageReference, KeyName};
use serde::{Deserialize, Serialize};

use super::{Planner, PolicyError, beyond};
use crate::Zone;
use crate::zone::{Setting, matches_pattern};

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
}

impl Planner<'_> {
    pub(super) fn admit_image(&self) -> Result<(), PolicyError> {
        let asked = self.request.zone.as_ref();
        if let Some(asked) = asked.filter(|asked| **asked != self.zone.name.value) {
            let rule = format!("the request is for zone `{asked}`");
            return Err(PolicyError::invalid(format!("zone `{}`", self.zone.name.value), rule));
        }
        self.check_source()?;
        check_digest(self.zone, &self.request.image)?;
        self.check_signature()
    }

    fn check_source(&self) -> Result<(), PolicyError> {
        let Setting { value: patterns, place } = &self.zone.images.allowed;
        let image = &self.request.image;
        let origin = &self.context.origin;
        if self.request.is_host_image() {
            let fits = patterns.iter().any(|pattern| matches_pattern(pattern, image));
            return if fits {
                Ok(())
            } else {
                Err(self.beyond(format!("image {image}"), place, ceiling(patterns)))
            };
        }
        // An id has no source of its own: its names have.
        let any = patterns.iter().any(|pattern| pattern == "*");
        if !any && !origin.names.iter().any(|name| allows(self.zone, name)) {
            return Err(self.beyond(format!("image {image}"), place, ceiling(patterns)));
        }
        // A name that was given here says nothing of where an image is from.
        match origin.pulled.first() {
            Some(from) if !any && !origin.pulled.iter().any(|name| allows(self.zone, name)) => {
                let asked = format!("image {image}, which was pulled as {}", from.familiar());
                Err(self.beyond(asked, place, ceiling(patterns)))
            }
            _ => Ok(()),
        }
    }

    fn check_signature(&self) -> Result<(), PolicyError> {
        let Setting { value: keys, place } = &self.zone.images.signed_by;
        let signed = &self.context.origin.signed_by;
        let host = self.request.is_host_image();
        if keys.is_empty() || (!host && keys.iter().any(|key| signed.contains(key))) {
            return Ok(());
        }
        let words: Vec<&str> = keys.iter().map(AsRef::as_ref).collect();
        let asked = format!("image {} without a signature by one of these keys", self.request.image);
        Err(self.beyond(asked, place, format!("images.signed_by is {}", words.join(", "))))
    }
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
