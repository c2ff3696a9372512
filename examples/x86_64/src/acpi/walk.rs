//! A walk from entry to entry of a table: each begins with its type and its length.

use super::u8_at;

/// A walk. It never stands still: an entry has at least its type and length.
pub(super) struct Walk<'m> {
    entries: &'m [u8],
    at: usize,
    /// The least that an entry of a type has: two bytes or more.
    fixed_length: fn(u8) -> usize,
}

impl<'m> Walk<'m> {
    pub(super) const fn new(entries: &'m [u8], fixed_length: fn(u8) -> usize) -> Self {
        Self { entries, at: 0, fixed_length }
    }

    /// Where the next entry begins, unless this is the end.
    pub(super) fn left(&self) -> Option<usize> {
        (self.at < self.entries.len()).then_some(self.at)
    }

    /// The next entry, whole; `None` at the end and where an entry is broken.
    pub(super) fn step(&mut self) -> Option<&'m [u8]> {
        let length = usize::from(*self.entries.get(self.at.checked_add(1)?)?);
        let end = self.at.checked_add(length)?;
        let entry = self.entries.get(self.at..end)?;
        (length >= (self.fixed_length)(u8_at(entry, 0)).max(2)).then(|| self.at = end)?;
        Some(entry)
    }
}
