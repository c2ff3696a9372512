//! `cargo demo crash`: the power goes while the kernel makes files durable; then its disk must hold them.
//!
//! [`kill`] takes QEMU away at random moments. [`points`] writes each request of the disk down and cuts between any two of them.
//! [`errors`] lets the power on and the disk fail.

pub(super) mod errors;
pub(super) mod kill;
pub(super) mod points;

/// What the kernel says of each file.
const WORD: &str = "durable ";

/// The numbers of whole lines: a cut one may lack digits.
fn numbers(said: &[u8]) -> Vec<u64> {
    let said = String::from_utf8_lossy(said);
    let whole = said.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().filter_map(|line| line.trim_end().strip_prefix(WORD)?.parse().ok()).collect()
}

/// The next of a row of random numbers. Source: Marsaglia, "Xorshift RNGs", 2003.
const fn step(mut random: u64) -> u64 {
    random ^= random << 13;
    random ^= random >> 7;
    random ^ (random << 17)
}

#[cfg(test)]
mod tests {
    use super::numbers;

    #[test]
    fn numbers_are_those_of_whole_lines() {
        assert_eq!(numbers(b"kos\r\ndurable 7\r\ndurable 8\r\ndurable 9"), [7, 8]);
        assert_eq!(numbers(b"durable x\nundurable 3\n"), [] as [u64; 0]);
    }
}
