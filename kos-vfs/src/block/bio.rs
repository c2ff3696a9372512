//! A request that its holder owns, with its memory: [`Bio`].
//!
//! It travels: from who asks to the device, and back by completion or refusal. So nobody has to promise that memory stays where it
//! is while a device writes into it.

use super::device::{Geometry, WriteMode};
use crate::error::DeviceError;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BioKind {
    /// Fill the buffer from these sectors.
    Read,
    /// Store the buffer in these sectors.
    Write(WriteMode),
    /// Make durable what was complete before.
    Flush,
    /// The sectors hold nothing any more.
    Discard {
        /// How many.
        sectors: u64,
    },
}

/// One request. `B` is memory that the device reaches.
#[derive(Debug, PartialEq, Eq)]
pub struct Bio<B> {
    /// What is to be done.
    pub kind: BioKind,
    /// The first sector; of no meaning for a flush.
    pub sector: u64,
    /// What is read or written: its first `length` bytes.
    pub buffer: B,
    /// Bytes that are read or written.
    pub length: usize,
    /// Whatever its maker wants back with it.
    pub tag: usize,
}

impl<B: AsRef<[u8]>> Bio<B> {
    /// The check that every driver makes first.
    ///
    /// # Errors
    /// As [`Geometry::check`] and [`Geometry::check_write`]; [`DeviceError::Unaligned`] also for more bytes than the buffer has.
    pub fn check(&self, geometry: &Geometry) -> Result<(), DeviceError> {
        let length = self.length;
        let moves = matches!(self.kind, BioKind::Read | BioKind::Write(_));
        if moves && length > self.buffer.as_ref().len() {
            return Err(DeviceError::Unaligned { length });
        }
        match self.kind {
            BioKind::Read => geometry.check(self.sector, length).map(drop),
            BioKind::Write(_) => geometry.check_write(self.sector, length).map(drop),
            BioKind::Flush => Ok(()),
            BioKind::Discard { sectors } => geometry
                .check_write(self.sector, 0)
                .and_then(|_| geometry.check_sectors(self.sector, sectors)),
        }
    }
}

impl<B> Bio<B> {
    /// What a device answers that could not do it.
    #[must_use]
    pub const fn failure(&self) -> DeviceError {
        match self.kind {
            BioKind::Flush => DeviceError::NotFlushed,
            _ => DeviceError::Failed { sector: self.sector },
        }
    }
}

/// A request that was not taken, as it was.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused<B> {
    /// The request.
    pub bio: Bio<B>,
    /// Why.
    pub why: Refusal,
}

/// Why a request was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// As many requests are on their way as the device takes; one of them must come back first.
    Full,
    /// It makes no sense for this device, or the device is gone.
    Device(DeviceError),
}

/// A request that came back.
#[derive(Debug, PartialEq, Eq)]
pub struct Done<B> {
    /// The request; what was read is in its buffer.
    pub bio: Bio<B>,
    /// How it went. Of a read that failed the buffer holds anything.
    pub result: Result<(), DeviceError>,
}
