//! Percentiles of what was measured, each a value that occurred.

use serde_json::{Value, json};

/// Names and parts of the percentiles that are told.
pub const PARTS: [(&str, f64); 6] =
    [("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("p999", 0.999), ("max", 1.0)];

/// Measured values of one kind.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<f64>);

impl Samples {
    /// The value that `part` of all, 0..1, do not exceed; 0 of nothing.
    pub fn quantile(&self, part: f64) -> f64 {
        let rank = ((part * self.0.len() as f64).ceil() as usize).saturating_sub(1);
        self.0.get(rank).copied().unwrap_or(0.0)
    }

    /// All percentiles, rounded to the microsecond where the values are milliseconds.
    pub fn json(&self) -> Value {
        let parts =
            PARTS.map(|(name, part)| (name.to_owned(), json!((self.quantile(part) * 1e3).round() / 1e3)));
        Value::Object(parts.into_iter().collect())
    }
}

impl FromIterator<f64> for Samples {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        Self(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_value_that_was_measured() {
        let samples: Samples = (1..=1000).rev().map(f64::from).collect();
        assert_eq!(
            PARTS.map(|(_, part)| samples.quantile(part)),
            [500.0, 900.0, 950.0, 990.0, 999.0, 1000.0]
        );
        assert_eq!(Samples::from_iter([3.0]).quantile(0.5), 3.0);
        assert_eq!(Samples::default().quantile(0.5), 0.0);
    }
}
