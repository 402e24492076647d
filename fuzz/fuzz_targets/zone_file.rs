//! Zone files: any text ends in a zone or an error, and what `zone show` writes of a zone is read as the same one.

#![no_main]

use cofferdam_policy::parse_zone;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(zone) = parse_zone("fuzz.toml", text) else { return };
    let shown = zone.to_toml();
    let again = parse_zone("shown.toml", &shown).map(|zone| zone.to_toml());
    assert_eq!(again.ok().as_ref(), Some(&shown));
});
