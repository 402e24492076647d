//! Names for containers that nobody named: two plain words, then with a number.

use cofferdam_names::ContainerName;

const FIRST: [&str; 16] = [
    "amber", "brisk", "calm", "dry", "even", "firm", "grand", "hale", "keen", "level", "merry", "noble",
    "plain", "quiet", "stout", "tidy",
];
const SECOND: [&str; 16] = [
    "anchor", "beam", "cabin", "deck", "engine", "frame", "girder", "hatch", "keel", "ladder", "mast",
    "rudder", "sluice", "spar", "valve", "winch",
];

/// Candidates, the first of which the digits of the id choose.
pub(crate) fn candidates(id: &str) -> impl Iterator<Item = ContainerName> {
    let seed = u64::from_str_radix(id.get(..12).unwrap_or("0"), 16).unwrap_or(0);
    (0..1_000u64).filter_map(move |round| {
        let number = seed.wrapping_add(round.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let word = |words: [&'static str; 16], shift: u32| {
            words.get(usize::try_from(number >> shift & 15).unwrap_or(0)).copied().unwrap_or("container")
        };
        let (first, second) = (word(FIRST, 0), word(SECOND, 4));
        let text = if round < 8 {
            format!("{first}-{second}")
        } else {
            format!("{first}-{second}-{}", number >> 8 & 0xffff)
        };
        text.parse().ok()
    })
}
