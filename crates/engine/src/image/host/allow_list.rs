//! What of the host's `/etc` belongs to image `host`: a positive list, so that a secret which nobody thought of is out.

/// Entries of `/etc`: files as they are, folders with what is in them.
pub(super) const ENTRIES: &[&str] = &[
    // The dynamic linker, and which of several programs a name means.
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "alternatives",
    // Certificates of authorities; never ssl/private.
    "ssl/certs",
    "ssl/openssl.cnf",
    "ssl/cert.pem",
    "ca-certificates",
    "ca-certificates.conf",
    "pki/tls/certs",
    "pki/tls/cert.pem",
    "pki/ca-trust/extracted",
    "crypto-policies",
    // Names, protocols, types.
    "nsswitch.conf",
    "host.conf",
    "gai.conf",
    "networks",
    "protocols",
    "services",
    "rpc",
    "ethertypes",
    "mime.types",
    "mailcap",
    "magic",
    "magic.mime",
    "bindresvport.blacklist",
    // Time and language.
    "localtime",
    "timezone",
    "locale.alias",
    "locale.conf",
    "locale.gen",
    "default/locale",
    // Shells and terminals.
    "profile",
    "bash.bashrc",
    "bashrc",
    "inputrc",
    "shells",
    "terminfo",
    "login.defs",
    "DIR_COLORS",
    // Languages and libraries that keep their defaults here.
    "perl",
    "fonts",
    "groff",
    "sgml",
    "xml",
    "emacs",
    "vim",
    "gdb",
    "maven",
    "texmf",
    "R",
    "php",
    "glvnd",
    "ImageMagick-6",
    "ImageMagick-7",
    "OpenCL",
    "vulkan",
    "xattr.conf",
    "mke2fs.conf",
    "manpath.config",
    "nanorc",
    // What system it is.
    "os-release",
    "lsb-release",
    "debian_version",
    "redhat-release",
    "fedora-release",
    "system-release",
    "alpine-release",
    "arch-release",
    "SuSE-release",
    "issue",
    // Package managers: sources and keys of archives; never auth.conf.
    "apt/sources.list",
    "apt/sources.list.d",
    "apt/trusted.gpg.d",
    "apt/keyrings",
    "apt/preferences.d",
    "dpkg",
    "debconf.conf",
    "adduser.conf",
    "deluser.conf",
];

/// Beginnings of names of `/etc` that carry a version (`python3.11`, `java-17-openjdk`).
pub(super) const VERSIONED: &[&str] = &["python3", "java", "ruby", "lua"];

/// Names that never belong, wherever they are.
const NEVER: &[&str] =
    &["private", "auth.conf", "auth.conf.d", "shadow", "gshadow", "machine-id", "krb5.keytab"];

/// Whether a name is kept out even below a listed folder.
pub(super) fn is_never(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let key = [".key", ".keytab", ".p12", ".pfx", "~"].iter().any(|end| lower.ends_with(end));
    NEVER.contains(&name) || key || lower.starts_with("id_rsa") || lower.starts_with(".netrc")
}

/// Whether a text names a user's password in an address (`https://user:password@host/`).
pub(super) fn holds_credentials(text: &[u8]) -> bool {
    let mut rest = text;
    while let Some(at) = rest.windows(3).position(|three| three == b"://") {
        rest = &rest[at + 3..];
        let end = rest.iter().position(|b| b"/ \t\n\"'".contains(b)).unwrap_or(rest.len());
        if rest[..end].contains(&b'@') {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_with_passwords_are_seen() {
        assert!(holds_credentials(b"deb https://me:pw@host/debian x"));
        assert!(holds_credentials(b"http://a/ http://token@b"));
        assert!(!holds_credentials(b"deb http://host/a@b x"));
        assert!(!holds_credentials(b"mail me@host"));
    }

    #[test]
    fn keys_are_kept_out() {
        for name in ["server.key", "private", "id_rsa_x", "a.P12", "auth.conf"] {
            assert!(is_never(name), "{name}");
        }
        assert!(!is_never("debian-archive-keyring.gpg"));
    }
}
