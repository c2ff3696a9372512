//! The vocabulary: frame numbers, ranges of frames, requests, CPUs, the direct map.

use core::fmt;
use core::ptr::NonNull;

/// The number of a physical frame: its physical address divided by the size of a frame.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Pfn(pub usize);

impl Pfn {
    /// The number behind every frame.
    pub const MAX: Self = Self(usize::MAX);
}

impl fmt::Debug for Pfn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pfn {:#x}", self.0)
    }
}

impl fmt::Display for Pfn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// Adjacent frames: `count` of them from `start`. Never wraps: `start + count` fits a `usize`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct FrameRange {
    start: Pfn,
    count: usize,
}

impl FrameRange {
    /// The range without a frame.
    pub const EMPTY: Self = Self { start: Pfn(0), count: 0 };

    /// `count` frames from `start`; `None` if the end is beyond the last frame number.
    #[must_use]
    pub const fn new(start: Pfn, count: usize) -> Option<Self> {
        match start.0.checked_add(count) {
            Some(_) => Some(Self { start, count }),
            None => None,
        }
    }

    /// The frames from `start` up to, not including, `end`; empty if `end` is not above `start`.
    #[must_use]
    pub const fn between(start: Pfn, end: Pfn) -> Self {
        Self { start, count: end.0.saturating_sub(start.0) }
    }

    /// The first frame.
    #[must_use]
    pub const fn start(&self) -> Pfn {
        self.start
    }

    /// The frame behind the last.
    #[must_use]
    pub const fn end(&self) -> Pfn {
        Pfn(self.start.0 + self.count)
    }

    /// Number of frames.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.count
    }

    /// Whether there is no frame in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether `frame` is in it.
    #[must_use]
    pub const fn contains(&self, frame: Pfn) -> bool {
        self.start.0 <= frame.0 && frame.0 < self.end().0
    }

    /// Whether every frame of `other` is in it; the empty range is in every range.
    #[must_use]
    pub const fn contains_range(&self, other: &Self) -> bool {
        other.is_empty() || (self.start.0 <= other.start.0 && other.end().0 <= self.end().0)
    }

    /// The frames that are in both; empty if there is none.
    #[must_use]
    pub const fn intersection(&self, other: &Self) -> Self {
        let start = if self.start.0 > other.start.0 { self.start } else { other.start };
        let end = if self.end().0 < other.end().0 { self.end() } else { other.end() };
        Self::between(start, end)
    }
}

impl fmt::Debug for FrameRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "frames {self}")
    }
}

impl fmt::Display for FrameRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}..{:#x}", self.start.0, self.end().0)
    }
}

/// What a caller asks of a [`FrameAlloc`](crate::FrameAlloc).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameRequest {
    /// Number of adjacent frames, at least 1. Exactly so many are handed out.
    pub count: usize,
    /// The first frame number is a multiple of it; a power of two, in frames. 1 for none.
    pub align: usize,
    /// Every frame number is below it: what a device with short addresses needs. [`Pfn::MAX`] for no limit.
    pub below: Pfn,
    /// The zones that may serve it; of these the highest is asked first. Sources without zones ignore it.
    pub zones: ZoneSet,
    /// How hard to try.
    pub flags: FrameFlags,
}

impl FrameRequest {
    /// `count` adjacent frames anywhere.
    #[must_use]
    pub const fn new(count: usize) -> Self {
        Self { count, align: 1, below: Pfn::MAX, zones: ZoneSet::ALL, flags: FrameFlags::empty() }
    }

    /// The same with the first frame number a multiple of `align`, a power of two.
    #[must_use]
    pub const fn aligned(self, align: usize) -> Self {
        Self { align, ..self }
    }

    /// The same with every frame number below `limit`.
    #[must_use]
    pub const fn below(self, limit: Pfn) -> Self {
        Self { below: limit, ..self }
    }

    /// The same from `zones` alone.
    #[must_use]
    pub const fn from_zones(self, zones: ZoneSet) -> Self {
        Self { zones, ..self }
    }

    /// The same with `flags` too.
    #[must_use]
    pub const fn with(self, flags: FrameFlags) -> Self {
        Self { flags: self.flags.union(flags), ..self }
    }
}

bitflags::bitflags! {
    /// How hard a [`FrameRequest`] tries.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct FrameFlags: u8 {
        /// Asks no [`Reclaim`](crate::Reclaim) and gives up early: for callers that have something else to try, or that
        /// are being asked to give memory back themselves.
        const NO_RECLAIM = 1 << 0;
        /// May use what a zone keeps below its min watermark: for who frees more memory than he takes.
        const RESERVE = 1 << 1;
        /// The frames are filled with zeroes, outside every lock. Sources that reach no memory ignore it.
        const ZEROED = 1 << 2;
    }
}

bitflags::bitflags! {
    /// A set of zones: bit n stands for zone number n, counted from the lowest frames.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct ZoneSet: u8 {
        /// Every zone.
        const ALL = u8::MAX;
    }
}

impl ZoneSet {
    /// Zone number `index` alone; empty if there can be none of this number.
    #[must_use]
    pub const fn only(index: usize) -> Self {
        if index < 8 { Self::from_bits_retain(1 << index) } else { Self::empty() }
    }

    /// Zone number `index` and all below it: what serves a device that reaches so far.
    #[must_use]
    pub const fn up_to(index: usize) -> Self {
        if index < 7 { Self::from_bits_retain((2 << index) - 1) } else { Self::ALL }
    }
}

/// The number of a CPU, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CpuIndex(pub usize);

/// Where the kernel has physical memory mapped: `frames` lie, in order, from `base`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectMap {
    base: NonNull<u8>,
    frames: FrameRange,
}

impl DirectMap {
    /// The map of `frames` at `base`.
    #[must_use]
    pub const fn new(base: NonNull<u8>, frames: FrameRange) -> Self {
        Self { base, frames }
    }

    /// The address of the first mapped frame.
    #[must_use]
    pub const fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// The frames that are mapped.
    #[must_use]
    pub const fn frames(&self) -> FrameRange {
        self.frames
    }

    /// Bytes from [`base`](Self::base) to `frame`, if it is mapped and the distance fits an `isize`.
    #[must_use]
    pub const fn offset_of(&self, frame: Pfn, page_shift: u32) -> Option<usize> {
        if !self.frames.contains(frame) {
            return None;
        }
        let index = frame.0 - self.frames.start().0;
        if index > (isize::MAX as usize) >> page_shift { None } else { Some(index << page_shift) }
    }

    /// The frame in which `address` lies, if it is in the map.
    #[must_use]
    pub fn frame_of(&self, address: usize, page_shift: u32) -> Option<Pfn> {
        let index = address.checked_sub(self.base.addr().get())? >> page_shift;
        (index < self.frames.count()).then(|| Pfn(self.frames.start().0 + index))
    }
}
