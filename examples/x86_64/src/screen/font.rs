//! The shapes of characters: 256 of 8 by 16 pixels, in the order of code page 437, as firmware left them in the VGA.
//!
//! Source: IBM VGA technical reference, "Character generator": 32 bytes a character in plane 2, of which 16 are used here.

use core::error::Error;
use core::fmt;

/// Pixels of a character, across and down.
pub const GLYPH_WIDTH: usize = 8;
/// See [`GLYPH_WIDTH`].
pub const GLYPH_HEIGHT: usize = 16;

/// Bytes from one character to the next in the VGA.
const STEP: usize = 32;

/// Characters that every text has: each must be seen.
const VISIBLE: core::ops::RangeInclusive<u8> = b'!'..=b'~';

/// The shapes.
pub struct Font([[u8; GLYPH_HEIGHT]; 256]);

impl fmt::Debug for Font {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Font")
    }
}

impl Font {
    /// Reads them from the VGA: `byte` says what stands at an offset in plane 2.
    ///
    /// # Errors
    /// There are none, or not such that text can be read.
    pub fn read(byte: impl Fn(usize) -> u8) -> Result<Self, FontError> {
        let mut font = Self([[0; GLYPH_HEIGHT]; 256]);
        for (number, glyph) in font.0.iter_mut().enumerate() {
            for (line, bits) in glyph.iter_mut().enumerate() {
                *bits = byte(number * STEP + line);
            }
        }
        let has_ink = |character: u8| font.glyph(character).iter().any(|&bits| bits != 0);
        match (0..=u8::MAX).find(|&character| has_ink(character)) {
            None => Err(FontError::Empty),
            Some(_) if has_ink(b' ') => Err(FontError::Strange { character: b' ' }),
            Some(_) => match VISIBLE.into_iter().find(|&character| !has_ink(character)) {
                Some(character) => Err(FontError::Strange { character }),
                None => Ok(font),
            },
        }
    }

    /// The shape of a character, line by line from above; the highest bit is the pixel on the left.
    #[must_use]
    pub fn glyph(&self, character: u8) -> &[u8; GLYPH_HEIGHT] {
        const BLANK: &[u8; GLYPH_HEIGHT] = &[0; GLYPH_HEIGHT];
        self.0.get(usize::from(character)).unwrap_or(BLANK)
    }
}

/// Why there are no shapes of characters.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FontError {
    /// Firmware left none.
    Empty,
    /// A letter that nobody sees, or a blank that one sees.
    Strange {
        /// Which.
        character: u8,
    },
}

impl fmt::Display for FontError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("firmware left no font"),
            Self::Strange { character } => write!(f, "firmware's font has no character {character}"),
        }
    }
}

impl Error for FontError {}
