//! Walls: `--cap-add`, `--security-opt`, `--privileged`, `--pid`, `--userns`, ...

use clap::Args;
use cofferdam_policy::{CapabilityWord, ContainerRequest, NamespaceMode, SeccompChoice, SecurityOption};

use crate::client_file;
use crate::report::Report;

/// Walls, and the doors in them. A zone has the last word.
#[derive(Debug, Clone, Args)]
pub(super) struct IsolationFlags {
    /// Add a capability
    #[arg(long, value_name = "CAPABILITY")]
    cap_add: Vec<CapabilityWord>,
    /// Drop a capability
    #[arg(long, value_name = "CAPABILITY")]
    cap_drop: Vec<CapabilityWord>,
    /// Ask for everything at once: all capabilities, no filter, no masked paths
    #[arg(long)]
    privileged: bool,
    /// Security options: no-new-privileges, seccomp=..., apparmor=..., label=..., systempaths=unconfined
    #[arg(long, value_name = "OPTION")]
    security_opt: Vec<SecurityOption>,
    /// PID namespace: host, container:NAME
    #[arg(long, value_name = "MODE")]
    pid: Option<NamespaceMode>,
    /// IPC namespace: private, shareable, none, host, container:NAME
    #[arg(long, value_name = "MODE")]
    ipc: Option<NamespaceMode>,
    /// UTS namespace: host, container:NAME
    #[arg(long, value_name = "MODE")]
    uts: Option<NamespaceMode>,
    /// User namespace: host, container:NAME
    #[arg(long, value_name = "MODE")]
    userns: Option<NamespaceMode>,
    /// Cgroup namespace: private, host
    #[arg(long, value_name = "MODE")]
    cgroupns: Option<NamespaceMode>,
    /// Parent cgroup for the container
    #[arg(long, value_name = "PATH")]
    cgroup_parent: Option<String>,
}

impl IsolationFlags {
    pub(super) fn apply(mut self, request: &mut ContainerRequest) -> Result<(), Report> {
        for option in &mut self.security_opt {
            if let SecurityOption::Seccomp(SeccompChoice::File { path, json }) = option {
                *json = Some(client_file::text(path, "seccomp profile")?);
            }
        }
        request.cap_add = self.cap_add;
        request.cap_drop = self.cap_drop;
        request.privileged = self.privileged;
        request.security_options = self.security_opt;
        request.namespaces.pid = self.pid;
        request.namespaces.ipc = self.ipc;
        request.namespaces.uts = self.uts;
        request.namespaces.userns = self.userns;
        request.namespaces.cgroupns = self.cgroupns;
        request.cgroup_parent = self.cgroup_parent;
        Ok(())
    }
}
