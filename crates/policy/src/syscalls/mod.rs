//! The built-in system call profiles, each call with its reason; profiles in Docker's format; and the check that a profile
//! is no looser than another.

mod argument_values;
mod arguments;
mod calls;
mod capabilities;
mod docker;
mod groups;
mod refused;
mod strictness;

use cofferdam_confinement::seccomp::{Action, Arch, Flags, Profile, Rule};
use cofferdam_kernel::capability::{CapSet, Capability};

use crate::SyscallRules;
use capabilities::GRANTS;
use groups::GROUPS;
use refused::{Answer, REFUSALS};

pub use docker::{DockerContext, DockerProfileError, parse_docker_profile};
pub use strictness::{Looser, is_at_least_as_strict};

/// The profile of a container with these capabilities.
///
/// Default: what ordinary images run, on the 64-bit entry and the 32-bit one, not on x32's. Strict: programs that
/// compute on files and pipes, on the 64-bit entry alone, whatever the capabilities. Any other call fails with
/// EPERM, or with ENOSYS where that makes programs fall back.
#[must_use]
pub fn profile_for(kind: &SyscallRules, capabilities: CapSet) -> Profile {
    let (architectures, rules) = match kind {
        SyscallRules::Default => {
            (vec![Arch::X86_64, Arch::X86, Arch::Aarch64, Arch::Arm], default_rules(capabilities))
        }
        SyscallRules::Strict => (vec![Arch::X86_64, Arch::Aarch64], strict_rules()),
    };
    Profile {
        default_action: Action::Errno(1),
        architectures,
        flags: Flags::default(),
        listener: None,
        rules,
    }
}

fn default_rules(capabilities: CapSet) -> Vec<Rule> {
    let granted: Vec<&'static str> = GRANTS
        .iter()
        .filter(|grant| {
            grant.capability.parse::<Capability>().is_ok_and(|needed| capabilities.contains(needed))
        })
        .flat_map(|grant| grant.calls.iter())
        .collect();
    // The first rule that names a call decides, so what is granted must not be refused before.
    let mut rules = refusals(&granted);
    rules.extend(arguments::sockets(capabilities));
    rules.extend(arguments::namespaces(capabilities));
    rules.extend(arguments::ioctl());
    rules.extend(arguments::personality());
    rules.extend(arguments::mknod(capabilities));
    rules.extend(GROUPS.iter().map(|group| allow(group.calls.iter())));
    rules.push(allow(granted.into_iter()));
    rules
}

fn strict_rules() -> Vec<Rule> {
    let mut rules = refusals(&[]);
    rules.extend(arguments::local_sockets_only());
    rules.extend(arguments::namespaces(CapSet::EMPTY));
    rules.extend(arguments::ioctl());
    rules.extend(arguments::mknod(CapSet::EMPTY));
    rules.extend(GROUPS.iter().filter(|group| group.strict).map(|group| allow(group.calls.iter())));
    rules
}

fn refusals(granted: &[&str]) -> Vec<Rule> {
    let rule = |refusal: &refused::Refusal| {
        let action = match refusal.answer {
            Answer::Enosys => Action::Errno(38),
            Answer::Eperm => Action::Errno(1),
        };
        let names = refusal.calls.iter().filter(|call| !granted.contains(call)).map(str::to_owned);
        Rule { names: names.collect(), action, args: Vec::new() }
    };
    REFUSALS.iter().map(rule).collect()
}

fn allow(calls: impl Iterator<Item = &'static str>) -> Rule {
    Rule { names: calls.map(str::to_owned).collect(), action: Action::Allow, args: Vec::new() }
}

/// Why the built-in profiles allow or refuse a call, where they say so in more than its arguments' rules.
#[must_use]
pub fn reason_for(call: &str) -> Option<&'static str> {
    let refused = REFUSALS.iter().map(|refusal| (refusal.calls, refusal.reason));
    let granted = GRANTS.iter().map(|grant| (grant.calls, grant.reason));
    let grouped = GROUPS.iter().map(|group| (group.calls, group.reason));
    refused
        .chain(granted)
        .chain(grouped)
        .find(|(calls, _)| calls.iter().any(|known| known == call))
        .map(|(_, reason)| reason)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use cofferdam_confinement::seccomp::{SeccompData, compile, is_syscall, syscall_number};

    use super::*;

    fn caps(names: &[&str]) -> CapSet {
        names.iter().map(|name| name.parse::<Capability>().unwrap()).collect()
    }

    fn answer(profile: &Profile, arch: Arch, name: &str, args: &[u64]) -> Action {
        let mut six = [0; 6];
        six[..args.len()].copy_from_slice(args);
        let nr = syscall_number(arch, name).unwrap();
        let program = compile(profile, Arch::X86_64).unwrap().program;
        program.run(&SeccompData::new(arch, nr, six)).unwrap()
    }

    fn default(capabilities: CapSet) -> Profile {
        profile_for(&SyscallRules::Default, capabilities)
    }

    #[test]
    fn every_listed_call_exists_and_is_listed_once() {
        let mut seen = BTreeSet::new();
        for name in GROUPS.iter().flat_map(|group| group.calls.iter()) {
            assert!(is_syscall(name), "{name}");
            assert!(seen.insert(name), "{name} is in two groups");
        }
        for name in
            GRANTS.iter().flat_map(|g| g.calls.iter()).chain(REFUSALS.iter().flat_map(|r| r.calls.iter()))
        {
            assert!(is_syscall(name), "{name}");
            assert!(!seen.contains(name), "{name} is allowed to all as well");
        }
        for grant in GRANTS {
            assert!(grant.capability.parse::<Capability>().is_ok(), "{}", grant.capability);
        }
    }

    #[test]
    fn the_profiles_compile_without_a_rest() {
        for capabilities in [CapSet::EMPTY, CapSet::full()] {
            for kind in [SyscallRules::Default, SyscallRules::Strict] {
                for native in [Arch::X86_64, Arch::Aarch64] {
                    let compiled = compile(&profile_for(&kind, capabilities), native).unwrap();
                    assert_eq!(compiled.unknown_names, Vec::<String>::new());
                    let length = compiled.program.instructions().len();
                    eprintln!("{kind:?} {} of {} instructions: {length}", native.name(), capabilities.bits());
                    assert!(length < 1500, "{length}");
                }
            }
        }
    }

    #[test]
    fn socket_families_and_protocols() {
        let plain = default(CapSet::EMPTY);
        let allowed =
            [[1, 1, 0], [2, 1, 6], [10, 0o2000001, 0], [2, 2, 17], [2, 2, 1], [16, 3, 0], [2, 1, 262]];
        let refused = [
            [38, 5, 0],   // AF_ALG
            [17, 3, 768], // AF_PACKET
            [40, 1, 0],   // AF_VSOCK
            [16, 3, 12],  // NETLINK_NETFILTER
            [16, 3, 9],   // NETLINK_AUDIT
            [2, 3, 1],    // raw
            [2, 10, 768], // SOCK_PACKET: AF_PACKET by another name
            [2, 1, 132],  // SCTP
            [2, 6, 33],   // DCCP
            [2, 2, 115],  // L2TP
            [30, 5, 0],   // AF_TIPC
            [0x1_0000_0026, 5, 0],
        ];
        for arch in [Arch::X86_64, Arch::X86] {
            for args in allowed {
                assert_eq!(answer(&plain, arch, "socket", &args), Action::Allow, "{args:?}");
            }
            for args in refused {
                assert!(matches!(answer(&plain, arch, "socket", &args), Action::Errno(_)), "{args:?}");
            }
        }
        for call in 1..=20 {
            assert_eq!(answer(&plain, Arch::X86, "socketcall", &[call]), Action::Errno(38));
        }
        assert_eq!(answer(&default(caps(&["NET_RAW"])), Arch::X86_64, "socket", &[2, 3, 1]), Action::Allow);
        assert_eq!(
            answer(&default(caps(&["NET_RAW"])), Arch::X86_64, "socket", &[17, 3, 0]),
            Action::Errno(97)
        );
        let network_tools = default(caps(&["NET_RAW", "NET_ADMIN"]));
        assert_eq!(answer(&network_tools, Arch::X86_64, "socket", &[17, 3, 0]), Action::Allow);
        assert_eq!(answer(&network_tools, Arch::X86_64, "socket", &[16, 3, 12]), Action::Allow);
    }

    #[test]
    fn no_user_namespace_by_any_call_or_capability() {
        let user = 0x1000_0000;
        for capabilities in [CapSet::EMPTY, CapSet::full()] {
            for arch in [Arch::X86_64, Arch::X86] {
                let profile = default(capabilities);
                assert_eq!(answer(&profile, arch, "clone", &[user | 17]), Action::Errno(1));
                assert_eq!(answer(&profile, arch, "unshare", &[user]), Action::Errno(1));
                assert_eq!(answer(&profile, arch, "clone3", &[]), Action::Errno(38));
                assert_eq!(answer(&profile, arch, "clone", &[0x8000 | 17]), Action::Errno(1), "CLONE_PARENT");
                assert_eq!(answer(&profile, arch, "clone", &[17]), Action::Allow);
            }
        }
        assert_eq!(
            answer(&default(CapSet::EMPTY), Arch::X86_64, "unshare", &[0x4000_0000]),
            Action::Errno(1)
        );
        assert_eq!(
            answer(&default(caps(&["SYS_ADMIN"])), Arch::X86_64, "unshare", &[0x4000_0000]),
            Action::Allow
        );
    }

    #[test]
    fn capabilities_bring_their_calls() {
        let bare = default(CapSet::EMPTY);
        for grant in GRANTS {
            let with = default(caps(&[grant.capability]));
            for call in grant.calls.iter().filter(|call| syscall_number(Arch::X86_64, call).is_some()) {
                assert!(matches!(answer(&bare, Arch::X86_64, call, &[]), Action::Errno(_)), "{call}");
                assert_eq!(answer(&with, Arch::X86_64, call, &[]), Action::Allow, "{call}");
            }
        }
    }

    #[test]
    fn requests_modes_and_personas() {
        let bare = default(CapSet::EMPTY);
        for request in [0x5412, 0x541C, 0x5423, 0x7_0000_5412] {
            assert_eq!(answer(&bare, Arch::X86_64, "ioctl", &[0, request]), Action::Errno(1));
        }
        assert_eq!(answer(&bare, Arch::X86_64, "ioctl", &[0, 0x5413]), Action::Allow);
        assert_eq!(answer(&bare, Arch::X86_64, "personality", &[0x40_0000]), Action::Errno(1));
        assert_eq!(answer(&bare, Arch::X86_64, "personality", &[u64::MAX]), Action::Allow);
        assert_eq!(answer(&bare, Arch::X86_64, "mknod", &[0, 0x1180, 0]), Action::Allow);
        assert_eq!(answer(&bare, Arch::X86_64, "mknodat", &[0, 0, 0x2180, 0x103]), Action::Errno(1));
        assert_eq!(answer(&bare, Arch::X86_64, "mknodat", &[0, 0, 0x2000, 0]), Action::Allow);
        assert_eq!(
            answer(&default(caps(&["MKNOD"])), Arch::X86_64, "mknod", &[0, 0x2180, 0x103]),
            Action::Allow
        );
    }

    #[test]
    fn strict_has_no_second_entry_and_no_network() {
        let strict = profile_for(&SyscallRules::Strict, CapSet::full());
        assert_eq!(answer(&strict, Arch::X86, "getpid", &[]), Action::KillProcess);
        assert_eq!(answer(&strict, Arch::X32, "getpid", &[]), Action::KillProcess);
        assert_eq!(answer(&strict, Arch::X86_64, "socket", &[2, 1, 0]), Action::Errno(97));
        assert_eq!(answer(&strict, Arch::X86_64, "mount", &[]), Action::Errno(1));
        assert_eq!(answer(&strict, Arch::X86_64, "socket", &[1, 1, 0]), Action::Allow);
    }

    /// PEERS.md: Docker allows 361 calls and 65 more under conditions.
    #[test]
    fn fewer_calls_than_docker() {
        let count = |capabilities| {
            let profile = default(capabilities);
            let allowed = profile.rules.iter().filter(|rule| rule.action == Action::Allow);
            let (free, bound): (Vec<_>, Vec<_>) = allowed.partition(|rule| rule.args.is_empty());
            let names =
                |rules: Vec<&Rule>| rules.iter().flat_map(|r| r.names.clone()).collect::<BTreeSet<String>>();
            (names(free), names(bound))
        };
        let (free, by_argument) = count(CapSet::EMPTY);
        let by_capability = count(CapSet::full()).0.difference(&free).count();
        eprintln!(
            "default: {} free, {} by arguments, {by_capability} by capability",
            free.len(),
            by_argument.len()
        );
        let strict = profile_for(&SyscallRules::Strict, CapSet::EMPTY);
        let strict: BTreeSet<&String> =
            strict.rules.iter().filter(|r| r.action == Action::Allow).flat_map(|r| &r.names).collect();
        let native = |names: &BTreeSet<String>| {
            names.iter().filter(|name| syscall_number(Arch::X86_64, name).is_some()).count()
        };
        let strict_native = strict.iter().filter(|name| syscall_number(Arch::X86_64, name).is_some()).count();
        eprintln!("strict: {} in all; on x86_64 {strict_native}, default {}", strict.len(), native(&free));
        assert!(free.len() + by_argument.len() < 361 && by_capability < 65);
        assert!(strict_native < native(&free) - 50, "{strict_native}");
    }

    #[test]
    fn every_call_has_a_reason() {
        assert!(reason_for("io_uring_setup").is_some_and(|reason| reason.contains("past the filter")));
        assert!(reason_for("read").is_some() && reason_for("reboot").is_some());
        assert_eq!(reason_for("warp_drive"), None);
    }
}
