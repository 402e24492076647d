//! The container of a step.

use std::path::Path;

use cofferdam_confinement::IdMaps;
use cofferdam_names::ContainerId;
use cofferdam_policy::ContainerRequest;

use crate::create::Writes;
use crate::error::{Error, Result};
use crate::image::ReadyImage;
use crate::{Attach, AttachStream, Engine, RunOptions};

/// A step that has been started.
pub(super) struct StepStarted {
    pub(super) id: ContainerId,
    pub(super) stream: AttachStream,
    /// The ids that its files have on the disk.
    pub(super) id_maps: Option<IdMaps>,
}

impl Engine {
    pub(super) fn run_step(
        &self,
        request: &ContainerRequest,
        image: ReadyImage,
        upper: &Path,
        work: &Path,
        attach: Attach,
    ) -> Result<StepStarted> {
        let writes = Writes { upper: upper.to_owned(), work: work.to_owned() };
        let made = self.make_step(request, image, writes)?;
        let id_maps = made.plan.namespaces.id_maps.clone();
        let started = self.run_made(made, &RunOptions { window: None, attach: Some(attach) })?;
        let stream = started.stream.ok_or_else(|| {
            Error::io("read the output of", "a step", std::io::Error::other("it has no stream"))
        })?;
        Ok(StepStarted { id: started.id, stream, id_maps })
    }
}
