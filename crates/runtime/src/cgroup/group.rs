//! A container's group: one folder in each hierarchy of the host.

use std::io;
use std::path::{Path, PathBuf};

use cofferdam_confinement::CgroupPath;
use cofferdam_confinement::resources::{Limit, Resources};

use super::control_file::{self, ControlFileError};
use super::error::{ApplyError, CreateError, DestroyError, Unenforceable};
use super::removal::{remove_own_parents, remove_tree};
use super::version::{Version, unenforceable};
use super::{Controller, Hierarchy, Layout, Observation, Setting, limits, v2};
use crate::step::Step;

/// The group's folder in one hierarchy.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) hierarchy: Hierarchy,
    pub(super) folder: PathBuf,
    /// Made by us just now: what a start that fails removes again.
    made: bool,
}

impl Place {
    pub(super) fn version(&self) -> &'static dyn Version {
        self.hierarchy.version
    }
}

/// A container's group. Dropping it leaves it on the host: [`Group::destroy`] removes it.
#[derive(Debug)]
pub struct Group {
    path: CgroupPath,
    places: Vec<Place>,
}

impl Group {
    /// Makes the group in every hierarchy and limits it, before any process is in it. If that fails, nothing is left.
    ///
    /// A group of that path that exists already is taken if it is empty and not frozen (as OCI runtimes do).
    pub fn create(layout: &Layout, path: &CgroupPath, resources: &Resources) -> Result<Self, CreateError> {
        check_available(layout, resources)?;
        let mut group = Self { path: path.clone(), places: Vec::with_capacity(layout.hierarchies().len()) };
        match group.make(layout, resources) {
            Ok(()) => Ok(group),
            Err(error) => {
                group.unwind();
                Err(error)
            }
        }
    }

    /// The group that exists at that path.
    pub fn open(layout: &Layout, path: &CgroupPath) -> Result<Self, CreateError> {
        let places: Vec<_> = layout
            .hierarchies()
            .iter()
            .map(|hierarchy| Place {
                folder: hierarchy.root.join(path.as_str()),
                hierarchy: hierarchy.clone(),
                made: false,
            })
            .collect();
        let missing = places.iter().find(|place| !place.folder.is_dir());
        match missing {
            Some(place) => Err(CreateError::Missing(place.folder.clone())),
            None => Ok(Self { path: path.clone(), places }),
        }
    }

    /// What is left of the group at that path: its folders in those hierarchies where it still has one; none if it has
    /// none. For a clean-up after a start or an end that was cut short.
    #[must_use]
    pub fn open_remains(layout: &Layout, path: &CgroupPath) -> Option<Self> {
        let place = |hierarchy: &Hierarchy| {
            let folder = hierarchy.root.join(path.as_str());
            folder.is_dir().then(|| Place { folder, hierarchy: hierarchy.clone(), made: false })
        };
        let places: Vec<_> = layout.hierarchies().iter().filter_map(place).collect();
        (!places.is_empty()).then(|| Self { path: path.clone(), places })
    }

    /// Its path in every hierarchy.
    #[must_use]
    pub fn path(&self) -> &CgroupPath {
        &self.path
    }

    /// Its folder in each hierarchy.
    pub fn folders(&self) -> impl Iterator<Item = &Path> {
        self.places.iter().map(|place| place.folder.as_path())
    }

    pub(super) fn places(&self) -> &[Place] {
        &self.places
    }

    /// Where a controller's files are.
    pub(super) fn place_of(&self, controller: Controller) -> Option<&Place> {
        self.places.iter().find(|place| place.hierarchy.controllers.contains(&controller))
    }

    /// The place in the v2 hierarchy.
    pub(super) fn unified(&self) -> Option<&Place> {
        self.places.iter().find(|place| place.hierarchy.version() == "v2")
    }

    /// Where devices are filtered: by v1's controller where it is mounted, else by v2's programs.
    fn device_place(&self) -> Option<&Place> {
        self.place_of(Controller::Devices).or_else(|| self.unified())
    }

    /// Where the group is frozen: by v1's controller where it is mounted, because other tools look there, else by v2.
    pub(super) fn freezer(&self) -> Option<&Place> {
        self.place_of(Controller::Freezer).or_else(|| self.unified())
    }

    fn make(&mut self, layout: &Layout, resources: &Resources) -> Result<(), CreateError> {
        for hierarchy in layout.hierarchies() {
            let folder = hierarchy.root.join(self.path.as_str());
            let made = make_folder(hierarchy, self.path.as_str(), &folder)?;
            self.places.push(Place { hierarchy: hierarchy.clone(), folder, made });
            let Some(place) = self.places.last() else { continue };
            if !made {
                check_unused(place)?;
            }
            place.version().prepare(hierarchy, self.path.as_str(), resources)?;
        }
        let settings = self.settings(resources).map_err(CreateError::Unenforceable)?;
        self.write_settings(settings)?;
        Ok(self.filter_devices(resources)?)
    }

    /// Removes what was made just now; what cannot be removed is left, since the error that led here matters more.
    fn unwind(&mut self) {
        for place in self.places.iter().filter(|place| place.made) {
            let _ = control_file::remove_directory(&place.folder);
            remove_own_parents(&place.hierarchy.root, &self.path);
        }
    }

    /// Every value that the limits stand for, in an order in which a new group takes them.
    fn settings(&self, resources: &Resources) -> Result<Vec<Setting>, Unenforceable> {
        let mut settings = Vec::new();
        for place in &self.places {
            let has =
                |file: &str| rustix::fs::access(place.folder.join(file), rustix::fs::Access::EXISTS).is_ok();
            for controller in &place.hierarchy.controllers {
                settings.extend(limits::settings(place.version(), *controller, resources, &has)?);
            }
        }
        for (file, value) in &resources.unified {
            settings.extend(v2::unified_settings(file, value));
        }
        Ok(settings)
    }

    fn folder_of(&self, setting: &Setting) -> Option<&Path> {
        let place = match setting.controller {
            Some(controller) => self.place_of(controller),
            None => self.unified(),
        };
        place.map(|place| place.folder.as_path())
    }

    /// Writes the values. The kernel refuses some of them while a related one still has its old value (memory above
    /// memory and swap, a burst above the quota, ...): those are tried again after the others, as long as that helps.
    fn write_settings(&self, mut settings: Vec<Setting>) -> Result<(), ApplyError> {
        while !settings.is_empty() {
            let before = settings.len();
            let mut refused = Vec::new();
            let mut first_error = None;
            for setting in settings {
                let Some(folder) = self.folder_of(&setting) else {
                    return Err(no_hierarchy(&setting).into());
                };
                let applied = Step::CgroupLimit.apply(&setting.control, || setting.apply(folder));
                match applied.map_err(|failure| failure.source) {
                    Ok(()) => {}
                    Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                        first_error.get_or_insert_with(|| set_error(&setting, folder, error));
                        refused.push(setting);
                    }
                    Err(error) => return Err(set_error(&setting, folder, error)),
                }
            }
            if let Some(error) = first_error
                && refused.len() == before
            {
                return Err(error);
            }
            settings = refused;
        }
        Ok(())
    }

    fn filter_devices(&self, resources: &Resources) -> Result<(), ApplyError> {
        if resources.devices.is_empty() {
            return Ok(());
        }
        let place = self.device_place().ok_or_else(no_device_control)?;
        let mut filtered = Ok(());
        Step::CgroupLimit
            .apply("devices", || {
                filtered = place.version().filter_devices(&place.folder, &resources.devices);
                Ok(())
            })
            .map_err(|failure| ApplyError::DeviceFilter {
                action: "apply",
                path: place.folder.clone(),
                source: failure.source,
            })?;
        filtered
    }

    /// Changes the limits of a live group from `current` to `new`; only what differs is written.
    ///
    /// A change that the kernel refuses half-way leaves the values before it changed: [`Group::observe`] tells which.
    pub fn update(&self, current: &Resources, new: &Resources) -> Result<(), ApplyError> {
        for place in &self.places {
            check_controls(new, |controller| self.place_of(controller).is_some(), place.hierarchy.version())?;
        }
        if new.memory.check_before_update
            && let (Some(Limit::Value(limit)), Some(place)) =
                (new.memory.limit, self.place_of(Controller::Memory))
        {
            let usage = place
                .version()
                .memory_usage(&place.folder)
                .map_err(|source| ApplyError::ReadBack { control: "memory in use".to_owned(), source })?;
            if usage > limit {
                return Err(ApplyError::BelowUsage { limit, usage });
            }
        }
        let old = self.settings(current)?;
        let changed = self.settings(new)?.into_iter().filter(|setting| !old.contains(setting)).collect();
        self.write_settings(changed)?;
        if new.devices != current.devices { self.filter_devices(new) } else { Ok(()) }
    }

    /// Reads every limit back from the kernel, in the order of the plan, and says what was planned beside it.
    pub fn observe(&self, resources: &Resources) -> Result<Vec<Observation>, ApplyError> {
        let mut observations = Vec::new();
        for setting in self.settings(resources)? {
            let Some(folder) = self.folder_of(&setting) else { return Err(no_hierarchy(&setting).into()) };
            let observed = setting
                .observe(folder)
                .map_err(|source| ApplyError::ReadBack { control: setting.control.to_string(), source })?;
            observations.push(Observation {
                control: format!("{} ({})", setting.control, setting.file),
                planned: setting.planned,
                observed,
            });
        }
        if !resources.devices.is_empty() {
            let place = self.device_place().ok_or_else(no_device_control)?;
            observations.push(place.version().observe_devices(&place.folder, &resources.devices)?);
        }
        Ok(observations)
    }

    /// Removes the group and the groups that the container made below it, and Cofferdam's own groups above it where nothing
    /// else is in them. Processes that are just ending are waited for,
    /// at most two seconds; a group that is gone already counts as removed.
    pub fn destroy(&self) -> Result<(), DestroyError> {
        self.places.iter().try_for_each(|place| {
            remove_tree(&place.folder)
                .map_err(|source| DestroyError { path: place.folder.clone(), source })?;
            remove_own_parents(&place.hierarchy.root, &self.path);
            Ok(())
        })
    }
}

/// A limit whose controller is nowhere is refused before anything is made.
fn check_available(layout: &Layout, resources: &Resources) -> Result<(), Unenforceable> {
    let hierarchies = layout.hierarchies();
    let version = if layout.is_v2() { "v2" } else { "v1" };
    let available =
        |controller| hierarchies.iter().any(|hierarchy| hierarchy.controllers.contains(&controller));
    check_controls(resources, available, version)?;
    let unified = hierarchies.iter().find(|hierarchy| hierarchy.version() == "v2");
    for file in resources.unified.keys() {
        let there = unified.is_some_and(|hierarchy| {
            Controller::named(file.controller())
                .is_none_or(|controller| hierarchy.controllers.contains(&controller))
        });
        if !there {
            return Err(unenforceable(
                format!("unified[{file}]"),
                &format!(
                    "invalid configuration for this host, which has no cgroup v2 hierarchy with the controller {}",
                    file.controller()
                ),
                "use a host with cgroup v2, or the limit's own field",
            ));
        }
    }
    let filterable = unified.is_some() || available(Controller::Devices);
    if resources.devices.is_empty() || filterable { Ok(()) } else { Err(no_device_control()) }
}

fn check_controls(
    resources: &Resources,
    available: impl Fn(Controller) -> bool,
    version: &str,
) -> Result<(), Unenforceable> {
    for controller in Controller::ALL.into_iter().filter(|controller| !available(*controller)) {
        if let Some(control) = controller.controls(resources).first() {
            let remedy = match controller {
                Controller::NetCls | Controller::NetPrio => {
                    "mount it (cgroup v1 only), or leave the limit out"
                }
                _ => "enable it on the kernel's command line or mount it, or leave the limit out",
            };
            return Err(unenforceable(
                control,
                &format!("the cgroup {version} of this host has no controller {controller}"),
                remedy,
            ));
        }
    }
    Ok(())
}

fn no_hierarchy(setting: &Setting) -> Unenforceable {
    unenforceable(&setting.control, "no hierarchy of this host has its controller", "leave the limit out")
}

fn no_device_control() -> Unenforceable {
    unenforceable(
        "devices",
        "neither the v1 controller devices nor cgroup v2 is mounted",
        "mount cgroup2 at /sys/fs/cgroup",
    )
}

/// A file that is missing is a control that this kernel lacks; anything else is the kernel's refusal of this value.
fn set_error(setting: &Setting, folder: &Path, error: io::Error) -> ApplyError {
    if error.kind() == io::ErrorKind::NotFound && folder.is_dir() {
        return unenforceable(
            &setting.control,
            &format!("this kernel's cgroup has no file {}", setting.file),
            "use a kernel that has it, or leave the limit out",
        )
        .into();
    }
    let path = folder.join(setting.file.as_ref());
    ApplyError::Set {
        control: setting.control.to_string(),
        value: setting.value.clone(),
        source: ControlFileError::writing(&setting.value, &path, error),
    }
}

/// Makes the group's own folder; false if it is there already.
///
/// The groups above it that are Cofferdam's own go with the last group in them, which can come between any two steps here:
/// then it begins anew. Each turn means that another container ended meanwhile, so there are not many.
fn make_folder(hierarchy: &Hierarchy, path: &str, folder: &Path) -> Result<bool, CreateError> {
    const TURNS: u32 = 1000;
    let failed = |source| CreateError::MakeDirectory { path: folder.to_owned(), source };
    for _ in 0..TURNS {
        match control_file::make_directory(folder) {
            Ok(()) => return Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        match make_parents(hierarchy, path) {
            Err(CreateError::Prepare(error)) if error.is_missing() => {}
            Err(CreateError::MakeDirectory { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
    }
    Err(failed(io::ErrorKind::NotFound.into()))
}

/// Makes the missing folders above the group's own, each ready to have children.
fn make_parents(hierarchy: &Hierarchy, path: &str) -> Result<(), CreateError> {
    for (end, _) in path.match_indices('/') {
        let parent = hierarchy.root.join(&path[..end]);
        match control_file::make_directory(&parent) {
            Ok(()) => hierarchy.version.prepare_parent(hierarchy, &path[..end])?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(CreateError::MakeDirectory { path: parent, source }),
        }
    }
    Ok(())
}

/// A group that is there already may be taken if nothing is in it: its processes would share the container's limits.
fn check_unused(place: &Place) -> Result<(), CreateError> {
    let procs = control_file::read(&place.folder.join("cgroup.procs")).map_err(CreateError::Prepare)?;
    if !procs.is_empty() {
        return Err(CreateError::NotEmpty { path: place.folder.clone(), processes: procs.lines().count() });
    }
    let freezes =
        place.hierarchy.version() == "v2" || place.hierarchy.controllers.contains(&Controller::Freezer);
    if freezes && place.version().is_frozen(&place.folder).unwrap_or(false) {
        return Err(CreateError::Frozen(place.folder.clone()));
    }
    Ok(())
}
