//! kos-alloc counts frames, kos-paging addresses.

use kos_alloc::{FrameRange, Pfn};
use kos_paging::{PhysAddr, RangeError, VirtAddr, VirtRange};

/// log2 of the bytes of a frame.
const SHIFT: u32 = 12;

/// The address of a frame.
#[must_use]
pub const fn phys_of(frame: Pfn) -> PhysAddr {
    PhysAddr::new((frame.0 as u64) << SHIFT)
}

/// The frame at an address.
#[must_use]
pub const fn frame_of(address: PhysAddr) -> Pfn {
    Pfn((address.get() >> SHIFT) as usize)
}

/// Where a range of frames appears in a map of physical memory at `base`.
///
/// # Errors
/// It does not fit behind `base`.
pub fn in_direct_map(base: u64, frames: FrameRange) -> Result<VirtRange, RangeError> {
    let first = VirtAddr::new(base.wrapping_add(phys_of(frames.start()).get()));
    VirtRange::new(first, (frames.count() as u64) << SHIFT)
}
