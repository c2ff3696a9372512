//! The first allocator of a boot: [`BootAllocator`].
//!
//! Invariant: the free and the used set are disjoint, and together they are always the set that was given. A frame
//! moves from one to the other with the first byte that is allocated in it.

use core::alloc::Layout;

use super::error::{BootError, RegionError};
use super::regions::RegionSet;
use crate::types::{FrameRange, Pfn};

/// Hands out physical memory from the bottom, never takes it back, and ends with [`hand_over`](Self::hand_over).
///
/// Small allocations follow each other within a frame. Each costs a walk over the free ranges. Physical address 0 is an
/// address like any other: whoever takes it for "nothing" removes frame 0 from the free set.
#[derive(Debug)]
pub struct BootAllocator<'m> {
    free: RegionSet<'m>,
    used: RegionSet<'m>,
    page_shift: u32,
    /// The physical address behind the last allocation; the rest of its frame is used but not handed out.
    next: u64,
    limit: u64,
}

/// Who owns which frame after boot. No frame is in both sets.
#[derive(Debug)]
pub struct HandOver<'m> {
    /// Frames that nobody uses.
    pub free: RegionSet<'m>,
    /// Frames in which boot memory was allocated.
    pub used: RegionSet<'m>,
}

/// Where an allocation would lie.
#[derive(Clone, Copy)]
struct Place {
    start: u64,
    end: u64,
    /// The frames of it that are still free.
    frames: FrameRange,
}

impl<'m> BootAllocator<'m> {
    /// Allocates from `free`, in frames of `2^page_shift` bytes, and notes the frames that it takes in `used`.
    pub const fn new(free: RegionSet<'m>, used: &'m mut [FrameRange], page_shift: u32) -> Self {
        Self { free, used: RegionSet::new(used), page_shift, next: 0, limit: u64::MAX }
    }

    /// From now on no allocation reaches past the physical address `limit`: early on, only a part of memory is mapped.
    /// `None` for no limit.
    pub fn set_limit(&mut self, limit: Option<u64>) {
        self.limit = limit.unwrap_or(u64::MAX);
    }

    /// The frames that are free, in ascending order.
    #[must_use]
    pub fn free(&self) -> &[FrameRange] {
        &self.free
    }

    /// The frames that are used, in ascending order.
    #[must_use]
    pub fn used(&self) -> &[FrameRange] {
        &self.used
    }

    /// Allocates behind the last allocation, if its frame has room or is followed by free ones, else in the lowest free
    /// range that has room. Returns the physical address; the content is undefined.
    ///
    /// # Errors
    ///
    /// [`BootError`]; nothing is allocated then.
    pub fn allocate(&mut self, layout: Layout) -> Result<u64, BootError> {
        if layout.size() == 0 {
            return Err(BootError::BadRequest(layout));
        }
        let in_free = || self.free.iter().find_map(|&range| self.place_in(range, layout));
        let place = self.place_behind(layout).or_else(in_free).ok_or(BootError::NoMemory(layout))?;
        self.take(place.frames).map_err(|error| match error {
            RegionError::Full { capacity } => BootError::Full { capacity },
            _ => BootError::NoMemory(layout),
        })?;
        self.next = place.end;
        Ok(place.start)
    }

    /// Ends the boot: each frame belongs to the free or to the used set.
    #[must_use]
    pub fn hand_over(self) -> HandOver<'m> {
        HandOver { free: self.free, used: self.used }
    }

    /// In the rest of the last frame, perhaps with the free frames behind it.
    fn place_behind(&self, layout: Layout) -> Option<Place> {
        let open = self.frame_behind(self.next)?;
        let place = self.place(self.next, open, layout)?;
        let inside = place.start < self.address(open);
        let fits = |range: &FrameRange| range.contains_range(&place.frames);
        (inside && (place.frames.is_empty() || self.free.iter().any(fits))).then_some(place)
    }

    /// At the bottom of a free range.
    fn place_in(&self, range: FrameRange, layout: Layout) -> Option<Place> {
        let bottom = self.address(range.start());
        let start = bottom.checked_next_multiple_of(u64::try_from(layout.align()).ok()?)?;
        let first = Pfn(usize::try_from(start >> self.page_shift).ok()?);
        let place = self.place(start, first, layout)?;
        range.contains_range(&place.frames).then_some(place)
    }

    /// The first aligned place at `from` or above, whose frames below `free_from` are in use already.
    fn place(&self, from: u64, free_from: Pfn, layout: Layout) -> Option<Place> {
        let start = from.checked_next_multiple_of(u64::try_from(layout.align()).ok()?)?;
        let end = start.checked_add(u64::try_from(layout.size()).ok()?)?;
        let frames = FrameRange::between(free_from, self.frame_behind(end)?);
        (end <= self.limit).then_some(Place { start, end, frames })
    }

    fn take(&mut self, frames: FrameRange) -> Result<(), RegionError> {
        if frames.is_empty() {
            return Ok(());
        }
        self.free.remove(frames)?;
        // Full: back they go; there is room, because they were there before.
        self.used.add(frames).or_else(|error| self.free.add(frames).and(Err(error)))
    }

    /// The first frame that starts at `address` or above.
    fn frame_behind(&self, address: u64) -> Option<Pfn> {
        let page = 1_u64.checked_shl(self.page_shift)?;
        usize::try_from(address.div_ceil(page)).ok().map(Pfn)
    }

    /// The address of `frame`; the last address if it has none.
    fn address(&self, frame: Pfn) -> u64 {
        let page = 1_u64.checked_shl(self.page_shift).unwrap_or(u64::MAX);
        u64::try_from(frame.0).unwrap_or(u64::MAX).saturating_mul(page)
    }
}
