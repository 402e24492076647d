//! `ps` and `inspect`: what containers there are and what is known of them.

use std::path::Path;

use cofferdam_confinement::network::Segment;
use cofferdam_names::{ContainerId, Timestamp};
use cofferdam_policy::{ContainerRequest, ImageConfig, NetworkMode, VolumeKind};
use cofferdam_shim::{ContainerDir, Health, Status};
use serde::Deserialize;

use crate::definition::{Definition, understood_image};
use crate::error::{Error, Result};
use crate::{ContainerDetails, ContainerSummary, Engine, ListFilters, OWN_NETWORK, health, live, ports};
use cofferdam_image::tree::usage::bytes_below;

/// The part of a plan that a listing needs: the rest of it is not kept in memory.
#[derive(Deserialize)]
struct PlanHead {
    process: ProcessHead,
    network: Option<NetworkHead>,
}

#[derive(Deserialize)]
struct NetworkHead {
    segments: Vec<Segment>,
}

#[derive(Deserialize)]
struct ProcessHead {
    args: Vec<String>,
}

impl Engine {
    /// What `ps` shows, newest first.
    ///
    /// # Errors
    /// The definitions or a container's files cannot be read.
    pub fn list(&self, filters: &ListFilters) -> Result<Vec<ContainerSummary>> {
        self.recover()?;
        let created = |id: &Option<ContainerId>| {
            id.as_ref().map(|id| self.definition(id).map(|it| it.record.created)).transpose()
        };
        let (before, since) = (created(&filters.before)?, created(&filters.since)?);
        let mut shown = Vec::new();
        for (definition, status) in self.settled()? {
            if filters.newest.is_some_and(|most| shown.len() >= most) {
                break;
            }
            if !matches(filters, before, since, &definition, &status) || !matches_ports(filters, &definition)?
            {
                continue;
            }
            let dir = self.paths.container(&definition.record.id);
            let health = health::of(&dir, &status)?;
            if !filters.health.is_empty() && !filters.health.contains(&health.as_ref().map(|it| it.status)) {
                continue;
            }
            let head = match head(&dir) {
                // Removed since its status was read.
                Err(Error::Io { source, .. })
                    if source.kind() == std::io::ErrorKind::NotFound && !dir.path().exists() =>
                {
                    continue;
                }
                other => other?,
            };
            let networks =
                networks(&definition.request, head.network.as_ref().map(|it| it.segments.as_slice()));
            if !filters.networks.is_empty() && !filters.networks.iter().any(|name| networks.contains(name)) {
                continue;
            }
            let size = if filters.size { Some(layer_size(&dir)?) } else { None };
            let image = understood_image(&definition.record)?;
            shown.push(summary(definition, status, health, head.process.args, size, &image, networks).0);
        }
        Ok(shown)
    }

    /// Everything about one container.
    ///
    /// # Errors
    /// There is none, or its files cannot be read.
    pub fn inspect(&self, id: &ContainerId) -> Result<ContainerDetails> {
        let status = self.settle(id)?;
        let definition = self.definition(id)?;
        let dir = self.paths.container(id);
        let plan = live::read_plan(&dir)?;
        let size = Some(layer_size(&dir)?);
        let image_config = understood_image(&definition.record)?;
        let health = health::of(&dir, &status)?;
        let networks =
            networks(&definition.request, plan.network.as_ref().map(|network| network.segments.as_slice()));
        let (summary, request) =
            summary(definition, status, health, plan.process.args.clone(), size, &image_config, networks);
        let receipt = dir.receipt();
        Ok(ContainerDetails {
            summary,
            request,
            plan,
            image_config,
            log_path: dir.log(),
            upper: dir.upper(),
            receipt_path: receipt.exists().then_some(receipt),
        })
    }
}

fn matches_ports(filters: &ListFilters, definition: &Definition) -> Result<bool> {
    let request = &definition.request;
    let mut matches = filters.published.is_empty()
        || filters.published.iter().any(|range| ports::is_published(request, range));
    if matches && !filters.exposed.is_empty() {
        let image = understood_image(&definition.record)?;
        matches = filters.exposed.iter().any(|range| ports::is_exposed(request, &image, range));
    }
    Ok(matches)
}

/// What a listing shows of a container's plan.
fn head(dir: &ContainerDir) -> Result<PlanHead> {
    let path = dir.plan();
    let text = std::fs::read(&path).map_err(|source| Error::io("read", path.display(), source))?;
    serde_json::from_slice(&text).map_err(|source| Error::io("understand", path.display(), source.into()))
}

/// Bytes in the writable layer; none where the container has no layer of its own yet.
fn layer_size(dir: &ContainerDir) -> Result<u64> {
    match bytes_below(&dir.upper()) {
        Ok(bytes) => Ok(bytes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(Error::io("measure", dir.upper().display(), error)),
    }
}

fn summary(
    definition: Definition,
    status: Status,
    health: Option<Health>,
    command: Vec<String>,
    size: Option<u64>,
    image: &ImageConfig,
    networks: Vec<String>,
) -> (ContainerSummary, ContainerRequest) {
    let Definition { record, request } = definition;
    let summary = ContainerSummary {
        id: record.id,
        name: record.name,
        image: request.image.clone(),
        image_id: record.image_id,
        zone: record.zone,
        command,
        created: record.created,
        status,
        health,
        labels: request.labels.clone(),
        mounts: mounts(&request),
        ports: ports::shown(&request, image),
        volumes: volumes(&request),
        networks,
        size,
    };
    (summary, request)
}

/// The sources of mounts that a person named.
fn mounts(request: &ContainerRequest) -> Vec<String> {
    let sources = request.volumes.iter().filter_map(|volume| match &volume.kind {
        VolumeKind::Bind { source, .. } => Some(source.display().to_string()),
        VolumeKind::Volume { name, .. } => name.clone(),
        VolumeKind::Image { image, .. } => Some(image.clone()),
        VolumeKind::Tmpfs { .. } => None,
    });
    sources.collect()
}

/// How many of the mounts are volumes of this engine.
fn volumes(request: &ContainerRequest) -> usize {
    request.volumes.iter().filter(|volume| matches!(volume.kind, VolumeKind::Volume { .. })).count()
}

/// The names of a container's networks: the segments that its plan has where it has a link, or what stands for having none.
fn networks(request: &ContainerRequest, segments: Option<&[Segment]>) -> Vec<String> {
    match segments {
        Some([]) => vec![OWN_NETWORK.to_owned()],
        Some(segments) => {
            let name = |segment: &Segment| match segment.name.as_str() {
                "" => OWN_NETWORK.to_owned(),
                name => name.to_owned(),
            };
            segments.iter().map(name).collect()
        }
        None => vec![match &request.network.mode {
            Some(mode @ (NetworkMode::Container(_) | NetworkMode::Host)) => mode.to_string(),
            _ => NetworkMode::None.to_string(),
        }],
    }
}

/// Whether `ps` shows a container. `before` and `since` are the times at which the containers that were named were made.
fn matches(
    filters: &ListFilters,
    before: Option<Timestamp>,
    since: Option<Timestamp>,
    definition: &Definition,
    status: &Status,
) -> bool {
    let Definition { record, request } = definition;
    let any = |empty: bool, found: bool| empty || found;
    let everything = filters.all || filters.newest.is_some();
    (everything || status.state.has_shim())
        && any(filters.ids.is_empty(), filters.ids.iter().any(|id| record.id.as_str().starts_with(id)))
        && any(filters.names.is_empty(), filters.names.iter().any(|part| part.matches(record.name.as_str())))
        && any(filters.states.is_empty(), filters.states.contains(&status.state))
        && any(filters.exit_codes.is_empty(), exited_with(status, &filters.exit_codes))
        && any(filters.images.is_empty(), filters.images.contains(&request.image))
        && any(filters.zones.is_empty(), filters.zones.contains(&record.zone))
        && filters.labels.iter().all(|label| has_label(request, label))
        && any(filters.volumes.is_empty(), filters.volumes.iter().any(|path| has_volume(request, path)))
        && before.is_none_or(|time| record.created < time)
        && since.is_none_or(|time| record.created > time)
}

fn exited_with(status: &Status, codes: &[u8]) -> bool {
    !status.state.has_shim() && status.exit.is_some_and(|exit| codes.contains(&exit.code))
}

fn has_label(request: &ContainerRequest, (name, value): &(String, Option<String>)) -> bool {
    request.labels.get(name).is_some_and(|found| value.as_ref().is_none_or(|value| value == found))
}

fn has_volume(request: &ContainerRequest, path: &str) -> bool {
    let targets = request.volumes.iter().map(|volume| &volume.target);
    let mut targets = targets.chain(request.tmpfs.iter().map(|tmpfs| &tmpfs.target));
    mounts(request).iter().any(|source| Path::new(source) == Path::new(path))
        || targets.any(|target| target.as_str() == path)
}

#[cfg(test)]
mod tests {
    use cofferdam_shim::{ContainerState, ExitStatus};

    use super::*;
    use crate::store::Record;

    fn container() -> Definition {
        let mut request = ContainerRequest::new("host");
        request.labels.insert("tier".to_owned(), "web".to_owned());
        request.volumes.push("/srv:/data".parse().unwrap());
        let record = Record {
            id: "ab12".parse().unwrap(),
            name: "web-1".parse().unwrap(),
            slot: None,
            image_config: "{}".to_owned(),
            created: Timestamp::from_unix(100, 0),
            image_id: "host".to_owned(),
            zone: "default".parse().unwrap(),
            request: String::new(),
        };
        Definition { record, request }
    }

    fn shows(change: impl FnOnce(&mut ListFilters), status: &Status) -> bool {
        let mut filters = ListFilters { all: true, ..ListFilters::default() };
        change(&mut filters);
        matches(&filters, None, None, &container(), status)
    }

    #[test]
    fn without_filters_only_what_runs_is_shown() {
        let ended = Status { state: ContainerState::Exited, ..Status::default() };
        let paused = Status { state: ContainerState::Paused, ..Status::default() };
        assert!(!shows(|filters| filters.all = false, &ended));
        assert!(shows(|filters| filters.all = false, &paused));
        let newest = |filters: &mut ListFilters| (filters.all, filters.newest) = (false, Some(1));
        assert!(shows(newest, &ended));
    }

    #[test]
    fn all_kinds_of_conditions_must_hold_and_one_value_of_each() {
        let status = Status {
            state: ContainerState::Exited,
            exit: Some(ExitStatus { code: 3, ..ExitStatus::default() }),
            ..Status::default()
        };
        assert!(shows(|filters| filters.ids = vec!["zz".into(), "ab".into()], &status));
        assert!(!shows(|filters| filters.ids = vec!["b1".into()], &status));
        assert!(shows(|filters| filters.names = vec!["eb-".parse().unwrap()], &status));
        assert!(shows(|filters| filters.exit_codes = vec![3], &status));
        assert!(!shows(|filters| filters.exit_codes = vec![0], &status));
        assert!(shows(|filters| filters.labels = vec![("tier".into(), None)], &status));
        let web = ("tier".to_owned(), Some("web".to_owned()));
        let none = ("other".to_owned(), None);
        assert!(shows(|filters| filters.labels = vec![web.clone()], &status));
        assert!(!shows(|filters| filters.labels = vec![web.clone(), none], &status));
        assert!(shows(|filters| filters.volumes = vec!["/data".into()], &status));
        assert!(shows(|filters| filters.volumes = vec!["/srv/".into()], &status));
        assert!(!shows(|filters| filters.volumes = vec!["/s".into()], &status));
        let both = |filters: &mut ListFilters| {
            filters.names = vec!["web".parse().unwrap()];
            filters.states = vec![ContainerState::Running];
        };
        assert!(!shows(both, &status));
    }

    #[test]
    fn before_and_since_leave_the_named_one_out() {
        let filters = ListFilters { all: true, ..ListFilters::default() };
        let at = |seconds| Some(Timestamp::from_unix(seconds, 0));
        let shown = |before, since| matches(&filters, before, since, &container(), &Status::default());
        assert!(shown(at(101), at(99)));
        assert!(!shown(at(100), None));
        assert!(!shown(None, at(100)));
    }
}
