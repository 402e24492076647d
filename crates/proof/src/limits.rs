//! The limits of the container's control group, read back and compared.

use cofferdam_confinement::Cgroup;
use cofferdam_confinement::resources::Resources;
use cofferdam_runtime::cgroup::Group;

use crate::finding::{Finding, Verdict, overall};
use crate::observation::Unreadable;
use crate::receipt::Statement;

/// The name of the control.
const CONTROL: &str = "cgroup-limits";

/// One finding for each value that a plan's limits stand for: the kernel's spelling of what was planned beside what it
/// says now. `group` is the container's group, none where it could not be opened.
#[must_use]
pub fn compare_limits(planned: &Cgroup, group: Option<&Group>) -> Vec<Finding> {
    if planned.resources == Resources::default() && planned.owner.is_none() {
        return Vec::new();
    }
    let Some(group) = group else {
        let why = match &planned.path {
            Some(path) => format!("its group {} cannot be opened", path.as_str()),
            None => "it has no group of its own".to_owned(),
        };
        return vec![unknown(why)];
    };
    match group.observe(&planned.resources) {
        Ok(observations) => observations
            .into_iter()
            .chain(planned.owner.and_then(|uid| group.observe_owner(uid)))
            .map(|observation| Finding {
                control: CONTROL.to_owned(),
                verdict: if observation.holds() { Verdict::Holds } else { Verdict::Differs },
                item: Some(observation.control),
                planned: observation.planned,
                observed: observation.observed,
                note: None,
            })
            .collect(),
        Err(error) => vec![unknown(Unreadable::from_error(&error).0)],
    }
}

fn unknown(why: String) -> Finding {
    Finding {
        control: CONTROL.to_owned(),
        item: None,
        planned: "the plan's limits".to_owned(),
        observed: String::new(),
        verdict: Verdict::Unknown,
        note: Some(why),
    }
}

impl Statement {
    /// The statement with more findings, which count towards its verdict.
    #[must_use]
    pub fn with_findings(mut self, findings: Vec<Finding>) -> Self {
        self.findings.extend(findings);
        self.verdict = overall(&self.findings);
        self
    }
}
