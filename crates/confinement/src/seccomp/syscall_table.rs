//! System calls by name and by number.

use super::Arch;
use super::numbers::{NO, ROWS, Row};

/// Set in the number of a call that an x86_64 kernel gets through its x32 entry (`__X32_SYSCALL_BIT`).
pub(super) const X32_BIT: u32 = 0x4000_0000;

/// The column of an architecture, if there is a table for it.
fn column(arch: Arch) -> Option<usize> {
    match arch {
        Arch::X86_64 => Some(0),
        Arch::X32 => Some(1),
        Arch::X86 => Some(2),
        Arch::Aarch64 => Some(3),
        Arch::Arm => Some(4),
        _ => None,
    }
}

fn row(name: &str) -> Option<&'static Row> {
    let index = ROWS.binary_search_by(|(candidate, _)| (*candidate).cmp(name)).ok()?;
    ROWS.get(index)
}

/// Whether any of the architectures has a call of this name.
#[must_use]
pub fn is_syscall(name: &str) -> bool {
    row(name).is_some()
}

/// The number of a call as `seccomp_data.nr` holds it; on x32 with bit 30.
#[must_use]
pub fn syscall_number(arch: Arch, name: &str) -> Option<u32> {
    let number = *row(name)?.1.get(column(arch)?)?;
    match number {
        NO => None,
        _ if arch == Arch::X32 => Some(number | X32_BIT),
        _ => Some(number),
    }
}

/// The name of a call's number as `seccomp_data.nr` holds it.
#[must_use]
pub fn syscall_name(arch: Arch, number: u32) -> Option<&'static str> {
    let column = column(arch)?;
    let wanted = if arch == Arch::X32 { number.checked_sub(X32_BIT)? } else { number };
    ROWS.iter()
        .find(|(_, numbers)| numbers.get(column) == Some(&wanted).filter(|n| **n != NO))
        .map(|(name, _)| *name)
}

/// The names of all calls that an architecture has, sorted.
pub fn syscalls(arch: Arch) -> impl Iterator<Item = &'static str> {
    let column = column(arch);
    ROWS.iter().filter_map(move |(name, numbers)| {
        let number = numbers.get(column?)?;
        (*number != NO).then_some(*name)
    })
}

/// The calls behind `socketcall(2)` by its first argument (`<linux/net.h>`).
pub(super) const SOCKETCALL: [(&str, u64); 20] = [
    ("socket", 1),
    ("bind", 2),
    ("connect", 3),
    ("listen", 4),
    ("accept", 5),
    ("getsockname", 6),
    ("getpeername", 7),
    ("socketpair", 8),
    ("send", 9),
    ("recv", 10),
    ("sendto", 11),
    ("recvfrom", 12),
    ("shutdown", 13),
    ("setsockopt", 14),
    ("getsockopt", 15),
    ("sendmsg", 16),
    ("recvmsg", 17),
    ("accept4", 18),
    ("recvmmsg", 19),
    ("sendmmsg", 20),
];

/// The calls behind `ipc(2)` by the low half of its first argument (`<linux/ipc.h>`).
pub(super) const IPC: [(&str, u64); 12] = [
    ("semop", 1),
    ("semget", 2),
    ("semctl", 3),
    ("semtimedop", 4),
    ("msgsnd", 11),
    ("msgrcv", 12),
    ("msgget", 13),
    ("msgctl", 14),
    ("shmat", 21),
    ("shmdt", 22),
    ("shmget", 23),
    ("shmctl", 24),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_are_sorted_and_unique() {
        assert!(ROWS.is_sorted_by(|(a, _), (b, _)| a < b));
    }

    #[test]
    fn names_and_numbers_agree_both_ways() {
        for arch in [Arch::X86_64, Arch::X32, Arch::X86, Arch::Aarch64, Arch::Arm] {
            for name in syscalls(arch) {
                let number = syscall_number(arch, name).unwrap();
                let back = syscall_name(arch, number).unwrap();
                assert_eq!(syscall_number(arch, back), Some(number), "{arch:?} {name}");
            }
        }
        assert_eq!(syscall_number(Arch::X32, "execve"), Some(X32_BIT | 520));
        assert_eq!(syscall_name(Arch::X86, 102), Some("socketcall"));
        assert_eq!(syscall_name(Arch::X86_64, 0xFFFF_FFFF), None);
    }

    /// The crate is the second opinion; it also lists 32-bit calls for aarch64, which that kernel has not.
    #[test]
    fn the_table_agrees_with_the_crate_syscalls() {
        let x86_64 = syscalls::x86_64::Sysno::iter().map(|s| (Arch::X86_64, s.name(), s.id()));
        let x86 = syscalls::x86::Sysno::iter().map(|s| (Arch::X86, s.name(), s.id()));
        let aarch64 = syscalls::aarch64::Sysno::iter()
            .map(|s| (Arch::Aarch64, s.name(), s.id()))
            .filter(|(_, name, id)| !(403..=423).contains(id) && *name != "fstatat");
        let arm = syscalls::arm::Sysno::iter().map(|s| (Arch::Arm, s.name(), s.id()));
        let mut seen = 0;
        for (arch, raw_name, number) in x86_64.chain(x86).chain(aarch64).chain(arm) {
            let name = raw_name.trim_start_matches("r#");
            assert_eq!(syscall_number(arch, name), u32::try_from(number).ok(), "{arch:?} {name}");
            seen += 1;
        }
        assert!(seen > 1500, "{seen}");
    }

    /// Only where the headers are installed, and only the numbers that they know.
    #[test]
    fn the_table_agrees_with_the_headers() {
        let folder = std::path::Path::new("/usr/include/x86_64-linux-gnu/asm");
        if !folder.join("unistd_64.h").exists() {
            eprintln!("SKIP the_table_agrees_with_the_headers: no linux-libc-dev");
            return;
        }
        let files = [(Arch::X86_64, "unistd_64.h"), (Arch::X86, "unistd_32.h"), (Arch::X32, "unistd_x32.h")];
        for (arch, file) in files {
            let text = std::fs::read_to_string(folder.join(file)).unwrap();
            for line in text.lines().filter_map(|line| line.strip_prefix("#define __NR_")) {
                let (name, number) = line.split_once(' ').unwrap();
                let digits = number.trim_matches(|c| c == '(' || c == ')').rsplit(' ').next().unwrap();
                let bit = if arch == Arch::X32 { X32_BIT } else { 0 };
                let number = digits.parse::<u32>().unwrap() | bit;
                assert_eq!(syscall_number(arch, name), Some(number), "{arch:?} {name}");
            }
        }
    }
}
