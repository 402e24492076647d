//! An image in the shape of Docker's `image inspect`.

use std::collections::BTreeMap;

use cofferdam_engine::ImageDetails;
use serde_json::{Value, json};

use crate::commands::run::architecture;

pub(super) fn document(image: &ImageDetails) -> Value {
    let config = &image.config;
    // Docker's sets: names that lead to nothing.
    let set =
        |names: &[String]| names.iter().map(|name| (name.clone(), json!({}))).collect::<BTreeMap<_, _>>();
    json!({
        "Id": image.id,
        "RepoTags": image.names,
        "RepoDigests": [],
        "Parent": "",
        "Comment": "Imported",
        "Created": image.created.to_string(),
        "Author": "",
        "Config": {
            "User": config.user,
            "Env": config.env,
            "Cmd": config.cmd,
            "Entrypoint": if config.entrypoint.is_empty() { Value::Null } else { json!(config.entrypoint) },
            "WorkingDir": config.workdir,
            "Volumes": if config.volumes.is_empty() { Value::Null } else { json!(set(&config.volumes)) },
            "ExposedPorts":
                if config.exposed_ports.is_empty() { Value::Null } else { json!(set(&config.exposed_ports)) },
            "Labels": config.labels,
            "StopSignal": config.stop_signal,
        },
        "Architecture": architecture(),
        "Os": "linux",
        "Size": image.size,
        "GraphDriver": { "Name": "overlay", "Data": { "LowerDir": image.root } },
        "RootFS": { "Type": "layers", "Layers": [image.id] },
        "Metadata": { "LastTagTime": image.created.to_string() },
    })
}
