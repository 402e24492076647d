//! Medians and quantiles.

use serde::Serialize;

/// The spread of one set of runs, in milliseconds.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Spread {
    /// Half of the runs took less.
    pub(super) median: f64,
    /// A tenth took less.
    pub(super) p10: f64,
    /// A tenth took more.
    pub(super) p90: f64,
    /// How many runs.
    pub(super) runs: usize,
}

impl Spread {
    /// Of a set of runs; `None` when there was none.
    pub(super) fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        Some(Self {
            median: quantile(&sorted, 50)?,
            p10: quantile(&sorted, 10)?,
            p90: quantile(&sorted, 90)?,
            runs: sorted.len(),
        })
    }
}

/// The value below which `percent` of a sorted set lie (nearest rank, rounded to the middle).
fn quantile(sorted: &[f64], percent: usize) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get((last * percent + 50) / 100).copied()
}

#[cfg(test)]
mod tests {
    use super::Spread;

    #[test]
    fn the_median_is_the_middle_and_nothing_has_none() {
        let spread = Spread::of(&[3.0, 1.0, 2.0, 10.0, 2.5]).expect("five values");
        assert!((spread.median - 2.5).abs() < f64::EPSILON);
        assert!((spread.p10 - 1.0).abs() < f64::EPSILON);
        assert!((spread.p90 - 10.0).abs() < f64::EPSILON);
        assert!(Spread::of(&[]).is_none());
    }
}
