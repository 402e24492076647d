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
    marks: &'static [&'static str],
}

impl SecretFile {
    /// Whether a file of this kind with this text holds a secret.
    pub(crate) fn is_in(&self, text: &str) -> bool {
        self.marks.is_empty() || self.marks.iter().any(|mark| text.contains(mark))
    }
}

/// How a path says what it is.
enum Named {
    /// The whole end of the path, from a slash on.
    End(&'static str),
    /// The last letters.
    Letters(&'static str),
}

const KEY: &[&str] = &["PRIVATE KEY"];

#[rustfmt::skip]
const FILES: &[(Named, SecretFile)] = &[
    (Named::End("/id_rsa"), SecretFile { name: "a private SSH key", marks: KEY }),
    (Named::End("/id_dsa"), SecretFile { name: "a private SSH key", marks: KEY }),
    (Named::End("/id_ecdsa"), SecretFile { name: "a private SSH key", marks: KEY }),
    (Named::End("/id_ed25519"), SecretFile { name: "a private SSH key", marks: KEY }),
    (Named::End("/ssh_host_rsa_key"), SecretFile { name: "an SSH server's key", marks: KEY }),
    (Named::End("/ssh_host_ecdsa_key"), SecretFile { name: "an SSH server's key", marks: KEY }),
    (Named::End("/ssh_host_ed25519_key"), SecretFile { name: "an SSH server's key", marks: KEY }),
    (Named::Letters(".pem"), SecretFile { name: "a private key", marks: KEY }),
    (Named::Letters(".key"), SecretFile { name: "a private key", marks: KEY }),
    (Named::Letters(".p12"), SecretFile { name: "a store of private keys", marks: &[] }),
    (Named::Letters(".pfx"), SecretFile { name: "a store of private keys", marks: &[] }),
    (Named::Letters(".kdbx"), SecretFile { name: "a store of passwords", marks: &[] }),
    (Named::End("/.aws/credentials"), SecretFile { name: "credentials of AWS", marks: &["aws_secret_access_key"] }),
    (Named::End("/.docker/config.json"), SecretFile { name: "a registry's password", marks: &["\"auth\"", "identitytoken"] }),
    (Named::End("/.dockercfg"), SecretFile { name: "a registry's password", marks: &["\"auth\""] }),
    (Named::End("/.config/containers/auth.json"), SecretFile { name: "a registry's password", marks: &["\"auth\""] }),
    (Named::End("/.netrc"), SecretFile { name: "passwords of servers", marks: &["password"] }),
    (Named::End("/.npmrc"), SecretFile { name: "a token of a package registry", marks: &["_authToken", "_password"] }),
    (Named::End("/.pypirc"), SecretFile { name: "a password of a package registry", marks: &["password"] }),
    (Named::End("/.cargo/credentials.toml"), SecretFile { name: "a token of a package registry", marks: &["token"] }),
    (Named::End("/.git-credentials"), SecretFile { name: "passwords of git servers", marks: &["://"] }),
    (Named::End("/.kube/config"), SecretFile { name: "access to a cluster", marks: &["token:", "client-key-data:", "password:"] }),
    (Named::End("/.pgpass"), SecretFile { name: "passwords of databases", marks: &[":"] }),
    (Named::End("/.my.cnf"), SecretFile { name: "passwords of databases", marks: &["password"] }),
    (Named::End("/.vault-token"), SecretFile { name: "a token of a vault", marks: &[] }),
    (Named::End("/application_default_credentials.json"), SecretFile { name: "credentials of a cloud", marks: &["private_key", "refresh_token"] }),
    (Named::End("/terraform.tfstate"), SecretFile { name: "the state of an infrastructure, with its secrets", marks: &[] }),
    (Named::End("/.htpasswd"), SecretFile { name: "passwords of a web server", marks: &[":"] }),
    (Named::End("/.env"), SecretFile { name: "an environment with secrets", marks: &["PASSWORD=", "SECRET=", "TOKEN=", "_KEY="] }),
    (Named::End("/.bash_history"), SecretFile { name: "a history of commands with secrets", marks: &["password", "PASSWORD", "TOKEN=", "SECRET="] }),
];

/// The kind of secret that a file of this name usually holds. Keys among tests and examples of software are not secret.
pub(crate) fn secret_by_path(path: &str) -> Option<&'static SecretFile> {
    const EXAMPLES: [&str; 6] = ["/test/", "/tests/", "/testdata/", "/examples/", "/usr/share/", "/doc/"];
    if EXAMPLES.iter().any(|part| path.contains(part)) {
        return None;
    }
    let kind = FILES.iter().find(|(named, _)| match named {
        Named::End(end) => path.ends_with(end),
        Named::Letters(letters) => path.ends_with(letters) && path.len() > letters.len(),
    });
    kind.map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_file_is_told_by_its_name_and_text() {
        for (named, kind) in FILES {
            let path = match named {
                Named::End(end) => format!("/root{end}"),
                Named::Letters(letters) => format!("/srv/a{letters}"),
            };
            assert!(secret_by_path(&path).is_some(), "{path}");
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
