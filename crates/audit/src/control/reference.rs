//! Who else asks for what a check asks for.

use std::borrow::Cow;

use serde::Serialize;

/// Who else asks for the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Body {
    /// CIS Docker Benchmark, by the section numbers that docker-bench-security prints.
    CisDocker,
    /// CIS Debian Linux benchmark, sections.
    CisLinux,
    /// CIS Kubernetes Benchmark, sections.
    CisKubernetes,
    /// Kernel Self Protection Project, recommended settings.
    Kspp,
    /// kernel-hardening-checker's option.
    KernelHardeningChecker,
    /// NIST SP 800-190, countermeasure sections.
    Nist800190,
    /// NSA/CISA Kubernetes Hardening Guide, chapters.
    NsaCisa,
    /// DISA STIG rule of a Linux distribution.
    Stig,
    /// Lynis test ids.
    Lynis,
    /// Pod Security Standards, the field that a level restricts.
    PodSecurity,
}

impl Body {
    /// All of them.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 10] = [
        Self::CisDocker,
        Self::CisLinux,
        Self::CisKubernetes,
        Self::Kspp,
        Self::KernelHardeningChecker,
        Self::Nist800190,
        Self::NsaCisa,
        Self::Stig,
        Self::Lynis,
        Self::PodSecurity,
    ];

    /// The body that tables of checks call so.
    pub(crate) fn of_word(word: &str) -> Option<Self> {
        Some(match word {
            "CisDocker" => Self::CisDocker,
            "CisLinux" => Self::CisLinux,
            "CisKubernetes" => Self::CisKubernetes,
            "Kspp" => Self::Kspp,
            "KernelHardeningChecker" => Self::KernelHardeningChecker,
            "Nist800190" => Self::Nist800190,
            "NsaCisa" => Self::NsaCisa,
            "Stig" => Self::Stig,
            "Lynis" => Self::Lynis,
            "PodSecurity" => Self::PodSecurity,
            _ => return None,
        })
    }

    /// The short name that stands before an id.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CisDocker => "CIS Docker",
            Self::CisLinux => "CIS Linux",
            Self::CisKubernetes => "CIS Kubernetes",
            Self::Kspp => "KSPP",
            Self::KernelHardeningChecker => "kernel-hardening-checker",
            Self::Nist800190 => "NIST SP 800-190",
            Self::NsaCisa => "NSA/CISA",
            Self::Stig => "STIG",
            Self::Lynis => "Lynis",
            Self::PodSecurity => "Pod Security Standards",
        }
    }
}

/// One of their requirements.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Reference {
    /// Who.
    pub body: Body,
    /// Their number or name for it.
    pub id: Cow<'static, str>,
}
