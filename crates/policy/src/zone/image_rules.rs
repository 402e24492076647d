//! `[images]`: which images a zone lets run.

use std::fmt;

use cofferdam_names::KeyName;
use cofferdam_settings::{Reader, Section};
use serde::{Deserialize, Serialize};

use super::parse::replace;
use super::{Setting, Zone, matches_pattern};

/// Which images may run in a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageRules {
    /// Patterns of image names, `*` for any text. A name fits in any of its forms: short or whole, with its tag or without.
    pub allowed: Setting<Vec<String>>,
    /// Whether an image must be asked for by its digest, so that its name alone cannot lead to another one.
    pub require_digest: Setting<bool>,
    /// Keys of this host (`image trust`), one of which must have signed the image; empty for no such rule.
    pub signed_by: Setting<Vec<KeyName>>,
    /// Who else may have signed it, with a certificate of an authority that this host trusts.
    pub keyless: Setting<Vec<SignerPattern>>,
}

/// Whose certificate it was that an image was signed with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertifiedSigner {
    /// A mail address, or the URI of a workflow.
    pub subject: String,
    /// The address of who told the authority so.
    pub issuer: String,
}

/// Whose certificates count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignerPattern {
    /// `*` for any text.
    subject: String,
    issuer: String,
}

impl SignerPattern {
    /// Reads `SUBJECT by ISSUER`.
    fn parse(text: &str) -> Option<Self> {
        let (subject, issuer) = text.split_once(" by ")?;
        // Whoever may tell who somebody is must be said: anybody could run a provider that says anything.
        let whole = |text: &str| !text.is_empty() && !text.contains(|letter: char| letter.is_whitespace());
        let known =
            whole(subject) && whole(issuer) && !issuer.contains('*') && !subject.trim_matches('*').is_empty();
        known.then(|| Self { subject: subject.to_owned(), issuer: issuer.to_owned() })
    }

    /// Whether it means this one.
    fn means(&self, signer: &CertifiedSigner) -> bool {
        self.issuer == signer.issuer && matches_pattern(&self.subject, &signer.subject)
    }
}

impl fmt::Display for SignerPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} by {}", self.subject, self.issuer)
    }
}

impl ImageRules {
    /// Whether an image must have been signed.
    #[must_use]
    pub fn want_signature(&self) -> bool {
        !self.signed_by.value.is_empty() || !self.keyless.value.is_empty()
    }

    /// Whether this one's certificates count.
    #[must_use]
    pub fn means(&self, signer: &CertifiedSigner) -> bool {
        self.keyless.value.iter().any(|pattern| pattern.means(signer))
    }
}

pub(super) fn read<'i>(reader: &mut Reader<'i>, mut section: Section<'i>, zone: &mut Zone) {
    let rule = "it is a pattern of image names, such as \"host\" or \"registry.example/*\"";
    let allowed = reader.list(&mut section, "allowed", rule, |word| {
        (!word.is_empty() && !word.contains(char::is_whitespace)).then(|| word.to_owned())
    });
    replace(&mut zone.images.allowed, allowed);
    let rule = "it is true or false";
    let require_digest = reader.value(&mut section, "require_digest", rule, |value| value.as_bool());
    replace(&mut zone.images.require_digest, require_digest);
    let rule = "it is the name of a key that `cofferdam image trust add` brought in";
    let signed_by = reader.list(&mut section, "signed_by", rule, |word| word.parse().ok());
    replace(&mut zone.images.signed_by, signed_by);
    let rule = "it is \"SUBJECT by ISSUER\", such as \"release@example.org by https://accounts.example.org\", with * for any text \
                in the subject alone";
    let keyless = reader.list(&mut section, "keyless", rule, SignerPattern::parse);
    replace(&mut zone.images.keyless, keyless);
    for key in ["max_severity", "max_age"] {
        if let Some(entry) = reader.take(&mut section, key) {
            reader.refuse(&entry, &section, "its enforcement is not built yet");
        }
    }
    reader.finish(section);
}
