//! How an image was made (SLSA provenance, version 1), without what may be secret (the values of build arguments) and without
//! what differs between two builds of the same (times, names of machines).

use std::collections::BTreeMap;

use cofferdam_names::Digest;
use serde_json::{Value, json};

/// An image that a build began with or took files from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Material {
    /// Its name in the Dockerfile.
    pub name: String,
    /// For which platform it was taken.
    pub platform: String,
    /// Its manifest's digest.
    pub digest: Digest,
}

/// What is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// What the Dockerfile is called.
    pub file: String,
    /// The digest of its text.
    pub dockerfile: Digest,
    /// The stage that was built.
    pub target: String,
    /// `linux/amd64`
    pub platform: String,
    /// The names of the build arguments that were given.
    pub arguments: Vec<String>,
    /// Images.
    pub materials: Vec<Material>,
}

impl Provenance {
    /// The predicate of its statement.
    #[must_use]
    pub fn predicate(&self) -> Value {
        let materials: Vec<Value> = self
            .materials
            .iter()
            .map(|material| {
                let uri = format!("pkg:docker/{}?platform={}", material.name, material.platform);
                json!({ "uri": uri, "digest": BTreeMap::from([("sha256", material.digest.hex())]) })
            })
            .collect();
        json!({
            "buildDefinition": {
                "buildType": "https://cofferdam.dev/build/dockerfile/v1",
                "externalParameters": {
                    "configSource": { "path": self.file, "digest": { "sha256": self.dockerfile.hex() } },
                    "request": { "target": self.target, "platform": self.platform, "argumentNames": self.arguments },
                },
                "internalParameters": { "builderVersion": env!("CARGO_PKG_VERSION") },
                "resolvedDependencies": materials,
            },
            "runDetails": { "builder": { "id": "https://cofferdam.dev/build" } },
        })
    }
}
