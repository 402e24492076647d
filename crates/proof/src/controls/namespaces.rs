//! Each of the eight namespaces is new, joined or the host's, as planned.

use cofferdam_confinement::NamespaceSource;
use cofferdam_kernel::namespace::Namespace;

use super::View;
use crate::judge::Judge;
use crate::observation::{NamespaceIds, Reading, Scope};

pub(super) fn compare(view: &View<'_>, judge: &mut Judge) {
    let (plan, observation) = (view.plan, view.observation);
    for kind in Namespace::ALL {
        let source = plan.namespaces.source(kind);
        let item = judge.item(kind.link_name()).planned(match (source, observation.scope) {
            (NamespaceSource::Host, _) => "the host's".to_owned(),
            (_, Scope::Entered) => "the container's".to_owned(),
            (NamespaceSource::New, Scope::Container) => "new".to_owned(),
            (NamespaceSource::Join(path), Scope::Container) => format!("joined: {}", path.display()),
        });
        let Some(ids) = observation.namespaces.get(&kind) else {
            item.unknown("not read");
            continue;
        };
        let (own, holds) = match relation(source, ids) {
            Ok(known) => known,
            Err(why) => {
                item.unknown(why.to_string());
                continue;
            }
        };
        let seen = format!("{}:[{}]", kind.link_name(), own);
        match (holds, source, observation.scope) {
            (true, _, _) => item.holds(seen),
            (false, NamespaceSource::Host, _) => item.differs_because(seen, "it is not the host's"),
            (false, _, Scope::Entered) => item.differs_because(seen, "it is not the container's"),
            (false, NamespaceSource::New, _) => item.differs_because(seen, "it is the host's"),
            (false, NamespaceSource::Join(_), _) => item.differs_because(seen, "it is not the joined one"),
        }
    }
}

/// The process's namespace, and whether it stands to the host's, or the joined one, as it should.
fn relation(source: &NamespaceSource, ids: &NamespaceIds) -> Reading<(u64, bool)> {
    let own = ids.own.clone()?;
    Ok(match (source, &ids.joined) {
        (NamespaceSource::Host, _) => (own, own == ids.host.clone()?),
        (_, Some(joined)) => (own, own == joined.clone()?),
        (NamespaceSource::New, None) => (own, own != ids.host.clone()?),
        (NamespaceSource::Join(_), None) => (own, false),
    })
}

/// In a new pid namespace the container's first process is number 1: whatever it starts is reaped and ends with it.
pub(super) fn first_process(view: &View<'_>, judge: &mut Judge) {
    let (plan, observation) = (view.plan, view.observation);
    if !plan.namespaces.pid.is_new() {
        return;
    }
    let item = judge.whole().planned("process 1 of its pid namespace");
    match &observation.status {
        Err(why) => item.unknown(why.to_string()),
        Ok(status) => match status.ns_pid.last() {
            Some(1) => item.holds("1"),
            Some(other) => item.differs(other.to_string()),
            None => item.unknown("this kernel does not tell the number inside the namespace"),
        },
    }
}
