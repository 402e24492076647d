//! `--chmod`: a number, or words as chmod(1) has them.

use super::BuildError;

const ALL: u32 = 0o7777;

/// What becomes of permission bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ModeChange {
    /// These.
    Bits(u32),
    /// Each in turn.
    Words(Vec<Word>),
}

/// `ug+x`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word {
    /// The bits that it is about.
    who: u32,
    sign: Sign,
    /// Of these.
    bits: u32,
    /// Execution, where it is a folder or somebody may execute it already (X).
    conditional_execute: bool,
    /// The bits of one of the three, for all.
    copied: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Add,
    Remove,
    Set,
}

impl ModeChange {
    pub(super) fn parse(text: &str) -> Result<Self, BuildError> {
        let refused = || {
            let rule = "it is an octal number (755), or words as chmod(1) has them (u=rwX,go-w)";
            BuildError::Refused(format!("--chmod={text}: {rule}"))
        };
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            let bits = u32::from_str_radix(text, 8).ok().filter(|bits| *bits <= ALL);
            return bits.map(Self::Bits).ok_or_else(refused);
        }
        let words: Option<Vec<Vec<Word>>> = text.split(',').map(words).collect();
        words.map(|words| Self::Words(words.concat())).ok_or_else(refused)
    }

    pub(super) fn of(&self, mode: u32, folder: bool) -> u32 {
        match self {
            Self::Bits(bits) => *bits,
            Self::Words(words) => words.iter().fold(mode, |mode, word| word.of(mode, folder)),
        }
    }
}

/// `WHO` and one or more of `+`, `-`, `=`, each with what follows it.
fn words(text: &str) -> Option<Vec<Word>> {
    let at = text.find(['+', '-', '='])?;
    let (names, mut rest) = text.split_at(at);
    let mut who = 0;
    for name in names.chars() {
        who |= match name {
            'u' => 0o4700,
            'g' => 0o2070,
            'o' => 0o1007,
            'a' => ALL,
            _ => return None,
        };
    }
    let mut found = Vec::new();
    while let Some(sign) = rest.chars().next() {
        let sign = match sign {
            '+' => Sign::Add,
            '-' => Sign::Remove,
            '=' => Sign::Set,
            _ => return None,
        };
        let after = rest.get(1..)?;
        let (letters, next) = after.split_at(after.find(['+', '-', '=']).unwrap_or(after.len()));
        // Without a name it is about all that the usual umask (022) leaves.
        let own = if names.is_empty() { ALL & !0o022 } else { who };
        let mut word = Word { who: own, sign, bits: 0, conditional_execute: false, copied: None };
        for letter in letters.chars() {
            match letter {
                'r' => word.bits |= 0o444,
                'w' => word.bits |= 0o222,
                'x' => word.bits |= 0o111,
                'X' => word.conditional_execute = true,
                's' => word.bits |= 0o6000,
                't' => word.bits |= 0o1000,
                'u' | 'g' | 'o' if letters.len() == 1 => {
                    word.copied = Some(match letter {
                        'u' => 6,
                        'g' => 3,
                        _ => 0,
                    });
                }
                _ => return None,
            }
        }
        found.push(word);
        rest = next;
    }
    Some(found)
}

impl Word {
    fn of(self, mode: u32, folder: bool) -> u32 {
        let mut bits = self.bits;
        if self.conditional_execute && (folder || mode & 0o111 != 0) {
            bits |= 0o111;
        }
        if let Some(shift) = self.copied {
            bits |= (mode >> shift & 7) * 0o111;
        }
        // What t is about has no name of its own among the three.
        let who = if self.bits & 0o1000 != 0 { self.who | 0o1000 } else { self.who };
        match self.sign {
            Sign::Add => mode | bits & who,
            Sign::Remove => mode & !(bits & who),
            // Of a folder set-user-ID and set-group-ID stay unless they are named (GNU's chmod).
            Sign::Set => mode & !(self.who & if folder { 0o777 } else { 0o6777 }) | bits & who,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_do_what_chmod_does() {
        for (text, before, folder, after) in [
            ("755", 0o644, false, 0o755),
            ("0644", 0o777, true, 0o644),
            ("4711", 0o644, false, 0o4711),
            ("+x", 0o644, false, 0o755),
            ("u+x", 0o644, false, 0o744),
            ("go-r", 0o644, false, 0o600),
            ("a=rX", 0o644, false, 0o444),
            ("a=rX", 0o744, false, 0o555),
            ("a=rX", 0o644, true, 0o555),
            ("u=rwx,g=rx,o=", 0o600, false, 0o750),
            ("g=u", 0o640, false, 0o660),
            ("o=g", 0o654, false, 0o655),
            ("+w", 0o444, false, 0o644),
            ("u+s", 0o755, false, 0o4755),
            ("g+s,o+t", 0o755, true, 0o3755),
            ("u+x-w", 0o644, false, 0o544),
            ("u=rw", 0o4755, false, 0o655),
            ("a-x", 0o755, false, 0o644),
        ] {
            let change = ModeChange::parse(text).unwrap();
            assert_eq!(format!("{:o}", change.of(before, folder)), format!("{after:o}"), "{text} {before:o}");
        }
        for bad in ["", "8", "77777", "x", "u", "z+x", "u+z", "u+x,", "u+gx", ",", "+x7"] {
            assert!(ModeChange::parse(bad).is_err(), "{bad}");
        }
    }
}
