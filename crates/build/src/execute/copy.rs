//! `COPY`, `ADD` and `WORKDIR`: files are written into the stage's own tree, as a process in it would find it.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Instant;

use cofferdam_image::tree::owners::Owners;
use cofferdam_image::tree::walk::Walk;
use cofferdam_image::tree::writer::{Replace, TreeWriter};
use cofferdam_image::tree::{Attributes, TreeSink, archive as tars};
use cofferdam_image::{LayerOptions, NewLayer};
use cofferdam_names::Digest;
use rustix::fs::{FileType, OFlags};

use super::cache::Outcome;
use super::fetch::Fetched;
use super::mode::ModeChange;
use super::prepare::StepFolder;
use super::sink::{Change, ContentDigest, Placed};
use super::{
    BuildCache, BuildError, CacheEntry, Execution, Layers, StageLayer, Workshop, accounts, archive,
    destination, fetch, inside, select,
};
use crate::IgnoreRules;
use crate::plan::{CopyStep, FileSource, Step, TreeRef, WorkdirStep, file_name};

/// Which files, out of which tree, and what becomes of them.
pub(super) struct Job<'a> {
    copy: &'a CopyStep,
    tree: Option<OwnedFd>,
    ignore: IgnoreRules,
    exclude: IgnoreRules,
    /// What each source means.
    selected: Vec<Vec<PathBuf>>,
    /// What was fetched of each source.
    fetched: Vec<Option<Fetched>>,
    shop: &'a Workshop<'a>,
    epoch: i64,
}

impl<'a> Execution<'a, '_> {
    pub(super) fn copy(&mut self, at: usize, step: &'a Step, copy: &'a CopyStep) -> Result<(), BuildError> {
        let (number, began) = (self.number(), Instant::now());
        self.tell_begin(at, step, number)?;
        let stage = self.stage(at)?;
        let below = if copy.link { String::new() } else { stage.chain().to_string() };
        let said = serde_json::to_vec(copy).map_err(|error| BuildError::Refused(error.to_string()))?;
        let epoch = stage.epoch.to_le_bytes();
        // By what the tree is called, where it has a name: then it need not be looked at.
        let by_name = self.tree_chain(&copy.from)?.map(|chain| {
            BuildCache::key(&[b"copy", below.as_bytes(), &said, &epoch, b"chain", chain.as_str().as_bytes()])
        });
        let mut keys: Vec<Digest> = by_name.into_iter().collect();
        let mut found = self.cached(&keys);
        let mut job = None;
        if found.is_none() {
            let new = self.job(at, copy)?;
            let content = new.digest()?;
            let content = content.as_str().as_bytes();
            keys.push(BuildCache::key(&[b"copy", below.as_bytes(), &said, &epoch, b"content", content]));
            found = self.cached(&keys);
            job = Some(new);
        }
        let cached = found.is_some();
        let outcome = match (found, job) {
            (Some(outcome), _) => outcome,
            (None, Some(job)) => Outcome { layer: self.write(at, copy.link, |root| job.write(root))? },
            (None, None) => return Err(BuildError::NoStage),
        };
        self.finish(at, step, number, began, cached, &keys, outcome)
    }

    pub(super) fn make_workdir(
        &mut self,
        at: usize,
        step: &'a Step,
        workdir: &WorkdirStep,
    ) -> Result<(), BuildError> {
        let (number, began) = (self.number(), Instant::now());
        self.tell_begin(at, step, number)?;
        let stage = self.stage(at)?;
        let chain = stage.chain();
        let epoch = stage.epoch.to_le_bytes();
        let keys =
            [BuildCache::key(&[b"workdir", chain.as_str().as_bytes(), workdir.path.as_bytes(), &epoch])];
        let found = self.cached(&keys);
        let cached = found.is_some();
        let outcome = match found {
            Some(outcome) => outcome,
            None => {
                let path = inside::relative(&workdir.path);
                let layer = self.write(at, false, |root| {
                    let made = inside::make_folder(root, &path, (0, 0));
                    made.map(drop).map_err(BuildError::io("make", &workdir.path))
                })?;
                Outcome { layer }
            }
        };
        self.finish(at, step, number, began, cached, &keys, outcome)
    }

    pub(super) fn tell_begin(&mut self, at: usize, step: &'a Step, number: usize) -> Result<(), BuildError> {
        let label = Self::label(self.stage(at)?, step, number);
        self.progress.begin(label);
        Ok(())
    }

    /// The first of these keys that the cache has.
    pub(super) fn cached(&self, keys: &[Digest]) -> Option<Outcome> {
        if !self.shop.options.use_cache {
            return None;
        }
        keys.iter().find_map(|key| self.shop.cache.find(key, self.shop.lease))
    }

    /// A step is done: tells of it, keeps its result under all its names, and goes on.
    #[allow(clippy::too_many_arguments, reason = "what is known of a step that is done")]
    pub(super) fn finish(
        &mut self,
        at: usize,
        step: &'a Step,
        number: usize,
        began: Instant,
        cached: bool,
        keys: &[Digest],
        outcome: Outcome,
    ) -> Result<(), BuildError> {
        if !cached || keys.len() > 1 {
            for key in keys {
                self.shop.cache.put(key, &outcome, self.shop.lease.store());
            }
        }
        let stage = self.stage_mut(at)?;
        stage.cached += usize::from(cached);
        stage
            .entries
            .extend(keys.iter().map(|key| CacheEntry { key: key.clone(), layer: outcome.layer.clone() }));
        stage.take(step, outcome.layer);
        let label = Self::label(self.stage(at)?, step, number);
        self.progress.end(label, cached, began.elapsed());
        Ok(())
    }

    /// What the files of a tree are called together; none for the context, whose files have no such name.
    pub(super) fn tree_chain(&self, tree: &TreeRef) -> Result<Option<Digest>, BuildError> {
        Ok(match tree {
            TreeRef::Context => None,
            TreeRef::Stage(index) => Some(self.finished(*index).ok_or(BuildError::NoStage)?.chain()),
            TreeRef::Image(name) => Some(super::stage_run::chain(&self.image(name)?.layers)),
        })
    }

    /// The layers of a stage, ready.
    pub(super) fn layers(&self, layers: &[StageLayer]) -> Result<Layers, BuildError> {
        Layers::ready(self.shop.lease, layers, &self.empty_folder()?)
    }

    fn empty_folder(&self) -> Result<PathBuf, BuildError> {
        let path = self.shop.options.folder.join("empty");
        match std::fs::create_dir(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                Err(BuildError::io("make", path)(error))
            }
            _ => Ok(path),
        }
    }

    /// Opens what files are taken from; none where there is no context.
    pub(super) fn open_tree(&self, tree: &TreeRef) -> Result<Option<OwnedFd>, BuildError> {
        let layers = match tree {
            TreeRef::Context => {
                let root = self.shop.context.root().map(|root| root.try_clone()).transpose();
                return root.map_err(BuildError::io("open", "the context"));
            }
            TreeRef::Stage(index) => &self.finished(*index).ok_or(BuildError::NoStage)?.layers,
            TreeRef::Image(name) => &self.image(name)?.layers,
        };
        let open = self.layers(layers)?.open();
        Ok(Some(open.map_err(BuildError::io("open", "the layers"))?))
    }

    fn job(&self, at: usize, copy: &'a CopyStep) -> Result<Job<'a>, BuildError> {
        let tree = self.open_tree(&copy.from)?;
        let (tree_name, ignore) = match &copy.from {
            TreeRef::Context => ("the build context", self.shop.context.ignore().clone()),
            TreeRef::Stage(_) => ("the stage", IgnoreRules::default()),
            TreeRef::Image(_) => ("the image", IgnoreRules::default()),
        };
        let mut exclude = IgnoreRules::default();
        for pattern in &copy.exclude {
            exclude.add(pattern).map_err(|error| BuildError::Refused(error.to_string()))?;
        }
        let (mut selected, mut fetched) = (Vec::new(), Vec::new());
        for source in &copy.sources {
            selected.push(match (source, &tree) {
                (FileSource::Path(path), Some(tree)) => select::select(tree, path, &ignore, tree_name)?,
                (FileSource::Path(path), None) => {
                    let hint = ": there is none, the Dockerfile came alone".to_owned();
                    return Err(BuildError::NotFound { path: path.clone(), tree: tree_name, hint });
                }
                (FileSource::Text { .. } | FileSource::Address { .. }, _) => Vec::new(),
            });
            fetched.push(match source {
                // Of what has a digest is known what it is.
                FileSource::Address { url, checksum: None } => Some(fetch::fetch(self.shop, url, None)?),
                _ => None,
            });
        }
        let epoch = self.stage(at)?.epoch;
        Ok(Job { copy, tree, ignore, exclude, selected, fetched, shop: self.shop, epoch })
    }

    /// Writes into the stage's tree; the layer of what was written, if anything was.
    fn write(
        &mut self,
        at: usize,
        alone: bool,
        work: impl FnOnce(&OwnedFd) -> Result<(), BuildError>,
    ) -> Result<Option<StageLayer>, BuildError> {
        let stage = self.stage(at)?;
        let epoch = stage.epoch;
        let layers = if alone { self.layers(&[])? } else { self.layers(&stage.layers)? };
        let folder = StepFolder::make(&self.shop.options.folder)?;
        let root = layers.open_with(&folder.upper(), &folder.work());
        let root = root.map_err(BuildError::io("mount", "the layers of the stage"))?;
        work(&root)?;
        drop(root);
        let layer = self.layer_of(&folder.upper(), epoch, None)?;
        folder.remove()?;
        Ok(layer)
    }

    /// The layer of an upper folder; none if nothing was written.
    pub(super) fn layer_of(
        &self,
        upper: &Path,
        epoch: i64,
        maps: Option<&cofferdam_confinement::IdMaps>,
    ) -> Result<Option<StageLayer>, BuildError> {
        let mut entries = std::fs::read_dir(upper).map_err(BuildError::io("read", upper))?;
        if entries.next().is_none() {
            return Ok(None);
        }
        let options = LayerOptions {
            compression: self.shop.options.compression,
            from_host_ids: maps,
            newest: Some(epoch),
            one_file_system: true,
            ..LayerOptions::default()
        };
        let NewLayer { descriptor, diff_id, .. } = self.shop.lease.write_layer(upper, &options)?;
        Ok(Some(StageLayer {
            diff_id,
            blob: descriptor.digest,
            size: descriptor.size,
            media_type: descriptor.media_type.to_string(),
        }))
    }
}

impl Job<'_> {
    fn tree(&self) -> Result<&OwnedFd, BuildError> {
        self.tree.as_ref().ok_or(BuildError::NoStage)
    }

    /// What the files are, wherever they go.
    fn digest(&self) -> Result<Digest, BuildError> {
        let mut digest = ContentDigest::default();
        let change = self.change(None, None);
        for (paths, fetched) in self.selected.iter().zip(&self.fetched) {
            digest.field(b"source");
            // Texts and checksums are part of the step.
            if let Some(fetched) = fetched {
                digest.field(fetched.digest.as_str().as_bytes());
            }
            for path in paths {
                digest.field(path.as_os_str().as_encoded_bytes());
                pass_path(self.tree()?, path, PathBuf::new(), false, &change, &mut digest)?;
            }
        }
        Ok(digest.0.finish())
    }

    fn change<'c>(&'c self, owner: Option<(u32, u32)>, mode: Option<ModeChange>) -> Change<'c> {
        let context = self.copy.from == TreeRef::Context;
        Change {
            ignore: &self.ignore,
            exclude: &self.exclude,
            // Who checked the files out is nobody's concern.
            owner: owner.or(context.then_some((0, 0))),
            mode,
            time: context.then_some(self.epoch),
            xattrs: !context,
        }
    }

    /// Writes everything below the root of the stage.
    fn write(&self, root: &OwnedFd) -> Result<(), BuildError> {
        let owner = self.copy.chown.as_deref().map(|text| accounts::owner(root, text)).transpose()?;
        let mode = self.copy.chmod.as_deref().map(ModeChange::parse).transpose()?;
        let change = self.change(owner, mode);
        for ((source, paths), fetched) in self.copy.sources.iter().zip(&self.selected).zip(&self.fetched) {
            match source {
                FileSource::Text { name, content } => {
                    let (size, mode) = (content.len() as u64, 0o644);
                    self.write_new(root, name, (size, mode, &mut content.as_bytes()), &change)?;
                }
                FileSource::Address { url, checksum } => {
                    let fetched = match fetched {
                        Some(fetched) => fetched.clone(),
                        None => fetch::fetch(self.shop, url, checksum.as_ref())?,
                    };
                    self.write_fetched(root, url, &fetched, &change)?;
                }
                _ => {
                    for path in paths {
                        self.write_path(root, path, paths.len() > 1, &change)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn writer(&self, root: &OwnedFd, folder: &Path) -> Result<TreeWriter, BuildError> {
        let root = root.try_clone().map_err(BuildError::io("open", "the stage's root"))?;
        Ok(TreeWriter::new(root, folder.to_owned(), Owners::Same, Replace::Anything))
    }

    /// Writes what was fetched, as a file that only its owner reads: as BuildKit does.
    fn write_fetched(
        &self,
        root: &OwnedFd,
        url: &str,
        fetched: &Fetched,
        change: &Change<'_>,
    ) -> Result<(), BuildError> {
        let failed = |error| BuildError::io("read", fetched.path.clone())(error);
        let mut file = File::open(&fetched.path).map_err(failed)?;
        if self.copy.unpack_fetched && archive::is_archive(&mut file).map_err(failed)? {
            return self.unpack_file(root, &mut file, change.owner.unwrap_or((0, 0)));
        }
        let name = file_name(url);
        if name.is_none() && self.copy.destination.ends_with('/') {
            let why = "its address names no file, and the destination is a folder";
            return Err(BuildError::Refused(format!("cannot name what {url} gives: {why}")));
        }
        let size = file.metadata().map_err(failed)?.len();
        self.write_new(root, &name.unwrap_or_default(), (size, 0o600, &mut file), change)
    }

    /// Writes a file that is in no tree: its size, its mode and its content.
    fn write_new(
        &self,
        root: &OwnedFd,
        name: &str,
        (size, mode, content): (u64, u32, &mut dyn Read),
        change: &Change<'_>,
    ) -> Result<(), BuildError> {
        let owner = change.owner.unwrap_or((0, 0));
        let place = destination::prepare(root, &self.copy.destination, false, owner)?;
        let attributes = Attributes {
            uid: owner.0,
            gid: owner.1,
            mode: change.mode.as_ref().map_or(mode, |change| change.of(mode, false)),
            modified: self.epoch,
            xattrs: Vec::new(),
        };
        let mut writer = self.writer(root, &place.folder)?;
        let name = place.name.unwrap_or_else(|| PathBuf::from(name));
        let written = writer.file(&name, &attributes, size, content).and_then(|()| writer.finish());
        written.map_err(BuildError::io("write", name))
    }

    fn write_path(
        &self,
        root: &OwnedFd,
        path: &Path,
        several: bool,
        change: &Change<'_>,
    ) -> Result<(), BuildError> {
        let tree = self.tree()?;
        let owner = change.owner.unwrap_or((0, 0));
        let is_folder = inside::is_folder(tree, path);
        if self.copy.unpack && !is_folder && self.unpack(root, tree, path, owner)? {
            return Ok(());
        }
        let wants_folder = is_folder || several || self.copy.parents;
        let place = destination::prepare(root, &self.copy.destination, wants_folder, owner)?;
        let mut writer = self.writer(root, &place.folder)?;
        let name = path.file_name().map(PathBuf::from).unwrap_or_default();
        let target = match (is_folder, self.copy.parents) {
            (_, true) => path.to_owned(),
            // A folder's content, not the folder.
            (true, false) => PathBuf::new(),
            (false, false) => place.name.unwrap_or(name),
        };
        let keep_top = target.as_os_str().is_empty() && !place.made;
        pass_path(tree, path, target, keep_top, change, &mut writer)?;
        writer.finish().map_err(BuildError::io("copy", path))
    }

    /// Unpacks a file that is an archive. Whether it was one.
    fn unpack(
        &self,
        root: &OwnedFd,
        tree: &OwnedFd,
        path: &Path,
        owner: (u32, u32),
    ) -> Result<bool, BuildError> {
        let failed = |error| BuildError::io("unpack", path)(error);
        let held = inside::open(tree, path, OFlags::PATH).map_err(failed)?;
        if kind(&held).map_err(failed)? != FileType::RegularFile {
            return Ok(false);
        }
        let mut file = File::from(inside::open(tree, path, OFlags::RDONLY).map_err(failed)?);
        if !archive::is_archive(&mut file).map_err(failed)? {
            return Ok(false);
        }
        self.unpack_file(root, &mut file, owner)?;
        Ok(true)
    }

    fn unpack_file(&self, root: &OwnedFd, file: &mut File, owner: (u32, u32)) -> Result<(), BuildError> {
        let place = destination::prepare(root, &self.copy.destination, true, owner)?;
        let mut writer = self.writer(root, &place.folder)?;
        // Owners are the archive's, unless somebody says otherwise.
        let rules = IgnoreRules::default();
        let change = Change {
            ignore: &rules,
            exclude: &rules,
            owner: self.copy.chown.as_ref().map(|_| owner),
            mode: None,
            time: None,
            xattrs: true,
        };
        let mut placed = Placed {
            inner: &mut writer,
            change: &change,
            source: PathBuf::new(),
            target: PathBuf::new(),
            keep_top: true,
        };
        let done = tars::unpack(file, &mut placed).and_then(|_| writer.finish());
        done.map(drop).map_err(BuildError::io("unpack", &self.copy.destination))
    }
}

/// Passes one path of a tree on: a folder's content, or a file. A link that is named itself is followed. Whether it is a file.
fn pass_path(
    tree: &OwnedFd,
    path: &Path,
    target: PathBuf,
    keep_top: bool,
    change: &Change<'_>,
    sink: &mut dyn TreeSink,
) -> Result<(), BuildError> {
    let failed = |error| BuildError::io("copy", path)(error);
    let held = inside::open(tree, path, OFlags::PATH).map_err(failed)?;
    let mut placed = Placed { inner: sink, change, source: path.to_owned(), target, keep_top };
    let done = match kind(&held).map_err(failed)? {
        FileType::Directory => {
            let folder = inside::open(tree, path, OFlags::RDONLY | OFlags::DIRECTORY).map_err(failed)?;
            Walk::default().folder(&folder, Path::new(""), &mut placed)
        }
        FileType::RegularFile => Walk::default().file(&held, Path::new(""), &mut placed),
        _ => return Err(BuildError::Refused(format!("{} is neither a file nor a folder", path.display()))),
    };
    done.map(drop).map_err(failed)
}

fn kind(held: &OwnedFd) -> std::io::Result<FileType> {
    Ok(FileType::from_raw_mode(rustix::fs::fstat(held)?.st_mode))
}

/// What becomes of files that are mounted. Those of the context are root's, as copied ones are: who checked them out is nobody's
/// concern, and may have a number that no container has.
fn change_of_mount<'r>(context: bool, ignore: &'r IgnoreRules, exclude: &'r IgnoreRules) -> Change<'r> {
    Change { ignore, exclude, owner: context.then_some((0, 0)), mode: None, time: None, xattrs: !context }
}

/// The digest of a part of the context, for a mount.
pub(super) fn part_digest(tree: &OwnedFd, part: &str, ignore: &IgnoreRules) -> Result<Digest, BuildError> {
    let mut digest = ContentDigest::default();
    let rules = IgnoreRules::default();
    let change = change_of_mount(true, ignore, &rules);
    pass_path(tree, &inside::relative(part), PathBuf::new(), false, &change, &mut digest)?;
    Ok(digest.0.finish())
}

/// A copy of a part of a tree, for a mount: neither links nor changes in the original lead anywhere (CVE-2024-1753,
/// CVE-2024-23651). Its path; it is a file if the part is one. `context` are the rules of the context, if the tree is that.
pub(super) fn materialize(
    tree: &OwnedFd,
    part: &str,
    context: Option<&IgnoreRules>,
    place: &Path,
) -> Result<PathBuf, BuildError> {
    let path = inside::relative(part);
    let failed = |error| BuildError::io("mount", &path)(error);
    let held = inside::open(tree, &path, OFlags::PATH).map_err(failed)?;
    let is_file = kind(&held).map_err(failed)? == FileType::RegularFile;
    let rules = IgnoreRules::default();
    let change = change_of_mount(context.is_some(), context.unwrap_or(&rules), &rules);
    std::fs::create_dir(place).map_err(BuildError::io("make", place))?;
    let mut writer = TreeWriter::at_path(place, Owners::Same).map_err(failed)?;
    let target = if is_file { PathBuf::from("file") } else { PathBuf::new() };
    pass_path(tree, &path, target, false, &change, &mut writer)?;
    writer.finish().map_err(failed)?;
    Ok(if is_file { place.join("file") } else { place.to_owned() })
}
