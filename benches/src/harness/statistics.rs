//! Order statistics: on a shared machine a mean says how busy the neighbours were.

/// The value below which `share` (0 to 1) of `values` lies, by linear interpolation; `None` without values.
pub(crate) fn percentile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    #[expect(clippy::cast_precision_loss, reason = "a few dozen rounds")]
    let position = share.clamp(0.0, 1.0) * last as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and `last`")]
    let below = position as usize;
    let low = *sorted.get(below)?;
    let high = *sorted.get(below + 1).unwrap_or(&low);
    Some(low + (high - low) * position.fract())
}

/// The middle and the range in which four fifths of the values lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    /// 10 % of the values are below.
    pub(crate) p10: f64,
    /// Half of the values are below.
    pub(crate) median: f64,
    /// 90 % of the values are below.
    pub(crate) p90: f64,
}

impl Spread {
    /// Of `values`; `None` without values.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        Some(Self {
            p10: percentile(values, 0.1)?,
            median: percentile(values, 0.5)?,
            p90: percentile(values, 0.9)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Spread, percentile};

    #[test]
    fn percentiles_interpolate_and_ignore_order() {
        let values = [5.0, 1.0, 3.0, 2.0, 4.0];
        assert_eq!(percentile(&values, 0.0), Some(1.0));
        assert_eq!(percentile(&values, 0.5), Some(3.0));
        assert_eq!(percentile(&values, 1.0), Some(5.0));
        assert_eq!(percentile(&values, 0.125), Some(1.5));
        assert_eq!(percentile(&[], 0.5), None);
    }

    #[test]
    fn one_outlier_does_not_move_the_spread() {
        let mut values = vec![2.0; 20];
        values.push(1e9);
        assert_eq!(Spread::of(&values), Some(Spread { p10: 2.0, median: 2.0, p90: 2.0 }));
    }
}
