//! The readers of `/proc` on the real kernel.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;

use cofferdam_kernel::namespace::Namespace;
use cofferdam_kernel::proc::{ProcError, ProcFs};
use rustix::fs::OFlags;

#[test]
fn every_reader_reads_this_process() {
    let proc = ProcFs::open().unwrap();
    let own = proc.this_process().unwrap();
    let status = own.status().unwrap();
    assert_eq!(status.pid, i32::try_from(std::process::id()).unwrap());
    assert_eq!(status.uid.effective, rustix::process::geteuid().as_raw());
    assert!(own.stat().unwrap().start_time > 0);
    assert!(!own.uid_map().unwrap().is_empty());
    assert!(!own.gid_map().unwrap().is_empty());
    own.setgroups().unwrap();
    assert!(own.mountinfo().unwrap().iter().any(|mount| mount.fstype == "proc"));
    assert_eq!(own.limits().unwrap().len(), 16);
    assert!(!own.cgroup().unwrap().is_empty());
    own.timens_offsets().unwrap();
    own.oom_score_adj().unwrap();
    own.personality().unwrap();
    own.security_label().unwrap();
    own.apparmor_label().unwrap();
    let first = own.cmdline().unwrap();
    assert_eq!(first.first().map(Into::into), std::env::args_os().next());
    assert_eq!(own.link("exe").unwrap(), std::env::current_exe().unwrap());
    assert_eq!(own.link("cwd").unwrap(), std::env::current_dir().unwrap());
    for kind in Namespace::ALL {
        let meta = std::fs::metadata(format!("/proc/self/ns/{}", kind.link_name())).unwrap();
        let id = own.namespace(kind).unwrap();
        assert_eq!((id.dev, id.ino), (meta.dev(), meta.ino()));
        assert_eq!(own.namespace_number(kind).unwrap(), meta.ino());
    }
    assert_eq!(proc.this_thread().unwrap().status().unwrap().ns_pid, {
        let text = std::fs::read("/proc/thread-self/status").unwrap();
        cofferdam_kernel::proc::parse_status(&text).unwrap().ns_pid
    });
}

#[test]
fn descriptors_show_their_flags_and_kind() {
    let proc = ProcFs::open().unwrap();
    let kept = File::open("/dev/zero").unwrap();
    rustix::io::fcntl_setfd(&kept, rustix::io::FdFlags::empty()).unwrap();
    let closed = File::open("/").unwrap();
    let own = proc.this_process().unwrap();
    let found = own.descriptors().unwrap();
    let of = |file: &File| {
        let number = u32::try_from(std::os::fd::AsRawFd::as_raw_fd(file)).unwrap();
        let descriptor = found.iter().find(|descriptor| descriptor.number == number).unwrap();
        (descriptor, own.descriptor_info(number).unwrap())
    };
    let (descriptor, info) = of(&kept);
    assert!(!info.close_on_exec());
    assert_eq!(descriptor.device, (1, 5));
    let (descriptor, info) = of(&closed);
    assert!(info.close_on_exec());
    assert_eq!(descriptor.mode & 0o170_000, 0o040_000);
}

#[test]
fn a_process_that_is_gone_stays_gone() {
    let proc = ProcFs::open().unwrap();
    let mut child = std::process::Command::new("/bin/true").spawn().unwrap();
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    let dir = proc.process(pid).unwrap();
    child.wait().unwrap();
    assert!(dir.status().is_err());
    assert!(matches!(proc.process(pid), Err(error) if error.is_absent()));
}

#[test]
fn only_the_root_of_a_procfs_is_taken() {
    let refused = |path: &str| ProcFs::from_fd(OwnedFd::from(File::open(path).unwrap())).unwrap_err();
    assert!(matches!(refused("/proc/sys"), ProcError::NotProcfs { .. }));
    assert!(matches!(refused("/proc/self/task"), ProcError::NotProcfs { .. }));
    assert!(matches!(refused("/tmp"), ProcError::NotProcfs { .. }));
    assert!(ProcFs::from_fd(OwnedFd::from(File::open("/proc").unwrap())).is_ok());
}

#[test]
fn cve_2023_27561_and_2023_28642_a_link_is_not_followed() {
    let proc = ProcFs::open().unwrap();
    // `self` is a link of procfs's own; `self/root` a magic one: neither is followed on the way to a file.
    for path in ["self/status", "1/root/proc/1/status", "../etc/passwd", "/etc/passwd", "mounts"] {
        assert!(matches!(proc.read(path), Err(ProcError::Open { .. })), "{path}");
    }
}

/// Runs itself again in a mount namespace of its own, where a file is mounted over two of procfs's.
#[test]
fn cve_2025_52881_and_2019_19921_a_file_mounted_over_one_of_procfs_is_refused() {
    const NAME: &str = "cve_2025_52881_and_2019_19921_a_file_mounted_over_one_of_procfs_is_refused";
    if std::env::var_os("COFFERDAM_TEST_REDIRECTED").is_some() {
        let proc = ProcFs::open().unwrap();
        let error = proc.set_sysctl("kernel.hostname", "redirected").unwrap_err();
        assert!(matches!(error, ProcError::Open { .. }), "{error:?}");
        let error = proc.this_process().unwrap().write("attr/exec", b"redirected").unwrap_err();
        assert!(matches!(error, ProcError::Open { .. }), "{error:?}");
        return;
    }
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIP {NAME}: mounting needs root");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let fake = folder.path().join("fake");
    std::fs::write(&fake, "untouched").unwrap();
    let script = "mount --bind \"$FAKE\" /proc/sys/kernel/hostname && mount --bind \"$FAKE\" /proc/$$/attr/exec \
        && exec \"$0\" --exact \"$1\"";
    let status = std::process::Command::new("unshare")
        .args(["-m", "sh", "-c", script])
        .arg(std::env::current_exe().unwrap())
        .arg(NAME)
        .env("FAKE", &fake)
        .env("COFFERDAM_TEST_REDIRECTED", "1")
        .status()
        .unwrap();
    assert!(status.success());
    assert_eq!(std::fs::read_to_string(&fake).unwrap(), "untouched");
}

#[test]
fn reads_below_proc_sys() {
    let proc = ProcFs::open().unwrap();
    let name = proc.sysctl("kernel.hostname").unwrap();
    assert_eq!(name, std::fs::read("/proc/sys/kernel/hostname").unwrap());
    assert!(proc.sysctl("kernel.no_such_parameter").unwrap_err().is_absent());
    assert!(proc.open_file("sys/kernel", OFlags::PATH | OFlags::DIRECTORY).is_ok());
}
