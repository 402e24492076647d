//! Owner and mode of the engines' files and sockets.

use crate::control::{Control, Dimension};
use crate::host::HostFacts;
use crate::host::checks::access::files::{Line, control, lines, paths_of};

const LINES: &str = "\
/usr/lib/systemd/system/docker.service 644 high host-root CisDocker:3.1 CisDocker:3.2
/usr/lib/systemd/system/docker.socket 644 high host-root CisDocker:3.3 CisDocker:3.4
/usr/lib/systemd/system/containerd.service 644 high host-root
/etc/docker 755 high host-root CisDocker:3.5 CisDocker:3.6
/etc/docker/certs.d 755 high host-root CisDocker:3.7 CisDocker:3.8
/etc/docker/ca.pem 444 high host-root CisDocker:3.9 CisDocker:3.10
/etc/docker/server-cert.pem 444 high host-root CisDocker:3.11 CisDocker:3.12
/etc/docker/server-key.pem 400 critical host-root CisDocker:3.13 CisDocker:3.14
/run/docker.sock 660 critical host-root Lynis:CONT-8108 CisDocker:3.15 CisDocker:3.16
/etc/docker/daemon.json 644 high host-root CisDocker:3.17 CisDocker:3.18
/etc/default/docker 644 high host-root CisDocker:3.19 CisDocker:3.20
/etc/sysconfig/docker 644 high host-root CisDocker:3.21 CisDocker:3.22
/run/containerd/containerd.sock 660 critical host-root CisDocker:3.23 CisDocker:3.24
/run/podman/podman.sock 660 critical host-root
/run/crio/crio.sock 660 critical host-root
/var/lib/docker 711 high other-tenants
/var/lib/containers 755 medium other-tenants
/var/lib/containers/storage 711 high other-tenants
/var/lib/containerd 711 high other-tenants
/var/lib/cofferdam 711 high other-tenants
/var/lib/cofferdam/keys 700 high concealment
/etc/containerd/config.toml 644 high host-root
/etc/containers/policy.json 644 high foothold
/etc/containers/registries.conf 644 high foothold
/etc/containers/containers.conf 644 high host-root
/etc/containers/auth.json 600 high foothold
/root/.docker/config.json 600 high foothold
/usr/bin/runc 755 critical host-root
/usr/sbin/runc 755 critical host-root
/usr/bin/crun 755 critical host-root
/usr/bin/dockerd 755 critical host-root
/usr/sbin/dockerd 755 critical host-root
/usr/bin/containerd 755 critical host-root
/usr/bin/podman 755 critical host-root
/opt/cni/bin 755 critical host-root
/etc/cni/net.d 755 high host-root CisKubernetes:1.1.9 CisKubernetes:1.1.10
/etc/systemd/system/kubelet.service.d/10-kubeadm.conf 600 high host-root CisKubernetes:4.1.1 CisKubernetes:4.1.2
/var/lib/kube-proxy/kubeconfig.conf 600 high foothold CisKubernetes:4.1.3 CisKubernetes:4.1.4
/etc/kubernetes/kubelet.conf 600 high foothold CisKubernetes:4.1.5 CisKubernetes:4.1.6
/etc/kubernetes/pki/ca.crt 644 high foothold CisKubernetes:4.1.7 CisKubernetes:4.1.8
/var/lib/kubelet/config.yaml 600 high host-root CisKubernetes:4.1.9 CisKubernetes:4.1.10
/var/lib/kubelet/pki 755 high foothold
/etc/kubernetes/manifests 700 critical host-root CisKubernetes:1.1.1
/etc/kubernetes/pki 755 high foothold CisKubernetes:1.1.19
/etc/kubernetes/admin.conf 600 critical host-root CisKubernetes:1.1.13 CisKubernetes:1.1.14
";

pub(in crate::host::checks) fn paths() -> impl Iterator<Item = &'static str> {
    paths_of(LINES)
        .chain(["/var/lib/docker/swarm/docker-state.json"])
        .chain(super::audit_rules::MORE_PATHS.lines())
}

/// One check for each line.
pub(super) fn controls() -> Vec<Control<HostFacts>> {
    let control = |line: Line| {
        let mut control = control(line);
        control.about.area = "engine files";
        control.about.dimension = Dimension::Engine;
        control
    };
    lines(LINES).map(control).collect()
}

#[cfg(test)]
pub(in crate::host::checks) mod tests {
    use super::*;
    use crate::control::Outcome;
    use crate::fact::Fact;
    use crate::host::checks::planted::nothing;
    use crate::tree::{FileKind, FileStatus};

    #[test]
    pub(in crate::host::checks) fn every_line_passes_with_its_mode_and_fails_with_more() {
        assert_eq!(controls().len(), LINES.lines().count(), "each line is understood");
        for (line, control) in LINES.lines().zip(controls()) {
            let mut words = line.split(' ');
            let path = words.next().unwrap();
            let most = u32::from_str_radix(words.next().unwrap(), 8).unwrap();
            let judge = |mode, uid| {
                let mut facts = nothing();
                let (kind, gid, size, modified, device) = (FileKind::File, 0, 0, 0, 0);
                let status = FileStatus { kind, mode, uid, gid, size, modified, device };
                facts.files.insert(path, Fact::Known(Some(status)));
                control.judge(&facts).outcome
            };
            assert_eq!(judge(most, 0), Outcome::Pass, "{path}");
            assert_eq!(judge(most | 0o002, 0), Outcome::Fail, "{path}");
            assert_eq!(judge(most, 1000), Outcome::Fail, "{path}");
        }
    }
}
