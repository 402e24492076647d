//! Groups that a test makes and removes, and processes in them.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use cofferdam_confinement::CgroupPath;
use cofferdam_confinement::resources::Resources;
use cofferdam_runtime::cgroup::error::CreateError;
use cofferdam_runtime::cgroup::{Controller, Group, Layout};

/// A group with a parent of its own; both are gone when it is dropped.
pub struct TestGroup {
    pub layout: Layout,
    pub path: CgroupPath,
    group: Option<Group>,
}

impl TestGroup {
    /// A path that nothing else uses.
    pub fn new(layout: Layout) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = format!("cofferdam-test-{}-{number}/group", std::process::id());
        Self { layout, path: CgroupPath::try_from(path).unwrap(), group: None }
    }

    pub fn create(&mut self, resources: &Resources) -> Result<&Group, CreateError> {
        Ok(self.group.insert(Group::create(&self.layout, &self.path, resources)?))
    }

    pub fn group(&self) -> &Group {
        self.group.as_ref().unwrap()
    }

    /// The group's folders, whether they exist or not.
    pub fn folders(&self) -> Vec<PathBuf> {
        self.layout.hierarchies().iter().map(|one| one.root().join(self.path.as_str())).collect()
    }

    pub fn folder_of(&self, controller: Controller) -> PathBuf {
        let hierarchy = self.layout.hierarchies().iter().find(|one| one.controllers().contains(&controller));
        hierarchy.unwrap().root().join(self.path.as_str())
    }

    /// Starts a shell command inside the group, as a container's first process gets there: by joining before it executes
    /// anything. The joining is done by a thread of its own, whose child inherits its v1 groups.
    pub fn start(&self, script: &str) -> Child {
        let joiner = self.group().joiner().unwrap();
        let unified = self.layout.hierarchies().iter().find(|one| one.version() == "v2");
        let enter = unified.map_or_else(String::new, |one| {
            format!("echo $$ > {}/cgroup.procs; ", one.root().join(self.path.as_str()).display())
        });
        let script = format!("{enter}{script}");
        std::thread::spawn(move || {
            joiner.join().unwrap();
            Command::new("sh")
                .args(["-c", &script])
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .join()
        .unwrap()
    }

    pub fn run(&self, script: &str) -> Output {
        self.start(script).wait_with_output().unwrap()
    }

    pub fn succeeds(&self, script: &str) -> bool {
        self.run(script).status.success()
    }
}

impl Drop for TestGroup {
    fn drop(&mut self) {
        if let Some(group) = &self.group {
            let _ = group.kill_all();
            let _ = group.destroy();
        }
        let (parent, _) = self.path.as_str().split_once('/').unwrap();
        for hierarchy in self.layout.hierarchies() {
            let _ = std::fs::remove_dir(hierarchy.root().join(parent));
        }
    }
}

/// Says that a test does not run here. Straight to stderr: what a passing test prints is not shown.
pub fn skip(test: &str, reason: &dyn std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "SKIP {test}: {reason}");
}

/// What this machine has mounted, or none where a test cannot run: then it has said so.
pub fn host(test: &str) -> Option<Layout> {
    if !rustix::process::geteuid().is_root() {
        skip(test, &"it needs root");
        return None;
    }
    match Layout::detect() {
        Ok(layout) => Some(layout),
        Err(error) => {
            skip(test, &error);
            None
        }
    }
}

/// As [`host`], where these controllers are there as well.
pub fn host_with(test: &str, controllers: &[Controller]) -> Option<Layout> {
    let layout = host(test)?;
    for controller in controllers {
        if !layout.hierarchies().iter().any(|one| one.controllers().contains(controller)) {
            skip(test, &format_args!("this host has no controller {controller}"));
            return None;
        }
    }
    Some(layout)
}

/// Waits until something is so, at most five seconds.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..500 {
        if holds() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("not within five seconds: {what}");
}
