//! An image in the shape of Docker's `image inspect`.

use std::collections::BTreeMap;

use cofferdam_engine::{Engine, Error, HostImage, ImageDetails};
use cofferdam_names::ImageReference;
use cofferdam_policy::HOST_IMAGE;
use serde_json::{Value, json};

/// An image by its name or id; `host` means the host's own programs.
pub(super) fn find(engine: &Engine, word: &str) -> Result<Value, Error> {
    if word == HOST_IMAGE {
        return Ok(of_the_host(&engine.host_image()?));
    }
    Ok(document(&engine.image(word)?))
}

/// The image `host`: what it has is not in the store, and has no digests.
fn of_the_host(image: &HostImage) -> Value {
    let layers = image.layers.iter().map(|layer| layer.display().to_string()).collect::<Vec<_>>();
    json!({
        "Id": image.id,
        "RepoTags": [HOST_IMAGE],
        "RepoDigests": [],
        "Parent": "",
        "Comment": "the host's own programs, read-only, and a cleaned /etc",
        "Created": null,
        "Author": "",
        "Config": {
            "User": image.config.user,
            "Env": image.config.env,
            "Cmd": image.config.cmd,
            "Entrypoint": null,
            "WorkingDir": image.config.workdir,
            "Volumes": null,
            "ExposedPorts": null,
            "Labels": image.config.labels,
            "OnBuild": null,
        },
        "Architecture": crate::commands::run::architecture(),
        "Os": "linux",
        "Size": 0,
        "GraphDriver": { "Name": "overlay", "Data": { "LowerDir": layers.join(":"), "HostFolders": image.shows } },
        "RootFS": { "Type": "layers", "Layers": [] },
        "Metadata": { "LastTagTime": null },
    })
}

fn document(image: &ImageDetails) -> Value {
    let config = &image.config;
    let tagged = image.names.iter().filter(|name| name.tag().is_some());
    let digests = image.names.iter().map(|name| format!("{}@{}", name.familiar_repository(), image.id));
    let created = config.created.map(|created| created.to_string());
    json!({
        "Id": image.id,
        "RepoTags": tagged.map(ImageReference::familiar).collect::<Vec<_>>(),
        "RepoDigests": digests.collect::<std::collections::BTreeSet<_>>(),
        "Parent": "",
        "Comment": config.history.last().map(|entry| entry.comment.clone()).unwrap_or_default(),
        "Created": created,
        "Author": config.author.clone().unwrap_or_default(),
        "Config": container_config(image),
        "Architecture": config.platform.architecture,
        "Variant": config.platform.variant.clone().unwrap_or_default(),
        "Os": config.platform.os,
        "Size": image.size,
        "GraphDriver": { "Name": "overlay", "Data": { "LowerDir": lower(image) } },
        "RootFS": { "Type": "layers", "Layers": config.diff_ids },
        "Metadata": { "LastTagTime": created },
        "Descriptor": {
            "mediaType": image.descriptor.media_type.as_str(),
            "digest": image.descriptor.digest,
            "size": image.descriptor.size,
        },
    })
}

fn lower(image: &ImageDetails) -> String {
    image.layers.iter().map(|layer| layer.display().to_string()).collect::<Vec<_>>().join(":")
}

fn container_config(image: &ImageDetails) -> Value {
    let config = &image.config;
    // Docker's sets: names that lead to nothing.
    let set = |names: &[String]| match names.is_empty() {
        true => Value::Null,
        false => json!(names.iter().map(|name| (name.clone(), json!({}))).collect::<BTreeMap<_, _>>()),
    };
    let list = |words: &[String]| if words.is_empty() { Value::Null } else { json!(words) };
    let check = config.healthcheck.as_ref().map(|check| {
        json!({
            "Test": check.test,
            "Interval": check.interval,
            "Timeout": check.timeout,
            "StartPeriod": check.start_period,
            "StartInterval": check.start_interval,
            "Retries": check.retries,
        })
    });
    json!({
        "User": config.user,
        "Env": config.env,
        "Cmd": list(&config.cmd),
        "Entrypoint": list(&config.entrypoint),
        "WorkingDir": config.working_dir,
        "Volumes": set(&config.volumes),
        "ExposedPorts": set(&config.exposed_ports),
        "Labels": config.labels,
        "StopSignal": config.stop_signal,
        "Healthcheck": check,
        "OnBuild": list(&config.on_build),
        "Shell": list(&config.shell),
    })
}
