//! Text for each format: escapes, times with units, colours.

use alloc::format;
use alloc::string::String;
use core::fmt::Write;

/// A field of a comma-separated list (RFC 4180).
pub(super) fn csv_field(text: &str) -> String {
    if text.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.into()
    }
}

/// The inside of a JSON string (RFC 8259).
pub(super) fn json(text: &str) -> String {
    let mut out = String::new();
    for char in text.chars() {
        match char {
            '"' | '\\' => out.extend(['\\', char]),
            '\n' => out.push_str("\\n"),
            char if char < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(char));
            }
            char => out.push(char),
        }
    }
    out
}

/// Text or an attribute's value in XML; what XML cannot say at all becomes U+FFFD.
pub(super) fn xml(text: &str) -> String {
    let mut out = String::new();
    for char in text.chars() {
        match char {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push_str("&#9;"),
            '\r' => out.push_str("&#13;"),
            char if char < ' ' => out.push('\u{fffd}'),
            char => out.push(char),
        }
    }
    out
}

/// Nanoseconds as microseconds with three digits after the point.
pub(super) fn micros(ns: u64) -> String {
    format!("{}.{:03}", ns / 1000, ns % 1000)
}

/// Nanoseconds in the largest unit that leaves at least 1, without trailing zeros: `1.5 ms`.
pub(super) fn time(ns: u64) -> String {
    let units = [(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "\u{b5}s")];
    let Some((size, unit)) = units.into_iter().find(|(size, _)| ns >= *size) else {
        return if ns == 0 { "0".into() } else { format!("{ns} ns") };
    };
    let digits = size.ilog10() as usize;
    let part = format!("{:0digits$}", ns % size);
    let part = part.trim_end_matches('0');
    let point = if part.is_empty() { "" } else { "." };
    format!("{}{point}{part} {unit}", ns / size)
}

/// The step between marks of an axis of `length`: 1, 2 or 5 times a power of ten, for 5 to 12 marks.
pub(super) fn step(length: u64) -> u64 {
    let mut power = 1u64;
    loop {
        for factor in [1, 2, 5] {
            let step = power.saturating_mul(factor);
            if length / step <= 12 {
                return step;
            }
        }
        power = power.saturating_mul(10);
    }
}

/// A colour for thing number `number`: neighbours differ (steps of the golden angle), none is dark or pale.
pub(super) fn colour(number: u32) -> String {
    let hue = u64::from(number) * 137_508 % 360_000 / 1000;
    let (saturation, lightness) = match number / 12 % 3 {
        0 => (62, 60),
        1 => (45, 48),
        _ => (75, 72),
    };
    format!("hsl({hue},{saturation}%,{lightness}%)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_their_unit() {
        let times = [
            (0, "0"),
            (17, "17 ns"),
            (1_500, "1.5 µs"),
            (20_000_000, "20 ms"),
            (1_000_000_007, "1.000000007 s"),
        ];
        for (ns, text) in times {
            assert_eq!(time(ns), text);
        }
    }

    #[test]
    fn axes_have_a_readable_number_of_marks() {
        for length in [1, 7, 12, 13, 99, 1_000_000, 777_777_777, u64::MAX] {
            let marks = length / step(length);
            assert!(marks <= 12 && (marks >= 4 || length < 5), "{length}: {marks}");
        }
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(json("a\u{1}\"\\"), "a\\u0001\\\"\\\\");
        assert_eq!(xml("\u{1}<\t"), "\u{fffd}&lt;&#9;");
        assert_eq!((csv_field("a,b"), csv_field("ab")), ("\"a,b\"".into(), "ab".into()));
    }
}
