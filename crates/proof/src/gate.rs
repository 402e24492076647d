//! The gate: nothing of a container's own runs before all controls have been read back and hold.

use std::fmt;

use cofferdam_kernel::proc::{ProcError, ProcFs};
use thiserror::Error;

use crate::controls::compare;
use crate::envelope::Envelope;
use crate::finding::{Finding, Verdict};
use crate::host_key::HostKey;
use crate::observation::{ObserveError, Subject, observe};
use crate::receipt::{Host, Statement};

/// A statement and its signed envelope.
#[derive(Debug, Clone)]
pub struct Receipt {
    /// What was found.
    pub statement: Statement,
    /// The same, signed; this is what is stored.
    pub envelope: Envelope,
}

impl Receipt {
    /// The findings that do not hold.
    pub fn failures(&self) -> impl Iterator<Item = &Finding> {
        self.statement.findings.iter().filter(|finding| finding.verdict != Verdict::Holds)
    }
}

/// Why the gate stays shut, or a container cannot be verified.
#[derive(Debug, Error)]
pub enum GateError {
    /// The process could not be looked at.
    #[error(transparent)]
    Observe(#[from] ObserveError),
    /// The host's own identity could not be read.
    #[error("cannot read the host's identity")]
    Host(#[source] ProcError),
    /// The plan or the statement could not be written as JSON.
    #[error("cannot write the receipt")]
    Json(#[from] serde_json::Error),
    /// At least one control does not hold; the receipt says which and is signed too.
    #[error("{}", Refusal(.0))]
    Refused(Box<Receipt>),
}

/// The failing controls in one sentence.
struct Refusal<'a>(&'a Receipt);

impl fmt::Display for Refusal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the container is not confined as planned")?;
        for (number, finding) in self.0.failures().enumerate() {
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

/// Looks at a process and signs what it found, whatever that is: `verify`.
///
/// # Errors
/// It cannot be looked at, or the receipt cannot be made.
pub fn verify(proc: &ProcFs, subject: &Subject<'_>, key: &HostKey) -> Result<Receipt, GateError> {
    let observation = observe(proc, subject)?;
    let findings = compare(subject.plan, &observation);
    let host = Host::read(proc).map_err(GateError::Host)?;
    let statement = Statement::new(subject.plan, &observation, findings, host)?;
    let envelope = statement.sign(key)?;
    Ok(Receipt { statement, envelope })
}

/// Looks at a process that is stopped at its exec, and lets it pass only if every control holds.
///
/// The caller releases the process after `Ok` and kills it after `Err`.
///
/// # Errors
/// It cannot be looked at, or a control does not hold or could not be read back.
pub fn gate(proc: &ProcFs, subject: &Subject<'_>, key: &HostKey) -> Result<Receipt, GateError> {
    let receipt = verify(proc, subject, key)?;
    match receipt.statement.verdict {
        Verdict::Holds => Ok(receipt),
        Verdict::Unknown | Verdict::Differs => Err(GateError::Refused(Box::new(receipt))),
    }
}
