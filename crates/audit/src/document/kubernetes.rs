//! Kubernetes manifests: Pod Security Standards (baseline and restricted), and more.

use std::rc::Rc;

use super::yaml::{self, Node};
use super::{DocumentError, Find, judge, seen};
use crate::Report;
use crate::container::{holds_socket, is_sensitive};
use crate::control::{Evidence, Gain, Severity};
use crate::line::{Line, lines};
use crate::secret::{is_secret_name, is_secret_value};

/// The objects of a manifest.
struct Manifest {
    objects: Vec<Rc<Node>>,
}

/// Judges a manifest; `path` is what the report calls it.
///
/// # Errors
/// It is no YAML, or holds no object of Kubernetes.
pub fn audit(path: &str, text: &str) -> Result<Report, DocumentError> {
    Ok(judge("kubernetes", path, &parse(text)?, &lines()))
}

fn parse(text: &str) -> Result<Manifest, DocumentError> {
    let mut objects = Vec::new();
    for document in yaml::parse(text)? {
        let listed = document.get("kind").and_then(Node::text).is_some_and(|kind| kind.ends_with("List"));
        match document.get("items").filter(|_| listed) {
            Some(items) => objects.extend(items.list().iter().cloned()),
            None => objects.push(document),
        }
    }
    objects.retain(|object| object.get("kind").is_some());
    if objects.is_empty() {
        return Err(DocumentError::Other("manifest: no object in it has a kind"));
    }
    Ok(Manifest { objects })
}

fn kind(object: &Node) -> &str {
    object.get("kind").and_then(Node::text).unwrap_or_default()
}

fn name(object: &Node) -> String {
    let name = object.at(&["metadata", "name"]).and_then(Node::text).unwrap_or("without a name");
    format!("{} {name}", kind(object))
}

/// The specification of the pods that an object makes.
fn pod(object: &Node) -> Option<&Node> {
    match kind(object) {
        "Pod" => object.get("spec"),
        "CronJob" => object.at(&["spec", "jobTemplate", "spec", "template", "spec"]),
        "PodTemplate" => object.at(&["template", "spec"]),
        _ => object.at(&["spec", "template", "spec"]),
    }
}

/// Pods in which something is wrong.
fn pods(file: &Manifest, wrong: impl Fn(&Node) -> Option<(String, usize)>) -> Vec<Evidence> {
    let found = file.objects.iter().filter_map(|object| Some((object, wrong(pod(object)?)?)));
    found.map(|(object, (text, line))| seen(format!("{}: {text}", name(object)), line)).collect()
}

fn containers(pod: &Node) -> impl Iterator<Item = &Rc<Node>> {
    ["containers", "initContainers", "ephemeralContainers"]
        .into_iter()
        .filter_map(|list| pod.get(list))
        .flat_map(Node::list)
}

/// Containers in which something is wrong, with their pod.
fn each(file: &Manifest, wrong: impl Fn(&Node, &Node) -> Option<(String, usize)>) -> Vec<Evidence> {
    let mut found = Vec::new();
    for object in &file.objects {
        let Some(pod) = pod(object) else { continue };
        for container in containers(pod) {
            if let Some((text, line)) = wrong(pod, container) {
                let called = container.get("name").and_then(Node::text).unwrap_or("?");
                found.push(seen(format!("{}, container {called}: {text}", name(object)), line));
            }
        }
    }
    found
}

/// A field of the security context: the container's own, or the pod's.
fn context<'a>(pod: &'a Node, container: &'a Node, path: &[&str]) -> Option<&'a Node> {
    let own = container.get("securityContext").and_then(|context| context.at(path));
    own.or_else(|| pod.get("securityContext").and_then(|context| context.at(path)))
}

fn own_switch(container: &Node, field: &str) -> Option<(String, usize)> {
    let node = container.at(&["securityContext", field]).filter(|node| node.is_true())?;
    Some((format!("{field} is true"), node.line))
}

fn pod_switch(pod: &Node, field: &str) -> Option<(String, usize)> {
    let node = pod.get(field).filter(|node| node.is_true())?;
    Some((format!("{field} is true"), node.line))
}

fn host_paths(pod: &Node) -> Vec<(&str, usize)> {
    let volumes = pod.get("volumes").map(Node::list).unwrap_or_default();
    volumes
        .iter()
        .filter_map(|volume| {
            let node = volume.at(&["hostPath", "path"])?;
            Some((node.text()?, node.line))
        })
        .collect()
}

fn missing(there: bool, what: &str, line: usize) -> Option<(String, usize)> {
    (!there).then(|| (what.to_owned(), line))
}

const DANGEROUS: &str = "ALL SYS_ADMIN SYS_MODULE SYS_PTRACE SYS_RAWIO SYS_BOOT SYS_TIME DAC_READ_SEARCH BPF PERFMON NET_ADMIN SYSLOG MAC_ADMIN";
const BASELINE: &str = "AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE SETFCAP SETGID SETPCAP SETUID SYS_CHROOT";

fn added(container: &Node, wrong: impl Fn(&str) -> bool) -> Option<(String, usize)> {
    let list = container.at(&["securityContext", "capabilities", "add"])?.list();
    let found =
        list.iter().find(|node| node.text().is_some_and(|word| wrong(word.trim_start_matches("CAP_"))))?;
    Some((format!("adds {}", found.text().unwrap_or_default()), found.line))
}

/// Rules of a role in which something is wrong.
fn rules(file: &Manifest, wrong: impl Fn(&Node) -> bool, words: &str) -> Vec<Evidence> {
    let roles = file.objects.iter().filter(|object| matches!(kind(object), "Role" | "ClusterRole"));
    let mut found = Vec::new();
    for role in roles {
        let rules = role.get("rules").map(Node::list).unwrap_or_default();
        found.extend(
            rules
                .iter()
                .filter(|rule| wrong(rule))
                .map(|rule| seen(format!("{}: {words}", name(role)), rule.line)),
        );
    }
    found
}

fn names(rule: &Node, field: &str, wanted: &[&str]) -> bool {
    rule.get(field)
        .map(Node::list)
        .unwrap_or_default()
        .iter()
        .any(|node| node.text().is_some_and(|word| wanted.contains(&word)))
}

fn lines() -> Vec<Line<Find<Manifest>>> {
    lines! { Find<Manifest>;
        Line { id: "kubernetes.privileged", title: "No container is privileged", why: "A privileged container is the node's root with another view of the files.", remedy: "remove `privileged: true`", severity: Severity::Critical, gain: Gain::HostRoot, references: [(PodSecurity, "baseline: privileged"), (NsaCisa, "Kubernetes Pod security")], judge: |file| each(file, |_, container| own_switch(container, "privileged")), weak: "kind: Pod\nspec: {containers: [{name: a, securityContext: {privileged: true}}]}", strong: "kind: Pod\nspec: {containers: [{name: a}]}" },
        Line { id: "kubernetes.host_pid", title: "Pods have their own processes", why: "A pod that sees the node's processes reads their command lines, and as root their memory.", remedy: "remove `hostPID: true`", severity: Severity::High, gain: Gain::HostRoot, references: [(PodSecurity, "baseline: hostPID")], judge: |file| pods(file, |pod| pod_switch(pod, "hostPID")), weak: "kind: Deployment\nspec: {template: {spec: {hostPID: true}}}", strong: "kind: Pod\nspec: {hostPID: false}" },
        Line { id: "kubernetes.host_network", title: "Pods have their own network", why: "On the node's network a pod reaches everything that listens on 127.0.0.1, and no network policy holds.", remedy: "remove `hostNetwork: true`", severity: Severity::High, gain: Gain::OtherTenants, references: [(PodSecurity, "baseline: hostNetwork")], judge: |file| pods(file, |pod| pod_switch(pod, "hostNetwork")), weak: "kind: Pod\nspec: {hostNetwork: true}", strong: "kind: Pod\nspec: {}" },
        Line { id: "kubernetes.host_ipc", title: "Pods have their own shared memory", why: "Shared memory of the node's programs can be read and changed.", remedy: "remove `hostIPC: true`", severity: Severity::Medium, gain: Gain::OtherTenants, references: [(PodSecurity, "baseline: hostIPC")], judge: |file| pods(file, |pod| pod_switch(pod, "hostIPC")), weak: "kind: CronJob\nspec: {jobTemplate: {spec: {template: {spec: {hostIPC: true}}}}}", strong: "kind: Pod\nspec: {}" },
        Line { id: "kubernetes.host_users", title: "Pods have their own user namespace", why: "Without one, what leaves a container as root is root on the node.", remedy: "write `hostUsers: false`", severity: Severity::Medium, gain: Gain::HostRoot, references: [(NsaCisa, "Kubernetes Pod security")], judge: |file| pods(file, |pod| missing(pod.get("hostUsers").is_some_and(|node| node.text() == Some("false")), "hostUsers is not false", pod.line)), weak: "kind: Pod\nspec: {containers: []}", strong: "kind: Pod\nspec: {hostUsers: false}" },
        Line { id: "kubernetes.engine_socket", title: "No pod is given an engine's socket", why: "Whoever speaks to it starts a container that is the node's root.", remedy: "remove the volume", severity: Severity::Critical, gain: Gain::HostRoot, references: [(NsaCisa, "Kubernetes Pod security")], judge: |file| pods(file, |pod| host_paths(pod).into_iter().find(|(path, _)| holds_socket(&path.replacen("/var/run", "/run", 1))).map(|(path, line)| (format!("is given {path}"), line))), weak: "kind: Pod\nspec: {volumes: [{name: a, hostPath: {path: /var/run/docker.sock}}]}", strong: "kind: Pod\nspec: {volumes: [{name: a, emptyDir: {}}]}" },
        Line { id: "kubernetes.sensitive_paths", title: "No pod is given the node's own folders", why: "From /etc, /boot or /root of the node a container reads its secrets, or writes itself in.", remedy: "remove the volume", severity: Severity::High, gain: Gain::HostRoot, references: [(PodSecurity, "baseline: hostPath")], judge: |file| pods(file, |pod| host_paths(pod).into_iter().find(|(path, _)| is_sensitive(path)).map(|(path, line)| (format!("is given {path}"), line))), weak: "kind: Pod\nspec: {volumes: [{hostPath: {path: /etc}}]}", strong: "kind: Pod\nspec: {volumes: [{hostPath: {path: /srv/data}}]}" },
        Line { id: "kubernetes.host_path", title: "No pod is given a path of the node's", why: "It ties pods of different owners together through one node's files.", remedy: "use a volume of the cluster's", severity: Severity::Medium, gain: Gain::OtherTenants, references: [(PodSecurity, "baseline: hostPath")], judge: |file| pods(file, |pod| host_paths(pod).into_iter().next().map(|(path, line)| (format!("is given {path}"), line))), weak: "kind: Pod\nspec: {volumes: [{hostPath: {path: /srv}}]}", strong: "kind: Pod\nspec: {volumes: [{configMap: {name: x}}]}" },
        Line { id: "kubernetes.host_port", title: "No container takes a port of the node's", why: "It goes past services and network policies.", remedy: "remove hostPort, and make a Service", severity: Severity::Medium, gain: Gain::OtherTenants, references: [(PodSecurity, "baseline: hostPort")], judge: |file| each(file, |_, container| { let ports = container.get("ports")?.list(); let found = ports.iter().find_map(|port| port.get("hostPort").filter(|node| node.number() != Some(0)))?; Some((format!("hostPort {}", found.text().unwrap_or_default()), found.line)) }), weak: "kind: Pod\nspec: {containers: [{ports: [{hostPort: 80}]}]}", strong: "kind: Pod\nspec: {containers: [{ports: [{containerPort: 80}]}]}" },
        Line { id: "kubernetes.dangerous_capabilities", title: "No container is given a capability that amounts to root", why: "With SYS_ADMIN, SYS_MODULE, SYS_PTRACE and their like a container becomes the node's root.", remedy: "remove it from capabilities.add", severity: Severity::High, gain: Gain::HostRoot, references: [(PodSecurity, "baseline: capabilities")], judge: |file| each(file, |_, container| added(container, |word| DANGEROUS.split(' ').any(|name| name == word))), weak: "kind: Pod\nspec: {containers: [{securityContext: {capabilities: {add: [SYS_ADMIN]}}}]}", strong: "kind: Pod\nspec: {containers: [{securityContext: {capabilities: {add: [CHOWN]}}}]}" },
        Line { id: "kubernetes.baseline_capabilities", title: "No capability beyond the baseline is added", why: "What a container does not hold, whoever breaks in cannot use.", remedy: "remove it from capabilities.add", severity: Severity::Medium, gain: Gain::KernelReach, references: [(PodSecurity, "baseline: capabilities")], judge: |file| each(file, |_, container| added(container, |word| BASELINE.split(' ').all(|name| name != word))), weak: "kind: Pod\nspec: {containers: [{securityContext: {capabilities: {add: [NET_RAW]}}}]}", strong: "kind: Pod\nspec: {containers: [{securityContext: {capabilities: {add: [KILL]}}}]}" },
        Line { id: "kubernetes.restricted_capabilities", title: "Only NET_BIND_SERVICE is ever added", why: "The restricted standard leaves a container no other right of root's.", remedy: "remove it from capabilities.add", severity: Severity::Low, gain: Gain::KernelReach, references: [(PodSecurity, "restricted: capabilities")], judge: |file| each(file, |_, container| added(container, |word| word != "NET_BIND_SERVICE")), weak: "kind: Pod\nspec: {containers: [{securityContext: {capabilities: {add: [CHOWN]}}}]}", strong: "kind: Pod\nspec: {containers: [{securityContext: {capabilities: {add: [NET_BIND_SERVICE]}}}]}" },
        Line { id: "kubernetes.drop_all", title: "Containers give up all capabilities", why: "What a container does not hold, whoever breaks in cannot use.", remedy: "write `capabilities: {drop: [ALL]}`", severity: Severity::Medium, gain: Gain::KernelReach, references: [(PodSecurity, "restricted: capabilities")], judge: |file| each(file, |_, container| { let list = container.at(&["securityContext", "capabilities", "drop"]).map(Node::list).unwrap_or_default(); missing(list.iter().any(|node| node.text().is_some_and(|word| word.eq_ignore_ascii_case("all"))), "does not drop ALL", container.line) }), weak: "kind: Pod\nspec: {containers: [{name: a}]}", strong: "kind: Pod\nspec: {containers: [{securityContext: {capabilities: {drop: [ALL]}}}]}" },
        Line { id: "kubernetes.escalation", title: "Containers cannot gain rights", why: "A set-id program that the image forgot makes root out of a user inside the container.", remedy: "write `allowPrivilegeEscalation: false`", severity: Severity::Medium, gain: Gain::Foothold, references: [(PodSecurity, "restricted: allowPrivilegeEscalation")], judge: |file| each(file, |_, container| { let node = container.at(&["securityContext", "allowPrivilegeEscalation"]); missing(node.is_some_and(|node| node.text() == Some("false")), "allowPrivilegeEscalation is not false", container.line) }), weak: "kind: Pod\nspec: {containers: [{name: a}]}", strong: "kind: Pod\nspec: {containers: [{securityContext: {allowPrivilegeEscalation: false}}]}" },
        Line { id: "kubernetes.not_root", title: "Containers run as a user that is not root", why: "What runs as root has every file of the image to work with, and the node's once outside.", remedy: "write `runAsNonRoot: true`", severity: Severity::Medium, gain: Gain::HostRoot, references: [(PodSecurity, "restricted: runAsNonRoot")], judge: |file| each(file, |pod, container| missing(context(pod, container, &["runAsNonRoot"]).is_some_and(Node::is_true), "runAsNonRoot is not true", container.line)), weak: "kind: Pod\nspec: {containers: [{name: a}]}", strong: "kind: Pod\nspec: {securityContext: {runAsNonRoot: true}, containers: [{name: a}]}" },
        Line { id: "kubernetes.user_zero", title: "No container asks for user 0", why: "It is root by another name.", remedy: "write another number", severity: Severity::High, gain: Gain::HostRoot, references: [(PodSecurity, "restricted: runAsUser")], judge: |file| each(file, |pod, container| { let node = context(pod, container, &["runAsUser"])?; (node.number() == Some(0)).then(|| ("runAsUser is 0".to_owned(), node.line)) }), weak: "kind: Pod\nspec: {containers: [{securityContext: {runAsUser: 0}}]}", strong: "kind: Pod\nspec: {containers: [{securityContext: {runAsUser: 1000}}]}" },
        Line { id: "kubernetes.seccomp_set", title: "Containers' system calls are filtered", why: "A pod that says nothing has every system call of the kernel.", remedy: "write `seccompProfile: {type: RuntimeDefault}`", severity: Severity::High, gain: Gain::KernelReach, references: [(PodSecurity, "restricted: seccompProfile")], judge: |file| each(file, |pod, container| { let node = context(pod, container, &["seccompProfile", "type"]).and_then(Node::text); missing(matches!(node, Some("RuntimeDefault" | "Localhost")), "no filter is asked for", container.line) }), weak: "kind: Pod\nspec: {containers: [{name: a}]}", strong: "kind: Pod\nspec: {securityContext: {seccompProfile: {type: RuntimeDefault}}, containers: [{name: a}]}" },
        Line { id: "kubernetes.seccomp_unconfined", title: "No container asks for no filter", why: "Every system call of the kernel, and every bug behind one, is then in reach.", remedy: "remove Unconfined", severity: Severity::High, gain: Gain::KernelReach, references: [(PodSecurity, "baseline: seccompProfile")], judge: |file| each(file, |pod, container| { let node = context(pod, container, &["seccompProfile", "type"])?; (node.text() == Some("Unconfined")).then(|| ("Unconfined".to_owned(), node.line)) }), weak: "kind: Pod\nspec: {containers: [{securityContext: {seccompProfile: {type: Unconfined}}}]}", strong: "kind: Pod\nspec: {containers: [{name: a}]}" },
        Line { id: "kubernetes.apparmor", title: "No container asks to be without AppArmor", why: "Its policy still stands where capabilities and namespaces were got around.", remedy: "remove Unconfined", severity: Severity::High, gain: Gain::HostRoot, references: [(PodSecurity, "baseline: appArmorProfile")], judge: |file| each(file, |pod, container| { let node = context(pod, container, &["appArmorProfile", "type"])?; (node.text() == Some("Unconfined")).then(|| ("Unconfined".to_owned(), node.line)) }), weak: "kind: Pod\nspec: {containers: [{securityContext: {appArmorProfile: {type: Unconfined}}}]}", strong: "kind: Pod\nspec: {containers: [{securityContext: {appArmorProfile: {type: RuntimeDefault}}}]}" },
        Line { id: "kubernetes.selinux", title: "No container asks for an SELinux type of its own", why: "Another type is another policy, chosen by the pod.", remedy: "remove seLinuxOptions.type, user and role", severity: Severity::Medium, gain: Gain::HostRoot, references: [(PodSecurity, "baseline: seLinuxOptions")], judge: |file| each(file, |pod, container| { let node = context(pod, container, &["seLinuxOptions"])?; let kind = node.get("type").and_then(Node::text); let odd = kind.is_some_and(|kind| !matches!(kind, "" | "container_t" | "container_init_t" | "container_kvm_t" | "container_engine_t")); (odd || node.get("user").is_some() || node.get("role").is_some()).then(|| ("asks for one".to_owned(), node.line)) }), weak: "kind: Pod\nspec: {containers: [{securityContext: {seLinuxOptions: {type: spc_t}}}]}", strong: "kind: Pod\nspec: {containers: [{securityContext: {seLinuxOptions: {level: s0}}}]}" },
        Line { id: "kubernetes.proc_mount", title: "No container asks for an unmasked /proc", why: "Through it a container reaches the kernel's parameters.", remedy: "remove `procMount: Unmasked`", severity: Severity::High, gain: Gain::HostRoot, references: [(PodSecurity, "baseline: procMount")], judge: |file| each(file, |_, container| { let node = container.at(&["securityContext", "procMount"])?; (node.text() == Some("Unmasked")).then(|| ("Unmasked".to_owned(), node.line)) }), weak: "kind: Pod\nspec: {containers: [{securityContext: {procMount: Unmasked}}]}", strong: "kind: Pod\nspec: {containers: [{securityContext: {procMount: Default}}]}" },
        Line { id: "kubernetes.sysctls", title: "Only safe kernel parameters are asked for", why: "Others hold for every pod of the node.", remedy: "remove it from sysctls", severity: Severity::Medium, gain: Gain::OtherTenants, references: [(PodSecurity, "baseline: sysctls")], judge: |file| pods(file, |pod| { const SAFE: [&str; 10] = ["kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start", "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports", "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes"]; let list = pod.at(&["securityContext", "sysctls"])?.list(); let found = list.iter().find_map(|node| { let name = node.get("name")?; (!SAFE.contains(&name.text()?)).then_some(name) })?; Some((found.text().unwrap_or_default().to_owned(), found.line)) }), weak: "kind: Pod\nspec: {securityContext: {sysctls: [{name: kernel.msgmax}]}}", strong: "kind: Pod\nspec: {securityContext: {sysctls: [{name: net.ipv4.tcp_syncookies}]}}" },
        Line { id: "kubernetes.volume_types", title: "Pods use only kinds of volumes that are their own", why: "Other kinds reach storage that other pods or the node use.", remedy: "use configMap, secret, emptyDir, projected, downwardAPI, ephemeral, csi or a claim", severity: Severity::Low, gain: Gain::OtherTenants, references: [(PodSecurity, "restricted: volumes")], judge: |file| pods(file, |pod| { const GOOD: [&str; 9] = ["name", "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"]; let volumes = pod.get("volumes")?.list(); volumes.iter().find_map(|volume| volume.entries().iter().find(|(key, _)| !GOOD.contains(&key.as_str()))).map(|(key, node)| (key.clone(), node.line)) }), weak: "kind: Pod\nspec: {volumes: [{name: a, nfs: {server: x}}]}", strong: "kind: Pod\nspec: {volumes: [{name: a, emptyDir: {}}]}" },
        Line { id: "kubernetes.read_only", title: "Containers' root file systems are read-only", why: "Where nothing can be written, nothing that breaks in can stay.", remedy: "write `readOnlyRootFilesystem: true`", severity: Severity::Low, gain: Gain::Foothold, references: [(NsaCisa, "Kubernetes Pod security")], judge: |file| each(file, |_, container| missing(container.at(&["securityContext", "readOnlyRootFilesystem"]).is_some_and(Node::is_true), "is writable", container.line)), weak: "kind: Pod\nspec: {containers: [{name: a}]}", strong: "kind: Pod\nspec: {containers: [{securityContext: {readOnlyRootFilesystem: true}}]}" },
        Line { id: "kubernetes.memory", title: "Containers' memory is limited", why: "A container without a limit takes the node's memory, and the kernel then kills somebody else.", remedy: "write `resources.limits.memory`", severity: Severity::Medium, gain: Gain::Denial, references: [(NsaCisa, "Kubernetes Pod security")], judge: |file| each(file, |_, container| missing(container.at(&["resources", "limits", "memory"]).is_some(), "no limit", container.line)), weak: "kind: Pod\nspec: {containers: [{name: a}]}", strong: "kind: Pod\nspec: {containers: [{resources: {limits: {memory: 1Gi}}}]}" },
        Line { id: "kubernetes.cpu", title: "Containers ask for a share of the processors", why: "Without a share one container takes the time of all others.", remedy: "write `resources.requests.cpu`", severity: Severity::Low, gain: Gain::Denial, references: [], judge: |file| each(file, |_, container| missing(container.at(&["resources", "requests", "cpu"]).or_else(|| container.at(&["resources", "limits", "cpu"])).is_some(), "no share", container.line)), weak: "kind: Pod\nspec: {containers: [{name: a}]}", strong: "kind: Pod\nspec: {containers: [{resources: {requests: {cpu: 100m}}}]}" },
        Line { id: "kubernetes.version", title: "Images are named by a version or digest", why: "What latest means tomorrow is chosen by whoever pushes next.", remedy: "name a version, better its digest", severity: Severity::Medium, gain: Gain::Foothold, references: [(NsaCisa, "Kubernetes Pod security")], judge: |file| each(file, |_, container| { let node = container.get("image")?; let image = node.text()?; let last = image.rsplit('/').next().unwrap_or(image); (!image.contains('@') && (!last.contains(':') || last.ends_with(":latest"))).then(|| (image.to_owned(), node.line)) }), weak: "kind: Pod\nspec: {containers: [{image: nginx}]}", strong: "kind: Pod\nspec: {containers: [{image: 'nginx:1.27'}]}" },
        Line { id: "kubernetes.token", title: "Pods get no key to the cluster that they do not use", why: "Whoever breaks in finds the token in every container, and speaks to the API with it.", remedy: "write `automountServiceAccountToken: false`", severity: Severity::Medium, gain: Gain::Foothold, references: [(NsaCisa, "Kubernetes Pod security")], judge: |file| pods(file, |pod| missing(pod.get("automountServiceAccountToken").is_some_and(|node| node.text() == Some("false")), "the token is mounted", pod.line)), weak: "kind: Pod\nspec: {containers: []}", strong: "kind: Pod\nspec: {automountServiceAccountToken: false}" },
        Line { id: "kubernetes.secret_names", title: "No secret stands in the environment", why: "The manifest is shared and kept, and so is the secret.", remedy: "use secretKeyRef, better a file from a secret volume", severity: Severity::High, gain: Gain::Foothold, references: [(NsaCisa, "Control plane hardening")], judge: |file| each(file, |_, container| { let list = container.get("env")?.list(); let found = list.iter().find(|node| { let name = node.get("name").and_then(Node::text).unwrap_or_default(); let value = node.get("value").and_then(Node::text).unwrap_or_default(); (is_secret_name(name) && !value.is_empty() && !value.starts_with("$(")) || is_secret_value(value) })?; Some((format!("{} has a value", found.get("name").and_then(Node::text).unwrap_or("a variable")), found.line)) }), weak: "kind: Pod\nspec: {containers: [{env: [{name: DB_PASSWORD, value: hunter2}]}]}", strong: "kind: Pod\nspec: {containers: [{env: [{name: DB_PASSWORD, valueFrom: {secretKeyRef: {name: x}}}]}]}" },
        Line { id: "kubernetes.probes", title: "Containers say how their health is checked", why: "A container that was taken over or hangs is one that nobody replaces.", remedy: "write livenessProbe", severity: Severity::Low, gain: Gain::Denial, references: [], judge: |file| { let long: Vec<_> = file.objects.iter().filter(|object| matches!(kind(object), "Deployment" | "StatefulSet" | "DaemonSet")).cloned().collect(); each(&Manifest { objects: long }, |_, container| missing(container.get("livenessProbe").or_else(|| container.get("readinessProbe")).is_some(), "no probe", container.line)) }, weak: "kind: Deployment\nspec: {template: {spec: {containers: [{name: a}]}}}", strong: "kind: Deployment\nspec: {template: {spec: {containers: [{livenessProbe: {}}]}}}" },
        Line { id: "kubernetes.role_everything", title: "No role grants everything", why: "A pod with such a role is the cluster's owner.", remedy: "name verbs and resources", severity: Severity::Critical, gain: Gain::OtherTenants, references: [(NsaCisa, "Authentication and authorization")], judge: |file| rules(file, |rule| names(rule, "verbs", &["*"]) && names(rule, "resources", &["*"]), "all verbs on all resources"), weak: "kind: ClusterRole\nrules: [{verbs: ['*'], resources: ['*']}]", strong: "kind: ClusterRole\nrules: [{verbs: [get], resources: [pods]}]" },
        Line { id: "kubernetes.role_secrets", title: "No role reads secrets of all names", why: "Whoever takes over the pod reads every key in reach.", remedy: "name them with resourceNames", severity: Severity::Medium, gain: Gain::OtherTenants, references: [(NsaCisa, "Authentication and authorization")], judge: |file| rules(file, |rule| names(rule, "verbs", &["get", "list", "watch", "*"]) && names(rule, "resources", &["secrets"]) && rule.get("resourceNames").is_none(), "reads all secrets"), weak: "kind: Role\nrules: [{verbs: [list], resources: [secrets]}]", strong: "kind: Role\nrules: [{verbs: [get], resources: [secrets], resourceNames: [x]}]" },
        Line { id: "kubernetes.role_escalation", title: "No role makes itself larger, or enters other pods", why: "With escalate, bind, impersonate, pods/exec or nodes/proxy the role's limits are only words.", remedy: "remove it", severity: Severity::High, gain: Gain::OtherTenants, references: [(NsaCisa, "Authentication and authorization")], judge: |file| rules(file, |rule| names(rule, "verbs", &["escalate", "bind", "impersonate"]) || names(rule, "resources", &["pods/exec", "pods/attach", "nodes/proxy"]), "grants more than it says"), weak: "kind: Role\nrules: [{verbs: [create], resources: [pods/exec]}]", strong: "kind: Role\nrules: [{verbs: [get], resources: [pods]}]" },
        Line { id: "kubernetes.cluster_admin", title: "Nobody is bound to cluster-admin here", why: "A pod of such an account is the cluster's owner.", remedy: "bind a role that names what is needed", severity: Severity::High, gain: Gain::OtherTenants, references: [(NsaCisa, "Authentication and authorization")], judge: |file| file.objects.iter().filter(|object| kind(object).ends_with("RoleBinding") && object.at(&["roleRef", "name"]).and_then(Node::text) == Some("cluster-admin")).map(|object| seen(format!("{} does", name(object)), object.line)).collect(), weak: "kind: ClusterRoleBinding\nroleRef: {name: cluster-admin}", strong: "kind: ClusterRoleBinding\nroleRef: {name: view}" },
        Line { id: "kubernetes.default_namespace", title: "Nothing is put in the default namespace", why: "What shares a namespace shares its roles, quotas and policies.", remedy: "name a namespace of its own", severity: Severity::Low, gain: Gain::OtherTenants, references: [(NsaCisa, "Network separation and hardening")], judge: |file| file.objects.iter().filter(|object| object.at(&["metadata", "namespace"]).and_then(Node::text) == Some("default")).map(|object| seen(format!("{} is", name(object)), object.line)).collect(), weak: "kind: Pod\nmetadata: {namespace: default}", strong: "kind: Pod\nmetadata: {namespace: shop}" },
        Line { id: "kubernetes.node_port", title: "No service opens a port on every node", why: "It is open to every network that any node has.", remedy: "use ClusterIP behind an ingress", severity: Severity::Low, gain: Gain::OtherTenants, references: [(NsaCisa, "Network separation and hardening")], judge: |file| file.objects.iter().filter(|object| kind(object) == "Service" && object.at(&["spec", "type"]).and_then(Node::text) == Some("NodePort")).map(|object| seen(format!("{} does", name(object)), object.line)).collect(), weak: "kind: Service\nspec: {type: NodePort}", strong: "kind: Service\nspec: {type: ClusterIP}" },
        Line { id: "kubernetes.host_aliases", title: "No pod changes what names mean", why: "An alias sends traffic for a known name to another address.", remedy: "remove hostAliases", severity: Severity::Low, gain: Gain::OtherTenants, references: [], judge: |file| pods(file, |pod| pod.get("hostAliases").map(|node| ("has hostAliases".to_owned(), node.line))), weak: "kind: Pod\nspec: {hostAliases: [{ip: 1.2.3.4}]}", strong: "kind: Pod\nspec: {}" },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_can_fail_and_can_pass() {
        super::super::try_lines(&lines(), |text| parse(text).unwrap());
        assert!(audit("x", "a: 1").is_err());
        assert_eq!(parse("kind: List\nitems: [{kind: Pod}, {kind: Service}]").unwrap().objects.len(), 2);
    }
}
