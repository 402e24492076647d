//! Processor affinity, as lists such as `0-3,7` (OCI `execCPUAffinity`).

use std::io;

use rustix::thread::{CpuSet, sched_setaffinity};

use crate::step::{Step, StepError};

/// Binds the calling process to the processors of the list, if there is one.
pub(crate) fn set(list: Option<&str>) -> Result<(), StepError> {
    let Some(list) = list else { return Ok(()) };
    Step::Affinity.run(list, || {
        let mut set = CpuSet::new();
        for cpu in parse(list)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it is no list of processors"))?
        {
            set.set(cpu);
        }
        Ok(sched_setaffinity(None, &set)?)
    })
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
    fn lists_are_single_numbers_and_ranges() {
        assert_eq!(parse("0-2,5"), Some(vec![0, 1, 2, 5]));
        for bad in ["", "a", "2-1", "0,", "99999"] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }
}
