//! `null` as "absent": what Go's encoder writes for an empty slice or map, and its decoder takes as one.

use serde::{Deserialize, Deserializer};

/// Reads `null` as the type's default (`#[serde(default, deserialize_with = "null::as_default")]`).
pub(crate) fn as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}
