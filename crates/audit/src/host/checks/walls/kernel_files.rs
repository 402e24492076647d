//! The kernel's own version, and its file systems that show or change what it does.

use crate::condition::version_of;
use crate::control::{About, Body, Control, Evidence, Gain, Severity, Verdict};
use crate::fact::Unknown;
use crate::host::HostFacts;

/// The oldest kernel on which every control of ours can be enforced and read back.
const OLDEST: [u32; 3] = [5, 19, 0];

/// The kernel is new enough.
pub(super) fn release() -> Control<HostFacts> {
    let about = About::new("kernel", "kernel.release")
        .title("The kernel is 5.19 or newer")
        .why("Older kernels lack mounts with mapped ids and other walls that containers stand on, and most no longer get security fixes.")
        .remedy("install a kernel that your distribution still maintains, 5.19 or newer")
        .weight(Severity::High, Gain::KernelReach)
        .reference(Body::Nist800190, "4.5.1")
        .reference(Body::Lynis, "KRNL-5788")
        .reference(Body::Lynis, "KRNL-5695");
    Control::new(about, |facts: &HostFacts| {
        let release = facts.kernel.release.get()?;
        let version = version_of(release).ok_or_else(|| Unknown(format!("no version in {release:?}")))?;
        Ok(if version >= OLDEST { Verdict::pass(release.as_str()) } else { Verdict::fail(release.as_str()) })
    })
}

/// debugfs and tracefs are closed.
pub(super) fn debugfs() -> Control<HostFacts> {
    let about = About::new("kernel", "kernel.debugfs")
        .title("debugfs is not mounted")
        .why("debugfs shows and changes the inside of drivers without the usual checks; a container that gets to see it gets to the kernel.")
        .remedy("mask sys-kernel-debug.mount, or boot with `debugfs=off`")
        .weight(Severity::Low, Gain::KernelReach)
        .reference(Body::KernelHardeningChecker, "debugfs");
    Control::new(about, |facts: &HostFacts| {
        let mounts = facts.mounts.get()?.0.iter().filter(|mount| mount.kind == "debugfs");
        Ok(Verdict::none_of(
            mounts.map(|mount| Evidence::new(format!("mounted at {}", mount.point))),
            "not mounted",
        ))
    })
}

/// Users do not see each other's processes.
pub(super) fn hidepid() -> Control<HostFacts> {
    let about = About::new("kernel", "proc.hidepid")
        .title("/proc hides the processes of other users")
        .why("Command lines hold passwords and tokens, and a process that escapes to an unprivileged user can read those of all containers.")
        .remedy("mount /proc with `hidepid=2` (give systemd-logind and polkit a `gid=` that may see)")
        .weight(Severity::Low, Gain::OtherTenants)
        .reference(Body::Lynis, "FILE-6344");
    Control::new(about, |facts: &HostFacts| {
        let mounts = facts.mounts.get()?;
        let Some(proc) = mounts.at("/proc") else {
            return Err(Unknown("no mount at /proc is listed".to_owned()));
        };
        let hidden = proc.options.iter().find_map(|option| option.strip_prefix("hidepid="));
        Ok(match hidden {
            Some(value @ ("1" | "2" | "4" | "noaccess" | "invisible" | "ptraceable")) => {
                Verdict::pass(format!("hidepid={value}"))
            }
            _ => Verdict::fail("every user sees all processes"),
        })
    })
}

/// Nobody but root writes below `/sys` and `/proc/sys`.
pub(super) fn kernel_file_systems() -> Control<HostFacts> {
    let about = About::new("kernel", "sysfs.options")
        .title("/proc and /sys are mounted nosuid, nodev and noexec")
        .why("A file system that the kernel fills should never be a place that programs or devices are started from.")
        .remedy("mount /proc and /sys with `nosuid,nodev,noexec`, as systemd does")
        .weight(Severity::Low, Gain::Foothold)
        .reference(Body::Lynis, "FILE-6374");
    Control::new(about, |facts: &HostFacts| {
        let mounts = facts.mounts.get()?;
        let mut missing = Vec::new();
        for point in ["/proc", "/sys"] {
            let Some(mount) = mounts.at(point) else { continue };
            let lacking = ["nosuid", "nodev", "noexec"].into_iter().filter(|option| !mount.has(option));
            missing.extend(lacking.map(|option| Evidence::new(format!("{point} lacks {option}"))));
        }
        if mounts.at("/proc").is_none() && mounts.at("/sys").is_none() {
            return Err(Unknown("no mount at /proc or /sys is listed".to_owned()));
        }
        Ok(Verdict::none_of(missing, "both are"))
    })
}
