//! The word by which somebody may change something over HTTP: [`Token`].

use core::fmt;
use core::hint::black_box;

use kos_net::{Entropy, EntropyError};

/// Bytes of a token that is made, as hexadecimal digits: 128 bits that nobody guesses.
const DIGITS: usize = 32;
/// Bytes of one that is given, at least.
const LEAST: usize = 16;
/// And at most.
const MOST: usize = Token::MOST;

/// A secret of visible ASCII. It has no `Debug`: it does not get into logs by chance.
#[derive(Clone)]
pub(crate) struct Token(heapless::String<MOST>);

impl Token {
    /// Bytes of the longest.
    pub(crate) const MOST: usize = 64;

    /// A new one.
    ///
    /// # Errors
    /// There is no randomness.
    pub(crate) fn make(entropy: &mut dyn Entropy) -> Result<Self, EntropyError> {
        let mut bytes = [0_u8; DIGITS / 2];
        entropy.fill(&mut bytes)?;
        let mut token = heapless::String::new();
        for half in bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]) {
            // There is room for all, and each is a digit.
            let _ = token.push(char::from_digit(half.into(), 16).unwrap_or('0'));
        }
        Ok(Self(token))
    }

    /// One that somebody chose; [`None`] if it is too short, too long, or not visible ASCII.
    pub(crate) fn given(word: &str) -> Option<Self> {
        let good = word.len() >= LEAST && word.bytes().all(|byte| byte.is_ascii_graphic());
        heapless::String::try_from(word).ok().filter(|_| good).map(Self)
    }

    /// Whether the value of an `Authorization` header is this token's: RFC 6750, section 2.1.
    pub(crate) fn admits(&self, header: Option<&[u8]>) -> bool {
        let Some((scheme, word)) = header.and_then(|header| header.split_at_checked(7)) else { return false };
        scheme.eq_ignore_ascii_case(b"bearer ") && self.is(word.trim_ascii())
    }

    /// Compares in a time that says nothing of where a difference is.
    fn is(&self, word: &[u8]) -> bool {
        let own = self.0.as_bytes();
        let mut difference = own.len() ^ word.len();
        for place in 0..MOST {
            let [own, other] = [own, word].map(|bytes| bytes.get(place).copied().unwrap_or(0));
            difference |= usize::from(black_box(own ^ other));
        }
        black_box(difference) == 0
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    struct Counting(u8);

    impl Entropy for Counting {
        fn fill(&mut self, out: &mut [u8]) -> Result<(), EntropyError> {
            for byte in out {
                self.0 = self.0.wrapping_add(0x1f);
                *byte = self.0;
            }
            Ok(())
        }
    }

    #[test]
    fn a_token_is_128_bits_in_digits() {
        let text = Token::make(&mut Counting(0)).unwrap().to_string();
        assert_eq!(text.len(), 32);
        assert!(text.starts_with("1f3e5d") && text.bytes().all(|byte| byte.is_ascii_hexdigit()), "{text}");
    }

    #[test]
    fn only_the_whole_token_is_admitted() {
        let token = Token::given("0123456789abcdef").unwrap();
        let admits = |text: &str| token.admits(Some(text.as_bytes()));
        assert!(admits("Bearer 0123456789abcdef") && admits("bearer  0123456789abcdef "));
        for wrong in [
            "",
            "Bearer",
            "Bearer ",
            "Basic 0123456789abcdef",
            "0123456789abcdef",
            "Bearer 0123456789abcde",
            "Bearer 0123456789abcdef0",
            "Bearer 1123456789abcdef",
            "Bearer 0123456789abcdeF",
            "Bearer 0123456789abcdef\0",
        ] {
            assert!(!admits(wrong), "{wrong}");
        }
        assert!(!token.admits(None));
    }

    #[test]
    fn a_chosen_token_is_long_and_visible() {
        let long = "x".repeat(65);
        for word in ["short", "0123456789abcde", "0123456789abcde ", "0123456789abcdeé", &long] {
            assert!(Token::given(word).is_none(), "{word}");
        }
    }
}
