//! The receipt: what was read back, as a statement that can be signed and checked elsewhere.

use std::time::SystemTime;

use cofferdam_confinement::Plan;
use cofferdam_kernel::proc::{ProcError, ProcFs};
use cofferdam_names::{ContainerId, Digest, Timestamp, ZoneName};
use rustix::process::Pid;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::digest::sha256;
use crate::envelope::{Envelope, OpenError};
use crate::finding::{Finding, Verdict, overall};
use crate::host_key::{HostKey, PublicKey};
use crate::observation::{FilterWitness, Moment, Observation, Prepared, Scope};

/// The version of the statement's JSON shape.
pub const RECEIPT_SCHEMA: u32 = 1;

/// Which host, and which boot of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Its name.
    pub hostname: String,
    /// Its kernel (`uname -r`).
    pub kernel: String,
    /// `/proc/sys/kernel/random/boot_id`: changes with every boot.
    pub boot_id: String,
}

impl Host {
    /// Reads this host's.
    ///
    /// # Errors
    /// The boot id cannot be read.
    pub fn read(proc: &ProcFs) -> Result<Self, ProcError> {
        let names = rustix::system::uname();
        let boot_id = proc.sysctl("kernel.random.boot_id")?;
        Ok(Self {
            hostname: names.nodename().to_string_lossy().into_owned(),
            kernel: names.release().to_string_lossy().into_owned(),
            boot_id: String::from_utf8_lossy(boot_id.trim_ascii()).into_owned(),
        })
    }
}

/// Which process was looked at: on one boot, a number and a start time name one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subjected {
    /// Its number on the host.
    pub pid: i32,
    /// When it started, in clock ticks since boot (proc_pid_stat(5), field 22).
    pub start_time: u64,
}

/// What is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// [`RECEIPT_SCHEMA`] of the code that wrote it.
    pub schema: u32,
    /// Whose container's.
    pub container: ContainerId,
    /// The zone that the plan was made under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<ZoneName>,
    /// Digest of the plan: see [`plan_digest`].
    pub plan: Digest,
    /// Where it runs.
    pub host: Host,
    /// The container's first process; absent where it could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Subjected>,
    /// The filter as its installation was seen, where it could not be read back: a later look at the same process needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter_witness: Option<FilterWitness>,
    /// When it was looked at.
    pub time: Timestamp,
    /// In which state.
    pub moment: Moment,
    /// Whether the process is the container's first one, or entered later.
    #[serde(default)]
    pub scope: Scope,
    /// The worst of the findings' verdicts.
    pub verdict: Verdict,
    /// All findings.
    pub findings: Vec<Finding>,
    /// What the plan asks for and no interface of the kernel shows: nothing is claimed of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unobservable: Vec<Unobservable>,
}

/// A part of the plan that cannot be read back on any host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unobservable {
    /// The part.
    pub part: String,
    /// Why.
    pub why: String,
}

/// What of the plan cannot be read back. None of it keeps a process from anything by itself.
fn unobservable(plan: &Plan) -> Vec<Unobservable> {
    let keyring = plan.session_keyring.then(|| Unobservable {
        part: "session keyring".to_owned(),
        why: "only a process itself can tell its session keyring (keyctl(2)); /proc/keys shows a reader its own keys alone"
            .to_owned(),
    });
    keyring.into_iter().collect()
}

/// The filter that was seen being installed in this very process, out of the receipt of its start.
///
/// None unless this host's key signed that receipt, it held, and it is of the same boot, number and start time: a filter
/// cannot be removed from a process (seccomp(2)). Without it the filter is unknown where it cannot be read back.
#[must_use]
pub fn witness_of_start(receipt: &[u8], key: PublicKey, proc: &ProcFs, pid: Pid) -> Option<FilterWitness> {
    let envelope: Envelope = serde_json::from_slice(receipt).ok()?;
    let start = envelope.check(&[key]).ok()?;
    let process = proc.process(pid).ok()?;
    let now = Subjected { pid: process.status().ok()?.pid, start_time: process.stat().ok()?.start_time };
    let same = start.process == Some(now) && start.host.boot_id == Host::read(proc).ok()?.boot_id;
    (same && start.moment == Moment::Start && start.verdict == Verdict::Holds)
        .then_some(start.filter_witness)
        .flatten()
}

/// Why a receipt is refused.
#[derive(Debug, Error)]
pub enum ReceiptError {
    /// The envelope is not a trusted one.
    #[error("cannot trust the receipt")]
    Envelope(#[from] OpenError),
    /// It is no JSON of this shape.
    #[error("cannot understand the receipt")]
    Json(#[from] serde_json::Error),
    /// A trusted key has signed something that this code does not know or that is at odds with itself.
    #[error("cannot accept the receipt: {0}")]
    Content(&'static str),
}

/// Digest of a plan: SHA-256 over its JSON without white space, keys in the order of the schema. That is what
/// [`serde_json::to_vec`] writes, so a plan read from any JSON and written again gives the same digest.
///
/// # Errors
/// The plan cannot be written as JSON.
pub fn plan_digest(plan: &Plan) -> Result<Digest, serde_json::Error> {
    Ok(sha256(&serde_json::to_vec(plan)?))
}

impl Statement {
    /// Puts what was found into words.
    #[must_use]
    pub fn new(plan: &Plan, observation: &Observation, findings: Vec<Finding>, prepared: &Prepared) -> Self {
        let process = match (&observation.status, &observation.stat) {
            (Ok(status), Ok(stat)) => Some(Subjected { pid: status.pid, start_time: stat.start_time }),
            _ => None,
        };
        Self {
            schema: RECEIPT_SCHEMA,
            container: plan.container.clone(),
            zone: plan.zone.clone(),
            plan: prepared.plan_digest.clone(),
            host: prepared.host.clone(),
            process,
            filter_witness: observation.filters.witnessed.clone(),
            time: Timestamp::from(SystemTime::now()),
            moment: observation.moment,
            scope: observation.scope,
            verdict: overall(&findings),
            findings,
            unobservable: unobservable(plan),
        }
    }

    /// Signs it.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    pub fn sign(&self, key: &HostKey) -> Result<Envelope, serde_json::Error> {
        Ok(Envelope::seal(&serde_json::to_vec(self)?, key))
    }
}

impl Envelope {
    /// The statement, if a trusted key has signed it and it says one thing.
    ///
    /// # Errors
    /// It is refused.
    pub fn check(&self, trusted: &[PublicKey]) -> Result<Statement, ReceiptError> {
        let statement: Statement = serde_json::from_slice(&self.open(trusted)?)?;
        if statement.schema != RECEIPT_SCHEMA {
            return Err(ReceiptError::Content("its schema is not known"));
        }
        if statement.verdict != overall(&statement.findings) {
            return Err(ReceiptError::Content("its verdict is not that of its findings"));
        }
        Ok(statement)
    }
}
