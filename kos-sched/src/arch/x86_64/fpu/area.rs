//! [`FpuArea`]: the FPU state of a task that does not run, in lent memory.
//!
//! The memory is always an image that the CPU accepts: initial, or written by it. Nobody else writes to it, so loading it
//! never faults.
#![expect(unsafe_code, reason = "the CPU reads and writes the area; each block says why it may")]

use core::error::Error;
use core::fmt;
use core::marker::PhantomData;
use core::ptr::NonNull;

use super::instructions;
use super::layout::FpuLayout;
use crate::arch::x86_64::switch::{INITIAL_CONTROL_WORD, INITIAL_MXCSR};
use crate::cpu::CpuId;

/// Where the x87 control word lies (Intel SDM 1, table 10-2).
const CONTROL_WORD: usize = 0;
/// Where MXCSR lies.
const MXCSR: usize = 24;
/// Where XCOMP_BV lies, the format and components of the image (13.4.2).
const XCOMP_BV: usize = 520;
/// The bit of XCOMP_BV that says "packed".
const COMPACT: u64 = 1 << 63;

/// Memory that cannot hold the FPU state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FpuAreaError {
    /// Fewer bytes than [`FpuLayout::size`].
    TooSmall {
        /// Bytes that the machine needs.
        needed: usize,
        /// Bytes lent.
        given: usize,
    },
    /// Not at a multiple of [`FpuLayout::ALIGN`].
    Misaligned {
        /// Where it begins.
        address: usize,
    },
}

impl fmt::Display for FpuAreaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooSmall { needed, given } => write!(f, "FPU state takes {needed} bytes, not {given}"),
            Self::Misaligned { address } => {
                write!(f, "FPU state at {address:#x}, not at a multiple of {}", FpuLayout::ALIGN)
            }
        }
    }
}

impl Error for FpuAreaError {}

/// The FPU state of one task, in memory lent for `'m`.
#[derive(Debug)]
pub struct FpuArea<'m> {
    memory: NonNull<u8>,
    layout: FpuLayout,
    /// The CPU whose registers held this state when they were last loaded or saved, and its count of loads then.
    pub(super) loaded: Option<(CpuId, u64)>,
    lent: PhantomData<&'m mut [u8]>,
}

// SAFETY: it is the only user of its memory, like the exclusive reference that it was made of.
unsafe impl Send for FpuArea<'_> {}

impl<'m> FpuArea<'m> {
    /// The state of a new task: everything initial, exceptions masked.
    ///
    /// # Errors
    /// [`FpuAreaError`] if `memory` is too small or misaligned; it is unchanged then.
    pub fn new(memory: &'m mut [u8], layout: FpuLayout) -> Result<Self, FpuAreaError> {
        let (needed, given) = (layout.size(), memory.len());
        if given < needed {
            return Err(FpuAreaError::TooSmall { needed, given });
        }
        let address = memory.as_ptr().addr();
        if !address.is_multiple_of(FpuLayout::ALIGN) {
            return Err(FpuAreaError::Misaligned { address });
        }
        let mut area = Self { memory: NonNull::from(memory).cast(), layout, loaded: None, lent: PhantomData };
        area.reset();
        Ok(area)
    }

    /// Makes it the state of a new task again, as a program expects that was just executed. Of a task that runs, the
    /// registers keep what they hold until [`FpuUnit::load`](super::FpuUnit::load).
    pub fn reset(&mut self) {
        self.loaded = None;
        // SAFETY: `new` was lent that many bytes, and the CPU uses them only in `save` and `restore`.
        let image = unsafe { NonNull::slice_from_raw_parts(self.memory, self.layout.size()).as_mut() };
        image.fill(0);
        write(image, CONTROL_WORD, &INITIAL_CONTROL_WORD.to_le_bytes());
        write(image, MXCSR, &INITIAL_MXCSR.to_le_bytes());
        if self.layout.method().is_compact() {
            // Components that the header does not name are initial, so there is no more to write.
            write(image, XCOMP_BV, &(COMPACT | self.layout.components()).to_le_bytes());
        }
    }

    /// Saves the registers of this CPU here; they keep what they hold.
    #[inline(always)]
    pub(super) fn save(&mut self) {
        // SAFETY: size and alignment were checked for the layout, which was asked of the CPU; the image is the CPU's own.
        unsafe {
            instructions::save(self.layout.method(), self.memory.as_ptr(), self.layout.components());
        };
    }

    /// Loads the registers of this CPU from here.
    ///
    /// # Safety
    /// The code that runs next is the task's, or uses no FPU register before it.
    #[inline(always)]
    pub(super) unsafe fn restore(&self) {
        // SAFETY: as in `save`, and by the caller's promise.
        unsafe {
            instructions::restore(self.layout.method(), self.memory.as_ptr(), self.layout.components());
        };
    }
}

/// Writes `bytes` at `offset`, which is within every image of that kind.
fn write(image: &mut [u8], offset: usize, bytes: &[u8]) {
    if let Some(place) = image.get_mut(offset..offset + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}
