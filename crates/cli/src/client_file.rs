//! Files of the client that flags name: `--env-file`, `--label-file`, seccomp profiles.

use std::path::Path;

use crate::report::Report;

/// Larger files are not what these flags mean.
const MOST_BYTES: u64 = 16 << 20;

/// The whole text of a file; `what` names its part in the message.
pub(crate) fn text(path: &Path, what: &str) -> Result<String, Report> {
    use std::io::Read;
    let failed =
        |error: &std::io::Error| Report::new(format!("cannot read {what} {}", path.display())).because(error);
    let file = std::fs::File::open(path).map_err(|error| failed(&error))?;
    let mut text = String::new();
    file.take(MOST_BYTES + 1).read_to_string(&mut text).map_err(|error| failed(&error))?;
    if text.len() as u64 > MOST_BYTES {
        return Err(Report::new(format!(
            "{what} {} is larger than {} MiB",
            path.display(),
            MOST_BYTES >> 20
        )));
    }
    Ok(text)
}

/// The lines that say something: not empty, not a `#` comment.
pub(crate) fn lines(path: &Path, what: &str) -> Result<Vec<String>, Report> {
    let text = text(path, what)?;
    let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim_start);
    Ok(lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect())
}
