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

/// Writes a file that appears whole or not at all. What is there and is no file (a pipe, `/dev/null`) is written to as it is.
pub(crate) fn replace(
    path: &Path,
    write: impl FnOnce(&mut dyn std::io::Write) -> Result<(), Report>,
) -> Result<(), Report> {
    use std::io::Write;
    let failed =
        |error: &std::io::Error| Report::new(format!("cannot write {}", path.display())).because(error);
    let special = std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file());
    let mut draft = path.as_os_str().to_owned();
    draft.push(".part");
    let target = if special { path } else { Path::new(&draft) };
    let open = || -> std::io::Result<std::fs::File> {
        if special {
            return std::fs::File::options().write(true).open(target);
        }
        // What an earlier command that was killed has left, or a link that somebody put there.
        let _ = std::fs::remove_file(target);
        std::fs::File::options().write(true).create_new(true).open(target)
    };
    let file = open().map_err(|error| failed(&error))?;
    let mut out = std::io::BufWriter::with_capacity(1 << 17, file);
    let written = write(&mut out).and_then(|()| out.flush().map_err(|error| failed(&error)));
    if special {
        return written;
    }
    let placed = written.and_then(|()| std::fs::rename(target, path).map_err(|error| failed(&error)));
    if placed.is_err() {
        let _ = std::fs::remove_file(target);
    }
    placed
}
