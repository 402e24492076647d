//! What is said of an image beside it: which packages are in it, and how it was made. Both are in-toto statements
//! (in-toto.io/Statement/v1), of which nothing depends on when or where the build ran.

mod packages;
mod provenance;
mod spdx;

use cofferdam_names::Digest;
use serde_json::{Value, json};

pub use packages::{Package, PackageKind, packages};
pub use provenance::{Material, Provenance};
pub use spdx::spdx;

/// The media type of a statement.
pub const STATEMENT: &str = "application/vnd.in-toto+json";

/// The kind of a statement of packages (spdx.dev).
pub const SPDX: &str = "https://spdx.dev/Document";

/// The kind of a statement of provenance (slsa.dev).
pub const SLSA: &str = "https://slsa.dev/provenance/v1";

/// A statement about an image's manifest.
#[must_use]
pub fn statement(name: &str, image: &Digest, kind: &str, predicate: &Value) -> Value {
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "name": name, "digest": { "sha256": image.hex() } }],
        "predicateType": kind,
        "predicate": predicate,
    })
}
