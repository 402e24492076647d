//! Host ids for containers: each has a range that no other container shares.

use cofferdam_policy::IdRange;

/// The first host id that is ever given away: above what distributions, /etc/subuid and systemd use, and below 2^31,
/// from where on programs take ids for negative numbers.
const BASE: u32 = 0x4000_0000;
/// The ids of one container.
const SIZE: u32 = 65_536;
/// How many ranges there are.
pub(super) const COUNT: u32 = (0x8000_0000 - BASE) / SIZE;

/// The number of a range: `BASE + slot * SIZE` is its first id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot(u32);

impl Slot {
    /// The slot with this number, if there is such a range.
    pub(super) fn from_number(number: i64) -> Option<Self> {
        u32::try_from(number).ok().filter(|number| *number < COUNT).map(Self)
    }

    /// Its number.
    pub(super) fn number(self) -> u32 {
        self.0
    }

    /// Its ids.
    pub(crate) fn range(self) -> IdRange {
        IdRange { first: BASE + self.0 * SIZE, size: SIZE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_stay_below_two_to_the_31_and_do_not_overlap() {
        assert_eq!(Slot::from_number(0).unwrap().range().first, 0x4000_0000);
        let last = Slot::from_number(i64::from(COUNT) - 1).unwrap().range();
        assert_eq!(last.first + (last.size - 1), 0x7fff_ffff);
        assert_eq!(Slot::from_number(i64::from(COUNT)), None);
        assert_eq!(Slot::from_number(-1), None);
        let (first, second) = (Slot(7).range(), Slot(8).range());
        assert_eq!(first.first + first.size, second.first);
    }
}
