//! A zone as the keeper has it.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use cofferdam_names::ZoneName;

use super::membership::ZonePolicy;
use super::process::Running;
use crate::address::{Class, Near, class};
use crate::allow::{NameRule, Pattern};
use crate::answer::LONGEST;
use crate::opened::Change;
use crate::settings::Forwarding;

/// A resolver that ends at once is started anew after this time, then twice this time, and so on.
const FIRST_DELAY: Duration = Duration::from_millis(50);
const LONGEST_DELAY: Duration = Duration::from_secs(5);
/// Denials of a zone that are told in a second.
const MOST_DENIALS: u32 = 20;
/// Sockets to servers that a zone's resolver gets in a second.
const MOST_EXCHANGES: u32 = 2000;
/// Addresses that are open at once for a zone's names; its resolver counts as far as half of it by itself.
const MOST_OPEN: usize = 8192;
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
    /// What the numbers of name rules mean, and from which settings on: first what they mean to the resolver, as far as it has said, last
    /// what they mean now.
    numbers: VecDeque<(u64, Forwarding)>,
    /// What is open by its names, and until when.
    open: HashMap<(Pattern, IpAddr), Instant>,
    denials: Count,
    exchanges: Count,
}

/// How often something was in the second that has begun then.
#[derive(Debug)]
struct Count(Instant, u32);

impl Count {
    /// Counts one more; whether it is within a limit.
    fn within(&mut self, most: u32, now: Instant) -> bool {
        if now.saturating_duration_since(self.0) >= Duration::from_secs(1) {
            *self = Self(now, 0);
        }
        self.1 = self.1.saturating_add(1);
        self.1 <= most
    }
}

/// A change of what is open, by the words of the zone's rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedChange {
    /// The names of the rule.
    pub pattern: Pattern,
    /// The address.
    pub address: IpAddr,
    /// Seconds for which it is open from now on; none to close it.
    pub ttl: Option<u32>,
}

impl Zone {
    pub(super) fn new(name: ZoneName, policy: ZonePolicy) -> Self {
        let now = Instant::now();
        Self {
            name,
            numbers: VecDeque::from([(0, policy.forwarding.clone())]),
            open: HashMap::new(),
            policy,
            running: None,
            restart_at: None,
            restarts: 0,
            started: now,
            delay: FIRST_DELAY,
            sent: 0,
            applied: 0,
            denials: Count(now, 0),
            exchanges: Count(now, 0),
        }
    }

    /// Whether one more denial is told. The resolver tells no more either, but it parses what strangers send.
    pub(super) fn tells_denial(&mut self, now: Instant) -> bool {
        self.denials.within(MOST_DENIALS, now) && self.policy.log
    }

    /// Whether it gets one more socket to a server.
    pub(super) fn may_exchange(&mut self, now: Instant) -> bool {
        self.exchanges.within(MOST_EXCHANGES, now)
    }

    /// Goes on with these rules, which its resolver is told of with the next settings.
    pub(super) fn set_policy(&mut self, policy: ZonePolicy) {
        if policy.forwarding != self.policy.forwarding {
            self.numbers.push_back((self.sent + 1, policy.forwarding.clone()));
        }
        self.policy = policy;
    }

    /// Its resolver says that settings are in force: none that it was not sent, and no older ones.
    pub(super) fn has_applied(&mut self, generation: u64) {
        self.applied = generation.min(self.sent).max(self.applied);
        while self.numbers.get(1).is_some_and(|(since, _)| *since <= self.applied) {
            self.numbers.pop_front();
        }
    }

    /// Takes note of changes that are about to be made. False where too much would be open: a resolver that was taken over could fill
    /// the host's memory.
    pub(super) fn has_room_for(&mut self, changes: &[NamedChange], now: Instant) -> bool {
        let opened = changes.iter().filter(|change| change.ttl.is_some()).count();
        if self.open.len() + opened > MOST_OPEN {
            self.open.retain(|_, until| *until > now);
        }
        if self.open.len() + opened > MOST_OPEN {
            return false;
        }
        for NamedChange { pattern, address, ttl } in changes {
            let key = (pattern.clone(), *address);
            match ttl {
                Some(ttl) => {
                    let until = now + Duration::from_secs(u64::from(*ttl));
                    let known = self.open.entry(key).or_insert(until);
                    *known = until.max(*known);
                }
                None => drop(self.open.remove(&key)),
            }
        }
        true
    }

    pub(super) fn has_started(&mut self, running: Running) {
        self.running = Some(running);
        self.restart_at = None;
        self.started = Instant::now();
        self.applied = 0;
        self.numbers = VecDeque::from([(0, self.policy.forwarding.clone())]);
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
    /// already, with its own, and whoever owns the name would choose which neighbour the other services reach. The same holds for
    /// neighbours of the host's with addresses of the open internet.
    ///
    /// A resolver that has not heard of the zone's newest rules means others by its numbers: it may close by them, and open nothing.
    pub(super) fn judge(&self, changes: &[Change], near: &Near) -> Option<Vec<NamedChange>> {
        let Some((_, Forwarding::Names(rules))) = self.numbers.front() else { return None };
        let is_up_to_date = self.numbers.len() == 1;
        let pattern = |number: u16| {
            let found = rules.iter().find(|NameRule { rule, .. }| *rule == number);
            found.map(|rule| rule.pattern.clone())
        };
        let judge = |change: &Change| match *change {
            Change::Close { rule, address } => {
                Some(Some(NamedChange { pattern: pattern(rule)?, address, ttl: None }))
            }
            Change::Open(_) if !is_up_to_date => None,
            Change::Open(opened) => {
                let by_range =
                    || self.policy.allowed_ranges.iter().any(|range| range.contains(opened.address));
                let is_near = near.is_neighbour(opened.address);
                let (allowed, opens) = match class(opened.address) {
                    Class::Public if !is_near => (true, true),
                    Class::Public => (self.policy.outside || by_range(), false),
                    Class::Private => (by_range(), false),
                    Class::Never => (false, false),
                };
                // Without knowing the host's addresses, none can be told from them.
                let known = !near.own.is_empty() && !near.own.contains(&opened.address);
                let fits = allowed && known && opened.ttl <= LONGEST;
                let (pattern, address) = (pattern(opened.rule)?, opened.address);
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
            outside: false,
            log: false,
        };
        Zone::new("blue".parse().unwrap(), policy)
    }

    fn near() -> Near {
        Near::of([("8.8.4.4".parse().unwrap(), 32), ("9.9.9.1".parse().unwrap(), 24)])
    }

    fn open(rule: u16, address: &str, ttl: u32) -> Change {
        Change::Open(Opened { rule, address: address.parse().unwrap(), ttl })
    }

    #[test]
    fn a_resolver_that_was_taken_over_opens_nothing_near() {
        let near = near();
        let may = |change| zone().judge(&[change], &near).is_some();
        assert!(may(open(4, "8.8.8.8", 60)) && may(open(4, "10.1.2.3", 60)) && may(open(4, "9.9.8.9", 60)));
        for address in [
            "9.9.9.1",
            "9.9.9.77",
            "127.0.0.1",
            "169.254.169.254",
            "10.2.0.1",
            "8.8.4.4",
            "::1",
            "fe80::1",
            "fd00::1",
        ] {
            assert!(!may(open(4, address, 60)), "{address}");
        }
        assert!(!may(open(5, "8.8.8.8", 60)), "no such rule");
        assert!(!may(open(4, "8.8.8.8", 3601)), "for too long");
        assert!(may(Change::Close { rule: 4, address: [127, 0, 0, 1].into() }));
        assert_eq!(
            zone().judge(&[open(4, "8.8.8.8", 60), open(4, "127.0.0.1", 60)], &near),
            None,
            "all or none"
        );
    }

    #[test]
    fn a_private_address_is_answered_and_never_opened_by_a_name() {
        let changes = [open(4, "10.1.2.3", 60), open(4, "8.8.8.8", 60)];
        let judged = zone().judge(&changes, &near()).unwrap();
        let addresses: Vec<String> = judged.iter().map(|change| change.address.to_string()).collect();
        assert_eq!(addresses, ["8.8.8.8"]);
        assert_eq!(zone().judge(&changes[..1], &near()), Some(vec![]), "its range's rule opens it");
        assert_eq!(zone().judge(&changes[1..], &Near::default()), None, "the host's addresses are not known");
        let mut zone = zone();
        zone.policy.outside = true;
        let neighbour = [open(4, "9.9.9.77", 60)];
        assert_eq!(zone.judge(&neighbour, &near()), Some(vec![]), "the rule for the internet opens it");
    }

    #[test]
    fn numbers_mean_what_they_meant_to_who_says_them() {
        let mut zone = zone();
        let close = [Change::Close { rule: 4, address: [8, 8, 8, 8].into() }];
        let pattern = |zone: &Zone| Some(zone.judge(&close, &near())?.first()?.pattern.to_string());
        zone.sent = 7;
        let rules = vec![NameRule { pattern: "other.example".parse().unwrap(), rule: 4 }];
        zone.set_policy(ZonePolicy { forwarding: Forwarding::Names(rules), ..zone.policy.clone() });
        zone.sent = 8;
        assert_eq!(zone.judge(&[open(4, "8.8.8.8", 60)], &near()), None, "it was asked for by the old rules");
        assert_eq!(pattern(&zone).unwrap(), "*.example.org");
        zone.has_applied(7);
        assert_eq!(pattern(&zone).unwrap(), "*.example.org");
        zone.has_applied(99);
        assert_eq!((pattern(&zone).unwrap(), zone.applied), ("other.example".to_owned(), 8));
        zone.has_applied(0);
        let opened = zone.judge(&[open(4, "8.8.8.8", 60)], &near()).unwrap();
        assert_eq!(opened[0].pattern.to_string(), "other.example");
    }

    #[test]
    fn a_resolver_that_was_taken_over_opens_no_more_than_so_many_and_gets_no_more_sockets() {
        let mut zone = zone();
        let now = Instant::now();
        let change = |number: u32, ttl| NamedChange {
            pattern: "*.example.org".parse().unwrap(),
            address: std::net::Ipv4Addr::from(0x0800_0000 + number).into(),
            ttl,
        };
        let mut numbers = 0_u32..;
        let opened =
            numbers.by_ref().take_while(|number| zone.has_room_for(&[change(*number, Some(60))], now));
        assert_eq!(opened.count(), MOST_OPEN);
        assert!(zone.has_room_for(&[change(5, None)], now) && zone.has_room_for(&[change(5, Some(60))], now));
        assert!(!zone.has_room_for(&[change(99_999, Some(60))], now));
        assert!(zone.has_room_for(&[change(99_999, Some(60))], now + Duration::from_secs(61)));
        assert_eq!((0..5000).filter(|_| zone.may_exchange(now)).count(), 2000);
        assert!(zone.may_exchange(now + Duration::from_secs(1)));
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
