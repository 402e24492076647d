//! A zone as the keeper has it.

use std::time::{Duration, Instant};

use cofferdam_names::ZoneName;

use super::membership::ZonePolicy;
use super::process::Running;
use crate::address::{Class, class};
use crate::allow::{NameRule, Pattern};
use crate::answer::LONGEST;
use crate::opened::Change;
use crate::settings::Forwarding;

/// A resolver that ends at once is started anew after this time, then twice this time, and so on.
const FIRST_DELAY: Duration = Duration::from_millis(50);
const LONGEST_DELAY: Duration = Duration::from_secs(5);
/// Denials of a zone that are told in a second.
const MOST_DENIALS: u32 = 20;
/// One that has lived for so long has not ended at once.
const SETTLED: Duration = Duration::from_secs(10);

/// A zone with at least one container.
#[derive(Debug)]
pub(super) struct Zone {
    pub(super) name: ZoneName,
    pub(super) policy: ZonePolicy,
    pub(super) running: Option<Running>,
    /// When it is started anew.
    pub(super) restart_at: Option<Instant>,
    pub(super) restarts: u32,
    started: Instant,
    delay: Duration,
    /// Of the settings that were sent last, and of those that are in force.
    pub(super) sent: u64,
    pub(super) applied: u64,
    /// Since when denials are counted, and how many there were.
    denials: (Instant, u32),
}

/// A change of what is open, by the words of the zone's rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedChange {
    /// The names of the rule.
    pub pattern: Pattern,
    /// The address.
    pub address: std::net::IpAddr,
    /// Seconds for which it is open from now on; none to close it.
    pub ttl: Option<u32>,
}

impl Zone {
    pub(super) fn new(name: ZoneName, policy: ZonePolicy) -> Self {
        Self {
            name,
            policy,
            running: None,
            restart_at: None,
            restarts: 0,
            started: Instant::now(),
            delay: FIRST_DELAY,
            sent: 0,
            applied: 0,
            denials: (Instant::now(), 0),
        }
    }

    /// Whether one more denial is told. The resolver tells no more either, but it parses what strangers send.
    pub(super) fn tells_denial(&mut self, now: Instant) -> bool {
        if now.saturating_duration_since(self.denials.0) >= Duration::from_secs(1) {
            self.denials = (now, 0);
        }
        self.denials.1 = self.denials.1.saturating_add(1);
        self.policy.log && self.denials.1 <= MOST_DENIALS
    }

    pub(super) fn has_started(&mut self, running: Running) {
        self.running = Some(running);
        self.restart_at = None;
        self.started = Instant::now();
        self.applied = 0;
    }

    /// Its process has ended, or did not start: another one comes, later each time that it does not last.
    pub(super) fn has_ended(&mut self, now: Instant) {
        self.running = None;
        self.restarts = self.restarts.saturating_add(1);
        self.delay = if now.saturating_duration_since(self.started) > SETTLED {
            FIRST_DELAY
        } else {
            (self.delay * 2).min(LONGEST_DELAY)
        };
        self.restart_at = Some(now + self.delay);
    }

    /// Whether its resolver was not needed yet: the first question starts it.
    pub(super) fn waits_for_a_question(&self) -> bool {
        self.running.is_none() && self.restart_at.is_none()
    }

    /// What the resolver asks to change, in the words of the rules; none where it asks for what it may not have. It parses what
    /// strangers send, so all that it found out is looked at once more.
    ///
    /// A private address is never opened by a name, with the services of the name's rule: the rule for its range lets it through
    /// already, with its own, and whoever owns the name would choose which neighbour the other services reach.
    pub(super) fn judge(&self, changes: &[Change], host: &[std::net::IpAddr]) -> Option<Vec<NamedChange>> {
        let Forwarding::Names(rules) = &self.policy.forwarding else { return None };
        let pattern = |number: u16| {
            let found = rules.iter().find(|NameRule { rule, .. }| *rule == number);
            found.map(|rule| rule.pattern.clone())
        };
        let judge = |change: &Change| match *change {
            Change::Close { rule, address } => {
                Some(Some(NamedChange { pattern: pattern(rule)?, address, ttl: None }))
            }
            Change::Open(opened) => {
                let class = class(opened.address);
                let allowed = match class {
                    Class::Public => true,
                    Class::Private => {
                        self.policy.allowed_ranges.iter().any(|range| range.contains(opened.address))
                    }
                    Class::Never => false,
                };
                // Without knowing the host's addresses, none can be told from them.
                let known = !host.is_empty();
                let fits = allowed && known && !host.contains(&opened.address) && opened.ttl <= LONGEST;
                let (pattern, address) = (pattern(opened.rule)?, opened.address);
                let opens = class == Class::Public;
                fits.then(|| opens.then_some(NamedChange { pattern, address, ttl: Some(opened.ttl) }))
            }
        };
        let judged: Option<Vec<Option<NamedChange>>> = changes.iter().map(judge).collect();
        Some(judged?.into_iter().flatten().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::opened::Opened;

    fn zone() -> Zone {
        let rules = vec![NameRule { pattern: "*.example.org".parse().unwrap(), rule: 4 }];
        let policy = ZonePolicy {
            reaches: vec![],
            forwarding: Forwarding::Names(rules),
            allowed_ranges: vec!["10.1.0.0/16".parse().unwrap()],
            log: false,
        };
        Zone::new("blue".parse().unwrap(), policy)
    }

    fn open(rule: u16, address: &str, ttl: u32) -> Change {
        Change::Open(Opened { rule, address: address.parse().unwrap(), ttl })
    }

    #[test]
    fn a_resolver_that_was_taken_over_opens_nothing_near() {
        let host = ["8.8.4.4".parse().unwrap()];
        let may = |change| zone().judge(&[change], &host).is_some();
        assert!(may(open(4, "8.8.8.8", 60)) && may(open(4, "10.1.2.3", 60)));
        for address in ["127.0.0.1", "169.254.169.254", "10.2.0.1", "8.8.4.4", "::1", "fe80::1", "fd00::1"] {
            assert!(!may(open(4, address, 60)), "{address}");
        }
        assert!(!may(open(5, "8.8.8.8", 60)), "no such rule");
        assert!(!may(open(4, "8.8.8.8", 3601)), "for too long");
        assert!(may(Change::Close { rule: 4, address: [127, 0, 0, 1].into() }));
        assert_eq!(
            zone().judge(&[open(4, "8.8.8.8", 60), open(4, "127.0.0.1", 60)], &host),
            None,
            "all or none"
        );
    }

    #[test]
    fn a_private_address_is_answered_and_never_opened_by_a_name() {
        let changes = [open(4, "10.1.2.3", 60), open(4, "8.8.8.8", 60)];
        let host = ["8.8.4.4".parse().unwrap()];
        let judged = zone().judge(&changes, &host).unwrap();
        let addresses: Vec<String> = judged.iter().map(|change| change.address.to_string()).collect();
        assert_eq!(addresses, ["8.8.8.8"]);
        assert_eq!(zone().judge(&changes[..1], &host), Some(vec![]), "its range's rule opens it");
        assert_eq!(zone().judge(&changes[1..], &[]), None, "the host's addresses are not known");
    }

    #[test]
    fn a_resolver_that_was_taken_over_does_not_fill_the_events() {
        let mut zone = zone();
        let now = Instant::now();
        assert!(!zone.tells_denial(now), "the zone wants none");
        zone.policy.log = true;
        let told = |zone: &mut Zone, now| (0..1000).filter(|_| zone.tells_denial(now)).count();
        assert_eq!(told(&mut zone, now + Duration::from_secs(1)), 20);
        assert_eq!(told(&mut zone, now + Duration::from_millis(1500)), 0);
        assert_eq!(told(&mut zone, now + Duration::from_secs(2)), 20);
    }

    #[test]
    fn what_does_not_last_is_started_later_each_time() {
        let mut zone = zone();
        let now = Instant::now();
        let mut delays = Vec::new();
        for _ in 0..10 {
            zone.has_ended(now);
            delays.push(zone.restart_at.unwrap() - now);
        }
        assert!(delays.is_sorted() && delays[0] <= Duration::from_millis(100));
        assert_eq!(delays[9], LONGEST_DELAY);
        zone.has_ended(now + Duration::from_secs(60));
        assert_eq!(zone.delay, FIRST_DELAY);
    }
}
