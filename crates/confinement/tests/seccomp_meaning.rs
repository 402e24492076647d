//! The compiled program says of every call what the profile says of it.
#![allow(clippy::unwrap_used, reason = "tests")]

use cofferdam_confinement::seccomp::{
    Action, Arch, ArgIndex, Comparison, CompileError, Condition, Flags, Listener, Profile, Rule, SeccompData,
    compile, syscall_number, syscalls,
};
use proptest::collection::vec;
use proptest::prelude::*;

fn profile(default_action: Action, architectures: Vec<Arch>, rules: Vec<Rule>) -> Profile {
    let listener = Some(Listener { path: "/run/agent.sock".into(), metadata: String::new() });
    Profile { default_action, architectures, flags: Flags::default(), listener, rules }
}

fn rule(names: &[&str], action: Action, args: Vec<Condition>) -> Rule {
    Rule { names: names.iter().map(|name| (*name).to_owned()).collect(), action, args }
}

fn condition(index: u32, comparison: Comparison) -> Condition {
    Condition { index: ArgIndex::try_from(index).unwrap(), comparison }
}

fn any_action() -> impl Strategy<Value = Action> {
    prop_oneof![
        3 => Just(Action::Allow),
        2 => (0u16..5).prop_map(Action::Errno),
        1 => Just(Action::KillProcess),
        1 => Just(Action::KillThread),
        1 => Just(Action::Trap),
        1 => Just(Action::Log),
        1 => (0u16..3).prop_map(Action::Trace),
    ]
}

/// Values that are often hit, at the edges of both halves.
fn any_value() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0u64..6,
        2 => (0u64..4).prop_map(|v| v << 32),
        2 => (0u64..4).prop_map(|v| 0xFFFF_FFFF - v),
        1 => (0u64..4).prop_map(|v| u64::MAX - v),
        1 => any::<u64>(),
    ]
}

fn any_comparison() -> impl Strategy<Value = Comparison> {
    (0..7, any_value(), any_value()).prop_map(|(kind, value, mask)| match kind {
        0 => Comparison::NotEqual(value),
        1 => Comparison::Less(value),
        2 => Comparison::LessOrEqual(value),
        3 => Comparison::Equal(value),
        4 => Comparison::GreaterOrEqual(value),
        5 => Comparison::Greater(value),
        _ => Comparison::MaskedEqual { mask, value: value & mask },
    })
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let all: Vec<&'static str> = syscalls(Arch::X86).chain(syscalls(Arch::Arm)).collect();
    let doors = prop::sample::select(vec!["socket", "bind", "socketcall", "ipc", "shmget", "read", "write"]);
    let name = prop_oneof![4 => prop::sample::select(all), 1 => doors];
    let conditions = prop_oneof![Just(0usize..1), Just(1..3)]
        .prop_flat_map(|count| vec((0u32..6, any_comparison()), count));
    (vec(name, 1..12), any_action(), conditions).prop_map(|(names, action, conditions)| {
        let args = conditions.into_iter().map(|(index, comparison)| condition(index, comparison)).collect();
        rule(&names, action, args)
    })
}

fn any_profile() -> impl Strategy<Value = Profile> {
    let entries = vec(prop::sample::select(vec![Arch::X86, Arch::X32, Arch::Arm, Arch::Mips]), 0..4);
    (any_action(), entries, vec(any_rule(), 0..24))
        .prop_map(|(default, entries, rules)| profile(default, entries, rules))
}

fn any_call() -> impl Strategy<Value = SeccompData> {
    let arch = prop::sample::select(vec![Arch::X86_64, Arch::X86, Arch::Aarch64, Arch::Arm, Arch::S390x]);
    let number = prop_oneof![
        8 => 0u32..500,
        2 => (0u32..560).prop_map(|n| n | 0x4000_0000),
        1 => prop::sample::select(vec![0xF0001, 0xF0002, 0x3FFF_FFFF, 0x4000_0000, 0x8000_0000, u32::MAX - 1, u32::MAX]),
    ];
    (arch, number, prop::array::uniform6(any_value()))
        .prop_map(|(arch, nr, args)| SeccompData::new(arch, nr, args))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn the_program_says_what_the_profile_says(profile in any_profile(), calls in vec(any_call(), 120)) {
        for native in [Arch::X86_64, Arch::Aarch64] {
            let program = compile(&profile, native).unwrap().program;
            for data in &calls {
                prop_assert_eq!(program.run(data).unwrap(), profile.decide(native, data), "{:?} on {:?}", data, native);
            }
            // Each call that a rule names, with arguments at the edges.
            for name in profile.rules.iter().flat_map(|rule| &rule.names) {
                for arch in [Arch::X86_64, Arch::X86, Arch::X32, Arch::Aarch64, Arch::Arm] {
                    let Some(nr) = syscall_number(arch, name) else { continue };
                    for data in calls.iter().take(8).map(|call| SeccompData::new(arch, nr, call.args)) {
                        prop_assert_eq!(program.run(&data).unwrap(), profile.decide(native, &data), "{} {:?}", name, data);
                    }
                }
            }
        }
    }
}

#[test]
fn every_number_of_a_dense_profile_is_decided_as_it_says() {
    let odd: Vec<&str> = syscalls(Arch::X86_64).step_by(2).collect();
    let even: Vec<&str> = syscalls(Arch::X86_64).skip(1).step_by(2).collect();
    let far = vec![condition(0, Comparison::Greater(1 << 40)), condition(5, Comparison::NotEqual(7))];
    let entries = vec![Arch::X86, Arch::X32];
    let profile = profile(
        Action::Errno(1),
        entries,
        vec![rule(&odd, Action::Allow, vec![]), rule(&even, Action::Log, far)],
    );
    let program = compile(&profile, Arch::X86_64).unwrap().program;
    assert!(program.instructions().len() > 1000, "{program:?}");
    for arch in [Arch::X86_64, Arch::X86] {
        for nr in (0..600).flat_map(|nr| [nr, nr | 0x4000_0000]) {
            for args in [[0; 6], [1 << 41; 6], [1 << 40, 0, 0, 0, 0, 7]] {
                let data = SeccompData::new(arch, nr, args);
                assert_eq!(program.run(&data), Ok(profile.decide(Arch::X86_64, &data)), "{data:?}");
            }
        }
    }
}

#[test]
fn the_first_rule_that_passes_decides() {
    let families = vec![condition(0, Comparison::MaskedEqual { mask: 0xFFFF_FFFF, value: 38 })];
    let profile = profile(
        Action::Errno(1),
        vec![],
        vec![rule(&["socket"], Action::Errno(97), families), rule(&["socket"], Action::Allow, vec![])],
    );
    let nr = syscall_number(Arch::X86_64, "socket").unwrap();
    let program = compile(&profile, Arch::X86_64).unwrap().program;
    let run = |family| program.run(&SeccompData::new(Arch::X86_64, nr, [family, 0, 0, 0, 0, 0])).unwrap();
    assert_eq!(run(38), Action::Errno(97));
    assert_eq!(run(0x5_0000_0026), Action::Errno(97), "the kernel takes the lower half alone");
    assert_eq!(run(2), Action::Allow);
}

/// ESCAPES.md: socketcall hides its arguments from seccomp.
#[test]
fn socketcall_is_no_way_round_a_rule_with_conditions() {
    let families = vec![condition(0, Comparison::Equal(38))];
    for default_action in [Action::Allow, Action::Errno(1)] {
        let rules = vec![
            rule(&["socket"], Action::Errno(97), families.clone()),
            rule(&["socket", "bind"], Action::Allow, vec![]),
        ];
        let profile = profile(default_action, vec![Arch::X86], rules);
        let program = compile(&profile, Arch::X86_64).unwrap().program;
        let socketcall = syscall_number(Arch::X86, "socketcall").unwrap();
        let run =
            |call| program.run(&SeccompData::new(Arch::X86, socketcall, [call, 0, 0, 0, 0, 0])).unwrap();
        assert_eq!(run(1), Action::Errno(97));
        assert_eq!(run(2), Action::Allow);
    }
}

#[test]
fn calls_newer_than_the_profile_get_enosys_only_where_the_default_refuses() {
    let open_tree_attr = SeccompData::new(Arch::X86_64, 467, [0; 6]);
    let with_default = |default| {
        let profile = profile(default, vec![], vec![rule(&["read", "futex_waitv"], Action::Allow, vec![])]);
        compile(&profile, Arch::X86_64).unwrap().program.run(&open_tree_attr).unwrap()
    };
    assert_eq!(with_default(Action::Errno(1)), Action::Errno(38));
    assert_eq!(with_default(Action::KillProcess), Action::Errno(38));
    assert_eq!(with_default(Action::Allow), Action::Allow);
    assert_eq!(with_default(Action::Trace(3)), Action::Trace(3));
}

#[test]
fn an_entry_that_is_not_listed_kills() {
    let profile = profile(Action::Allow, vec![], vec![]);
    let program = compile(&profile, Arch::X86_64).unwrap().program;
    let run = |arch, nr| program.run(&SeccompData::new(arch, nr, [0; 6])).unwrap();
    assert_eq!(run(Arch::X86_64, 0), Action::Allow);
    assert_eq!(run(Arch::X86, 0), Action::KillProcess);
    assert_eq!(run(Arch::X32, 0x4000_0000), Action::KillProcess);
    assert_eq!(run(Arch::Aarch64, 0), Action::KillProcess);
}

#[test]
fn what_is_not_in_the_program_is_reported() {
    let rules = vec![rule(&["read", "swapcontext", "warp_drive"], Action::Allow, vec![])];
    let compiled =
        compile(&profile(Action::Errno(1), vec![Arch::S390x, Arch::X86], rules), Arch::X86_64).unwrap();
    assert_eq!(compiled.unknown_names, ["swapcontext", "warp_drive"]);
    assert_eq!(compiled.foreign_architectures, [Arch::S390x]);
}

#[test]
fn a_profile_that_is_no_filter_is_refused() {
    let notify = |names: &[&str]| profile(Action::Allow, vec![], vec![rule(names, Action::Notify, vec![])]);
    for call in ["write", "sendmsg"] {
        let refused = Err(CompileError::NotifyOnHandover(call));
        assert_eq!(compile(&notify(&["mkdir", call]), Arch::X86_64), refused);
    }
    assert!(compile(&notify(&["mkdir"]), Arch::X86_64).is_ok());
    let nobody = Profile { listener: None, ..notify(&["mkdir"]) };
    assert_eq!(compile(&nobody, Arch::X86_64), Err(CompileError::NoListener));
    let by_default = profile(Action::Notify, vec![], vec![]);
    assert_eq!(compile(&by_default, Arch::X86_64), Err(CompileError::NotifyByDefault));
    assert_eq!(
        compile(&profile(Action::Allow, vec![], vec![]), Arch::Mips),
        Err(CompileError::NoTable(Arch::Mips))
    );
    let conditions = |n: u64| vec![condition(0, Comparison::Equal(n)), condition(1, Comparison::Equal(n))];
    let long = (0..700).map(|n| rule(&["read"], Action::Allow, conditions(n))).collect();
    assert!(matches!(
        compile(&profile(Action::Errno(1), vec![], long), Arch::X86_64),
        Err(CompileError::TooLong(instructions)) if instructions > 4096
    ));
}

#[test]
fn the_listing_names_calls_and_targets() {
    let rules = vec![rule(&["read"], Action::Allow, vec![condition(1, Comparison::Equal(3))])];
    let listing = compile(&profile(Action::Errno(1), vec![], rules), Arch::X86_64)
        .unwrap()
        .program
        .listing(Arch::X86_64);
    for words in
        ["load architecture", "SCMP_ARCH_X86_64", "argument 1 upper half", "return kill process", "(write)"]
    {
        assert!(listing.contains(words), "{words}:\n{listing}");
    }
}
