//! The AppArmor profile or SELinux label that the process changes to at its exec.

use std::io::{self, Write};
use std::os::fd::OwnedFd;

use cofferdam_confinement::Process;
use cofferdam_kernel::proc::ProcFs;
use rustix::fs::OFlags;

use crate::step::{Step, StepError};

/// The files to write, opened through the host's own procfs, and what to write.
#[derive(Debug)]
pub(crate) struct Label {
    writes: Vec<(OwnedFd, String)>,
}

impl Label {
    /// Opens the attribute files that the plan needs.
    pub(crate) fn open(process: &Process, proc: &ProcFs) -> Result<Self, StepError> {
        let mut writes = Vec::new();
        if let Some(profile) = &process.apparmor_profile {
            // Since Linux 5.8 AppArmor has a folder of its own, so that it can be used beside another module.
            let open = |name| open_attribute(proc, name);
            let file = open("attr/apparmor/exec").or_else(|_| open("attr/exec"));
            writes.push((Step::LsmLabel.run(profile, || file)?, format!("exec {profile}")));
        }
        if let Some(label) = &process.selinux_label {
            writes.push((Step::LsmLabel.run(label, || open_attribute(proc, "attr/exec"))?, label.clone()));
        }
        Ok(Self { writes })
    }

    /// The files that it holds open.
    pub(crate) fn files(&self) -> impl Iterator<Item = &OwnedFd> {
        self.writes.iter().map(|(file, _)| file)
    }

    /// Asks for the change at the next exec.
    pub(crate) fn apply(&self) -> Result<(), StepError> {
        for (file, value) in &self.writes {
            Step::LsmLabel.apply(value, || {
                let file = rustix::io::fcntl_dupfd_cloexec(file, 3)?;
                std::fs::File::from(file).write_all(value.as_bytes())
            })?;
        }
        Ok(())
    }
}

/// A label that this host cannot enforce stops the start. Only from the host's own mounts: an entering process sees the
/// container's, and its container was asked for the same label.
pub(crate) fn check_modules(process: &Process) -> Result<(), StepError> {
    let labels = [
        ("AppArmor profile", &process.apparmor_profile, "apparmor"),
        ("SELinux label", &process.selinux_label, "selinux"),
    ];
    for (kind, label, module) in labels {
        if let Some(label) = label
            && !module_is_active(module)?
        {
            return Err(refusal(kind, label, module));
        }
    }
    Ok(())
}

fn refusal(kind: &str, value: &str, module: &str) -> StepError {
    Step::LsmLabel.refused(
        format_args!("{kind} {value:?}"),
        format!("this kernel does not enforce {module} (/sys/kernel/security/lsm); leave the label out or boot with lsm=...,{module}"),
    )
}

fn open_attribute(proc: &ProcFs, name: &str) -> io::Result<OwnedFd> {
    Ok(proc.this_thread()?.open_file(name, OFlags::WRONLY)?)
}

/// Whether the kernel enforces the module: the list of active ones in securityfs, or the module's own parameter where
/// securityfs is not mounted.
fn module_is_active(module: &str) -> Result<bool, StepError> {
    match std::fs::read_to_string("/sys/kernel/security/lsm") {
        Ok(list) => Ok(list.trim().split(',').any(|active| active == module)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let enabled = std::fs::read_to_string(format!("/sys/module/{module}/parameters/enabled"));
            let selinuxfs = module == "selinux" && std::path::Path::new("/sys/fs/selinux/enforce").exists();
            Ok(selinuxfs || enabled.is_ok_and(|text| text.trim() == "Y"))
        }
        Err(error) => Err(Step::LsmLabel.failed("/sys/kernel/security/lsm", error)),
    }
}
