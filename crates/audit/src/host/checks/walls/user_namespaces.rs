//! User namespaces: what containers are made of, and what widens the kernel for everybody.

use crate::control::{About, Body, Control, Gain, Severity, Verdict};
use crate::host::HostFacts;

const AREA: &str = "namespaces";

/// Whether an ordinary user can make one.
pub(super) fn unprivileged() -> Control<HostFacts> {
    let about = About::new(AREA, "userns.unprivileged")
        .title("Ordinary users cannot make user namespaces, or AppArmor holds them")
        .why("In a user namespace of its own a process reaches parts of the kernel that only root should, which is where most local kernel exploits start.")
        .remedy("where no rootless containers are needed, write `user.max_user_namespaces = 0` (or Debian's `kernel.unprivileged_userns_clone = 0`) to /etc/sysctl.d; else keep the kernel new and filter system calls")
        .weight(Severity::Medium, Gain::KernelReach)
        .reference(Body::KernelHardeningChecker, "user.max_user_namespaces")
        .reference(Body::Kspp, "sysctls");
    Control::new(about, |facts: &HostFacts| {
        let kernel = &facts.kernel;
        if kernel.number("user.max_user_namespaces")? == Some(0) {
            return Ok(Verdict::pass("user.max_user_namespaces is 0"));
        }
        for (name, closed) in
            [("kernel.unprivileged_userns_clone", 0), ("kernel.apparmor_restrict_unprivileged_userns", 1)]
        {
            if kernel.number(name)? == Some(closed) {
                return Ok(Verdict::pass(format!("{name} is {closed}")));
            }
        }
        Ok(Verdict::fail("every user can make user namespaces"))
    })
}

/// Whether there are any at all.
pub(super) fn available() -> Control<HostFacts> {
    let about = About::new(AREA, "userns.available")
        .title("Root can make user namespaces")
        .why("Without user namespaces root in a container is root on the host in all but name.")
        .remedy("run a kernel with CONFIG_USER_NS=y and set user.max_user_namespaces above 0")
        .weight(Severity::High, Gain::HostRoot)
        .reference(Body::CisDocker, "2.9")
        .reference(Body::NsaCisa, "Kubernetes Pod security");
    Control::new(about, |facts: &HostFacts| match facts.kernel.number("user.max_user_namespaces")? {
        None => Ok(Verdict::fail("this kernel has no user namespaces")),
        Some(0) => Ok(Verdict::fail("user.max_user_namespaces is 0")),
        Some(most) => Ok(Verdict::pass(format!("user.max_user_namespaces is {most}"))),
    })
}

/// Whether their number has a sane limit.
pub(super) fn limited() -> Control<HostFacts> {
    let about = About::new(AREA, "namespaces.limited")
        .title("The number of namespaces is limited")
        .why("Each namespace takes kernel memory that no memory limit of the container counts in full, so a container without a limit here can starve the host.")
        .remedy("write `user.max_mnt_namespaces`, `user.max_net_namespaces` and `user.max_pid_namespaces` of at most 100000 to a file in /etc/sysctl.d")
        .weight(Severity::Low, Gain::Denial);
    Control::new(about, |facts: &HostFacts| {
        const MOST: u64 = 1_000_000;
        for name in ["user.max_mnt_namespaces", "user.max_net_namespaces", "user.max_pid_namespaces"] {
            if let Some(number) = facts.kernel.number(name)?
                && number > MOST
            {
                return Ok(Verdict::fail(format!("{name} is {number}")));
            }
        }
        Ok(Verdict::pass("every kind has a limit"))
    })
}
