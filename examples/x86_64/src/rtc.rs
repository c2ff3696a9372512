//! The registers of the clock that runs on a battery, as the numbers of a date.
//!
//! Source: Motorola MC146818A data sheet. It counts two digits of the year; a PC's firmware keeps the century elsewhere and not
//! always, so the years are taken as 2000 to 2099.

/// The registers of one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registers {
    /// 0 to 59.
    pub second: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 23, or 1 to 12 with the top bit for the afternoon.
    pub hour: u8,
    /// 1 to 31.
    pub day: u8,
    /// 1 to 12.
    pub month: u8,
    /// 0 to 99.
    pub year: u8,
    /// Register B: how the others are to be read.
    pub format: u8,
}

/// A date and a time; any numbers that the digits can make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// From 2000 to 2099.
    pub year: u16,
    /// Month, from 1.
    pub month: u8,
    /// Day, from 1.
    pub day: u8,
    /// Hour, from 0.
    pub hour: u8,
    /// Minute.
    pub minute: u8,
    /// Second.
    pub second: u8,
}

const BINARY: u8 = 1 << 2;
const HOURS_24: u8 = 1 << 1;
const AFTERNOON: u8 = 1 << 7;

impl Registers {
    /// What they say; `None` if a register holds no number.
    #[must_use]
    pub fn read(self) -> Option<Reading> {
        let [second, minute, day, month, year] =
            [self.second, self.minute, self.day, self.month, self.year].map(|register| self.number(register));
        let half = self.format & HOURS_24 == 0;
        let hour = self.number(if half { self.hour & !AFTERNOON } else { self.hour })?;
        let hour = match (half, self.hour & AFTERNOON != 0) {
            (true, afternoon) if (1..=12).contains(&hour) => hour % 12 + if afternoon { 12 } else { 0 },
            (true, _) => return None,
            (false, _) => hour,
        };
        let year = 2000 + u16::from(year?);
        Some(Reading { year, month: month?, day: day?, hour, minute: minute?, second: second? })
    }

    /// A register as a number of two digits.
    fn number(self, register: u8) -> Option<u8> {
        let number = if self.format & BINARY == 0 {
            let (tens, ones) = (register >> 4, register & 0xf);
            (tens < 10 && ones < 10).then(|| tens * 10 + ones)
        } else {
            Some(register)
        };
        number.filter(|&number| number < 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BCD: Registers = Registers {
        second: 0x59,
        minute: 0x30,
        hour: 0x23,
        day: 0x21,
        month: 0x11,
        year: 0x26,
        format: HOURS_24,
    };

    #[test]
    fn digits_and_numbers_say_the_same() {
        let reading = Reading { year: 2026, month: 11, day: 21, hour: 23, minute: 30, second: 59 };
        assert_eq!(BCD.read(), Some(reading));
        let binary = Registers {
            second: 59,
            minute: 30,
            hour: 23,
            day: 21,
            month: 11,
            year: 26,
            format: BINARY | HOURS_24,
        };
        assert_eq!(binary.read(), Some(reading));
        for (register, hour) in [(0x12, 0), (0x01, 1), (0x92, 12), (0x91, 23)] {
            let half = Registers { hour: register, format: 0, ..BCD };
            assert_eq!(half.read().map(|reading| reading.hour), Some(hour));
        }
    }

    #[test]
    fn an_absent_clock_says_nothing() {
        let absent = Registers {
            second: 0xff,
            minute: 0xff,
            hour: 0xff,
            day: 0xff,
            month: 0xff,
            year: 0xff,
            format: 0xff,
        };
        assert_eq!(absent.read(), None);
        assert_eq!(Registers { minute: 0x5a, ..BCD }.read(), None);
        assert_eq!(Registers { hour: 0x13, format: 0, ..BCD }.read(), None);
    }
}
