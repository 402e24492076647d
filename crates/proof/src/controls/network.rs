//! The network namespace as far as the plan speaks of it: loopback, the link with its rules, and devices that moved in.

use cofferdam_kernel::capability::Capability;

use super::{MADE_BY_HOOK, View};
use crate::judge::Judge;
use crate::observation::Moment;

/// What the kernel puts into every new network namespace where its tunnel modules are loaded
/// (`net.core.fb_tunnels_only_for_init_net`), down and without an address.
const OF_THE_KERNEL: [&str; 10] =
    ["tunl0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "sit0", "ip6tnl0", "ip6gre0", "lo"];

/// Loopback is no wall; a container that needs it and lacks it is still not what was planned.
pub(super) fn loopback(view: &View<'_>, judge: &mut Judge) {
    let (plan, observation) = (view.plan, view.observation);
    if plan.loopback_up {
        let show = |up: &bool| if *up { "up" } else { "down" }.to_owned();
        judge.whole().equal(&true, &observation.loopback_up, show);
    }
}

/// Link, addresses, routes and packet rules.
pub(super) fn connection(view: &View<'_>, judge: &mut Judge) {
    if view.plan.network.is_none() {
        return;
    }
    match &view.observation.network {
        Err(why) => judge.whole().planned("a link with its rules").unknown(why.to_string()),
        Ok(parts) => {
            for part in parts {
                let item = judge.item(part.item.as_str()).planned(part.planned.clone());
                match &part.found {
                    Ok(found) if *found == part.planned => item.holds(found.clone()),
                    Ok(found) => item.differs(found.clone()),
                    Err(why) => item.unknown(why.clone()),
                }
            }
        }
    }
}

pub(super) fn devices(view: &View<'_>, judge: &mut Judge) {
    let (plan, observation) = (view.plan, view.observation);
    for (host, new) in &plan.net_devices {
        let item = judge.item(new.as_str()).planned(format!("{host} as {new}"));
        match &observation.net_links {
            Err(why) => item.unknown(why.to_string()),
            Ok(links) => match links.iter().find(|name| is_named(name, new)) {
                Some(name) => item.holds(format!("{name} is present")),
                None => item.differs(format!("not among {}", links.join(" "))),
            },
        }
    }
}

/// A link that nobody planned leads to where nobody meant the container to reach. In a new namespace there is none at the start;
/// somebody on the host can put one there later.
pub(super) fn extra_links(view: &View<'_>, judge: &mut Judge) {
    let (plan, observation) = (view.plan, view.observation);
    if observation.moment != Moment::Verify || !plan.namespaces.network.is_new() {
        return;
    }
    let planned = "no other link";
    let links = match &observation.net_links {
        Ok(links) => links,
        Err(why) => return judge.whole().planned(planned).unknown(why.to_string()),
    };
    let own = plan.network.as_ref().map(|network| network.link.name.as_str());
    let is_planned = |name: &str| {
        own == Some(name)
            || OF_THE_KERNEL.contains(&name)
            || plan.net_devices.values().any(|new| is_named(name, new))
    };
    let mut extra = links.iter().filter(|name| !is_planned(name)).peekable();
    if extra.peek().is_none() {
        return judge.whole().planned(planned).holds("no other link");
    }
    for name in extra {
        let item = judge.item(name.as_str()).planned("not there");
        if plan.process.capabilities.bounding.contains(Capability::NET_ADMIN) {
            item.holds_with("present", "the container may make links itself");
        } else if view.hooked {
            item.unknown(MADE_BY_HOOK);
        } else {
            item.differs("present");
        }
    }
}

/// A planned name may end in `%d`, for a number of the kernel's choice.
fn is_named(name: &str, planned: &str) -> bool {
    match planned.strip_suffix("%d") {
        None => name == planned,
        Some(stem) => name
            .strip_prefix(stem)
            .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())),
    }
}
