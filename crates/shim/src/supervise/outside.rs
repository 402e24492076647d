//! The way out of an ordinary user's network: the process that holds it may be killed. The container has no way outside then, and the
//! start of the next one makes another such process, which is found here.

use std::time::{Duration, Instant};

use cofferdam_rootless::Host;

use super::{Keeper, Supervisor};
use crate::users_network::publish;

/// How often it is looked whether there is another one.
const PAUSE: Duration = Duration::from_secs(1);

impl<K: Keeper> Supervisor<'_, K> {
    /// The process has ended, and pasta with it. Rules and links stay as they are.
    pub(super) fn lose_host(&mut self) {
        self.host = None;
        self.host_at = Some(Instant::now() + PAUSE);
        self.tell(
            "network-lost",
            &[("error", "the process that holds this user's network has ended".to_owned())],
        );
    }

    /// Looks for another one, which has taken over the network that this process is in.
    pub(super) fn look_for_host(&mut self) {
        self.host_at = None;
        let Some(users) = &self.spec.rootless else { return };
        let found = Host::open(&users.socket).ok().flatten();
        let found = found.filter(|host| host.namespaces().is_ok_and(|it| it.are_own()));
        let Some(host) = found else {
            self.host_at = Some(Instant::now() + PAUSE);
            return;
        };
        let plan = self.read_plan().ok().filter(|_| self.child.is_some());
        let published = plan.map_or(Ok(()), |plan| publish(&plan, Some(&host)));
        self.host = Some(host);
        match published {
            Ok(()) => self.tell("network-back", &[]),
            Err(failure) => {
                self.host = None;
                self.host_at = Some(Instant::now() + PAUSE);
                self.tell("network-lost", &[("error", failure.chain())]);
            }
        }
    }

    /// The container has ended: its ports are free again.
    pub(super) fn withdraw(&mut self) {
        if let Some(host) = &self.host {
            // One that has just ended has taken them with it.
            let _ = host.withdraw();
        }
    }
}
