//! The architectures that a profile may name (OCI runtime-spec, config-linux.md, "Seccomp").

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A calling convention of the kernel. x86 and x32 are entries of an x86_64 kernel, arm of an aarch64 one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[allow(missing_docs, reason = "the names are the kernel's")]
pub enum Arch {
    X86,
    X86_64,
    X32,
    Arm,
    Aarch64,
    Mips,
    Mips64,
    Mips64N32,
    Mipsel,
    Mipsel64,
    Mipsel64N32,
    Ppc,
    Ppc64,
    Ppc64le,
    S390,
    S390x,
    Parisc,
    Parisc64,
    Riscv64,
    Loongarch64,
    M68k,
    Sh,
    Sheb,
}

/// A word that names no architecture.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("unknown seccomp architecture {0:?}")]
pub struct UnknownArch(pub String);

/// Each architecture with OCI's name and the `AUDIT_ARCH_*` value (`<linux/audit.h>`) that `seccomp_data.arch` holds.
const TABLE: [(Arch, &str, u32); 23] = [
    (Arch::X86, "SCMP_ARCH_X86", 0x4000_0003),
    (Arch::X86_64, "SCMP_ARCH_X86_64", 0xC000_003E),
    (Arch::X32, "SCMP_ARCH_X32", 0xC000_003E),
    (Arch::Arm, "SCMP_ARCH_ARM", 0x4000_0028),
    (Arch::Aarch64, "SCMP_ARCH_AARCH64", 0xC000_00B7),
    (Arch::Mips, "SCMP_ARCH_MIPS", 0x0000_0008),
    (Arch::Mips64, "SCMP_ARCH_MIPS64", 0x8000_0008),
    (Arch::Mips64N32, "SCMP_ARCH_MIPS64N32", 0xA000_0008),
    (Arch::Mipsel, "SCMP_ARCH_MIPSEL", 0x4000_0008),
    (Arch::Mipsel64, "SCMP_ARCH_MIPSEL64", 0xC000_0008),
    (Arch::Mipsel64N32, "SCMP_ARCH_MIPSEL64N32", 0xE000_0008),
    (Arch::Ppc, "SCMP_ARCH_PPC", 0x0000_0014),
    (Arch::Ppc64, "SCMP_ARCH_PPC64", 0x8000_0015),
    (Arch::Ppc64le, "SCMP_ARCH_PPC64LE", 0xC000_0015),
    (Arch::S390, "SCMP_ARCH_S390", 0x0000_0016),
    (Arch::S390x, "SCMP_ARCH_S390X", 0x8000_0016),
    (Arch::Parisc, "SCMP_ARCH_PARISC", 0x0000_000F),
    (Arch::Parisc64, "SCMP_ARCH_PARISC64", 0x8000_000F),
    (Arch::Riscv64, "SCMP_ARCH_RISCV64", 0xC000_00F3),
    (Arch::Loongarch64, "SCMP_ARCH_LOONGARCH64", 0xC000_0102),
    (Arch::M68k, "SCMP_ARCH_M68K", 0x0000_0004),
    (Arch::Sh, "SCMP_ARCH_SH", 0x4000_002A),
    (Arch::Sheb, "SCMP_ARCH_SHEB", 0x0000_002A),
];

impl Arch {
    /// The one that this program was built for, if filters can be compiled for it.
    #[must_use]
    pub const fn native() -> Option<Self> {
        if cfg!(target_arch = "x86_64") {
            Some(Self::X86_64)
        } else if cfg!(target_arch = "aarch64") {
            Some(Self::Aarch64)
        } else {
            None
        }
    }

    /// All of them, in OCI's order.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|(arch, _, _)| *arch)
    }

    /// OCI's name (`SCMP_ARCH_X86_64`).
    #[must_use]
    pub fn name(self) -> &'static str {
        TABLE.iter().find(|(arch, _, _)| *arch == self).map_or("SCMP_ARCH_?", |(_, name, _)| name)
    }

    /// What `seccomp_data.arch` holds; x32 shares x86_64's and is told apart by bit 30 of the call's number.
    #[must_use]
    pub fn audit_value(self) -> u32 {
        TABLE.iter().find(|(arch, _, _)| *arch == self).map_or(0, |(_, _, value)| *value)
    }
}

impl FromStr for Arch {
    type Err = UnknownArch;

    /// Reads OCI's names (`SCMP_ARCH_X86_64`).
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        TABLE
            .iter()
            .find(|(_, name, _)| *name == text)
            .map(|(arch, _, _)| *arch)
            .ok_or_else(|| UnknownArch(text.to_owned()))
    }
}

impl TryFrom<String> for Arch {
    type Error = UnknownArch;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Arch> for String {
    fn from(arch: Arch) -> String {
        arch.name().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for arch in Arch::all() {
            assert_eq!(arch.name().parse::<Arch>(), Ok(arch));
        }
        assert!("SCMP_ARCH_Z80".parse::<Arch>().is_err());
    }
}
