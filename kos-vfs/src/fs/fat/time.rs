//! Times as FAT stores them: since 1980, in steps of two seconds, of ten ms (creation) or of a day (access). Taken as UTC.

use crate::attr::Timestamp;

/// Days from 1970-01-01 to 1980-01-01.
const DAYS_1980: i64 = 3652;
/// Seconds of a day.
const DAY: i64 = 86_400;

/// A date: year since 1980 << 9, month << 5, day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Date(pub(super) u16);

/// A time of day: hours << 11, minutes << 5, seconds / 2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Clock(pub(super) u16);

/// Days since 1970 of a date of the proleptic Gregorian calendar.
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let shifted = (month + 9) % 12;
    let days_of_year = (153 * shifted + 2) / 5 + day - 1;
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + days_of_year - 719_468
}

/// Year, month and day of a day since 1970.
const fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days - era * 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400;
    (if month <= 2 { year + 1 } else { year }, month, day)
}

/// Date, time and hundredths (0..200) of a time; the nearest that can be stored.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "each field is in range after the clamp"
)]
pub(super) fn encode(time: Timestamp) -> (Date, Clock, u8) {
    let first = DAYS_1980 * DAY;
    let end = days_from_civil(2108, 1, 1) * DAY;
    let clamped = time.seconds.clamp(first, end - 1);
    let nanos = if clamped == time.seconds { time.nanos() } else { 0 };
    let (year, month, day) = civil_from_days(clamped.div_euclid(DAY));
    let second = clamped.rem_euclid(DAY);
    let date = (year - 1980) << 9 | month << 5 | day;
    let clock = (second / 3600) << 11 | (second / 60 % 60) << 5 | (second % 60 / 2);
    let hundredths = second % 2 * 100 + i64::from(nanos / 10_000_000);
    (Date(date as u16), Clock(clock as u16), hundredths as u8)
}

/// The time of a date, a time of day and hundredths. A date that is none is the first of 1980; fields too large carry over.
pub(super) fn decode(date: Date, clock: Clock, hundredths: u8) -> Timestamp {
    let (date, clock) = (i64::from(date.0), i64::from(clock.0));
    let days = match (date >> 5 & 15, date & 31) {
        (month @ 1..=12, day @ 1..=31) => days_from_civil(1980 + (date >> 9), month, day),
        _ => DAYS_1980,
    };
    let second =
        (clock >> 11) * 3600 + (clock >> 5 & 63) * 60 + (clock & 31) * 2 + i64::from(hundredths / 100);
    let nanos = u32::from(hundredths % 100) * 10_000_000;
    Timestamp::new(days * DAY + second, nanos).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_from_1980_to_2107_comes_back() {
        let mut date = (0, 0, 0);
        for day in DAYS_1980..days_from_civil(2108, 1, 1) {
            let time = Timestamp::new(day * DAY + 86_399, 990_000_000).unwrap();
            let (d, c, h) = encode(time);
            assert_eq!(decode(d, c, h), time);
            let next = civil_from_days(day);
            assert!(next > date, "{next:?} after {date:?}");
            date = next;
        }
        assert_eq!(date, (2107, 12, 31));
    }

    #[test]
    fn times_that_cannot_be_stored_are_the_nearest() {
        let (date, clock, hundredths) = encode(Timestamp::EPOCH);
        assert_eq!((date.0, clock.0, hundredths), (1 << 5 | 1, 0, 0));
        let far = Timestamp::new(i64::MAX, 5).unwrap();
        let (date, clock, _) = encode(far);
        assert_eq!((date.0 >> 9, clock.0 >> 11), (127, 23));
        assert_eq!(decode(Date(0), Clock(0), 0).seconds, DAYS_1980 * DAY, "no date at all");
        assert_eq!(
            decode(Date(u16::MAX), Clock(u16::MAX), 255).seconds,
            DAYS_1980 * DAY + 31 * 3600 + 63 * 60 + 64
        );
    }
}
