//! How far a stage is.

use cofferdam_image::{Hasher, HistoryEntry};
use cofferdam_names::{Digest, Timestamp};

use super::{BuiltStage, CacheEntry, StageLayer};
use crate::plan::{PlannedStage, Step};

/// A stage that is being built.
pub(super) struct StageRun<'a> {
    pub(super) planned: &'a PlannedStage,
    /// The next step.
    pub(super) next: usize,
    pub(super) layers: Vec<StageLayer>,
    pub(super) history: Vec<HistoryEntry>,
    /// Seconds since 1970: the time of what is made here.
    pub(super) epoch: i64,
    pub(super) cached: usize,
    /// Its results by their keys.
    pub(super) entries: Vec<CacheEntry>,
    begun: bool,
    waiting: bool,
}

impl<'a> StageRun<'a> {
    pub(super) fn new(planned: &'a PlannedStage) -> Self {
        Self {
            planned,
            next: 0,
            layers: Vec::new(),
            history: Vec::new(),
            epoch: 0,
            cached: 0,
            entries: Vec::new(),
            begun: false,
            waiting: false,
        }
    }

    pub(super) fn begin(&mut self, layers: Vec<StageLayer>, history: Vec<HistoryEntry>, epoch: i64) {
        (self.layers, self.history, self.epoch, self.begun) = (layers, history, epoch, true);
    }

    pub(super) fn is_begun(&self) -> bool {
        self.begun
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.waiting
    }

    pub(super) fn is_done(&self) -> bool {
        self.begun && !self.waiting && self.next >= self.planned.steps.len()
    }

    pub(super) fn wait_for_run(&mut self) {
        self.waiting = true;
    }

    /// The time of what is made here.
    pub(super) fn created(&self) -> Timestamp {
        Timestamp::from_unix(self.epoch, 0)
    }

    /// A step is done.
    pub(super) fn take(&mut self, step: &Step, layer: Option<StageLayer>) {
        self.waiting = false;
        self.next += 1;
        self.history.push(HistoryEntry {
            created: Some(self.created()),
            created_by: step.created_by.clone(),
            author: None,
            comment: "cofferdam".to_owned(),
            empty_layer: layer.is_none(),
        });
        self.layers.extend(layer);
    }

    /// What the layers so far are called together (OCI image-spec, config.md, "Layer ChainID"): the same files have the same name,
    /// whatever made them.
    pub(super) fn chain(&self) -> Digest {
        chain(&self.layers)
    }

    pub(super) fn into_result(self) -> BuiltStage {
        let created = self.created();
        // A stage that adds nothing is the image that it begins with, and of its time.
        let mut config = self.planned.config.clone();
        config.created = Some(created);
        config.diff_ids = self.layers.iter().map(|layer| layer.diff_id.clone()).collect();
        config.history = self.history;
        BuiltStage { config, layers: self.layers, cached: self.cached, entries: Vec::new() }
    }
}

/// What layers are called together.
pub(super) fn chain(layers: &[StageLayer]) -> Digest {
    let mut all = Hasher::default();
    for layer in layers {
        all.update(layer.diff_id.as_str().as_bytes());
        all.update(b" ");
    }
    all.finish()
}
