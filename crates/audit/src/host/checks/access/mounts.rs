//! File systems: what may be run from them, and what fills up when a container writes without end.

use crate::control::{About, Body, Control, Dimension, Evidence, Gain, Severity, Verdict};
use crate::host::HostFacts;

const AREA: &str = "file systems";

/// Folders and the options that their file system should have.
const OPTIONS: &[(&str, &[&str], &str)] = &[
    ("/tmp", &["nodev", "nosuid", "noexec"], "1.1.2.1"),
    ("/var/tmp", &["nodev", "nosuid", "noexec"], "1.1.2.5"),
    ("/dev/shm", &["nodev", "nosuid", "noexec"], "1.1.2.2"),
    ("/home", &["nodev", "nosuid"], "1.1.2.3"),
    ("/var", &["nodev", "nosuid"], "1.1.2.4"),
    ("/var/log", &["nodev", "nosuid", "noexec"], "1.1.2.6"),
    ("/var/log/audit", &["nodev", "nosuid", "noexec"], "1.1.2.7"),
    ("/boot", &["nodev", "nosuid", "noexec"], ""),
    ("/run", &["nodev", "nosuid"], ""),
];

/// Folders that should have a file system of their own.
const APART: &[(&str, &str, &str)] = &[
    ("/tmp", "1.1.2.1.1", "FILE-6310"),
    ("/home", "1.1.2.3.1", "FILE-6310"),
    ("/var", "1.1.2.4.1", "FILE-6310"),
    ("/var/log", "1.1.2.6.1", ""),
    ("/var/log/audit", "1.1.2.7.1", ""),
];

/// Folders in which engines keep containers.
const CONTAINERS: &[(&str, &[(Body, &str)])] = &[
    ("/var/lib/docker", &[(Body::CisDocker, "1.1.1")]),
    ("/var/lib/containers", &[]),
    ("/var/lib/containerd", &[]),
    ("/var/lib/cofferdam", &[]),
];

pub(super) fn paths() -> impl Iterator<Item = &'static str> {
    CONTAINERS.iter().map(|(folder, _)| *folder)
}

/// The checks.
pub(super) fn controls() -> Vec<Control<HostFacts>> {
    let options = OPTIONS.iter().map(|(point, options, cis)| with_options(point, options, cis));
    let apart = APART.iter().map(|(point, cis, lynis)| apart(point, cis, lynis));
    let containers = CONTAINERS.iter().map(|(folder, references)| containers(folder, references));
    options.chain(apart).chain(containers).chain([root_propagation(), swap()]).collect()
}

fn with_options(
    point: &'static str,
    options: &'static [&'static str],
    cis: &'static str,
) -> Control<HostFacts> {
    let mut about = About::new(AREA, format!("mount.options.{point}"))
        .title(format!("{point} is mounted {}", options.join(",")))
        .why("Where a container can get files onto the host, they should be neither devices nor programs, least of all set-id ones.")
        .remedy(format!("add `{}` to the options of {point} in /etc/fstab or its mount unit", options.join(",")))
        .weight(Severity::Medium, Gain::Foothold)
        .dimension(Dimension::ControlPlane)
        .reference(Body::Lynis, "FILE-6374");
    if !cis.is_empty() {
        about = about.reference(Body::CisLinux, cis);
    }
    Control::new(about, move |facts: &HostFacts| {
        let mounts = facts.mounts.get()?;
        let Some(mount) = mounts.at(point) else {
            return Ok(Verdict::not_applicable(format!("{point} is no file system of its own")));
        };
        let lacking = options.iter().filter(|option| !mount.has(option));
        Ok(Verdict::none_of(
            lacking.map(|option| Evidence::new(format!("it lacks {option}"))),
            mount.options.join(","),
        ))
    })
}

fn apart(point: &'static str, cis: &'static str, lynis: &'static str) -> Control<HostFacts> {
    let mut about = About::new(AREA, format!("mount.apart.{point}"))
        .title(format!("{point} is a file system of its own"))
        .why("A container that fills a volume or the log should not stop the host's own services for want of room.")
        .remedy(format!("move {point} to a partition or volume of its own, or to a tmpfs with a size"))
        .weight(Severity::Low, Gain::Denial)
        .dimension(Dimension::ControlPlane)
        .reference(Body::CisLinux, cis);
    if !lynis.is_empty() {
        about = about.reference(Body::Lynis, lynis);
    }
    Control::new(about, move |facts: &HostFacts| {
        Ok(match facts.mounts.get()?.at(point) {
            Some(mount) => Verdict::pass(format!("{} ({})", mount.source, mount.kind)),
            None => Verdict::fail("it lies on the same file system as what is above it"),
        })
    })
}

fn containers(folder: &'static str, references: &'static [(Body, &'static str)]) -> Control<HostFacts> {
    let about = About::new(AREA, format!("mount.containers.{folder}"))
        .title(format!("{folder} lies apart from the host's root file system"))
        .why("What containers write fills the file system that the host itself needs to log, to log in and to start.")
        .remedy(format!("mount a volume of its own at {folder}"))
        .weight(Severity::Medium, Gain::Denial)
        .dimension(Dimension::Engine);
    let about = about.references(references);
    Control::new(about, move |facts: &HostFacts| {
        if facts.file(folder)?.is_none() {
            return Ok(Verdict::not_applicable(format!("there is no {folder}")));
        }
        Ok(match facts.mounts.get()?.of(folder) {
            Some(mount) if mount.point == "/" => Verdict::fail("it lies on the root file system"),
            Some(mount) => Verdict::pass(format!("it lies on {}", mount.point)),
            None => Verdict::fail("no mount of its own is listed"),
        })
    })
}

pub(super) fn root_propagation() -> Control<HostFacts> {
    let about = About::new(AREA, "mount.protected_root")
        .title("The root file system is not writable for a container by way of an idle mount")
        .why("A second mount of the root's disk, left for backups or repairs, is a copy of /etc that no check watches.")
        .remedy("unmount the second mount of the same device, or mount it read-only")
        .weight(Severity::Medium, Gain::HostRoot);
    Control::new(about, |facts: &HostFacts| {
        let mounts = facts.mounts.get()?;
        let Some(root) = mounts.at("/") else { return Ok(Verdict::unknown("no mount at / is listed")) };
        if !root.source.starts_with("/dev/") {
            return Ok(Verdict::not_applicable(format!("/ is {}", root.kind)));
        }
        let second = mounts.0.iter().filter(|mount| {
            mount.point != "/"
                && mount.source == root.source
                && mount.kind == root.kind
                && !mount.has("ro")
                && matches!(mount.point.split('/').nth(1), Some("mnt" | "media" | "srv" | "backup"))
        });
        Ok(Verdict::none_of(
            second.map(|mount| Evidence::new(format!("also at {}", mount.point))),
            "mounted once",
        ))
    })
}

fn swap() -> Control<HostFacts> {
    let about = About::new(AREA, "swap.encrypted")
        .title("What is swapped out is encrypted or stays in memory")
        .why("Swap holds the memory of all containers side by side on a disk, long after they are gone.")
        .remedy("use zram, or dm-crypt with a random key for swap")
        .weight(Severity::Low, Gain::OtherTenants)
        .reference(Body::Lynis, "FILE-6332");
    Control::new(about, |facts: &HostFacts| {
        let Some(swaps) = facts.text("/proc/swaps")? else { return Ok(Verdict::pass("there is no swap")) };
        let plain =
            swaps.lines().skip(1).filter_map(|line| line.split_whitespace().next()).filter(|device| {
                !["/dev/dm-", "/dev/zram", "/dev/mapper/"].iter().any(|mark| device.starts_with(mark))
            });
        Ok(Verdict::none_of(
            plain.map(|device| Evidence::new(format!("{device} is not"))),
            "there is none on a bare disk",
        ))
    })
}
