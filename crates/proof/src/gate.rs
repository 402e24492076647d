//! The gate: nothing of a container's own runs before all controls have been read back and hold.

use std::fmt;
use std::io;
use std::path::Path;

use cofferdam_confinement::Plan;
use cofferdam_confinement::seccomp::{Profile, Program};
use cofferdam_kernel::proc::ProcFs;
use cofferdam_runtime::cgroup::Group;
use cofferdam_runtime::start::{Gated, Permit};
use rustix::process::Pid;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::controls::compare_with;
use crate::envelope::Envelope;
use crate::finding::{Finding, Verdict};
use crate::host_key::HostKey;
use crate::observation::{
    ContainerReading, FilterWitness, Moment, ObserveError, PrepareError, Prepared, Subject, observe_with,
};
use crate::receipt::Statement;

/// A statement and its signed envelope.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Receipt {
    /// What was found.
    pub statement: Statement,
    /// The same, signed; this is what is stored.
    pub envelope: Envelope,
}

impl Receipt {
    /// Writes it to a file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn keep(&self, file: &Path) -> io::Result<()> {
        std::fs::write(file, serde_json::to_vec(&self.envelope)?)
    }

    /// Signs a statement.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    pub fn seal(statement: Statement, key: &HostKey) -> Result<Self, serde_json::Error> {
        let envelope = statement.sign(key)?;
        Ok(Self { statement, envelope })
    }
}

/// What the gate makes of a control that could not be read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// The plan was made by our policy, which asks for nothing that cannot be read back: the gate stays shut.
    Strict,
    /// The plan was made from somebody else's configuration: those of [`MAY_BE_UNKNOWN`] are let pass, and the receipt says
    /// that they are unknown.
    Foreign,
}

/// The controls that may be unknown under [`Rule::Foreign`], each with what makes it so (docs/decisions/receipts.md).
pub const MAY_BE_UNKNOWN: [(&str, &str); 5] = [
    ("extra-mounts", "a hook of the configuration may have made the mount"),
    ("extra-devices", "a hook of the configuration may have made the node"),
    (
        "seccomp-filter",
        "an ordinary user may not read a filter back, nor watch one that asks an agent being installed",
    ),
    ("sysctls", "a parameter can be one that nobody may read"),
    ("loopback", "the container's network namespace may have no IPv4"),
];

impl Rule {
    /// Whether a finding keeps the gate shut.
    fn refuses(self, plan: &Plan, finding: &Finding) -> bool {
        match finding.verdict {
            Verdict::Holds => false,
            Verdict::Differs => true,
            Verdict::Unknown => {
                let listed = MAY_BE_UNKNOWN.iter().any(|(name, _)| *name == finding.control);
                let asks = || plan.process.seccomp.as_ref().is_some_and(Profile::notifies);
                self == Self::Strict || !listed || (finding.control == "seccomp-filter" && !asks())
            }
        }
    }
}

/// Why the gate stays shut, or a container cannot be verified.
#[derive(Debug, Error)]
pub enum GateError {
    /// The process could not be looked at.
    #[error(transparent)]
    Observe(#[from] ObserveError),
    /// The host's side or the plan's could not be had.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// What is kept of the processes that entered cannot be read.
    #[error("cannot read what is kept of the processes that entered")]
    Entrants(#[source] io::Error),
    /// The statement could not be written as JSON.
    #[error("cannot write the receipt")]
    Json(#[from] serde_json::Error),
    /// The filter that the process was seen installing could not be understood.
    #[error("cannot understand the filter that the process was seen installing")]
    Witness(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// At least one control keeps the gate shut; the statement says which.
    #[error("the container is not confined as planned{}", Refusal(refused))]
    Refused {
        /// What was found.
        statement: Box<Statement>,
        /// What of it keeps the gate shut.
        refused: Vec<Finding>,
    },
}

/// The failing controls in one sentence.
struct Refusal<'a>(&'a [Finding]);

impl fmt::Display for Refusal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, finding) in self.0.iter().enumerate() {
            f.write_str(if number == 0 { ": " } else { "; " })?;
            write!(f, "{}", finding.control)?;
            if let Some(item) = &finding.item {
                write!(f, " {item}")?;
            }
            match finding.verdict {
                Verdict::Unknown => f.write_str(" cannot be read back")?,
                Verdict::Differs | Verdict::Holds => {
                    write!(f, " is {:?}, not {:?}", finding.observed, finding.planned)?;
                }
            }
            if let Some(note) = &finding.note {
                write!(f, " ({note})")?;
            }
        }
        Ok(())
    }
}

/// Looks at a process and says what it found; unsigned.
///
/// # Errors
/// It cannot be looked at.
pub fn examine(proc: &ProcFs, subject: &Subject<'_>, prepared: &Prepared) -> Result<Statement, ObserveError> {
    examine_with(proc, subject, prepared, None)
}

fn examine_with(
    proc: &ProcFs,
    subject: &Subject<'_>,
    prepared: &Prepared,
    ahead: Option<ContainerReading>,
) -> Result<Statement, ObserveError> {
    let observation = observe_with(proc, subject, prepared, ahead)?;
    let findings = compare_with(subject.plan, &observation, prepared.filter.as_ref());
    Ok(Statement::new(subject.plan, &observation, findings, prepared))
}

/// What a process at the gate is compared with.
#[derive(Debug)]
pub struct Terms<'a> {
    /// The plan; for a process that enters, the container's with that process in it.
    pub plan: &'a Plan,
    /// Made for that plan while the container was built.
    pub prepared: &'a Prepared,
    /// The container's control group; none where it has none of its own.
    pub group: Option<&'a Group>,
    /// How many descriptors from 3 on were handed over on purpose.
    pub preserved_fds: u32,
    /// What becomes of a control that cannot be read back.
    pub rule: Rule,
}

/// What the gate gives where it opens.
#[derive(Debug)]
pub struct Passed {
    /// Lets the process run.
    pub permit: Permit,
    /// What was found: to be signed and kept, which can wait until the process runs.
    pub statement: Statement,
}

/// Reads back everything that confines a process held at its exec, and gives leave to run where all of it is as planned.
///
/// # Errors
/// It cannot be looked at, or a control keeps the gate shut: then the process is to be killed, which dropping it does.
///
/// `ahead` is what was read of the container while its first process was becoming the program, if it was: what is the
/// process's own is read here and now.
pub fn gate(
    proc: &ProcFs,
    gated: &Gated,
    terms: &Terms<'_>,
    ahead: Option<ContainerReading>,
) -> Result<Passed, GateError> {
    let filter_witness = match gated.witnessed() {
        [program] => witness(program, proc, gated.pid())?,
        _ => None,
    };
    let subject = Subject {
        plan: terms.plan,
        pid: gated.pid(),
        moment: Moment::Start,
        group: terms.group,
        preserved_fds: terms.preserved_fds,
        filter_witness,
        population: None,
    };
    let statement = examine_with(proc, &subject, terms.prepared, ahead)?;
    // A statement without findings has compared nothing.
    let refused: Vec<Finding> = statement
        .findings
        .iter()
        .filter(|finding| terms.rule.refuses(terms.plan, finding))
        .cloned()
        .collect();
    if statement.findings.is_empty() || !refused.is_empty() {
        return Err(GateError::Refused { statement: Box::new(statement), refused });
    }
    Ok(Passed { permit: Permit::after_reading_back(gated), statement })
}

/// The one filter that the process was seen installing.
fn witness(program: &[u8], proc: &ProcFs, pid: Pid) -> Result<Option<FilterWitness>, GateError> {
    let program = Program::from_bytes(program).map_err(|error| GateError::Witness(error.into()))?;
    let status = proc.process(pid).and_then(|process| process.status());
    let count = status.map_err(|error| GateError::Witness(error.into()))?.seccomp_filters;
    Ok(count.map(|filters| FilterWitness { program: program.digest(), filters }))
}
