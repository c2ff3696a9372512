//! Where all memory went, to the byte.
//!
//! ```text
//! what the memory map says  =  usable frames  +  firmware
//! usable frames             =  managed  +  reserved (image, boot metadata, …, each by name)
//! managed                   =  used  +  free
//! ```
//!
//! "Firmware" is whatever the map lists that the kernel does not get: pieces of every other kind, and of usable pieces the
//! edges that are no whole frame and memory beyond the direct map. `free` prints the sums and checks them ([`Accounts::check`]).

use core::fmt;

use kos_alloc::FrameRange;
use kos_alloc::frame::FrameStats;

use crate::firmware::{self, Piece};
use crate::platform::{FirmwareKind, Platform};

/// Bytes of a frame.
pub const FRAME_BYTES: u64 = 4096;

/// Most pieces of reserved memory.
const PIECES: usize = 16;

/// A piece of usable memory that the frame allocator does not manage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReservedPiece {
    /// What holds it: `image`, `boot metadata`. Several pieces may have one name.
    pub name: &'static str,
    /// Where it is.
    pub range: FrameRange,
    /// Usable frames in it that no earlier piece holds.
    pub frames: usize,
}

/// What the boot did with the memory map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accounts {
    /// Entries of the memory map.
    pub entries: usize,
    /// Bytes that the map lists, of any kind, each counted once.
    pub map_bytes: u64,
    /// Whole frames of usable memory within the direct map.
    pub usable_frames: usize,
    /// Bytes that the firmware keeps, by kind, in the order of [`FirmwareKind::ALL`]. Under `Usable`: edges of usable
    /// pieces, and usable memory beyond the direct map.
    pub firmware: [u64; FirmwareKind::ALL.len()],
    /// Usable frames that the frame allocator does not manage, in the order in which they were taken.
    pub reserved: heapless::Vec<ReservedPiece, PIECES>,
}

impl Accounts {
    /// Bytes that the firmware keeps.
    #[must_use]
    pub fn firmware_bytes(&self) -> u64 {
        self.firmware.iter().sum()
    }

    /// Usable frames that the frame allocator does not manage.
    #[must_use]
    pub fn reserved_frames(&self) -> usize {
        self.reserved.iter().map(|piece| piece.frames).sum()
    }

    /// Counts a piece of the map, of which the kernel gets `frames`.
    pub(crate) fn add_piece(&mut self, piece: Piece, frames: usize) {
        let bytes = piece.end - piece.start;
        self.map_bytes += bytes;
        self.usable_frames += frames;
        let kept = bytes - frames as u64 * FRAME_BYTES;
        let kinds = FirmwareKind::ALL.iter().zip(&mut self.firmware);
        if let Some((_, sum)) = kinds.into_iter().find(|(kind, _)| **kind == piece.kind) {
            *sum += kept;
        }
    }

    /// Reserved frames by name.
    pub fn reserved_by_name(&self) -> impl Iterator<Item = (&'static str, usize)> {
        let named = |name| move |piece: &&ReservedPiece| piece.name == name;
        self.reserved.iter().enumerate().filter_map(move |(index, piece)| {
            let seen = self.reserved.iter().take(index).any(|earlier| earlier.name == piece.name);
            let frames = self.reserved.iter().filter(named(piece.name)).map(|piece| piece.frames).sum();
            (!seen).then_some((piece.name, frames))
        })
    }

    /// Counts `frames` reserved frames in `range`.
    pub(crate) fn reserve(
        &mut self,
        name: &'static str,
        range: FrameRange,
        frames: usize,
    ) -> Result<(), &'static str> {
        self.reserved.push(ReservedPiece { name, range, frames }).map_err(|_| name)
    }

    /// Sums the memory map of `platform` again and compares all sums.
    ///
    /// # Errors
    /// The first sum that is wrong.
    pub fn check<P: Platform>(&self, platform: &P, frames: &FrameStats) -> Result<(), WrongSum> {
        let map: u64 = firmware::pieces(|| platform.memory_map()).map(|piece| piece.end - piece.start).sum();
        let usable = self.usable_frames as u64;
        let managed = frames.managed as u64;
        let reserved = self.reserved_frames() as u64;
        equal("used + free = managed", (frames.allocated() + frames.free) as u64, managed)?;
        equal("managed + reserved = usable frames", managed + reserved, usable)?;
        let sum = (managed + reserved) * FRAME_BYTES + self.firmware_bytes();
        equal("managed + reserved + firmware = memory map", sum, map)
    }
}

/// That two figures are equal.
///
/// # Errors
/// They are not.
pub(crate) fn equal(what: &'static str, left: u64, right: u64) -> Result<(), WrongSum> {
    if left == right { Ok(()) } else { Err(WrongSum { what, left, right }) }
}

/// Two figures that must be equal and are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongSum {
    /// The equation.
    pub what: &'static str,
    /// Its left side.
    pub left: u64,
    /// Its right side.
    pub right: u64,
}

impl fmt::Display for WrongSum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the sums differ: {}, but {} and {}", self.what, self.left, self.right)
    }
}

impl core::error::Error for WrongSum {}
