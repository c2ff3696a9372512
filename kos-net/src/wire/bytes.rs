//! Reading from the front and writing to the back: [`Reader`] and [`Writer`], over which all formats are written.
//!
//! Both check every length; nothing else in [`wire`](super) does arithmetic on one to get at bytes.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{NoRoom, ParseError};

/// Bytes that are read from the front.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    read: usize,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, read: 0 }
    }

    /// What is still to be read.
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// How much was read.
    pub(super) const fn position(&self) -> usize {
        self.read
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next `count` bytes.
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], ParseError> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or_else(|| self.truncated(count))?;
        self.rest = rest;
        self.read += count;
        Ok(taken)
    }

    /// The next bytes as a `T`, where they are.
    pub(super) fn get<T: FromBytes + KnownLayout + Immutable + Unaligned>(
        &mut self,
    ) -> Result<&'a T, ParseError> {
        let (value, rest) = T::ref_from_prefix(self.rest).map_err(|_| self.truncated(size_of::<T>()))?;
        self.rest = rest;
        self.read += size_of::<T>();
        Ok(value)
    }

    /// The next byte.
    pub(super) fn byte(&mut self) -> Result<u8, ParseError> {
        self.get::<u8>().copied()
    }

    const fn truncated(&self, more: usize) -> ParseError {
        ParseError::Truncated { needed: self.read.saturating_add(more), got: self.read + self.rest.len() }
    }
}

/// Room that is filled from the front.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    out: &'a mut [u8],
    written: usize,
}

impl<'a> Writer<'a> {
    pub(super) const fn new(out: &'a mut [u8]) -> Self {
        Self { out, written: 0 }
    }

    /// How much was written.
    pub(super) const fn position(&self) -> usize {
        self.written
    }

    /// What was written.
    pub(super) fn written(&mut self) -> &mut [u8] {
        self.out.get_mut(..self.written).unwrap_or_default()
    }

    /// Appends `bytes`.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<(), NoRoom> {
        let needed = self.written.saturating_add(bytes.len());
        let got = self.out.len();
        let room = self.out.get_mut(self.written..needed).ok_or(NoRoom { needed, got })?;
        room.copy_from_slice(bytes);
        self.written = needed;
        Ok(())
    }

    /// Appends the bytes of `value`.
    pub(super) fn put<T: IntoBytes + Immutable + ?Sized>(&mut self, value: &T) -> Result<(), NoRoom> {
        self.bytes(value.as_bytes())
    }

    /// Appends zeroes until a multiple of `step` bytes is written.
    pub(super) fn pad_to(&mut self, step: usize) -> Result<(), NoRoom> {
        while !self.written.is_multiple_of(step) {
            self.bytes(&[0])?;
        }
        Ok(())
    }
}
