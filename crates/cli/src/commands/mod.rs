//! All commands: one file each, and the table that finds them.

mod attach;
mod audit;
mod build;
mod builder_prune;
mod commit;
mod completion;
mod cp;
mod create;
mod diff;
mod events;
mod exec;
mod export;
mod healthcheck_run;
mod image_bootstrap;
mod image_diff;
mod image_history;
mod image_import;
mod image_load;
mod image_ls;
mod image_prune;
mod image_rm;
mod image_save;
mod image_sign;
mod image_tag;
mod image_trust;
mod image_verify;
mod info;
mod inspect;
mod kill;
mod login;
mod logout;
mod logs;
mod man;
mod network_connect;
mod network_create;
mod network_ls;
mod network_prune;
mod network_rm;
mod pause;
mod plan;
mod port;
mod prune;
mod ps;
mod pull;
mod push;
pub(crate) mod receipt_check;
mod rename;
mod restart;
mod rm;
mod run;
mod start;
mod stats;
mod stop;
mod system_df;
mod top;
mod unpause;
mod update;
mod verify;
mod version;
mod volume_create;
mod volume_ls;
mod volume_prune;
mod volume_rm;
mod wait;
mod zone_apply;
mod zone_check;
mod zone_graph;
mod zone_ls;
mod zone_rm;
mod zone_show;
mod zone_test;
mod zone_verify;
mod zone_watch;

use std::ffi::OsString;
use std::process::ExitCode;

use crate::command::{Entry, entry};
use crate::globals::Globals;
use crate::report::{Outcome, Report};
use crate::suggest::nearest;

/// The commands in the order of the help text.
pub(crate) const COMMANDS: &[Entry] = &[
    entry::<run::RunCommand>("run", "Create and run a new container"),
    entry::<exec::ExecCommand>("exec", "Execute a command in a running container"),
    entry::<ps::PsCommand>("ps", "List containers"),
    entry::<create::CreateCommand>("create", "Create a new container"),
    entry::<start::StartCommand>("start", "Start stopped containers"),
    entry::<stop::StopCommand>("stop", "Stop running containers"),
    entry::<restart::RestartCommand>("restart", "Restart containers"),
    entry::<kill::KillCommand>("kill", "Send a signal to running containers"),
    entry::<pause::PauseCommand>("pause", "Freeze all processes of containers"),
    entry::<unpause::UnpauseCommand>("unpause", "Let frozen containers go on"),
    entry::<rm::RmCommand>("rm", "Remove containers"),
    entry::<prune::PruneCommand>("prune", "Remove all containers that do not run"),
    entry::<attach::AttachCommand>("attach", "Attach to a running container"),
    entry::<logs::LogsCommand>("logs", "Show what a container printed"),
    entry::<wait::WaitCommand>("wait", "Wait for containers to end, then print their exit codes"),
    entry::<top::TopCommand>("top", "Show the processes of a container"),
    entry::<stats::StatsCommand>("stats", "Show what containers use"),
    entry::<healthcheck_run::HealthcheckRunCommand>("healthcheck run", "Check a container's health now"),
    entry::<inspect::InspectCommand>(
        "inspect",
        "Show everything about containers, images, volumes and networks",
    ),
    entry::<cp::CpCommand>("cp", "Copy files out of a container or into one"),
    entry::<diff::DiffCommand>("diff", "Show what a container changed in its root"),
    entry::<commit::CommitCommand>("commit", "Make an image of a container's changes"),
    entry::<export::ExportCommand>("export", "Write a container's root file system as a tar"),
    entry::<port::PortCommand>("port", "Show the ports of the host that lead to a container"),
    entry::<rename::RenameCommand>("rename", "Rename a container"),
    entry::<update::UpdateCommand>("update", "Change limits of containers"),
    entry::<plan::PlanCommand>("plan", "Show what run would do, without doing it"),
    entry::<verify::VerifyCommand>("verify", "Read back whether containers are confined as planned"),
    entry::<receipt_check::ReceiptCheckCommand>(
        "receipt check",
        "Check a receipt's signature and say what it says",
    ),
    entry::<zone_ls::ZoneLsCommand>("zone ls", "List zones"),
    entry::<zone_show::ZoneShowCommand>("zone show", "Show everything that a zone says"),
    entry::<zone_graph::ZoneGraphCommand>("zone graph", "Show who may talk to whom"),
    entry::<zone_test::ZoneTestCommand>("zone test", "Test whether a connection passes"),
    entry::<zone_watch::ZoneWatchCommand>("zone watch", "Show what passes and what is denied as it happens"),
    entry::<zone_check::ZoneCheckCommand>("zone check", "Check zone files"),
    entry::<zone_apply::ZoneApplyCommand>("zone apply", "Make zone files this host's zones"),
    entry::<zone_rm::ZoneRmCommand>("zone rm", "Remove zones"),
    entry::<zone_verify::ZoneVerifyCommand>("zone verify", "Verify all running containers of a zone"),
    entry::<pull::PullCommand>("pull", "Pull an image from a registry"),
    entry::<push::PushCommand>("push", "Push an image to a registry"),
    entry::<login::LoginCommand>("login", "Log in to a registry"),
    entry::<logout::LogoutCommand>("logout", "Log out of a registry"),
    entry::<image_import::ImageImportCommand>("image import", "Make an image of a folder or a tar"),
    entry::<image_bootstrap::ImageBootstrapCommand>(
        "image bootstrap",
        "Make a base image out of a distribution's own archive",
    ),
    entry::<build::BuildCommand>("build", "Build an image of a Dockerfile"),
    entry::<builder_prune::BuilderPruneCommand>("builder prune", "Remove results of build steps"),
    entry::<image_ls::ImageLsCommand>("image ls", "List images"),
    entry::<inspect::ImageInspectCommand>("image inspect", "Show everything about images"),
    entry::<image_history::ImageHistoryCommand>("image history", "Show how an image came to be"),
    entry::<image_tag::ImageTagCommand>("image tag", "Give an image another name"),
    entry::<image_save::ImageSaveCommand>("image save", "Write images into an archive or a folder"),
    entry::<image_load::ImageLoadCommand>("image load", "Take images out of an archive or a folder"),
    entry::<export::ImageExportCommand>("image export", "Write an image's root file system as a tar"),
    entry::<image_diff::ImageDiffCommand>("image diff", "Show in which files two images differ"),
    entry::<image_verify::ImageVerifyCommand>(
        "image verify",
        "Read images whole, and tell what is wrong with them",
    ),
    entry::<image_rm::ImageRmCommand>("image rm", "Remove images"),
    entry::<image_prune::ImagePruneCommand>("image prune", "Remove images that no container uses"),
    entry::<image_sign::ImageSignCommand>("image sign", "Sign images with a key"),
    entry::<image_trust::ImageTrustCommand>(
        "image trust",
        "Manage the keys and authorities whose signatures count on this host",
    ),
    entry::<volume_create::VolumeCreateCommand>("volume create", "Make a volume"),
    entry::<volume_ls::VolumeLsCommand>("volume ls", "List volumes"),
    entry::<inspect::VolumeInspectCommand>("volume inspect", "Show everything about volumes"),
    entry::<volume_rm::VolumeRmCommand>("volume rm", "Remove volumes"),
    entry::<volume_prune::VolumePruneCommand>("volume prune", "Remove volumes that no container uses"),
    entry::<network_create::NetworkCreateCommand>("network create", "Make a network, a part of a zone"),
    entry::<network_ls::NetworkLsCommand>("network ls", "List networks"),
    entry::<inspect::NetworkInspectCommand>("network inspect", "Show everything about networks"),
    entry::<network_connect::NetworkConnectCommand>("network connect", "Put a container into a network"),
    entry::<network_connect::NetworkDisconnectCommand>(
        "network disconnect",
        "Take a container out of a network",
    ),
    entry::<network_rm::NetworkRmCommand>("network rm", "Remove networks"),
    entry::<network_prune::NetworkPruneCommand>("network prune", "Remove networks that no container is in"),
    entry::<audit::host::AuditHostCommand>(
        "audit host",
        "Check whether this host, or a tree, is a secure vessel",
    ),
    entry::<audit::mend::AuditUndoCommand>("audit undo", "Take back what `audit host --fix` wrote last"),
    entry::<audit::engine::AuditEngineCommand>("audit engine", "Check this host's container engines"),
    entry::<audit::container::AuditContainerCommand>(
        "audit container",
        "Check what a container, of whatever engine, could do",
    ),
    entry::<audit::image::AuditImageCommand>(
        "audit image",
        "Check images: what was left in them, and what it may do",
    ),
    entry::<audit::vm::AuditVmCommand>(
        "audit vm",
        "Check the disk of a virtual machine, without mounting it",
    ),
    entry::<audit::document::AuditDockerfileCommand>("audit dockerfile", "Check Dockerfiles"),
    entry::<audit::document::AuditComposeCommand>("audit compose", "Check Compose files"),
    entry::<audit::document::AuditKubernetesCommand>("audit kubernetes", "Check Kubernetes manifests"),
    entry::<events::EventsCommand>("events", "Show what happens, as it happens"),
    entry::<info::InfoCommand>("info", "Show this host and what is on it"),
    entry::<system_df::SystemDfCommand>("system df", "Show what everything takes of the disk"),
    entry::<version::VersionCommand>("version", "Show the version"),
    entry::<completion::CompletionCommand>("completion", "Write a completion script for a shell"),
    entry::<man::ManCommand>("man", "Write manual pages"),
];

/// Docker's longer names, and a few of its other ones.
const ALIASES: &[(&str, &str)] = &[
    ("builder build", "build"),
    ("image build", "build"),
    ("buildx build", "build"),
    ("buildx prune", "builder prune"),
    ("container attach", "attach"),
    ("container cp", "cp"),
    ("container create", "create"),
    ("container diff", "diff"),
    ("container exec", "exec"),
    ("container inspect", "inspect"),
    ("container kill", "kill"),
    ("container list", "ps"),
    ("container logs", "logs"),
    ("container ls", "ps"),
    ("container pause", "pause"),
    ("container prune", "prune"),
    ("container ps", "ps"),
    ("container port", "port"),
    ("container rename", "rename"),
    ("container restart", "restart"),
    ("container remove", "rm"),
    ("container rm", "rm"),
    ("container run", "run"),
    ("container start", "start"),
    ("container stats", "stats"),
    ("container stop", "stop"),
    ("container top", "top"),
    ("container unpause", "unpause"),
    ("container update", "update"),
    ("container wait", "wait"),
    ("image list", "image ls"),
    ("image remove", "image rm"),
    ("image pull", "pull"),
    ("image push", "push"),
    ("images", "image ls"),
    ("history", "image history"),
    ("save", "image save"),
    ("load", "image load"),
    ("container commit", "commit"),
    ("container export", "export"),
    ("tag", "image tag"),
    ("network list", "network ls"),
    ("network remove", "network rm"),
    ("volume list", "volume ls"),
    ("volume remove", "volume rm"),
    ("import", "image import"),
    ("rmi", "image rm"),
    ("zone list", "zone ls"),
    ("zone remove", "zone rm"),
    ("system events", "events"),
    ("system info", "info"),
    ("system prune", "prune"),
];

/// Finds the command that the first words mean; says how many words that takes.
pub(crate) fn find(words: &[&str]) -> Result<(&'static Entry, usize), Report> {
    for count in [2, 1] {
        let Some(head) = words.get(..count) else { continue };
        let head = head.join(" ");
        let aliased =
            ALIASES.iter().find(|(alias, _)| *alias == head).map_or(head.as_str(), |(_, words)| words);
        if let Some(entry) = COMMANDS.iter().find(|entry| entry.words == aliased) {
            return Ok((entry, count));
        }
    }
    Err(unknown(words))
}

/// The words after the group's name that a group knows.
pub(crate) fn members(group: &str) -> Vec<&'static str> {
    let names = COMMANDS.iter().map(|entry| entry.words).chain(ALIASES.iter().map(|(alias, _)| *alias));
    names.filter_map(|words| words.strip_prefix(group)?.strip_prefix(' ')).collect()
}

fn unknown(words: &[&str]) -> Report {
    let Some(first) = words.first() else {
        return Report::new("no command given").hint("see `cofferdam --help`");
    };
    let members = members(first);
    let (report, near) = if members.is_empty() {
        let known = COMMANDS.iter().map(|entry| entry.words).filter(|words| !words.contains(' '));
        (
            Report::new(format!("unknown command {first:?}")),
            nearest(first, known.chain(groups())).map(str::to_owned),
        )
    } else {
        match words.get(1).filter(|word| !word.starts_with('-')) {
            Some(word) => {
                let near = nearest(word, members.iter().copied()).map(|near| format!("{first} {near}"));
                (Report::new(format!("unknown command \"{first} {word}\"")), near)
            }
            None => {
                let hint = format!("commands of {first} are {}", members.join(", "));
                return Report::new(format!("{first} needs a command after it")).hint(hint);
            }
        }
    };
    match near {
        Some(near) => report.hint(format!("did you mean `cofferdam {near}`?")),
        None => report.hint("see `cofferdam --help`"),
    }
}

/// First words of commands with two.
fn groups() -> impl Iterator<Item = &'static str> {
    let names = COMMANDS.iter().map(|entry| entry.words).chain(ALIASES.iter().map(|(alias, _)| *alias));
    names.filter_map(|words| words.split_once(' ')).map(|(group, _)| group)
}

/// Does the command that the words mean.
pub(crate) fn execute(words: Vec<OsString>, globals: &Globals) -> Outcome {
    let names: Vec<&str> = words.iter().map_while(|word| word.to_str()).take(2).collect();
    if names.first() == Some(&"help") {
        return help(&words);
    }
    if let [group, "--help" | "-h" | "help"] = names[..]
        && let Some(text) = crate::help::group(group)
    {
        return print(&text);
    }
    let (entry, count) = find(&names)?;
    entry.execute(words.into_iter().skip(count).collect(), globals)
}

/// `cofferdam help COMMAND`
fn help(words: &[OsString]) -> Outcome {
    let names: Vec<&str> = words.iter().skip(1).map_while(|word| word.to_str()).collect();
    let group = if let [group] = names[..] { crate::help::group(group) } else { None };
    match (names.is_empty(), group) {
        (true, _) => print(&crate::help::overview()),
        (_, Some(text)) => print(&text),
        (_, None) => print(&crate::usage::help(find(&names)?.0)),
    }
}

fn print(text: &str) -> Outcome {
    std::io::Write::write_all(&mut std::io::stdout().lock(), text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// All commands as one tree: only for completion, manuals and documentation.
pub(crate) fn tree() -> clap::Command {
    let mut root = crate::globals::spec();
    let mut grouped: Vec<(&str, clap::Command)> = Vec::new();
    for entry in COMMANDS {
        let Some((group, _)) = entry.words.split_once(' ') else {
            root = root.subcommand(entry.spec());
            continue;
        };
        let member = entry.spec();
        match grouped.iter_mut().find(|(known, _)| *known == group) {
            Some((_, command)) => *command = std::mem::take(command).subcommand(member),
            None => grouped.push((group, clap::Command::new(group).subcommand(member))),
        }
    }
    grouped.into_iter().fold(root, |root, (_, command)| root.subcommand(command))
}

#[cfg(test)]
mod tests;
