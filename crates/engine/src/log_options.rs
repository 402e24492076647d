//! Docker's `--log-driver` and `--log-opt`.

use std::io::Error as IoError;

use cofferdam_policy::{ByteSize, ContainerRequest};
use cofferdam_shim::LogOptions;

use crate::error::{Error, Result};

/// What the options of a request mean: `json-file` and `local` are our own log, `none` is none. Without options a log is
/// limited, so that no container fills the disk by printing; `max-size=-1` is without a limit.
pub(crate) fn log_options(request: &ContainerRequest) -> Result<Option<LogOptions>> {
    match request.log_driver.as_deref() {
        None | Some("json-file" | "local" | "k8s-file") => {}
        Some("none") => return Ok(None),
        Some(other) => {
            return Err(refuse(
                format!("log driver {other}"),
                "it is not built: there are json-file, local and none",
            ));
        }
    }
    let mut options = LogOptions::default();
    if request.log_options.contains_key("max-size") {
        // As Docker has it for who sets a size and no number.
        options.max_files = 1;
    }
    for (name, value) in &request.log_options {
        match name.as_str() {
            "max-size" if value == "-1" => options.max_size = None,
            "max-size" => match value.parse::<ByteSize>() {
                Ok(ByteSize(0)) => {
                    return Err(refuse(format!("log option max-size={value}"), "it is more than 0, or -1"));
                }
                Ok(size) => options.max_size = Some(size.0),
                Err(error) => return Err(refuse(format!("log option max-size={value}"), &error.to_string())),
            },
            "max-file" => match value.parse() {
                Ok(count) if (1..=1000).contains(&count) => options.max_files = count,
                _ => return Err(refuse(format!("log option max-file={value}"), "it is from 1 to 1000")),
            },
            other => {
                return Err(refuse(format!("log option {other}"), "there are max-size and max-file"));
            }
        }
    }
    Ok(Some(options))
}

fn refuse(subject: String, why: &str) -> Error {
    Error::io("use", subject, IoError::other(why.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(pairs: &[(&str, &str)]) -> Option<(Option<u64>, u32)> {
        let mut request = ContainerRequest::new("host");
        request.log_options =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        log_options(&request).ok().flatten().map(|options| (options.max_size, options.max_files))
    }

    #[test]
    fn a_log_is_limited_unless_somebody_says_otherwise() {
        assert_eq!(options(&[]), Some((Some(16 << 20), 3)));
        assert_eq!(options(&[("max-file", "5")]), Some((Some(16 << 20), 5)));
        assert_eq!(options(&[("max-size", "10k")]), Some((Some(10 << 10), 1)));
        assert_eq!(options(&[("max-size", "-1")]), Some((None, 1)));
        for wrong in [("max-size", "0"), ("max-size", "x"), ("max-file", "0"), ("compress", "true")] {
            assert_eq!(options(&[wrong]), None, "{wrong:?}");
        }
    }
}
