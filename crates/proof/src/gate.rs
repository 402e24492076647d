//! The gate: nothing of a container's own runs before all controls have been read back and hold.

use std::fmt;

use cofferdam_kernel::proc::ProcFs;
use thiserror::Error;

use crate::controls::compare_with;
use crate::envelope::Envelope;
use crate::finding::{Finding, Verdict};
use crate::host_key::HostKey;
use crate::observation::{ObserveError, PrepareError, Prepared, Subject, observe};
use crate::receipt::Statement;

/// A statement and its signed envelope.
#[derive(Debug, Clone)]
pub struct Receipt {
    /// What was found.
    pub statement: Statement,
    /// The same, signed; this is what is stored.
    pub envelope: Envelope,
}

impl Receipt {
    /// Signs a statement.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    pub fn seal(statement: Statement, key: &HostKey) -> Result<Self, serde_json::Error> {
        let envelope = statement.sign(key)?;
        Ok(Self { statement, envelope })
    }

    /// Itself if every control holds.
    ///
    /// # Errors
    /// [`GateError::Refused`] if one does not, or is unknown.
    pub fn admit(self) -> Result<Self, GateError> {
        match self.statement.verdict {
            Verdict::Holds => Ok(self),
            Verdict::Unknown | Verdict::Differs => Err(GateError::Refused(Box::new(self))),
        }
    }

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
    /// The host's side or the plan's could not be had.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// The statement could not be written as JSON.
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

/// Looks at a process and says what it found; unsigned.
///
/// At the gate this decides: the caller lets the process go if [`Statement::verdict`] holds, and signs after that.
///
/// # Errors
/// It cannot be looked at.
pub fn examine(proc: &ProcFs, subject: &Subject<'_>, prepared: &Prepared) -> Result<Statement, ObserveError> {
    let observation = observe(proc, subject, prepared)?;
    let findings = compare_with(subject.plan, &observation, prepared.filter.as_ref());
    Ok(Statement::new(subject.plan, &observation, findings, prepared))
}

/// Looks at a process and signs what it found, whatever that is: `verify`.
///
/// # Errors
/// It cannot be looked at, or the receipt cannot be made.
pub fn verify(proc: &ProcFs, subject: &Subject<'_>, key: &HostKey) -> Result<Receipt, GateError> {
    let prepared = Prepared::new(proc, subject.plan)?;
    Ok(Receipt::seal(examine(proc, subject, &prepared)?, key)?)
}

/// Looks at a process that is stopped at its exec, and lets it pass only if every control holds.
///
/// The caller releases the process after `Ok` and kills it after `Err`. A caller in a hurry makes [`Prepared`] while
/// the container is built, decides by [`examine`] and signs with [`Receipt::seal`] once the process is let go.
///
/// # Errors
/// It cannot be looked at, or a control does not hold or could not be read back.
pub fn gate(proc: &ProcFs, subject: &Subject<'_>, key: &HostKey) -> Result<Receipt, GateError> {
    verify(proc, subject, key)?.admit()
}
