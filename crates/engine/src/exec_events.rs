//! The events of one `exec`, as Docker names them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use cofferdam_names::ContainerId;
use cofferdam_shim::Event;

use crate::create::new_id;
use crate::definition::Definition;
use crate::error::Result;
use crate::options::{ExecRequest, RelayEnd};
use crate::paths::Paths;

/// A process that was told of: what its end is told with. Of a process in the background nobody learns the end.
#[derive(Debug)]
pub(crate) struct ExecEvents {
    file: PathBuf,
    container: ContainerId,
    attributes: BTreeMap<String, String>,
}

impl ExecEvents {
    /// The events of a process that is about to be started in this container.
    pub(crate) fn of(paths: &Paths, definition: &Definition) -> Result<Self> {
        let mut attributes = definition.attributes();
        // As long as a container's, and as random.
        attributes.insert("execID".to_owned(), new_id()?.to_string());
        Ok(Self { file: paths.events(), container: definition.record.id.clone(), attributes })
    }

    /// Tells that the process runs.
    pub(crate) fn begin(&self, request: &ExecRequest) {
        let command = request.command.join(" ");
        self.tell(&format!("exec_create: {command}"), &[]);
        self.tell(&format!("exec_start: {command}"), &[]);
    }

    /// Tells how it ended.
    pub(crate) fn end(&self, end: &RelayEnd) {
        match end {
            RelayEnd::Exited(status) => self.tell("exec_die", &[("exitCode", status.code.to_string())]),
            RelayEnd::Detached => self.tell("exec_detach", &[]),
            RelayEnd::Interrupted => {}
        }
    }

    /// What has happened has happened: a full disk does not undo it.
    fn tell(&self, action: &str, more: &[(&str, String)]) {
        let mut attributes = self.attributes.clone();
        attributes.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        let _ = Event::now("container", action, self.container.as_str(), attributes).append(&self.file);
    }
}
