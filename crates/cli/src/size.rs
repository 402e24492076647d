//! Amounts of bytes as listings show them.

/// Powers of 1000 with three digits, as `ps -s` and `images` show a size: `1.23MB`.
pub(crate) fn decimal(bytes: u64) -> String {
    scaled(bytes, 1000, &["B", "kB", "MB", "GB", "TB", "PB", "EB"], 3)
}

/// Powers of 1024 with four digits, as `stats` shows memory: `1.953GiB`.
pub(crate) fn binary(bytes: u64) -> String {
    scaled(bytes, 1024, &["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"], 4)
}

fn scaled(bytes: u64, base: u64, units: &[&str], digits: usize) -> String {
    let mut scale = 1_u64;
    let mut unit = 0;
    while bytes / scale >= base && unit + 1 < units.len() {
        scale *= base;
        unit += 1;
    }
    // As many decimals as leave `digits` digits in all, and no zeroes at the end.
    let whole = bytes / scale;
    let decimals = digits.saturating_sub(whole.to_string().len());
    let power = 10_u128.pow(u32::try_from(decimals).unwrap_or(0));
    let rounded = (u128::from(bytes) * power + u128::from(scale) / 2) / u128::from(scale);
    let (whole, part) = (rounded / power, rounded % power);
    let unit = units.get(unit).copied().unwrap_or_default();
    let part = format!("{part:0decimals$}");
    match part.trim_end_matches('0') {
        "" => format!("{whole}{unit}"),
        part => format!("{whole}.{part}{unit}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_of_listings() {
        assert_eq!(decimal(0), "0B");
        assert_eq!(decimal(999), "999B");
        assert_eq!(decimal(1000), "1kB");
        assert_eq!(decimal(1_234_567), "1.23MB");
        assert_eq!(decimal(12_345_678), "12.3MB");
        assert_eq!(decimal(123_456_789_012), "123GB");
        assert_eq!(binary(1 << 30), "1GiB");
        assert_eq!(binary(2_097_152_000), "1.953GiB");
        assert_eq!(binary(532_676_608), "508MiB");
        assert_eq!(binary(u64::MAX), "16EiB");
    }

    proptest! {
        #[test]
        fn short_enough_for_a_column(bytes: u64) {
            prop_assert!(decimal(bytes).len() <= 7);
            prop_assert!(binary(bytes).len() <= 9);
        }
    }
}
