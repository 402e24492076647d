//! Writes a program from its end to its start.
//!
//! Classic BPF jumps forward only, and a conditional jump skips at most 255 instructions. Backwards, all targets are known when
//! a jump is written; one that is too far goes through a plain jump, or through a copy of the return that it leads to.

use cofferdam_kernel::seccomp::Instruction;

use super::program::{ARGS, code};
use super::{Action, Comparison, Condition};

/// Where an instruction stands, counted from the program's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Label(usize);

/// The longest conditional jump.
const REACH: usize = 255;

/// The program so far, last instruction first.
#[derive(Debug, Default)]
pub(super) struct Emitter {
    reversed: Vec<Instruction>,
    returns: Vec<(Action, Label)>,
}

impl Emitter {
    fn push(&mut self, code: u16, jt: u8, jf: u8, k: u32) -> Label {
        self.reversed.push(Instruction { code, jt, jf, k });
        Label(self.reversed.len() - 1)
    }

    /// How many instructions the next one would skip to get there.
    fn skip(&self, target: Label) -> usize {
        self.reversed.len() - target.0 - 1
    }

    /// The instructions in their order.
    pub fn finish(mut self) -> Vec<Instruction> {
        self.reversed.reverse();
        self.reversed
    }

    /// A return of this action, near enough to be reached.
    pub fn ret(&mut self, action: Action) -> Label {
        let known = self.returns.iter().position(|(known, _)| *known == action);
        // A little short of the reach, so that what is written next still gets there.
        if let Some((_, label)) = known.and_then(|index| self.returns.get(index)).copied()
            && self.skip(label) < REACH - 8
        {
            return label;
        }
        let label = self.push(code::RETURN, 0, 0, action.return_value());
        match known.and_then(|index| self.returns.get_mut(index)) {
            Some(entry) => entry.1 = label,
            None => self.returns.push((action, label)),
        }
        label
    }

    /// An instruction right here that leads to the target.
    fn relay(&mut self, target: Label) -> Label {
        match self.reversed.get(target.0) {
            Some(Instruction { code: code::RETURN, k, .. }) => {
                let value = *k;
                self.push(code::RETURN, 0, 0, value)
            }
            _ => {
                let skip = u32::try_from(self.skip(target)).unwrap_or(u32::MAX);
                self.push(code::JUMP, 0, 0, skip)
            }
        }
    }

    /// Goes to `yes` where the test of the accumulator holds, else to `no`.
    pub fn jump(&mut self, code: u16, k: u32, mut yes: Label, mut no: Label) -> Label {
        if yes == no {
            return yes;
        }
        loop {
            match (u8::try_from(self.skip(yes)), u8::try_from(self.skip(no))) {
                (Ok(jt), Ok(jf)) => return self.push(code, jt, jf, k),
                (Err(_), _) => yes = self.relay(yes),
                (Ok(_), Err(_)) => no = self.relay(no),
            }
        }
    }

    /// Changes the accumulator and goes on at `next`.
    pub fn step(&mut self, code: u16, k: u32, next: Label) -> Label {
        if self.skip(next) != 0 {
            self.relay(next);
        }
        self.push(code, 0, 0, k)
    }

    /// Loads a word of `struct seccomp_data` and goes on at `next`.
    pub fn load(&mut self, offset: u32, next: Label) -> Label {
        self.step(code::LOAD, offset, next)
    }

    /// Tests one argument in two halves, the upper one first.
    pub fn check(&mut self, condition: &Condition, yes: Label, no: Label) -> Label {
        let low = ARGS + 8 * u32::from(condition.index.get());
        match condition.comparison {
            Comparison::Equal(value) => self.masked(low, u64::MAX, value, yes, no),
            Comparison::NotEqual(value) => self.masked(low, u64::MAX, value, no, yes),
            Comparison::MaskedEqual { mask, value } => self.masked(low, mask, value, yes, no),
            Comparison::Greater(value) => self.ordered(low, code::JUMP_GREATER, value, yes, no),
            Comparison::LessOrEqual(value) => self.ordered(low, code::JUMP_GREATER, value, no, yes),
            Comparison::GreaterOrEqual(value) => {
                self.ordered(low, code::JUMP_GREATER_OR_EQUAL, value, yes, no)
            }
            Comparison::Less(value) => self.ordered(low, code::JUMP_GREATER_OR_EQUAL, value, no, yes),
        }
    }

    fn masked(&mut self, low: u32, mask: u64, value: u64, yes: Label, no: Label) -> Label {
        let lower = self.masked_half(low, halves(mask).1, halves(value).1, yes, no);
        self.masked_half(low + 4, halves(mask).0, halves(value).0, lower, no)
    }

    fn masked_half(&mut self, offset: u32, mask: u32, value: u32, yes: Label, no: Label) -> Label {
        if mask == 0 {
            return if value == 0 { yes } else { no };
        }
        let test = self.jump(code::JUMP_EQUAL, value, yes, no);
        if test == yes {
            return yes;
        }
        let masked = if mask == u32::MAX { test } else { self.step(code::AND, mask, test) };
        self.load(offset, masked)
    }

    /// `lower_test` is the test of the lower half, where the upper halves are equal.
    fn ordered(&mut self, low: u32, lower_test: u16, value: u64, yes: Label, no: Label) -> Label {
        if yes == no {
            return yes;
        }
        let (upper, lower) = halves(value);
        let test = self.jump(lower_test, lower, yes, no);
        let lower = self.load(low, test);
        let equal = self.jump(code::JUMP_EQUAL, upper, lower, no);
        let greater = self.jump(code::JUMP_GREATER, upper, yes, equal);
        self.load(low + 4, greater)
    }
}

/// Upper and lower half.
fn halves(value: u64) -> (u32, u32) {
    let [b0, b1, b2, b3, b4, b5, b6, b7] = value.to_le_bytes();
    (u32::from_le_bytes([b4, b5, b6, b7]), u32::from_le_bytes([b0, b1, b2, b3]))
}

#[cfg(test)]
mod tests {
    use super::super::{Arch, ArgIndex, Program, SeccompData};
    use super::*;

    #[test]
    fn a_jump_over_more_than_255_instructions_is_relayed() {
        let mut emitter = Emitter::default();
        let allow = emitter.ret(Action::Allow);
        let mut far = emitter.ret(Action::Trap);
        far = emitter.step(code::AND, u32::MAX, far);
        let mut next = emitter.ret(Action::Log);
        for _ in 0..600 {
            next = emitter.step(code::AND, u32::MAX, next);
        }
        let inner = emitter.jump(code::JUMP_EQUAL, 7, allow, next);
        let outer = emitter.jump(code::JUMP_EQUAL, 5, far, inner);
        emitter.load(0, outer);
        let program = Program::from_instructions(emitter.finish());
        let run = |nr| program.run(&SeccompData::new(Arch::X86_64, nr, [0; 6])).unwrap();
        assert_eq!([run(5), run(7), run(9)], [Action::Trap, Action::Allow, Action::Log]);
    }

    #[test]
    fn each_comparison_holds_where_arithmetic_says_so() {
        let edges = [0, 1, 0xFFFF_FFFF, 0x1_0000_0000, 0x1_0000_0001, u64::MAX - 1, u64::MAX];
        let of = |value, mask| {
            use Comparison::*;
            let masked = MaskedEqual { mask, value };
            [
                NotEqual(value),
                Less(value),
                LessOrEqual(value),
                Equal(value),
                GreaterOrEqual(value),
                Greater(value),
                masked,
            ]
        };
        for comparison in edges.iter().flat_map(|value| edges.iter().flat_map(|mask| of(*value, *mask))) {
            let mut emitter = Emitter::default();
            let (yes, no) = (emitter.ret(Action::Allow), emitter.ret(Action::Trap));
            let index = ArgIndex::try_from(5).unwrap();
            let start = emitter.check(&Condition { index, comparison }, yes, no);
            emitter.step(code::AND, u32::MAX, start);
            let program = Program::from_instructions(emitter.finish());
            for argument in edges {
                let data = SeccompData::new(Arch::X86_64, 0, [9, 9, 9, 9, 9, argument]);
                let held = program.run(&data) == Ok(Action::Allow);
                assert_eq!(held, comparison.holds(argument), "{argument:#x} {comparison:?}");
            }
        }
    }
}
