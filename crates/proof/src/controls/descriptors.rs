//! What is open: nothing but the three standard descriptors and those that were handed over, and no folder of the
//! host's (CVE-2024-21626).

use std::collections::BTreeSet;

use cofferdam_kernel::proc::Descriptor;
use rustix::fs::FileType;

use super::View;
use super::program::is_interpreter;
use crate::judge::Judge;
use crate::observation::{Moment, Observation, Reading};

/// The mounts that the container can reach from its root.
fn own_mounts(observation: &Observation) -> Reading<BTreeSet<u64>> {
    observation
        .mounts
        .as_ref()
        .map(|mounts| mounts.iter().map(|mount| mount.id).collect())
        .map_err(Clone::clone)
}

fn is_folder(descriptor: &Descriptor) -> bool {
    FileType::from_raw_mode(descriptor.mode) == FileType::Directory
}

/// Whether a descriptor is a file of the container's own.
fn is_programs(descriptor: &Descriptor, mount: Option<u64>, own: &BTreeSet<u64>) -> bool {
    FileType::from_raw_mode(descriptor.mode) == FileType::RegularFile
        && mount.is_some_and(|mount| own.contains(&mount))
}

pub(super) fn compare(view: &View<'_>, judge: &mut Judge) {
    let observation = view.observation;
    let allowed = 3 + observation.preserved_fds;
    let planned = match (observation.moment, observation.preserved_fds) {
        (Moment::Start, 0) => "only 0, 1 and 2, no folder of the host".to_owned(),
        (Moment::Start, more) => {
            format!("only 0 to {}, no folder of the host but among the {more} handed over", 2 + more)
        }
        (Moment::Verify, _) => "no folder of the host".to_owned(),
    };
    let read = observation.files.as_ref().map_err(Clone::clone).and_then(|files| files.descriptors.clone());
    let (descriptors, mounts) = match (read, own_mounts(observation)) {
        (Ok(descriptors), Ok(mounts)) => (descriptors, mounts),
        (Err(why), _) | (_, Err(why)) => return judge.whole().planned(planned).unknown(why.to_string()),
    };
    // To an interpreter the kernel may hand the program by the next number (binfmt_misc, flag O).
    let exe = observation.files.as_ref().ok().and_then(|files| files.exe.as_ref().ok());
    let interpreted = exe.is_some_and(|exe| is_interpreter(observation, exe));
    let mut bad = 0;
    for (descriptor, mount) in &descriptors {
        // What the caller hands over by number may be anything: that is what it asks for.
        let handed_over = (3..allowed).contains(&descriptor.number);
        let foreign =
            is_folder(descriptor) && !handed_over && mount.is_none_or(|mount| !mounts.contains(&mount));
        let leaked = observation.moment == Moment::Start
            && descriptor.number >= allowed
            && !(descriptor.number == allowed && interpreted && is_programs(descriptor, *mount, &mounts));
        if foreign || leaked {
            bad += 1;
            let why = if foreign { "a folder from outside of the container" } else { "left open over exec" };
            let item = judge.item(descriptor.number.to_string()).planned("not open");
            item.differs_because(descriptor.target.display().to_string(), why);
        }
    }
    if bad == 0 {
        let mut numbers: Vec<u32> = descriptors.iter().map(|(descriptor, _)| descriptor.number).collect();
        numbers.sort_unstable();
        let seen = match observation.moment {
            Moment::Start => numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
            Moment::Verify => format!("{} open", numbers.len()),
        };
        judge.whole().planned(planned).holds(seen);
    }
}
