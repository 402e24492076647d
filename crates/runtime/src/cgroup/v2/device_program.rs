//! Device rules as an eBPF program, and the meaning of such a program. Pure.
//!
//! The kernel calls the program with `struct bpf_cgroup_dev_ctx { u32 access_type, major, minor }`, where `access_type`
//! holds the wanted letters in its upper half and the kind of node in its lower; it returns 1 to allow.

use cofferdam_confinement::resources::{DeviceAccess, DeviceRule, DeviceRuleKind};
use cofferdam_kernel::bpf::Instruction;

use crate::cgroup::device_rules::DeviceRequest;

// `BPF_DEVCG_DEV_*`
const KIND_BLOCK: i32 = 1;
const KIND_CHARACTER: i32 = 2;

// Operation codes: 32-bit arithmetic and jumps, and loads of a word.
const LOAD_WORD: u8 = 0x61;
const MOVE: u8 = 0xb4;
const MOVE_REGISTER: u8 = 0xbc;
const AND: u8 = 0x54;
const SHIFT_RIGHT: u8 = 0x74;
const JUMP_IF_EQUAL: u8 = 0x16;
const JUMP_IF_NOT_EQUAL: u8 = 0x56;
const JUMP: u8 = 0x05;
const EXIT: u8 = 0x95;

// Registers: the verdict, the kernel's argument, and what is made of it.
const VERDICT: u8 = 0;
const CONTEXT: u8 = 1;
const KIND: u8 = 2;
const ACCESS: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;
const SCRATCH: u8 = 6;

fn on(code: u8, destination: u8, immediate: i32) -> Instruction {
    Instruction { code, registers: destination, offset: 0, immediate }
}

fn from(code: u8, destination: u8, source: u8, offset: i16) -> Instruction {
    Instruction { code, registers: source << 4 | destination, offset, immediate: 0 }
}

/// Compiles the rules: last one first, because the last that matches decides. A letter that a rule allows is struck from
/// the request, and the request is allowed when nothing is left of it.
pub(super) fn compile(rules: &[DeviceRule]) -> Vec<Instruction> {
    let mut program = vec![
        from(LOAD_WORD, KIND, CONTEXT, 0),
        from(MOVE_REGISTER, ACCESS, KIND, 0),
        on(SHIFT_RIGHT, ACCESS, 16),
        on(AND, KIND, 0xffff),
        from(LOAD_WORD, MAJOR, CONTEXT, 4),
        from(LOAD_WORD, MINOR, CONTEXT, 8),
    ];
    let mut later: Vec<&DeviceRule> = Vec::new();
    for rule in rules.iter().rev() {
        // What a later rule decides anyway would be dead code, which the kernel drops and then does not read back.
        if later.iter().any(|other| covers(other, rule)) {
            continue;
        }
        later.push(rule);
        append_rule(&mut program, rule);
        if is_everything(rule) {
            return program;
        }
    }
    append_verdict(&mut program, true);
    program
}

/// Whether everything that `rule` speaks of is decided by `other` before it.
fn covers(other: &DeviceRule, rule: &DeviceRule) -> bool {
    (other.kind == DeviceRuleKind::All || other.kind == rule.kind)
        && (other.major.is_none() || other.major == rule.major)
        && (other.minor.is_none() || other.minor == rule.minor)
        && other.access.contains(rule.access)
}

fn is_everything(rule: &DeviceRule) -> bool {
    rule.kind == DeviceRuleKind::All
        && rule.major.is_none()
        && rule.minor.is_none()
        && rule.access == DeviceAccess::ALL
}

fn append_verdict(program: &mut Vec<Instruction>, allow: bool) {
    program.push(on(MOVE, VERDICT, allow.into()));
    program.push(on(EXIT, 0, 0));
}

fn append_rule(program: &mut Vec<Instruction>, rule: &DeviceRule) {
    let mut body = Vec::new();
    let bits = i32::from(rule.access.bits());
    if rule.access != DeviceAccess::ALL {
        if rule.allow {
            // Strike the letters; if some are left, earlier rules decide on them.
            body.push(on(AND, ACCESS, !bits & 0x7));
            body.push(Instruction { offset: 2, ..on(JUMP_IF_NOT_EQUAL, ACCESS, 0) });
        } else {
            body.push(from(MOVE_REGISTER, SCRATCH, ACCESS, 0));
            body.push(on(AND, SCRATCH, bits));
            body.push(Instruction { offset: 2, ..on(JUMP_IF_EQUAL, SCRATCH, 0) });
        }
    }
    append_verdict(&mut body, rule.allow);

    let kind = match rule.kind {
        DeviceRuleKind::All => None,
        DeviceRuleKind::Block => Some(KIND_BLOCK),
        DeviceRuleKind::Character => Some(KIND_CHARACTER),
    };
    // The kernel compares 32 bits: numbers above i32::MAX keep their bit pattern.
    let conditions =
        [(KIND, kind), (MAJOR, rule.major.map(u32::cast_signed)), (MINOR, rule.minor.map(u32::cast_signed))];
    let conditions: Vec<_> =
        conditions.into_iter().filter_map(|(register, value)| Some((register, value?))).collect();
    for (index, (register, value)) in conditions.iter().enumerate() {
        // Past the other conditions and the body: at most eight instructions.
        let distance = i16::try_from(conditions.len() - index - 1 + body.len()).unwrap_or(i16::MAX);
        program.push(Instruction { offset: distance, ..on(JUMP_IF_NOT_EQUAL, *register, *value) });
    }
    program.append(&mut body);
}

/// What a program answers to a request; none if it does what [`compile`] never makes it do, so that its meaning is
/// unknown. The kernel may have rewritten it (dropped dead code, turned a decided jump into a plain one).
pub(super) fn run(program: &[Instruction], request: &DeviceRequest) -> Option<bool> {
    let kind = if request.kind == DeviceRuleKind::Block { KIND_BLOCK } else { KIND_CHARACTER };
    let context =
        [u32::from(request.access.bits()) << 16 | kind.unsigned_abs(), request.major, request.minor];
    let mut registers = [0u32; 7];
    let mut position = 0usize;
    // Programs without loops (a jump backwards is unknown) end within their own length.
    loop {
        let instruction = program.get(position)?;
        position += 1;
        let destination = usize::from(instruction.registers & 0xf);
        let source = usize::from(instruction.registers >> 4);
        let immediate = instruction.immediate.cast_unsigned();
        let value = *registers.get(destination)?;
        let jump = |taken: bool| if taken { usize::try_from(instruction.offset).ok() } else { Some(0) };
        match instruction.code {
            LOAD_WORD if source == usize::from(CONTEXT) => {
                let index = usize::try_from(instruction.offset).ok().filter(|offset| offset % 4 == 0)? / 4;
                registers[destination] = *context.get(index)?;
            }
            MOVE => registers[destination] = immediate,
            MOVE_REGISTER => registers[destination] = *registers.get(source)?,
            AND => registers[destination] = value & immediate,
            SHIFT_RIGHT => registers[destination] = value.checked_shr(immediate)?,
            JUMP_IF_EQUAL => position += jump(value == immediate)?,
            JUMP_IF_NOT_EQUAL => position += jump(value != immediate)?,
            JUMP => position += jump(true)?,
            EXIT => return Some(registers[usize::from(VERDICT)] == 1),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cgroup::device_rules::{allows, any_rule, probes};
    use cofferdam_confinement::resources::devices::default_rules;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_program_answers_as_its_rules_do(rules in prop::collection::vec(any_rule(3), 0..8), bits in 1u8..8) {
            let program = compile(&rules);
            for probe in probes(&rules) {
                let probe = DeviceRequest { access: DeviceAccess::from_bits(bits).unwrap(), ..probe };
                prop_assert_eq!(run(&program, &probe), Some(allows(&rules, &probe)), "{}", probe);
            }
        }
    }

    #[test]
    fn the_default_program_is_short_and_ends_with_denial() {
        let program = compile(&default_rules());
        assert!(program.len() < 64, "{} instructions", program.len());
        assert_eq!(&program[program.len() - 2..], [on(MOVE, VERDICT, 0), on(EXIT, 0, 0)]);
    }

    #[test]
    fn nothing_stands_behind_a_rule_for_everything() {
        let mut rules = default_rules();
        rules.push(DeviceRule { allow: true, ..DeviceRule::DENY_ALL });
        assert_eq!(compile(&rules).len(), 8, "the earlier rules would be dead code");
    }

    #[test]
    fn an_unknown_instruction_has_no_meaning() {
        let request =
            DeviceRequest { kind: DeviceRuleKind::Block, major: 1, minor: 1, access: DeviceAccess::READ };
        assert_eq!(run(&[on(0x85, 0, 1)], &request), None);
        assert_eq!(run(&[Instruction { offset: -1, ..on(JUMP, 0, 0) }], &request), None);
        assert_eq!(run(&[], &request), None);
    }
}
