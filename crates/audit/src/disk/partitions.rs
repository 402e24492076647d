//! What is on a disk: its partitions (MBR and GPT), and by its first bytes what each of them holds.

use std::sync::Arc;

use super::blocks::{Blocks, Fields, Part};
use crate::tree::Failure;

/// More partitions are not looked at.
const MOST_PARTITIONS: usize = 128;
/// Logical partitions of an MBR are a chain, which could be a circle.
const MOST_LOGICAL: usize = 64;

/// A partition, or the whole disk where it has none.
#[derive(Debug, Clone)]
pub(super) struct Partition {
    /// From 1; 0 for the whole disk.
    pub(super) number: usize,
    /// Its bytes.
    pub(super) part: Part,
    /// What it holds.
    pub(super) holds: Holds,
}

/// What a partition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// ext2, ext3 or ext4.
    Ext4,
    /// Something with a name that is not read here.
    Other(&'static str),
    /// Something without one.
    Unknown,
}

/// The partitions of a disk.
pub(super) fn all(disk: &Arc<dyn Blocks>) -> Result<Vec<Partition>, Failure> {
    let whole = Part { disk: Arc::clone(disk), start: 0, length: disk.len() };
    let ranges = match gpt(&whole, 512)? {
        Some(ranges) => ranges,
        None => match gpt(&whole, 4096)? {
            Some(ranges) => ranges,
            None => mbr(&whole)?,
        },
    };
    // A file system without partitions may have an MBR's two last bytes in its boot sector.
    if holds(&whole) == Holds::Ext4 || ranges.is_empty() {
        let holds = holds(&whole);
        return Ok(vec![Partition { number: 0, part: whole, holds }]);
    }
    let part = |(number, start, length): (usize, u64, u64)| {
        let part = Part { disk: Arc::clone(disk), start, length };
        Partition { number, holds: holds(&part), part }
    };
    Ok(ranges.into_iter().map(part).collect())
}

/// A number or a kind, where it begins, and how long it is.
type Range<N = usize> = (N, u64, u64);

/// A GUID partition table (UEFI specification, 5.3).
fn gpt(disk: &Part, sector: u64) -> Result<Option<Vec<Range>>, Failure> {
    let mut header = [0; 92];
    if disk.read(sector, &mut header).is_err() || !header.starts_with(b"EFI PART") {
        return Ok(None);
    }
    let fields = Fields(&header);
    let (at, count, size) = (fields.u64(72)?, fields.u32(80)?, fields.u32(84)?);
    if !(128..=4096).contains(&size) {
        return Err(Failure::Damaged("its partition table makes no sense".to_owned()));
    }
    let mut ranges = Vec::new();
    for index in 0..usize::try_from(count).unwrap_or(usize::MAX).min(MOST_PARTITIONS) {
        let mut entry = [0; 128];
        let place = at.checked_mul(sector).and_then(|at| at.checked_add(index as u64 * u64::from(size)));
        disk.read(place.unwrap_or(u64::MAX), &mut entry)?;
        if entry.starts_with(&[0; 16]) {
            continue;
        }
        let (first, last) = (Fields(&entry).u64(32)?, Fields(&entry).u64(40)?);
        let length = last.checked_sub(first).and_then(|length| length.checked_add(1)?.checked_mul(sector));
        if let (Some(start), Some(length)) = (first.checked_mul(sector), length) {
            ranges.push((index + 1, start, length));
        }
    }
    Ok(Some(ranges))
}

/// A master boot record, with the chain of its logical partitions.
fn mbr(disk: &Part) -> Result<Vec<Range>, Failure> {
    const SECTOR: u64 = 512;
    const EXTENDED: [u8; 3] = [0x05, 0x0f, 0x85];
    let table = |at: u64| -> Result<Option<Vec<Range<u8>>>, Failure> {
        let mut sector = [0; 512];
        if disk.read(at, &mut sector).is_err() || !sector.ends_with(&[0x55, 0xaa]) {
            return Ok(None);
        }
        let fields = Fields(&sector);
        let entry = |index: usize| -> Result<_, Failure> {
            let at = 446 + index * 16;
            let (start, length) = (fields.u32(at + 8)?, fields.u32(at + 12)?);
            Ok((sector[at + 4], u64::from(start) * SECTOR, u64::from(length) * SECTOR))
        };
        (0..4).map(entry).collect::<Result<Vec<_>, _>>().map(Some)
    };
    let Some(primary) = table(0)? else { return Ok(Vec::new()) };
    let mut ranges = Vec::new();
    let mut number = 4;
    for (index, (kind, start, length)) in primary.iter().enumerate().filter(|(_, (kind, ..))| *kind != 0) {
        if !EXTENDED.contains(kind) {
            ranges.push((index + 1, *start, *length));
            continue;
        }
        let mut at = *start;
        for _ in 0..MOST_LOGICAL {
            let Some(logical) = table(at)? else { break };
            let is_data = |(kind, ..): &&Range<u8>| *kind != 0 && !EXTENDED.contains(kind);
            if let Some((_, first, length)) = logical.first().filter(is_data) {
                number += 1;
                ranges.push((number, at + first, *length));
            }
            match logical.get(1) {
                Some((kind, next, _)) if EXTENDED.contains(kind) => at = start + next,
                _ => break,
            }
        }
    }
    Ok(ranges)
}

/// Marks: what, where, bytes.
const MARKS: &[(&str, u64, &[u8])] = &[
    ("XFS", 0, b"XFSB"),
    ("Btrfs", 0x1_0040, b"_BHRfS_M"),
    ("a LUKS container (encrypted)", 0, b"LUKS\xba\xbe"),
    ("an LVM volume", 512, b"LABELONE"),
    ("swap space", 4086, b"SWAPSPACE2"),
    ("NTFS", 3, b"NTFS    "),
    ("exFAT", 3, b"EXFAT   "),
    ("FAT", 82, b"FAT32   "),
    ("FAT", 54, b"FAT1"),
    ("squashfs", 0, b"hsqs"),
    ("EROFS", 1024, b"\xe2\xe1\xf5\xe0"),
    ("F2FS", 1024, b"\x10\x20\xf5\xf2"),
    ("an ISO 9660 image", 32769, b"CD001"),
    ("a member of a RAID", 4096, b"\xfc\x4e\x2b\xa9"),
    ("a disk image of VMware", 0, b"KDMV"),
    ("a disk image of VirtualBox", 64, b"\x7f\x10\xda\xbe"),
    ("a disk image of Hyper-V", 0, b"vhdxfile"),
];

fn holds(part: &Part) -> Holds {
    let has = |at: u64, mark: &[u8]| {
        let mut bytes = vec![0; mark.len()];
        part.read(at, &mut bytes).is_ok() && bytes == mark
    };
    if has(1024 + 56, &[0x53, 0xef]) {
        return Holds::Ext4;
    }
    MARKS.iter().find(|(_, at, mark)| has(*at, mark)).map_or(Holds::Unknown, |(name, ..)| Holds::Other(name))
}

impl std::fmt::Display for Partition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = match self.holds {
            Holds::Ext4 => "ext4",
            Holds::Other(name) => name,
            Holds::Unknown => "nothing that is known here",
        };
        match self.number {
            0 => write!(f, "the disk holds {what}"),
            number => write!(f, "partition {number} holds {what}"),
        }
    }
}
