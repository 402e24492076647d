//! Labels of Linux security modules.

use super::View;
use crate::judge::Judge;
use crate::observation::Reading;

fn compare(planned: Option<&str>, observed: &Reading<Option<String>>, mode: bool, judge: &mut Judge) {
    let Some(planned) = planned else { return };
    let item = judge.whole().planned(planned);
    match observed {
        Err(why) => item.unknown(why.to_string()),
        Ok(None) => item.differs_because("none", "the security module is not active"),
        Ok(Some(label)) if mode => match label.split_once(" (") {
            Some((name, "enforce)")) if name == planned => item.holds(label.as_str()),
            // aa_getcon(2): "unconfined" is the one that has no mode.
            None if label == planned => item.holds(label.as_str()),
            _ => item.differs(label.as_str()),
        },
        Ok(Some(label)) if label == planned => item.holds(label.as_str()),
        Ok(Some(label)) => item.differs(label.as_str()),
    }
}

/// AppArmor prints the profile with its mode; "complain" confines nothing.
pub(super) fn apparmor(view: &View<'_>, judge: &mut Judge) {
    let (plan, observation) = (view.plan, view.observation);
    compare(plan.process.apparmor_profile.as_deref(), &observation.apparmor_label, true, judge);
}

pub(super) fn selinux(view: &View<'_>, judge: &mut Judge) {
    let (plan, observation) = (view.plan, view.observation);
    compare(plan.process.selinux_label.as_deref(), &observation.security_label, false, judge);
}
