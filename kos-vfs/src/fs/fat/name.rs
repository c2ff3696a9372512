//! Names between the two worlds: bytes of UTF-8 above, 16-bit units below; [`Units`].
//!
//! A unit that is half of a pair without the other is kept as the three bytes that UTF-8 would give it, and comes back from
//! them, so that every name on a volume can be named. Names are compared with `A` to `Z` and `a` to `z` alike, as the pure
//! function [`fold`]; other letters are compared as they are.

use super::codepage;
use super::entry::Entry;
use crate::error::FsError;
use crate::name::{NAME_MAX, Name};

/// Units in a long name, at most.
pub(super) const UNITS_MAX: usize = 255;

/// A name in 16-bit units.
#[derive(Clone, Copy)]
pub(super) struct Units {
    units: [u16; UNITS_MAX],
    length: usize,
}

/// A unit as names are compared.
pub(super) const fn fold(unit: u16) -> u16 {
    if matches!(unit, 0x61..=0x7a) { unit - 0x20 } else { unit }
}

impl Units {
    pub(super) const EMPTY: Self = Self { units: [0; UNITS_MAX], length: 0 };

    pub(super) fn as_slice(&self) -> &[u16] {
        self.units.get(..self.length).unwrap_or(&[])
    }

    /// Adds a unit; false if there is no room.
    pub(super) fn push(&mut self, unit: u16) -> bool {
        let Some(place) = self.units.get_mut(self.length) else { return false };
        *place = unit;
        self.length += 1;
        true
    }

    /// A name given from above.
    ///
    /// # Errors
    /// [`FsError::BadName`] for bytes that no units give, or too many units.
    pub(super) fn of_name(name: Name<'_>) -> Result<Self, FsError> {
        let mut units = Self::EMPTY;
        let mut rest = name.as_bytes();
        while !rest.is_empty() {
            let (point, length) = decode_utf8(rest).ok_or(FsError::BadName)?;
            rest = rest.get(length..).unwrap_or(&[]);
            if !units.push_point(point) {
                return Err(FsError::BadName);
            }
        }
        Ok(units)
    }

    /// Adds one or two units.
    fn push_point(&mut self, point: u32) -> bool {
        #[expect(clippy::cast_possible_truncation, reason = "20 bits in two halves, or below 2^16")]
        match point.checked_sub(0x1_0000) {
            None => self.push(point as u16),
            Some(rest) => {
                self.push(0xd800 | (rest >> 10) as u16) && self.push(0xdc00 | (rest & 0x3ff) as u16)
            }
        }
    }

    /// Whether other systems take it too: no control characters, none of `"*/:<>?\|`, no space or dot at its end.
    pub(super) fn is_storable(&self) -> bool {
        let plain = self.as_slice().iter().all(|&unit| !is_refused(unit));
        let last = self.as_slice().last();
        plain && !matches!(last, None | Some(0x20 | 0x2e))
    }

    /// The short name as it is shown.
    pub(super) fn of_short(entry: &Entry) -> Self {
        let mut units = Self::EMPTY;
        short_units(&entry.name, entry.small).for_each(|unit| {
            units.push(unit);
        });
        units
    }

    /// Whether it is this short name.
    pub(super) fn is_short(&self, name: &[u8; 11]) -> bool {
        let [first, ..] = *name;
        let begins = Some(fold(codepage::decode(first))) == self.as_slice().first().map(|&unit| fold(unit));
        (begins || first == b' ')
            && short_units(name, 0).map(fold).eq(self.as_slice().iter().map(|&unit| fold(unit)))
    }

    /// Writes it as bytes; `None` if it is no [`Name`].
    pub(super) fn write<'b>(&self, buffer: &'b mut [u8; NAME_MAX]) -> Option<Name<'b>> {
        let mut length = 0;
        for point in char::decode_utf16(self.as_slice().iter().copied()) {
            let point = point.map_or_else(|half| u32::from(half.unpaired_surrogate()), u32::from);
            length += encode_utf8(point, buffer.get_mut(length..)?)?;
        }
        Name::new(buffer.get(..length)?).ok()
    }
}

/// A short name as it is shown; `small` is that of [`Entry`].
fn short_units(name: &[u8; 11], small: u8) -> impl Iterator<Item = u16> + '_ {
    let (base, extension) = name.split_at(8);
    let part = |part: &'_ [u8]| part.iter().rposition(|&byte| byte != b' ').map_or(0, |last| last + 1);
    let (base_length, length) = (part(base), part(extension));
    let letters = move |small: bool| {
        move |&byte: &u8| codepage::decode(if small { byte.to_ascii_lowercase() } else { byte })
    };
    let base = base.iter().take(base_length).map(letters(small & 0x08 != 0));
    let dot = (length > 0).then_some(0x2e);
    base.chain(dot).chain(extension.iter().take(length).map(letters(small & 0x10 != 0)))
}

/// Whether no long name has `unit`.
const fn is_refused(unit: u16) -> bool {
    matches!(unit, 0..=0x1f | 0x22 | 0x2a | 0x2f | 0x3a | 0x3c | 0x3e | 0x3f | 0x5c | 0x7c)
}

/// One code point and its bytes. Halves of pairs are taken, unless both halves stand there, which has another form.
fn decode_utf8(bytes: &[u8]) -> Option<(u32, usize)> {
    if let Some(half) = decode_half(bytes) {
        let low = decode_half(bytes.get(3..)?);
        let pair = half < 0xdc00 && low.is_some_and(|low| low >= 0xdc00);
        return (!pair).then_some((half, 3));
    }
    let length = match bytes.first()? {
        0..=0x7f => 1,
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        _ => 4,
    };
    let text = core::str::from_utf8(bytes.get(..length)?).ok()?;
    text.chars().next().map(|point| (u32::from(point), length))
}

/// Half of a pair in three bytes.
fn decode_half(bytes: &[u8]) -> Option<u32> {
    match bytes {
        [0xed, high @ 0xa0..=0xbf, low @ 0x80..=0xbf, ..] => {
            Some(0xd000 | u32::from(high & 0x3f) << 6 | u32::from(low & 0x3f))
        }
        _ => None,
    }
}

/// Stores one code point or half of a pair; `None` if there is no room.
#[expect(clippy::cast_possible_truncation, reason = "six bits, or four")]
fn encode_utf8(point: u32, out: &mut [u8]) -> Option<usize> {
    if let Some(letter) = char::from_u32(point) {
        let length = letter.len_utf8();
        letter.encode_utf8(out.get_mut(..length)?);
        return Some(length);
    }
    let bytes = [0xe0 | (point >> 12) as u8, 0x80 | (point >> 6) as u8 & 0x3f, 0x80 | point as u8 & 0x3f];
    out.get_mut(..3)?.copy_from_slice(&bytes);
    Some(3)
}
