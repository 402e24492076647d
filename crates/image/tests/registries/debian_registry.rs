//! Debian's `docker-registry` on loopback.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// "me" with "secret".
const PASSWORDS: &str = "me:$2b$04$E7oajUu80NUfGD11otOt6.2734AVJ7gqbQrqkLhIibqtEDBTGZNUu\n";

/// A registry that ends with this value.
pub(crate) struct DebianRegistry {
    child: Child,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) port: u16,
}

/// What is special about it.
#[derive(Default)]
pub(crate) struct Wishes<'a> {
    /// User and password are wanted.
    pub(crate) basic: bool,
    /// Certificate, key, and the authority of clients.
    pub(crate) tls: Option<(&'a Path, &'a Path, Option<&'a Path>)>,
    /// The address of a token server, and the certificate of its key.
    pub(crate) token: Option<(String, &'a Path)>,
}

impl DebianRegistry {
    /// Starts one; none, and says so, where the package is not installed.
    pub(crate) fn start(test: &str, wishes: &Wishes<'_>) -> Option<Self> {
        let program = ["/usr/bin/docker-registry", "/usr/bin/registry"]
            .into_iter()
            .find(|path| Path::new(path).exists());
        let Some(program) = program else {
            eprintln!("SKIP {test}: docker-registry is not installed");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let path = folder.path().display();
        let mut config = format!(
            "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {path}/data\n  delete:\n    enabled: true\n\
             http:\n  addr: 127.0.0.1:{port}\n  secret: x\n"
        );
        if let Some((certificate, key, clients)) = wishes.tls {
            config +=
                &format!("  tls:\n    certificate: {}\n    key: {}\n", certificate.display(), key.display());
            if let Some(clients) = clients {
                config += &format!("    clientcas:\n      - {}\n", clients.display());
            }
        }
        if wishes.basic {
            std::fs::write(folder.path().join("passwords"), PASSWORDS).unwrap();
            config += &format!("auth:\n  htpasswd:\n    realm: test\n    path: {path}/passwords\n");
        }
        if let Some((realm, certificate)) = &wishes.token {
            config += &format!(
                "auth:\n  token:\n    realm: {realm}\n    service: test-registry\n    issuer: test-issuer\n    rootcertbundle: {}\n",
                certificate.display()
            );
        }
        std::fs::write(folder.path().join("config.yml"), config).unwrap();
        let child = Command::new(program)
            .args(["serve", &format!("{path}/config.yml")])
            .env_clear()
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let mut registry = Self { child, folder, port };
        registry.wait();
        Some(registry)
    }

    fn wait(&mut self) {
        let end = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let log = || std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(self.child.try_wait().unwrap().is_none(), "docker-registry ended: {}", log());
            assert!(Instant::now() < end, "docker-registry does not listen: {}", log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The name of an image in it.
    pub(crate) fn name(&self, rest: &str) -> String {
        format!("{}/{rest}", self.host())
    }
}

impl Drop for DebianRegistry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port of loopback that nobody has right now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}
