//! `HEALTHCHECK`

use cofferdam_image::Healthcheck;

use super::error::Problem;
use super::flags::Flags;
use super::words;

const NAME: &str = "HEALTHCHECK";

/// The check, or `NONE`, as an image's configuration has it.
pub(super) fn parse(rest: &str, escape: char) -> Result<Healthcheck, Problem> {
    let known = ["interval", "timeout", "start-period", "start-interval", "retries"];
    let (flags, rest) = Flags::take(NAME, rest, escape, &known, &[])?;
    let (kind, command) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let mut check = Healthcheck::default();
    match kind.to_ascii_uppercase().as_str() {
        "NONE" if command.trim().is_empty() => check.test = vec!["NONE".to_owned()],
        "NONE" => return Err(Problem::arguments(NAME, "nothing follows NONE")),
        "CMD" if command.trim().is_empty() => {
            return Err(Problem::arguments(NAME, "a command follows CMD"));
        }
        "CMD" => {
            check.test = match words::json_list(command) {
                Some(list) => std::iter::once("CMD".to_owned()).chain(list).collect(),
                None => vec!["CMD-SHELL".to_owned(), command.trim().to_owned()],
            }
        }
        _ => return Err(Problem::arguments(NAME, "CMD and a command follow, or NONE")),
    }
    let time = |name: &'static str| match flags.one(name)? {
        Some(text) => {
            duration(&text).filter(|nanoseconds| *nanoseconds == 0 || *nanoseconds >= 1_000_000).ok_or_else(
                || Problem::flag(NAME, name, format!("{text:?} is no time of at least 1ms (30s, 1m30s)")),
            )
        }
        None => Ok(0),
    };
    check.interval = time("interval")?;
    check.timeout = time("timeout")?;
    check.start_period = time("start-period")?;
    check.start_interval = time("start-interval")?;
    if let Some(text) = flags.one("retries")? {
        check.retries = text
            .parse::<u32>()
            .map_err(|_| Problem::flag(NAME, "retries", format!("{text:?} is no number")))?
            .into();
    }
    Ok(check)
}

/// Go's way to write a time: `1h30m`, `1.5s`, `500ms`. In nanoseconds.
fn duration(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut sum: u64 = 0;
    if rest == "0" {
        return Some(0);
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
        let (number, after) = rest.split_at_checked(digits)?;
        let letters = after.chars().take_while(|letter| letter.is_alphabetic()).map(char::len_utf8).sum();
        let (unit, after) = after.split_at_checked(letters)?;
        let unit: u64 = match unit {
            "ns" => 1,
            "us" | "µs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let mut part = if whole.is_empty() { 0 } else { whole.parse::<u64>().ok()?.checked_mul(unit)? };
        let mut place = unit;
        for digit in fraction.chars().take(18) {
            place /= 10;
            part = part.checked_add(place.checked_mul(u64::from(digit.to_digit(10)?))?)?;
        }
        sum = sum.checked_add(part)?;
        rest = after;
    }
    (!text.is_empty()).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_commands() {
        assert_eq!(duration("1h1m1.5s2ms"), Some(3_661_502_000_000));
        for bad in ["", "x", "1", "1x", ".s.", "99999999999h"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
        let check = parse("--interval=5s --retries=3 CMD curl x", '\\').unwrap();
        assert_eq!((check.interval, check.retries), (5_000_000_000, 3));
        assert_eq!(check.test, ["CMD-SHELL", "curl x"]);
        assert_eq!(parse("CMD [\"a\",\"b\"]", '\\').unwrap().test, ["CMD", "a", "b"]);
        assert_eq!(parse("none", '\\').unwrap().test, ["NONE"]);
        for bad in ["", "CMD", "NONE x", "a", "--interval=1ns CMD x", "--retries=-1 CMD x"] {
            assert!(parse(bad, '\\').is_err(), "{bad}");
        }
    }
}
