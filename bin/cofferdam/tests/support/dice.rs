//! Chances that can be had again: `COFFERDAM_SEED` repeats a run.

use std::time::SystemTime;

/// Numbers that look random and follow from the seed (xorshift64*).
pub struct Dice(u64);

impl Dice {
    pub fn new() -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let given = std::env::var("COFFERDAM_SEED").ok().map(|text| text.parse().unwrap());
        let seed = given.unwrap_or(u64::from(now.subsec_nanos()) << 16 | u64::from(std::process::id()));
        eprintln!("COFFERDAM_SEED={seed}");
        Self(seed | 1)
    }

    pub fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % most
    }

    pub fn choose<'a, T: ?Sized>(&mut self, among: &[&'a T]) -> &'a T {
        among[usize::try_from(self.below(among.len() as u64)).unwrap()]
    }
}
