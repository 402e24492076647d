//! Asks a person on the terminal, also for what nobody may see.

use std::io::{Read, Write};
use std::os::fd::AsFd;

use cofferdam_kernel::tty::RawMode;

use crate::report::Report;

/// The longest answer.
const MOST: usize = 4096;

/// Asks, and reads one line. Where it is not shown, nothing is echoed.
pub(crate) fn ask(question: &str, shown: bool) -> Result<String, Report> {
    let failed = |error: std::io::Error| Report::new("cannot ask on the terminal").because(&error);
    let mut stderr = std::io::stderr();
    write!(stderr, "{question}").and_then(|()| stderr.flush()).map_err(failed)?;
    let stdin = std::io::stdin();
    let answer = if shown {
        let mut line = String::new();
        stdin.read_line(&mut line).map_err(failed)?;
        line.trim_end_matches(['\r', '\n']).to_owned()
    } else {
        let raw = RawMode::enter(stdin.as_fd()).map_err(failed)?;
        let answer = hidden(&mut stdin.lock());
        drop(raw);
        writeln!(stderr).map_err(failed)?;
        answer.map_err(failed)?.ok_or_else(|| Report::new("nothing was entered").status(130))?
    };
    Ok(answer)
}

/// One line from a terminal that does nothing by itself. None where the person gave up (Ctrl-C).
fn hidden(terminal: &mut impl Read) -> std::io::Result<Option<String>> {
    let mut bytes = Vec::new();
    for byte in std::io::BufReader::new(terminal).bytes() {
        match byte? {
            b'\r' | b'\n' | 4 => break,
            3 => return Ok(None),
            8 | 127 => {
                bytes.pop();
            }
            // Ctrl-U
            21 => bytes.clear(),
            byte if bytes.len() < MOST => bytes.push(byte),
            _ => {}
        }
    }
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hidden_line_is_edited_and_given_up() {
        let line = |text: &[u8]| hidden(&mut { text }).unwrap();
        assert_eq!(line(b"secret\rmore").as_deref(), Some("secret"));
        assert_eq!(line(b"x\x15sex\x7fcret\n").as_deref(), Some("secret"));
        assert_eq!(line(b"sec\x03").as_deref(), None);
        assert_eq!(line(b"\x7f\x04").as_deref(), Some(""));
    }
}
