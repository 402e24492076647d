//! Docker's flags of `run` that are known and refused: never ignored, and each with its reason. (Those that are read and refused
//! by what they ask for are not here: `policy` says why.)

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use crate::report::Report;

/// A flag, whether it has a value, and why it is refused.
struct Refused {
    flag: &'static str,
    has_value: bool,
    /// A value that asks for nothing that is not so anyway.
    harmless: Option<&'static str>,
    why: &'static str,
}

const WINDOWS: &str = "it is for containers of Windows";
const LINK: &str = "containers of a zone know each other by name; see --network-alias";
const LINK_LOCAL: &str = "links have no link-local addresses";

const fn value(flag: &'static str, why: &'static str) -> Refused {
    Refused { flag, has_value: true, harmless: None, why }
}

const REFUSED: &[Refused] = &[
    value("cpu-count", WINDOWS),
    value("cpu-percent", WINDOWS),
    Refused {
        flag: "disable-content-trust",
        has_value: false,
        harmless: Some("true"),
        why: "a zone says which signatures its images need (`[images]`)",
    },
    value("gpus", "name the devices with --device, as far as the zone allows them"),
    value("io-maxbandwidth", WINDOWS),
    value("io-maxiops", WINDOWS),
    Refused {
        flag: "isolation",
        has_value: true,
        harmless: Some("default"),
        why: "the zone says how strongly its containers are walled off",
    },
    value("kernel-memory", "the kernel has no such limit any more; --memory covers it"),
    value("link", LINK),
    value("link-local-ip", LINK_LOCAL),
    Refused {
        flag: "runtime",
        has_value: true,
        harmless: Some("cofferdam"),
        why: "containers are run by Cofferdam itself; other engines can use it with `--runtime cofferdam-oci`",
    },
    value("storage-opt", "the size of writable layers cannot be limited yet"),
    Refused {
        flag: "use-api-socket",
        has_value: false,
        harmless: Some("false"),
        why: "no control socket is ever brought into a container",
    },
];

/// The flags as typed: the first that asks for something.
#[derive(Debug, Clone, Default)]
pub(super) struct RefusedFlags {
    asked: Option<(&'static str, String, &'static str)>,
}

impl RefusedFlags {
    /// Says no.
    pub(super) fn check(self) -> Result<(), Report> {
        match self.asked {
            None => Ok(()),
            Some((flag, value, why)) => {
                Err(Report::new(format!("cannot use --{flag} {value}").trim_end()).hint(why))
            }
        }
    }
}

fn arg(refused: &Refused) -> Arg {
    let arg = Arg::new(refused.flag).long(refused.flag).hide(true);
    if refused.has_value { arg.action(ArgAction::Append) } else { arg.action(ArgAction::SetTrue) }
}

impl Args for RefusedFlags {
    fn augment_args(command: Command) -> Command {
        command.args(REFUSED.iter().map(arg))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for RefusedFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let typed = |refused: &&Refused| matches.value_source(refused.flag) == Some(ValueSource::CommandLine);
        let value = |refused: &Refused| {
            if refused.has_value {
                matches.get_many::<String>(refused.flag).and_then(Iterator::last).cloned().unwrap_or_default()
            } else {
                matches.get_flag(refused.flag).to_string()
            }
        };
        let asked = REFUSED.iter().filter(typed).map(|refused| (refused, value(refused)));
        let asked = asked.filter(|(refused, value)| refused.harmless != Some(value.as_str()));
        let shown =
            |value: String| if matches!(value.as_str(), "true" | "false") { String::new() } else { value };
        Ok(Self { asked: asked.map(|(refused, value)| (refused.flag, shown(value), refused.why)).next() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The refused flags as a table of the documentation.
#[cfg(test)]
pub(crate) fn table() -> String {
    let mut text =
        "| flag of `docker run` | why it is refused | taken as it is |\n|---|---|---|\n".to_owned();
    for Refused { flag, harmless, why, .. } in REFUSED {
        let harmless = harmless.map_or_else(String::new, |value| format!("`{value}`"));
        text += &format!("| `--{flag}` | {why} | {harmless} |\n");
    }
    text
}
