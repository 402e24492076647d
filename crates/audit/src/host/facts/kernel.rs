//! Facts about the kernel: its configuration, command line and parameters.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use serde::Serialize;

use super::Source;
use super::parts::{Parts, not_asked_for};
use crate::condition::version_of;
use crate::fact::{Fact, Unknown};

/// A decompressed kernel configuration is about 300 KiB; one that grows beyond this is none.
const MOST_CONFIG: u64 = 8 << 20;

/// The kernel that runs, or the one that a tree would boot.
#[derive(Debug, Clone, Serialize)]
pub struct Kernel {
    /// `uname -r`.
    pub release: Fact<String>,
    /// `uname -m`.
    pub machine: Fact<String>,
    /// Its configuration, without `CONFIG_`; an option that is written as off is `n`.
    #[serde(skip)]
    pub options: Fact<BTreeMap<String, String>>,
    /// Where the configuration was found.
    pub options_from: Option<String>,
    /// The words of its command line up to `--`, in order.
    pub command_line: Fact<Vec<(String, Option<String>)>>,
    /// Parameters by their name with dots. `None`: this kernel has no such parameter.
    pub parameters: BTreeMap<String, Fact<Option<String>>>,
}

impl Kernel {
    /// One of which nothing is known.
    #[must_use]
    pub fn unknown(reason: &str) -> Self {
        Self {
            release: Fact::unknown(reason),
            machine: Fact::unknown(reason),
            options: Fact::unknown(reason),
            options_from: None,
            command_line: Fact::unknown(reason),
            parameters: BTreeMap::new(),
        }
    }

    /// The value of an option; `None` where the configuration does not speak of it.
    pub fn option(&self, name: &str) -> Result<Option<String>, Unknown> {
        Ok(self.options.get()?.get(name).cloned())
    }

    /// The last word of this name on the command line; a word without a value is empty.
    pub fn word(&self, name: &str) -> Result<Option<String>, Unknown> {
        let words = self.command_line.get()?;
        let found = words.iter().rev().find(|(word, _)| same_word(word, name));
        Ok(found.map(|(_, value)| value.clone().unwrap_or_default()))
    }

    /// The value of a parameter; `None` where this kernel has no such parameter.
    pub fn parameter(&self, name: &str) -> Result<Option<String>, Unknown> {
        match self.parameters.get(name) {
            Some(fact) => fact.get().cloned(),
            None => Err(Unknown(format!("{name} was not looked up"))),
        }
    }

    /// A parameter as a number.
    pub fn number(&self, name: &str) -> Result<Option<u64>, Unknown> {
        let Some(text) = self.parameter(name)? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| Unknown(format!("{name} is no number: {text:?}")))
    }

    /// Looks at a running system or a tree at rest. `parameters` are the names worth reading.
    pub(crate) fn gather(source: &Source, parameters: &BTreeSet<String>, parts: Parts) -> Self {
        let running = source.is_running();
        let (release, machine) = if running {
            (required(source, "/proc/sys/kernel/osrelease"), machine(source))
        } else {
            (newest_release(source), machine_of_programs(source))
        };
        let (options, options_from) = match parts.has(Parts::OPTIONS) {
            false => (not_asked_for(), None),
            true => match read_options(source, release.known().map(String::as_str)) {
                Ok((options, from)) => (Fact::Known(options), Some(from)),
                Err(reason) => (Fact::Unknown(reason), None),
            },
        };
        let command_line = if running {
            required(source, "/proc/cmdline").map(|text| parse_command_line(&text))
        } else {
            configured_command_line(source)
        };
        let configured = if running { BTreeMap::new() } else { configured_parameters(source) };
        let value = |name: &String| {
            let fact = if running {
                source.tree.value(format!("/proc/sys/{}", name.replace('.', "/")))
            } else {
                match configured.get(name) {
                    Some(value) => Fact::Known(Some(value.clone())),
                    None => {
                        Fact::unknown(format!("{name} is not configured; the kernel's own value will apply"))
                    }
                }
            };
            (name.clone(), fact)
        };
        Self {
            release,
            machine,
            options,
            options_from,
            command_line,
            parameters: parameters.iter().map(value).collect(),
        }
    }
}

/// The kernel takes `-` and `_` in a parameter's name for the same (`parameq`).
fn same_word(word: &str, name: &str) -> bool {
    let fold = |letter: u8| if letter == b'-' { b'_' } else { letter };
    word.len() == name.len() && word.bytes().map(fold).eq(name.bytes().map(fold))
}

fn required(source: &Source, path: &str) -> Fact<String> {
    match source.tree.value(path) {
        Fact::Known(Some(text)) => Fact::Known(text),
        Fact::Known(None) => Fact::unknown(format!("{path} does not exist")),
        Fact::Unknown(reason) => Fact::Unknown(reason),
    }
}

/// The machine, as this program runs on it: `/proc` says it on newer kernels only.
fn machine(source: &Source) -> Fact<String> {
    match source.tree.value("/proc/sys/kernel/arch") {
        Fact::Known(Some(machine)) => Fact::Known(machine),
        _ => Fact::Known(rustix::system::uname().machine().to_string_lossy().into_owned()),
    }
}

/// The machine that a tree's programs are for, from an ELF header (`e_machine`).
fn machine_of_programs(source: &Source) -> Fact<String> {
    for path in ["/bin/sh", "/usr/bin/env", "/sbin/init", "/usr/lib/systemd/systemd", "/bin/busybox"] {
        if let Fact::Known(Some(bytes)) = source.tree.bytes_up_to(path, 64 << 20)
            && bytes.starts_with(b"\x7fELF")
            && let Some(&[low, high]) = bytes.get(18..20)
        {
            match u16::from_le_bytes([low, high]) {
                62 => return Fact::Known("x86_64".to_owned()),
                183 => return Fact::Known("aarch64".to_owned()),
                243 => return Fact::Known("riscv64".to_owned()),
                40 => return Fact::Known("arm".to_owned()),
                _ => {}
            }
        }
    }
    Fact::unknown("no program of the tree tells its machine")
}

/// The newest kernel that a tree has in `/boot` or `/lib/modules`.
fn newest_release(source: &Source) -> Fact<String> {
    let mut releases: Vec<String> = Vec::new();
    for (folder, prefix) in [("/boot", "vmlinuz-"), ("/boot", "config-"), ("/lib/modules", "")] {
        let names = source.tree.list(folder).known().cloned().flatten().unwrap_or_default();
        let names = names.into_iter().filter_map(|name| name.into_string().ok());
        releases.extend(names.filter_map(|name| name.strip_prefix(prefix).map(str::to_owned)));
    }
    let newest =
        releases.into_iter().filter(|name| version_of(name).is_some()).max_by_key(|name| numbers(name));
    newest.map_or_else(|| Fact::unknown("the tree has no kernel"), Fact::Known)
}

/// All numbers in a release, in order: `6.1.0-28-amd64` is newer than `6.1.0-9-amd64`.
fn numbers(release: &str) -> Vec<u64> {
    release.split(|letter: char| !letter.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

fn read_options(
    source: &Source,
    release: Option<&str>,
) -> Result<(BTreeMap<String, String>, String), Unknown> {
    let mut paths = Vec::new();
    if source.is_running() {
        paths.push("/proc/config.gz".to_owned());
    }
    if let Some(release) = release.filter(|release| !release.contains('/')) {
        paths.push(format!("/boot/config-{release}"));
        paths.push(format!("/lib/modules/{release}/config"));
        paths.push(format!("/lib/modules/{release}/build/.config"));
        paths.push(format!("/usr/lib/kernel/config-{release}"));
    }
    let mut refused = None;
    for path in paths {
        match source.tree.bytes(&path) {
            Fact::Known(None) => {}
            Fact::Known(Some(bytes)) => {
                let text = if bytes.starts_with(&[0x1f, 0x8b]) { unzip(&bytes, &path)? } else { bytes };
                return Ok((parse_options(&String::from_utf8_lossy(&text)), path));
            }
            Fact::Unknown(reason) => refused = Some(reason),
        }
    }
    Err(refused.unwrap_or_else(|| Unknown("the kernel's configuration is nowhere to be found".to_owned())))
}

fn unzip(bytes: &[u8], path: &str) -> Result<Vec<u8>, Unknown> {
    let mut text = Vec::new();
    let read = flate2::read::GzDecoder::new(bytes).take(MOST_CONFIG + 1).read_to_end(&mut text);
    read.map_err(|error| Unknown(format!("cannot decompress {path}: {error}")))?;
    // Half a configuration would say of the other half that it is off.
    if text.len() as u64 > MOST_CONFIG {
        return Err(Unknown(format!(
            "{path} is no kernel configuration: it grows beyond {} MiB",
            MOST_CONFIG >> 20
        )));
    }
    Ok(text)
}

/// Reads a kernel configuration: `CONFIG_NAME=value`, and `# CONFIG_NAME is not set` as `n`. Quotes are taken off.
#[must_use]
pub fn parse_options(text: &str) -> BTreeMap<String, String> {
    let line = |line: &str| {
        if let Some(off) = line.strip_prefix("# CONFIG_") {
            return off.strip_suffix(" is not set").map(|name| (name.to_owned(), "n".to_owned()));
        }
        let (name, value) = line.strip_prefix("CONFIG_")?.split_once('=')?;
        Some((name.to_owned(), value.trim_matches('"').to_owned()))
    };
    text.lines().filter_map(|text| line(text.trim())).collect()
}

/// Splits a kernel command line into words with their values; `"` keeps blanks together; what follows `--` is init's.
#[must_use]
pub fn parse_command_line(text: &str) -> Vec<(String, Option<String>)> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for letter in text.chars() {
        match letter {
            '"' => quoted = !quoted,
            letter if letter.is_whitespace() && !quoted => words.push(String::new()),
            letter => {
                if let Some(word) = words.last_mut() {
                    word.push(letter);
                }
            }
        }
    }
    let words = words.into_iter().filter(|word| !word.is_empty()).take_while(|word| word != "--");
    words
        .map(|word| match word.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (word, None),
        })
        .collect()
}

/// What a tree's boot loader would give to the kernel.
fn configured_command_line(source: &Source) -> Fact<Vec<(String, Option<String>)>> {
    if let Fact::Known(Some(text)) = source.tree.text("/etc/kernel/cmdline") {
        return Fact::Known(parse_command_line(&text));
    }
    let mut words = None;
    let drop_ins = source.tree.names_with_ending("/etc/default/grub.d", ".cfg").unwrap_or_default();
    let drop_ins = drop_ins.into_iter().map(|name| format!("/etc/default/grub.d/{name}"));
    for path in std::iter::once("/etc/default/grub".to_owned()).chain(drop_ins) {
        let Fact::Known(Some(text)) = source.tree.text(&path) else { continue };
        for line in text.lines() {
            if let Some((name, value)) = line.trim().split_once('=')
                && matches!(name, "GRUB_CMDLINE_LINUX" | "GRUB_CMDLINE_LINUX_DEFAULT")
            {
                let value = value.trim().trim_matches(['"', '\'']);
                words.get_or_insert_with(Vec::new).extend(parse_command_line(value));
            }
        }
    }
    words.map_or_else(|| Fact::unknown("the tree does not say how its kernel is started"), Fact::Known)
}

/// What a tree's sysctl.d files set, the last word counting (sysctl.d(5)).
fn configured_parameters(source: &Source) -> BTreeMap<String, String> {
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    // A file of the same name in a later folder takes the place of an earlier one.
    for folder in ["/usr/lib/sysctl.d", "/usr/local/lib/sysctl.d", "/run/sysctl.d", "/etc/sysctl.d"] {
        for name in source.tree.names_with_ending(folder, ".conf").unwrap_or_default() {
            files.insert(name.clone(), format!("{folder}/{name}"));
        }
    }
    let mut parameters = BTreeMap::new();
    for path in files.into_values().chain(std::iter::once("/etc/sysctl.conf".to_owned())) {
        if let Fact::Known(Some(text)) = source.tree.text(&path) {
            parameters.extend(parse_parameters(&text));
        }
    }
    parameters
}

/// Reads lines `name = value` as sysctl(8) does; names with slashes come out with dots.
pub(crate) fn parse_parameters(text: &str) -> Vec<(String, String)> {
    let line = |line: &str| {
        let line = line.trim().trim_start_matches('-');
        if line.starts_with(['#', ';']) {
            return None;
        }
        let (name, value) = line.split_once('=')?;
        Some((name.trim().replace('/', "."), value.trim().to_owned()))
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_as_the_kernel_reads_it() {
        let words = parse_command_line("quiet dyndbg=\"file a +p\" a.b=1 -- init=/x");
        let words: Vec<_> = words.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
        assert_eq!(words, [("quiet", None), ("dyndbg", Some("file a +p")), ("a.b", Some("1"))]);
        let mut kernel = Kernel::unknown("not planted");
        kernel.command_line = Fact::Known(parse_command_line("page-alloc.shuffle=1 x=1 x=2"));
        assert_eq!(kernel.word("page_alloc.shuffle").unwrap().as_deref(), Some("1"));
        assert_eq!(kernel.word("x").unwrap().as_deref(), Some("2"));
        assert_eq!(kernel.word("none").unwrap(), None);
    }

    #[test]
    fn a_tree_at_rest_says_what_it_would_boot_with() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("boot/config-6.1.0-9-amd64", "CONFIG_A=n\n");
        write("boot/config-6.1.0-28-amd64", "CONFIG_A=y\n");
        write("boot/vmlinuz-6.1.0-28-amd64", "");
        write(
            "etc/default/grub",
            "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\nGRUB_CMDLINE_LINUX='slab_nomerge'\n",
        );
        write("usr/lib/sysctl.d/50-x.conf", "kernel.sysrq = 1\nkernel/kptr_restrict=1\n");
        write("etc/sysctl.d/50-x.conf", "# mine\n-kernel.sysrq = 0\n");
        // A look-alike that a running kernel's audit would read: it must not be believed at rest.
        write("proc/sys/kernel/sysrq", "176\n");
        let source = Source::at_rest(folder.path()).unwrap();
        let names = ["kernel.sysrq", "kernel.kptr_restrict"].map(str::to_owned).into();
        let kernel = Kernel::gather(&source, &names, Parts::ALL);
        assert_eq!(kernel.options_from.as_deref(), Some("/boot/config-6.1.0-28-amd64"));
        assert_eq!(kernel.option("A").unwrap().as_deref(), Some("y"));
        assert_eq!(kernel.word("slab_nomerge").unwrap().as_deref(), Some(""));
        assert_eq!(kernel.parameter("kernel.sysrq").unwrap().as_deref(), Some("0"));
        assert!(kernel.parameter("kernel.kptr_restrict").is_err(), "the file with it was replaced");
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_parsers_panic(text in ".{0,400}") {
            let _ = (parse_options(&text), parse_command_line(&text), parse_parameters(&text), version_of(&text));
        }
    }
}
