//! Folders with a Dockerfile that are built. Offline: everything begins with `scratch` and the host's static busybox.

use std::path::Path;

use super::{Home, Ran, is_root, skip};

const BUSYBOX: &str = "/bin/busybox";

/// A base with a shell, an `/etc/passwd` and a link in it.
pub const BASE: &str = r#"FROM scratch AS base
COPY busybox /bin/busybox
RUN ["/bin/busybox", "--install", "-s", "/bin"]
RUN mkdir -p /etc /tmp /usr/real && ln -s usr/real /link && echo 'root:x:0:0::/:/bin/sh' > /etc/passwd && \
    echo 'app:x:1000:1001::/:/bin/sh' >> /etc/passwd && echo 'web:x:2000:' > /etc/group
"#;

/// A folder to build in.
pub struct Project {
    pub home: Home,
    pub folder: tempfile::TempDir,
}

impl Project {
    /// With the base before the text, and these files.
    pub fn new(text: &str, files: &[(&str, &str)]) -> Self {
        let project = Self { home: Home::new(), folder: tempfile::tempdir().unwrap() };
        std::fs::copy(BUSYBOX, project.folder.path().join("busybox")).unwrap();
        project.write("Dockerfile", &format!("{BASE}{text}"));
        for (name, content) in files {
            project.write(name, content);
        }
        project
    }

    pub fn write(&self, name: &str, content: &str) {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    pub fn path(&self) -> &str {
        self.folder.path().to_str().unwrap()
    }

    pub fn build(&self, more: &[&str]) -> Ran {
        let mut args = vec!["build", "--compression", "none"];
        args.extend(more);
        args.push(self.path());
        self.home.run(&args)
    }

    /// Builds; the image's id.
    pub fn id(&self, more: &[&str]) -> String {
        let mut args = vec!["-q"];
        args.extend(more);
        let ran = self.build(&args);
        assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
        ran.out.trim().to_owned()
    }

    /// Builds into a folder, and reads a file of it.
    pub fn files(&self, more: &[&str]) -> tempfile::TempDir {
        let out = tempfile::tempdir().unwrap();
        let output = format!("type=local,dest={}", out.path().display());
        let mut args = vec!["-o", &output];
        args.extend(more);
        let ran = self.build(&args);
        assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
        out
    }

    pub fn refusal(&self, more: &[&str]) -> String {
        let ran = self.build(more);
        assert_ne!(ran.code, 0, "{}{}", ran.out, ran.err);
        ran.err
    }

    /// What is left beside images and the cache.
    pub fn left(&self) -> Vec<String> {
        let sessions = self.home.path().join("state/builder/sessions");
        let names = std::fs::read_dir(sessions).into_iter().flatten().flatten();
        let mut left: Vec<String> = names.map(|entry| format!("{:?}", entry.file_name())).collect();
        left.extend(self.home.remains());
        left
    }
}

pub fn ready(test: &str) -> bool {
    if !is_root(test) {
        return false;
    }
    if !Path::new(BUSYBOX).exists() {
        skip(test, "busybox-static is not installed");
        return false;
    }
    true
}

pub fn read(out: &tempfile::TempDir, name: &str) -> String {
    std::fs::read_to_string(out.path().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}
