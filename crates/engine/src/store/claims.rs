//! Which ranges of host ids a state folder may give to its containers: several folders on one machine (`--root`) must never
//! give the same one, or the files of one container would be another one's.
//!
//! The ranges come in blocks. A block is its claimant's whose path a link in `/var/lib/cofferdam-ids` says: `17` leads to
//! `/var/lib/cofferdam/definitions`. A claim ends with the folder that it leads to. The claimant keeps the numbers of its own
//! blocks, and looks at their links before it uses them.

use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

use cofferdam_kernel::file_lock;
use cofferdam_policy::IdRange;

use super::range::{BLOCKS, COUNT, Slot, block};
use super::{StoreError, failed};

/// Where claims are registered. The whole machine's, whatever `--root` says.
pub(super) const REGISTRY: &str = "/var/lib/cofferdam-ids";
/// The file of the claimant's own notes, among its definitions. Its dot keeps it out of the containers.
const NOTES: &str = ".ranges";

/// A claimant.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claims<'a> {
    /// The folder of links.
    pub(super) registry: &'a Path,
    /// The claimant's folder of definitions.
    pub(super) claimant: &'a Path,
}

impl Claims<'_> {
    /// Whether a range is the claimant's to use.
    pub(super) fn holds(&self, slot: Slot) -> bool {
        self.is_own(slot.number() / Slot::IN_BLOCK)
    }

    fn is_own(&self, block: u32) -> bool {
        std::fs::read_link(self.link(block)).is_ok_and(|target| target == self.claimant)
    }

    fn link(&self, block: u32) -> PathBuf {
        self.registry.join(block.to_string())
    }

    /// The lowest range of the claimant's that is not in use (`used` is sorted); a new block is claimed where all are. The caller holds the
    /// lock of the definitions.
    pub(super) fn lowest_free(&self, used: &[u32]) -> Result<Slot, StoreError> {
        let free =
            |block_number: u32| block(block_number).find(|slot| used.binary_search(&slot.number()).is_err());
        let own = self.own_blocks()?;
        if let Some(slot) = own.iter().find_map(|number| free(*number)) {
            return Ok(slot);
        }
        let claimed = self.claim(&own)?;
        free(claimed).ok_or(StoreError::NoRange(COUNT))
    }

    /// The blocks that the notes name and that are still the claimant's, the lowest first.
    fn own_blocks(&self) -> Result<Vec<u32>, StoreError> {
        let path = self.claimant.join(NOTES);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(failed("read", &path)(error)),
        };
        let numbers = text.split_whitespace().filter_map(|word| word.parse().ok());
        Ok(numbers.filter(|number| self.is_own(*number)).collect())
    }

    /// Claims the first block that nobody has, beside those that the claimant has in its notes.
    fn claim(&self, own: &[u32]) -> Result<u32, StoreError> {
        let registry = self.registry;
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o755).create(registry);
        made.map_err(failed("make", registry))?;
        let path = registry.join(".lock");
        let lock = std::fs::File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path);
        let lock = lock.map_err(failed("open", &path))?;
        file_lock::lock(&lock).map_err(failed("lock", &path))?;
        let taken = subordinate_ids(&["/etc/subuid", "/etc/subgid"].map(Path::new))?;
        for number in (0..BLOCKS).filter(|number| !own.contains(number) && !overlaps(*number, &taken)) {
            let link = self.link(number);
            match std::fs::read_link(&link) {
                Ok(target) if target == self.claimant => {}
                Ok(target) if is_there(&target)? => continue,
                Ok(_) => {
                    std::fs::remove_file(&link).map_err(failed("remove", &link))?;
                    symlink(self.claimant, &link).map_err(failed("make", &link))?;
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    symlink(self.claimant, &link).map_err(failed("make", &link))?;
                }
                Err(error) => return Err(failed("read", &link)(error)),
            }
            self.note(own, number)?;
            return Ok(number);
        }
        Err(StoreError::NoRange(COUNT))
    }

    fn note(&self, own: &[u32], new: u32) -> Result<(), StoreError> {
        let mut all: Vec<u32> = own.iter().copied().chain([new]).collect();
        all.sort_unstable();
        let text: String = all.iter().map(|number| format!("{number}\n")).collect();
        let (path, draft) = (self.claimant.join(NOTES), self.claimant.join(".ranges.new"));
        std::fs::write(&draft, text)
            .and_then(|()| std::fs::rename(&draft, &path))
            .map_err(failed("write", &path))
    }
}

/// The ids that users of this host have been given (subuid(5), subgid(5)): they are not given once more.
fn subordinate_ids(files: &[&Path]) -> Result<Vec<IdRange>, StoreError> {
    let mut ids = Vec::new();
    for path in files {
        match std::fs::read_to_string(path) {
            Ok(text) => ids.extend(text.lines().filter_map(subordinate)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed("read", path)(error)),
        }
    }
    Ok(ids)
}

/// Whether a claimant's folder is there: then its block is in use. One that cannot be looked at may be there.
fn is_there(claimant: &Path) -> Result<bool, StoreError> {
    match claimant.symlink_metadata() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(failed("look at", claimant)(error)),
    }
}

/// `owner:first:count`
fn subordinate(line: &str) -> Option<IdRange> {
    let mut fields = line.split(':').skip(1);
    Some(IdRange { first: fields.next()?.trim().parse().ok()?, size: fields.next()?.trim().parse().ok()? })
}

fn overlaps(number: u32, taken: &[IdRange]) -> bool {
    let touches = |slot: Slot, other: &IdRange| {
        let range = slot.range();
        u64::from(other.first) < u64::from(range.first) + u64::from(range.size)
            && u64::from(range.first) < u64::from(other.first) + u64::from(other.size)
    };
    block(number).any(|slot| taken.iter().any(|other| touches(slot, other)))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Machine(tempfile::TempDir);

    impl Machine {
        fn claimant(&self, name: &str) -> PathBuf {
            let path = self.0.path().join(name);
            std::fs::create_dir_all(&path).unwrap();
            path
        }

        fn lowest(&self, name: &str, used: &[u32]) -> Result<u32, StoreError> {
            let (registry, claimant) = (self.0.path().join("ids"), self.claimant(name));
            Claims { registry: &registry, claimant: &claimant }.lowest_free(used).map(Slot::number)
        }
    }

    #[test]
    fn two_state_folders_never_have_the_same_range() {
        let machine = Machine(tempfile::tempdir().unwrap());
        let (a, b) = (machine.lowest("a", &[]).unwrap(), machine.lowest("b", &[]).unwrap());
        assert_ne!(a / Slot::IN_BLOCK, b / Slot::IN_BLOCK);
        assert_eq!(machine.lowest("a", &[]).unwrap(), a, "claimed once");
        assert_eq!(machine.lowest("a", &[a]).unwrap(), a + 1);
        let full: Vec<u32> = (a..a + Slot::IN_BLOCK).collect();
        let next = machine.lowest("a", &full).unwrap();
        assert!(next >= b + Slot::IN_BLOCK, "a block of its own again: {next}");
        // Lost notes are found again in the registry.
        std::fs::remove_file(machine.claimant("b").join(NOTES)).unwrap();
        assert_eq!(machine.lowest("b", &[]).unwrap(), b);
    }

    #[test]
    fn a_claim_ends_with_its_folder_and_is_not_believed_once_another_has_it() {
        let machine = Machine(tempfile::tempdir().unwrap());
        let a = machine.lowest("a", &[]).unwrap();
        let notes = std::fs::read(machine.claimant("a").join(NOTES)).unwrap();
        std::fs::remove_dir_all(machine.claimant("a")).unwrap();
        assert_eq!(machine.lowest("b", &[]).unwrap(), a);
        // The first comes back from a backup, with its notes.
        std::fs::write(machine.claimant("a").join(NOTES), notes).unwrap();
        assert_ne!(machine.lowest("a", &[]).unwrap(), a);
    }

    #[test]
    fn what_cannot_be_looked_at_is_not_free() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "joe:7:9\n").unwrap();
        assert!(!is_there(&folder.path().join("none")).unwrap());
        assert!(is_there(&file).unwrap());
        assert!(is_there(&file.join("below")).is_err(), "ENOTDIR is not \"gone\"");
        let missing = folder.path().join("none");
        assert_eq!(subordinate_ids(&[&missing, &file]).unwrap(), [IdRange { first: 7, size: 9 }]);
        assert!(subordinate_ids(&[folder.path()]).is_err());
    }

    #[test]
    fn what_subuid_gives_away_is_left_out() {
        let first = block(3).next().unwrap().range().first;
        let range = |first, size| IdRange { first, size };
        assert!(overlaps(3, &[range(first + 100, 1)]));
        assert!(overlaps(3, &[range(0, u32::MAX)]));
        assert!(!overlaps(3, &[range(first - 65_536, 65_536), range(100_000, 65_536)]));
        assert_eq!(subordinate("joe:100000:65536"), Some(range(100_000, 65_536)));
        assert_eq!(subordinate("# nothing"), None);
    }
}
