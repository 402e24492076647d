//! The container's place in its zone's resolver, kept for its life: its keeper may be killed, and another one is started then.

use std::time::{Duration, Instant};

use super::{Keeper, Supervisor};
use crate::event::Event;
use crate::names::Candidate;

/// How long a shim waits after a keeper could not be had.
const PAUSE: Duration = Duration::from_secs(2);

impl<K: Keeper> Supervisor<'_, K> {
    /// The keeper has ended. Its sockets are gone with it, so another one is needed at once.
    pub(super) fn lose_membership(&mut self) {
        self.membership = None;
        self.join_again();
    }

    /// Joins anew, as what the container is now. The packet rules stay as they are, with or without.
    pub(super) fn join_again(&mut self) {
        self.join_at = None;
        if self.child.is_none() || self.membership.is_some() {
            return;
        }
        let Some(orders) = self.spec.resolver.clone() else { return };
        let joined = self.read_plan().and_then(|plan| {
            let Some(network) = &plan.network else { return Ok(None) };
            let name = self.keeper.name(&self.spec).unwrap_or_else(|| self.spec.name().to_owned());
            let candidate = Candidate::new(&self.spec.id, &name, network, &orders)?;
            candidate.join_again().map(Some).map_err(|error| crate::Failure::during("join again", &error))
        });
        match joined {
            Ok(membership) => self.membership = membership,
            Err(failure) => {
                self.join_at = Some(Instant::now() + PAUSE);
                let mut attributes = self.spec.attributes.clone();
                attributes.insert("error".to_owned(), failure.chain());
                let event = Event::now("container", "name-server-lost", self.spec.id.as_str(), attributes);
                // A full disk must not end a container.
                let _ = event.append(&self.spec.events);
            }
        }
    }

    /// The container has ended: its names go before its addresses do.
    pub(super) fn leave_resolver(&mut self) {
        self.membership = None;
        self.join_at = None;
    }
}
