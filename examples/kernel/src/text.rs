//! Short texts without a heap, and numbers as people read them.

use core::fmt::{self, Write};

/// Longest [`Text`] in bytes.
pub const TEXT_MAX: usize = 160;

/// A message of at most [`TEXT_MAX`] bytes; what does not fit is cut at a character.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text(heapless::String<TEXT_MAX>);

impl Text {
    /// The formatted message.
    #[must_use]
    pub fn new(what: fmt::Arguments<'_>) -> Self {
        let mut text = Self::default();
        // Cutting is what this type is for.
        let _ = text.write_fmt(what);
        text
    }

    /// The message.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Write for Text {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let room = TEXT_MAX - self.0.len();
        let fits = (0..=room.min(part.len())).rev().find(|&end| part.is_char_boundary(end)).unwrap_or(0);
        let kept = part.get(..fits).unwrap_or("");
        if self.0.push_str(kept).is_err() || fits < part.len() {
            return Err(fmt::Error);
        }
        Ok(())
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A count with a comma at each thousand; pads.
#[derive(Clone, Copy, Debug)]
pub struct Grouped(pub u64);

impl fmt::Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut groups = heapless::Vec::<u64, 7>::new();
        let mut rest = self.0;
        while rest >= 1000 {
            // A u64 has seven groups at most.
            let _ = groups.push(rest % 1000);
            rest /= 1000;
        }
        let mut text = Text::default();
        write!(text, "{rest}")?;
        for group in groups.iter().rev() {
            write!(text, ",{group:03}")?;
        }
        f.pad(text.as_str())
    }
}

/// So many of something: `1 user`, `2 users`.
#[derive(Clone, Copy, Debug)]
pub struct Counted(pub usize, pub &'static str);

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(count, what) = self;
        write!(f, "{count} {what}{}", if *count == 1 { "" } else { "s" })
    }
}

/// Bytes in the largest unit that leaves at least 1, with one decimal: `127.5 MiB`; pads.
#[derive(Clone, Copy, Debug)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
        let unit = units.iter().find(|(shift, _)| self.0 >> shift > 0);
        f.pad(
            match unit {
                None => Text::new(format_args!("{} B", self.0)),
                Some((shift, name)) => {
                    let tenths = (u128::from(self.0) * 10) >> shift;
                    let (whole, tenth) = (tenths / 10, tenths % 10);
                    if tenth == 0 {
                        Text::new(format_args!("{whole} {name}"))
                    } else {
                        Text::new(format_args!("{whole}.{tenth} {name}"))
                    }
                }
            }
            .as_str(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn texts_are_cut_at_a_character() {
        let long = "ä".repeat(TEXT_MAX);
        assert_eq!(Text::new(format_args!("{long}")).as_str(), "ä".repeat(TEXT_MAX / 2));
        assert_eq!(Text::new(format_args!("x{long}")).as_str().len(), TEXT_MAX - 1);
    }

    #[test]
    fn thousands_are_grouped() {
        assert_eq!(Grouped(0).to_string(), "0");
        assert_eq!(Grouped(1_000).to_string(), "1,000");
        assert_eq!(alloc::format!("{:>10}", Grouped(12_345_006)), "12,345,006");
        assert_eq!(Grouped(u64::MAX).to_string(), "18,446,744,073,709,551,615");
    }

    #[test]
    fn one_is_not_many() {
        assert_eq!(
            [0, 1, 2].map(|count| Counted(count, "user").to_string()),
            ["0 users", "1 user", "2 users"]
        );
    }

    #[test]
    fn bytes_have_units() {
        assert_eq!(Bytes(0).to_string(), "0 B");
        assert_eq!(Bytes(1023).to_string(), "1023 B");
        assert_eq!(Bytes(1 << 20).to_string(), "1 MiB");
        assert_eq!(Bytes((1 << 30) * 3 / 2).to_string(), "1.5 GiB");
        assert_eq!(Bytes(u64::MAX).to_string(), "16777215.9 TiB");
    }
}
