//! How much one client may ask, so that it cannot take what the others need.

use std::collections::HashMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// The limits of a resolver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Questions a second that one client may ask for long.
    pub per_second: u32,
    /// Questions that it may ask at once.
    pub burst: u32,
    /// Questions of one client that wait for a server.
    pub waiting_per_client: u32,
    /// Questions of all that wait for a server.
    pub waiting: u32,
    /// Octets that answers may take in memory.
    pub cache_bytes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { per_second: 1000, burst: 2000, waiting_per_client: 64, waiting: 512, cache_bytes: 1 << 20 }
    }
}

/// What one client has asked of late.
#[derive(Debug, Clone, Copy)]
struct Share {
    /// Questions that it may still ask, in thousandths.
    left: u64,
    /// When that was reckoned.
    at: u64,
    waiting: u32,
}

/// Shares of all clients.
#[derive(Debug)]
pub(crate) struct Shares {
    limits: Limits,
    shares: HashMap<IpAddr, Share>,
    waiting: u32,
}

/// Clients that are remembered; more than a zone has containers.
const MOST_CLIENTS: usize = 4096;

impl Shares {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, shares: HashMap::new(), waiting: 0 }
    }

    /// Whether a client may ask one more question now. A bucket of `burst` questions fills again by `per_second`.
    pub(crate) fn admit(&mut self, client: IpAddr, now: u64) -> bool {
        let most = u64::from(self.limits.burst) * 1000;
        if self.shares.len() >= MOST_CLIENTS && !self.shares.contains_key(&client) {
            self.shares.retain(|_, share| share.waiting > 0);
            if self.shares.len() >= MOST_CLIENTS {
                return false;
            }
        }
        let share = self.shares.entry(client).or_insert(Share { left: most, at: now, waiting: 0 });
        // Milliseconds times questions a second are thousandths of questions.
        let gained = now.saturating_sub(share.at).saturating_mul(u64::from(self.limits.per_second));
        share.left = share.left.saturating_add(gained).min(most);
        share.at = now;
        match share.left.checked_sub(1000) {
            Some(left) => {
                share.left = left;
                true
            }
            None => false,
        }
    }

    /// Takes a place among the questions that wait for a server; false where the client or all have too many.
    pub(crate) fn begin(&mut self, client: IpAddr) -> bool {
        let Some(share) = self.shares.get_mut(&client) else { return false };
        let full = self.waiting >= self.limits.waiting || share.waiting >= self.limits.waiting_per_client;
        // The last quarter of all places is for clients that have few.
        let crowded = self.waiting >= self.limits.waiting / 4 * 3 && share.waiting >= 4;
        if full || crowded {
            return false;
        }
        share.waiting += 1;
        self.waiting += 1;
        true
    }

    /// Gives such a place back.
    pub(crate) fn end(&mut self, client: IpAddr) {
        if let Some(share) = self.shares.get_mut(&client) {
            share.waiting = share.waiting.saturating_sub(1);
        }
        self.waiting = self.waiting.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares() -> Shares {
        let limits = Limits { per_second: 10, burst: 5, waiting_per_client: 6, waiting: 8, cache_bytes: 0 };
        Shares::new(limits)
    }

    fn client(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    #[test]
    fn a_flood_is_cut_to_its_share_and_others_are_not() {
        let mut shares = shares();
        let admitted = (0..100).filter(|_| shares.admit(client(1), 0)).count();
        assert_eq!(admitted, 5);
        assert!(shares.admit(client(2), 0));
        assert!(!shares.admit(client(1), 99));
        assert!(shares.admit(client(1), 200));
    }

    #[test]
    fn the_last_places_are_for_those_who_have_few() {
        let mut shares = shares();
        assert!(!shares.begin(client(1)), "not admitted yet");
        for last in 1..=3 {
            assert!(shares.admit(client(last), 0));
        }
        assert_eq!((0..100).filter(|_| shares.begin(client(1))).count(), 6);
        assert!(shares.begin(client(2)) && shares.begin(client(3)));
        assert!(!shares.begin(client(2)), "all places are taken");
        shares.end(client(1));
        assert!(shares.begin(client(2)));
    }
}
