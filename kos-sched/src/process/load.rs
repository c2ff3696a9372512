//! Load averages over 1, 5 and 15 minutes, in fixed point: [`LoadAverage`].
//!
//! Every five seconds `load = load * e + active * (1 - e)`, where `e` is what is left of a load after five seconds: e^(-5/60),
//! e^(-5/300), e^(-5/900). Missed steps are made up for by one power of `e`.

use core::fmt;

use crate::time::Instant;

const STEP_NS: u64 = 5_000_000_000;

/// What is left after five seconds, in units of 2^-32.
const DECAYS: [u64; 3] = [3_951_560_672, 4_223_977_731, 4_271_172_524];

/// How many tasks ran or wanted to, on average. Prints as `0.42 0.30 0.11`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadAverage {
    /// In units of 2^-16 of a task.
    loads: [u64; 3],
    /// The step up to which they are made.
    step: u64,
}

const fn multiply(a: u64, b: u64) -> u64 {
    // Both are at most 2^32, so the product fits.
    a.wrapping_mul(b) >> 32
}

/// `decay` to the power of `steps`.
fn power(mut decay: u64, mut steps: u64) -> u64 {
    let mut result = 1 << 32;
    while steps != 0 && result != 0 {
        if steps & 1 != 0 {
            result = multiply(result, decay);
        }
        decay = multiply(decay, decay);
        steps >>= 1;
    }
    result
}

impl LoadAverage {
    /// No load at time 0.
    #[must_use]
    pub const fn new() -> Self {
        Self { loads: [0; 3], step: 0 }
    }

    /// Takes note that `active` tasks run or want to, now. To be called at least every five seconds; if it was not, the load is
    /// taken to have been the same all the time. Time that goes backwards is no time.
    pub fn update(&mut self, active: u32, now: Instant) {
        let step = now.as_ticks() / STEP_NS;
        let Some(steps) = step.checked_sub(self.step) else { return };
        self.step = step;
        for (load, decay) in self.loads.iter_mut().zip(DECAYS) {
            let left = power(decay, steps);
            let active = u64::from(active) << 16;
            // Loads are below 2^48 and the weights sum to 2^32: the sum of the products is below 2^80.
            let sum =
                u128::from(*load) * u128::from(left) + u128::from(active) * u128::from((1 << 32) - left);
            *load = u64::try_from((sum + (1 << 31)) >> 32).unwrap_or(u64::MAX);
        }
    }

    /// The averages over 1, 5 and 15 minutes, in units of 2^-16 of a task.
    #[must_use]
    pub const fn raw(&self) -> [u64; 3] {
        self.loads
    }
}

impl fmt::Display for LoadAverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [one, five, fifteen] = self.loads.map(|load| (load * 100 + (1 << 15)) >> 16);
        let part = |load: u64| (load / 100, load % 100);
        let ((a, b), (c, d), (e, g)) = (part(one), part(five), part(fifteen));
        write!(f, "{a}.{b:02} {c}.{d:02} {e}.{g:02}")
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::{LoadAverage, STEP_NS};
    use crate::time::Instant;

    fn after(load: &mut LoadAverage, active: u32, seconds: u64) {
        let start = load.step * STEP_NS;
        for second in (0..=seconds).step_by(5) {
            load.update(active, Instant::from_ticks(start + second * 1_000_000_000));
        }
    }

    #[test]
    fn a_load_grows_to_1_minus_1_over_e_in_its_time() {
        let mut load = LoadAverage::new();
        after(&mut load, 1, 60);
        assert_eq!(format!("{load}"), "0.63 0.18 0.06");
        after(&mut load, 1, 840);
        assert_eq!(format!("{load}"), "1.00 0.95 0.63");
    }

    #[test]
    fn missed_steps_count_as_made() {
        let (mut steps, mut jump) = (LoadAverage::new(), LoadAverage::new());
        after(&mut steps, 7, 600);
        jump.update(7, Instant::from_ticks(600_000_000_000));
        for (a, b) in steps.raw().into_iter().zip(jump.raw()) {
            assert!(a.abs_diff(b) <= 120, "{a} {b}");
        }
        jump.update(0, Instant::from_ticks(u64::MAX));
        assert_eq!(jump.raw(), [0; 3]);
        jump.update(9, Instant::from_ticks(0));
        assert_eq!(jump.raw(), [0; 3], "time went backwards");
    }
}
