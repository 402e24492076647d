//! Names and values that look like secrets.

/// Whether a variable of this name usually holds a secret. One that names a file with it does not.
pub(crate) fn is_secret_name(name: &str) -> bool {
    const PARTS: [&str; 9] = [
        "PASSWORD",
        "PASSWD",
        "SECRET",
        "TOKEN",
        "APIKEY",
        "API_KEY",
        "PRIVATE_KEY",
        "ACCESS_KEY",
        "CREDENTIAL",
    ];
    let upper = name.to_ascii_uppercase();
    let names_a_place = ["_FILE", "_PATH", "_DIR", "_NAME", "_URL", "_HOST", "_TTL", "_LENGTH"];
    PARTS.iter().any(|part| upper.contains(part)) && !names_a_place.iter().any(|end| upper.ends_with(end))
}

/// Whether a text is, by its form, a key that opens something.
pub(crate) fn is_secret_value(text: &str) -> bool {
    const MARKS: [&str; 12] = [
        "-----BEGIN RSA PRIVATE KEY",
        "-----BEGIN PRIVATE KEY",
        "-----BEGIN OPENSSH PRIVATE KEY",
        "-----BEGIN EC PRIVATE KEY",
        "ghp_",
        "github_pat_",
        "glpat-",
        "xoxb-",
        "xoxp-",
        "sk_live_",
        "npm_",
        "AIza",
    ];
    let long = text.len() >= 16;
    let amazon = text.split(|letter: char| !letter.is_ascii_alphanumeric()).any(|word| {
        word.len() == 20
            && (word.starts_with("AKIA") || word.starts_with("ASIA"))
            && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    });
    long && (amazon || MARKS.iter().any(|mark| text.contains(mark)))
}

/// A kind of file that holds a secret.
pub(crate) struct SecretFile {
    /// What it is, in words.
    pub(crate) name: &'static str,
    /// What its text must have besides, so that an example or an empty form is not taken for one; any of these.
    marks: Vec<&'static str>,
}

impl SecretFile {
    /// Whether a file of this kind with this text holds a secret.
    pub(crate) fn is_in(&self, text: &str) -> bool {
        self.marks.is_empty() || self.marks.iter().any(|mark| text.contains(mark))
    }
}

/// How the path ends (from a slash on, or its last letters), what it is, and marks of its text.
const FILES: &str = r#"/id_rsa | a private SSH key | PRIVATE KEY
/id_dsa | a private SSH key | PRIVATE KEY
/id_ecdsa | a private SSH key | PRIVATE KEY
/id_ed25519 | a private SSH key | PRIVATE KEY
/ssh_host_rsa_key | an SSH server's key | PRIVATE KEY
/ssh_host_ecdsa_key | an SSH server's key | PRIVATE KEY
/ssh_host_ed25519_key | an SSH server's key | PRIVATE KEY
.pem | a private key | PRIVATE KEY
.key | a private key | PRIVATE KEY
.p12 | a store of private keys
.pfx | a store of private keys
.kdbx | a store of passwords
/.aws/credentials | credentials of AWS | aws_secret_access_key
/.docker/config.json | a registry's password | "auth" | identitytoken
/.dockercfg | a registry's password | "auth"
/.config/containers/auth.json | a registry's password | "auth"
/.netrc | passwords of servers | password
/.npmrc | a token of a package registry | _authToken | _password
/.pypirc | a password of a package registry | password
/.cargo/credentials.toml | a token of a package registry | token
/.git-credentials | passwords of git servers | ://
/.kube/config | access to a cluster | token: | client-key-data: | password:
/.pgpass | passwords of databases | :
/.my.cnf | passwords of databases | password
/.vault-token | a token of a vault
/application_default_credentials.json | credentials of a cloud | private_key | refresh_token
/terraform.tfstate | the state of an infrastructure, with its secrets
/.htpasswd | passwords of a web server | :
/.env | an environment with secrets | PASSWORD= | SECRET= | TOKEN= | _KEY=
/.bash_history | a history of commands with secrets | password | PASSWORD | TOKEN= | SECRET="#;

/// The kind of secret that a file of this name usually holds. Keys among tests and examples of software are not secret.
pub(crate) fn secret_by_path(path: &str) -> Option<SecretFile> {
    const EXAMPLES: [&str; 6] = ["/test/", "/tests/", "/testdata/", "/examples/", "/usr/share/", "/doc/"];
    if EXAMPLES.iter().any(|part| path.contains(part)) {
        return None;
    }
    FILES.lines().find_map(|line| {
        let mut parts = line.split(" | ");
        let (end, name) = (parts.next()?, parts.next()?);
        let is_it = path.ends_with(end) && (end.starts_with('/') || path.len() > end.len());
        is_it.then(|| SecretFile { name, marks: parts.collect() })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_file_is_told_by_its_name_and_text() {
        for line in FILES.lines() {
            let end = line.split(" | ").next().unwrap();
            let path = if end.starts_with('/') { format!("/root{end}") } else { format!("/srv/a{end}") };
            let kind = secret_by_path(&path).unwrap_or_else(|| panic!("{path}"));
            assert!(kind.marks.is_empty() || !kind.is_in(""), "{path}");
        }
        assert!(secret_by_path("/usr/lib/python3/test/keycert.pem").is_none());
        assert!(!secret_by_path("/etc/ssl/cert.pem").unwrap().is_in("-----BEGIN CERTIFICATE-----"));
    }

    #[test]
    fn what_looks_like_a_secret() {
        for name in ["DB_PASSWORD", "github_token", "AWS_SECRET_ACCESS_KEY", "API_KEY"] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in ["PATH", "DB_PASSWORD_FILE", "TOKEN_TTL", "USER"] {
            assert!(!is_secret_name(name), "{name}");
        }
        assert!(is_secret_value("AKIAIOSFODNN7EXAMPLE"));
        assert!(is_secret_value("-----BEGIN OPENSSH PRIVATE KEY-----"));
        assert!(!is_secret_value("npm_install") && !is_secret_value("hello, wonderful world"));
    }
}
