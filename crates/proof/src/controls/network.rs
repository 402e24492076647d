//! The network namespace as far as the plan speaks of it: loopback, and devices that moved in.

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
