//! `WWW-Authenticate`: how a registry wants to be asked (RFC 9110, 11.6.1; Docker's token authentication).

use std::collections::BTreeMap;

/// What a registry wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// User and password with each request.
    Basic,
    /// A token from this server.
    Bearer { realm: String, service: Option<String>, scope: Option<String> },
}

impl Challenge {
    /// The best of what one header offers: a token before a password.
    pub(crate) fn best<'a>(headers: impl Iterator<Item = &'a str>) -> Option<Self> {
        let mut offered: Vec<Self> = headers.flat_map(parse).collect();
        offered.sort_by_key(|challenge| matches!(challenge, Self::Basic));
        offered.into_iter().next()
    }
}

/// All challenges of one header that are understood.
fn parse(header: &str) -> Vec<Challenge> {
    let mut found = Vec::new();
    let mut rest = header.trim_start();
    while !rest.is_empty() {
        let end = rest.find([' ', ',']).unwrap_or(rest.len());
        let (scheme, tail) = rest.split_at(end);
        let (parameters, after) = parameters(tail);
        match scheme.to_ascii_lowercase().as_str() {
            "basic" => found.push(Challenge::Basic),
            "bearer" => {
                let value = |name: &str| parameters.get(name).filter(|value| !value.is_empty()).cloned();
                if let Some(realm) = value("realm") {
                    found.push(Challenge::Bearer { realm, service: value("service"), scope: value("scope") });
                }
            }
            _ => {}
        }
        if after.len() >= rest.len() {
            break;
        }
        rest = after.trim_start_matches([' ', ',']);
    }
    found
}

/// The `name=value` and `name="value"` pairs at the beginning, and what comes after them.
fn parameters(text: &str) -> (BTreeMap<String, String>, &str) {
    let mut pairs = BTreeMap::new();
    let mut rest = text;
    loop {
        let start = rest.trim_start_matches([' ', ',']);
        let end = start.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'));
        let Some((name, tail)) = end.and_then(|end| start.split_at_checked(end)) else { break };
        let Some(value) = tail.strip_prefix('=').filter(|_| !name.is_empty()) else { break };
        let (value, after) = match value.strip_prefix('"') {
            Some(quoted) => unquoted(quoted),
            None => {
                let end = value.find([',', ' ']).unwrap_or(value.len());
                let (value, after) = value.split_at(end);
                (value.to_owned(), after)
            }
        };
        pairs.insert(name.to_ascii_lowercase(), value);
        rest = after;
    }
    (pairs, rest)
}

/// A quoted text up to its end, and what comes after.
fn unquoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (value, text.get(at + 1..).unwrap_or_default()),
            '\\' => value.extend(letters.next().map(|(_, letter)| letter)),
            letter => value.push(letter),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn challenges_are_read() {
        let best = |headers: &[&str]| Challenge::best(headers.iter().copied());
        assert_eq!(
            best(&[r#"Bearer realm="https://a/t",service="r.example",scope="repository:a/b:pull,push""#]),
            Some(Challenge::Bearer {
                realm: "https://a/t".into(),
                service: Some("r.example".into()),
                scope: Some("repository:a/b:pull,push".into()),
            })
        );
        assert_eq!(best(&["Basic realm=\"x\""]), Some(Challenge::Basic));
        assert_eq!(best(&["basic"]), Some(Challenge::Basic));
        let both = best(&[r#"Basic realm="a, b", Bearer realm=https://t"#]);
        assert!(matches!(both, Some(Challenge::Bearer { realm, .. }) if realm == "https://t"));
        let both = best(&["Negotiate", r#"BEARER realm="a\"b""#]);
        assert!(matches!(both, Some(Challenge::Bearer { realm, .. }) if realm == "a\"b"));
        for none in ["", "Bearer", "Bearer service=\"x\"", "Digest realm=\"x\"", "===", "\"", "Bearer realm="]
        {
            assert_eq!(best(&[none]), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn any_header_is_read(text in "[A-Za-z =,\"\\\\:/é]{0,60}") {
            let _ = Challenge::best(std::iter::once(text.as_str()));
        }
    }
}
