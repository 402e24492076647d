//! A list of system calls as one text.

/// Names of calls, each followed by a space. One text and not a slice of texts: each text of a slice costs every process of
/// ours a relocation, and a share of a page.
#[derive(Debug, Clone, Copy)]
pub(super) struct Calls(pub(super) &'static str);

impl Calls {
    pub(super) fn iter(self) -> impl Iterator<Item = &'static str> {
        self.0.split_ascii_whitespace()
    }
}

/// Calls by name.
macro_rules! calls {
    ($($name:literal),* $(,)?) => { $crate::syscalls::calls::Calls(concat!($($name, " "),*)) };
}

pub(super) use calls;
