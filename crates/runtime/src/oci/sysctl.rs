//! `linux.sysctl`: kernel parameters, and which of them belong to the container alone.
//!
//! CVE-2022-0811 (cr8escape): a value or a name that smuggles a second parameter in. Here a parameter is one name, checked
//! part by part, and one value, written to its one file as plain text; nothing is ever joined and parsed again.

use std::collections::BTreeMap;
use std::path::Path;

use cofferdam_confinement::{NamespaceSource, Namespaces};

use super::error::ConfigError;

/// The parameters of an IPC namespace (ipc_namespaces(7)), beside `fs.mqueue.*`.
const IPC: [&str; 8] = [
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
];

/// Longest value that is passed on: the kernel reads at most a page.
const MAX_VALUE: usize = 4096;

/// Converts and checks the parameters.
pub(super) fn sysctls(
    wire: &BTreeMap<String, String>,
    namespaces: &Namespaces,
) -> Result<BTreeMap<String, String>, ConfigError> {
    let mut sysctls = BTreeMap::new();
    for (name, value) in wire {
        let field = format!("linux.sysctl[{name:?}]");
        let dotted = dotted(name).ok_or_else(|| {
            ConfigError::new(&field, "not a kernel parameter's name, such as net.core.somaxconn")
        })?;
        allowed(&dotted, namespaces).map_err(|problem| ConfigError::new(&field, problem))?;
        if value.len() > MAX_VALUE || value.bytes().any(|byte| byte == 0 || byte == b'\n') {
            return Err(ConfigError::new(
                field,
                format!("the value is one line of at most {MAX_VALUE} bytes without NUL"),
            ));
        }
        if sysctls.insert(dotted.clone(), value.clone()).is_some() {
            return Err(ConfigError::new(field, format!("{dotted} is set twice, once in each spelling")));
        }
    }
    Ok(sysctls)
}

/// The name with dots between its parts. As sysctl(8) reads it: the first separator tells which of `.` and `/`
/// separates, and the other one then stands for itself within a part (`net/ipv4/conf/eno2.100/rp_filter`).
fn dotted(name: &str) -> Option<String> {
    let first = name.find(['.', '/'])?;
    let dotted = if name[first..].starts_with('.') {
        name.to_owned()
    } else {
        name.chars()
            .map(|letter| match letter {
                '.' => '/',
                '/' => '.',
                other => other,
            })
            .collect()
    };
    // Each part becomes one folder or file below /proc/sys, so none may be empty, or leave its folder: "/" stands for
    // "." there, so that a part of slashes alone would be "." or "..".
    let good = dotted.split('.').all(|part| {
        !part.is_empty()
            && part.bytes().any(|byte| byte != b'/')
            && part.bytes().all(|byte| byte.is_ascii_graphic())
    });
    good.then_some(dotted)
}

fn allowed(name: &str, namespaces: &Namespaces) -> Result<(), String> {
    if IPC.contains(&name) || name.starts_with("fs.mqueue.") {
        return if namespaces.ipc == NamespaceSource::Host {
            Err(format!(
                "sysctl {name:?} is not allowed in the hosts ipc namespace: give the container one of its own"
            ))
        } else {
            Ok(())
        };
    }
    if name.starts_with("net.") {
        let host = match &namespaces.network {
            NamespaceSource::Host => true,
            NamespaceSource::New => false,
            NamespaceSource::Join(path) => is_own_network(path)?,
        };
        return if host {
            Err(format!("sysctl {name:?} not allowed in host network namespace"))
        } else {
            Ok(())
        };
    }
    if namespaces.uts != NamespaceSource::Host {
        match name {
            "kernel.domainname" => return Ok(()),
            "kernel.hostname" => {
                return Err(format!(
                    "sysctl {name:?} is not allowed as it conflicts with the OCI \"hostname\" field: use that field"
                ));
            }
            _ => {}
        }
    }
    Err(format!("sysctl {name:?} is not in a separate kernel namespace: it would change the host"))
}

/// Whether a namespace file is the namespace that this process is in.
fn is_own_network(path: &Path) -> Result<bool, String> {
    let identity = |path: &Path| {
        rustix::fs::stat(path)
            .map(|stat| (stat.st_dev, stat.st_ino))
            .map_err(|error| format!("invalid netns path {}: {error}", path.display()))
    };
    Ok(identity(path)? == identity(Path::new("/proc/self/ns/net"))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_separators_are_read() {
        assert_eq!(dotted("net.ipv4.ip_forward").as_deref(), Some("net.ipv4.ip_forward"));
        assert_eq!(dotted("net/ipv4/ip_forward").as_deref(), Some("net.ipv4.ip_forward"));
        assert_eq!(
            dotted("net/ipv4/conf/eno2.100/rp_filter").as_deref(),
            Some("net.ipv4.conf.eno2/100.rp_filter")
        );
    }

    #[test]
    fn a_name_stays_below_its_folder() {
        for bad in [
            "", "kernel", "net..x", ".net.x", "net.x.", "net.//.x", "net/../x", "net/./x", "net.a b",
            "net.a\0",
        ] {
            assert_eq!(dotted(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn cve_2022_0811_a_value_is_one_parameters_text() {
        let mut namespaces = Namespaces::host();
        namespaces.ipc = NamespaceSource::New;
        let one = |name: &str, value: &str| {
            sysctls(&BTreeMap::from([(name.to_owned(), value.to_owned())]), &namespaces)
        };
        assert!(
            one("kernel.shm_rmid_forced", "1+kernel.core_pattern=|/evil").is_ok(),
            "written as it is, to one file"
        );
        assert!(one("kernel.shm_rmid_forced", "1\nkernel.core_pattern=|/evil").is_err());
        assert!(one("kernel.shm_rmid_forced=1+kernel.core_pattern", "|/evil").is_err());
        assert!(one("kernel.core_pattern", "|/evil").is_err());
        assert!(one("kernel/core_pattern", "|/evil").is_err());
    }
}
