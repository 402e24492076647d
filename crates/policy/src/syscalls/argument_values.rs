//! Whether some arguments pass one set of conditions and fail others: exact for all comparisons that a filter has.

use cofferdam_confinement::seccomp::{Comparison, Condition};

/// The search took too many steps: the answer is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooComplex;

/// Steps of a search; the built-in profiles need some hundreds.
const BUDGET: u32 = 200_000;

/// What is known of one argument.
#[derive(Debug, Clone)]
struct Values {
    /// These bits ...
    fixed: u64,
    /// ... are these.
    bits: u64,
    least: u64,
    most: u64,
    /// (argument & mask) is not value.
    excluded: Vec<(u64, u64)>,
}

/// What is known of all six.
#[derive(Debug, Clone)]
pub(super) struct Arguments([Values; 6]);

impl Arguments {
    /// Nothing but the width: a 32-bit entry leaves the upper halves empty.
    pub fn any(most: u64) -> Self {
        Self(std::array::from_fn(|_| Values { fixed: 0, bits: 0, least: 0, most, excluded: Vec::new() }))
    }

    /// Adds that a condition holds, or that it does not; false if that contradicts what is known at once.
    fn add(&mut self, condition: &Condition, holds: bool) -> bool {
        let Some(values) = self.0.get_mut(usize::from(condition.index.get())) else { return false };
        values.add(if holds { condition.comparison } else { opposite(condition.comparison) }, holds)
    }
}

/// The comparison that holds where this one does not; a mask's is told by [`Values::add`]'s `equal`.
fn opposite(comparison: Comparison) -> Comparison {
    match comparison {
        Comparison::NotEqual(value) => Comparison::Equal(value),
        Comparison::Equal(value) => Comparison::NotEqual(value),
        Comparison::Less(value) => Comparison::GreaterOrEqual(value),
        Comparison::GreaterOrEqual(value) => Comparison::Less(value),
        Comparison::LessOrEqual(value) => Comparison::Greater(value),
        Comparison::Greater(value) => Comparison::LessOrEqual(value),
        masked @ Comparison::MaskedEqual { .. } => masked,
    }
}

impl Values {
    /// `equal` tells whether a masked comparison is meant to hold.
    fn add(&mut self, comparison: Comparison, equal: bool) -> bool {
        match comparison {
            Comparison::Equal(value) => self.fix(u64::MAX, value),
            Comparison::NotEqual(value) => self.exclude(u64::MAX, value),
            Comparison::MaskedEqual { mask, value } if equal => self.fix(mask, value),
            Comparison::MaskedEqual { mask, value } => self.exclude(mask, value),
            Comparison::Less(0) | Comparison::Greater(u64::MAX) => false,
            Comparison::Less(value) => self.within(0, value - 1),
            Comparison::LessOrEqual(value) => self.within(0, value),
            Comparison::GreaterOrEqual(value) => self.within(value, u64::MAX),
            Comparison::Greater(value) => self.within(value + 1, u64::MAX),
        }
    }

    fn fix(&mut self, mask: u64, value: u64) -> bool {
        if value & !mask != 0 || (self.bits ^ value) & self.fixed & mask != 0 {
            return false;
        }
        self.fixed |= mask;
        self.bits |= value;
        !self.excluded.iter().any(|(mask, value)| self.meets(*mask, *value))
    }

    fn exclude(&mut self, mask: u64, value: u64) -> bool {
        self.excluded.push((mask, value));
        !self.meets(mask, value)
    }

    /// Whether what is fixed is enough to know that (argument & mask) is value.
    fn meets(&self, mask: u64, value: u64) -> bool {
        mask & !self.fixed == 0 && self.bits & mask == value
    }

    fn within(&mut self, least: u64, most: u64) -> bool {
        self.least = self.least.max(least);
        self.most = self.most.min(most);
        self.least <= self.most
    }

    /// Whether there is such a number: its bits are chosen from the highest on.
    fn exist(&self, budget: &mut u32) -> Result<bool, TooComplex> {
        // A value with bits outside its mask is never met.
        let excluded: Vec<(u64, u64)> =
            self.excluded.iter().copied().filter(|(mask, value)| value & !mask == 0).collect();
        self.choose(63, (true, true), &excluded, budget)
    }

    /// `tight`: whether the bits so far are those of the least and of the most; `left`: the excluded values that they still
    /// agree with.
    fn choose(
        &self,
        bit: u32,
        tight: (bool, bool),
        left: &[(u64, u64)],
        budget: &mut u32,
    ) -> Result<bool, TooComplex> {
        *budget = budget.checked_sub(1).ok_or(TooComplex)?;
        let here = 1_u64 << bit;
        let below = here | (here - 1);
        let tight = (tight.0 && self.least & below != 0, tight.1 && self.most & below != below);
        if left.is_empty() && tight == (false, false) {
            return Ok(true);
        }
        // What these bits cannot tell apart any more is met.
        if left.iter().any(|(mask, _)| mask & below == 0) {
            return Ok(false);
        }
        for one in [0, here] {
            let forced = self.fixed & here != 0 && self.bits & here != one;
            if forced || (tight.0 && one < self.least & here) || (tight.1 && one > self.most & here) {
                continue;
            }
            let tight = (tight.0 && one == self.least & here, tight.1 && one == self.most & here);
            let still: Vec<(u64, u64)> = left
                .iter()
                .copied()
                .filter(|(mask, value)| mask & here == 0 || value & here == one)
                .collect();
            let found =
                if bit == 0 { still.is_empty() } else { self.choose(bit - 1, tight, &still, budget)? };
            if found {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Whether some arguments pass all conditions of `passed` and fail at least one of each of `failed`.
pub(super) fn exist(
    arguments: Arguments,
    passed: &[&[Condition]],
    failed: &[&[Condition]],
) -> Result<bool, TooComplex> {
    let mut known = arguments;
    let mut budget = BUDGET;
    for condition in passed.iter().copied().flatten() {
        if !known.add(condition, true) {
            return Ok(false);
        }
    }
    search(&known, failed, &mut budget)
}

fn search(known: &Arguments, failed: &[&[Condition]], budget: &mut u32) -> Result<bool, TooComplex> {
    for values in &known.0 {
        if !values.exist(budget)? {
            return Ok(false);
        }
    }
    let Some((first, rest)) = failed.split_first() else { return Ok(true) };
    // Already failed: one of its conditions can't hold.
    for condition in *first {
        let mut holding = known.clone();
        let possible = holding.add(condition, true)
            && match holding.0.get(usize::from(condition.index.get())) {
                Some(values) => values.exist(budget)?,
                None => false,
            };
        if !possible {
            return search(known, rest, budget);
        }
    }
    for condition in *first {
        let mut failing = known.clone();
        if failing.add(condition, false) && search(&failing, rest, budget)? {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use cofferdam_confinement::seccomp::ArgIndex;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn condition(index: u32, comparison: Comparison) -> Condition {
        Condition { index: ArgIndex::try_from(index).unwrap(), comparison }
    }

    /// Over numbers of three bits in two arguments, so that all can be tried.
    fn any_condition() -> impl Strategy<Value = Condition> {
        (0_u32..2, 0..7, 0_u64..9, 0_u64..9).prop_map(|(index, kind, value, mask)| {
            let comparison = match kind {
                0 => Comparison::NotEqual(value),
                1 => Comparison::Less(value),
                2 => Comparison::LessOrEqual(value),
                3 => Comparison::Equal(value),
                4 => Comparison::GreaterOrEqual(value),
                5 => Comparison::Greater(value),
                _ => Comparison::MaskedEqual { mask, value },
            };
            condition(index, comparison)
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]

        #[test]
        fn it_says_what_trying_all_says(
            passed in vec(any_condition(), 0..6),
            failed in vec(vec(any_condition(), 0..4), 0..9),
        ) {
            let holds = |condition: &Condition, args: [u64; 2]| {
                condition.comparison.holds(args[usize::from(condition.index.get())])
            };
            let all = (0..8).flat_map(|a| (0..8).map(move |b| [a, b]));
            let tried = all.into_iter().any(|args| {
                passed.iter().all(|c| holds(c, args)) && failed.iter().all(|f| !f.iter().all(|c| holds(c, args)))
            });
            let failed: Vec<&[Condition]> = failed.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(exist(Arguments::any(7), &[&passed], &failed), Ok(tried));
        }
    }

    #[test]
    fn upper_halves_count() {
        let low = condition(0, Comparison::MaskedEqual { mask: 0xFFFF_FFFF, value: 38 });
        let whole = condition(0, Comparison::Equal(38));
        assert_eq!(exist(Arguments::any(u64::MAX), &[&[low]], &[&[whole]]), Ok(true));
        assert_eq!(exist(Arguments::any(0xFFFF_FFFF), &[&[low]], &[&[whole]]), Ok(false));
    }
}
