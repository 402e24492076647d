//! Programs that keep credentials: `docker-credential-NAME` (docker-credential-helpers).

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use cofferdam_wire_oci::distribution::HelperCredential;

use super::credentials::{Credential, CredentialError};

/// A helper may have to ask its user for a password.
const PATIENCE: Duration = Duration::from_secs(60);
/// More is no credential.
const MOST_OUTPUT: u64 = 64 << 10;

/// What a helper says instead of an error status of its own.
const NOT_FOUND: &str = "credentials not found";

/// The credentials that a helper has for a server.
pub(super) fn get(name: &str, server: &str) -> Result<Option<Credential>, CredentialError> {
    let output = run(name, "get", server.as_bytes())?;
    if !output.success {
        return if output.text.to_ascii_lowercase().contains(NOT_FOUND) {
            Ok(None)
        } else {
            Err(refused(name, "get", &output.text))
        };
    }
    let found: HelperCredential = serde_json::from_str(&output.text)
        .map_err(|_| refused(name, "get", "what it printed is not a credential"))?;
    Ok(Some(Credential::of_pair(found.username, found.secret)))
}

/// Gives a helper credentials to keep.
pub(super) fn store(name: &str, server: &str, user: &str, secret: &str) -> Result<(), CredentialError> {
    let credential = HelperCredential {
        server_url: server.to_owned(),
        username: user.to_owned(),
        secret: secret.to_owned(),
    };
    let text = serde_json::to_vec(&credential).map_err(|_| refused(name, "store", "no text"))?;
    succeeded(name, "store", run(name, "store", &text)?)
}

/// Makes a helper forget a server.
pub(super) fn erase(name: &str, server: &str) -> Result<(), CredentialError> {
    let output = run(name, "erase", server.as_bytes())?;
    if output.text.to_ascii_lowercase().contains(NOT_FOUND) {
        Ok(())
    } else {
        succeeded(name, "erase", output)
    }
}

struct Output {
    success: bool,
    text: String,
}

fn succeeded(name: &str, verb: &'static str, output: Output) -> Result<(), CredentialError> {
    if output.success { Ok(()) } else { Err(refused(name, verb, &output.text)) }
}

fn refused(name: &str, verb: &'static str, why: &str) -> CredentialError {
    CredentialError::Helper { name: name.to_owned(), verb, why: super::error::cleaned(why) }
}

/// Runs a helper. Its name comes from a file: it is one word, so that nothing but a helper is run.
fn run(name: &str, verb: &'static str, input: &[u8]) -> Result<Output, CredentialError> {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if name.is_empty() || !name.bytes().all(word) {
        return Err(refused(name, verb, "its name is not one word"));
    }
    let failed = |source| CredentialError::RunHelper { name: name.to_owned(), source };
    let mut child = Command::new(format!("docker-credential-{name}"))
        .arg(verb)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not read its input says why by its status.
        let _ = stdin.write_all(input);
    }
    let text = match read_output(&mut child) {
        Some(text) => text,
        None => {
            let _ = child.kill();
            let _ = child.wait();
            return Err(refused(name, verb, "it did not end within a minute"));
        }
    };
    let status = child.wait().map_err(failed)?;
    Ok(Output { success: status.success(), text })
}

/// All that it prints; none if it takes too long.
fn read_output(child: &mut Child) -> Option<String> {
    let (sender, receiver) = mpsc::channel();
    let mut stdout = child.stdout.take()?.take(MOST_OUTPUT);
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stdout.read_to_end(&mut bytes);
        // Nobody may be waiting any more.
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver.recv_timeout(PATIENCE).ok()
}
