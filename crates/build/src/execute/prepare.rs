//! `RUN`: what it needs is made ready, it is started, and what it has written becomes a layer.

use std::fs::{DirBuilder, File, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use cofferdam_image::tree::{owners, removal};
use cofferdam_kernel::file_lock;
use cofferdam_names::Digest;
use rustix::fs::{Gid, Uid};

use super::cache::Outcome;
use super::copy::{materialize, part_digest};
use super::order::{MountSource, ReadyMount, RunOrder};
use super::stubs::Stubs;
use super::{BuildCache, BuildError, Execution, Under};
use crate::dockerfile::Sharing;
use crate::plan::{CacheBase, RunStep, SecretUse, Step, StepMount, StepMountKind, TreeRef};

/// Where ssh(1) looks for its agent.
const AGENT_VARIABLE: &str = "SSH_AUTH_SOCK=";

/// What every container has mounted, whether its image has a place for it or not.
const OWN_TARGETS: [&str; 6] = ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/dev", "/proc", "/sys"];

/// The folder of a step: what it writes, and what is mounted into it.
#[derive(Debug)]
pub(super) struct StepFolder(PathBuf);

impl StepFolder {
    pub(super) fn make(build: &Path) -> Result<Self, BuildError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let path = build.join(format!("step-{}", NEXT.fetch_add(1, Ordering::Relaxed)));
        let folder = Self(path);
        for (path, mode) in [(folder.0.clone(), 0o700), (folder.upper(), 0o755), (folder.work(), 0o700)] {
            let made = DirBuilder::new().mode(mode).create(&path);
            // Whatever the umask.
            made.and_then(|()| std::fs::set_permissions(&path, Permissions::from_mode(mode)))
                .map_err(BuildError::io("make", path.clone()))?;
        }
        Ok(folder)
    }

    pub(super) fn upper(&self) -> PathBuf {
        self.0.join("upper")
    }

    pub(super) fn work(&self) -> PathBuf {
        self.0.join("work")
    }

    pub(super) fn remove(&self) -> Result<(), BuildError> {
        removal::remove(&self.0).map_err(BuildError::io("remove", self.0.clone()))
    }
}

/// What a `RUN` holds while it is under way.
pub(super) struct Prepared {
    folder: StepFolder,
    stubs: Stubs,
    mounts: Vec<ReadyMount>,
    /// Variables beside the step's own.
    env: Vec<String>,
    /// Files of secrets, which go as soon as it has ended.
    secrets: Vec<PathBuf>,
    /// Locks of caches.
    locks: Vec<File>,
}

impl Drop for Prepared {
    fn drop(&mut self) {
        for secret in &self.secrets {
            let _ = std::fs::remove_file(secret);
        }
    }
}

impl<'a> Execution<'a, '_> {
    /// Starts a `RUN`, or takes its result from the cache. Whether it could: there may be too many already.
    pub(super) fn start(&mut self, at: usize, step: &'a Step, run: &'a RunStep) -> Result<bool, BuildError> {
        if self.runs.len() >= self.shop.options.jobs.max(1) {
            return Ok(false);
        }
        let key = self.run_key(at, run)?;
        let (number, began) = (self.number(), Instant::now());
        self.tell_begin(at, step, number)?;
        if let Some(outcome) = self.cached(std::slice::from_ref(&key)) {
            self.finish(at, step, number, began, true, &[key], outcome)?;
            return Ok(true);
        }
        let layers = self.layers(&self.stage(at)?.layers)?;
        let folder = StepFolder::make(&self.shop.options.folder)?;
        let mut prepared = Prepared {
            folder,
            stubs: Stubs::default(),
            mounts: Vec::new(),
            env: run.proxies.clone(),
            secrets: Vec::new(),
            locks: Vec::new(),
        };
        self.mounts(run, &mut prepared)?;
        let root = layers.open().map_err(BuildError::io("open", "the layers of the stage"))?;
        let targets = prepared.mounts.iter().map(|mount| mount.target.as_str());
        prepared.stubs = Stubs::before(&root, targets.chain(OWN_TARGETS));
        drop(root);
        let (upper, work) = (prepared.folder.upper(), prepared.folder.work());
        let order = RunOrder {
            lower: &layers.0,
            upper: &upper,
            work: &work,
            step: run,
            env: &prepared.env,
            mounts: &prepared.mounts,
        };
        let id = self.runner.start(&order).map_err(BuildError::Runner)?;
        self.stage_mut(at)?.wait_for_run();
        self.runs.insert(id, Under { stage: at, number, key, began, prepared });
        Ok(true)
    }

    /// Waits for one `RUN` to end, and makes a layer of what it wrote.
    pub(super) fn wait(&mut self) -> Result<(), BuildError> {
        let (runs, stages, progress) = (&self.runs, &self.stages, &mut *self.progress);
        let mut output = |id, _stderr: bool, bytes: &[u8]| {
            let under = runs.get(&id);
            let place = under.and_then(|under| {
                let stage = stages.get(under.stage)?;
                Some((stage, stage.planned.steps.get(stage.next)?, under.number))
            });
            if let Some((stage, step, number)) = place {
                progress.output(Self::label(stage, step, number), bytes);
            }
        };
        let (id, end) = self.runner.wait(&mut output).map_err(BuildError::Runner)?;
        let Some(under) = self.runs.remove(&id) else { return Ok(()) };
        let Under { stage: at, number, key, began, prepared } = under;
        let stage = self.stage(at)?;
        let planned = stage.planned;
        let step = planned.steps.get(stage.next).ok_or(BuildError::NoStage)?;
        let failed =
            |source| BuildError::Step { line: step.line, text: step.text.clone(), source: Box::new(source) };
        if end.code != 0 {
            return Err(failed(BuildError::Exit { code: end.code }));
        }
        let epoch = stage.epoch;
        let upper = prepared.folder.upper();
        prepared.stubs.remove(&upper).map_err(failed)?;
        let layer = self.layer_of(&upper, epoch, end.id_maps.as_ref()).map_err(failed)?;
        prepared.folder.remove().map_err(failed)?;
        drop(prepared);
        self.finish(at, step, number, began, false, &[key], Outcome { layer }).map_err(failed)
    }

    /// What the result of a `RUN` depends on. Of secrets and agents only that they are there.
    fn run_key(&self, at: usize, run: &RunStep) -> Result<Digest, BuildError> {
        let stage = self.stage(at)?;
        let said = serde_json::to_vec(run).map_err(|error| BuildError::Refused(error.to_string()))?;
        let mut trees = Vec::new();
        for mount in &run.mounts {
            let digest = match &mount.kind {
                StepMountKind::Bind { from, source, .. } => match self.tree_chain(from)? {
                    Some(chain) => chain,
                    None => self.context_digest(source)?,
                },
                // What a cache holds by now counts for nothing; what it begins with does.
                StepMountKind::Cache { base: Some(base), .. } => self.base_digest(base)?,
                _ => continue,
            };
            trees.extend_from_slice(digest.as_str().as_bytes());
        }
        let (chain, epoch) = (stage.chain(), stage.epoch.to_le_bytes());
        Ok(BuildCache::key(&[b"run", chain.as_str().as_bytes(), &said, &trees, &epoch]))
    }

    fn context_digest(&self, part: &str) -> Result<Digest, BuildError> {
        let tree = self.open_tree(&TreeRef::Context)?.ok_or_else(|| no_context(part))?;
        part_digest(&tree, part, self.shop.context.ignore())
    }

    fn mounts(&self, run: &RunStep, prepared: &mut Prepared) -> Result<(), BuildError> {
        for (number, mount) in run.mounts.iter().enumerate() {
            self.mount(mount, number, prepared)?;
        }
        if let Some(script) = &run.script {
            let path = prepared.folder.0.join("script");
            write_file(&path, script.as_bytes(), 0o755, (0, 0))?;
            let source = MountSource::Path { path, readonly: true };
            prepared.mounts.push(ReadyMount { target: crate::plan::SCRIPT_PATH.to_owned(), source });
        }
        Ok(())
    }

    fn mount(&self, mount: &StepMount, number: usize, prepared: &mut Prepared) -> Result<(), BuildError> {
        let source = match &mount.kind {
            StepMountKind::Bind { from, source, readonly } => {
                let tree = self.open_tree(from)?.ok_or_else(|| no_context(source))?;
                let context = (*from == TreeRef::Context).then(|| self.shop.context.ignore());
                let place = prepared.folder.0.join(format!("bind-{number}"));
                let path = materialize(&tree, source, context, &place)?;
                Some(MountSource::Path { path, readonly: *readonly })
            }
            StepMountKind::Cache { id, base, sharing, mode, uid, gid, readonly } => {
                let path = self.cache_folder(id, base.as_ref(), *sharing, prepared)?;
                let owned = std::fs::set_permissions(&path, Permissions::from_mode(*mode))
                    .and_then(|()| give(&path, (*uid, *gid)));
                owned.map_err(BuildError::io("prepare", path.clone()))?;
                Some(MountSource::Path { path, readonly: *readonly })
            }
            StepMountKind::Tmpfs { size } => Some(MountSource::Tmpfs { size: *size }),
            StepMountKind::Secret(secret) => self.secret(secret, number, prepared)?,
            StepMountKind::Ssh { id, required, mode, uid, gid } => match self.shop.agents.get(id) {
                None if !required => None,
                None => return Err(BuildError::Refused(format!("no agent {id}: give --ssh {id}"))),
                Some(agent) => {
                    let known = prepared.env.iter().any(|entry| entry.starts_with(AGENT_VARIABLE));
                    if let Some(target) = mount.target.as_ref().filter(|_| !known) {
                        prepared.env.push(format!("{AGENT_VARIABLE}{target}"));
                    }
                    let path = prepared.folder.0.join(format!("agent-{number}"));
                    let (agent, mode, owner) = (agent.clone(), *mode, (*uid, *gid));
                    Some(MountSource::Agent { path, agent, mode, owner })
                }
            },
        };
        if let (Some(source), Some(target)) = (source, &mount.target) {
            prepared.mounts.push(ReadyMount { target: target.clone(), source });
        }
        Ok(())
    }

    /// A secret as a file in memory; none if it is not there and need not be.
    fn secret(
        &self,
        secret: &SecretUse,
        number: usize,
        prepared: &mut Prepared,
    ) -> Result<Option<MountSource>, BuildError> {
        let SecretUse { id, mode, uid, gid, required, env } = secret;
        if env.is_some() {
            let why = "a variable stands in records of the container; use the file";
            return Err(BuildError::Refused(format!("the secret {id} as a variable is not built: {why}")));
        }
        let Some(value) = self.shop.secrets.get(id) else {
            return match required {
                false => Ok(None),
                true => Err(BuildError::Refused(format!(
                    "the secret {id} is not there: give --secret id={id},src=FILE"
                ))),
            };
        };
        let folder = self.shop.options.secret_folder.as_ref().ok_or_else(|| {
            BuildError::Refused(
                "there is no folder in memory for secrets (/run and /dev/shm are none)".to_owned(),
            )
        })?;
        let step = prepared.folder.0.file_name().unwrap_or_default().to_string_lossy();
        let path = folder.join(format!("{step}-{number}"));
        write_file(&path, value, *mode, (*uid, *gid))?;
        prepared.secrets.push(path.clone());
        Ok(Some(MountSource::Path { path, readonly: true }))
    }

    /// The folder of a cache, with a lock on it as it is shared.
    fn cache_folder(
        &self,
        id: &str,
        base: Option<&CacheBase>,
        sharing: Sharing,
        prepared: &mut Prepared,
    ) -> Result<PathBuf, BuildError> {
        // One that begins with other files is another cache.
        let begun = base.map(|base| self.base_digest(base)).transpose()?;
        let begun = begun.as_ref().map(|digest| digest.as_str().as_bytes());
        let parts = [Some(b"mount".as_slice()), Some(id.as_bytes()), begun];
        let name = BuildCache::key(&parts.into_iter().flatten().collect::<Vec<_>>());
        let folder = self.shop.cache.mounts()?;
        let lock = folder.join(format!("{}.lock", name.hex()));
        let failed = |error| BuildError::io("lock", lock.clone())(error);
        let file = File::options().create(true).truncate(false).write(true).open(&lock).map_err(failed)?;
        let locked = match sharing {
            Sharing::Shared => true,
            Sharing::Private => file_lock::try_lock(&file).map_err(failed)?,
            Sharing::Locked if self.holds(&lock) => {
                let why = "another step of this build that runs now has it locked; give --jobs 1";
                return Err(BuildError::Refused(format!("cannot use the cache {id}: {why}")));
            }
            Sharing::Locked => file_lock::lock(&file).map(|()| true).map_err(failed)?,
        };
        if !locked {
            // Somebody else has it: this step has one of its own, which goes with it.
            let own = prepared.folder.0.join(name.hex());
            self.begin_cache(&own, base)?;
            return Ok(own);
        }
        prepared.locks.push(file);
        let path = folder.join(name.hex());
        if !path.exists() {
            // Under another name first: half of what it begins with must not be taken for it.
            let draft = prepared.folder.0.join(format!("new-{}", name.hex()));
            self.begin_cache(&draft, base)?;
            match std::fs::rename(&draft, &path) {
                // Another build was faster.
                Err(_) if path.exists() => {
                    removal::remove(&draft).map_err(BuildError::io("remove", draft))?;
                }
                other => other.map_err(BuildError::io("make", path.clone()))?,
            }
        }
        Ok(path)
    }

    fn begin_cache(&self, place: &Path, base: Option<&CacheBase>) -> Result<(), BuildError> {
        let Some(CacheBase { from, source }) = base else {
            return std::fs::create_dir(place).map_err(BuildError::io("make", place));
        };
        let tree = self.open_tree(from)?.ok_or_else(|| no_context(source))?;
        let context = (*from == TreeRef::Context).then(|| self.shop.context.ignore());
        let made = materialize(&tree, source, context, place)?;
        if made == place {
            return Ok(());
        }
        Err(BuildError::Refused(format!("a cache begins with a folder, and {source} is a file")))
    }

    /// What tells caches that begin with different files apart.
    fn base_digest(&self, base: &CacheBase) -> Result<Digest, BuildError> {
        let tree = match self.tree_chain(&base.from)? {
            Some(chain) => chain,
            None => self.context_digest(&base.source)?,
        };
        Ok(BuildCache::key(&[b"base", tree.as_str().as_bytes(), base.source.as_bytes()]))
    }

    /// Whether a step of this build that runs now has locked a file: to wait for it would be to wait for oneself.
    fn holds(&self, lock: &Path) -> bool {
        !self.runs.is_empty() && File::open(lock).and_then(file_lock::is_locked).unwrap_or(false)
    }
}

fn no_context(part: &str) -> BuildError {
    let hint = ": there is none, the Dockerfile came alone".to_owned();
    BuildError::NotFound { path: part.to_owned(), tree: "the build context", hint }
}

fn give(path: &Path, (uid, gid): (u32, u32)) -> std::io::Result<()> {
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    rustix::fs::chown(path, Some(uid), Some(gid)).map_err(|error| owners::refused(error, uid, gid))
}

fn write_file(path: &Path, bytes: &[u8], mode: u32, owner: (u32, u32)) -> Result<(), BuildError> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let write = || -> std::io::Result<()> {
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(bytes)?;
        give(path, owner)?;
        std::fs::set_permissions(path, Permissions::from_mode(mode))
    };
    write().map_err(BuildError::io("write", path))
}
