//! System calls by name and by number.

use super::Arch;
use super::numbers::{NO, ROWS};

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

/// One call. Its name lies inside, not behind a reference: a reference costs every process of ours a relocation, and the page
/// that it is in.
#[derive(Debug)]
pub(super) struct Row {
    name: [u8; NAME_BYTES],
    length: u8,
    numbers: [u32; 5],
}

const NAME_BYTES: usize = 28;

static TABLE: [Row; ROWS.len()] = {
    let mut table = [const { Row { name: [0; NAME_BYTES], length: 0, numbers: [NO; 5] } }; ROWS.len()];
    let mut at = 0;
    while at < table.len() {
        table[at] = Row::new(ROWS[at].0, ROWS[at].1);
        at += 1;
    }
    table
};

impl Row {
    #[allow(clippy::cast_possible_truncation, reason = "a name that is longer does not compile")]
    const fn new(name: &str, numbers: [u32; 5]) -> Self {
        let bytes = name.as_bytes();
        let mut row = Self { name: [0; NAME_BYTES], length: bytes.len() as u8, numbers };
        let mut at = 0;
        while at < bytes.len() {
            row.name[at] = bytes[at];
            at += 1;
        }
        row
    }

    pub(super) fn name(&self) -> &str {
        let bytes = self.name.get(..usize::from(self.length)).unwrap_or_default();
        str::from_utf8(bytes).unwrap_or_default()
    }
}

/// Slots of the table by the name's hash: twice as many as there are rows, so that few collide.
const SLOTS: usize = 1024;
const EMPTY: u16 = u16::MAX;

/// FNV-1a, cut to a slot. The table is made by the compiler, so what others know of the hash does no harm.
const fn slot_of(name: &[u8]) -> usize {
    let mut hash: u32 = 0x811C_9DC5;
    let mut at = 0;
    while at < name.len() {
        hash = (hash ^ name[at] as u32).wrapping_mul(0x0100_0193);
        at += 1;
    }
    (hash ^ (hash >> 15)) as usize % SLOTS
}

/// Index of each row at its hash's slot, or at the next free one.
#[allow(clippy::cast_possible_truncation, reason = "there are fewer rows than slots")]
static INDEX: [u16; SLOTS] = {
    let mut index = [EMPTY; SLOTS];
    let mut row = 0;
    while row < ROWS.len() {
        let mut slot = slot_of(ROWS[row].0.as_bytes());
        while index[slot] != EMPTY {
            slot = (slot + 1) % SLOTS;
        }
        index[slot] = row as u16;
        row += 1;
    }
    index
};

/// The row of a call, if any architecture has it. A profile names hundreds of calls, at every start of a container.
pub(super) fn row(name: &str) -> Option<&'static Row> {
    let mut slot = slot_of(name.as_bytes());
    loop {
        let row = TABLE.get(usize::from(*INDEX.get(slot)?))?;
        if row.name() == name {
            return Some(row);
        }
        slot = (slot + 1) % SLOTS;
    }
}

/// The number in a row, as `seccomp_data.nr` holds it.
pub(super) fn number_in(row: &Row, arch: Arch) -> Option<u32> {
    let number = *row.numbers.get(column(arch)?)?;
    match number {
        NO => None,
        _ if arch == Arch::X32 => Some(number | X32_BIT),
        _ => Some(number),
    }
}

/// Whether any of the architectures has a call of this name.
#[must_use]
pub fn is_syscall(name: &str) -> bool {
    row(name).is_some()
}

/// The number of a call as `seccomp_data.nr` holds it; on x32 with bit 30.
#[must_use]
pub fn syscall_number(arch: Arch, name: &str) -> Option<u32> {
    number_in(row(name)?, arch)
}

/// The name of a call's number as `seccomp_data.nr` holds it.
#[must_use]
pub fn syscall_name(arch: Arch, number: u32) -> Option<&'static str> {
    let column = column(arch)?;
    let wanted = if arch == Arch::X32 { number.checked_sub(X32_BIT)? } else { number };
    let has = |row: &&Row| row.numbers.get(column) == Some(&wanted).filter(|number| **number != NO);
    TABLE.iter().find(has).map(Row::name)
}

/// The names of all calls that an architecture has, sorted.
pub fn syscalls(arch: Arch) -> impl Iterator<Item = &'static str> {
    let column = column(arch);
    TABLE.iter().filter_map(move |row| {
        let number = row.numbers.get(column?)?;
        (*number != NO).then(|| row.name())
    })
}

/// The second way to a call on x86: `socketcall` (`<linux/net.h>`) or `ipc` (`<linux/ipc.h>`), and the first argument that
/// stands for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    Socketcall(u64),
    Ipc(u64),
}

/// The door to a call, if it has one.
pub(super) fn door(name: &str) -> Option<Door> {
    Some(match name {
        "socket" => Door::Socketcall(1),
        "bind" => Door::Socketcall(2),
        "connect" => Door::Socketcall(3),
        "listen" => Door::Socketcall(4),
        "accept" => Door::Socketcall(5),
        "getsockname" => Door::Socketcall(6),
        "getpeername" => Door::Socketcall(7),
        "socketpair" => Door::Socketcall(8),
        "send" => Door::Socketcall(9),
        "recv" => Door::Socketcall(10),
        "sendto" => Door::Socketcall(11),
        "recvfrom" => Door::Socketcall(12),
        "shutdown" => Door::Socketcall(13),
        "setsockopt" => Door::Socketcall(14),
        "getsockopt" => Door::Socketcall(15),
        "sendmsg" => Door::Socketcall(16),
        "recvmsg" => Door::Socketcall(17),
        "accept4" => Door::Socketcall(18),
        "recvmmsg" => Door::Socketcall(19),
        "sendmmsg" => Door::Socketcall(20),
        "semop" => Door::Ipc(1),
        "semget" => Door::Ipc(2),
        "semctl" => Door::Ipc(3),
        "semtimedop" => Door::Ipc(4),
        "msgsnd" => Door::Ipc(11),
        "msgrcv" => Door::Ipc(12),
        "msgget" => Door::Ipc(13),
        "msgctl" => Door::Ipc(14),
        "shmat" => Door::Ipc(21),
        "shmdt" => Door::Ipc(22),
        "shmget" => Door::Ipc(23),
        "shmctl" => Door::Ipc(24),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_are_sorted_and_unique() {
        assert!(ROWS.is_sorted_by(|(a, _), (b, _)| a < b));
        let same = |(name, numbers): &(&str, [u32; 5])| {
            row(name).is_some_and(|row| row.name() == *name && row.numbers == *numbers)
        };
        assert!(ROWS.iter().all(same));
        assert!(["", "reads", "warp_drive"].iter().all(|name| row(name).is_none()));
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
