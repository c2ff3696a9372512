//! How long what routers advertise counts.

use crate::time::{Duration, Instant, after};

/// What a single advertisement cannot shorten (RFC 4862, section 5.5.3 e).
const TWO_HOURS: Duration = Duration::from_secs(7200);
/// All ones mean for ever.
const FOR_EVER: u32 = u32::MAX;

/// The point `seconds` from `now`.
pub(super) fn until(now: Instant, seconds: u32) -> Instant {
    match seconds {
        FOR_EVER => Instant::from_ticks(u64::MAX),
        seconds => after(now, Duration::from_secs(seconds.into())),
    }
}

/// Until when an address is there that was so until `known`, and for which `seconds` were advertised.
pub(super) fn valid_until(now: Instant, known: Instant, seconds: u32) -> Instant {
    let (told, least) = (until(now, seconds), after(now, TWO_HOURS));
    if told > known || told > least { told } else { known.min(least) }
}

#[cfg(test)]
mod tests {
    use super::{FOR_EVER, until, valid_until};
    use crate::time::{Duration, Instant, after};

    #[test]
    fn two_hours_are_safe_from_a_single_advertisement() {
        let now = Instant::from_ticks(77);
        let hours = |hours: u64| after(now, Duration::from_secs(hours * 3600));
        for (known, told, wanted) in
            [(10, 24, 24), (10, 5, 5), (10, 1, 2), (10, 0, 2), (1, 0, 1), (1, 24, 24)]
        {
            let seconds = u32::try_from(told * 3600_u64).unwrap();
            assert_eq!(valid_until(now, hours(known), seconds), hours(wanted), "{known} h, told {told} h");
        }
        assert_eq!(until(now, FOR_EVER), Instant::from_ticks(u64::MAX));
        assert_eq!(valid_until(now, hours(1), FOR_EVER), Instant::from_ticks(u64::MAX));
    }
}
