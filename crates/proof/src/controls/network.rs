//! The network namespace as far as the plan speaks of it: loopback, the link with its rules, and devices that moved in.

use super::View;
use crate::judge::Judge;

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

/// A planned name may end in `%d`, for a number of the kernel's choice.
fn is_named(name: &str, planned: &str) -> bool {
    match planned.strip_suffix("%d") {
        None => name == planned,
        Some(stem) => name
            .strip_prefix(stem)
            .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())),
    }
}
