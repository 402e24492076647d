//! Random bits for numbers and letter cases: what an attacker who cannot see the packets has to guess.

/// A source of random bytes, asked for some hundred at a time.
#[derive(Debug)]
pub struct Dice {
    fill: fn(&mut [u8]),
    bytes: [u8; 256],
    used: usize,
}

impl Dice {
    /// From a function that fills a buffer with random bytes.
    #[must_use]
    pub fn new(fill: fn(&mut [u8])) -> Self {
        Self { fill, bytes: [0; 256], used: 256 }
    }

    fn next(&mut self) -> u8 {
        if self.used >= self.bytes.len() {
            (self.fill)(&mut self.bytes);
            self.used = 0;
        }
        // Taken out, so that a number is not found in memory after its use.
        let byte = self.bytes.get_mut(self.used).map(std::mem::take);
        self.used += 1;
        byte.unwrap_or(0)
    }

    /// A number of 16 bits.
    pub fn number(&mut self) -> u16 {
        u16::from_be_bytes([self.next(), self.next()])
    }

    /// Gives each letter a random case ("0x20": a server repeats the question as it was asked).
    pub fn shuffle_case(&mut self, letters: &mut [u8]) {
        let mut bits = 0_u16;
        let mut left = 0;
        for letter in letters.iter_mut().filter(|letter| letter.is_ascii_alphabetic()) {
            if left == 0 {
                (bits, left) = (self.number(), 16);
            }
            if bits & 1 == 0 {
                letter.make_ascii_lowercase();
            } else {
                letter.make_ascii_uppercase();
            }
            (bits, left) = (bits >> 1, left - 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_case_of_letters_changes() {
        let mut dice = Dice::new(|bytes| bytes.fill(0b0101_0101));
        let mut letters = *b"\x03www\x07exa-ple\x03org\x00";
        dice.shuffle_case(&mut letters);
        assert_eq!(letters.to_ascii_lowercase(), b"\x03www\x07exa-ple\x03org\x00");
        assert_ne!(&letters, b"\x03www\x07exa-ple\x03org\x00");
        assert_eq!(dice.number(), 0x5555);
    }
}
