//! Short names: [`exact`] where the name is one, else an [`Alias`] that nobody else has.
//!
//! An alias is the name's first letters, `~` and a digit; when the nine are taken, two letters, four digits of a hash of the
//! whole name, `~` and a digit, sixteen times. One pass over the directory says which of nine are taken.

use super::name::{Units, fold};

/// How often nine aliases are tried.
pub(super) const ROUNDS: u32 = 17;

/// Whether a short name holds the (folded) unit.
const fn is_short(unit: u16) -> bool {
    matches!(unit, 0x30..=0x39 | 0x41..=0x5a | 0x21 | 0x23..=0x29 | 0x2d | 0x40 | 0x5e..=0x60 | 0x7b | 0x7d | 0x7e)
}

/// Splits before the last dot that is not the first letter.
fn split(units: &[u16]) -> (&[u16], &[u16]) {
    match units.iter().rposition(|&unit| unit == 0x2e) {
        Some(dot) if dot > 0 => (units.get(..dot).unwrap_or(units), units.get(dot + 1..).unwrap_or(&[])),
        _ => (units, &[]),
    }
}

/// The short name of a name that is one: capital letters, eight and three at most.
pub(super) fn exact(name: &Units) -> Option<[u8; 11]> {
    let units = name.as_slice();
    let (base, extension) = split(units);
    let dotted = units.len() > base.len();
    let fits = (1..=8).contains(&base.len()) && extension.len() <= 3 && dotted != extension.is_empty();
    let mut short = [b' '; 11];
    let parts = [(0, base), (8, extension)];
    for (start, part) in parts {
        for (place, &unit) in short.iter_mut().skip(start).zip(part) {
            *place = u8::try_from(unit).ok().filter(|_| is_short(unit))?;
        }
    }
    fits.then_some(short)
}

/// A short name in the making: nine that it could be.
pub(super) struct Alias {
    base: [u8; 8],
    length: usize,
    extension: [u8; 3],
    hash: u32,
    round: u32,
    /// Bit `n`: the one with digit `n` is taken.
    taken: u16,
}

impl Alias {
    /// For the long name `name`.
    pub(super) fn new(name: &Units) -> Self {
        let (base, extension) = split(name.as_slice());
        let mut alias =
            Self { base: [b'_'; 8], length: 0, extension: [b' '; 3], hash: 0x811c_9dc5, round: 0, taken: 0 };
        alias.length = fill(&mut alias.base, base).max(1);
        fill(&mut alias.extension, extension);
        for byte in name.as_slice().iter().flat_map(|&unit| fold(unit).to_le_bytes()) {
            alias.hash = (alias.hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        }
        alias
    }

    /// The nine of round `round`.
    pub(super) const fn begin(&mut self, round: u32) {
        self.round = round;
        self.taken = 0;
    }

    /// The one with digit `digit`.
    fn candidate(&self, digit: u8) -> [u8; 11] {
        let hash = self.hash.wrapping_add(self.round.wrapping_mul(0x9e37_79b9)) >> 8;
        let hex = [12, 8, 4, 0].map(|shift| hex_digit(hash >> shift));
        let (keep, middle): (usize, &[u8]) = if self.round == 0 { (6, &[]) } else { (2, &hex) };
        let mut name = [b' '; 11];
        let base = self.base.iter().take(self.length.min(keep)).chain(middle).chain(b"~");
        let base = base.copied().chain([b'0' + digit]);
        name.iter_mut().zip(base).for_each(|(to, from)| *to = from);
        name.iter_mut().skip(8).zip(self.extension).for_each(|(to, from)| *to = from);
        name
    }

    /// Another file has this short name, and is shown as `shown`.
    pub(super) fn mark(&mut self, short: &[u8; 11], shown: &Units) {
        let begins = |units: &[u16]| {
            let letters = self.candidate(1).map(u16::from);
            units.iter().zip(letters).take(2).all(|(&unit, letter)| fold(unit) == letter)
        };
        let (short_units, shown_units) = (short.map(u16::from), shown.as_slice());
        let like_shown = shown_units.len() <= 12 && begins(shown_units);
        if !like_shown && !begins(&short_units) {
            return;
        }
        for digit in 1..=9 {
            let candidate = self.candidate(digit);
            if candidate == *short || like_shown && shown.is_short(&candidate) {
                self.taken |= 1 << digit;
            }
        }
    }

    /// One that nobody has.
    pub(super) fn pick(&self) -> Option<[u8; 11]> {
        (1..=9).find(|digit| self.taken & 1 << digit == 0).map(|digit| self.candidate(digit))
    }
}

/// Letters of a short name out of those of a long one; returns how many.
fn fill(out: &mut [u8], units: &[u16]) -> usize {
    let kept = units.iter().filter(|&&unit| unit != 0x20 && unit != 0x2e).map(|&unit| fold(unit));
    let letters = kept.map(|unit| u8::try_from(unit).ok().filter(|_| is_short(unit)).unwrap_or(b'_'));
    out.iter_mut().zip(letters).map(|(to, from)| *to = from).count()
}

const fn hex_digit(value: u32) -> u8 {
    let value = (value & 15) as u8;
    if value < 10 { b'0' + value } else { b'A' + value - 10 }
}
