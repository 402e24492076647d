//! Filters on this machine's kernel: installed, obeyed, read back.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use std::env;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::AsRawFd;
use std::process::{Child, Command, Stdio};
use std::thread;

use cofferdam_kernel::ptrace::{Stop, Tracee};
use cofferdam_kernel::seccomp::{
    FilterFlags, InstallError, Instruction, action_available, install, read_filter, read_log_flag,
};
use rustix::process::Pid;
use rustix::thread::set_no_new_privs;

/// Set for the process that a test starts of itself.
const CHILD: &str = "COFFERDAM_SECCOMP_TEST_CHILD";

const RETURN: u16 = 0x06;
const LOAD: u16 = 0x20;
const JUMP_EQUAL: u16 = 0x15;
const ALLOW: u32 = 0x7FFF_0000;
const NOTIFY: u32 = 0x7FC0_0000;
const ERRNO: u32 = 0x0005_0000;

fn instruction(code: u16, jt: u8, jf: u8, k: u32) -> Instruction {
    Instruction { code, jt, jf, k }
}

/// Answers one call, lets the others run.
fn answering(number: u32, answer: u32) -> Vec<Instruction> {
    vec![
        instruction(LOAD, 0, 0, 0),
        instruction(JUMP_EQUAL, 0, 1, number),
        instruction(RETURN, 0, 0, answer),
        instruction(RETURN, 0, 0, ALLOW),
    ]
}

/// A program with every operation that filters are made of, and constants that a byte order would show.
fn long_program() -> Vec<Instruction> {
    let mut program = Vec::new();
    for k in 0..1000_u32 {
        program.push(instruction(LOAD, 0, 0, 16 + 4 * (k % 12)));
        program.push(instruction(0x54, 0, 0, 0x0102_0304 ^ k));
        program.push(instruction([0x15, 0x25, 0x35, 0x45][k as usize % 4], 0, 0, 0xFEDC_0000 | k));
        program.push(instruction(0x05, 0, 0, 0));
    }
    program.push(instruction(RETURN, 0, 0, ALLOW));
    program
}

/// Runs the named test of this program again, as a child that is told so.
fn child_of(test: &str) -> Child {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(CHILD, "1");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

/// In the child: says that it is ready, then stays until its input ends.
fn stay() {
    println!("tid {}", rustix::thread::gettid().as_raw_nonzero());
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

#[test]
fn a_filter_is_read_back_byte_for_byte() {
    if env::var_os(CHILD).is_some() {
        set_no_new_privs(true).unwrap();
        let logged = FilterFlags { log: true, ..FilterFlags::default() };
        assert!(install(&long_program(), FilterFlags::default()).unwrap().is_none());
        assert!(install(&answering(0xFFF, ERRNO | 5), logged).unwrap().is_none());
        return stay();
    }
    let mut child = child_of("a_filter_is_read_back_byte_for_byte");
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let tid = lines.find_map(|line| line.split("tid ").nth(1)?.trim().parse::<i32>().ok()).unwrap();
    // The thread that installed the filters is not the child's first one.
    let tracee = Tracee::seize_to_look(Pid::from_raw(tid).unwrap()).unwrap();
    tracee.interrupt().unwrap();
    assert_eq!(tracee.wait().unwrap(), Stop::Interrupted);
    let read = |index| read_filter(tracee.pid(), index);
    match read(0) {
        Err(error) if error.source.raw_os_error() == Some(libc::EACCES) => {
            eprintln!(
                "SKIP a_filter_is_read_back_byte_for_byte: no CAP_SYS_ADMIN, or this test is filtered itself"
            );
        }
        oldest => {
            assert_eq!(oldest.unwrap(), Some(long_program()));
            assert_eq!(read(1).unwrap(), Some(answering(0xFFF, ERRNO | 5)));
            assert_eq!(read(2).unwrap(), None);
            assert_eq!(read_log_flag(tracee.pid(), 0).unwrap(), Some(false));
            assert_eq!(read_log_flag(tracee.pid(), 1).unwrap(), Some(true));
            assert_eq!(read_log_flag(tracee.pid(), 2).unwrap(), None);
        }
    }
    tracee.detach(0).unwrap();
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_task_without_a_filter_has_none_to_read() {
    let mut child = Command::new("/bin/sleep").arg("100").spawn().unwrap();
    let tracee = Tracee::seize_to_look(Pid::from_child(&child)).unwrap();
    tracee.interrupt().unwrap();
    assert_eq!(tracee.wait().unwrap(), Stop::Interrupted);
    let code = read_filter(tracee.pid(), 0).unwrap_err().source.raw_os_error();
    assert!(matches!(code, Some(libc::EINVAL | libc::EACCES)), "{code:?}");
    tracee.detach(0).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
}

/// A filter holds for the thread that installs it, and for no other of this test.
#[test]
fn a_filtered_call_fails_with_the_filters_errno() {
    let getpriority = u32::try_from(libc::SYS_getpriority).unwrap();
    let error = thread::spawn(move || {
        set_no_new_privs(true).unwrap();
        install(&answering(getpriority, ERRNO | 77), FilterFlags::default()).unwrap();
        rustix::process::getpriority_process(None).unwrap_err().raw_os_error()
    });
    assert_eq!(error.join().unwrap(), 77);
    assert!(rustix::process::getpriority_process(None).is_ok());
}

#[test]
fn one_listener_at_a_time() {
    let never = answering(0xFFF, NOTIFY);
    let (first, second) = thread::spawn(move || {
        set_no_new_privs(true).unwrap();
        let flags = FilterFlags { new_listener: true, wait_killable_recv: true, ..FilterFlags::default() };
        let first = install(&never, flags).unwrap().unwrap();
        (first, install(&never, flags).unwrap_err())
    })
    .join()
    .unwrap();
    assert!(
        rustix::io::fcntl_getfd(&first).unwrap().contains(rustix::io::FdFlags::CLOEXEC),
        "{}",
        first.as_raw_fd()
    );
    assert!(
        matches!(second, InstallError::Refused { source, .. } if source.raw_os_error() == Some(libc::EBUSY))
    );
}

#[test]
fn a_program_of_no_length_or_too_much_is_refused() {
    for length in [0, 4097] {
        let program = vec![instruction(RETURN, 0, 0, ALLOW); length];
        let error = install(&program, FilterFlags::default()).unwrap_err();
        assert!(matches!(error, InstallError::Length(found) if found == length));
    }
}

#[test]
fn the_kernel_knows_its_actions() {
    for action in [0, 0x8000_0000, 0x0003_0000, ERRNO, NOTIFY, 0x7FF0_0000, 0x7FFC_0000, ALLOW] {
        assert!(action_available(action).unwrap(), "{action:#x}");
    }
    assert!(!action_available(0x1234_0000).unwrap());
}
