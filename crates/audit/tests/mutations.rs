//! Every parser of the audit on inputs that are nearly right: good ones in which a few bytes were changed, cut out or repeated.
//! Each ends in verdicts or an error, and nothing that is shown has a raw escape in it. The fuzz targets do the same for longer.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::OnceLock;

use cofferdam_audit::document::{compose, dockerfile, kubernetes};
use cofferdam_audit::host::{Source, audit, audit_disk};
use cofferdam_audit::{Baseline, Report, Waivers, format, image, rules};
use proptest::collection::vec;
use proptest::prelude::*;

/// What is done to an input: where, how many bytes are taken out there, and what is put in their place.
type Change = (usize, usize, Vec<u8>);

fn changes() -> impl Strategy<Value = Vec<Change>> {
    // What parsers stumble on: marks of their own, escapes, what is no UTF-8, signs, and digits that make numbers long.
    let bytes = prop_oneof![
        any::<Vec<u8>>().prop_map(|bytes| bytes.into_iter().take(6).collect()),
        prop::sample::select(vec![
            &b"\x1b[2J"[..],
            b"\xff\xfe",
            b"\0",
            b"\n\n",
            b":::",
            b"99999999999999999999",
            b"-1",
            b"../../..",
            b"{{[[",
            b"\"'",
            b"\\",
            b"=",
            b"&a *a",
        ])
        .prop_map(<[u8]>::to_vec),
    ];
    vec((any::<usize>(), 0usize..40, bytes), 1..5)
}

fn changed(good: &[u8], changes: &[Change]) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for (at, taken, put) in changes {
        let at = at % (bytes.len() + 1);
        let end = (at + taken).min(bytes.len());
        bytes.splice(at..end, put.iter().copied());
    }
    bytes
}

fn shown_safely(report: &Report) {
    let texts = [
        format::junit(std::slice::from_ref(report)),
        format::html(report),
        format::sarif(std::slice::from_ref(report), "0").to_string(),
    ];
    for text in texts {
        assert!(!text.contains('\x1b') && !text.contains('\0'), "a raw control character");
    }
}

/// Files of a host that are read by parsers of their own, as good ones of their kind.
const HOST: [(&str, &str); 27] = [
    ("etc/passwd", "root:x:0:0:root:/root:/bin/bash\neve:x:1000:1000::/home/eve:/bin/sh\n"),
    ("etc/shadow", "root:*:19000:0:99999:7:::\neve:$6$a$b:19000:0:99999:7:::\n"),
    ("etc/group", "root:x:0:\ndocker:x:999:eve,bob\n"),
    ("etc/subuid", "eve:100000:65536\n"),
    (
        "etc/sudoers",
        "Defaults use_pty\n%sudo ALL=(ALL:ALL) NOPASSWD: /bin/ls, \\\n /bin/cat\n@includedir /etc/sudoers.d\n",
    ),
    ("etc/login.defs", "UMASK 027\nENCRYPT_METHOD YESCRYPT\n"),
    ("etc/pam.d/su", "auth required pam_wheel.so use_uid\n"),
    (
        "etc/ssh/sshd_config",
        "Include /etc/ssh/sshd_config.d/*.conf\nMatch User eve\n  X11Forwarding yes\nPermitRootLogin no\n",
    ),
    ("etc/fstab", "UUID=1 / ext4 defaults,noatime 0 1\n/dev/sda2 /tmp ext4 nodev,nosuid 0 2\n"),
    ("etc/sysctl.conf", "kernel.kptr_restrict = 2\n-net.ipv4.ip_forward=1\n"),
    ("etc/modprobe.d/x.conf", "install dccp /bin/false\nblacklist sctp\n"),
    (
        "etc/docker/daemon.json",
        "{\"icc\": false, \"hosts\": [\"unix:///x\"], \"default-ulimits\": {\"a\": {\"Hard\": 1}}}",
    ),
    ("etc/containers/containers.conf", "[containers]\nseccomp_profile = \"unconfined\" # why\n"),
    ("etc/containerd/config.toml", "version = 2\n[grpc]\ntcp_address = \"\"\n"),
    ("var/lib/kubelet/config.yaml", "authentication:\n  anonymous:\n    enabled: false\nreadOnlyPort: 0\n"),
    (
        "var/lib/dpkg/status",
        "Package: runc\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:1.0~rc1-2+deb12u1\n\n",
    ),
    ("var/lib/apt/lists/security_Packages", "Package: runc\nArchitecture: amd64\nVersion: 1:1.1\n"),
    ("boot/config-6.1.0", "CONFIG_SECCOMP=y\n# CONFIG_MODULES is not set\nCONFIG_LSM=\"lockdown,yama\"\n"),
    ("lib/modules/6.1.0/modules.dep", "kernel/net/dccp/dccp.ko.xz: kernel/a.ko\n"),
    ("etc/audit/rules.d/x.rules", "-w /etc/docker -p wa -k x\n"),
    ("etc/systemd/system/x.service", "[Unit]\n[Install]\nWantedBy=multi-user.target\n"),
    ("etc/selinux/config", "SELINUX=enforcing\nSELINUXTYPE=targeted\n"),
    ("etc/default/grub", "GRUB_CMDLINE_LINUX=\"quiet lockdown=integrity\"\n"),
    ("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME='Debian'\n"),
    ("etc/exports", "/srv 10.0.0.0/8(rw,no_root_squash)\n"),
    ("etc/resolv.conf", "nameserver 127.0.0.53\n"),
    ("root/.ssh/authorized_keys", "no-pty,from=\"10.0.0.1\" ssh-ed25519 AAAA me\n"),
];

/// What a kernel writes below /proc and /sys, for a tree that is looked at as if it ran.
const KERNEL: [(&str, &str); 12] = [
    (
        "proc/self/mountinfo",
        "1 0 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n2 1 0:5 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
    ),
    ("proc/cmdline", "root=/dev/sda1 quiet mitigations=auto,nosmt lsm=\"a,b\"\n"),
    ("proc/modules", "sctp 1 0 - Live 0\n"),
    (
        "proc/net/tcp",
        "  sl  local_address\n   0: 00000000:0947 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 1\n",
    ),
    (
        "proc/1/status",
        "Name:\tdockerd\nState:\tS (sleeping)\nPid:\t1\nPPid:\t0\nTracerPid:\t0\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nGroups:\t\nNSpid:\t1\nThreads:\t1\nCapInh:\t0000000000000000\nCapPrm:\t000001ffffffffff\nCapEff:\t000001ffffffffff\nCapBnd:\t000001ffffffffff\nCapAmb:\t0000000000000000\nNoNewPrivs:\t0\nSeccomp:\t0\n",
    ),
    ("proc/1/uid_map", "         0     100000      65536\n"),
    ("proc/1/comm", "nginx\n"),
    ("proc/1/mountinfo", "1 0 0:9 / / rw - overlay overlay rw\n2 1 8:1 /etc /host ro - ext4 /dev/sda1 rw\n"),
    ("proc/1/cgroup", "0::/system.slice/docker-0123456789abcdef.scope\n"),
    ("proc/swaps", "Filename Type Size\n/dev/sda2 partition 1\n"),
    ("sys/kernel/security/lockdown", "none [integrity] confidentiality\n"),
    ("sys/devices/system/cpu/vulnerabilities/mds", "Mitigation: Clear CPU buffers; SMT vulnerable\n"),
];

fn write(root: &Path, path: &str, bytes: &[u8]) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// A tar with a program, a database of users and a secret, as a layer has them.
fn layer() -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, mode, text) in [
        ("bin/app", 0o4755, "x"),
        ("etc/passwd", 0o644, "root:x:0:0::/:/bin/sh\n"),
        ("etc/os-release", 0o644, "ID=alpine\nVERSION_ID=3.20.1\n"),
        ("app/.env", 0o644, "TOKEN=x\n"),
        ("lib/apk/db/installed", 0o644, "P:musl\nV:1\n"),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(mode);
        builder.append_data(&mut header, path, text.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

/// A small ext4 disk; none where mke2fs is not installed, which the tests of disks say.
fn disk() -> Option<&'static [u8]> {
    static DISK: OnceLock<Option<Vec<u8>>> = OnceLock::new();
    let made = DISK.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        write(&root, "etc/passwd", b"root:x:0:0::/root:/bin/sh\n");
        write(&root, "etc/fstab", b"/dev/sda1 / ext4 defaults 0 1\n");
        let path = folder.path().join("disk");
        let made = std::process::Command::new("/sbin/mke2fs")
            .args(["-q", "-t", "ext4", "-d"])
            .arg(&root)
            .arg(&path)
            .arg("1M")
            .output();
        made.ok().filter(|made| made.status.success()).map(|_| std::fs::read(path).unwrap())
    });
    made.as_deref()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_hosts_files(which in 0..HOST.len() + KERNEL.len(), changes in changes()) {
        let folder = tempfile::tempdir().unwrap();
        for (index, (path, text)) in HOST.iter().chain(&KERNEL).enumerate() {
            let bytes = if index == which { changed(text.as_bytes(), &changes) } else { text.as_bytes().to_vec() };
            write(folder.path(), path, &bytes);
        }
        write(folder.path(), "usr/bin/dockerd", b"");
        write(folder.path(), "usr/sbin/sshd", b"");
        shown_safely(&audit(&Source::at_rest(folder.path()).unwrap(), "tree"));
        shown_safely(&audit(&Source::running(folder.path()).unwrap(), "host"));
    }

    #[test]
    fn documents(changes in changes()) {
        const COMPOSE: &str = "services:\n  web: &w\n    image: a:1\n    privileged: true\n    volumes: [\"/run/docker.sock:/s\", {type: bind, source: /etc, target: /e}]\n    deploy: {resources: {limits: {pids: 5}}}\n  other: {<<: *w}\n";
        const POD: &str = "apiVersion: v1\nkind: Pod\nspec:\n  hostPID: true\n  containers:\n  - image: a\n    securityContext: {capabilities: {add: [SYS_ADMIN]}}\n---\nkind: Role\nrules: [{verbs: ['*']}]\n";
        const DOCKERFILE: &str = "# syntax=x\nFROM a:1 AS b\nARG TOKEN=x\nRUN <<EOF\ncurl http://x | sh\nEOF\nCOPY --from=b --chmod=777 /a \\\n  /b\nUSER root\n";
        let text = |good: &str| String::from_utf8_lossy(&changed(good.as_bytes(), &changes)).into_owned();
        if let Ok(report) = compose::audit("compose.yaml", &text(COMPOSE)) {
            shown_safely(&report);
        }
        if let Ok(report) = kubernetes::audit("pod.yaml", &text(POD)) {
            shown_safely(&report);
        }
        shown_safely(&dockerfile::audit("Dockerfile", &text(DOCKERFILE)));
    }

    #[test]
    fn files_of_the_audits_own(changes in changes()) {
        const RULES: &str = "[[rule]]\nid = \"own.a\"\ntitle = \"t\"\nwhy = \"w\"\nremedy = \"r\"\nseverity = \"low\"\npass = \"facts.accounts.users.filter(u, u.uid >= 1000 && u.name in ['a']).all(u, size(u.name) < 3 || !has(u.x))\"\n";
        const WAIVERS: &str = "[[waiver]]\ncheck = \"a\"\nowner = \"o\"\nreason = \"r\"\nuntil = \"2030-01-31\"\n";
        const BASELINE: &str = "{\"schema\": \"cofferdam.audit/1\", \"target\": \"x\", \"findings\": [{\"id\": \"a\", \"outcome\": \"fail\", \"seen\": [{\"text\": \"x\"}]}]}";
        let text = |good: &str| String::from_utf8_lossy(&changed(good.as_bytes(), &changes)).into_owned();
        let _ = rules::parse(&text(RULES));
        let _ = Waivers::parse(&text(WAIVERS));
        let _ = Baseline::parse(&text(BASELINE));
    }

    #[test]
    fn images(changes in changes()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image.tar");
        std::fs::write(&path, changed(&layer(), &changes)).unwrap();
        for report in image::audit(&path, "image.tar").unwrap_or_default() {
            shown_safely(&report);
        }
    }

    #[test]
    fn disks(changes in changes(), at in 0usize..200_000) {
        let Some(good) = disk() else { return Ok(()) };
        // Most of a disk is empty: the changes fall on its first part, where everything that is parsed lies; nothing is moved.
        let mut bytes = good.to_vec();
        for (place, _, put) in &changes {
            let start = (place % 200_000 + at) % (bytes.len() - 64);
            bytes[start..start + put.len()].copy_from_slice(put);
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        std::fs::write(&path, bytes).unwrap();
        if let Ok(report) = audit_disk(&path, "disk") {
            shown_safely(&report);
        }
    }
}
