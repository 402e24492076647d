//! `[images]`: which images a zone lets run.

use cofferdam_names::KeyName;
use cofferdam_settings::{Reader, Section};

use super::parse::replace;
use super::{Setting, Zone};

/// Which images may run in a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageRules {
    /// Patterns of image names, `*` for any text. A name fits in any of its forms: short or whole, with its tag or without.
    pub allowed: Setting<Vec<String>>,
    /// Whether an image must be asked for by its digest, so that its name alone cannot lead to another one.
    pub require_digest: Setting<bool>,
    /// Keys of this host (`image trust`), one of which must have signed the image; empty for no such rule.
    pub signed_by: Setting<Vec<KeyName>>,
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
    if let Some(entry) = reader.take(&mut section, "keyless") {
        let rule = "signatures with certificates instead of keys are not built yet; use signed_by";
        reader.refuse(&entry, &section, rule);
    }
    for key in ["max_severity", "max_age"] {
        if let Some(entry) = reader.take(&mut section, key) {
            reader.refuse(&entry, &section, "its enforcement is not built yet");
        }
    }
    reader.finish(section);
}
