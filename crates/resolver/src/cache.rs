//! Answers that are kept for as long as they may be.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::rc::Rc;

use crate::wire::{Name, Rcode, Record};

/// What a question is kept by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) name: Name,
    pub(crate) kind: u16,
}

/// What is answered to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) rcode: Rcode,
    pub(crate) answers: Vec<Record>,
    /// The SOA of an answer that says there is nothing.
    pub(crate) authority: Option<Record>,
    /// When it is past, in milliseconds.
    pub(crate) expires: u64,
}

impl Entry {
    /// Seconds that are left, rounded down: a client forgets it no later than we do.
    pub(crate) fn ttl(&self, now: u64) -> u32 {
        u32::try_from(self.expires.saturating_sub(now) / 1000).unwrap_or(u32::MAX)
    }

    fn weight(&self, key: &Key) -> usize {
        let records = self.answers.iter().chain(&self.authority).map(Record::weight).sum::<usize>();
        records + 2 * key.name.wire().len() + 2 * size_of::<Key>() + size_of::<Self>() + 48
    }
}

#[derive(Debug)]
struct Kept {
    entry: Rc<Entry>,
    client: IpAddr,
    weight: usize,
    /// Tells it from a later entry with the same key.
    serial: u64,
}

/// What one client's questions have brought in, oldest first.
#[derive(Debug, Default)]
struct Account {
    weight: usize,
    order: VecDeque<(Key, u64)>,
}

/// The answers. When they take too much, the client whose questions brought in most loses its oldest: a client that asks for a
/// thousand names pushes out its own.
#[derive(Debug)]
pub(crate) struct Cache {
    most: usize,
    weight: usize,
    serial: u64,
    kept: HashMap<Key, Kept>,
    accounts: HashMap<IpAddr, Account>,
}

impl Cache {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, weight: 0, serial: 0, kept: HashMap::new(), accounts: HashMap::new() }
    }

    /// The answer, if it is not past.
    pub(crate) fn get(&self, key: &Key, now: u64) -> Option<Rc<Entry>> {
        let kept = self.kept.get(key)?;
        // One that has less than a second left would be answered with a lifetime of 0.
        (kept.entry.ttl(now) > 0).then(|| Rc::clone(&kept.entry))
    }

    /// Keeps an answer that a client's question brought in.
    pub(crate) fn put(&mut self, key: Key, entry: Rc<Entry>, client: IpAddr) {
        self.remove(&key);
        let weight = entry.weight(&key);
        if weight > self.most / 4 {
            return;
        }
        self.serial += 1;
        let account = self.accounts.entry(client).or_default();
        account.order.push_back((key.clone(), self.serial));
        account.weight += weight;
        self.weight += weight;
        self.kept.insert(key, Kept { entry, client, weight, serial: self.serial });
        while self.weight > self.most && self.push_one_out() {}
    }

    fn remove(&mut self, key: &Key) {
        let Some(kept) = self.kept.remove(key) else { return };
        self.weight -= kept.weight;
        if let Some(account) = self.accounts.get_mut(&kept.client) {
            account.weight -= kept.weight;
            // The place in its order is passed over when it comes up; many of them are swept out.
            if account.order.len() > 2 * self.kept.len() + 16 {
                let kept = &self.kept;
                account
                    .order
                    .retain(|(key, serial)| kept.get(key).is_some_and(|kept| kept.serial == *serial));
            }
        }
    }

    fn push_one_out(&mut self) -> bool {
        let largest = self.accounts.iter().max_by_key(|(_, account)| account.weight);
        let Some(client) = largest.map(|(client, _)| *client) else { return false };
        let Some(account) = self.accounts.get_mut(&client) else { return false };
        match account.order.pop_front() {
            None => {
                self.accounts.remove(&client);
            }
            Some((key, serial)) => {
                if self.kept.get(&key).is_some_and(|kept| kept.serial == serial) {
                    self.remove(&key);
                }
            }
        }
        true
    }

    /// Takes out what is past. Looks at all: for every few seconds, not for every question.
    pub(crate) fn sweep(&mut self, now: u64) {
        let past = self.kept.iter().filter(|(_, kept)| kept.entry.expires <= now);
        let past: Vec<Key> = past.map(|(key, _)| key.clone()).collect();
        for key in past {
            self.remove(&key);
        }
        let kept = &self.kept;
        self.accounts.retain(|_, account| {
            account.order.retain(|(key, serial)| kept.get(key).is_some_and(|kept| kept.serial == *serial));
            !account.order.is_empty()
        });
    }

    /// Forgets everything: the rules or the servers are others now.
    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.most);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(text: &str) -> Key {
        Key { name: text.parse().unwrap(), kind: 1 }
    }

    fn entry(name: &str, expires: u64) -> Rc<Entry> {
        let record = Record::address_of(name.parse().unwrap(), [192, 0, 2, 1].into(), 60);
        Rc::new(Entry { rcode: Rcode::NoError, answers: vec![record], authority: None, expires })
    }

    fn client(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    #[test]
    fn an_answer_lives_as_long_as_it_says() {
        let mut cache = Cache::new(10_000);
        cache.put(key("a.b"), entry("a.b", 5_000), client(1));
        assert_eq!(cache.get(&key("a.b"), 1_000).unwrap().ttl(1_000), 4);
        assert_eq!(cache.get(&key("a.b"), 4_500), None);
        cache.sweep(5_000);
        assert_eq!((cache.weight, cache.kept.len(), cache.accounts.len()), (0, 0, 0));
    }

    #[test]
    fn who_fills_it_pushes_out_its_own() {
        let mut cache = Cache::new(8_000);
        cache.put(key("quiet.example"), entry("quiet.example", 1 << 40), client(1));
        for n in 0..1000 {
            let name = format!("n{n}.example");
            cache.put(key(&name), entry(&name, 1 << 40), client(2));
        }
        assert!(cache.get(&key("quiet.example"), 0).is_some());
        assert!(cache.get(&key("n999.example"), 0).is_some());
        assert!(cache.get(&key("n0.example"), 0).is_none());
        assert!(cache.weight <= 8_000);
    }

    proptest! {
        #[test]
        fn its_weight_is_what_it_holds(steps in proptest::collection::vec((0_u8..20, 0_u8..3, 1_u64..9), 0..200)) {
            let mut cache = Cache::new(3_000);
            for (now, (name, from, life)) in (0..).zip(steps) {
                let now: u64 = now;
                let name = format!("n{name}.example");
                cache.put(key(&name), entry(&name, (now + life) * 1000), client(from));
                if now.is_multiple_of(7) {
                    cache.sweep(now * 1000);
                }
                prop_assert!(cache.weight <= 3_000);
                prop_assert_eq!(cache.weight, cache.kept.values().map(|kept| kept.weight).sum::<usize>());
                let accounts = cache.accounts.values().map(|account| account.weight).sum::<usize>();
                prop_assert_eq!(cache.weight, accounts);
                let places = cache.accounts.values().map(|account| account.order.len()).sum::<usize>();
                prop_assert!(places <= 3 * (2 * cache.kept.len() + 18), "{places}");
            }
        }
    }
}
