//! What repeated measurements come to. Machines are noisy: a middle and a spread are said, never a single figure, and
//! ratios are made of middles of the same run.

use serde::Serialize;

/// Repeated measurements of one thing.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Series(Vec<f64>);

impl Series {
    /// Adds a measurement.
    pub fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// The one in the middle; the mean of the two in the middle of an even number; not a number if there are none.
    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// The middle half: a quarter of the measurements lies below it, a quarter above.
    pub fn spread(&self) -> (f64, f64) {
        (self.quantile(0.25), self.quantile(0.75))
    }

    /// Each measurement, times a factor.
    pub fn scaled(&self, factor: f64) -> Self {
        self.0.iter().map(|value| value * factor).collect()
    }

    /// By linear interpolation between the two nearest measurements.
    fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
        let at = share * last as f64;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between nothing and `last`")]
        let below = at.floor() as usize;
        let above = (below + 1).min(last);
        sorted[below] + (sorted[above] - sorted[below]) * (at - below as f64)
    }
}

impl FromIterator<f64> for Series {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

/// A figure with three digits that count.
pub fn digits(value: f64) -> String {
    let decimals = match value.abs() {
        value if value >= 100.0 => 0,
        value if value >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.decimals$}")
}

/// How many times `base` a value is.
pub fn times(value: f64, base: f64) -> String {
    format!("{}x", digits(value / base))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(values: &[f64]) -> Series {
        values.iter().copied().collect()
    }

    #[test]
    fn the_middle_is_not_moved_by_one_measurement_that_went_wrong() {
        assert_eq!(series(&[3.0, 1.0, 2.0]).median(), 2.0);
        assert_eq!(series(&[3.0, 1.0, 2000.0]).median(), 3.0);
        assert_eq!(series(&[1.0, 2.0, 3.0, 4.0]).median(), 2.5);
        assert_eq!(series(&[7.0]).median(), 7.0);
    }

    #[test]
    fn half_of_the_measurements_lie_within_the_spread() {
        assert_eq!(series(&[5.0, 1.0, 2.0, 3.0, 4.0]).spread(), (2.0, 4.0));
        assert_eq!(series(&[1.0, 2.0]).spread(), (1.25, 1.75));
    }

    #[test]
    fn nothing_measured_is_no_figure() {
        assert!(series(&[]).median().is_nan());
    }

    #[test]
    fn figures_have_the_digits_that_count() {
        assert_eq!([1234.5, 123.4, 12.34, 1.234, 0.1234].map(digits), ["1234", "123", "12.3", "1.23", "0.12"]);
        assert_eq!(times(3.0, 2.0), "1.50x");
    }
}
