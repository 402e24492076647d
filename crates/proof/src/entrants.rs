//! What is kept of the processes that entered a container (`exec`): what each was to be, and the receipt of its start.

use std::io;
use std::path::{Path, PathBuf};

use cofferdam_confinement::Process;
use cofferdam_kernel::proc::ProcFs;
use rustix::process::Pid;
use serde::{Deserialize, Serialize};

use crate::envelope::Envelope;
use crate::gate::Receipt;
use crate::host_key::PublicKey;
use crate::receipt::{Host, Subjected};

/// The folder below the container's own.
const FOLDER: &str = "execs";
/// So many are kept; beyond that, those whose processes have ended go, oldest first.
const MOST: usize = 64;

/// What is kept of one process.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entrant {
    /// What it was to be. The receipt's digest is that of the container's plan with this process in it.
    pub process: Process,
    /// The receipt of its start.
    pub receipt: Envelope,
}

/// The processes that entered one container: one file each, named by start time and number.
#[derive(Debug, Clone)]
pub struct Entrants {
    folder: PathBuf,
}

impl Entrants {
    /// Those of the container that keeps its state in this folder.
    #[must_use]
    pub fn of(container: &Path) -> Self {
        Self { folder: container.join(FOLDER) }
    }

    /// Keeps one. The receipt names the process, or nothing could be made of it later.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn keep(&self, process: &Process, receipt: &Receipt, proc: &ProcFs) -> io::Result<()> {
        let Subjected { pid, start_time } = receipt.statement.process.ok_or(io::ErrorKind::InvalidData)?;
        let entrant = Entrant { process: process.clone(), receipt: receipt.envelope.clone() };
        let text = serde_json::to_vec(&entrant)?;
        let file = self.folder.join(format!("{start_time}-{pid}.json"));
        match std::fs::write(&file, &text) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                std::fs::create_dir(&self.folder)?;
                std::fs::write(&file, &text)?;
            }
            other => other?,
        }
        self.forget_ended(proc)
    }

    /// What stands in the folder, oldest first.
    fn list(&self) -> io::Result<Vec<(Subjected, PathBuf)>> {
        let entries = match std::fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        let named = |entry: std::fs::DirEntry| {
            let name = entry.file_name().into_string().ok()?;
            let (start_time, pid) = name.strip_suffix(".json")?.split_once('-')?;
            Some((Subjected { pid: pid.parse().ok()?, start_time: start_time.parse().ok()? }, entry.path()))
        };
        let entries = entries.collect::<io::Result<Vec<_>>>()?;
        let mut found: Vec<_> = entries.into_iter().filter_map(named).collect();
        found.sort_by_key(|(process, _)| (process.start_time, process.pid));
        Ok(found)
    }

    fn forget_ended(&self, proc: &ProcFs) -> io::Result<()> {
        let found = self.list()?;
        let surplus = found.len().saturating_sub(MOST);
        let ended = found.iter().filter(|(process, _)| !lives(*process, proc)).take(surplus);
        for (_, file) in ended {
            match std::fs::remove_file(file) {
                // Another exec was faster.
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Those that live, with what each was to be. What this host's key has not signed, on this boot and for that process, is
    /// not believed.
    ///
    /// # Errors
    /// The folder or a file in it cannot be read.
    pub fn living(&self, proc: &ProcFs, key: PublicKey) -> io::Result<Vec<(Pid, Entrant)>> {
        let mut living = Vec::new();
        let boot = Host::read(proc).map_err(io::Error::from)?.boot_id;
        for (process, file) in self.list()? {
            let Some(pid) = Pid::from_raw(process.pid).filter(|_| lives(process, proc)) else { continue };
            let text = match std::fs::read(&file) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other?,
            };
            let entrant: Entrant = serde_json::from_slice(&text)?;
            let own = |statement: &crate::receipt::Statement| {
                statement.process == Some(process) && statement.host.boot_id == boot
            };
            if entrant.receipt.check(&[key]).is_ok_and(|statement| own(&statement)) {
                living.push((pid, entrant));
            }
        }
        Ok(living)
    }
}

/// Whether the process lives: its number alone could be another's by now.
fn lives(process: Subjected, proc: &ProcFs) -> bool {
    let Some(pid) = Pid::from_raw(process.pid) else { return false };
    let stat = proc.process(pid).and_then(|process| process.stat());
    stat.is_ok_and(|stat| stat.start_time == process.start_time && !matches!(stat.state, b'Z' | b'X' | b'x'))
}
