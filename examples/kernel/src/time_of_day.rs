//! Days and hours of a time of day, UTC.
//!
//! Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", 2013: the year begins in March, so that its odd day is
//! its last.

use core::fmt;

const DAY: i64 = 24 * 60 * 60;
/// Days of 400 years.
const ERA: i64 = 146_097;
/// From 0000-03-01 to 1970-01-01.
const TO_EPOCH: i64 = 719_468;

/// A time of day, by its seconds since 1970; shows as `2026-11-21 14:05:06`, and without seconds in the alternate form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date(pub i64);

impl Date {
    /// Year, month and day.
    #[must_use]
    pub const fn day(self) -> (i64, u8, u8) {
        let days = self.0.div_euclid(DAY) + TO_EPOCH;
        let (era, of_era) = (days.div_euclid(ERA), days.rem_euclid(ERA));
        let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month + 2) / 5 + 1;
        let (month, later) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to 12, and 1 to 31")]
        let (month, day) = (month as u8, day as u8);
        (era * 400 + year + later, month, day)
    }

    /// The seconds since 1970 of a day and a time, if they are any.
    #[must_use]
    pub fn of(year: u16, month: u8, day: u8, hour: u8, minute: u8, second: u8) -> Option<Self> {
        let shifted = i64::from(month) + if month > 2 { -3 } else { 9 };
        let year_of_march = i64::from(year) - i64::from(month <= 2);
        let of_year = (153 * shifted + 2) / 5 + i64::from(day) - 1;
        let (era, of_era) = (year_of_march.div_euclid(400), year_of_march.rem_euclid(400));
        let days = era * ERA + of_era * 365 + of_era / 4 - of_era / 100 + of_year - TO_EPOCH;
        let seconds = (i64::from(hour) * 60 + i64::from(minute)) * 60 + i64::from(second);
        let date = Self(days * DAY + seconds);
        let real = hour < 24 && minute < 60 && second < 60;
        Some(date).filter(|date| real && date.day() == (i64::from(year), month, day))
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ((year, month, day), seconds) = (self.day(), self.0.rem_euclid(DAY));
        write!(f, "{year:04}-{month:02}-{day:02} {:02}:{:02}", seconds / 3600, seconds / 60 % 60)?;
        if f.alternate() { Ok(()) } else { write!(f, ":{:02}", seconds % 60) }
    }
}

#[cfg(test)]
mod tests {
    use super::Date;
    use alloc::format;

    #[test]
    fn days_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00"),
            (-1, "1969-12-31 23:59:59"),
            (951_782_400, "2000-02-29 00:00:00"),
            (4_107_542_399, "2100-02-28 23:59:59"),
            (1_795_269_906, "2026-11-21 14:05:06"),
        ] {
            assert_eq!(format!("{}", Date(seconds)), text);
        }
        assert_eq!(format!("{:#}", Date(59)), "1970-01-01 00:00");
    }

    #[test]
    fn both_ways_agree_on_every_day() {
        for day in 0..60_000 {
            let date = Date(day * 86_400 + 3_723);
            let (year, month, of_month) = date.day();
            let year = u16::try_from(year).unwrap();
            assert_eq!(Date::of(year, month, of_month, 1, 2, 3), Some(date));
        }
        for (year, month, day) in [(2025, 2, 29), (2026, 13, 1), (2026, 0, 1), (2026, 4, 31), (2026, 1, 0)] {
            assert_eq!(Date::of(year, month, day, 0, 0, 0), None);
        }
        assert_eq!(Date::of(2026, 1, 1, 24, 0, 0), None);
    }
}
