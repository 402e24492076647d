//! Rules as they stand in zone files: `TARGET [PROTOCOL[/PORTS]]...`.

use std::fmt;
use std::str::FromStr;

use super::address::InvalidNetworkText;
use super::rule::{LabelSelector, Rule, Target};

const RULE: &str = "its form is TARGET [PROTOCOL[/PORTS]]..., where TARGET is any, internet, private, host, an address range, \
                    a DNS name, zone:NAME [label:KEY=VALUE] or label:KEY=VALUE";

impl FromStr for Rule {
    type Err = InvalidNetworkText;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = |_| InvalidNetworkText::new("rule", text, RULE);
        let mut words = text.split_ascii_whitespace().peekable();
        let first = words.next().ok_or_else(|| InvalidNetworkText::new("rule", text, RULE))?;
        let label = |word: &str| word.strip_prefix("label:").map(selector);
        let target = match first {
            "any" => Target::Any,
            "internet" => Target::Internet,
            "private" => Target::Private,
            "host" => Target::Host,
            word => match (word.strip_prefix("zone:"), label(word)) {
                (Some(zone), _) => {
                    let zone = zone.parse().map_err(|_| InvalidNetworkText::new("rule", text, RULE))?;
                    let selector = words.peek().and_then(|word| label(word)).transpose()?;
                    if selector.is_some() {
                        words.next();
                    }
                    Target::Zone(zone, selector)
                }
                (None, Some(selector)) => Target::Label(selector?),
                (None, None) => match word.parse() {
                    Ok(range) => Target::Range(range),
                    Err(_) => Target::Name(word.parse().map_err(invalid)?),
                },
            },
        };
        let services = words.map(str::parse).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { target, services })
    }
}

/// `KEY=VALUE`
fn selector(text: &str) -> Result<LabelSelector, InvalidNetworkText> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => {
            Ok(LabelSelector { key: key.to_owned(), value: value.to_owned() })
        }
        _ => Err(InvalidNetworkText::new("label", text, "its form is label:KEY=VALUE")),
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Internet => f.write_str("internet"),
            Self::Private => f.write_str("private"),
            Self::Host => f.write_str("host"),
            Self::Range(range) => range.fmt(f),
            Self::Name(name) => name.fmt(f),
            Self::Zone(zone, None) => write!(f, "zone:{zone}"),
            Self::Zone(zone, Some(label)) => write!(f, "zone:{zone} {label}"),
            Self::Label(label) => label.fmt(f),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.target.fmt(f)?;
        self.services.iter().try_for_each(|service| write!(f, " {service}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_read_as_they_are_shown() {
        for text in [
            "any",
            "internet tcp/80 tcp/443 udp",
            "private icmp",
            "host tcp/5432",
            "10.0.0.0/8",
            "fd00::/8 tcp/1-1024",
            "169.254.169.254 tcp/80",
            "*.example.org tcp/443",
            "zone:db",
            "zone:db label:role=primary tcp/5432",
            "label:app=web icmp",
        ] {
            assert_eq!(text.parse::<Rule>().unwrap().to_string(), text);
        }
        for text in
            ["", "internte", "zone:", "zone:Db", "label:x", "any tcp/0", "10.0.0.1/8", "any any", "tcp/80"]
        {
            assert!(text.parse::<Rule>().is_err(), "{text}");
        }
    }
}
