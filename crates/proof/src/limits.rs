//! The container's control group, read back and compared: its limits, and that the process is in it everywhere.

use cofferdam_confinement::Cgroup;
use cofferdam_confinement::resources::Resources;
use cofferdam_runtime::cgroup::{Group, Observation};
use rustix::process::Pid;

use crate::finding::{Finding, Verdict, overall};
use crate::observation::Unreadable;
use crate::receipt::Statement;

/// The name of the control.
const CONTROL: &str = "cgroup-limits";
/// In one hierarchy of several a process could be left out, and its limits there with it.
const MEMBERSHIP: &str = "cgroup-membership";

/// One finding for each value that a plan's limits stand for, the kernel's spelling of what was planned beside what it
/// says now, and one for each hierarchy that the process `pid` should be in. `group` is the container's group, none where
/// it could not be opened.
#[must_use]
pub fn compare_group(planned: &Cgroup, group: Option<&Group>, pid: Pid) -> Vec<Finding> {
    let Some(group) = group else {
        return match &planned.path {
            Some(path) => vec![unknown(CONTROL, format!("its group {} cannot be opened", path.as_str()))],
            None if planned.resources == Resources::default() => Vec::new(),
            None => vec![unknown(CONTROL, "it has no group of its own".to_owned())],
        };
    };
    let mut found = match group.observe(&planned.resources) {
        Ok(observations) => findings(CONTROL, observations),
        Err(error) => vec![unknown(CONTROL, Unreadable::from_error(&error).0)],
    };
    found.extend(findings(CONTROL, planned.owner.and_then(|uid| group.observe_owner(uid))));
    match group.observe_membership(pid) {
        Ok(observations) => found.extend(findings(MEMBERSHIP, observations)),
        Err(error) => found.push(unknown(MEMBERSHIP, Unreadable::from_error(&error).0)),
    }
    found
}

fn findings(control: &str, observations: impl IntoIterator<Item = Observation>) -> Vec<Finding> {
    observations
        .into_iter()
        .map(|observation| Finding {
            control: control.to_owned(),
            verdict: if observation.holds() { Verdict::Holds } else { Verdict::Differs },
            item: Some(observation.control),
            planned: observation.planned,
            observed: observation.observed,
            note: None,
        })
        .collect()
}

fn unknown(control: &str, why: String) -> Finding {
    Finding {
        control: control.to_owned(),
        item: None,
        planned: "as in the plan".to_owned(),
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
