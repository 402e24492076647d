//! Processor affinity, as lists such as `0-3,7` (OCI `execCPUAffinity`).

use std::io;

use rustix::thread::{CpuSet, sched_setaffinity};

use crate::step::{Step, StepError};

/// Binds the calling process to the processors of the list, if there is one.
pub(crate) fn set(list: Option<&str>) -> Result<(), StepError> {
    let Some(list) = list else { return Ok(()) };
    Step::Affinity.apply(list, || {
        let mut set = CpuSet::new();
        for cpu in parse(list)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it is no list of processors"))?
        {
            set.set(cpu);
        }
        Ok(sched_setaffinity(None, &set)?)
    })
}

/// Lets the calling process run on every processor of its cpuset, however its caller was bound: since Linux 6.2 a cpuset
/// that is joined no longer widens what sched_setaffinity(2) narrowed. The kernel cuts the set down to the cpuset.
pub(crate) fn set_all() -> Result<(), StepError> {
    Step::Affinity.run("all processors", || {
        let mut set = CpuSet::new();
        for cpu in 0..CpuSet::MAX_CPU {
            set.set(cpu);
        }
        Ok(sched_setaffinity(None, &set)?)
    })
}

/// The processors of a list as the kernel's mask, in hexadecimal with its prefix (`0x3`); none where it is no list.
#[must_use]
pub fn mask(list: &str) -> Option<String> {
    let cpus = parse(list)?;
    let digit = |place: usize| {
        let bit = |offset| u32::from(cpus.contains(&(place * 4 + offset))) << offset;
        char::from_digit((0..4).map(bit).sum(), 16)
    };
    let digits: String = (0..=cpus.iter().max()? / 4).rev().filter_map(digit).collect();
    Some(format!("0x{digits}"))
}

/// The processors of a list such as `0-3,7`; none where it is no list or names one that no set can hold.
#[must_use]
pub fn parse(list: &str) -> Option<Vec<usize>> {
    let mut cpus = Vec::new();
    for part in list.split(',').map(str::trim) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse::<usize>().ok()?, last.parse::<usize>().ok()?);
        if first > last || last >= CpuSet::MAX_CPU {
            return None;
        }
        cpus.extend(first..=last);
    }
    Some(cpus)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_has_one_bit_for_each_processor() {
        for (list, expected) in
            [("0", "0x1"), ("1", "0x2"), ("0-1", "0x3"), ("4,6", "0x50"), ("64", "0x10000000000000000")]
        {
            assert_eq!(mask(list).as_deref(), Some(expected), "{list}");
        }
        assert_eq!(mask("x"), None);
    }

    #[test]
    fn lists_are_single_numbers_and_ranges() {
        assert_eq!(parse("0-2,5"), Some(vec![0, 1, 2, 5]));
        for bad in ["", "a", "2-1", "0,", "99999"] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }
}
