//! Modules of the kernel that a container can have loaded without asking.

use crate::control::{About, Body, Control, Fix, Gain, Severity, Verdict};
use crate::host::HostFacts;

const AREA: &str = "kernel modules";

const PROTOCOL: &str = "A container that asks for a socket of a rare protocol makes the host load its module, and those are where network exploits are found.";
const FILE_SYSTEM: &str = "A rare file system's driver is loaded for whoever mounts an image of it, and was never written to withstand a hostile one.";
const BUS: &str =
    "Storage or memory that is plugged in should not become part of a container host by itself.";

/// Modules that a container host has no use for, with the section that asks for it, by their reason.
const BARRED: [(&str, &str); 3] = [
    (
        PROTOCOL,
        "dccp:3.2.1 sctp:3.2.4 rds:3.2.3 tipc:3.2.2 n_hdlc ax25 netrom x25 rose decnet econet af_802154 ipx appletalk psnap p8022 p8023 can atm phonet vivid",
    ),
    (
        FILE_SYSTEM,
        "cramfs:1.1.1.1 freevxfs:1.1.1.2 hfs:1.1.1.3 hfsplus:1.1.1.4 jffs2:1.1.1.5 udf:1.1.1.8 gfs2 ksmbd",
    ),
    (BUS, "usb_storage:1.1.1.9 firewire_core thunderbolt"),
];

/// One check for each.
pub(super) fn barred() -> impl Iterator<Item = Control<HostFacts>> {
    BARRED.into_iter().flat_map(|(why, modules)| {
        modules.split(' ').map(move |module| {
            let (name, cis) = module.split_once(':').unwrap_or((module, ""));
            one_barred(name, cis, why)
        })
    })
}

fn one_barred(name: &'static str, cis: &'static str, why: &'static str) -> Control<HostFacts> {
    let mut about = About::new(AREA, format!("module.{name}"))
        .title(format!("Module {name} is not loaded and cannot be"))
        .why(why)
        .remedy(format!("write `install {name} /bin/false` to a file in /etc/modprobe.d"))
        .weight(Severity::Low, Gain::KernelReach);
    if !cis.is_empty() {
        about = about.reference(Body::CisLinux, cis);
    }
    if matches!(name, "dccp" | "sctp" | "rds" | "tipc") {
        about = about.reference(Body::Lynis, "NETW-3200");
    } else if matches!(name, "usb_storage") {
        about = about.reference(Body::Lynis, "USB-1000");
    } else if matches!(name, "firewire_core") {
        about = about.reference(Body::Lynis, "STRG-1846");
    } else if why == FILE_SYSTEM {
        about = about.reference(Body::Lynis, "FILE-6430");
    }
    about.fix = Some(Fix::BarModule { name: name.to_owned() });
    Control::new(about, move |facts: &HostFacts| {
        if facts.modules.known().is_some_and(|loaded| loaded.iter().any(|module| module == name)) {
            return Ok(Verdict::fail("it is loaded"));
        }
        match facts.barred_modules.get()?.get(name) {
            Some(true) => return Ok(Verdict::pass("modprobe.d bars it")),
            Some(false) => {
                return Ok(Verdict::fail("it is only blacklisted: asked for by its name it is still loaded"));
            }
            None => {}
        }
        Ok(if facts.loadable_modules.get()?.contains(name) {
            Verdict::fail("the kernel loads it when somebody asks for it")
        } else {
            Verdict::pass("this kernel has no such module")
        })
    })
}

/// The program that the kernel loads modules with.
pub(super) fn helper() -> Control<HostFacts> {
    let about = About::new(AREA, "kernel.modprobe")
        .title("The kernel loads modules with the system's own modprobe")
        .why("The program in kernel.modprobe runs as the host's root whenever a container asks for something that needs a module; writing its path is a known last step of exploits.")
        .remedy("write `kernel.modprobe = /sbin/modprobe` to a file in /etc/sysctl.d, or an empty value where no module is needed after the start")
        .weight(Severity::High, Gain::HostRoot);
    Control::new(about, |facts: &HostFacts| {
        Ok(match facts.kernel.parameter("kernel.modprobe")?.as_deref() {
            None => Verdict::pass("this kernel loads no modules"),
            Some("" | "/sbin/modprobe" | "/usr/sbin/modprobe" | "/usr/bin/modprobe" | "/bin/false") => {
                Verdict::pass("it does, or loads none")
            }
            Some(other) => Verdict::fail(format!("it runs {other:?}")),
        })
    })
}

/// What the kernel says of its own integrity.
pub(super) fn taint() -> Control<HostFacts> {
    let about = About::new(AREA, "kernel.tainted")
        .title("No unsigned or forced module is in the kernel, and it has not misbehaved")
        .why("A kernel that has had foreign code forced into it, or has crashed in part, no longer keeps the promises that containers rely on.")
        .remedy("reboot, and find out which module or fault it was (`dmesg`); sign modules of your own")
        .weight(Severity::Medium, Gain::HostRoot)
        .reference(Body::Lynis, "KRNL-5726");
    /// Bits of `kernel.tainted` (Documentation/admin-guide/tainted-kernels.rst) that break trust.
    const BITS: [(u32, &str); 6] = [
        (1, "a module was forced in"),
        (3, "a module was forced out"),
        (5, "memory is damaged"),
        (7, "the kernel died in part (oops)"),
        (8, "an ACPI table was overridden"),
        (13, "an unsigned module is loaded"),
    ];
    Control::new(about, |facts: &HostFacts| {
        let Some(taint) = facts.kernel.number("kernel.tainted")? else {
            return Ok(Verdict::unknown("this kernel does not tell"));
        };
        let set: Vec<&str> =
            BITS.iter().filter(|(bit, _)| taint & (1 << bit) != 0).map(|(_, words)| *words).collect();
        Ok(if set.is_empty() {
            Verdict::pass(format!("kernel.tainted is {taint}"))
        } else {
            Verdict::fail(set.join(", "))
        })
    })
}
