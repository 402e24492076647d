//! A compiled filter, and what it says about one call.

use std::fmt;

use cofferdam_kernel::seccomp::Instruction;
use cofferdam_names::Digest;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::{Action, Arch};

/// A classic BPF program that decides system calls.
#[derive(Clone, PartialEq, Eq)]
pub struct Program(Vec<Instruction>);

/// What the kernel shows to a filter about one call (`struct seccomp_data`, seccomp(2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeccompData {
    /// The call's number.
    pub nr: u32,
    /// `AUDIT_ARCH_*` of the entry that it came through.
    pub arch: u32,
    /// Where it was made.
    pub instruction_pointer: u64,
    /// Its arguments; those of a 32-bit entry have no upper half.
    pub args: [u64; 6],
}

impl SeccompData {
    /// A call by number, made nowhere in particular.
    #[must_use]
    pub fn new(arch: Arch, nr: u32, args: [u64; 6]) -> Self {
        Self { nr, arch: arch.audit_value(), instruction_pointer: 0, args }
    }

    /// The 32-bit word at a byte offset, on a little-endian machine.
    fn word(&self, offset: u32) -> Option<u32> {
        let half = |value: u64, upper: bool| {
            let [b0, b1, b2, b3, b4, b5, b6, b7] = value.to_le_bytes();
            u32::from_le_bytes(if upper { [b4, b5, b6, b7] } else { [b0, b1, b2, b3] })
        };
        match offset {
            NR => Some(self.nr),
            ARCH => Some(self.arch),
            8 | 12 => Some(half(self.instruction_pointer, offset == 12)),
            _ if offset.is_multiple_of(4) && offset >= ARGS => {
                let index = usize::try_from((offset - ARGS) / 8).ok()?;
                self.args.get(index).map(|value| half(*value, offset % 8 == 4))
            }
            _ => None,
        }
    }
}

/// Offset of the number in `struct seccomp_data`.
pub(super) const NR: u32 = 0;
/// Offset of the architecture.
pub(super) const ARCH: u32 = 4;
/// Offset of the first argument; each has 8 bytes.
pub(super) const ARGS: u32 = 16;

/// The operations that filters are made of (`<linux/bpf_common.h>`): `BPF_LD | BPF_W | BPF_ABS` and so on.
pub(super) mod code {
    pub const LOAD: u16 = 0x20;
    pub const AND: u16 = 0x54;
    pub const JUMP: u16 = 0x05;
    pub const JUMP_EQUAL: u16 = 0x15;
    pub const JUMP_GREATER: u16 = 0x25;
    pub const JUMP_GREATER_OR_EQUAL: u16 = 0x35;
    pub const JUMP_BITS_SET: u16 = 0x45;
    pub const RETURN: u16 = 0x06;
}

/// `ENOSYS`
pub(super) const ENOSYS: u16 = 38;

/// A program that the interpreter cannot follow: not one of ours.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum Malformed {
    #[error("system call filter: bytes are not a whole number of instructions")]
    Length,
    #[error("system call filter: unknown instruction {code:#x} at {at}")]
    Unknown { at: usize, code: u16 },
    #[error("system call filter: load of byte {offset} at {at}")]
    Load { at: usize, offset: u32 },
    #[error("system call filter: jump past the end")]
    End,
    #[error("system call filter: unknown action {0:#x}")]
    Action(u32),
}

impl Action {
    /// The value that a filter returns for it (`SECCOMP_RET_*` and its data).
    #[must_use]
    pub fn return_value(self) -> u32 {
        match self {
            Self::KillProcess => 0x8000_0000,
            Self::KillThread => 0,
            Self::Trap => 0x0003_0000,
            Self::Errno(errno) => 0x0005_0000 | u32::from(errno),
            Self::Notify => 0x7FC0_0000,
            Self::Trace(message) => 0x7FF0_0000 | u32::from(message),
            Self::Log => 0x7FFC_0000,
            Self::Allow => 0x7FFF_0000,
        }
    }

    /// The action behind a filter's return value, if it is one of the kernel's.
    #[must_use]
    pub fn from_return_value(value: u32) -> Option<Self> {
        let [low, high, _, _] = value.to_le_bytes();
        let data = u16::from_le_bytes([low, high]);
        Some(match value & 0xFFFF_0000 {
            0x8000_0000 => Self::KillProcess,
            0 => Self::KillThread,
            0x0003_0000 => Self::Trap,
            0x0005_0000 => Self::Errno(data),
            0x7FC0_0000 => Self::Notify,
            0x7FF0_0000 => Self::Trace(data),
            0x7FFC_0000 => Self::Log,
            0x7FFF_0000 => Self::Allow,
            _ => return None,
        })
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KillProcess => f.write_str("kill process"),
            Self::KillThread => f.write_str("kill thread"),
            Self::Trap => f.write_str("trap"),
            Self::Errno(errno) => write!(f, "errno {errno}"),
            Self::Trace(message) => write!(f, "trace {message}"),
            Self::Notify => f.write_str("notify"),
            Self::Log => f.write_str("log"),
            Self::Allow => f.write_str("allow"),
        }
    }
}

impl Program {
    /// The program of these instructions, such as one that was read back from the kernel.
    #[must_use]
    pub fn from_instructions(instructions: Vec<Instruction>) -> Self {
        Self(instructions)
    }

    /// The program in the bytes that [`Program::to_bytes`] gave.
    ///
    /// # Errors
    /// The length is no multiple of eight.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let (whole, rest) = bytes.as_chunks::<8>();
        if !rest.is_empty() {
            return Err(Malformed::Length);
        }
        let instruction = |[c0, c1, jt, jf, k0, k1, k2, k3]: &[u8; 8]| Instruction {
            code: u16::from_le_bytes([*c0, *c1]),
            jt: *jt,
            jf: *jf,
            k: u32::from_le_bytes([*k0, *k1, *k2, *k3]),
        };
        Ok(Self(whole.iter().map(instruction).collect()))
    }

    /// The instructions, as the kernel takes them.
    #[must_use]
    pub fn instructions(&self) -> &[Instruction] {
        &self.0
    }

    /// The instructions as little-endian `struct sock_filter`, eight bytes each.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len() * 8);
        for instruction in &self.0 {
            bytes.extend_from_slice(&instruction.code.to_le_bytes());
            bytes.extend_from_slice(&[instruction.jt, instruction.jf]);
            bytes.extend_from_slice(&instruction.k.to_le_bytes());
        }
        bytes
    }

    /// SHA-256 of [`Program::to_bytes`]: what a receipt compares.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::sha256(Sha256::digest(self.to_bytes()).into())
    }

    /// What the program says about a call, without a kernel. It follows the operations that [`super::compile()`] uses and
    /// no others.
    ///
    /// # Errors
    /// It is a program of someone else, or damaged.
    pub fn run(&self, data: &SeccompData) -> Result<Action, Malformed> {
        let mut accumulator = 0_u32;
        let mut at = 0_usize;
        loop {
            let Instruction { code, jt, jf, k } = *self.0.get(at).ok_or(Malformed::End)?;
            let branch = |holds: bool| usize::from(if holds { jt } else { jf });
            let skip = match code {
                code::LOAD => {
                    accumulator = data.word(k).ok_or(Malformed::Load { at, offset: k })?;
                    0
                }
                code::AND => {
                    accumulator &= k;
                    0
                }
                code::JUMP => usize::try_from(k).map_err(|_| Malformed::End)?,
                code::JUMP_EQUAL => branch(accumulator == k),
                code::JUMP_GREATER => branch(accumulator > k),
                code::JUMP_GREATER_OR_EQUAL => branch(accumulator >= k),
                code::JUMP_BITS_SET => branch(accumulator & k != 0),
                code::RETURN => return Action::from_return_value(k).ok_or(Malformed::Action(k)),
                _ => return Err(Malformed::Unknown { at, code }),
            };
            at = at.checked_add(skip + 1).ok_or(Malformed::End)?;
        }
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Program({} instructions, {})", self.0.len(), self.digest())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_back() {
        let instruction = Instruction { code: code::JUMP_EQUAL, jt: 1, jf: 2, k: 0x1234_5678 };
        let program = Program::from_instructions(vec![instruction; 3]);
        assert_eq!(Program::from_bytes(&program.to_bytes()), Ok(program.clone()));
        assert_eq!(program.to_bytes().len(), 24);
        assert_eq!(Program::from_bytes(&[0; 7]), Err(Malformed::Length));
    }

    #[test]
    fn a_foreign_or_damaged_program_is_an_error() {
        let data = SeccompData::new(Arch::X86_64, 0, [0; 6]);
        let program = |code, k| Program::from_instructions(vec![Instruction { code, jt: 0, jf: 0, k }]);
        assert_eq!(program(code::JUMP, 7).run(&data), Err(Malformed::End));
        assert_eq!(program(0x61, 0).run(&data), Err(Malformed::Unknown { at: 0, code: 0x61 }));
        assert_eq!(program(code::LOAD, 64).run(&data), Err(Malformed::Load { at: 0, offset: 64 }));
        assert_eq!(program(code::RETURN, 0x1234_0000).run(&data), Err(Malformed::Action(0x1234_0000)));
    }

    #[test]
    fn return_values_are_read_back() {
        let all = [Action::KillProcess, Action::KillThread, Action::Trap, Action::Errno(5), Action::Trace(9)];
        for action in all.into_iter().chain([Action::Notify, Action::Log, Action::Allow]) {
            assert_eq!(Action::from_return_value(action.return_value()), Some(action));
        }
    }
}
