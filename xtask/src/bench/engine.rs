//! The engines that are measured: how each is set up in its world and what its commands look like.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};

use super::bundle::Ground;
use super::worker::{Request, World};

/// One engine in a world of its own.
pub(super) struct Engine {
    pub(super) name: &'static str,
    pub(super) world: World,
    commands: Commands,
}

/// How an engine is asked for things: command prefixes. Empty where it has no such command.
#[derive(Default)]
struct Commands {
    /// An OCI runtime's prefix: `run --bundle B ID` follows.
    oci: Vec<String>,
    /// `run --rm` of `true` in a container without a network.
    run: Vec<String>,
    /// A detached container that sleeps; a name is inserted for `{name}`.
    detach: Vec<String>,
    /// `NAME true` follows.
    exec: Vec<String>,
    /// Names of containers follow.
    remove: Vec<String>,
    /// `build` follows.
    prefix: Vec<String>,
    /// Prints the ids of all containers.
    list: Vec<String>,
    /// The programs that stay beside each container.
    helpers: Vec<String>,
}

/// Splits a command line at blanks; no path here holds one.
fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

impl Engine {
    /// The floor: no engine at all.
    pub(super) fn floor(program: &Path, ground: &Ground) -> Result<Self> {
        let line = |user: &str| {
            words(&format!(
                "{} {user} {} {} /bin/true",
                program.display(),
                ground.path("root"),
                ground.path("floor")
            ))
        };
        let commands =
            Commands { oci: line(""), run: line("--user"), exec: words("/bin/true"), ..Commands::default() };
        Ok(Self { name: "floor", world: World::open("", &BTreeMap::new())?, commands })
    }

    /// An OCI runtime of Debian's: crun, or runc.
    pub(super) fn runtime(name: &'static str) -> Result<Self> {
        let prefix = format!("{name} --root /run/{name}");
        let commands =
            Commands { oci: words(&prefix), exec: words(&format!("{prefix} exec")), ..Commands::default() };
        // crun refuses a v2 mount that holds controllers beside v1 ("hybrid mode"): take it away in its world.
        let setup = "umount /sys/fs/cgroup/unified 2>/dev/null || true";
        Ok(Self { name, world: World::open(setup, &BTreeMap::new())?, commands })
    }

    /// Debian's docker with a daemon and an image of its own.
    pub(super) fn docker(ground: &Ground) -> Result<Self> {
        let mut world = World::open("", &BTreeMap::new())?;
        let socket = "unix:///run/bench-docker.sock";
        let daemon = format!(
            "dockerd --host {socket} --data-root {} --exec-root /run/bench-docker --pidfile /run/bench-docker.pid \
             --bridge none --iptables=false --ip-forward=false --ip-masq=false --storage-driver overlay2",
            ground.path("docker")
        );
        world.ask(&Request::Background { argv: words(&daemon), log: ground.path("dockerd.log") })?;
        let prefix = format!("/usr/bin/docker --host {socket}");
        let wait = format!(
            "for i in $(seq 100); do {prefix} version >/dev/null 2>&1 && exit 0; sleep 0.2; done; exit 1"
        );
        world.script(&wait).with_context(|| format!("start dockerd: see {}", ground.path("dockerd.log")))?;
        world.script(&format!("{prefix} import {} busybox", ground.path("busybox.tar")))?;
        Ok(Self { name: "docker", world, commands: like_docker(&prefix, "rm -f", "containerd-shim-runc-v2") })
    }

    /// Debian's podman with a store of its own, on crun.
    pub(super) fn podman(ground: &Ground) -> Result<Self> {
        let settings = ground.folder.join("containers.conf");
        // Podman's defaults for these are above the hard limits of the test machine.
        let text = "[containers]\ndefault_ulimits = [\"nofile=20000:20000\", \"nproc=32768:32768\"]\n";
        std::fs::write(&settings, text).context("write containers.conf")?;
        let environment = BTreeMap::from([("CONTAINERS_CONF".to_owned(), settings.display().to_string())]);
        let setup = "umount /sys/fs/cgroup/unified 2>/dev/null || true";
        let mut world = World::open(setup, &environment)?;
        let prefix = format!(
            "podman --root {} --runroot /run/bench-podman --storage-driver overlay --cgroup-manager cgroupfs \
             --events-backend file --runtime crun",
            ground.path("podman")
        );
        world.script(&format!("{prefix} import {} busybox", ground.path("busybox.tar")))?;
        Ok(Self { name: "podman", world, commands: like_docker(&prefix, "rm -f -t 0", "conmon") })
    }

    /// Ours, where users have it: its state on the disk, what does not outlive a boot in the world's own `/run`.
    pub(super) fn cofferdam(program: &Path, ground: &Ground) -> Result<Self> {
        let program = program.display();
        let state = ground.path("cofferdam");
        std::fs::create_dir_all(&state).with_context(|| format!("make {state}"))?;
        let setup = format!(
            "mount -t tmpfs tmpfs /var/lib && mkdir /var/lib/cofferdam && mount --bind {state} /var/lib/cofferdam"
        );
        let prefix = program.to_string();
        let commands = Commands {
            oci: words(&format!("{program} oci --root /run/cofferdam-oci")),
            run: words(&format!("{prefix} run --rm host -- true")),
            detach: words(&format!("{prefix} run -d --name {{name}} host -- sleep 100000")),
            exec: words(&format!("{prefix} exec")),
            remove: words(&format!("{prefix} rm -f")),
            prefix: words(&prefix),
            list: words(&format!("{prefix} ps -a -q")),
            helpers: words("cofferdam"),
        };
        Ok(Self { name: "cofferdam", world: World::open(&setup, &BTreeMap::new())?, commands })
    }

    /// A build of a folder's Dockerfile, without a network.
    pub(super) fn build(&self, more: &[&str], folder: &str) -> Vec<String> {
        let mut argv = self.commands.prefix.clone();
        argv.extend(words("build -q --network none -t built"));
        argv.extend(more.iter().map(|word| (*word).to_owned()));
        argv.push(folder.to_owned());
        argv
    }

    /// `run` of a bundle through the OCI runtime's command line.
    pub(super) fn oci_run(&self, ground: &Ground, bundle: &str) -> Option<Vec<String>> {
        let tail = words(&format!("run --bundle {} bench-{{n}}", ground.path(bundle)));
        match self.name {
            "floor" => Some(self.commands.oci.clone()),
            _ => follow(&self.commands.oci, tail),
        }
    }

    /// Starts an idle container through the OCI runtime's command line, for `exec`.
    pub(super) fn oci_start_idle(&mut self, ground: &Ground) -> Result<()> {
        let line = format!("run --detach --bundle {} idle", ground.path("idle"));
        if let Some(argv) = follow(&self.commands.oci, words(&line)) {
            self.world.time(&argv, 1, 0)?;
        }
        Ok(())
    }

    /// `exec` in the container `idle` through the OCI runtime's command line.
    pub(super) fn oci_exec(&self) -> Option<Vec<String>> {
        match self.name {
            "floor" => Some(self.commands.exec.clone()),
            _ => follow(&self.commands.oci, words("exec idle true")),
        }
    }

    /// Removes the container `idle`, made through the OCI runtime's command line.
    pub(super) fn oci_remove_idle(&mut self) -> Result<()> {
        if let Some(argv) = follow(&self.commands.oci, words("delete --force idle")) {
            self.world.time(&argv, 1, 0)?;
        }
        Ok(())
    }

    /// `run --rm ... true`.
    pub(super) fn run(&self) -> Option<Vec<String>> {
        follow(&self.commands.run, Vec::new())
    }

    /// A detached container of this name; `{n}` in it counts.
    pub(super) fn detach(&self, name: &str) -> Option<Vec<String>> {
        let argv: Vec<String> =
            self.commands.detach.iter().map(|word| word.replace("{name}", name)).collect();
        follow(&argv, Vec::new())
    }

    /// `exec` of `true` in a container of the engine's own.
    pub(super) fn exec(&self, name: &str) -> Option<Vec<String>> {
        match self.name {
            "floor" | "crun" | "runc" => None,
            _ => follow(&self.commands.exec, words(&format!("{name} true"))),
        }
    }

    /// Removes these containers by force.
    pub(super) fn remove(&self, names: &[String]) -> Option<Vec<String>> {
        follow(&self.commands.remove, names.to_vec())
    }

    /// The ids of all its containers.
    pub(super) fn names(&mut self) -> Result<Vec<String>> {
        Ok(words(&self.world.script(&self.commands.list.join(" "))?))
    }

    /// The memory of what stays beside the containers.
    pub(super) fn helpers(&self) -> Request {
        Request::Memory { programs: self.commands.helpers.clone() }
    }
}

/// A prefix with its tail, where the engine has the command at all.
fn follow(prefix: &[String], tail: Vec<String>) -> Option<Vec<String>> {
    if prefix.is_empty() { None } else { Some(prefix.iter().cloned().chain(tail).collect()) }
}

/// The commands of docker and of what looks like it.
fn like_docker(prefix: &str, remove: &str, helper: &str) -> Commands {
    Commands {
        oci: Vec::new(),
        run: words(&format!("{prefix} run --rm --network none busybox true")),
        detach: words(&format!("{prefix} run -d --network none --name {{name}} busybox sleep 100000")),
        exec: words(&format!("{prefix} exec")),
        // Without "-t 0" podman gives each container ten seconds to handle a signal that docker does not send.
        remove: words(&format!("{prefix} {remove}")),
        prefix: words(prefix),
        list: words(&format!("{prefix} ps -a -q")),
        helpers: words(helper),
    }
}
