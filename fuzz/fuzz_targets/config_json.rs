//! An OCI `config.json`: any bytes end in a plan or an error, never in a panic.

#![no_main]

use std::path::Path;

use cofferdam_runtime::oci::{BundleOptions, Caller, plan};
use cofferdam_wire_oci::{Spec, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(spec) = parse::<Spec>(bytes) else { return };
    for caller in [Caller::Privileged, Caller::Rootless { uid: 1000, gid: 1000 }] {
        let options =
            BundleOptions { bundle: Path::new("/bundle"), caller, no_pivot: false, no_new_keyring: false };
        if let Ok(id) = "fuzz".parse() {
            let _ = plan(id, &spec, &options);
        }
    }
});
