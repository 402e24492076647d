//! The first process: program, environment, working directory; and the processes that `exec` adds.

use cofferdam_confinement::{Mount, MountIdMap, MountKind, Plan, Process, WindowSize};
use cofferdam_names::ContainerPath;

use super::accounts::{Account, AccountFiles, check_mapped};
use super::{Planner, PolicyError, capabilities, mounts, path};
use crate::EnvEntry;

/// Docker's search path.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Where `--init` finds our own program inside the container: in its `/dev`, so that the image is left as it is.
const INIT_PATH: &str = "/dev/.cofferdam-init";

/// An environment, in order, each name once.
#[derive(Default)]
struct Environment(Vec<(String, String)>);

impl Environment {
    fn from_plan(env: &[String]) -> Self {
        let mut environment = Self::default();
        for entry in env {
            let (name, value) = entry.split_once('=').unwrap_or((entry, ""));
            environment.set(name, value);
        }
        environment
    }

    fn set(&mut self, name: &str, value: &str) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => value.clone_into(old),
            None => self.0.push((name.to_owned(), value.to_owned())),
        }
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    fn apply(&mut self, entries: &[EnvEntry]) -> Result<(), PolicyError> {
        for entry in entries {
            match entry {
                EnvEntry::Set { name, value } => {
                    if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
                        let rule = "a name is not empty and holds no '=', and neither holds a NUL byte";
                        return Err(PolicyError::invalid(format!("environment variable {name:?}"), rule));
                    }
                    self.set(name, value);
                }
                EnvEntry::Unset { name } => self.0.retain(|(known, _)| known != name),
                EnvEntry::FromClient { name } => {
                    let rule = "the client did not say its value";
                    return Err(PolicyError::invalid(format!("environment variable {name:?}"), rule));
                }
            }
        }
        Ok(())
    }

    fn into_lines(self) -> Vec<String> {
        self.0.into_iter().map(|(name, value)| format!("{name}={value}")).collect()
    }
}

impl Planner<'_> {
    /// Entry point and arguments: an entry point of the request's drops the image's arguments, as with Docker.
    pub(super) fn args(&self) -> Result<Vec<String>, PolicyError> {
        let (request, image) = (self.request, &self.context.image);
        let mut args = match &request.entrypoint {
            Some(entrypoint) => entrypoint.clone(),
            None => image.entrypoint.clone(),
        };
        match (&request.entrypoint, request.command.is_empty()) {
            (Some(_), _) | (None, false) => args.extend(request.command.iter().cloned()),
            (None, true) => args.extend(image.cmd.iter().cloned()),
        }
        check_args(&args)?;
        Ok(args)
    }

    pub(super) fn env(&self, user: &Account, hostname: Option<&str>) -> Result<Vec<String>, PolicyError> {
        let mut environment = Environment::default();
        environment.set("PATH", PATH);
        if let Some(hostname) = hostname {
            environment.set("HOSTNAME", hostname);
        }
        if self.request.tty {
            environment.set("TERM", "xterm");
        }
        for entry in &self.context.image.env {
            // An image is foreign text: what is no variable is no reason to fail, and nothing that a process could use.
            match entry.split_once('=') {
                Some((name, value)) if !name.is_empty() && !entry.contains('\0') => {
                    environment.set(name, value)
                }
                _ => {}
            }
        }
        environment.apply(&self.request.env)?;
        if !environment.has("HOME") {
            environment.set("HOME", &user.home);
        }
        Ok(environment.into_lines())
    }

    pub(super) fn cwd(&self) -> Result<ContainerPath, PolicyError> {
        match (&self.request.workdir, self.context.image.workdir.as_str()) {
            (Some(workdir), _) => mounts::shortest(workdir.as_str()),
            (None, "") => Ok(ContainerPath::root()),
            (None, workdir) => mounts::shortest(&format!("/{workdir}")),
        }
    }

    /// `--init`: our own program is the first process, passes signals on and reaps orphans.
    pub(super) fn add_init(&self, process: &mut Process, mounts: &mut Vec<Mount>) -> Result<(), PolicyError> {
        if !self.request.init {
            return Ok(());
        }
        let Some(program) = &self.context.init_program else {
            return Err(PolicyError::not_built("--init", "this program has no init role yet"));
        };
        process.signals_wait = true;
        let args = std::mem::take(&mut process.args);
        process.args = [INIT_PATH, "--"].into_iter().map(str::to_owned).chain(args).collect();
        // Without an id map: no id of the container's owns the host's file, whatever becomes of the mount (CVE-2019-5736).
        let mut mount = self.readonly_file(program, path(INIT_PATH)?);
        if let MountKind::Bind { id_map, .. } = &mut mount.kind {
            *id_map = MountIdMap::None;
        }
        mounts.push(mount);
        Ok(())
    }

    pub(super) fn oom_score_adj(&self) -> Result<i32, PolicyError> {
        let host = &self.context.host;
        let min = &self.zone.limits.oom_score_adj_min;
        let score = self.request.oom_score_adj.unwrap_or_else(|| host.oom_score_adj.max(min.value));
        let asked = format!("--oom-score-adj {score}");
        if !(-1000..=1000).contains(&score) {
            return Err(PolicyError::invalid(asked, "it is -1000 to 1000"));
        }
        if score < min.value {
            let ceiling = format!("limits.oom_score_adj_min is {}", min.value);
            return Err(self.beyond(asked, &min.place, ceiling));
        }
        let may_lower = host.capabilities.contains(cofferdam_kernel::capability::Capability::SYS_RESOURCE);
        if score < host.oom_score_adj && !may_lower {
            let lack = format!("it is {} now, and lowering it needs CAP_SYS_RESOURCE", host.oom_score_adj);
            return Err(PolicyError::lacks(asked, lack, "ask for a higher score"));
        }
        Ok(score)
    }
}

fn check_args(args: &[String]) -> Result<(), PolicyError> {
    if args.first().is_none_or(String::is_empty) {
        return Err(PolicyError::invalid("command", "neither the request nor the image names a program"));
    }
    if args.iter().any(|arg| arg.contains('\0')) {
        return Err(PolicyError::invalid("command", "an argument holds no NUL byte"));
    }
    Ok(())
}

/// What `exec` asks, and the account files of the container as they are now.
#[derive(Debug, Clone, Copy)]
pub struct ExecOptions<'a> {
    /// Program and arguments.
    pub command: &'a [String],
    /// `-e`, on top of the container's environment.
    pub env: &'a [EnvEntry],
    /// `-u`; absent for the container's own user.
    pub user: Option<&'a str>,
    /// `-w`; absent for the container's own.
    pub workdir: Option<&'a ContainerPath>,
    /// `--privileged`
    pub privileged: bool,
    /// `-t`
    pub tty: bool,
    /// The client's terminal size.
    pub window: Option<WindowSize>,
    /// The container's /etc/passwd.
    pub passwd: &'a str,
    /// The container's /etc/group.
    pub group: &'a str,
    /// The id maps that the container lives under.
    pub maps: &'a cofferdam_confinement::IdMaps,
}

/// One more process for a container: under every control that its first one is under.
///
/// # Errors
/// [`PolicyError`]: it asks for more than the container has, or it is not valid.
pub fn plan_exec(plan: &Plan, options: &ExecOptions<'_>) -> Result<Process, PolicyError> {
    if options.privileged {
        let rule = "a process has at most what its container has, and the container is not privileged";
        return Err(PolicyError::invalid("exec --privileged", rule));
    }
    check_args(options.command)?;
    let first = &plan.process;
    let mut environment = Environment::from_plan(&first.env);
    if options.tty && !environment.has("TERM") {
        environment.set("TERM", "xterm");
    }
    let user = match options.user {
        None => first.user.clone(),
        Some(spec) => {
            let files = AccountFiles { passwd: options.passwd, group: options.group };
            let mut account = files.look_up(spec, &[])?;
            check_mapped(&mut account, &[], options.maps)?;
            environment.set("HOME", &account.home);
            account.ids
        }
    };
    environment.apply(options.env)?;
    Ok(Process {
        args: options.command.to_vec(),
        env: environment.into_lines(),
        cwd: match options.workdir {
            Some(workdir) => mounts::shortest(workdir.as_str())?,
            None => first.cwd.clone(),
        },
        // As with runc: a folder that is not there is a mistake of the one who typed it.
        create_cwd: false,
        terminal: options.tty,
        window: if options.tty { options.window } else { None },
        // CVE-2026-30892: another user starts with that user's capabilities, not with those of the first process.
        capabilities: capabilities::for_user(first.capabilities.bounding, user.uid),
        user,
        signals_wait: false,
        ..first.clone()
    })
}
