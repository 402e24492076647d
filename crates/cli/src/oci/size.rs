//! Sizes in bytes as `update` takes them: `512m`, `1G`, `-1`.

/// Bytes of a text such as `10M`, `1.5GiB` or `-1`; none if it is no size.
pub(super) fn bytes(text: &str) -> Option<i64> {
    let text = text.trim();
    if text == "-1" {
        return Some(-1);
    }
    let split = text.find(|letter: char| !(letter.is_ascii_digit() || letter == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let unit = unit.trim().to_ascii_lowercase();
    let unit = unit.strip_suffix("ib").or_else(|| unit.strip_suffix('b')).unwrap_or(&unit);
    let shift = match unit {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        "p" => 50,
        _ => return None,
    };
    if let Ok(whole) = number.parse::<i64>() {
        return whole.checked_mul(1 << shift);
    }
    let fraction: f64 = number.parse().ok()?;
    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "checked to fit before")]
    let bytes = (fraction >= 0.0 && fraction * ((1_i64 << shift) as f64) < 9.2e18)
        .then(|| (fraction * ((1_i64 << shift) as f64)) as i64);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_binary_units() {
        for (text, wanted) in [
            ("0", 0),
            ("512", 512),
            ("1k", 1024),
            ("10M", 10 << 20),
            ("1.5g", 3 << 29),
            ("2GiB", 2 << 30),
            ("-1", -1),
        ] {
            assert_eq!(bytes(text), Some(wanted), "{text}");
        }
        for bad in ["", "m", "-2", "1x", "1..5g", "99999999999999t"] {
            assert_eq!(bytes(bad), None, "{bad}");
        }
    }
}
