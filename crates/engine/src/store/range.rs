//! Host ids for containers: each has a range that no other container shares.

use cofferdam_policy::IdRange;

/// The first host id that is ever given away. Between distributions' users, useradd's /etc/subuid (up to 600,100,000) and
/// systemd's containers (up to 0x6fff_ffff) below, and systemd's foreign ids (from 0x7ffe_0000 on) above; from 2^31 on
/// programs take ids for negative numbers (systemd's UIDS-GIDS.md).
const BASE: u32 = 0x7000_0000;
/// The ids of one container.
const SIZE: u32 = 65_536;
/// How many ranges one state folder claims at once.
const IN_BLOCK: u32 = 64;
/// How many blocks there are.
pub(super) const BLOCKS: u32 = (0x7ffe_0000 - BASE) / SIZE / IN_BLOCK;
/// How many ranges there are.
pub(super) const COUNT: u32 = BLOCKS * IN_BLOCK;

/// The number of a range: `BASE + slot * SIZE` is its first id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot(u32);

impl Slot {
    /// How many ranges one state folder claims at once.
    pub(super) const IN_BLOCK: u32 = IN_BLOCK;
    /// The first of all: an example, for a plan that is not carried out.
    pub(crate) const EXAMPLE: Self = Self(0);

    /// All ids that containers of root may get.
    pub(crate) fn whole() -> IdRange {
        IdRange { first: BASE, size: COUNT * SIZE }
    }

    /// The slot with this number, if there is such a range.
    pub(super) fn from_number(number: i64) -> Option<Self> {
        u32::try_from(number).ok().filter(|number| *number < COUNT).map(Self)
    }

    /// Its number.
    pub(crate) fn number(self) -> u32 {
        self.0
    }

    /// Its ids.
    pub(crate) fn range(self) -> IdRange {
        IdRange { first: BASE + self.0 * SIZE, size: SIZE }
    }
}

/// The ranges of a block.
pub(super) fn block(number: u32) -> impl Iterator<Item = Slot> {
    let first = number.saturating_mul(IN_BLOCK);
    (first..first.saturating_add(IN_BLOCK)).filter(|slot| *slot < COUNT).map(Slot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_stay_in_their_part_and_do_not_overlap() {
        assert_eq!(Slot::from_number(0).unwrap().range().first, 0x7000_0000);
        let last = Slot::from_number(i64::from(COUNT) - 1).unwrap().range();
        assert!(last.first + (last.size - 1) < 0x7ffe_0000);
        assert_eq!(Slot::from_number(i64::from(COUNT)), None);
        assert_eq!(Slot::from_number(-1), None);
        let (first, second) = (Slot(7).range(), Slot(8).range());
        assert_eq!(first.first + first.size, second.first);
        assert_eq!(block(1).map(Slot::number).collect::<Vec<_>>(), (64..128).collect::<Vec<_>>());
        assert_eq!(block(BLOCKS).count(), 0);
    }
}
