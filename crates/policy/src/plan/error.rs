//! Why a request does not become a plan.

use cofferdam_names::ZoneName;
use thiserror::Error;

use crate::zone::Place;

/// Why a request does not become a plan. The message is complete: what was asked, what stands against it, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// More than the zone allows: a container may tighten its zone, never loosen it.
    #[error("{asked}: zone `{zone}`, {place}: {ceiling}; {advice}")]
    BeyondZone {
        /// What was asked, as a flag.
        asked: String,
        /// The zone.
        zone: ZoneName,
        /// Where the zone says so.
        place: Place,
        /// What it says.
        ceiling: String,
        /// What to do.
        advice: String,
    },
    /// Cofferdam cannot do it yet, so it is not ignored.
    #[error("{asked}: not built yet: {why}")]
    NotBuilt {
        /// What was asked, as a flag.
        asked: String,
        /// Why, or what stands in for it.
        why: String,
    },
    /// A control that this host cannot enforce.
    #[error("{control}: this host cannot enforce it: {lack}; {advice}")]
    HostLacks {
        /// The control.
        control: String,
        /// What is missing.
        lack: String,
        /// What to do.
        advice: String,
    },
    /// The request contradicts itself, the image or the host.
    #[error("{subject}: {rule}")]
    Invalid {
        /// What.
        subject: String,
        /// The rule that it breaks.
        rule: String,
    },
}

impl PolicyError {
    pub(super) fn not_built(asked: impl Into<String>, why: impl Into<String>) -> Self {
        Self::NotBuilt { asked: asked.into(), why: why.into() }
    }

    pub(super) fn lacks(control: impl Into<String>, lack: impl Into<String>, advice: &str) -> Self {
        Self::HostLacks { control: control.into(), lack: lack.into(), advice: advice.to_owned() }
    }

    pub(super) fn invalid(subject: impl Into<String>, rule: impl Into<String>) -> Self {
        Self::Invalid { subject: subject.into(), rule: rule.into() }
    }
}
