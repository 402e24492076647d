//! no_new_privs (prctl(2), `PR_SET_NO_NEW_PRIVS`).

use super::View;
use crate::judge::Judge;

pub(super) fn no_new_privileges(view: &View<'_>, judge: &mut Judge) {
    let (plan, observation) = (view.plan, view.observation);
    let show = |set: bool| if set { "set" } else { "not set" };
    let planned = plan.process.no_new_privileges;
    let item = judge.whole().planned(show(planned));
    match &observation.status {
        Err(why) => item.unknown(why.to_string()),
        Ok(status) if status.no_new_privs == planned => item.holds(show(planned)),
        Ok(status) if status.no_new_privs => item.holds_with("set", "stricter than planned"),
        Ok(_) => item.differs("not set"),
    }
}
