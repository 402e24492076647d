//! Files of rules, and baselines: any text ends in checks or an error.

#![no_main]

use cofferdam_audit::{Baseline, rules};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = rules::parse(text);
    let _ = Baseline::parse(text);
});
