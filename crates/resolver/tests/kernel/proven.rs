//! The confinement of a resolver, read by the proof and by hand.

use cofferdam_proof::HostKey;
use cofferdam_resolver::settings::Forwarding;

use crate::bench::{Ground, ask, member, proc_text};

pub fn a_resolver_is_confined_as_planned() {
    let ground = Ground::new(&[]);
    let member = member("blue", "web", 1, Forwarding::All, &[]);
    let _joined = ground.join(&member).unwrap();
    assert_eq!(ask(&member, "web").answers.len(), 1);
    let pid = ground.pid("blue").unwrap();

    let place = ground.place();
    let zone = "blue".parse().unwrap();
    let key = HostKey::open_or_create(&place.keys).unwrap();
    let envelope: cofferdam_proof::Envelope =
        serde_json::from_slice(&std::fs::read(place.receipt(&zone)).unwrap()).unwrap();
    let statement = envelope.check(&[key.public()]).unwrap();
    assert!(statement.findings.len() > 20);

    let status = proc_text(pid, "status");
    for line in [
        "NoNewPrivs:\t1",
        "Seccomp:\t2",
        "CapEff:\t0000000000000000",
        "CapPrm:\t0000000000000000",
        "CapBnd:\t0000000000000000",
        "Threads:\t1",
    ] {
        assert!(status.contains(line), "{line}\n{status}");
    }
    let root: Vec<_> =
        std::fs::read_dir(format!("/proc/{pid}/root")).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(root, ["cofferdam-resolver"]);
    let write = std::fs::write(format!("/proc/{pid}/root/x"), "x");
    assert_eq!(write.unwrap_err().kind(), std::io::ErrorKind::ReadOnlyFilesystem);
    for fd in std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap() {
        let target = std::fs::read_link(fd.unwrap().path()).unwrap().display().to_string();
        let known =
            target.starts_with("socket:") || target == "/dev/null" || target == "anon_inode:[eventpoll]";
        assert!(known, "{target}");
    }
    for kind in ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"] {
        let of = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/{kind}")).unwrap();
        assert_ne!(of(&pid.to_string()), of("self"), "{kind}");
    }
    assert!(proc_text(pid, "uid_map").split_ascii_whitespace().next_back() == Some("1"));
}
