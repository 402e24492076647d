//! Programs of other processors that the kernel hands to an interpreter (binfmt_misc; kernel: admin-guide/binfmt-misc.rst).

use std::io;
use std::path::{Path, PathBuf};

/// Where the kernel shows what is registered.
pub const FOLDER: &str = "/proc/sys/fs/binfmt_misc";

/// What is registered for programs that begin in some way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handler {
    /// Its name.
    pub name: String,
    /// Whether it is in force.
    pub enabled: bool,
    /// Whether the kernel holds the interpreter open (flag F): then one of the host's serves in every mount namespace.
    pub held_open: bool,
    /// The interpreter's path, as it was when it was registered.
    pub interpreter: PathBuf,
    offset: usize,
    magic: Vec<u8>,
    mask: Vec<u8>,
}

impl Handler {
    /// Reads what the kernel shows of one. None for one that goes by the names of files.
    #[must_use]
    pub fn parse(name: &str, text: &str) -> Option<Self> {
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let magic = bytes(field("magic ")?)?;
        let mask = match field("mask ") {
            Some(mask) => bytes(mask)?,
            None => vec![0xff; magic.len()],
        };
        Some(Self {
            name: name.to_owned(),
            enabled: text.lines().next() == Some("enabled"),
            held_open: field("flags:")?.contains('F'),
            interpreter: field("interpreter ")?.into(),
            offset: field("offset ")?.parse().ok()?,
            magic,
            mask,
        })
    }

    /// Whether it is for a program that begins like this.
    #[must_use]
    pub fn takes(&self, head: &[u8]) -> bool {
        let Some(part) = self.offset.checked_add(self.magic.len()).and_then(|end| head.get(self.offset..end))
        else {
            return false;
        };
        self.mask.len() == self.magic.len()
            && part
                .iter()
                .zip(&self.magic)
                .zip(&self.mask)
                .all(|((byte, magic), mask)| (byte ^ magic) & mask == 0)
    }
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    hex.as_bytes().chunks(2).map(pair).collect()
}

/// What is registered; nothing where that is not shown, or is switched off as a whole.
///
/// # Errors
/// It cannot be read.
pub fn handlers() -> io::Result<Vec<Handler>> {
    let folder = Path::new(FOLDER);
    match std::fs::read_to_string(folder.join("status")) {
        Ok(status) if status.trim() == "enabled" => {}
        Ok(_) => return Ok(Vec::new()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    }
    let mut handlers = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name == "status" || name == "register" {
            continue;
        }
        match std::fs::read_to_string(entry.path()) {
            Ok(text) => handlers.extend(Handler::parse(&name, &text)),
            // Gone since the folder was read.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(handlers)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Debian's qemu-user-static registers it.
    const ARM64: &str = "enabled\ninterpreter /usr/libexec/qemu-binfmt/aarch64-binfmt-P\nflags: POCF\noffset 0\n\
        magic 7f454c460201010000000000000000000200b700\nmask ffffffffffffff00fffffffffffffffffeffffff\n";

    #[test]
    fn what_the_kernel_shows_is_understood() {
        let handler = Handler::parse("qemu-aarch64", ARM64).unwrap();
        assert!(handler.enabled && handler.held_open);
        let mut head = *b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\xb7\0\x01\0\0\0";
        assert!(handler.takes(&head));
        // A program that may lie anywhere, of another system's words for the same.
        (head[7], head[16]) = (3, 3);
        assert!(handler.takes(&head));
        head[18] = 0x3e;
        assert!(!handler.takes(&head) && !handler.takes(&head[..18]) && !handler.takes(b""));
        let other = Handler::parse("x", &ARM64.replace("enabled", "disabled").replace("POCF", "OC")).unwrap();
        assert!(!other.enabled && !other.held_open);
        assert_eq!(Handler::parse("x", "enabled\ninterpreter /x\nflags: \nextension .exe\n"), None);
        assert_eq!(Handler::parse("x", &ARM64.replace("7f45", "7f4")), None);
        let unmasked: String =
            ARM64.lines().filter(|line| !line.starts_with("mask")).map(|line| format!("{line}\n")).collect();
        assert!(!Handler::parse("x", &unmasked).unwrap().takes(&head));
    }
}
