//! A walk through all files of a tree.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::path::Path;

use super::{Failure, FileKind, FileStatus, Files, Node, Tree, Unmounted, folder, unmounted};

/// No folder is entered that lies deeper: a path that long cannot be opened by anybody.
const MOST_DEPTH: usize = 256;
/// How many of the folders that could not be read are named.
const MOST_UNREADABLE: usize = 5;

/// A file that is seen on the way.
pub(crate) struct Seen<'a> {
    /// Its path, from the tree's root.
    pub(crate) path: &'a str,
    /// What it is itself: links are not followed.
    pub(crate) status: FileStatus,
    place: Place<'a>,
}

enum Place<'a> {
    Folder(&'a OwnedFd, &'a OsStr),
    Node(&'a dyn Unmounted, Node),
}

impl Seen<'_> {
    /// The bytes of `security.capability`.
    pub(crate) fn capabilities(&self) -> Result<Option<Vec<u8>>, Failure> {
        match &self.place {
            Place::Folder(folder, name) => Ok(folder::capabilities(folder, name)?),
            Place::Node(files, node) => files.capabilities(*node),
        }
    }

    /// Its bytes, if it is a regular file of at most so many.
    pub(crate) fn bytes(&self, most: usize) -> Result<Vec<u8>, Failure> {
        match &self.place {
            Place::Folder(folder, name) => folder::read_entry(folder, name, most),
            Place::Node(files, node) => super::read_node(*files, *node, most),
        }
    }
}

/// What a walk came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Walked {
    /// How many files were seen.
    pub(crate) files: usize,
    /// Why not all were seen; empty when they were.
    pub(crate) gaps: Vec<String>,
}

impl Walked {
    fn gap(&mut self, gap: String) {
        match self.gaps.len() {
            count if count < MOST_UNREADABLE => self.gaps.push(gap),
            MOST_UNREADABLE => self.gaps.push("and more".to_owned()),
            _ => {}
        }
    }
}

impl Tree {
    /// Shows every file below a folder, and not the folder itself, until so many were seen. Neither links nor mounts are
    /// followed. A folder that is not there has no files.
    pub(crate) fn walk(
        &self,
        root: &str,
        most: usize,
        walked: &mut Walked,
        visit: &mut dyn FnMut(&Seen<'_>),
    ) {
        let mut walk = Walk { most, walked, visit };
        let result = match &self.0 {
            Files::Folder(folder) => folder.walked(Path::new(root)).and_then(|fd| {
                let device = folder.status(Path::new(root), false)?.device;
                walk.folder(&fd, device, root.trim_end_matches('/'), 0);
                Ok(())
            }),
            Files::Unmounted(files) => unmounted::resolve(&**files, Path::new(root), false).map(|node| {
                let mut seen = HashSet::from([node]);
                walk.nodes(&**files, node, root.trim_end_matches('/'), 0, &mut seen);
            }),
        };
        match result {
            Ok(()) | Err(Failure::Absent | Failure::Circle) => {}
            Err(failure) => walked.gap(format!("cannot read {root}: {failure}")),
        }
    }
}

struct Walk<'a> {
    most: usize,
    walked: &'a mut Walked,
    visit: &'a mut dyn FnMut(&Seen<'_>),
}

impl Walk<'_> {
    /// Whether one more may be seen.
    fn counts(&mut self, path: &str) -> bool {
        self.walked.files += 1;
        if self.walked.files == self.most + 1 {
            self.walked.gap(format!("there are more than {} files; the walk ended at {path}", self.most));
        }
        self.walked.files <= self.most
    }

    fn folder(&mut self, fd: &OwnedFd, device: u64, path: &str, depth: usize) {
        let entries = match folder::list(fd) {
            Ok(entries) => entries,
            Err(errno) => return self.walked.gap(format!("cannot read {path}: {}", Failure::from(errno))),
        };
        if entries.len() >= super::MOST_ENTRIES {
            self.walked.gap(format!("{path} has {} files or more", super::MOST_ENTRIES));
        }
        for name in &entries {
            // What is gone meanwhile is not there.
            let Ok(status) = folder::entry_status(fd, name) else { continue };
            let here = format!("{path}/{}", name.to_string_lossy());
            if status.device != device {
                continue;
            }
            if !self.counts(&here) {
                return;
            }
            (self.visit)(&Seen { path: &here, status, place: Place::Folder(fd, name) });
            if status.kind != FileKind::Folder {
                continue;
            }
            match folder::enter(fd, name) {
                Ok(_) if depth >= MOST_DEPTH => {
                    self.walked.gap(format!("{here} lies deeper than {MOST_DEPTH} folders"))
                }
                Ok(below) => self.folder(&below, device, &here, depth + 1),
                Err(errno) => self.walked.gap(format!("cannot read {here}: {}", Failure::from(errno))),
            }
        }
    }

    fn nodes(
        &mut self,
        files: &dyn Unmounted,
        folder: Node,
        path: &str,
        depth: usize,
        seen: &mut HashSet<Node>,
    ) {
        let mut entries = match files.children(folder) {
            Ok(entries) => entries,
            Err(failure) => return self.walked.gap(format!("cannot read {path}: {failure}")),
        };
        if entries.len() >= super::MOST_ENTRIES {
            self.walked.gap(format!("{path} has {} files or more", super::MOST_ENTRIES));
        }
        entries.sort_unstable();
        for (name, node) in entries {
            let here = format!("{path}/{}", name.to_string_lossy());
            if !self.counts(&here) {
                return;
            }
            let status = match files.status(node) {
                Ok(status) => status,
                Err(failure) => {
                    self.walked.gap(format!("cannot read {here}: {failure}"));
                    continue;
                }
            };
            (self.visit)(&Seen { path: &here, status, place: Place::Node(files, node) });
            // A folder that is its own child, as only a hostile disk or archive has it, is seen once.
            if status.kind != FileKind::Folder || !seen.insert(node) {
                continue;
            }
            if depth >= MOST_DEPTH {
                self.walked.gap(format!("{here} lies deeper than {MOST_DEPTH} folders"));
            } else {
                self.nodes(files, node, &here, depth + 1, seen);
            }
        }
    }
}
