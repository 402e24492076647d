//! A program as text, for people.

use std::fmt::Write as _;

use cofferdam_kernel::seccomp::Instruction;

use super::program::{ARCH, ARGS, NR, code};
use super::{Action, Arch, Program, syscall_name};

impl Program {
    /// One line for each instruction, with the targets of its jumps; numbers of calls are named as `native` names them.
    #[must_use]
    pub fn listing(&self, native: Arch) -> String {
        let mut text = String::new();
        let mut arch = native;
        let mut loaded = Loaded::Other;
        for (at, instruction) in self.instructions().iter().enumerate() {
            if instruction.code == code::LOAD {
                loaded = Loaded::at(instruction.k);
                if loaded == Loaded::Number {
                    arch = self.arch_of(at).unwrap_or(native);
                }
            }
            let words = instruction_words(at, instruction, loaded, arch);
            // Writing to a String can't fail.
            let _ = writeln!(text, "{at:4}: {words}");
        }
        text
    }

    /// The architecture whose search begins here: the one whose test jumps here.
    fn arch_of(&self, target: usize) -> Option<Arch> {
        let test = self.instructions().iter().enumerate().find(|(at, instruction)| {
            instruction.code == code::JUMP_EQUAL
                && at + 1 + usize::from(instruction.jt) == target
                && Arch::all().any(|arch| arch.audit_value() == instruction.k)
        })?;
        Arch::all().find(|arch| *arch != Arch::X32 && arch.audit_value() == test.1.k)
    }
}

/// What the accumulator holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loaded {
    Number,
    Arch,
    Other,
}

impl Loaded {
    fn at(offset: u32) -> Self {
        match offset {
            NR => Self::Number,
            ARCH => Self::Arch,
            _ => Self::Other,
        }
    }
}

fn instruction_words(at: usize, instruction: &Instruction, loaded: Loaded, arch: Arch) -> String {
    let Instruction { code, jt, jf, k } = *instruction;
    let branch = |test: &str| {
        let constant = match loaded {
            Loaded::Number => syscall_name(arch, k).map_or(format!("{k:#x}"), |name| format!("{k} ({name})")),
            Loaded::Arch => Arch::all()
                .find(|arch| *arch != Arch::X32 && arch.audit_value() == k)
                .map_or(format!("{k:#x}"), |arch| arch.name().to_owned()),
            Loaded::Other => format!("{k:#x}"),
        };
        format!("{test} {constant} then {} else {}", at + 1 + usize::from(jt), at + 1 + usize::from(jf))
    };
    match code {
        code::LOAD => format!("load {}", word_name(k)),
        code::AND => format!("and {k:#x}"),
        code::JUMP => format!("go {}", usize::try_from(k).map_or(usize::MAX, |skip| at + 1 + skip)),
        code::JUMP_EQUAL => branch("if ="),
        code::JUMP_GREATER => branch("if >"),
        code::JUMP_GREATER_OR_EQUAL => branch("if >="),
        code::JUMP_BITS_SET => branch("if any of"),
        code::RETURN => {
            Action::from_return_value(k).map_or(format!("return {k:#x}"), |action| format!("return {action}"))
        }
        _ => format!("unknown {code:#x} {jt} {jf} {k:#x}"),
    }
}

fn word_name(offset: u32) -> String {
    match offset {
        NR => "number".to_owned(),
        ARCH => "architecture".to_owned(),
        8 | 12 => "instruction pointer".to_owned(),
        _ if offset >= ARGS => {
            let half = if offset.is_multiple_of(8) { "lower" } else { "upper" };
            format!("argument {} {half} half", (offset - ARGS) / 8)
        }
        _ => format!("byte {offset}"),
    }
}
