//! From a profile to a program: the architecture first, then a binary search over the call's number, then its arguments.

use cofferdam_kernel::seccomp::MAX_INSTRUCTIONS;
use thiserror::Error;

use super::emit::{Emitter, Label};
use super::program::{ARCH, NR, code};
use super::resolve::{NumberedRules, entries};
use super::syscall_table::X32_BIT;
use super::{Action, Arch, Condition, Profile, Program};

/// A program, and what of the profile is not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compiled {
    /// What the kernel gets.
    pub program: Program,
    /// Names that are no system call of any known architecture, in their order. OCI runtimes pass over them: profiles list
    /// calls of newer kernels and of other machines.
    pub unknown_names: Vec<String>,
    /// Architectures whose calls this machine's kernel can't get.
    pub foreign_architectures: Vec<Arch>,
}

/// A profile that is no filter.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum CompileError {
    #[error("compile seccomp profile: no table of system calls for {}", .0.name())]
    NoTable(Arch),
    #[error("compile seccomp profile: it needs {0} instructions, the kernel takes at most 4096")]
    TooLong(usize),
    #[error("compile seccomp profile: SCMP_ACT_NOTIFY cannot be used as default action")]
    NotifyByDefault,
    #[error("compile seccomp profile: SCMP_ACT_NOTIFY cannot be used for the {0} syscall")]
    NotifyOnHandover(&'static str),
    #[error("compile seccomp profile: SCMP_ACT_NOTIFY without a listener path")]
    NoListener,
    #[error("compile seccomp profile: SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV without any SCMP_ACT_NOTIFY")]
    WaitWithoutNotify,
}

/// The calls that may hand the listener's descriptor over: the process that does it is under the filter by then, and would wait
/// for an agent that has no listener yet. Ours is sendmsg; write is other runtimes'.
const HANDOVER: [&str; 2] = ["write", "sendmsg"];

/// What happens to the calls with some number: the first check that passes, else `otherwise`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Conditions that must all hold, and what happens then.
    pub checks: Vec<(Vec<Condition>, Action)>,
    /// What happens where no check passes.
    pub otherwise: Action,
}

impl Decision {
    /// The same for all arguments.
    #[must_use]
    pub fn always(otherwise: Action) -> Self {
        Self { checks: Vec::new(), otherwise }
    }
}

/// Decisions by the first number that they are for, sorted; the first is for 0.
type Segments = Vec<(u32, Decision)>;

impl Profile {
    /// Whether a listener is asked about any call.
    #[must_use]
    pub fn notifies(&self) -> bool {
        self.rules.iter().any(|rule| rule.action == Action::Notify)
    }

    /// What the profile says on one architecture about every number, as if it listed it: decisions by the first number that they
    /// are for, sorted, from 0 on. x32's numbers have bit 30.
    #[must_use]
    pub fn decisions(&self, arch: Arch) -> Vec<(u32, Decision)> {
        segments(self.named().numbered(arch), self.default_action)
    }

    fn check(&self) -> Result<(), CompileError> {
        if self.default_action == Action::Notify {
            return Err(CompileError::NotifyByDefault);
        }
        if !self.notifies() {
            let idle_wait = self.flags.wait_killable_recv;
            return if idle_wait { Err(CompileError::WaitWithoutNotify) } else { Ok(()) };
        }
        if self.listener.is_none() {
            return Err(CompileError::NoListener);
        }
        let asks_about = |call: &str| {
            let asking = self.rules.iter().filter(|rule| rule.action == Action::Notify);
            asking.flat_map(|rule| &rule.names).any(|name| name == call)
        };
        match HANDOVER.into_iter().find(|call| asks_about(call)) {
            Some(call) => Err(CompileError::NotifyOnHandover(call)),
            None => Ok(()),
        }
    }
}

/// Compiles a profile for a kernel of the `native` architecture; [`Profile::decide`] is the meaning that it keeps to.
///
/// Calls through an entry that the profile doesn't list kill the process, x32's among them.
///
/// # Errors
/// [`CompileError`].
pub fn compile(profile: &Profile, native: Arch) -> Result<Compiled, CompileError> {
    let extra = entries(native).ok_or(CompileError::NoTable(native))?;
    profile.check()?;
    let mut emitter = Emitter::default();
    let mut next = emitter.ret(Action::KillProcess);
    let named = profile.named();
    let listed = |arch: &Arch| profile.architectures.contains(arch);
    for arch in extra.iter().copied().filter(|arch| *arch != Arch::X32 && listed(arch)) {
        let block = number_search(&mut emitter, &segments(named.numbered(arch), profile.default_action));
        next = emitter.jump(code::JUMP_EQUAL, arch.audit_value(), block, next);
    }
    let mut native_segments = segments(named.numbered(native), profile.default_action);
    if native == Arch::X86_64 {
        let x32 = listed(&Arch::X32).then(|| segments(named.numbered(Arch::X32), profile.default_action));
        native_segments = with_x32(native_segments, x32, profile.default_action);
    }
    let block = number_search(&mut emitter, &native_segments);
    next = emitter.jump(code::JUMP_EQUAL, native.audit_value(), block, next);
    emitter.load(ARCH, next);

    let instructions = emitter.finish();
    if instructions.len() > MAX_INSTRUCTIONS {
        return Err(CompileError::TooLong(instructions.len()));
    }
    let foreign = |arch: &Arch| *arch != native && !extra.contains(arch);
    Ok(Compiled {
        program: Program::from_instructions(instructions),
        unknown_names: named.unknown.iter().map(|name| (*name).to_owned()).collect(),
        foreign_architectures: profile.architectures.iter().copied().filter(foreign).collect(),
    })
}

/// Cuts the numbers into runs with the same decision.
fn segments(numbered: NumberedRules<'_>, skipped: Action) -> Segments {
    let NumberedRules { mut rules, newest, beyond, otherwise } = numbered;
    // Stable: rules for the same number stay in their order.
    rules.sort_by_key(|rule| rule.number);
    let gap = |start: u32| Decision::always(if start > newest { beyond } else { otherwise });
    let mut segments = Segments::new();
    let mut free = 0;
    for same in rules.chunk_by(|a, b| a.number == b.number) {
        let Some(number) = same.first().map(|rule| rule.number) else { continue };
        if free < number {
            push(&mut segments, free, gap(free));
            if free <= newest && newest < number {
                push(&mut segments, newest + 1, gap(newest + 1));
            }
        }
        let mut decision = gap(number);
        for rule in same {
            if rule.conditions.is_empty() {
                decision.otherwise = rule.action;
                break;
            }
            decision.checks.push((rule.conditions.to_vec(), rule.action));
        }
        while decision.checks.pop_if(|(_, action)| *action == decision.otherwise).is_some() {}
        push(&mut segments, number, decision);
        free = number + 1;
    }
    push(&mut segments, free, gap(free));
    // A tracer sets -1 to skip a call: it is no call of any architecture.
    push(&mut segments, u32::MAX, Decision::always(skipped));
    segments
}

/// Adds a run, or lengthens the last one.
fn push(segments: &mut Segments, start: u32, decision: Decision) {
    if segments.last().is_none_or(|(_, last)| *last != decision) {
        segments.push((start, decision));
    }
}

/// Puts x32's numbers above x86_64's: refused with the process's death where the profile doesn't list x32.
fn with_x32(native: Segments, x32: Option<Segments>, skipped: Action) -> Segments {
    let below = native.into_iter().filter(|(start, _)| *start < X32_BIT);
    let mut all = Segments::new();
    below.for_each(|(start, decision)| push(&mut all, start, decision));
    match x32 {
        None => push(&mut all, X32_BIT, Decision::always(Action::KillProcess)),
        Some(x32) => {
            let at_bit = x32.iter().rev().find(|(start, _)| *start <= X32_BIT).map(|(_, d)| d.clone());
            if let Some(decision) = at_bit {
                push(&mut all, X32_BIT, decision);
            }
            let above = x32.into_iter().filter(|(start, _)| *start > X32_BIT);
            above.for_each(|(start, decision)| push(&mut all, start, decision));
        }
    }
    push(&mut all, u32::MAX, Decision::always(skipped));
    all
}

/// Loads the number and searches.
fn number_search(emitter: &mut Emitter, segments: &[(u32, Decision)]) -> Label {
    let top = search(emitter, segments);
    emitter.load(NR, top)
}

fn search(emitter: &mut Emitter, segments: &[(u32, Decision)]) -> Label {
    match segments {
        [] => return emitter.ret(Action::KillProcess),
        [(_, decision)] => return decide(emitter, decision),
        _ => {}
    }
    let (lower, upper) = segments.split_at(segments.len() / 2);
    let start = upper.first().map_or(0, |(start, _)| *start);
    let yes = search(emitter, upper);
    let no = search(emitter, lower);
    emitter.jump(code::JUMP_GREATER_OR_EQUAL, start, yes, no)
}

fn decide(emitter: &mut Emitter, decision: &Decision) -> Label {
    let mut next = emitter.ret(decision.otherwise);
    for (conditions, action) in decision.checks.iter().rev() {
        let mut passed = emitter.ret(*action);
        for condition in conditions.iter().rev() {
            passed = emitter.check(condition, passed, next);
        }
        next = passed;
    }
    next
}
