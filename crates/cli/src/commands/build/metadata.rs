//! `--metadata-file`, with BuildKit's keys.

use cofferdam_engine::Built;
use cofferdam_names::ImageReference;
use serde_json::{Value, json};

pub(super) fn text(built: &Built, tags: &[ImageReference]) -> String {
    let mut document = serde_json::Map::new();
    let mut put = |key: &str, value: Value| drop(document.insert(key.to_owned(), value));
    if let Some(config) = &built.config {
        put("containerimage.config.digest", json!(config.digest));
    }
    if let Some(image) = &built.image {
        put("containerimage.digest", json!(image.digest));
        put(
            "containerimage.descriptor",
            json!({ "mediaType": image.media_type.as_str(), "digest": image.digest, "size": image.size }),
        );
    }
    if !tags.is_empty() {
        let names: Vec<String> = tags.iter().map(ToString::to_string).collect();
        put("image.name", json!(names.join(",")));
    }
    format!("{:#}\n", Value::Object(document))
}
