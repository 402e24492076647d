//! A whole Debian as an image: what people do in one works, under the zone that a container gets which names none.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

mod support;

use std::time::{Duration, Instant};

use support::{Home, Ran, debian, is_root};

/// A home with the image `debian`.
fn home(test: &str) -> Option<Home> {
    if !is_root(test) {
        return None;
    }
    let tar = debian::tar(test)?;
    let home = Home::new();
    home.ok(&["image", "import", tar.to_str().unwrap(), "debian"]);
    Some(home)
}

fn bash(home: &Home, flags: &[&str], script: &str) -> Ran {
    let mut args = vec!["run", "--rm"];
    args.extend(flags);
    args.extend(["debian", "bash", "-ec", script]);
    home.run(&args)
}

#[test]
fn a_debian_of_mmdebstrap_is_at_home() {
    let Some(home) = home("a_debian_of_mmdebstrap_is_at_home") else { return };
    for (what, script, expected) in [
        ("bash", "echo $BASH_VERSION | grep -q '^5' && id -u", "0"),
        ("dpkg -l", "dpkg -l | grep -c '^ii  gcc '", "1"),
        ("dpkg checks its packages", "dpkg --verify coreutils && echo whole", "whole"),
        ("useradd", "useradd -m joe && su joe -c 'id -un; stat -c %U:%G ~'", "joe\njoe:joe"),
        ("chown", "touch /f && chown 1234:5678 /f && stat -c %u:%g /f", "1234:5678"),
        (
            "tar",
            "tar cf /x.tar -C /etc . && mkdir /y && tar xf /x.tar -C /y && diff -r --no-dereference /etc /y && echo same",
            "same",
        ),
        (
            "a compiler",
            "echo 'int main(void) { return 7; }' >a.c; gcc -o a a.c; rc=0; ./a || rc=$?; echo $rc",
            "7",
        ),
        (
            "file capabilities",
            "cp /bin/true t && setcap cap_net_bind_service+ep t && getcap t",
            "t cap_net_bind_service=ep",
        ),
        ("a hard link", "echo x >a; ln a b; stat -c %h b", "2"),
        (
            "dpkg installs",
            "cd /tmp && mkdir -p p/DEBIAN p/opt && echo hi >p/opt/hi && printf 'Package: p\\nVersion: 1\\nArchitecture: all\\nMaintainer: m\\nDescription: d\\n' >p/DEBIAN/control && dpkg-deb -b p p.deb >/dev/null && dpkg -i p.deb >/dev/null && cat /opt/hi",
            "hi",
        ),
    ] {
        let ran = bash(&home, &[], script);
        assert_eq!((ran.code, ran.out.trim()), (0, expected), "{what}: {ran:?}");
    }
}

#[test]
fn apt_says_that_there_is_no_network_and_does_not_hang() {
    let Some(home) = home("apt_says_that_there_is_no_network_and_does_not_hang") else { return };
    let start = Instant::now();
    let ran = bash(
        &home,
        &["--network", "none"],
        "cat /etc/resolv.conf; apt-get -o APT::Update::Error-Mode=any update",
    );
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    assert_eq!(ran.code, 100, "{ran:?}");
    assert!(ran.err.contains("Temporary failure resolving"), "{ran:?}");
    assert!(ran.out.contains("zone `default`: no network but the container's own loopback"), "{ran:?}");
}

#[test]
fn set_user_id_programs_give_rights_only_where_the_zone_says_so() {
    let Some(home) = home("set_user_id_programs_give_rights_only_where_the_zone_says_so") else { return };
    let script = "stat -c %a:%u /usr/bin/passwd; cp /usr/bin/id /usr/bin/suid-id; chmod 4755 /usr/bin/suid-id; \
        useradd joe; su joe -c 'suid-id -u'";
    let ran = bash(&home, &[], script);
    assert_eq!((ran.code, ran.out.trim()), (0, "4755:0\n1000"), "{ran:?}");
    let zone = home.ok(&["zone", "show", "default"]);
    let zone = zone.replace("new_privileges = false", "new_privileges = true");
    let file = home.path().join("setuid.toml");
    std::fs::write(&file, zone.replace("zone = \"default\"", "zone = \"setuid\"")).unwrap();
    home.ok(&["zone", "apply", file.to_str().unwrap()]);
    let ran = bash(&home, &["--zone", "setuid"], script);
    assert_eq!((ran.code, ran.out.trim()), (0, "4755:0\n0"), "{ran:?}");
    // As Docker: a file's capability counts for an ordinary user, who binds a low port with it.
    let script = "useradd joe; printf '#include <sys/socket.h>\\n#include <netinet/in.h>\\nint main(void) { \
        struct sockaddr_in a = { AF_INET, htons(80) }; return bind(socket(AF_INET, SOCK_STREAM, 0), (void *)&a, sizeof a); }' >b.c; \
        gcc -o /usr/bin/b b.c; rc=0; su joe -c /usr/bin/b || rc=$?; echo $rc; \
        setcap cap_net_bind_service+ep /usr/bin/b; su joe -c /usr/bin/b; echo $?";
    let flags = ["--zone", "setuid", "--sysctl", "net.ipv4.ip_unprivileged_port_start=1024"];
    let ran = bash(&home, &flags, script);
    assert_eq!((ran.code, ran.out.trim()), (0, "255\n0"), "{ran:?}");
}
