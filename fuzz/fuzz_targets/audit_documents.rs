//! Dockerfiles, Compose files, manifests and waivers: any text ends in a report or an error.

#![no_main]

use cofferdam_audit::Waivers;
use cofferdam_audit::document::{compose, dockerfile, kubernetes};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = dockerfile::audit("Dockerfile", text);
    let _ = compose::audit("compose.yaml", text);
    let _ = kubernetes::audit("pod.yaml", text);
    let _ = Waivers::parse(text);
});
