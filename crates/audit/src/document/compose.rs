//! Compose files: how a group of containers is started.

use std::rc::Rc;

use super::yaml::{self, Node};
use super::{DocumentError, Find, judge, seen};
use crate::Report;
use crate::container::{holds_socket, is_sensitive};
use crate::control::{Evidence, Gain, Severity};
use crate::line::{Line, lines};
use crate::secret::{is_secret_name, is_secret_value};

/// A Compose file.
struct Compose {
    services: Vec<(String, Rc<Node>)>,
    networks: Vec<(String, Rc<Node>)>,
}

/// Judges a Compose file; `path` is what the report calls it.
///
/// # Errors
/// It is no YAML, or has no services.
pub fn audit(path: &str, text: &str) -> Result<Report, DocumentError> {
    Ok(judge("compose", path, &parse(text)?, &lines()))
}

fn parse(text: &str) -> Result<Compose, DocumentError> {
    let documents = yaml::parse(text)?;
    let mut compose = Compose { services: Vec::new(), networks: Vec::new() };
    for document in &documents {
        if let Some(services) = document.get("services") {
            compose.services.extend(services.entries().iter().cloned());
        }
        if let Some(networks) = document.get("networks") {
            compose.networks.extend(networks.entries().iter().cloned());
        }
    }
    if compose.services.is_empty() {
        return Err(DocumentError::Other("Compose file: it has no services"));
    }
    Ok(compose)
}

/// Services in which something is wrong.
fn services(file: &Compose, wrong: impl Fn(&Node) -> Option<(String, usize)>) -> Vec<Evidence> {
    let found = file.services.iter().filter_map(|(name, service)| Some((name, wrong(service)?)));
    found.map(|(name, (text, line))| seen(format!("{name}: {text}"), line)).collect()
}

fn setting(service: &Node, name: &str, wrong: impl Fn(&Node) -> bool) -> Option<(String, usize)> {
    let node = service.get(name).filter(|node| wrong(node))?;
    Some((format!("{name}: {}", node.text().unwrap_or("...")), node.line))
}

/// A setting that should be there.
fn missing(service: &Node, names: &[&[&str]]) -> Option<(String, usize)> {
    let there = names.iter().any(|path| service.at(path).is_some_and(|node| !node.is_null()));
    (!there).then(|| {
        (format!("no {}", names.first().map(|path| path.join(".")).unwrap_or_default()), service.line)
    })
}

fn is_word(node: &Node, word: &str) -> bool {
    node.text() == Some(word)
}

/// An entry of a list of words.
fn entry(service: &Node, name: &str, wrong: impl Fn(&str) -> bool) -> Option<(String, usize)> {
    let list = service.get(name)?.list();
    let found = list.iter().find(|node| node.text().is_some_and(&wrong))?;
    Some((format!("{name}: {}", found.text().unwrap_or_default()), found.line))
}

/// The host's path, and whether it is writable, of each bind.
fn binds(service: &Node) -> Vec<(String, bool, usize)> {
    let Some(volumes) = service.get("volumes") else { return Vec::new() };
    let bind = |node: &Rc<Node>| {
        if let Some(text) = node.text() {
            let mut parts = text.split(':');
            let source = parts.next().unwrap_or_default();
            let options = parts.nth(1).unwrap_or_default();
            let is_path = source.starts_with(['/', '.', '~']);
            return is_path.then(|| (clean(source), !options.split(',').any(|word| word == "ro"), node.line));
        }
        let source = node.get("source")?.text()?;
        let read_only = node.get("read_only").is_some_and(Node::is_true);
        source.starts_with(['/', '.', '~']).then(|| (clean(source), !read_only, node.line))
    };
    volumes.list().iter().filter_map(bind).collect()
}

/// `/var/run` is `/run` on every distribution; a slash at the end means nothing.
fn clean(path: &str) -> String {
    let path = path.replacen("/var/run", "/run", 1);
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() { "/".to_owned() } else { trimmed.to_owned() }
}

/// Variables of a service, as a list or a mapping.
fn variables(service: &Node) -> Vec<(String, String, usize)> {
    let Some(environment) = service.get("environment") else { return Vec::new() };
    let listed = environment.list().iter().filter_map(|node| {
        let (name, value) = node.text()?.split_once('=')?;
        Some((name.to_owned(), value.to_owned(), node.line))
    });
    let mapped = environment
        .entries()
        .iter()
        .filter_map(|(name, node)| Some((name.clone(), node.text()?.to_owned(), node.line)));
    listed.chain(mapped).collect()
}

fn lines() -> Vec<Line<Find<Compose>>> {
    lines! { Find<Compose>;
        Line { id: "compose.privileged", title: "No service is privileged", why: "A privileged container is the host's root with another view of the files.", remedy: "remove `privileged`, and add the one capability or device that it needs", severity: Severity::Critical, gain: Gain::HostRoot, references: [(CisDocker, "5.5")], judge: |file| services(file, |service| setting(service, "privileged", Node::is_true)), weak: "services: {a: {privileged: true}}", strong: "services: {a: {privileged: false}}" },
        Line { id: "compose.engine_socket", title: "No service is given an engine's socket", why: "Whoever speaks to it starts a container that is the host's root, read-only or not.", remedy: "remove the socket from its volumes", severity: Severity::Critical, gain: Gain::HostRoot, references: [(CisDocker, "5.32")], judge: |file| services(file, |service| binds(service).into_iter().find(|(path, _, _)| holds_socket(path)).map(|(path, _, line)| (format!("is given {path}"), line))), weak: "services: {a: {volumes: [/var/run/docker.sock:/s:ro]}}", strong: "services: {a: {volumes: ['./x:/x', 'data:/d']}}" },
        Line { id: "compose.host_folders", title: "No service is given the host's own folders", why: "From /etc, /boot or /root of the host a container reads its secrets, or writes itself in.", remedy: "give it a volume, or the one folder below that it needs, read-only", severity: Severity::High, gain: Gain::HostRoot, references: [(CisDocker, "5.6"), (Nist800190, "4.4.3")], judge: |file| services(file, |service| binds(service).into_iter().find(|(path, _, _)| is_sensitive(path)).map(|(path, _, line)| (format!("is given {path}"), line))), weak: "services: {a: {volumes: [{type: bind, source: /etc, target: /x}]}}", strong: "services: {a: {volumes: [/srv/a:/a]}}" },
        Line { id: "compose.pid_host", title: "Every service has its own processes", why: "A container that sees the host's processes reads their command lines, and as root their memory.", remedy: "remove `pid: host`", severity: Severity::High, gain: Gain::HostRoot, references: [(CisDocker, "5.16")], judge: |file| services(file, |service| setting(service, "pid", |node| is_word(node, "host"))), weak: "services: {a: {pid: host}}", strong: "services: {a: {pid: 'service:b'}, b: {}}" },
        Line { id: "compose.network_host", title: "Every service has its own network", why: "On the host's network a container reaches everything that listens on 127.0.0.1 and every abstract socket.", remedy: "remove `network_mode: host`, and publish ports", severity: Severity::High, gain: Gain::OtherTenants, references: [(CisDocker, "5.10")], judge: |file| services(file, |service| setting(service, "network_mode", |node| is_word(node, "host"))), weak: "services: {a: {network_mode: host}}", strong: "services: {a: {network_mode: none}}" },
        Line { id: "compose.ipc_host", title: "Every service has its own shared memory", why: "Shared memory of the host's programs can be read and changed.", remedy: "remove `ipc: host`", severity: Severity::Medium, gain: Gain::OtherTenants, references: [(CisDocker, "5.17")], judge: |file| services(file, |service| setting(service, "ipc", |node| is_word(node, "host"))), weak: "services: {a: {ipc: host}}", strong: "services: {a: {ipc: private}}" },
        Line { id: "compose.uts_host", title: "Every service has its own host name", why: "With the right capability it renames the host.", remedy: "remove `uts: host`", severity: Severity::Low, gain: Gain::Denial, references: [(CisDocker, "5.21")], judge: |file| services(file, |service| setting(service, "uts", |node| is_word(node, "host"))), weak: "services: {a: {uts: host}}", strong: "services: {a: {}}" },
        Line { id: "compose.userns_host", title: "No service leaves the user namespace that the engine gives it", why: "With it its root is the host's root again.", remedy: "remove `userns_mode: host`", severity: Severity::High, gain: Gain::HostRoot, references: [(CisDocker, "5.31")], judge: |file| services(file, |service| setting(service, "userns_mode", |node| is_word(node, "host"))), weak: "services: {a: {userns_mode: host}}", strong: "services: {a: {userns_mode: auto}}" },
        Line { id: "compose.cgroup_host", title: "Every service has its own view of control groups", why: "It sees the names of all groups on the host.", remedy: "remove `cgroup: host`", severity: Severity::Low, gain: Gain::Information, references: [(CisDocker, "5.25")], judge: |file| services(file, |service| setting(service, "cgroup", |node| is_word(node, "host"))), weak: "services: {a: {cgroup: host}}", strong: "services: {a: {cgroup: private}}" },
        Line { id: "compose.capabilities", title: "No service is given a capability that amounts to root", why: "With SYS_ADMIN, SYS_MODULE, SYS_PTRACE and their like a container becomes the host's root.", remedy: "remove it from cap_add", severity: Severity::High, gain: Gain::HostRoot, references: [(CisDocker, "5.4")], judge: |file| services(file, |service| entry(service, "cap_add", |word| { let word = word.to_ascii_uppercase(); let word = word.trim_start_matches("CAP_"); ["ALL", "SYS_ADMIN", "SYS_MODULE", "SYS_PTRACE", "SYS_RAWIO", "DAC_READ_SEARCH", "BPF", "SYS_BOOT", "MAC_ADMIN", "NET_ADMIN", "SYSLOG", "PERFMON"].contains(&word) })), weak: "services: {a: {cap_add: [cap_sys_admin]}}", strong: "services: {a: {cap_add: [NET_BIND_SERVICE]}}" },
        Line { id: "compose.drop_all", title: "Every service gives up all capabilities that it does not name", why: "What a container does not hold, whoever breaks in cannot use.", remedy: "write `cap_drop: [ALL]`, and add what is needed", severity: Severity::Low, gain: Gain::KernelReach, references: [(CisDocker, "5.4")], judge: |file| services(file, |service| { let drops = entry(service, "cap_drop", |word| word.eq_ignore_ascii_case("all")); drops.is_none().then(|| ("does not drop ALL".to_owned(), service.line)) }), weak: "services: {a: {image: x}}", strong: "services: {a: {cap_drop: [ALL]}}" },
        Line { id: "compose.unconfined", title: "No service asks to be unconfined", why: "Each such word takes down one wall that every other container has.", remedy: "remove it from security_opt", severity: Severity::High, gain: Gain::HostRoot, references: [(CisDocker, "5.2"), (CisDocker, "5.22")], judge: |file| services(file, |service| entry(service, "security_opt", |word| word.contains("unconfined") || word.contains("label=disable") || word.contains("label:disable"))), weak: "services: {a: {security_opt: ['seccomp:unconfined']}}", strong: "services: {a: {security_opt: ['no-new-privileges:true']}}" },
        Line { id: "compose.no_new_privileges", title: "No service gains rights by set-id programs", why: "A set-id program that the image forgot makes root out of a user inside the container.", remedy: "write `security_opt: [\"no-new-privileges:true\"]`", severity: Severity::Medium, gain: Gain::Foothold, references: [(CisDocker, "5.26")], judge: |file| services(file, |service| { let set = entry(service, "security_opt", |word| word.starts_with("no-new-privileges") && !word.ends_with("false")); set.is_none().then(|| ("no-new-privileges is not set".to_owned(), service.line)) }), weak: "services: {a: {image: x}}", strong: "services: {a: {security_opt: ['no-new-privileges:true']}}" },
        Line { id: "compose.user", title: "Every service runs as a user that is not root", why: "What runs as root has every file of the image to work with, and the host's once outside.", remedy: "write `user: \"10001:10001\"`", severity: Severity::Medium, gain: Gain::HostRoot, references: [(CisDocker, "4.1")], judge: |file| services(file, |service| match service.get("user").and_then(Node::text) { None => Some(("no user".to_owned(), service.line)), Some(user) if matches!(user.split(':').next(), Some("root" | "0")) => Some((format!("user: {user}"), service.line)), Some(_) => None }), weak: "services: {a: {user: root}}", strong: "services: {a: {user: '1000:1000'}}" },
        Line { id: "compose.read_only", title: "Every service's root file system is read-only", why: "Where nothing can be written, nothing that breaks in can stay.", remedy: "write `read_only: true`, and a tmpfs for what it must write", severity: Severity::Low, gain: Gain::Foothold, references: [(CisDocker, "5.13")], judge: |file| services(file, |service| (!service.get("read_only").is_some_and(Node::is_true)).then(|| ("is writable".to_owned(), service.line))), weak: "services: {a: {image: x}}", strong: "services: {a: {read_only: true}}" },
        Line { id: "compose.memory", title: "Every service's memory is limited", why: "A container without a limit takes the host's memory, and the kernel then kills somebody else.", remedy: "write `mem_limit` or `deploy.resources.limits.memory`", severity: Severity::Medium, gain: Gain::Denial, references: [(CisDocker, "5.11")], judge: |file| services(file, |service| missing(service, &[&["mem_limit"], &["deploy", "resources", "limits", "memory"]])), weak: "services: {a: {image: x}}", strong: "services: {a: {deploy: {resources: {limits: {memory: 1g}}}}}" },
        Line { id: "compose.cpus", title: "Every service's share of the processors is set", why: "One container without a share takes the time of all others.", remedy: "write `cpus` or `deploy.resources.limits.cpus`", severity: Severity::Low, gain: Gain::Denial, references: [(CisDocker, "5.12")], judge: |file| services(file, |service| missing(service, &[&["cpus"], &["cpu_shares"], &["cpu_quota"], &["deploy", "resources", "limits", "cpus"]])), weak: "services: {a: {image: x}}", strong: "services: {a: {cpus: 0.5}}" },
        Line { id: "compose.processes", title: "Every service's processes are limited", why: "A fork bomb takes the host's process numbers.", remedy: "write `pids_limit`", severity: Severity::Medium, gain: Gain::Denial, references: [(CisDocker, "5.29")], judge: |file| services(file, |service| { let limit = service.get("pids_limit").or_else(|| service.at(&["deploy", "resources", "limits", "pids"])); limit.and_then(Node::number).is_none_or(|number| number <= 0).then(|| ("no limit".to_owned(), service.line)) }), weak: "services: {a: {pids_limit: -1}}", strong: "services: {a: {pids_limit: 100}}" },
        Line { id: "compose.version", title: "Images are named by a version or digest", why: "What latest means tomorrow is chosen by whoever pushes next.", remedy: "name a version, better its digest", severity: Severity::Medium, gain: Gain::Foothold, references: [(CisDocker, "5.28")], judge: |file| services(file, |service| setting(service, "image", |node| { let image = node.text().unwrap_or_default(); let last = image.rsplit('/').next().unwrap_or(image); !image.contains('@') && !image.contains('$') && (!last.contains(':') || last.ends_with(":latest")) })), weak: "services: {a: {image: nginx}}", strong: "services: {a: {image: 'reg:5000/nginx:1.27'}}" },
        Line { id: "compose.bound_address", title: "Published ports listen on a named address", why: "A port published on all addresses is open to networks that nobody thought of, past the host's own firewall.", remedy: "write `127.0.0.1:8080:80`", severity: Severity::Medium, gain: Gain::OtherTenants, references: [(CisDocker, "5.14")], judge: |file| services(file, |service| { let ports = service.get("ports")?.list(); let found = ports.iter().find(|node| match node.text() { Some(text) => { let text = text.split('/').next().unwrap_or(text); text.matches(':').count() == 1 || text.starts_with("0.0.0.0:") || text.starts_with("[::]:") } None => node.get("published").is_some() && node.get("host_ip").is_none() })?; Some((format!("publishes {}", found.text().unwrap_or("a port")), found.line)) }), weak: "services: {a: {ports: ['8080:80']}}", strong: "services: {a: {ports: ['127.0.0.1:8080:80', '80']}}" },
        Line { id: "compose.secret_names", title: "No secret stands in the environment", why: "The file is shared and kept, and the environment is shown by inspect.", remedy: "use `secrets:`, and a variable that names the file", severity: Severity::High, gain: Gain::Foothold, references: [(CisDocker, "4.10"), (Nist800190, "4.1.4")], judge: |file| services(file, |service| variables(service).into_iter().find(|(name, value, _)| is_secret_name(name) && !value.is_empty() && !value.starts_with("${") && !value.starts_with("/run/secrets")).map(|(name, _, line)| (format!("{name} has a value"), line))), weak: "services: {a: {environment: {DB_PASSWORD: hunter2}}}", strong: "services: {a: {environment: ['DB_PASSWORD_FILE=/run/secrets/x', 'TOKEN=${TOKEN}']}}" },
        Line { id: "compose.secret_values", title: "No key stands in the environment", why: "The file is shared and kept, and so is the key.", remedy: "withdraw the key, and use `secrets:`", severity: Severity::Critical, gain: Gain::Foothold, references: [(CisDocker, "4.10")], judge: |file| services(file, |service| variables(service).into_iter().find(|(_, value, _)| is_secret_value(value)).map(|(name, _, line)| (format!("{name} holds what looks like a key"), line))), weak: "services: {a: {environment: ['X=AKIAIOSFODNN7EXAMPLE']}}", strong: "services: {a: {environment: ['X=y']}}" },
        Line { id: "compose.devices", title: "No service is given the host's devices", why: "Through a disk's device it has every file of the host's.", remedy: "remove it from devices", severity: Severity::High, gain: Gain::HostRoot, references: [(CisDocker, "5.18")], judge: |file| services(file, |service| entry(service, "devices", |word| { let source = word.split(':').next().unwrap_or(word); !["/dev/null", "/dev/zero", "/dev/random", "/dev/urandom", "/dev/fuse", "/dev/net/tun"].contains(&source) })), weak: "services: {a: {devices: ['/dev/sda:/dev/sda']}}", strong: "services: {a: {devices: ['/dev/net/tun']}}" },
        Line { id: "compose.propagation", title: "Nothing that is mounted in a service appears on the host", why: "A shared mount lets the container put a file system over a folder of the host's.", remedy: "use rprivate or rslave", severity: Severity::High, gain: Gain::HostRoot, references: [(CisDocker, "5.20")], judge: |file| services(file, |service| { let volumes = service.get("volumes")?.list(); let found = volumes.iter().find(|node| match node.text() { Some(text) => text.rsplit(':').next().is_some_and(|options| options.split(',').any(|word| matches!(word, "shared" | "rshared"))), None => node.at(&["bind", "propagation"]).and_then(Node::text).is_some_and(|word| matches!(word, "shared" | "rshared")) })?; Some(("a mount is shared".to_owned(), found.line)) }), weak: "services: {a: {volumes: ['/x:/x:rw,rshared']}}", strong: "services: {a: {volumes: ['/x:/x:rslave']}}" },
        Line { id: "compose.restart", title: "Services that fail are started again at most a few times", why: "A container that is started for ever gives an exploit as many tries as it needs.", remedy: "write `restart: on-failure:5`", severity: Severity::Low, gain: Gain::KernelReach, references: [(CisDocker, "5.15")], judge: |file| services(file, |service| setting(service, "restart", |node| matches!(node.text(), Some("always" | "unless-stopped" | "on-failure")))), weak: "services: {a: {restart: always}}", strong: "services: {a: {restart: 'on-failure:5'}}" },
        Line { id: "compose.health", title: "Every service's health is checked", why: "A container that was taken over or hangs is one that nobody replaces.", remedy: "write `healthcheck`", severity: Severity::Low, gain: Gain::Denial, references: [(CisDocker, "5.27")], judge: |file| services(file, |service| { let check = service.get("healthcheck").filter(|check| !check.get("disable").is_some_and(Node::is_true)); check.is_none().then(|| ("is not checked".to_owned(), service.line)) }), weak: "services: {a: {healthcheck: {disable: true}}}", strong: "services: {a: {healthcheck: {test: [CMD, x]}}}" },
        Line { id: "compose.ulimits", title: "No service lifts the limits on files and processes", why: "A container without limits opens files until the host has none left.", remedy: "write numbers instead of -1", severity: Severity::Low, gain: Gain::Denial, references: [(CisDocker, "5.19")], judge: |file| services(file, |service| { let limits = service.get("ulimits")?.entries(); let found = limits.iter().find(|(_, node)| node.number() == Some(-1) || node.get("hard").and_then(Node::number) == Some(-1))?; Some((format!("{} has no limit", found.0), found.1.line)) }), weak: "services: {a: {ulimits: {nofile: -1}}}", strong: "services: {a: {ulimits: {nofile: {soft: 1, hard: 2}}}}" },
        Line { id: "compose.sysctls", title: "No service asks for kernel parameters of the whole host", why: "They hold for every container.", remedy: "remove it from sysctls", severity: Severity::Medium, gain: Gain::OtherTenants, references: [], judge: |file| services(file, |service| { let node = service.get("sysctls")?; let listed = node.list().iter().filter_map(|node| node.text()?.split_once('=').map(|(name, _)| name.to_owned())); let names: Vec<String> = listed.chain(node.entries().iter().map(|(name, _)| name.clone())).collect(); let found = names.into_iter().find(|name| !name.starts_with("net.") && !name.starts_with("kernel.shm") && !name.starts_with("kernel.msg") && name != "kernel.sem" && !name.starts_with("fs.mqueue."))?; Some((format!("asks for {found}"), node.line)) }), weak: "services: {a: {sysctls: {kernel.core_pattern: x}}}", strong: "services: {a: {sysctls: ['net.core.somaxconn=1']}}" },
        Line { id: "compose.encrypted", title: "Overlay networks are encrypted", why: "Between hosts the traffic of containers crosses wires that others may listen on.", remedy: "write `driver_opts: {encrypted: \"true\"}`", severity: Severity::Low, gain: Gain::OtherTenants, references: [(CisDocker, "7.3")], judge: |file| file.networks.iter().filter(|(_, network)| network.get("driver").is_some_and(|driver| is_word(driver, "overlay")) && network.at(&["driver_opts", "encrypted"]).is_none()).map(|(name, network)| seen(format!("{name} is not"), network.line)).collect(), weak: "services: {a: {}}\nnetworks: {n: {driver: overlay}}", strong: "services: {a: {}}\nnetworks: {n: {driver: overlay, driver_opts: {encrypted: ''}}}" },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_can_fail_and_can_pass() {
        super::super::try_lines(&lines(), |text| parse(text).unwrap());
        assert!(audit("x", "a: 1").is_err());
    }
}
