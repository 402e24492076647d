//! Configurations and manifests of images: any bytes end in a document or an error.

#![no_main]

use cofferdam_image::{Document, ImageConfigFile, MediaType};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = ImageConfigFile::parse(bytes);
    for kind in [
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    ] {
        if let Ok(kind) = kind.parse::<MediaType>() {
            let _ = Document::parse(&kind, bytes);
        }
    }
});
