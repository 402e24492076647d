//! Being told that packet rules of ours were taken away: by a reload of the host's firewall, by `nft flush ruleset`, by hand.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use cofferdam_kernel::netlink::{Family, Listener, PACKET_RULES, attribute};

use crate::rules::TABLE;

/// `NFT_MSG_DELTABLE`, `_DELCHAIN`, `_DELRULE` and `_DELSET` of nfnetlink's subsystem of packet rules. A container that comes or
/// goes only adds and removes elements, and a renewal begins with these: nobody is woken by either.
const REMOVALS: [u16; 4] = [0xa02, 0xa05, 0xa08, 0xa0b];
/// `struct nfgenmsg`
const PART: usize = 4;

/// Told when packet rules go.
#[derive(Debug)]
pub struct RulesWatcher(Listener);

impl RulesWatcher {
    /// One for the caller's network namespace.
    ///
    /// # Errors
    /// The kernel refuses: it takes root.
    pub fn open() -> io::Result<Self> {
        let listener = Listener::open(Family::Netfilter, PACKET_RULES)?;
        listener.only(&REMOVALS)?;
        Ok(Self(listener))
    }

    /// Takes what has arrived; whether rules of ours may be gone.
    ///
    /// # Errors
    /// The kernel does not answer.
    pub fn has_lost_rules(&self) -> io::Result<bool> {
        let mut ours = false;
        let whole = self.0.read(|message| {
            let table = attribute(message.after(PART), 1).unwrap_or_default();
            ours |= REMOVALS.contains(&message.kind)
                && table.strip_suffix(b"\0").unwrap_or(table) == TABLE.as_bytes();
        })?;
        Ok(ours || !whole)
    }
}

impl AsFd for RulesWatcher {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
