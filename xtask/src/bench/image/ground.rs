//! The disk, the registry and the images that all engines are measured with.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::{background, content};
use crate::bench::worker::World;
use crate::command::{command, quietly};

/// The image: three layers.
pub(super) const FIRST: &str = "first";
/// The same three layers, and a small one.
pub(super) const SECOND: &str = "second";
/// A hundred small layers.
pub(super) const MANY: &str = "many";

const LAYERS: usize = 3;

const PORT: u16 = 5000;

/// A folder with a disk in a file, which is mounted in a world of its own.
pub(super) struct Ground {
    pub(super) world: World,
    disk: PathBuf,
    blobs: Vec<String>,
    files: usize,
}

impl Ground {
    pub(super) fn lay(folder: &Path) -> Result<Self> {
        if folder.exists() {
            fs::remove_dir_all(folder).with_context(|| format!("remove {}", folder.display()))?;
        }
        let disk = folder.join("disk");
        fs::create_dir_all(&disk).with_context(|| format!("make {}", disk.display()))?;
        let file = folder.join("disk.ext4");
        quietly(command("truncate", ["-s", "16G"]).arg(&file))?;
        quietly(command("mkfs.ext4", ["-q", "-F"]).arg(&file))?;
        let settings = folder.join("containers.conf");
        let text = "[containers]\ndefault_ulimits = [\"nofile=20000:20000\", \"nproc=32768:32768\"]\n";
        fs::write(&settings, text).context("write containers.conf")?;
        let environment = BTreeMap::from([("CONTAINERS_CONF".to_owned(), settings.display().to_string())]);
        let setup = format!("mount -o loop {} {}", file.display(), disk.display());
        let world = World::open(&setup, &environment)?;
        let mut ground = Self { world, disk, blobs: Vec::new(), files: 0 };
        ground.make_images(folder)?;
        ground.start_registry()?;
        for image in [FIRST, SECOND, MANY] {
            let layout = ground.path("layout");
            let to = ground.image(image);
            ground.world.script(&format!(
                "skopeo copy -q --dest-tls-verify=false oci:{layout}:{image} docker://{to}"
            ))?;
        }
        Ok(ground)
    }

    /// A path on the disk, as text for a command line.
    pub(super) fn path(&self, name: &str) -> String {
        self.disk.join(name).display().to_string()
    }

    pub(super) fn registry(&self) -> String {
        format!("127.0.0.1:{PORT}")
    }

    pub(super) fn image(&self, name: &str) -> String {
        format!("{}/{name}:1", self.registry())
    }

    pub(super) fn docker(&self) -> String {
        "docker --host unix:///run/bench-docker.sock".to_owned()
    }

    pub(super) fn podman(&self) -> String {
        format!(
            "podman --root {} --runroot /run/bench-podman --storage-driver overlay --events-backend file",
            self.path("podman")
        )
    }

    /// The layers of the first image.
    pub(super) fn blobs(&self) -> &[String] {
        &self.blobs
    }

    /// How many files the first image has.
    pub(super) fn files(&self) -> usize {
        self.files
    }

    pub(super) fn blob_path(&self, hex: &str) -> String {
        self.path(&format!("layout/blobs/sha256/{hex}"))
    }

    pub(super) fn blob_bytes(&mut self) -> Result<u64> {
        let paths: Vec<String> = self.blobs.iter().map(|hex| self.blob_path(hex)).collect();
        let printed = self.world.script(&format!("stat -c %s {}", paths.join(" ")))?;
        Ok(printed.lines().filter_map(|line| line.parse::<u64>().ok()).sum())
    }

    /// Bytes of the same, uncompressed.
    pub(super) fn tar_bytes(&mut self) -> Result<u64> {
        let paths: Vec<String> = self.blobs.iter().map(|hex| self.blob_path(hex)).collect();
        let printed = self.world.script(&format!("cat {} | gzip -dc | wc -c", paths.join(" ")))?;
        printed.trim().parse().context("count the bytes of the tars")
    }

    /// Two images in one layout, by umoci: the files of each layer are inserted at once.
    fn make_images(&mut self, folder: &Path) -> Result<()> {
        let layout = self.path("layout");
        self.world.script(&format!("umoci init --layout {layout} && umoci new --image {layout}:{FIRST}"))?;
        for (layer, chosen) in content::choose(LAYERS)?.iter().enumerate() {
            let files = folder.join(format!("layer-{layer}"));
            content::copy(chosen, &files)?;
            self.files += chosen.len();
            let at = files.display();
            self.world.script(&format!("umoci insert --image {layout}:{FIRST} {at} /part-{layer}"))?;
            fs::remove_dir_all(&files).with_context(|| format!("remove {at}"))?;
        }
        let programs = folder.join("bin");
        fs::create_dir_all(&programs).context("make bin")?;
        fs::copy("/bin/busybox", programs.join("true")).context("copy /bin/busybox")?;
        let at = programs.display();
        // The first layer that makes it runnable belongs to both.
        self.world.script(&format!(
            "umoci insert --image {layout}:{FIRST} {at} /bin && \
             echo more > {at}/../more && umoci tag --image {layout}:{FIRST} {SECOND} && \
             umoci insert --image {layout}:{SECOND} {at}/../more /more && \
             umoci gc --layout {layout} >/dev/null 2>&1"
        ))?;
        self.world.script(&format!(
            "umoci new --image {layout}:{MANY} && umoci insert --image {layout}:{MANY} {at} /bin && \
             for n in $(seq 99); do umoci insert --image {layout}:{MANY} {at}/../more /layer-$n || exit 1; done"
        ))?;
        let listed = self.world.script(&format!(
            "skopeo inspect oci:{layout}:{FIRST} --format '{{{{range .Layers}}}}{{{{println .}}}}{{{{end}}}}'"
        ))?;
        self.blobs = listed
            .lines()
            .filter_map(|line| line.trim().strip_prefix("sha256:"))
            .map(str::to_owned)
            .collect();
        ensure!(self.blobs.len() == LAYERS + 1, "the image has {} layers", self.blobs.len());
        Ok(())
    }

    fn start_registry(&mut self) -> Result<()> {
        let config = self.path("registry.yml");
        let text = format!(
            "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: {}\n",
            self.path("registry"),
            self.registry()
        );
        self.world.script(&format!("cat > {config} <<'END'\n{text}END"))?;
        let log = "/run/registry.log".to_owned();
        background(&mut self.world, &format!("docker-registry serve {config}"), log)?;
        let wait = format!(
            "for i in $(seq 100); do curl -s -o /dev/null http://{}/v2/ && exit 0; sleep 0.1; done; exit 1",
            self.registry()
        );
        self.world.script(&wait).context("start docker-registry").map(drop)
    }

    pub(super) fn start_docker(&mut self) -> Result<()> {
        let daemon = format!(
            "dockerd --host unix:///run/bench-docker.sock --data-root {} --exec-root /run/bench-docker \
             --pidfile /run/bench-docker.pid --bridge none --iptables=false --ip-forward=false --ip-masq=false \
             --storage-driver overlay2",
            self.path("docker")
        );
        background(&mut self.world, &daemon, "/run/dockerd.log".to_owned())?;
        let docker = self.docker();
        let wait = format!(
            "for i in $(seq 100); do {docker} version >/dev/null 2>&1 && exit 0; sleep 0.2; done; exit 1"
        );
        self.world.script(&wait).context("start dockerd").map(drop)
    }
}
