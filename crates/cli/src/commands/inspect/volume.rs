//! A volume in the shape of Docker's `volume inspect`, with its zone beside it.

use cofferdam_engine::VolumeSummary;
use serde_json::{Value, json};

pub(super) fn document(volume: &VolumeSummary) -> Value {
    json!({
        "CreatedAt": volume.created.to_string(),
        "Driver": "local",
        "Labels": volume.labels,
        "Mountpoint": volume.mountpoint,
        "Name": volume.name,
        "Options": null,
        "Scope": "local",
        "Zone": volume.zone,
        "Anonymous": volume.anonymous,
        "InUse": volume.in_use,
    })
}
