//! What a list of device rules means, for both versions to agree on. Pure.

use cofferdam_confinement::resources::{DeviceAccess, DeviceRule, DeviceRuleKind};

/// One question that the kernel asks of a filter. The kind is never `All`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DeviceRequest {
    pub(super) kind: DeviceRuleKind,
    pub(super) major: u32,
    pub(super) minor: u32,
    pub(super) access: DeviceAccess,
}

impl std::fmt::Display for DeviceRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = if self.kind == DeviceRuleKind::Block { 'b' } else { 'c' };
        write!(f, "{kind} {}:{} {}", self.major, self.minor, self.access)
    }
}

/// Whether a rule speaks of the node that a request is for.
pub(super) fn matches(rule: &DeviceRule, request: &DeviceRequest) -> bool {
    (rule.kind == DeviceRuleKind::All || rule.kind == request.kind)
        && rule.major.is_none_or(|major| major == request.major)
        && rule.minor.is_none_or(|minor| minor == request.minor)
}

/// Whether the rules allow a request: for each letter the last rule that matches decides, and where none does, the
/// access is free (a list that controls everything begins with [`DeviceRule::DENY_ALL`]).
pub(super) fn allows(rules: &[DeviceRule], request: &DeviceRequest) -> bool {
    let mut undecided = Some(request.access);
    for rule in rules.iter().rev().filter(|rule| matches(rule, request)) {
        let Some(access) = undecided else { break };
        if access.intersection(rule.access).is_some() {
            if !rule.allow {
                return false;
            }
            undecided = access.without(rule.access);
        }
    }
    true
}

/// Requests that tell any two filters apart that speak of the same numbers: every number that a rule names, and one
/// that none names, in all combinations, letter by letter.
pub(super) fn probes(rules: &[DeviceRule]) -> Vec<DeviceRequest> {
    let numbers = |pick: fn(&DeviceRule) -> Option<u32>| {
        let mut numbers: Vec<_> = rules.iter().filter_map(pick).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let unnamed = (0..).find(|number| numbers.binary_search(number).is_err());
        numbers.extend(unnamed);
        numbers
    };
    let (majors, minors) = (numbers(|rule| rule.major), numbers(|rule| rule.minor));
    let mut probes = Vec::with_capacity(majors.len() * minors.len() * 6);
    for kind in [DeviceRuleKind::Character, DeviceRuleKind::Block] {
        for &major in &majors {
            for &minor in &minors {
                for access in [DeviceAccess::READ, DeviceAccess::WRITE, DeviceAccess::MKNOD] {
                    probes.push(DeviceRequest { kind, major, minor, access });
                }
            }
        }
    }
    probes
}

/// Rules for property tests: each number is any, one below `numbers`, or the largest there is.
#[cfg(test)]
pub(super) fn any_rule(numbers: u32) -> impl proptest::strategy::Strategy<Value = DeviceRule> {
    use proptest::prelude::*;
    let number = move || prop_oneof![Just(None), (0..numbers).prop_map(Some), Just(Some(u32::MAX))];
    let kind =
        prop_oneof![Just(DeviceRuleKind::All), Just(DeviceRuleKind::Character), Just(DeviceRuleKind::Block)];
    (any::<bool>(), kind, number(), number(), 1u8..8).prop_map(|(allow, kind, major, minor, bits)| {
        DeviceRule { allow, kind, major, minor, access: DeviceAccess::from_bits(bits).unwrap() }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use cofferdam_confinement::resources::devices::default_rules;

    fn request(kind: DeviceRuleKind, major: u32, minor: u32, access: &str) -> DeviceRequest {
        DeviceRequest { kind, major, minor, access: DeviceAccess::try_from(access).unwrap() }
    }

    #[test]
    fn the_last_rule_decides_letter_by_letter() {
        use DeviceRuleKind::{Block, Character};
        let mut rules = default_rules();
        assert!(allows(&rules, &request(Character, 1, 3, "rwm")));
        assert!(allows(&rules, &request(Character, 136, 77, "rw")));
        assert!(!allows(&rules, &request(Block, 1, 3, "r")));
        assert!(!allows(&rules, &request(Character, 1, 1, "r")));
        assert!(
            !allows(&rules, &request(Character, 10, 200, "rw")),
            "/dev/net/tun is not among the defaults"
        );
        let write = DeviceAccess::WRITE;
        rules.push(DeviceRule { allow: false, access: write, ..DeviceRule::allow_character(1, Some(3)) });
        assert!(allows(&rules, &request(Character, 1, 3, "rm")));
        assert!(!allows(&rules, &request(Character, 1, 3, "rw")));
        assert!(allows(&[], &request(Block, 8, 0, "rwm")));
    }
}
