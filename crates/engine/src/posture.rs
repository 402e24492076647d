//! `[placement] require`: a zone's containers start only on a host that passes the zone's checks.

use std::path::Path;

use cofferdam_audit::host::{Source, required};
use cofferdam_audit::{Outcome, printable};
use cofferdam_names::ZoneName;
use cofferdam_policy::Zone;

use crate::Engine;
use crate::error::{Error, Result};

impl Engine {
    /// A zone, if this host is one that it may be placed on. Looked at anew at each start: a host changes.
    ///
    /// # Errors
    /// There is no such zone, or a check that it demands fails, is unknown, or does not exist.
    pub(crate) fn zone_for_this_host(&self, name: &ZoneName) -> Result<Zone> {
        let zone = self.zones().load(name)?;
        let wanted = &zone.posture;
        if wanted.value.is_empty() {
            return Ok(zone);
        }
        let source = Source::running(Path::new("/")).map_err(|error| Error::io("open", "/", error))?;
        let verdicts = required(&source, &wanted.value);
        // What there is nothing to judge of does not stand in the way; what is not known does.
        let short = verdicts
            .iter()
            .filter(|(_, verdict)| !matches!(verdict.outcome, Outcome::Pass | Outcome::NotApplicable));
        let failed: Vec<String> = short
            .map(|(id, verdict)| {
                format!("{} ({}: {})", printable(id), verdict.outcome.name(), printable(&verdict.summary()))
            })
            .collect();
        if failed.is_empty() {
            return Ok(zone);
        }
        Err(Error::Posture { zone: name.clone(), place: wanted.place.to_string(), failed: failed.join(", ") })
    }
}
