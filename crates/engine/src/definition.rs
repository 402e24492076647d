//! What is written down of one container, as the other parts use it.

use std::collections::BTreeMap;

use cofferdam_names::ContainerId;
use cofferdam_policy::{ContainerRequest, ImageConfig};
use cofferdam_shim::Event;

use crate::create::attributes;
use crate::error::{Error, Result};
use crate::ownership::gone;
use crate::store::Record;
use crate::{Engine, Paths};

/// A container's record, with its request understood.
#[derive(Debug, Clone)]
pub(crate) struct Definition {
    pub(crate) record: Record,
    pub(crate) request: ContainerRequest,
}

impl Definition {
    pub(crate) fn new(record: Record) -> Result<Self> {
        let request = understood(&record)?;
        Ok(Self { record, request })
    }

    /// What the container's events carry: its labels, its name and its image.
    pub(crate) fn attributes(&self) -> BTreeMap<String, String> {
        attributes(&self.request, &self.record.name, Some(&self.record.zone))
    }

    /// Adds an event of the container. What happened has happened: a full disk does not undo it, so a failure is none of
    /// the operation's.
    pub(crate) fn tell(&self, paths: &Paths, action: &str, more: &[(&str, String)]) {
        let mut attributes = self.attributes();
        attributes.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        let event = Event::now("container", action, self.record.id.as_str(), attributes);
        let _ = event.append(&paths.events());
    }
}

/// What was asked for of a container.
pub(crate) fn understood(record: &Record) -> Result<ContainerRequest> {
    serde_json::from_str(&record.request).map_err(|error| {
        Error::io("understand", format!("the request of container {}", record.id.short()), error.into())
    })
}

/// What the image said of a container when it was made.
pub(crate) fn understood_image(record: &Record) -> Result<ImageConfig> {
    serde_json::from_str(&record.image_config)
        .map_err(|error| Error::io("understand", "the image of a container", error.into()))
}

impl Engine {
    /// The definition of a container.
    pub(crate) fn definition(&self, id: &ContainerId) -> Result<Definition> {
        let record = self.store.container(id)?;
        Definition::new(record.ok_or_else(|| gone(id))?)
    }
}
