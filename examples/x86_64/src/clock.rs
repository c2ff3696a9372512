//! Rates from a calibration, nanoseconds from cycles.
//!
//! Counters of unknown rate run beside the PIT, whose rate is known. They are read together at both ends of a window; a
//! reading during which the CPU was taken away is wide, so of several the narrowest counts ([`Reading::sharper`]). How long
//! the window really was does not matter: all counters say so themselves.

/// Input frequency of the PIT in Hz (105/88 MHz).
pub const PIT_HZ: u64 = 1_193_182;

const NS_PER_SECOND: u128 = 1_000_000_000;
const SHIFT: u32 = 32;

/// All counters at about one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The time-stamp counter, just before the others.
    pub tsc: u64,
    /// How far it went while the others were read.
    pub width: u64,
    /// Ticks of the PIT since it was started.
    pub pit: u16,
    /// Ticks of the local APIC's timer since it was started.
    pub apic: u32,
}

impl Reading {
    /// The narrower of two.
    #[must_use]
    pub fn sharper(self, other: Self) -> Self {
        if other.width < self.width { other } else { self }
    }

    /// The rates in Hz of the time-stamp counter and of the local APIC's timer between `self` and the later `end`; `None`
    /// if the PIT has not moved on.
    #[must_use]
    pub fn rates(self, end: Self) -> Option<(u64, u64)> {
        let pit = end.pit.checked_sub(self.pit)?;
        let tsc = rate(end.middle().checked_sub(self.middle())?, pit)?;
        let apic = rate(u64::from(end.apic.checked_sub(self.apic)?), pit)?;
        Some((tsc, apic))
    }

    fn middle(self) -> u64 {
        self.tsc.saturating_add(self.width / 2)
    }
}

/// The rate in Hz of a counter that advanced by `counted` while the PIT counted `pit_ticks`; `None` if that is 0 or too large.
fn rate(counted: u64, pit_ticks: u16) -> Option<u64> {
    let per_second = u128::from(counted) * u128::from(PIT_HZ);
    u64::try_from(per_second.checked_div(u128::from(pit_ticks))?).ok()
}

/// Converts cycles of a counter into nanoseconds with one multiplication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// Nanoseconds a cycle, times 2^32.
    factor: u64,
}

impl Scale {
    /// The scale of a counter of `hz`; `None` if it is 0.
    #[must_use]
    pub fn new(hz: u64) -> Option<Self> {
        let factor = (NS_PER_SECOND << SHIFT).checked_div(u128::from(hz))?;
        u64::try_from(factor).ok().map(|factor| Self { factor })
    }

    /// The factor, to be kept in an atomic word; [`from_factor`](Self::from_factor) takes it back.
    #[must_use]
    pub fn factor(self) -> u64 {
        self.factor
    }

    /// The scale with this factor.
    #[must_use]
    pub fn from_factor(factor: u64) -> Self {
        Self { factor }
    }

    /// `cycles` in nanoseconds, rounded down; saturates after 584 years.
    #[must_use]
    pub fn nanoseconds(self, cycles: u64) -> u64 {
        u64::try_from((u128::from(cycles) * u128::from(self.factor)) >> SHIFT).unwrap_or(u64::MAX)
    }
}

/// How far a counter of `hz` must count for `nanoseconds` to pass, rounded up; at least 1, at most all of its 32 bits.
#[must_use]
pub fn alarm_count(nanoseconds: u64, hz: u64) -> u32 {
    let count = (u128::from(nanoseconds) * u128::from(hz)).div_ceil(NS_PER_SECOND);
    u32::try_from(count).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rate_of_a_counter_beside_the_pit() {
        assert_eq!(rate(10_000_000, 11_932), Some(999_984_914));
        assert_eq!(rate(5, 0), None);
        assert_eq!(rate(u64::MAX, 1), None);
        assert_eq!(rate(0, 1), Some(0));
    }

    #[test]
    fn a_second_is_a_second_at_any_rate() {
        for hz in [1_000_000, 62_500_000, 1_000_000_000, 2_893_000_123, 6_000_000_000] {
            let second = Scale::new(hz).unwrap().nanoseconds(hz);
            assert!((999_999_990..=1_000_000_000).contains(&second), "{hz} Hz: {second} ns");
        }
    }

    #[test]
    fn an_alarm_is_never_early_and_always_comes() {
        assert_eq!(alarm_count(1_000_000, 62_500_000), 62_500);
        assert_eq!(alarm_count(17, 62_500_000), 2);
        assert_eq!(alarm_count(0, 62_500_000), 1);
        assert_eq!(alarm_count(u64::MAX, u64::MAX), u32::MAX);
    }

    #[test]
    fn extremes_do_not_wrap() {
        assert_eq!(Scale::new(0), None);
        assert_eq!(Scale::new(1).unwrap().nanoseconds(2), 2_000_000_000);
        assert_eq!(Scale::new(1_000_000).unwrap().nanoseconds(u64::MAX), u64::MAX);
    }

    #[test]
    fn the_narrowest_reading_counts() {
        let narrow = Reading { tsc: 100, width: 10, pit: 1, apic: 3 };
        let wide = Reading { width: 5000, ..narrow };
        assert_eq!(wide.sharper(narrow), narrow);
        assert_eq!(narrow.sharper(wide), narrow);
    }

    #[test]
    fn rates_come_from_the_middles_of_the_readings() {
        let start = Reading { tsc: 1000, width: 20, pit: 100, apic: 7 };
        let end = Reading { tsc: 3_001_010, width: 0, pit: 100 + 1193, apic: 62_507 };
        assert_eq!(start.rates(end), Some((3_000_457_669, 62_509_534)));
        assert_eq!(start.rates(start), None);
        assert_eq!(end.rates(start), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            rng_seed: proptest::test_runner::RngSeed::Fixed(1),
            ..ProptestConfig::with_cases(crate::testing::cases())
        })]

        #[test]
        fn time_never_runs_backward(hz in 1u64..20_000_000_000, cycles: u64, more in 0u64..1_000_000) {
            let scale = Scale::new(hz).unwrap();
            prop_assert!(scale.nanoseconds(cycles) <= scale.nanoseconds(cycles.saturating_add(more)));
            prop_assert_eq!(Scale::from_factor(scale.factor()), scale);
        }
    }
}
