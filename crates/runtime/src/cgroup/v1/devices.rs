//! Device rules as v1's controller has them: a default and exceptions to it. Pure.
//!
//! The controller cannot cut a hole into an exception ("all of major 8 but 8:1"): rules that come to that are refused,
//! where writing them down one after another would silently leave the hole out.

use std::collections::BTreeMap;

use cofferdam_confinement::resources::{DeviceAccess, DeviceRule, DeviceRuleKind};

use crate::cgroup::error::Unenforceable;
use crate::cgroup::version::unenforceable;

/// The nodes that an exception is for. The kind is never `All`.
type Nodes = (DeviceRuleKind, Option<u32>, Option<u32>);

/// What a group may do with devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DeviceList {
    /// What holds for nodes that no exception is for.
    allow: bool,
    /// What is allowed where the default denies, and the other way around.
    exceptions: BTreeMap<Nodes, DeviceAccess>,
}

impl DeviceList {
    /// Everything: what a group without rules may.
    const EVERYTHING: Self = Self { allow: true, exceptions: BTreeMap::new() };

    /// The meaning of rules, of which the last that matches decides.
    pub(super) fn of(rules: &[DeviceRule]) -> Result<Self, Unenforceable> {
        let mut list = Self::EVERYTHING;
        for rule in rules {
            let everything = rule.kind == DeviceRuleKind::All
                && (rule.major, rule.minor, rule.access) == (None, None, DeviceAccess::ALL);
            if everything {
                list = Self { allow: rule.allow, exceptions: BTreeMap::new() };
                continue;
            }
            let kinds: &[_] = match rule.kind {
                DeviceRuleKind::All => &[DeviceRuleKind::Character, DeviceRuleKind::Block],
                DeviceRuleKind::Character => &[DeviceRuleKind::Character],
                DeviceRuleKind::Block => &[DeviceRuleKind::Block],
            };
            for kind in kinds {
                list.add(rule, (*kind, rule.major, rule.minor))?;
            }
        }
        Ok(list)
    }

    fn add(&mut self, rule: &DeviceRule, nodes: Nodes) -> Result<(), Unenforceable> {
        if rule.allow != self.allow {
            let access = self.exceptions.get(&nodes).map_or(rule.access, |access| access.union(rule.access));
            self.exceptions.insert(nodes, access);
            return Ok(());
        }
        // Back to the default: exceptions that lie within these nodes lose the letters.
        let mut kept = BTreeMap::new();
        for (&exception, &access) in &self.exceptions {
            if covers(nodes, exception) {
                kept.extend(access.without(rule.access).map(|left| (exception, left)));
            } else if overlaps(nodes, exception) && access.intersection(rule.access).is_some() {
                return Err(unenforceable(
                    "devices",
                    &format!("cgroup v1 cannot take '{rule}' out of '{}'", line(exception, access)),
                    "name the nodes one by one, or use a host with cgroup v2",
                ));
            } else {
                kept.insert(exception, access);
            }
        }
        self.exceptions = kept;
        Ok(())
    }

    /// What is written, by file: the default first, which also forgets all exceptions.
    pub(super) fn writes(&self) -> Vec<(&'static str, Vec<String>)> {
        let (default, exception) =
            if self.allow { ("devices.allow", "devices.deny") } else { ("devices.deny", "devices.allow") };
        let mut writes = vec![(default, vec!["a".to_owned()])];
        if !self.exceptions.is_empty() {
            writes.push((
                exception,
                self.exceptions.iter().map(|(&nodes, &access)| line(nodes, access)).collect(),
            ));
        }
        writes
    }

    /// What `devices.list` shows, sorted: the exceptions, or everything where that is the default. The kernel shows no
    /// exceptions to the default "everything".
    pub(super) fn listed(&self) -> Vec<String> {
        if self.allow {
            return vec!["a *:* rwm".to_owned()];
        }
        let mut lines: Vec<_> = self.exceptions.iter().map(|(&nodes, &access)| line(nodes, access)).collect();
        lines.sort();
        lines
    }

    /// Whether `devices.list` can show all of it.
    pub(super) fn is_listed_whole(&self) -> bool {
        !self.allow || self.exceptions.is_empty()
    }
}

/// `c 1:3 rwm`
fn line((kind, major, minor): Nodes, access: DeviceAccess) -> String {
    let kind = if kind == DeviceRuleKind::Block { 'b' } else { 'c' };
    let number = |number: Option<u32>| number.map_or_else(|| "*".to_owned(), |number| number.to_string());
    format!("{kind} {}:{} {access}", number(major), number(minor))
}

/// Whether every node of `inner` is among `outer`.
fn covers(outer: Nodes, inner: Nodes) -> bool {
    outer.0 == inner.0
        && (outer.1.is_none() || outer.1 == inner.1)
        && (outer.2.is_none() || outer.2 == inner.2)
}

/// Whether some node is among both.
fn overlaps(one: Nodes, other: Nodes) -> bool {
    let meet = |one: Option<u32>, other: Option<u32>| one.is_none() || other.is_none() || one == other;
    one.0 == other.0 && meet(one.1, other.1) && meet(one.2, other.2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cgroup::device_rules::{DeviceRequest, allows, any_rule, probes};
    use cofferdam_confinement::resources::devices::default_rules;
    use proptest::prelude::*;

    impl DeviceList {
        fn allows(&self, request: &DeviceRequest) -> bool {
            let excepted = self
                .exceptions
                .iter()
                .filter(|(nodes, _)| {
                    covers(**nodes, (request.kind, Some(request.major), Some(request.minor)))
                })
                .any(|(_, access)| access.contains(request.access));
            excepted != self.allow
        }
    }

    proptest! {
        #[test]
        fn a_list_means_its_rules_or_is_refused(rules in prop::collection::vec(any_rule(2), 0..6)) {
            if let Ok(list) = DeviceList::of(&rules) {
                for probe in probes(&rules) {
                    prop_assert_eq!(list.allows(&probe), allows(&rules, &probe), "{}", probe);
                }
            }
        }
    }

    #[test]
    fn the_default_is_denial_with_exceptions() {
        let list = DeviceList::of(&default_rules()).unwrap();
        let writes = list.writes();
        assert_eq!(writes.len(), 2);
        assert_eq!(writes[0], ("devices.deny", vec!["a".to_owned()]));
        assert_eq!((writes[1].0, writes[1].1.len()), ("devices.allow", 9));
        assert!(list.listed().contains(&"c 136:* rwm".to_owned()));
    }

    #[test]
    fn a_hole_in_an_exception_is_refused() {
        let rules = [
            DeviceRule::DENY_ALL,
            DeviceRule::allow_character(8, None),
            DeviceRule { allow: false, ..DeviceRule::allow_character(8, Some(1)) },
        ];
        let refused = DeviceList::of(&rules).unwrap_err();
        assert_eq!(refused.control, "devices");
        assert!(refused.reason.contains("deny c 8:1 rwm"), "{}", refused.reason);
    }

    #[test]
    fn everything_is_one_line() {
        let rules = [DeviceRule::DENY_ALL, DeviceRule { allow: true, ..DeviceRule::DENY_ALL }];
        let list = DeviceList::of(&rules).unwrap();
        assert_eq!(list.writes(), [("devices.allow", vec!["a".to_owned()])]);
        assert_eq!(list.listed(), ["a *:* rwm"]);
    }
}
