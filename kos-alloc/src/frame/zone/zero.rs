//! Frames filled with zeroes through the direct map: [`fill`].

use crate::ports::Env;
use crate::types::{DirectMap, FrameRange, Pfn};

/// Fills `range`, which belongs to the caller, with zeroes; false if not all of it is mapped.
pub(super) fn fill<E: Env>(map: &DirectMap, range: FrameRange) -> bool {
    let last = Pfn(range.end().0.saturating_sub(1));
    let mapped = map.frames().contains_range(&range) && map.offset_of(last, E::PAGE_SHIFT).is_some();
    let Some(offset) = map.offset_of(range.start(), E::PAGE_SHIFT).filter(|_| mapped) else { return false };
    // SAFETY: the frame is in the map, which `Env` promises to be mapped from its base on, and the distance fits.
    let start = unsafe { map.base().add(offset) };
    // SAFETY: every frame of the range is in the map and so writable; nobody else uses them, as they were just
    // allocated; the distance of the last from the base fits an `isize`, so the size does not overflow.
    unsafe { start.write_bytes(0, range.count() << E::PAGE_SHIFT) };
    true
}
