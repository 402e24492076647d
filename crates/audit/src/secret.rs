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

#[cfg(test)]
mod tests {
    use super::*;

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
