//! From a request to a container that can be started: image, zone, ids, plan, definition, folder.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use cofferdam_confinement::{
    DeviceKind, Mount, MountIdMap, MountKind, PivotMethod, Plan, Propagation, Root, RootSource, WindowSize,
};

use cofferdam_kernel::namespace::Namespace;
use cofferdam_names::{ContainerId, ContainerName, Timestamp, ZoneName};
use cofferdam_policy::{
    Admitted, BindSource, ContainerRequest, EtcFiles, Healthcheck, HostDevice, HostFacts, IdAllocation,
    IdRange, ImageOrigin, JoinedContainer, PlanContext, VolumeKind, VolumeRequest, Zone, default_zone,
};
use cofferdam_shim::{ContainerDir, Event};

use crate::bind_folder;
use crate::definition::understood;
use crate::engine::make_private_folder;
use crate::error::{Error, Result};
use crate::health::health_check;
use crate::image::accounts::Accounts;
use crate::image::{ReadyImage, host};
use crate::joining::{joined_one, namespace_file, with_ids};
use crate::live::Live;
use crate::log_options::log_options;
use crate::store::{NewContainer, RangeOf, Record, Slot};
use crate::{Engine, emulation, facts, own_program, random_name, volume};

/// A container that has just been made.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) id: ContainerId,
    pub(crate) name: ContainerName,
    pub(crate) plan: Plan,
    /// What was asked for, with all volumes named.
    pub(crate) request: ContainerRequest,
    /// How its health is checked.
    pub(crate) health: Option<Healthcheck>,
}

impl Engine {
    /// The plan that `create` would make: no effects but the image made ready, and no rights needed.
    ///
    /// # Errors
    /// The image, the zone or the request does not allow one.
    pub fn plan(&self, request: &ContainerRequest, window: Option<WindowSize>) -> Result<Plan> {
        let id = new_id()?;
        let parts = self.gather(request)?;
        let request = &mut self.with_volumes(request, &parts.image)?;
        self.with_network_names(request)?;
        // A range as the container would get one; which, is decided with its definition.
        Ok(self.decide(&id, request, window, &parts, Some(Slot::EXAMPLE))?.into_plan())
    }

    /// Makes a container without starting it.
    ///
    /// # Errors
    /// The image, the zone or the request does not allow it, or it could not be written.
    pub fn create(&self, request: &ContainerRequest, window: Option<WindowSize>) -> Result<ContainerId> {
        self.make(request, window).map(|made| made.id)
    }

    pub(crate) fn make(&self, request: &ContainerRequest, window: Option<WindowSize>) -> Result<Made> {
        // What the start would refuse is refused before there is a container that has the name.
        log_options(request)?;
        self.make_of(request, window, self.gather(request)?)
    }

    /// Makes the container of a build's step: its image and the folder that it writes to are the build's.
    pub(crate) fn make_step(
        &self,
        request: &ContainerRequest,
        image: ReadyImage,
        writes: Writes,
    ) -> Result<Made> {
        let parts = Parts {
            zone: self.zone_for_this_host(&zone_of(request)?)?,
            image,
            host: facts::gather()?,
            joined: BTreeMap::new(),
            judged: None,
            writes: Some(writes),
        };
        self.make_of(request, None, parts)
    }

    fn make_of(&self, request: &ContainerRequest, window: Option<WindowSize>, parts: Parts) -> Result<Made> {
        let id = new_id()?;
        let mut request = self.with_volumes(request, &parts.image)?;
        self.with_network_names(&mut request)?;
        let text = serde_json::to_string(&with_ids(&request, &parts.joined))
            .map_err(|error| Error::io("write", "the request", error.into()))?;
        let image_config = serde_json::to_string(&parts.image.config)
            .map_err(|error| Error::io("write", "the image's configuration", error.into()))?;
        let new = NewContainer {
            id: &id,
            name: request.name.as_ref(),
            created: Timestamp::from(SystemTime::now()),
            image_id: &parts.image.id,
            request: &text,
            image_config: &image_config,
            range: parts.range(),
        };
        let decide = |slot: Option<Slot>| -> Result<(ZoneName, Admitted)> {
            // Another command may have removed the image meanwhile; from here on it sees this container.
            if !request.is_host_image() && parts.writes.is_none() && !self.image_is_there(&parts.image.id)? {
                return Err(Error::ImageGone);
            }
            for id in request.mounted_images().filter_map(|(_, id)| id) {
                if !self.image_is_there(id)? {
                    return Err(Error::ImageGone);
                }
            }
            self.refuse_taken_addresses(&request)?;
            let admitted = self.decide(&id, &request, window, &parts, slot)?;
            Ok((parts.zone.name.value.clone(), admitted))
        };
        let candidates = random_name::candidates(id.as_str());
        let (name, admitted) = self.store.insert(&new, candidates, decide)?;
        let dir = self.paths.new_container(&id, request.rm);
        let (mut new_volumes, mut new_folders) = (Vec::new(), Vec::new());
        let made = self
            .make_volumes(&request, &parts.zone, &parts.image, &mut new_volumes)
            .and_then(|()| bind_folder::make_missing(&request, admitted.plan(), &mut new_folders))
            .and_then(|()| write_folder(&dir, &admitted, &request));
        if let Err(error) = made {
            // The definition is taken back; a folder that cannot be removed is found by the next clean-up.
            let _ = std::fs::remove_dir_all(dir.path());
            let _ = std::fs::remove_dir_all(self.paths.run_dir(&id).path());
            let _ = self.store.delete(&id);
            // Only now: as long as it has its definition it uses them. One that another container uses by now stays.
            for folder in new_folders.iter().rev() {
                let _ = std::fs::remove_dir(folder);
            }
            for name in &new_volumes {
                let _ = volume::remove_unused(&self.paths, std::iter::once(name.as_str()));
            }
            return Err(error);
        }
        let attributes = attributes(&request, &name, Some(&parts.zone.name.value));
        let _ = Event::now("container", "create", id.as_str(), attributes).append(&self.paths.events());
        Ok(Made {
            id,
            name,
            plan: admitted.into_plan(),
            health: health_check(&request, &parts.image.config)?,
            request,
        })
    }

    fn gather(&self, request: &ContainerRequest) -> Result<Parts> {
        Ok(Parts {
            zone: self.zone_for_this_host(&zone_of(request)?)?,
            image: self.ready_image(request)?,
            host: facts::gather_for(request)?,
            joined: self.joined(request)?,
            judged: None,
            writes: None,
        })
    }

    /// The plan of a container that is there already, against its zone as it is now: ids, folders and image stay the same.
    ///
    /// # Errors
    /// The zone does not allow the container any more, or what it needs is not there.
    pub(crate) fn plan_again(
        &self,
        record: &Record,
        request: &ContainerRequest,
        old: &Plan,
    ) -> Result<Admitted> {
        for word in request.joined_containers() {
            joined_one(&self.paths, &self.resolve(word)?)?;
        }
        let image = if request.is_host_image() {
            let RootSource::Overlay { lower, .. } = &old.root.source else {
                let why = std::io::Error::other("its plan has no layers");
                return Err(Error::io("plan", format!("container {} again", record.id.short()), why));
            };
            let config = serde_json::from_str(&record.image_config)
                .map_err(|error| Error::io("understand", "the image's configuration", error.into()))?;
            let mounts = self.ready_image(request)?.mounts;
            ReadyImage { id: record.image_id.clone(), layers: lower.clone(), stack: None, mounts, config }
        } else {
            self.ready_again(&record.image_id, &emulation::asked(request)?)?
        };
        let parts = Parts {
            zone: self.zone_for_this_host(&record.zone)?,
            image,
            host: facts::gather_for(request)?,
            joined: self.joined(request)?,
            judged: Some(judged_sources(request, old)),
            writes: None,
        };
        self.decide(&record.id, request, old.process.window, &parts, record.slot)
    }

    /// Makes the image ready to be a root.
    fn ready_image(&self, request: &ContainerRequest) -> Result<ReadyImage> {
        let images = self.paths.images();
        let platform = emulation::asked(request)?;
        if request.is_host_image() {
            emulation::check_own(&platform)?;
            make_private_folder(&images)?;
            return Ok(host::ready(&images, Path::new("/"))?);
        }
        emulation::check(&platform)?;
        let store = self.image_store()?;
        let image = self.find_image(&store, &request.image)?;
        self.ready_stored(&store, &image.descriptor, &platform)
    }

    fn image_is_there(&self, id: &str) -> Result<bool> {
        let images = self.image_store()?.images()?;
        Ok(images.iter().any(|image| image.descriptor.digest.as_str() == id))
    }

    /// Asks the policy.
    fn decide(
        &self,
        id: &ContainerId,
        request: &ContainerRequest,
        window: Option<WindowSize>,
        parts: &Parts,
        slot: Option<Slot>,
    ) -> Result<Admitted> {
        let place = slot.map_or(0, Slot::number);
        let ids = parts.ids(slot.map(Slot::range));
        let dir = self.paths.new_container(id, request.rm);
        let Accounts { passwd, group } = self.accounts(&parts.image)?;
        let context = PlanContext {
            interpreter: emulation::interpreter(&emulation::asked(request)?),
            container: id.clone(),
            root: root(&dir, parts, request),
            ids,
            image_mounts: image_mounts(parts),
            image: parts.image.config.clone(),
            passwd,
            group,
            host: parts.host.clone(),
            state_dir: dir.small().to_owned(),
            engine_dirs: vec![self.paths.state().to_owned(), self.paths.run().to_owned()],
            init_program: if request.init { own_program::path() } else { None },
            origin: match &parts.writes {
                Some(_) => ImageOrigin { unfinished: true, ..ImageOrigin::default() },
                None => {
                    let platform = emulation::asked(request)?;
                    self.origin(&request.image, &parts.image.id, &platform, &parts.zone)?
                }
            },
            bind_sources: parts.judged.clone().unwrap_or_else(|| bind_sources(request)),
            volumes: self.volume_sources(request, &parts.zone)?,
            mounted_images: self.mounted_images(request, &parts.zone)?,
            host_devices: host_devices(request, &parts.zone),
            joined: parts.joined.clone(),
            network: self.network_context(request, parts, place)?,
            window,
        };
        Ok(cofferdam_policy::plan(&parts.zone, request, &context)?)
    }

    fn joined(&self, request: &ContainerRequest) -> Result<BTreeMap<String, JoinedContainer>> {
        let mut joined = BTreeMap::new();
        for word in request.joined_containers() {
            let id = self.resolve(word)?;
            let live = match Live::find(&self.paths, &id) {
                Err(Error::NotRunning { .. }) => continue,
                other => other?,
            };
            let path = |kind: Namespace| namespace_file(&live, kind);
            let record = self.store.container(&id)?;
            let Some(record) = record else { continue };
            let stored = understood(&record)?;
            joined.insert(
                word.to_owned(),
                JoinedContainer {
                    zone: record.zone,
                    namespaces: Namespace::ALL.into_iter().map(|kind| (kind, path(kind))).collect(),
                    id_maps: live.plan.namespaces.id_maps.clone(),
                    ipc_shareable: stored.namespaces.ipc == Some(cofferdam_policy::NamespaceMode::Shareable),
                    id,
                },
            );
        }
        Ok(joined)
    }
}

/// What a plan is made from beside the request.
pub(crate) struct Parts {
    pub(crate) zone: Zone,
    pub(crate) image: ReadyImage,
    pub(crate) host: HostFacts,
    /// Found before the definitions are locked.
    joined: BTreeMap<String, JoinedContainer>,
    /// The sources of binds as they were judged when the container was made; none for a new one: they are judged now.
    judged: Option<BTreeMap<PathBuf, BindSource>>,
    /// Where it writes to, if that is not its own folder.
    writes: Option<Writes>,
}

/// Where a step of a build writes to: the files stay when its container goes.
#[derive(Debug, Clone)]
pub(crate) struct Writes {
    /// The upper layer of its overlay.
    pub(crate) upper: PathBuf,
    /// The overlay's work folder.
    pub(crate) work: PathBuf,
}

/// The zone that a request means.
fn zone_of(request: &ContainerRequest) -> Result<ZoneName> {
    match &request.zone {
        Some(name) => Ok(name.clone()),
        None => default_zone(&request.image)
            .parse()
            .map_err(|error| Error::io("name", "the zone", std::io::Error::other(error))),
    }
}

impl Parts {
    fn range(&self) -> RangeOf<'_> {
        match self.joined.values().next() {
            _ if self.host.rootless => RangeOf::Nobody,
            // The policy refuses more than one.
            Some(other) => RangeOf::Joined(&other.id),
            None => RangeOf::Itself,
        }
    }

    fn ids(&self, range: Option<IdRange>) -> IdAllocation {
        match range.filter(|_| !self.host.rootless) {
            Some(range) => IdAllocation::Range(range),
            None => facts::own_ids(&self.host),
        }
    }
}

pub(crate) fn new_id() -> Result<ContainerId> {
    use std::io::Read;
    let mut bytes = [0u8; 32];
    let read = std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    read.map_err(|source| Error::io("read", "/dev/urandom", source))?;
    Ok(ContainerId::from_random(bytes))
}

fn root(dir: &ContainerDir, parts: &Parts, request: &ContainerRequest) -> Root {
    Root {
        source: RootSource::Overlay {
            lower: parts.image.layers.clone(),
            stack: parts.image.stack.clone(),
            upper: parts.writes.as_ref().map_or_else(|| dir.upper(), |writes| writes.upper.clone()),
            work: parts.writes.as_ref().map_or_else(|| dir.work(), |writes| writes.work.clone()),
            mountpoint: dir.root(),
            id_mapped: !parts.host.rootless,
            // Nothing of a container that is removed at its end needs to be on the disk.
            volatile: request.rm,
            userxattr: parts.host.rootless,
        },
        readonly: false,
        propagation: Propagation::Rprivate,
        pivot: PivotMethod::PivotRoot,
    }
}

/// The image's own mounts. An ordinary user cannot map ids: what is the host's root's then shows as nobody's.
fn image_mounts(parts: &Parts) -> Vec<Mount> {
    let mut mounts = parts.image.mounts.clone();
    for mount in &mut mounts {
        if let (true, MountKind::Bind { id_map, .. }) = (parts.host.rootless, &mut mount.kind) {
            *id_map = MountIdMap::None;
        }
    }
    mounts
}

fn bind_sources(request: &ContainerRequest) -> BTreeMap<PathBuf, BindSource> {
    let look = |volume: &VolumeRequest| {
        let VolumeKind::Bind { source, create, .. } = &volume.kind else { return None };
        let missing = || bind_folder::would_be(source).filter(|_| *create);
        let canonical = source.canonicalize().ok().or_else(missing)?;
        let directory = canonical.is_dir() || !canonical.exists();
        Some((source.clone(), BindSource { canonical, directory }))
    };
    request.volumes.iter().filter_map(look).collect()
}

/// The sources of a plan that is there already, as they were judged then: a link that has been put in the place of one since
/// is not followed.
fn judged_sources(request: &ContainerRequest, old: &Plan) -> BTreeMap<PathBuf, BindSource> {
    let look = |volume: &VolumeRequest| {
        let VolumeKind::Bind { source: asked, .. } = &volume.kind else { return None };
        let mut mounts = old.mounts.iter().filter(|mount| mount.target == volume.target);
        let canonical = mounts.find_map(|mount| match &mount.kind {
            MountKind::Bind { source, resolved: true, .. } => Some(source.clone()),
            _ => None,
        })?;
        let directory = canonical.is_dir();
        Some((asked.clone(), BindSource { canonical, directory }))
    };
    request.volumes.iter().filter_map(look).collect()
}

pub(crate) fn host_devices(request: &ContainerRequest, zone: &Zone) -> BTreeMap<PathBuf, HostDevice> {
    let look = |path: &Path| {
        let metadata = std::fs::metadata(path).ok()?;
        let kind = match metadata.file_type() {
            kind if kind.is_char_device() => DeviceKind::Character,
            kind if kind.is_block_device() => DeviceKind::Block,
            kind if kind.is_fifo() => DeviceKind::Fifo,
            _ => return None,
        };
        let (major, minor) = (rustix::fs::major(metadata.rdev()), rustix::fs::minor(metadata.rdev()));
        Some((path.to_owned(), HostDevice { kind, major, minor, mode: metadata.mode() & 0o7777 }))
    };
    request.device_sources(zone).filter_map(look).collect()
}

/// What the container's events carry. A container's own words do not stand where a filter looks for the engine's.
pub(crate) fn attributes(
    request: &ContainerRequest,
    name: &ContainerName,
    zone: Option<&ZoneName>,
) -> BTreeMap<String, String> {
    let mut attributes = request.labels.clone();
    attributes.remove("zone");
    attributes.extend(zone.map(|zone| ("zone".to_owned(), zone.to_string())));
    attributes.insert("image".to_owned(), request.image.clone());
    attributes.insert("name".to_owned(), name.to_string());
    attributes
}

/// Makes the container's folder with its plan and the files below /etc that are its own. The plan comes last and whole: a
/// folder without one is no container yet. One without a status was never started.
fn write_folder(dir: &ContainerDir, admitted: &Admitted, request: &ContainerRequest) -> Result<()> {
    let plan = admitted.plan();
    make_private_folder(dir.path())?;
    make_private_folder(dir.small())?;
    for (path, mode) in [(dir.upper(), 0o755), (dir.work(), 0o700), (dir.root(), 0o700)] {
        let made = std::fs::DirBuilder::new().mode(mode).create(&path);
        // Whatever the umask: the container's users must be able to enter its root.
        made.and_then(|()| std::fs::set_permissions(&path, Permissions::from_mode(mode)))
            .map_err(|source| Error::io("make", path.display(), source))?;
    }
    let files = EtcFiles::new(plan, request)?;
    let text = serde_json::to_vec(plan).map_err(|error| Error::io("write", "the plan", error.into()))?;
    let draft = dir.plan().with_extension("next");
    // Those below /etc are for all users of the container, whatever the umask.
    let texts: [(PathBuf, &[u8], u32); 4] = [
        (dir.small().join("hostname"), files.hostname.as_bytes(), 0o644),
        (dir.small().join("hosts"), files.hosts.as_bytes(), 0o644),
        (dir.small().join("resolv.conf"), files.resolv_conf.as_bytes(), 0o644),
        (draft.clone(), &text, 0o600),
    ];
    for (path, text, mode) in texts {
        let written = std::fs::write(&path, text)
            .and_then(|()| std::fs::set_permissions(&path, Permissions::from_mode(mode)));
        written.map_err(|source| Error::io("write", path.display(), source))?;
    }
    std::fs::rename(&draft, dir.plan()).map_err(|source| Error::io("write", dir.plan().display(), source))
}
