//! From names to numbers: what a profile says for each architecture, and what it says about one call.

use std::borrow::Cow;

use super::program::ENOSYS;
use super::syscall_table::{Door, Row, X32_BIT, door, number_in, row};
use super::{Action, Arch, ArgIndex, Comparison, Condition, Profile, Rule, SeccompData, syscall_number};

/// A profile's rules with each of their names looked up.
pub(super) struct Named<'p> {
    profile: &'p Profile,
    calls: Vec<(&'p Rule, &'static Row)>,
    /// Names that are no call.
    pub unknown: Vec<&'p str>,
}

/// A rule for one number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NumberedRule<'p> {
    pub number: u32,
    pub conditions: Cow<'p, [Condition]>,
    pub action: Action,
}

/// A profile's rules for one architecture, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NumberedRules<'p> {
    pub rules: Vec<NumberedRule<'p>>,
    /// The last number that any rule names.
    pub newest: u32,
    /// What happens to a call above it, which the profile's author did not know.
    pub beyond: Action,
    /// What happens to the other calls without a rule.
    pub otherwise: Action,
}

/// The architectures whose calls a kernel takes besides its own.
pub(super) fn entries(native: Arch) -> Option<&'static [Arch]> {
    match native {
        Arch::X86_64 => Some(&[Arch::X86, Arch::X32]),
        Arch::Aarch64 => Some(&[Arch::Arm]),
        _ => None,
    }
}

impl Action {
    /// Whether the call may run without anyone being asked. A tracer counts: it is there to let calls run.
    fn lets_run(self) -> bool {
        matches!(self, Self::Allow | Self::Log | Self::Trace(_))
    }
}

impl<'p> Named<'p> {
    pub fn numbered(&self, arch: Arch) -> NumberedRules<'p> {
        let mut rules = Vec::with_capacity(self.calls.len() + 32);
        for (rule, row) in self.calls.iter().copied() {
            if let Some(number) = number_in(row, arch) {
                rules.push(NumberedRule { number, conditions: Cow::from(&rule.args), action: rule.action });
            }
            if arch == Arch::X86 {
                rules.extend(door(row.name()).and_then(|door| multiplexed(rule, door)));
            }
        }
        let numbers = rules.iter().map(|rule| rule.number).filter(|number| number & !X32_BIT < PRIVATE);
        let newest = numbers.max().unwrap_or(u32::MAX);
        let profile = self.profile;
        NumberedRules { rules, newest, beyond: profile.beyond_newest(), otherwise: profile.default_action }
    }
}

/// Numbers from here on are an architecture's own (arm's `cacheflush` and its like), not in the order of their coming.
const PRIVATE: u32 = 0x1_0000;

/// On x86, `socketcall` and `ipc` are second doors to the calls behind them: a rule for `bind` is also one for
/// `socketcall` with 2 as its first argument. The other arguments are in memory, where a filter can't look. So there a rule
/// with conditions forbids whatever it may be about, or allows nothing.
fn multiplexed<'p>(rule: &'p Rule, door: Door) -> Option<NumberedRule<'p>> {
    if !rule.args.is_empty() && rule.action.lets_run() {
        return None;
    }
    let (name, mask, value) = match door {
        Door::Socketcall(value) => ("socketcall", u64::from(u32::MAX), value),
        // The upper half is a version.
        Door::Ipc(value) => ("ipc", 0xFFFF, value),
    };
    let number = syscall_number(Arch::X86, name)?;
    let index = ArgIndex::try_from(0).ok()?;
    let condition = Condition { index, comparison: Comparison::MaskedEqual { mask, value } };
    Some(NumberedRule { number, conditions: vec![condition].into(), action: rule.action })
}

impl Profile {
    /// What happens on one architecture to a call that is newer than all that the profile names.
    ///
    /// A program asks for a new call and falls back to an old one if the answer is ENOSYS; EPERM would stop it. So where
    /// calls are refused by default, one with a number above the last that any rule names gets ENOSYS, as with runc.
    fn beyond_newest(&self) -> Action {
        if self.default_action.lets_run() { self.default_action } else { Action::Errno(ENOSYS) }
    }

    pub(super) fn named(&self) -> Named<'_> {
        let mut named = Named { profile: self, calls: Vec::with_capacity(512), unknown: Vec::new() };
        for rule in &self.rules {
            for name in &rule.names {
                match row(name) {
                    Some(row) => named.calls.push((rule, row)),
                    None => named.unknown.push(name),
                }
            }
        }
        named
    }

    /// What the profile says about a call on a kernel for `native`: the meaning that [`super::compile()`] keeps to, written
    /// down without any cleverness.
    #[must_use]
    pub fn decide(&self, native: Arch, data: &SeccompData) -> Action {
        let listed = |arch: &Arch| self.architectures.contains(arch);
        let extra = entries(native).unwrap_or_default().iter().copied().filter(listed);
        let by_value: Vec<Arch> =
            [native].into_iter().chain(extra).filter(|arch| arch.audit_value() == data.arch).collect();
        if by_value.is_empty() {
            return Action::KillProcess;
        }
        // A tracer sets -1 to skip a call: it is no call of any architecture.
        if data.nr == u32::MAX {
            return self.default_action;
        }
        let through_x32 =
            native == Arch::X86_64 && native.audit_value() == data.arch && data.nr & !(X32_BIT - 1) != 0;
        let arch = if through_x32 {
            by_value.into_iter().find(|arch| *arch == Arch::X32)
        } else {
            by_value.into_iter().find(|arch| *arch != Arch::X32)
        };
        let Some(arch) = arch else {
            return Action::KillProcess;
        };
        let NumberedRules { rules, newest, beyond, otherwise } = self.named().numbered(arch);
        let passes = |condition: &Condition| {
            let argument = data.args.get(usize::from(condition.index.get())).copied();
            argument.is_some_and(|argument| condition.comparison.holds(argument))
        };
        rules
            .iter()
            .find(|rule| rule.number == data.nr && rule.conditions.iter().all(passes))
            .map_or(if data.nr > newest { beyond } else { otherwise }, |rule| rule.action)
    }
}
