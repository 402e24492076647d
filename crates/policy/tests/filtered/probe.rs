//! A tiny program that makes system calls as told, through either entry of an x86_64 kernel, and writes what each
//! returned. It is assembled here, so that a test needs neither a compiler nor unsafe code.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Through which door of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// `syscall`
    Native,
    /// `int 0x80`: i386's numbers, also from a 64-bit program.
    I386,
}

/// An argument: a number, or the address of bytes that the program carries (8 or 4 bytes per word of a nested list).
#[derive(Debug, Clone)]
pub enum Arg {
    Number(u64),
    Bytes(Vec<u8>),
}

impl From<u64> for Arg {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

/// One call.
#[derive(Debug, Clone)]
pub struct Call {
    pub entry: Entry,
    pub number: u32,
    pub args: Vec<Arg>,
}

const BASE: u64 = 0x40_0000;
const CODE_AT: usize = 0x80;
/// Where the results go: far enough behind the code, within the same segment.
const RESULTS: u64 = BASE + 0x8000;
const DATA: u64 = BASE + 0x9000;

/// `mov register, number`, with the register's opcode.
fn load(code: &mut Vec<u8>, register: &[u8], number: u64) {
    code.extend_from_slice(register);
    code.extend_from_slice(&number.to_le_bytes());
}

const RAX: &[u8] = &[0x48, 0xB8];
const RDI: &[u8] = &[0x48, 0xBF];
const RSI: &[u8] = &[0x48, 0xBE];
const RDX: &[u8] = &[0x48, 0xBA];
const NATIVE: [&[u8]; 6] = [RDI, RSI, RDX, &[0x49, 0xBA], &[0x49, 0xB8], &[0x49, 0xB9]];
const I386: [&[u8]; 6] = [&[0x48, 0xBB], &[0x48, 0xB9], RDX, RSI, RDI, &[0x48, 0xBD]];

/// The ELF file (x86_64, static) that makes the calls, writes their results to its output, 8 bytes each, and exits with 0.
pub fn assemble(calls: &[Call]) -> Vec<u8> {
    let mut code = Vec::new();
    let mut data = Vec::new();
    for (index, call) in (0_u64..).zip(calls) {
        let registers = if call.entry == Entry::Native { NATIVE } else { I386 };
        for (register, arg) in registers.iter().zip(&call.args) {
            let number = match arg {
                Arg::Number(number) => *number,
                Arg::Bytes(bytes) => {
                    let address = DATA + data.len() as u64;
                    data.extend_from_slice(bytes);
                    data.resize(data.len().next_multiple_of(16), 0);
                    address
                }
            };
            load(&mut code, register, number);
        }
        load(&mut code, RAX, u64::from(call.number));
        code.extend_from_slice(if call.entry == Entry::Native { &[0x0F, 0x05] } else { &[0xCD, 0x80] });
        // mov [RESULTS + 8 * index], rax
        load(&mut code, &[0x48, 0xA3], RESULTS + 8 * index);
    }
    let finish: [(u64, [u64; 3]); 2] = [(1, [1, RESULTS, 8 * calls.len() as u64]), (231, [0; 3])];
    for (number, args) in finish {
        for (register, value) in NATIVE.iter().zip(args) {
            load(&mut code, register, value);
        }
        load(&mut code, RAX, number);
        code.extend_from_slice(&[0x0F, 0x05]);
    }
    elf(&code, &data)
}

/// One segment, readable, writable and executable, with everything in it.
fn elf(code: &[u8], data: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut put = |bytes: &[u8]| file.extend_from_slice(bytes);
    put(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    put(&2_u16.to_le_bytes()); // ET_EXEC
    put(&62_u16.to_le_bytes()); // EM_X86_64
    put(&1_u32.to_le_bytes());
    put(&(BASE + CODE_AT as u64).to_le_bytes()); // entry
    put(&64_u64.to_le_bytes()); // program headers
    put(&0_u64.to_le_bytes());
    put(&0_u32.to_le_bytes());
    for half in [64_u16, 56, 1, 64, 0, 0] {
        put(&half.to_le_bytes());
    }
    put(&1_u32.to_le_bytes()); // PT_LOAD
    put(&7_u32.to_le_bytes());
    let size = DATA - BASE + data.len() as u64;
    for word in [0, BASE, BASE, size, size, 0x1000] {
        put(&word.to_le_bytes());
    }
    file.resize(CODE_AT, 0);
    file.extend_from_slice(code);
    assert!(file.len() as u64 <= RESULTS - BASE, "too many calls for one probe");
    file.resize(usize::try_from(DATA - BASE).unwrap(), 0);
    file.extend_from_slice(data);
    file
}

/// Writes the program where it can be run.
pub fn write(path: &Path, calls: &[Call]) {
    fs::write(path, assemble(calls)).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// The results that it wrote: negative ones are errnos. i386's come as 32-bit numbers.
pub fn results(output: &[u8]) -> Vec<i64> {
    let (words, _) = output.as_chunks::<8>();
    words.iter().map(|word| i64::from_le_bytes(*word)).collect()
}
