//! What a PS/2 keyboard sends, as the bytes that a terminal would send.

use core::fmt;

use pc_keyboard::layouts::Us104Key;
use pc_keyboard::{DecodedKey, HandleControl, KeyCode, PS2Keyboard, ScancodeSet1};

/// A keyboard with a US layout, whose controller translates to scan code set 1.
pub struct Keys(PS2Keyboard<Us104Key, ScancodeSet1>);

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys")
    }
}

/// The bytes of one key, still to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bytes {
    bytes: [u8; 4],
    left: usize,
}

impl Bytes {
    fn new(text: &[u8]) -> Self {
        let mut all = Self::default();
        // The last ones stand at the end.
        for (cell, byte) in all.bytes.iter_mut().rev().zip(text.iter().rev()) {
            *cell = *byte;
            all.left += 1;
        }
        all
    }

    /// Whether none is left.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.left == 0
    }
}

impl Iterator for Bytes {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let byte = self.bytes.get(self.bytes.len().checked_sub(self.left)?).copied()?;
        self.left -= 1;
        Some(byte)
    }
}

impl Keys {
    /// A keyboard of which no key is pressed.
    #[must_use]
    pub const fn new() -> Self {
        Self(PS2Keyboard::new(ScancodeSet1::new(), Us104Key, HandleControl::MapLettersToUnicode))
    }

    /// Takes a scan code; what it types, if anything. Unknown codes type nothing.
    pub fn feed(&mut self, code: u8) -> Bytes {
        let event = self.0.add_byte(code).ok().flatten();
        event.and_then(|event| self.0.process_keyevent(event)).map_or_else(Bytes::default, bytes)
    }
}

impl Default for Keys {
    fn default() -> Self {
        Self::new()
    }
}

fn bytes(key: DecodedKey) -> Bytes {
    let mut buffer = [0; 4];
    Bytes::new(match key {
        DecodedKey::Unicode('\n') => b"\r",
        DecodedKey::Unicode('\u{7f}') | DecodedKey::RawKey(KeyCode::Delete) => b"\x1b[3~",
        DecodedKey::Unicode('\u{8}') => b"\x7f",
        DecodedKey::Unicode(character) => character.encode_utf8(&mut buffer).as_bytes(),
        DecodedKey::RawKey(KeyCode::ArrowUp) => b"\x1b[A",
        DecodedKey::RawKey(KeyCode::ArrowDown) => b"\x1b[B",
        DecodedKey::RawKey(KeyCode::ArrowRight) => b"\x1b[C",
        DecodedKey::RawKey(KeyCode::ArrowLeft) => b"\x1b[D",
        DecodedKey::RawKey(KeyCode::Home) => b"\x1b[H",
        DecodedKey::RawKey(KeyCode::End) => b"\x1b[F",
        DecodedKey::RawKey(_) => b"",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn typed(codes: &[u8]) -> Vec<u8> {
        let mut keys = Keys::new();
        codes.iter().flat_map(|&code| keys.feed(code)).collect()
    }

    #[test]
    fn letters_shift_and_control() {
        assert_eq!(typed(&[0x1e, 0x9e, 0x30, 0xb0]), b"ab");
        assert_eq!(typed(&[0x2a, 0x1e, 0x9e, 0xaa, 0x1e]), b"Aa");
        assert_eq!(typed(&[0x1d, 0x2e, 0xae, 0x9d]), b"\x03");
    }

    #[test]
    fn keys_that_edit_a_line() {
        assert_eq!(typed(&[0x1c, 0x9c, 0x0e, 0x8e]), b"\r\x7f");
        assert_eq!(typed(&[0xe0, 0x48, 0xe0, 0xc8, 0xe0, 0x4b]), b"\x1b[A\x1b[D");
        assert_eq!(typed(&[0xe0, 0x53, 0xe0, 0x47]), b"\x1b[3~\x1b[H");
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            rng_seed: proptest::test_runner::RngSeed::Fixed(1),
            ..ProptestConfig::with_cases(crate::testing::cases())
        })]

        #[test]
        fn any_codes_are_survived(codes in prop::collection::vec(any::<u8>(), 0..64)) {
            let typed = typed(&codes);
            prop_assert!(typed.len() <= 4 * codes.len());
        }
    }
}
