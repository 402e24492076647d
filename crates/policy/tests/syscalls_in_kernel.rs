//! The built-in profiles on this machine's kernel: what has led out of containers stays shut, by the native entry and by
//! the 32-bit one, and ordinary programs run.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]
#![cfg(target_arch = "x86_64")]

#[path = "filtered/probe.rs"]
mod probe;
#[path = "filtered/run.rs"]
mod run;

use std::os::unix::process::ExitStatusExt;

use cofferdam_confinement::seccomp::{Arch, syscall_number};
use probe::{Arg, Call, Entry};
use run::{Filter, MARK, become_program, run};

const EPERM: i64 = -1;
const ENOSYS: i64 = -38;
const EAFNOSUPPORT: i64 = -97;
const EPROTONOSUPPORT: i64 = -93;

fn call<const N: usize>(entry: Entry, name: &str, args: [u64; N]) -> Call {
    let arch = if entry == Entry::Native { Arch::X86_64 } else { Arch::X86 };
    Call { entry, number: syscall_number(arch, name).unwrap(), args: args.map(Arg::from).into() }
}

/// The 32-bit multiplexer: its arguments are in memory.
fn socketcall(number: u64, args: &[u32]) -> Call {
    let bytes = args.iter().flat_map(|word| word.to_le_bytes()).collect();
    let number_of = syscall_number(Arch::X86, "socketcall").unwrap();
    Call { entry: Entry::I386, number: number_of, args: vec![Arg::Number(number), Arg::Bytes(bytes)] }
}

/// What the calls return under a filter; none if the kernel killed the program.
fn answers(test: &str, filter: Filter, calls: &[Call]) -> Option<Vec<i64>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("probe");
    probe::write(&path, calls);
    let output = run(test, filter, &[path.to_str().unwrap()]);
    // What the test runner prints before comes first.
    let tail = output.stdout.len().checked_sub(8 * calls.len())?;
    let results = probe::results(&output.stdout[tail..]);
    output.status.success().then(|| calls.iter().zip(results).map(|(call, r)| as_errno(call, r)).collect())
}

/// i386 results fill the lower half only on some kernels.
fn as_errno(call: &Call, result: i64) -> i64 {
    if call.entry == Entry::I386 {
        i64::from(result.to_le_bytes().first_chunk().map_or(0, |low| i32::from_le_bytes(*low)))
    } else {
        result
    }
}

/// Whether this kernel takes 32-bit calls at all.
fn has_i386(test: &str) -> bool {
    let works = answers(test, Filter::None, &[call(Entry::I386, "getpid", [])]).is_some();
    if !works {
        eprintln!("SKIP {test}: this kernel has no 32-bit entry");
    }
    works
}

/// Under the default filter each call is refused with this errno, and it is the filter that refuses it, not a kernel that
/// lacks the call or wants a capability.
fn refused(test: &str, calls: &[(Call, i64)]) {
    let (calls, errnos): (Vec<Call>, Vec<i64>) = calls.iter().cloned().unzip();
    assert_eq!(answers(test, Filter::Default, &calls).unwrap(), errnos, "{calls:?}");
    let marked: Vec<i64> = errnos.iter().map(|errno| errno - i64::from(MARK)).collect();
    assert_eq!(answers(test, Filter::Marked, &calls).unwrap(), marked, "{calls:?}");
}

fn refused_i386(test: &str, calls: &[(Call, i64)]) {
    if has_i386(test) {
        refused(test, calls);
    }
}

/// Each test runs itself for the program that it observes: that one does not return from here.
macro_rules! escape {
    ($name:ident, $check:ident, $calls:expr) => {
        #[test]
        fn $name() {
            become_program();
            $check(stringify!($name), &$calls);
        }
    };
}

escape!(
    cve_2020_14386_af_packet,
    refused,
    [
        (call(Entry::Native, "socket", [17, 3, 0x0300]), EAFNOSUPPORT),
        (call(Entry::Native, "socket", [17, 2, 0]), EAFNOSUPPORT),
        // SOCK_PACKET of AF_INET is AF_PACKET by an older name.
        (call(Entry::Native, "socket", [2, 10, 0x0300]), EPROTONOSUPPORT),
    ]
);
// A child of the host's own `exec`, or of the host's first process.
escape!(
    a_child_for_ones_own_parent,
    refused,
    [
        (call(Entry::Native, "clone", [0x8000 | 17, 0, 0, 0, 0]), EPERM),
        (call(Entry::Native, "clone", [0x1_0000_8000 | 17, 0, 0, 0, 0]), EPERM),
        (call(Entry::Native, "clone3", [0, 0]), ENOSYS),
    ]
);
escape!(
    a_child_for_ones_own_parent_i386,
    refused_i386,
    [
        (call(Entry::I386, "clone", [0x8000 | 17, 0, 0, 0, 0]), EPERM),
        (call(Entry::I386, "clone3", [0, 0]), ENOSYS),
    ]
);
escape!(
    cve_2020_14386_af_packet_i386,
    refused_i386,
    [
        (call(Entry::I386, "socket", [17, 3, 0x0300]), EAFNOSUPPORT),
        (call(Entry::I386, "socket", [2, 10, 0x0300]), EPROTONOSUPPORT),
        (socketcall(1, &[17, 3, 0x0300]), ENOSYS),
    ]
);

escape!(
    cve_2022_0185_fsconfig,
    refused,
    [
        (call(Entry::Native, "fsopen", [0, 0]), ENOSYS),
        (call(Entry::Native, "fsconfig", [u64::MAX, 0, 0, 0, 0]), ENOSYS),
        (call(Entry::Native, "unshare", [0x1000_0000]), EPERM),
    ]
);
escape!(
    cve_2022_0185_fsconfig_i386,
    refused_i386,
    [
        (call(Entry::I386, "fsopen", [0, 0]), ENOSYS),
        (call(Entry::I386, "fsconfig", [0xFFFF_FFFF, 0, 0, 0, 0]), ENOSYS),
        (call(Entry::I386, "unshare", [0x1000_0000]), EPERM),
    ]
);

escape!(
    cve_2024_1086_nf_tables,
    refused,
    [
        (call(Entry::Native, "socket", [16, 3, 12]), EPROTONOSUPPORT),
        (call(Entry::Native, "socket", [0x5_0000_0010, 0x1_0000_0003, 0x1_0000_000C]), EPROTONOSUPPORT),
    ]
);
escape!(
    cve_2024_1086_nf_tables_i386,
    refused_i386,
    [(call(Entry::I386, "socket", [16, 3, 12]), EPROTONOSUPPORT), (socketcall(1, &[16, 3, 12]), ENOSYS),]
);

escape!(
    cve_2026_31431_af_alg,
    refused,
    [
        (call(Entry::Native, "socket", [38, 5, 0]), EAFNOSUPPORT),
        (call(Entry::Native, "socket", [0x1_0000_0026, 5, 0]), EAFNOSUPPORT),
    ]
);
escape!(
    cve_2026_31431_af_alg_i386,
    refused_i386,
    [(call(Entry::I386, "socket", [38, 5, 0]), EAFNOSUPPORT), (socketcall(1, &[38, 5, 0]), ENOSYS),]
);

escape!(
    no_call_makes_a_user_namespace,
    refused,
    [
        (call(Entry::Native, "unshare", [0x1000_0000]), EPERM),
        (call(Entry::Native, "unshare", [0x5000_0000]), EPERM),
        (call(Entry::Native, "clone3", [0, 0]), ENOSYS),
    ]
);
escape!(
    no_call_makes_a_user_namespace_i386,
    refused_i386,
    [(call(Entry::I386, "unshare", [0x1000_0000]), EPERM), (call(Entry::I386, "clone3", [0, 0]), ENOSYS),]
);

/// With bad pointers and descriptors, which the kernel never sees.
fn kernel_interfaces(entry: Entry) -> Vec<(Call, i64)> {
    vec![
        (call(entry, "bpf", [0xFFFF, 0, 0]), EPERM),
        (call(entry, "io_uring_setup", [1, 0]), ENOSYS),
        (call(entry, "io_uring_enter", [9999, 0, 0, 0, 0]), ENOSYS),
        (call(entry, "keyctl", [0xFFFF, 0, 0]), EPERM),
        (call(entry, "add_key", [0, 0, 0, 0, 0]), EPERM),
        (call(entry, "request_key", [0, 0, 0, 0]), EPERM),
        (call(entry, "userfaultfd", [0xFFFF_FFF0]), EPERM),
        (call(entry, "perf_event_open", [0, 0, 0, 0, 0]), EPERM),
        (call(entry, "mount", [0, 0, 0, 0, 0]), EPERM),
        (call(entry, "open_tree", [0xFFFF_FFFF, 0, 0]), ENOSYS),
        (call(entry, "setns", [9999, 0]), EPERM),
        (call(entry, "pivot_root", [0, 0]), EPERM),
        (call(entry, "open_by_handle_at", [9999, 0, 0]), EPERM),
        (call(entry, "process_vm_readv", [1, 0, 0, 0, 0, 0xFF]), EPERM),
        // TIOCSTI, TIOCLINUX, TIOCSETD on /dev/null
        (call(entry, "ioctl", [0, 0x5412, 0]), EPERM),
        (call(entry, "ioctl", [0, 0x541C, 0]), EPERM),
        (call(entry, "ioctl", [0, 0x5423, 0]), EPERM),
    ]
}

escape!(interfaces_of_the_kernel_are_out_of_reach, refused, kernel_interfaces(Entry::Native));
escape!(interfaces_of_the_kernel_are_out_of_reach_i386, refused_i386, kernel_interfaces(Entry::I386));

#[test]
fn an_ioctl_request_is_not_hidden_by_its_upper_half() {
    become_program();
    let test = "an_ioctl_request_is_not_hidden_by_its_upper_half";
    refused(test, &[(call(Entry::Native, "ioctl", [0, 0xDEAD_0000_5412, 0]), EPERM)]);
}

#[test]
fn what_containers_do_is_allowed_by_both_entries() {
    become_program();
    let test = "what_containers_do_is_allowed_by_both_entries";
    let calls = |entry| {
        vec![
            call(entry, "getpid", []),
            call(entry, "socket", [1, 1, 0]),
            call(entry, "socket", [2, 1, 6]),
            call(entry, "socket", [10, 2, 17]),
            call(entry, "socket", [16, 3, 0]),
            call(entry, "unshare", [0x400]),
            call(entry, "personality", [0xFFFF_FFFF]),
            call(entry, "dup", [1]),
        ]
    };
    let entries = if has_i386(test) { vec![Entry::Native, Entry::I386] } else { vec![Entry::Native] };
    for entry in entries {
        let answers = answers(test, Filter::Default, &calls(entry)).unwrap();
        assert!(answers.iter().all(|answer| *answer >= 0), "{entry:?} {answers:?}");
    }
}

/// What a program does that gets the wrong entry: it dies by SIGSYS.
fn dies(test: &str, filter: Filter, call: Call) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("probe");
    probe::write(&path, &[call]);
    let output = run(test, filter, &[path.to_str().unwrap()]);
    assert_eq!(output.status.signal(), Some(rustix::process::Signal::SYS.as_raw()), "{output:?}");
}

#[test]
fn x32_kills() {
    become_program();
    let getpid = Call { number: 0x4000_0000 | 39, ..call(Entry::Native, "getpid", []) };
    for filter in [Filter::Default, Filter::Strict] {
        dies("x32_kills", filter, getpid.clone());
    }
}

#[test]
fn under_strict_the_32_bit_entry_kills() {
    become_program();
    let test = "under_strict_the_32_bit_entry_kills";
    if has_i386(test) {
        dies(test, Filter::Strict, call(Entry::I386, "getpid", []));
    }
}

/// A shell's work: processes, pipes, files, links, times, a here-document, arithmetic, job control.
const SHELL: &str = "set -e; cd \"$(mktemp -d)\"; d=$PWD; echo a b c | tr a-z A-Z > f; test \"$(cat f)\" = 'A B C'; cp -p f g; \
    ln -s f l; mv g h; chmod 600 h; touch -d 2020-01-01 h; ls -la > /dev/null; mkfifo p; (echo x > p) & cat p > /dev/null; wait; \
    sleep 0.01; find . -type f | sort | head -5 > /dev/null; sort -r f; df . > /dev/null; stat h > /dev/null; id > /dev/null; \
    seq 1 2000 | wc -l; dd if=/dev/zero of=z bs=4k count=4 2> /dev/null; tar cf t.tar f h; gzip t.tar; timeout 5 true; nice true; \
    uname -a > /dev/null; date > /dev/null; cd /; rm -r \"$d\"; echo fine";

/// Threads, subprocesses, an event loop, local sockets, mmap, timers, random numbers, temporary files.
const PYTHON: &str =
    "import asyncio, json, mmap, os, random, socket, subprocess, tempfile, threading, time, multiprocessing
t = threading.Thread(target=time.sleep, args=(0.01,)); t.start(); t.join()
assert subprocess.run(['echo', 'x'], capture_output=True).stdout == b'x\\n'
a, b = socket.socketpair(); a.send(b'hi'); assert b.recv(2) == b'hi'
async def main():
    p = await asyncio.create_subprocess_exec('true'); await p.wait(); await asyncio.sleep(0.01)
asyncio.run(main())
with tempfile.TemporaryFile() as f:
    f.write(b'x' * 9000); f.flush(); mmap.mmap(f.fileno(), 0).close(); os.fsync(f.fileno())
os.sched_getaffinity(0); os.urandom(8); os.statvfs('/'); os.getloadavg(); json.dumps(random.random())
pid = os.fork()
if pid == 0: os._exit(3)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3
print('fine')";

#[test]
fn ordinary_programs_run_under_both_profiles() {
    become_program();
    let test = "ordinary_programs_run_under_both_profiles";
    let python = ["/usr/bin/python3", "/usr/local/bin/python3", "/root/.pyenv/shims/python3"];
    let python = python.into_iter().find(|path| std::path::Path::new(path).exists());
    let mut programs = vec![vec!["/bin/bash", "-c", SHELL], vec!["/bin/sh", "-c", SHELL]];
    programs.push(vec!["/bin/busybox", "sh", "-c", SHELL]);
    programs.extend(python.map(|python| vec![python, "-c", PYTHON]));
    if python.is_none() {
        eprintln!("SKIP {test} (python3): not installed");
    }
    for program in programs {
        if !std::path::Path::new(program[0]).exists() {
            eprintln!("SKIP {test} ({}): not installed", program[0]);
            continue;
        }
        for filter in [Filter::Default, Filter::Strict] {
            let output = run(test, filter, &program);
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(
                output.status.success() && text.trim_end().ends_with("fine"),
                "{} {filter:?} {output:?}",
                program[0]
            );
            assert!(output.stderr.is_empty(), "{} {filter:?} {output:?}", program[0]);
        }
    }
}
