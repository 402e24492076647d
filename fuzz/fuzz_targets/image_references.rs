//! Names of images, digests and platforms: any text ends in a value or an error, and a value is written as it is read.

#![no_main]

use cofferdam_image::{MediaType, Platform};
use cofferdam_names::{Digest, ImageReference};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(name) = text.parse::<ImageReference>() {
        let whole = name.to_string();
        assert_eq!(whole.parse::<ImageReference>().ok().as_ref(), Some(&name));
        assert_eq!(name.familiar().parse::<ImageReference>().ok().as_ref(), Some(&name));
        assert!(!whole.contains(|letter: char| letter.is_control() || letter == ' '));
        assert!(!name.repository().split('/').any(|part| part.is_empty() || part == "." || part == ".."));
    }
    if let Ok(digest) = text.parse::<Digest>() {
        assert_eq!(digest.to_string().parse::<Digest>().ok().as_ref(), Some(&digest));
    }
    if let Ok(platform) = text.parse::<Platform>() {
        assert_eq!(platform.to_string().parse::<Platform>().ok().as_ref(), Some(&platform));
    }
    let _ = text.parse::<MediaType>();
});
