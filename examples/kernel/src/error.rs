//! Why a kernel did not come up: [`BootError`], the stage and the cause. Each cause says what would help.

use core::error::Error;
use core::fmt;

use kos_alloc::boot::{BootError as BumpError, RegionError};
use kos_alloc::frame::zone::ZonesError;
use kos_paging::{CreateError, MapError, ProtectError};

use crate::accounts::FRAME_BYTES;
use crate::files::FilesError;
use crate::platform::DeviceError;
use crate::stage::Stage;
use crate::text::Bytes;
use crate::threads::ThreadError;

/// A boot that failed, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootError {
    /// The stage that could not do its work.
    pub stage: Stage,
    /// Why.
    pub cause: Cause,
}

impl fmt::Display for BootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "boot stage {} failed: {}", self.stage, self.cause)
    }
}

impl Error for BootError {}

/// Why a stage failed.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The memory map has more entries than are read.
    MapTooLong {
        /// Entries that are read.
        max: usize,
    },
    /// The memory map makes more separate pieces than there is room for.
    MapTooFragmented(RegionError),
    /// The memory map lists no whole frame of usable memory in reach of the direct map.
    NoUsableMemory {
        /// Entries of the map.
        entries: usize,
    },
    /// Less memory is free than a kernel needs to be of use.
    TooLittleMemory {
        /// Free frames.
        free: usize,
        /// Frames that must be free.
        needed: usize,
    },
    /// A piece of reserved memory wraps around, or has too many names beside it.
    BadReservation {
        /// Its name.
        name: &'static str,
    },
    /// The boot's own memory did not fit.
    BootMemory(BumpError),
    /// The frame allocator refused what was left.
    Frames(ZonesError),
    /// There is no room for the scheduler.
    Threads(ThreadError),
    /// There is no frame for the first page table.
    Tables(CreateError),
    /// A piece of the kernel's address space could not be mapped.
    Map {
        /// Its name.
        name: &'static str,
        /// Why.
        cause: MapError,
    },
    /// The direct map of a read-only piece could not be made read-only.
    Seal {
        /// The piece's name.
        name: &'static str,
        /// Why.
        cause: ProtectError,
    },
    /// Something is mapped where a guard page must be.
    GuardMapped {
        /// The guard's name.
        name: &'static str,
    },
    /// The heap did not start.
    Heap(kos_alloc::InitError),
    /// A trap was not taken or not survived.
    Traps(DeviceError),
    /// There are no files.
    Files(FilesError),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MapTooLong { max } => write!(f, "the memory map has more than {max} entries"),
            Self::MapTooFragmented(cause) => write!(f, "the memory map is in too many pieces: {cause}"),
            Self::NoUsableMemory { entries } => {
                write!(f, "no usable memory in the {entries} entries of the memory map")
            }
            Self::TooLittleMemory { free, needed } => {
                let [free, needed] = [free, needed].map(|&frames| Bytes(frames as u64 * FRAME_BYTES));
                write!(
                    f,
                    "too little memory: {free} free, {needed} needed; give the machine more (--mem 64M)"
                )
            }
            Self::BadReservation { name } => {
                write!(f, "the machine reserves '{name}' where no memory can be")
            }
            Self::BootMemory(cause) => write!(f, "too little memory for the boot itself: {cause}"),
            Self::Frames(cause) => cause.fmt(f),
            Self::Threads(cause) => cause.fmt(f),
            Self::Tables(cause) => write!(f, "too little memory for page tables: {cause}"),
            Self::Map { name, cause } => write!(f, "'{name}' cannot be mapped: {cause}"),
            Self::Seal { name, cause } => {
                write!(f, "the direct map of '{name}' cannot be made read-only: {cause}")
            }
            Self::GuardMapped { name } => write!(f, "guard page '{name}' is mapped"),
            Self::Heap(cause) => write!(f, "the heap does not start: {cause}"),
            Self::Traps(cause) => cause.fmt(f),
            Self::Files(cause) => cause.fmt(f),
        }
    }
}

impl Error for Cause {}
