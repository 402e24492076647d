//! Programs of other processors: whether the kernel hands them to an interpreter on this host.

use std::path::PathBuf;

use cofferdam_image::Platform;
use cofferdam_kernel::binfmt::{self, Handler};
use cofferdam_policy::ContainerRequest;

use crate::error::{Error, Result};
use ByteOrder::{Big, Little};
use Class::{Bits32, Bits64};

/// `ELFCLASS32`, `ELFCLASS64`
#[derive(Debug, Clone, Copy)]
enum Class {
    Bits32 = 1,
    Bits64 = 2,
}

/// `ELFDATA2LSB`, `ELFDATA2MSB`
#[derive(Debug, Clone, Copy)]
enum ByteOrder {
    Little = 1,
    Big = 2,
}

/// Architectures as images name them, with how ELF tells their programs (elf(5)): class, order of bytes, `e_machine`.
const PROCESSORS: [(&str, Class, ByteOrder, u16); 9] = [
    ("386", Bits32, Little, 3),
    ("amd64", Bits64, Little, 62),
    ("arm", Bits32, Little, 40),
    ("arm64", Bits64, Little, 183),
    ("ppc64le", Bits64, Little, 21),
    ("riscv64", Bits64, Little, 243),
    ("s390x", Bits64, Big, 22),
    ("mips64le", Bits64, Little, 8),
    ("loong64", Bits64, Little, 258),
];

/// How a program of an architecture begins.
fn head(architecture: &str) -> Option<[u8; 20]> {
    let (_, class, order, machine) = PROCESSORS.iter().find(|(name, ..)| *name == architecture)?;
    let two = |number: u16| match order {
        Little => number.to_le_bytes(),
        Big => number.to_be_bytes(),
    };
    let mut head = [0; 20];
    // Magic, class, order of bytes, version; then a program (ET_EXEC) of this processor.
    head.get_mut(..4)?.copy_from_slice(b"\x7fELF");
    head.get_mut(4..7)?.copy_from_slice(&[*class as u8, *order as u8, 1]);
    head.get_mut(16..18)?.copy_from_slice(&two(2));
    head.get_mut(18..20)?.copy_from_slice(&two(*machine));
    Some(head)
}

/// Whether programs of a platform run here: by themselves, or because the kernel hands them to an interpreter that it holds open.
#[must_use]
pub fn runs(platform: &Platform) -> bool {
    Platform::host().rank(platform).is_some() || interpreter(platform).is_some()
}

/// The interpreter for the programs of a platform that is not this machine's.
pub(crate) fn interpreter(platform: &Platform) -> Option<PathBuf> {
    if Platform::host().rank(platform).is_some() || platform.os != "linux" {
        return None;
    }
    let handlers = binfmt::handlers().ok()?;
    taken(&handlers, &platform.architecture).map(|handler| handler.interpreter.clone())
}

fn taken<'h>(handlers: &'h [Handler], architecture: &str) -> Option<&'h Handler> {
    let head = head(architecture)?;
    handlers.iter().find(|handler| handler.enabled && handler.held_open && handler.takes(&head))
}

/// The platform that a request names; this machine's if it names none.
pub(crate) fn asked(request: &ContainerRequest) -> Result<Platform> {
    let Some(text) = &request.platform else { return Ok(Platform::host()) };
    // The kernel's own names of processors are understood, and an operating system alone means this machine.
    let (os, rest) = text.split_once('/').unwrap_or((text, ""));
    let (architecture, variant) =
        rest.split_once('/').map_or((rest, None), |(it, variant)| (it, Some(variant)));
    let architecture = match architecture {
        "" => Platform::host().architecture,
        "x86_64" => "amd64".to_owned(),
        "aarch64" => "arm64".to_owned(),
        other => other.to_owned(),
    };
    let whole = [Some(os), Some(architecture.as_str()), variant];
    let whole: Vec<&str> = whole.into_iter().flatten().collect();
    whole
        .join("/")
        .parse()
        .map_err(|error| Error::io("understand", format!("platform {text:?}"), std::io::Error::other(error)))
}

/// Refuses a platform that is not this machine's, for image `host`.
pub(crate) fn check_own(platform: &Platform) -> Result<()> {
    let host = Platform::host();
    match host.rank(platform) {
        Some(_) => Ok(()),
        None => Err(Error::OtherPlatform {
            asked: platform.to_string(),
            host: host.to_string(),
            why: "image `host` is its own programs",
        }),
    }
}

/// Refuses a platform whose programs do not run here.
pub(crate) fn check(platform: &Platform) -> Result<()> {
    if runs(platform) {
        return Ok(());
    }
    let found = binfmt::handlers().unwrap_or_default();
    let held = |held: bool| {
        let head = head(&platform.architecture);
        found.iter().any(|it| it.enabled && it.held_open == held && head.is_some_and(|head| it.takes(&head)))
    };
    let why = if held(false) {
        "what binfmt_misc has for them is registered without the flag F (fix binary), and a container does not have that interpreter"
    } else {
        "no handler for them is in /proc/sys/fs/binfmt_misc: install one (Debian: qemu-user-static with binfmt-support), and mount \
         binfmt_misc there"
    };
    Err(Error::OtherPlatform { asked: platform.to_string(), host: Platform::host().to_string(), why })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_begin_as_elf_says() {
        assert_eq!(head("arm64").unwrap(), *b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\xb7\0");
        assert_eq!(head("s390x").unwrap(), *b"\x7fELF\x02\x02\x01\0\0\0\0\0\0\0\0\0\0\x02\0\x16");
        assert_eq!(head("loong64").unwrap(), *b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x02\x01");
        assert_eq!(head("arm").unwrap(), *b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x28\0");
        assert_eq!(head("z80"), None);
        let known = "enabled\ninterpreter /q\nflags: F\noffset 0\n\
            magic 7f454c460201010000000000000000000200b700\nmask ffffffffffffff00fffffffffffffffffeffffff\n";
        let handler = |text: &str| [Handler::parse("x", text).unwrap()];
        assert!(taken(&handler(known), "arm64").is_some() && taken(&handler(known), "riscv64").is_none());
        assert!(taken(&handler(&known.replace("flags: F", "flags: ")), "arm64").is_none());
        assert!(taken(&handler(&known.replace("enabled", "disabled")), "arm64").is_none());
    }
}
