//! Kernel parameters: only those that belong to one of the container's own namespaces.

use std::collections::BTreeMap;

use cofferdam_confinement::{IdMaps, Namespaces};

use super::{Planner, PolicyError};

/// Parameters of an IPC namespace, beside `fs.mqueue.*`.
const IPC: [&str; 8] = [
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shm_rmid_forced",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
];

impl Planner<'_> {
    pub(super) fn sysctls(
        &self,
        maps: &IdMaps,
        namespaces: &Namespaces,
    ) -> Result<BTreeMap<String, String>, PolicyError> {
        let mut sysctls = BTreeMap::new();
        if namespaces.network.is_new() {
            // What Docker sets: low ports and ping need no capability, because the network is the container's own.
            let last_gid = maps.gids.iter().map(|line| line.container + (line.size - 1)).max().unwrap_or(0);
            sysctls.insert("net.ipv4.ip_unprivileged_port_start".to_owned(), "0".to_owned());
            sysctls.insert(
                "net.ipv4.ping_group_range".to_owned(),
                format!("0 {}", last_gid.min(i32::MAX as u32)),
            );
        }
        for (name, value) in &self.request.sysctls {
            let asked = format!("--sysctl {name}");
            if !well_formed(name) {
                return Err(PolicyError::invalid(
                    asked,
                    "its name has parts of letters, digits, '_' and '-' with dots between them",
                ));
            }
            // CVE-2022-0811: a value that is more than one value.
            if value.is_empty() || value.chars().any(|letter| letter.is_control() && letter != '\t') {
                return Err(PolicyError::invalid(asked, "its value is one line and not empty"));
            }
            let owner = if name.starts_with("net.") {
                Some(&namespaces.network)
            } else if IPC.contains(&name.as_str()) || name.starts_with("fs.mqueue.") {
                Some(&namespaces.ipc)
            } else {
                None
            };
            match owner {
                Some(namespace) if namespace.is_new() => {
                    sysctls.insert(name.clone(), value.clone());
                }
                Some(_) => {
                    let rule = "it belongs to a namespace that is not this container's own";
                    return Err(PolicyError::invalid(asked, rule));
                }
                None => {
                    let rule = "it is not part of any namespace: it would change the host";
                    return Err(PolicyError::invalid(asked, rule));
                }
            }
        }
        Ok(sysctls)
    }
}

fn well_formed(name: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-/".contains(&b))
            && part.split('/').all(|piece| !piece.is_empty())
    };
    name.split('.').all(part)
}
