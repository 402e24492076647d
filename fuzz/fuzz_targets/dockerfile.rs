//! Dockerfiles and ignore files: any text ends in a plan or an error.

#![no_main]

use std::collections::BTreeMap;
use std::path::Path;

use cofferdam_build::dockerfile::Dockerfile;
use cofferdam_build::plan::{PlanOptions, external_images, plan};
use cofferdam_build::{IgnoreRules, name_fits};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(rules) = IgnoreRules::parse(text) {
        let _ = rules.excludes(Path::new("a/b/c.txt"));
    }
    if let Some((pattern, name)) = text.split_once('\n') {
        let _ = name_fits(pattern, name);
    }
    let Ok(file) = Dockerfile::parse(text) else { return };
    let options = PlanOptions::default();
    let _ = external_images(&file, &options);
    // Without configurations of bases only what begins with nothing is planned; those lines are the same for all.
    let _ = plan(&file, &options, &BTreeMap::new());
});
