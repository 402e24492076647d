//! `--secret` and `--ssh`.

use std::collections::BTreeMap;
use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;

use crate::report::Report;

/// The most bytes of a secret (as BuildKit).
const MOST_BYTES: u64 = 500 << 10;

/// Reads the secrets that were named: `id=x,src=file`, `id=x,env=X`, or `id=x` alone for a file or a variable of that name.
pub(super) fn secrets(given: &[String]) -> Result<BTreeMap<String, Vec<u8>>, Report> {
    let mut secrets = BTreeMap::new();
    for text in given {
        let refuse = |why: &str| {
            Report::new(format!("invalid value {text:?} for --secret: {why}"))
                .hint("its form is id=NAME,src=FILE or id=NAME,env=VARIABLE")
        };
        let (mut id, mut file, mut variable) = (None, None, None);
        for field in text.split(',') {
            match field.split_once('=') {
                Some(("id", value)) => id = Some(value.to_owned()),
                Some(("src" | "source", value)) => file = Some(PathBuf::from(value)),
                Some(("env", value)) => variable = Some(value.to_owned()),
                Some(("type", "file")) => {}
                Some(("type", "env")) => variable = variable.or_else(|| id.clone()),
                _ => return Err(refuse(&format!("{field:?} is not known"))),
            }
        }
        let id = id.filter(|id| !id.is_empty()).ok_or_else(|| refuse("it has no id"))?;
        let value = match (file, variable) {
            (Some(file), _) => read(&file)?,
            (None, Some(variable)) => from_variable(&variable)?,
            (None, None) if std::env::var_os(&id).is_some() => from_variable(&id)?,
            (None, None) => read(&PathBuf::from(&id))?,
        };
        secrets.insert(id, value);
    }
    Ok(secrets)
}

fn read(path: &PathBuf) -> Result<Vec<u8>, Report> {
    let failed = |error| Report::new(format!("cannot read the secret {}", path.display())).because(&error);
    let size = std::fs::metadata(path).map_err(failed)?.len();
    if size > MOST_BYTES {
        let most = MOST_BYTES >> 10;
        return Err(Report::new(format!("the secret {} is larger than {most} KiB", path.display())));
    }
    std::fs::read(path).map_err(failed)
}

fn from_variable(name: &str) -> Result<Vec<u8>, Report> {
    use std::os::unix::ffi::OsStringExt;
    let value = std::env::var_os(name);
    value
        .map(OsStringExt::into_vec)
        .ok_or_else(|| Report::new(format!("cannot read a secret: there is no variable {name}")))
}

/// The sockets of agents.
pub(super) fn agents(given: &[String]) -> Result<BTreeMap<String, PathBuf>, Report> {
    let mut agents = BTreeMap::new();
    for text in given {
        let (id, socket) = text.split_once('=').unwrap_or((text, ""));
        let refuse = |why: String| {
            Report::new(format!("invalid value {text:?} for --ssh: {why}"))
                .hint("its form is default, or NAME=SOCKET: the socket of an ssh-agent")
        };
        let socket = match socket {
            "" => std::env::var_os("SSH_AUTH_SOCK")
                .filter(|socket| !socket.is_empty())
                .map(PathBuf::from)
                .ok_or_else(|| refuse("there is no variable SSH_AUTH_SOCK".to_owned()))?,
            socket => PathBuf::from(socket),
        };
        let found = std::fs::metadata(&socket).map_err(|error| refuse(error.to_string()))?;
        if !found.file_type().is_socket() {
            // A key would have to be held here; an agent has it already.
            return Err(refuse(format!("{} is no socket", socket.display())));
        }
        if id.is_empty() || agents.insert(id.to_owned(), socket).is_some() {
            return Err(refuse("each has a name of its own".to_owned()));
        }
    }
    Ok(agents)
}
