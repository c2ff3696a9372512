//! Sizes in words of commands.

use crate::text::Text;

/// A number of bytes: decimal or `0x…`, with `K`, `M`, `G` behind it for powers of 1024; `max` is the largest.
///
/// # Errors
/// What is wrong with it, and what would be right.
pub fn size(word: &str) -> Result<usize, Text> {
    let bad = |what| {
        Text::new(format_args!("'{word}' is {what}: give bytes such as 4096, 0x1000, 64K, 2M, 1G or max"))
    };
    if word == "max" {
        return Ok(usize::MAX);
    }
    let (digits, shift) = match word.char_indices().next_back() {
        Some((at, 'k' | 'K')) => (word.get(..at), 10),
        Some((at, 'm' | 'M')) => (word.get(..at), 20),
        Some((at, 'g' | 'G')) => (word.get(..at), 30),
        _ => (Some(word), 0),
    };
    let digits = digits.unwrap_or("");
    let number = match digits.strip_prefix("0x") {
        Some(hex) => u128::from_str_radix(hex, 16),
        None => digits.parse::<u128>(),
    };
    // A sign is no digit, though `parse` takes one.
    let number = number.ok().filter(|_| !digits.contains('+')).ok_or_else(|| bad("not a size"))?;
    number
        .checked_mul(1 << shift)
        .and_then(|bytes| usize::try_from(bytes).ok())
        .ok_or_else(|| bad("more than this machine can count"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(size("0"), Ok(0));
        assert_eq!(size("0x1f"), Ok(31));
        assert_eq!(size("64k"), Ok(65536));
        assert_eq!(size("2M"), Ok(2 << 20));
        assert_eq!(size("max"), Ok(usize::MAX));
        assert_eq!(size("18446744073709551615"), Ok(usize::MAX));
    }

    #[test]
    fn wrong_sizes_say_what_is_right() {
        for word in
            ["", "K", "-1", "+1", "12q", "0x", "1.5M", "ä", "1ä", "18446744073709551616", "99999999999G"]
        {
            assert!(size(word).unwrap_err().as_str().contains("give bytes"), "{word}");
        }
        assert!(size("340282366920938463463374607431768211456K").is_err());
    }
}
