//! Checks on what the walls around containers stand on: namespaces, control groups, security modules, modules, the processor.

mod core_dumps;
mod cpu;
mod groups;
mod kernel_files;
mod modules;
mod security_modules;
mod user_namespaces;

use crate::control::Control;
use crate::host::HostFacts;

/// Parameters below `/proc/sys` that these checks ask for.
pub(super) const PARAMETERS: &[&str] = &[
    "kernel.core_pattern",
    "kernel.core_pipe_limit",
    "kernel.modprobe",
    "kernel.tainted",
    "kernel.unprivileged_userns_clone",
    "kernel.apparmor_restrict_unprivileged_userns",
    "user.max_user_namespaces",
    "user.max_mnt_namespaces",
    "user.max_net_namespaces",
    "user.max_pid_namespaces",
];

/// The checks.
pub(super) fn controls() -> Vec<Control<HostFacts>> {
    let mut controls = vec![
        user_namespaces::unprivileged(),
        user_namespaces::available(),
        user_namespaces::limited(),
        groups::release_agent(),
        groups::unified(),
        core_dumps::handler(),
        core_dumps::waits(),
        security_modules::mandatory(),
        security_modules::selinux(),
        security_modules::apparmor(),
        security_modules::lockdown(),
        security_modules::stacked(),
        modules::helper(),
        modules::taint(),
        kernel_files::release(),
        kernel_files::debugfs(),
        kernel_files::hidepid(),
        kernel_files::kernel_file_systems(),
        cpu::threads(),
    ];
    controls.extend(cpu::weaknesses());
    controls.extend(modules::barred());
    controls
}
