//! [`Sum`]: a SHA-256, written with 64 digits.

use core::fmt;

use sha2::{Digest as _, Sha256};

/// A SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sum([u8; 32]);

impl Sum {
    /// How many digits it is written with.
    pub(crate) const DIGITS: usize = 64;

    /// That of `bytes`.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Reads 64 digits.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.len() != Self::DIGITS {
            return None;
        }
        let mut sum = [0; 32];
        for (byte, digits) in sum.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let mut digits = digits.iter().map(|digit| char::from(*digit).to_digit(16));
            let (high, low) = (digits.next()??, digits.next()??);
            *byte = u8::try_from(high << 4 | low).ok()?;
        }
        Some(Self(sum))
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::Sum;
    use alloc::borrow::ToOwned as _;
    use alloc::string::ToString as _;

    #[test]
    fn sums_are_read_as_they_are_written() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Sum::of(b"abc").to_string(), abc);
        assert_eq!(Sum::parse(abc), Some(Sum::of(b"abc")));
        assert_eq!(Sum::parse(&abc.to_uppercase()), Some(Sum::of(b"abc")));
        let (odd, sign) = (abc.replace('b', "g"), abc.replace('b', "+"));
        for wrong in ["", &abc[1..], &(abc.to_owned() + "0"), &odd, &sign, &("ä".repeat(32))] {
            assert_eq!(Sum::parse(wrong), None, "{wrong}");
        }
    }
}
