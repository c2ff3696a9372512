//! Rates from a calibration, nanoseconds from cycles.
//!
//! Counters of unknown rate run beside one whose rate is known: the PIT, or the HPET. They are read together at both ends of a window; a
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
    /// The counter of known rate; it wraps around.
    pub known: u32,
    /// Ticks of the local APIC's timer since it was started.
    pub apic: u32,
}

impl Reading {
    /// The narrower of two.
    #[must_use]
    pub fn sharper(self, other: Self) -> Self {
        if other.width < self.width { other } else { self }
    }

    /// The rates in Hz of the time-stamp counter and of the local APIC's timer between `self` and the later `end`, if that of the
    /// known counter is `hz`; `None` if one of them went back, or the known one stood.
    #[must_use]
    pub fn rates(self, end: Self, hz: u64) -> Option<(u64, u64)> {
        let known = end.known.wrapping_sub(self.known);
        // Half the way around is back.
        let forward = i32::try_from(known).is_ok();
        let rate = |counted| rate(counted, known, hz).filter(|_| forward);
        let tsc = rate(end.middle().checked_sub(self.middle())?)?;
        let apic = rate(u64::from(end.apic.checked_sub(self.apic)?))?;
        Some((tsc, apic))
    }

    fn middle(self) -> u64 {
        self.tsc.saturating_add(self.width / 2)
    }
}

/// The rate in Hz of a counter that advanced by `counted` while one of `hz` counted `known`; `None` if that is 0 or too large.
fn rate(counted: u64, known: u32, hz: u64) -> Option<u64> {
    let per_second = u128::from(counted) * u128::from(hz);
    u64::try_from(per_second.checked_div(u128::from(known))?).ok()
}

/// The rate in Hz of a counter that takes `femtoseconds` for a tick; `None` for what no HPET may take: 0, or more than 100 ns.
/// Source: IA-PC HPET specification 1.0a, section 2.3.4.
#[must_use]
pub fn hpet_hz(femtoseconds: u32) -> Option<u64> {
    let possible = (1..=100_000_000).contains(&femtoseconds);
    possible.then(|| 1_000_000_000_000_000 / u64::from(femtoseconds))
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
        assert_eq!(rate(10_000_000, 11_932, PIT_HZ), Some(999_984_914));
        assert_eq!(rate(5, 0, PIT_HZ), None);
        assert_eq!(rate(u64::MAX, 1, PIT_HZ), None);
        assert_eq!(rate(0, 1, PIT_HZ), Some(0));
    }

    #[test]
    fn an_hpet_has_the_rate_that_it_says_or_none() {
        assert_eq!(hpet_hz(10_000_000), Some(100_000_000));
        assert_eq!(hpet_hz(69_841_279), Some(14_318_179));
        assert_eq!([0, 100_000_001, u32::MAX].map(hpet_hz), [None; 3]);
        assert_eq!(hpet_hz(100_000_000), Some(10_000_000));
    }

    #[test]
    fn a_counter_that_wraps_around_moves_on_and_one_that_goes_back_does_not() {
        let start = Reading { tsc: 0, width: 0, known: u32::MAX - 499_999, apic: 0 };
        let end = Reading { tsc: 20_000_000, width: 0, known: 500_000, apic: 625_000 };
        assert_eq!(start.rates(end, 100_000_000), Some((2_000_000_000, 62_500_000)));
        assert_eq!(start.rates(Reading { known: start.known - 1, ..end }, 100_000_000), None);
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
        let narrow = Reading { tsc: 100, width: 10, known: 1, apic: 3 };
        let wide = Reading { width: 5000, ..narrow };
        assert_eq!(wide.sharper(narrow), narrow);
        assert_eq!(narrow.sharper(wide), narrow);
    }

    #[test]
    fn rates_come_from_the_middles_of_the_readings() {
        let start = Reading { tsc: 1000, width: 20, known: 100, apic: 7 };
        let end = Reading { tsc: 3_001_010, width: 0, known: 100 + 1193, apic: 62_507 };
        assert_eq!(start.rates(end, PIT_HZ), Some((3_000_457_669, 62_509_534)));
        assert_eq!(start.rates(start, PIT_HZ), None);
        assert_eq!(end.rates(start, PIT_HZ), None);
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
