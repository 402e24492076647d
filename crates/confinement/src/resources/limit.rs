//! A ceiling that may be lifted.

use std::fmt;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A ceiling: a number, in the unit that the field names, or none ("max", which OCI writes as -1).
///
/// `Max` is a decision ("lift it"); a field without a decision is an absent `Option<Limit>`. In JSON: a number or `"max"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Limit {
    /// At most this much.
    Value(u64),
    /// No ceiling.
    Max,
}

impl Limit {
    /// OCI's notation: every negative number lifts the ceiling.
    #[must_use]
    pub fn from_oci(number: i64) -> Self {
        u64::try_from(number).map_or(Self::Max, Self::Value)
    }

    /// The number, unless the ceiling is lifted.
    #[must_use]
    pub fn value(self) -> Option<u64> {
        match self {
            Self::Value(number) => Some(number),
            Self::Max => None,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(number) => number.fmt(f),
            Self::Max => f.write_str("max"),
        }
    }
}

impl Serialize for Limit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Value(number) => serializer.serialize_u64(*number),
            Self::Max => serializer.serialize_str("max"),
        }
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LimitVisitor;
        impl Visitor<'_> for LimitVisitor {
            type Value = Limit;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number that is not negative, or \"max\"")
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Limit, E> {
                Ok(Limit::Value(number))
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Limit, E> {
                u64::try_from(number)
                    .map(Limit::Value)
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(number), &self))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Limit, E> {
                if text == "max" {
                    Ok(Limit::Max)
                } else {
                    Err(E::invalid_value(de::Unexpected::Str(text), &self))
                }
            }
        }
        deserializer.deserialize_any(LimitVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifted_ceiling_is_above_every_number() {
        assert!(Limit::Max > Limit::Value(u64::MAX));
        assert!(Limit::Value(2) > Limit::Value(1));
    }

    #[test]
    fn oci_writes_no_ceiling_as_a_negative_number() {
        assert_eq!(Limit::from_oci(-1), Limit::Max);
        assert_eq!(Limit::from_oci(0), Limit::Value(0));
        assert_eq!(Limit::from_oci(i64::MAX), Limit::Value(i64::MAX as u64));
    }

    #[test]
    fn json_has_a_number_or_max() {
        for (limit, json) in [(Limit::Value(7), "7"), (Limit::Max, "\"max\"")] {
            assert_eq!(serde_json::to_string(&limit).unwrap(), json);
            assert_eq!(serde_json::from_str::<Limit>(json).unwrap(), limit);
        }
        for bad in ["-1", "\"7\"", "null", "1.5"] {
            assert!(serde_json::from_str::<Limit>(bad).is_err(), "{bad}");
        }
    }
}
