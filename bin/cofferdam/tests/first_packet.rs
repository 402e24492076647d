//! The gate on the network: a program that sends as its very first act gets nothing out to where its zone does not let it.
//! `COFFERDAM_FIRST_PACKETS` is how many containers try; `cargo xtask first-packets` starts 1,000.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

mod support;

use std::net::IpAddr;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use support::hosts::{HOST, Hosts, INTERNET, LAN, METADATA, Node, zone};
use support::packets::Sniffer;
use support::{busybox_home, busybox_root, skip};

/// Starters that run beside one another, and threads that keep the machine busy meanwhile.
const HANDS: usize = 4;
const LOAD: usize = 4;
/// How often each container sends to each address: at once, and again for as many milliseconds.
const TIMES: usize = 10;

/// No library and no start-up code: the first instruction is on the way to the first packet.
const SOURCE: &str = r#"
static long call(long number, long a, long b, long c, long d, long e, long f) {
    register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}
enum { SENDTO = 44, SOCKET = 41, CONNECT = 42, NANOSLEEP = 35, EXIT_GROUP = 231 };
static const unsigned char to[][28] = { TARGETS };
void _start(void) {
    int count = sizeof to / sizeof *to;
    for (int time = 0; time < TIMES; time++) {
        for (int place = 0; place < count; place++) {
            int family = to[place][0], length = family == 2 ? 16 : 28;
            long datagram = call(SOCKET, family, 2, 0, 0, 0, 0);
            call(SENDTO, datagram, (long)"first", 5, 0, (long)to[place], length);
            long stream = call(SOCKET, family, 1 | 2048, 0, 0, 0, 0);
            call(CONNECT, stream, (long)to[place], length, 0, 0, 0);
        }
        long pause[2] = {0, 1000000};
        call(NANOSLEEP, (long)pause, 0, 0, 0, 0, 0);
    }
    call(EXIT_GROUP, 0, 0, 0, 0, 0, 0);
}
"#;

/// `struct sockaddr_in` or `sockaddr_in6` with port 9, as an initializer.
fn initializer(address: IpAddr) -> String {
    let mut bytes = Vec::new();
    match address {
        IpAddr::V4(address) => {
            bytes.extend([2, 0, 0, 9]);
            bytes.extend(address.octets());
        }
        IpAddr::V6(address) => {
            bytes.extend([10, 0, 0, 9, 0, 0, 0, 0]);
            bytes.extend(address.octets());
        }
    }
    let numbers: Vec<String> = bytes.iter().map(ToString::to_string).collect();
    format!("{{{}}}", numbers.join(","))
}

fn build(program: &Path, targets: &[IpAddr]) -> bool {
    let source = program.with_extension("c");
    let list: Vec<String> = targets.iter().map(|address| initializer(*address)).collect();
    std::fs::write(&source, SOURCE.replace("TARGETS", &list.join(",")).replace("TIMES", &TIMES.to_string()))
        .unwrap();
    let mut command = Command::new("gcc");
    command.args(["-O1", "-static", "-nostdlib", "-fno-stack-protector", "-o"]).arg(program).arg(&source);
    command.status().is_ok_and(|status| status.success())
}

#[test]
fn nothing_gets_out_before_the_rules_are_in_force() {
    let test = "nothing_gets_out_before_the_rules_are_in_force";
    let rounds: usize = std::env::var("COFFERDAM_FIRST_PACKETS").map_or(100, |text| text.parse().unwrap());
    let Some(home) = busybox_home(test) else { return };
    let hosts = Hosts::around_here();
    zone(&home, "other", "egress = []\ningress = [\"any\", \"host\"]");
    let other = Node::start(&home, &["--zone", "other"]);
    let addresses = |list: [&str; 2]| list.map(|text| text.parse::<IpAddr>().unwrap());
    let forbidden = [
        ("the private network", &hosts.lan, addresses(LAN)),
        ("the metadata service", &hosts.metadata, addresses(METADATA)),
        ("a container of another zone", &other.place, other.addresses),
    ];
    let mut targets: Vec<IpAddr> = forbidden.iter().flat_map(|(_, _, pair)| *pair).collect();
    targets.extend(addresses(HOST));
    targets.extend(addresses(INTERNET));

    let folder = tempfile::tempdir().unwrap();
    let Some(root) = busybox_root(test, folder.path()) else { return };
    if !build(&root.join("bin/first"), &targets) {
        return skip(test, "gcc does not build a program for x86-64 without libraries here");
    }
    home.ok(&["image", "import", root.to_str().unwrap(), "first"]);

    // What the host itself would answer with: a socket at the port takes the datagrams.
    let heard_by_host = hosts.host.inside(|| std::net::UdpSocket::bind("[::]:9").unwrap());
    heard_by_host.set_nonblocking(true).unwrap();
    let sniffers: Vec<Sniffer> = forbidden.iter().map(|(_, place, _)| Sniffer::at(place)).collect();
    let internet = Sniffer::at(&hosts.internet);
    let (mut got_out, mut allowed) = (Vec::new(), 0);
    let (next, over, start) = (AtomicUsize::new(0), AtomicBool::new(false), Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..LOAD {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let hands: Vec<_> = (0..HANDS)
            .map(|_| {
                scope.spawn(|| {
                    while next.fetch_add(1, Ordering::Relaxed) < rounds {
                        let ran = home.run(&["run", "--rm", "first", "first"]);
                        assert_eq!(ran.code, 0, "{ran:?}");
                    }
                })
            })
            .collect();
        // Looked at all the while: what a socket can hold is less than a thousand containers send.
        let mut last = false;
        loop {
            for ((name, _, pair), sniffer) in forbidden.iter().zip(&sniffers) {
                for frame in sniffer.frames().iter().filter(|frame| is_for(frame, pair)) {
                    got_out.push(format!("{name}: {frame:02x?}"));
                }
            }
            let reached = internet.frames();
            allowed += reached.iter().filter(|frame| is_for(frame, &addresses(INTERNET))).count();
            if last {
                break;
            }
            last = hands.iter().all(std::thread::ScopedJoinHandle::is_finished);
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        over.store(true, Ordering::Relaxed);
    });
    assert_eq!(got_out, Vec::<String>::new());
    assert!(heard_by_host.recv_from(&mut [0; 8]).is_err(), "the host heard one");
    // Each sends a datagram and the beginning of a connection to both addresses that it may, at least once.
    assert!(allowed >= 4 * rounds, "{allowed} packets of {rounds} containers arrived where they may");
    println!(
        "{rounds} containers sent first: {allowed} packets where they may, none elsewhere, in {:?}",
        start.elapsed()
    );
    home.ok(&["rm", "-f", &other.id]);
}

fn is_for(frame: &[u8], pair: &[IpAddr; 2]) -> bool {
    support::packets::destination(frame).is_some_and(|to| pair.contains(&to))
}
