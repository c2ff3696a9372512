//! [`Average`]: which share of the time something held, lately and in all.
//!
//! Three moving averages whose weights fall to 1/e in 10, 60 and 300 s, as PSI of Linux has them. Source: Weiner, "PSI - Pressure
//! Stall Information", Documentation/accounting/psi.rst, 2018. A machine without a clock: lengths are arguments.

use core::fmt;

/// Seconds of the windows.
pub const WINDOWS: [u64; 3] = [10, 60, 300];
/// The whole, as shares are kept: parts of 2^20, so that what falls slowly is not lost in rounding.
const WHOLE: u64 = 1_000_000 << 20;
const SECOND_NS: u64 = 1_000_000_000;

/// The share of time in which something held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Average {
    shares: [u64; WINDOWS.len()],
    /// Nanoseconds in which it held.
    total_ns: u64,
}

impl Average {
    /// It never held.
    pub const NEVER: Self = Self { shares: [0; WINDOWS.len()], total_ns: 0 };

    /// It held for `held_ns` of the last `passed_ns` nanoseconds.
    pub fn add(&mut self, held_ns: u64, passed_ns: u64) {
        let held_ns = held_ns.min(passed_ns);
        self.total_ns = self.total_ns.saturating_add(held_ns);
        let part = |part: u64, of: u64| {
            let share = u128::from(part) * u128::from(WHOLE) / u128::from(of.max(1));
            u64::try_from(share).unwrap_or(WHOLE).min(WHOLE)
        };
        let new = part(held_ns, passed_ns);
        for (share, window) in self.shares.iter_mut().zip(WINDOWS) {
            // The first term of 1 - exp(-passed / window): a step is short beside its window.
            let weight = part(passed_ns, window * SECOND_NS);
            let moved = u128::from(new.abs_diff(*share)) * u128::from(weight) / u128::from(WHOLE);
            let moved = u64::try_from(moved).unwrap_or(WHOLE);
            *share = if new > *share { *share + moved } else { *share - moved };
        }
    }

    /// The averages in parts per million, by window.
    #[must_use]
    pub fn ppm(&self) -> [u32; WINDOWS.len()] {
        self.shares.map(|share| u32::try_from(share >> 20).unwrap_or(1_000_000))
    }

    /// Nanoseconds in which it held.
    #[must_use]
    pub const fn total_ns(&self) -> u64 {
        self.total_ns
    }
}

/// Parts per million as percent: `3.14`.
#[derive(Clone, Copy, Debug)]
pub struct Percent(pub u32);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 10_000, self.0 / 100 % 100)
    }
}

/// As a line of `/proc/pressure` has them; the total is in microseconds.
impl fmt::Display for Average {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (window, ppm) in WINDOWS.into_iter().zip(self.ppm()) {
            write!(f, "avg{window}={} ", Percent(ppm))?;
        }
        write!(f, "total={}", self.total_ns / 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use proptest::prelude::*;

    const STEP: u64 = 100_000_000;

    #[test]
    fn a_share_that_lasts_is_the_average() {
        let mut average = Average::NEVER;
        (0..30_000).for_each(|_| average.add(STEP / 4, STEP));
        let near = |ppm: &u32| (249_900..=250_000).contains(ppm);
        assert!(average.ppm().iter().all(near), "{average}");
        assert_eq!(average.total_ns(), 30_000 * STEP / 4);
    }

    #[test]
    fn after_a_window_a_third_is_left() {
        let mut average = Average::NEVER;
        (0..100_000).for_each(|_| average.add(STEP, STEP));
        (0..100).for_each(|_| average.add(0, STEP));
        let [ten, sixty, _] = average.ppm();
        // 1/e, and exp(-1/6).
        assert!(ten.abs_diff(367_879) < 3_000 && sixty.abs_diff(846_482) < 3_000, "{average}");
    }

    #[test]
    fn a_line_is_as_linux_writes_it() {
        let mut average = Average::NEVER;
        average.add(STEP / 2, STEP);
        assert_eq!(average.to_string(), "avg10=0.50 avg60=0.08 avg300=0.01 total=50000");
    }

    proptest! {
        #[test]
        fn a_share_is_never_more_than_the_whole(
            steps in prop::collection::vec((any::<u64>(), any::<u64>()), 0..50),
        ) {
            let mut average = Average::NEVER;
            for (held, passed) in steps {
                average.add(held, passed);
                prop_assert!(average.ppm().iter().all(|&ppm| ppm <= 1_000_000));
            }
        }
    }
}
