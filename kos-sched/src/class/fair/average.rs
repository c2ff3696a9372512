//! [`Average`]: the virtual time of a queue, which is the mean of its tasks' virtual run times, weighted.
//!
//! It is kept as the sum of `weight * (vruntime - base)` and the sum of weights. A task that is not past the mean is *eligible*:
//! `sum >= (vruntime - base) * weight`, exactly, in 128 bits and without a division. Only to place a task is the mean divided out.
//! 2^32 tasks of the largest weight, half of virtual time apart, make a sum below 2^112: nothing wraps.

use super::virtual_time::VirtualTime;

/// When the base is moved, so that differences stay far from 2^63.
const FAR: u64 = 1 << 40;

/// The weighted mean of virtual run times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Average {
    base: VirtualTime,
    sum: i128,
    weight: u64,
}

impl Average {
    /// Of nobody, at `base`.
    pub(super) const fn new(base: VirtualTime) -> Self {
        Self { base, sum: 0, weight: 0 }
    }

    /// The sum of the weights.
    #[inline]
    pub(super) const fn weight(&self) -> u64 {
        self.weight
    }

    #[inline]
    pub(super) fn add(&mut self, time: VirtualTime, weight: u32) {
        if self.weight == 0 {
            self.base = time;
        }
        self.sum = self.sum.wrapping_add(i128::from(time.since(self.base)) * i128::from(weight));
        self.weight = self.weight.saturating_add(weight.into());
    }

    #[inline]
    pub(super) fn remove(&mut self, time: VirtualTime, weight: u32) {
        self.sum = self.sum.wrapping_sub(i128::from(time.since(self.base)) * i128::from(weight));
        self.weight = self.weight.saturating_sub(weight.into());
        if self.weight == 0 {
            // The mean of one is that one; it stays the time until somebody comes.
            *self = Self::new(time);
        }
    }

    /// One of weight `weight` moved on by `length`.
    #[inline]
    pub(super) fn advance(&mut self, length: i64, weight: u32) {
        self.sum = self.sum.wrapping_add(i128::from(length) * i128::from(weight));
    }

    /// Moves the base to `near`, the time of a task here, if it has fallen far behind.
    #[inline]
    pub(super) fn rebase(&mut self, near: VirtualTime) {
        let by = near.since(self.base);
        if by.unsigned_abs() > FAR {
            self.sum = self.sum.wrapping_sub(i128::from(by) * i128::from(self.weight));
            self.base = near;
        }
    }

    /// Whether both are the same mean, whatever their bases.
    pub(super) fn equals(mut self, other: &Self) -> bool {
        let by = other.base.since(self.base);
        self.sum -= i128::from(by) * i128::from(self.weight);
        self.base = other.base;
        self == *other
    }

    /// Whether `time` is not past the mean.
    #[inline]
    pub(super) fn reaches(&self, time: VirtualTime) -> bool {
        self.sum >= i128::from(time.since(self.base)) * i128::from(self.weight)
    }

    /// The mean, rounded down; without tasks, the time when the last one left.
    #[inline]
    pub(super) fn time(&self) -> VirtualTime {
        self.base.plus(divide(self.sum, self.weight))
    }
}

/// `value * by / of`, rounded down. What does not fit is cut off; nothing is divided by 0.
#[inline]
pub(super) fn scale(value: i64, by: u64, of: u64) -> i64 {
    if value == 0 || by == of { value } else { divide(i128::from(value) * i128::from(by), of) }
}

/// `sum / weight`, rounded down, and 0 for nobody.
#[inline]
fn divide(sum: i128, weight: u64) -> i64 {
    if let (Ok(sum), Ok(weight)) = (i64::try_from(sum), i64::try_from(weight)) {
        return sum.checked_div_euclid(weight).unwrap_or(0);
    }
    let quotient = sum.checked_div_euclid(weight.into()).unwrap_or(0);
    i64::try_from(quotient).unwrap_or(if quotient < 0 { i64::MIN } else { i64::MAX })
}
