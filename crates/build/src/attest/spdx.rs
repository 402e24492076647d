//! Packages as an SPDX 2.3 document (spdx.github.io/spdx-spec/v2.3).

use cofferdam_names::{Digest, Timestamp};
use serde_json::{Value, json};

use super::Package;

/// The document of an image. `unread` are databases whose packages are not in it.
#[must_use]
pub fn spdx(name: &str, image: &Digest, created: Timestamp, packages: &[Package], unread: &[&str]) -> Value {
    let mut described: Vec<Value> = vec![json!({
        "SPDXID": "SPDXRef-image",
        "name": name,
        "versionInfo": image.as_str(),
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": false,
        "primaryPackagePurpose": "CONTAINER",
    })];
    let mut relations = vec![relation("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-image")];
    for (number, package) in packages.iter().enumerate() {
        let id = format!("SPDXRef-package-{number}");
        described.push(json!({
            "SPDXID": id,
            "name": package.name,
            "versionInfo": package.version,
            "downloadLocation": "NOASSERTION",
            "filesAnalyzed": false,
            "licenseConcluded": "NOASSERTION",
            "licenseDeclared": "NOASSERTION",
            "licenseComments": package.license.as_deref().unwrap_or_default(),
            "externalRefs": [{
                "referenceCategory": "PACKAGE-MANAGER",
                "referenceType": "purl",
                "referenceLocator": package.url(),
            }],
        }));
        relations.push(relation("SPDXRef-image", "CONTAINS", &id));
    }
    let comment = match unread {
        [] => String::new(),
        list => format!("Not read, so that their packages are missing here: {}", list.join(", ")),
    };
    json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": name,
        "documentNamespace": format!("https://cofferdam.dev/spdx/{}", image.hex()),
        "comment": comment,
        "creationInfo": {
            "created": whole_seconds(created),
            "creators": [concat!("Tool: cofferdam-", env!("CARGO_PKG_VERSION"))],
        },
        "packages": described,
        "relationships": relations,
    })
}

/// SPDX knows no parts of seconds.
fn whole_seconds(time: Timestamp) -> String {
    let text = time.to_string();
    text.split_once('.').map_or_else(|| text.clone(), |(seconds, _)| format!("{seconds}Z"))
}

fn relation(from: &str, kind: &str, to: &str) -> Value {
    json!({ "spdxElementId": from, "relationshipType": kind, "relatedSpdxElement": to })
}

#[cfg(test)]
mod tests {
    use super::super::PackageKind;
    use super::*;

    #[test]
    fn what_is_not_read_is_said() {
        let digest = cofferdam_image::digest_of(b"x");
        let package = Package {
            kind: PackageKind::Deb,
            name: "a".into(),
            version: "1".into(),
            architecture: "all".into(),
            license: None,
            distribution: "debian".into(),
        };
        let document = spdx("x", &digest, Timestamp::from_unix(0, 0), &[package], &["var/lib/rpm/Packages"]);
        assert_eq!(document["packages"].as_array().unwrap().len(), 2);
        assert_eq!(document["relationships"][1]["relatedSpdxElement"], "SPDXRef-package-0");
        assert!(document["comment"].as_str().unwrap().contains("rpm"));
        assert_eq!(document["creationInfo"]["created"], "1970-01-01T00:00:00Z");
    }
}
