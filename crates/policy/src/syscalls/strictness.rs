//! Whether one profile allows nothing that another refuses.

use cofferdam_confinement::seccomp::{Action, Arch, Condition, Decision, Profile, syscall_name};
use thiserror::Error;

use super::argument_values::{Arguments, TooComplex, exist};

/// Where a profile is looser than the one that it has to stay within.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum Looser {
    /// For some arguments at least.
    #[error("system call {call} ({}): the profile says \"{candidate}\" where \"{ceiling}\" is the most", arch.name())]
    Call { arch: Arch, call: String, candidate: Action, ceiling: Action },
    /// The conditions of both are too entangled to be sure.
    #[error("system call {call} ({}): its conditions are too many to be compared", arch.name())]
    TooComplex { arch: Arch, call: String },
    /// `SECCOMP_FILTER_FLAG_SPEC_ALLOW` switches a protection of the processor off.
    #[error("seccomp flag SECCOMP_FILTER_FLAG_SPEC_ALLOW: the profile sets it")]
    SpecAllow,
    /// Refused calls would no longer be logged.
    #[error("seccomp flag SECCOMP_FILTER_FLAG_LOG: the profile does not set it")]
    NotLogged,
}

/// An architecture with the one whose kernel takes its calls.
const ENTRIES: [(Arch, Arch); 5] = [
    (Arch::X86_64, Arch::X86_64),
    (Arch::X86, Arch::X86_64),
    (Arch::X32, Arch::X86_64),
    (Arch::Aarch64, Arch::Aarch64),
    (Arch::Arm, Arch::Aarch64),
];

/// Checks a profile against a ceiling, for every call of every entry of both kinds of machines: whatever the arguments,
/// it must do no more than the ceiling does.
///
/// From the least to the most: kill the process, kill the thread, trap, errno (whichever), ask the listener, ask a tracer (it may be
/// the container's own), log, allow. The answer is exact, and "looser" where it would take too long.
///
/// # Errors
/// The first call for which it does more.
pub fn is_at_least_as_strict(candidate: &Profile, ceiling: &Profile) -> Result<(), Looser> {
    if candidate.flags.spec_allow && !ceiling.flags.spec_allow {
        return Err(Looser::SpecAllow);
    }
    if ceiling.flags.log && !candidate.flags.log {
        return Err(Looser::NotLogged);
    }
    for (arch, native) in ENTRIES {
        let ours = decisions(candidate, arch, native);
        let theirs = decisions(ceiling, arch, native);
        let mut starts: Vec<u32> = ours.iter().chain(&theirs).map(|(start, _)| *start).collect();
        starts.sort_unstable();
        starts.dedup();
        for number in starts {
            compare(arch, number, at(&ours, number), at(&theirs, number))?;
        }
    }
    Ok(())
}

/// What a profile says of an architecture's numbers: an entry that it doesn't list kills.
fn decisions(profile: &Profile, arch: Arch, native: Arch) -> Vec<(u32, Decision)> {
    if arch == native || profile.architectures.contains(&arch) {
        profile.decisions(arch)
    } else {
        vec![(0, Decision::always(Action::KillProcess))]
    }
}

fn at(decisions: &[(u32, Decision)], number: u32) -> Option<&Decision> {
    let after = decisions.partition_point(|(start, _)| *start <= number);
    decisions.get(after.checked_sub(1)?).map(|(_, decision)| decision)
}

/// How much an action lets happen.
fn reach(action: Action) -> u8 {
    match action {
        Action::KillProcess => 0,
        Action::KillThread => 1,
        Action::Trap => 2,
        Action::Errno(_) => 3,
        Action::Notify => 4,
        Action::Trace(_) => 5,
        Action::Log => 6,
        Action::Allow => 7,
    }
}

/// One way in which a decision can come out.
struct Outcome<'d> {
    /// What must hold.
    passed: &'d [Condition],
    /// What must not have held before.
    before: &'d [(Vec<Condition>, Action)],
    action: Action,
}

fn outcomes(decision: &Decision) -> impl Iterator<Item = Outcome<'_>> {
    let checks = decision.checks.iter().enumerate().map(|(index, (conditions, action))| Outcome {
        passed: conditions,
        before: decision.checks.get(..index).unwrap_or_default(),
        action: *action,
    });
    checks.chain([Outcome { passed: &[], before: &decision.checks, action: decision.otherwise }])
}

fn compare(
    arch: Arch,
    number: u32,
    candidate: Option<&Decision>,
    ceiling: Option<&Decision>,
) -> Result<(), Looser> {
    let (Some(candidate), Some(ceiling)) = (candidate, ceiling) else { return Ok(()) };
    if candidate == ceiling {
        return Ok(());
    }
    let call = || syscall_name(arch, number).map_or_else(|| format!("number {number}"), str::to_owned);
    // A 32-bit entry leaves the upper halves empty; x32 is none in this.
    let widest = if matches!(arch, Arch::X86 | Arch::Arm) { u64::from(u32::MAX) } else { u64::MAX };
    for ours in outcomes(candidate) {
        for theirs in outcomes(ceiling).filter(|theirs| reach(ours.action) > reach(theirs.action)) {
            let failed: Vec<&[Condition]> = ours
                .before
                .iter()
                .chain(theirs.before)
                .map(|(conditions, _)| conditions.as_slice())
                .collect();
            match exist(Arguments::any(widest), &[ours.passed, theirs.passed], &failed) {
                Ok(false) => {}
                Ok(true) => {
                    let (candidate, ceiling) = (ours.action, theirs.action);
                    return Err(Looser::Call { arch, call: call(), candidate, ceiling });
                }
                Err(TooComplex) => return Err(Looser::TooComplex { arch, call: call() }),
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use cofferdam_confinement::seccomp::{ArgIndex, Comparison, Rule, SeccompData, syscall_number};
    use cofferdam_kernel::capability::CapSet;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::profile_for;
    use super::*;
    use crate::SyscallRules;

    fn default() -> Profile {
        profile_for(&SyscallRules::Default, CapSet::EMPTY)
    }

    fn with_first(mut profile: Profile, rule: Rule) -> Profile {
        profile.rules.insert(0, rule);
        profile
    }

    fn rule(name: &str, action: Action, args: Vec<(u32, Comparison)>) -> Rule {
        let condition =
            |(index, comparison)| Condition { index: ArgIndex::try_from(index).unwrap(), comparison };
        Rule { names: vec![name.to_owned()], action, args: args.into_iter().map(condition).collect() }
    }

    fn looser_call(candidate: &Profile, ceiling: &Profile) -> Option<String> {
        match is_at_least_as_strict(candidate, ceiling) {
            Ok(()) => None,
            Err(Looser::Call { call, .. }) => Some(call),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn each_built_in_profile_is_within_itself_and_strict_is_within_default() {
        let strict = profile_for(&SyscallRules::Strict, CapSet::EMPTY);
        let admin = profile_for(&SyscallRules::Default, CapSet::full());
        for profile in [default(), strict.clone(), admin.clone()] {
            assert_eq!(is_at_least_as_strict(&profile, &profile), Ok(()));
        }
        assert_eq!(is_at_least_as_strict(&strict, &default()), Ok(()));
        assert_eq!(is_at_least_as_strict(&default(), &admin), Ok(()));
        assert!(looser_call(&default(), &strict).is_some());
        assert!(looser_call(&admin, &default()).is_some());
    }

    #[test]
    fn a_call_more_is_looser_and_a_call_less_is_not() {
        let fewer = with_first(default(), rule("read", Action::Errno(5), vec![]));
        assert_eq!(looser_call(&fewer, &default()), None);
        assert_eq!(looser_call(&default(), &fewer), Some("read".to_owned()));
        for action in [Action::Allow, Action::Log, Action::Trace(1), Action::Notify] {
            let more = with_first(default(), rule("keyctl", action, vec![]));
            assert_eq!(looser_call(&more, &default()), Some("keyctl".to_owned()), "{action}");
        }
        let killing = with_first(default(), rule("keyctl", Action::KillProcess, vec![]));
        assert_eq!(looser_call(&killing, &default()), None);
    }

    #[test]
    fn arguments_are_compared_exactly() {
        let alg = |comparison| with_first(default(), rule("socket", Action::Allow, vec![(0, comparison)]));
        assert_eq!(looser_call(&alg(Comparison::Equal(38)), &default()), Some("socket".to_owned()));
        assert_eq!(looser_call(&alg(Comparison::Equal(1)), &default()), None);
        // Refuses less than the ceiling does: the kernel ignores the upper half, a whole comparison does not.
        let mut weaker = default();
        weaker.rules.retain(|rule| !rule.names.contains(&"ioctl".to_owned()));
        weaker.rules.push(rule("ioctl", Action::Errno(1), vec![(1, Comparison::Equal(0x5412))]));
        weaker.rules.push(rule("ioctl", Action::Allow, vec![]));
        assert_eq!(looser_call(&weaker, &default()), Some("ioctl".to_owned()));
        // Refuses more, in other words.
        let mut other_words = default();
        other_words.rules.retain(|rule| !rule.names.contains(&"ioctl".to_owned()));
        other_words.rules.push(rule("ioctl", Action::Allow, vec![(1, Comparison::Less(0x5400))]));
        assert_eq!(looser_call(&other_words, &default()), None);
    }

    #[test]
    fn an_entry_more_or_a_permissive_default_is_looser() {
        let mut x32 = default();
        x32.architectures.push(Arch::X32);
        assert!(matches!(is_at_least_as_strict(&x32, &default()), Err(Looser::Call { arch: Arch::X32, .. })));
        let mut open = default();
        open.default_action = Action::Allow;
        assert!(is_at_least_as_strict(&open, &default()).is_err());
        let mut native_only = default();
        native_only.architectures.clear();
        assert_eq!(is_at_least_as_strict(&native_only, &default()), Ok(()));
    }

    fn any_profile() -> impl Strategy<Value = Profile> {
        let action =
            prop::sample::select(vec![Action::Allow, Action::Errno(1), Action::KillProcess, Action::Log]);
        let comparison = (0..5, 0_u64..4, 0_u64..4).prop_map(|(kind, value, mask)| match kind {
            0 => Comparison::NotEqual(value),
            1 => Comparison::LessOrEqual(value),
            2 => Comparison::Equal(value),
            3 => Comparison::Greater(value),
            _ => Comparison::MaskedEqual { mask, value: value & mask },
        });
        let name = prop::sample::select(vec!["read", "socket", "socketcall", "ipc", "semget"]);
        let rules = vec((name, action.clone(), vec((0_u32..2, comparison), 0..3)), 0..5);
        let entries = prop::sample::subsequence(vec![Arch::X86, Arch::X32, Arch::Arm], 0..3);
        (action, rules, entries).prop_map(|(default_action, rules, architectures)| Profile {
            default_action,
            architectures,
            rules: rules.into_iter().map(|(name, action, args)| rule(name, action, args)).collect(),
            ..default()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn a_profile_that_passes_does_no_more_for_any_call(candidate in any_profile(), ceiling in any_profile()) {
            let verdict = is_at_least_as_strict(&candidate, &ceiling);
            let mut does_more = false;
            for (arch, native) in ENTRIES {
                for name in ["read", "socket", "socketcall", "ipc", "semget", "mseal"] {
                    let Some(nr) = syscall_number(arch, name) else { continue };
                    for args in (0..6).flat_map(|a| (0..6).map(move |b| [a, b, 0, 0, 0, 0])) {
                        let data = SeccompData::new(arch, nr, args);
                        let (ours, theirs) = (candidate.decide(native, &data), ceiling.decide(native, &data));
                        does_more |= reach(ours) > reach(theirs);
                    }
                }
            }
            prop_assert!(!does_more || verdict.is_err(), "{:?} {:?}", candidate, ceiling);
        }
    }

    #[test]
    fn flags_count() {
        let mut unsafe_speculation = default();
        unsafe_speculation.flags.spec_allow = true;
        assert_eq!(is_at_least_as_strict(&unsafe_speculation, &default()), Err(Looser::SpecAllow));
        let mut logging = default();
        logging.flags.log = true;
        assert_eq!(is_at_least_as_strict(&default(), &logging), Err(Looser::NotLogged));
    }
}
