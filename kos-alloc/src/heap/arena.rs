//! Where the heap's memory lies and what each frame of it is: [`Arena`].
//!
//! The arena is the frame source's span seen through the direct map, with one byte a frame, the page map (its meanings:
//! [`super::pagemap`]). All address arithmetic of the heap is here; every pointer that the heap hands out or writes
//! through descends from the direct map's base. Frames are counted from the span's first, as an *index*.
//!
//! Invariant, on which the unsafe code rests: [`Arena::new`]'s promise, made once in `init`. The bytes are atomic, so
//! that the owner of a frame may mark it without a lock; the frame itself passes between owners through the frame source,
//! whose lock orders the marks.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU8, Ordering};

use crate::error::InitError;
use crate::slab::SLAB_LIMIT;
use crate::types::{DirectMap, FrameRange, Pfn};

/// The heap's memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arena {
    base: NonNull<u8>,
    marks: NonNull<AtomicU8>,
    first: Pfn,
    frames: usize,
    shift: u32,
    /// The bits in which the address of a frame differs from its physical address.
    skew: usize,
}

// SAFETY: it names plain memory that is the same for every CPU; access to it is what the methods say.
unsafe impl Send for Arena {}
// SAFETY: it never changes; what it names is atomic, or the affair of who follows its pointers.
unsafe impl Sync for Arena {}

impl Arena {
    /// The address in `map` of the first frame of `span`, and the bits in which addresses differ from physical ones.
    ///
    /// # Errors
    ///
    /// [`InitError`] if a frame of the span is not in the map, or the map does not keep the alignment of slabs.
    pub(super) fn place(map: &DirectMap, span: FrameRange, shift: u32) -> Result<(usize, usize), InitError> {
        let not_mapped = InitError::NotMapped { span, mapped: map.frames() };
        let last = span.count().checked_sub(1).ok_or(InitError::NoFrames)?;
        let reached =
            map.frames().contains_range(&span) && map.offset_of(Pfn(span.start().0 + last), shift).is_some();
        let offset = map.offset_of(span.start(), shift).filter(|_| reached).ok_or(not_mapped)?;
        // Bits lost at the top of a physical address that is wider than an address are above every alignment.
        let skew = map.base().addr().get().wrapping_add(offset) ^ (span.start().0 << shift);
        if !skew.is_multiple_of(SLAB_LIMIT) {
            return Err(InitError::Skewed { keeps: 1 << skew.trailing_zeros(), needed: SLAB_LIMIT });
        }
        Ok((offset, skew))
    }

    /// Frames that the page map of `span` needs.
    pub(super) const fn page_map_frames(span: FrameRange, shift: u32) -> usize {
        span.count().div_ceil(1 << shift)
    }

    /// The arena of `span`, each frame unused.
    ///
    /// # Errors
    ///
    /// As [`place`](Self::place), also if `page_map` is not in the span.
    ///
    /// # Safety
    ///
    /// `map` is the direct map of the environment, which stays as it is; `span` holds every frame that the frame source
    /// ever hands out; `page_map` are [`page_map_frames`](Self::page_map_frames) frames that belong to the heap for ever.
    pub(super) unsafe fn new(
        map: &DirectMap,
        span: FrameRange,
        page_map: FrameRange,
        shift: u32,
    ) -> Result<Self, InitError> {
        let (offset, skew) = Self::place(map, span, shift)?;
        // SAFETY: the offset is that of a mapped frame and fits an `isize`, says `place`.
        let base = unsafe { map.base().add(offset) };
        let arena =
            Self { base, marks: NonNull::dangling(), first: span.start(), frames: span.count(), shift, skew };
        let marks = arena.index_of_frame(page_map.start()).and_then(|index| arena.address(index));
        let marks = marks.ok_or(InitError::NotMapped { span: page_map, mapped: span })?;
        // SAFETY: the caller gives these frames to the heap; they have a byte for each frame of the span.
        unsafe { marks.write_bytes(0, span.count()) };
        Ok(Self { marks: marks.cast(), ..arena })
    }

    /// Number of frames.
    pub(super) const fn frames(&self) -> usize {
        self.frames
    }

    /// Bytes of a frame.
    pub(super) const fn frame_bytes(&self) -> usize {
        1 << self.shift
    }

    /// Frames that hold `bytes`.
    #[inline]
    pub(super) const fn frames_for(&self, bytes: usize) -> usize {
        bytes.div_ceil(1 << self.shift)
    }

    /// Whether a frame whose number is aligned has an address that is aligned to `align` bytes.
    pub(super) const fn keeps(&self, align: usize) -> bool {
        self.skew & (align - 1) == 0
    }

    /// The frame in which `address` lies.
    #[inline]
    pub(super) fn index_of(&self, address: usize) -> Option<usize> {
        let index = address.wrapping_sub(self.base.addr().get()) >> self.shift;
        (index < self.frames).then_some(index)
    }

    /// As [`index_of`](Self::index_of), where the caller knows the size of a frame at compile time.
    #[inline]
    pub(super) fn index_by_shift(&self, address: usize, shift: u32) -> Option<usize> {
        debug_assert!(shift == self.shift);
        let index = address.wrapping_sub(self.base.addr().get()) >> shift;
        (index < self.frames).then_some(index)
    }

    /// The pointer to `address`.
    ///
    /// # Safety
    ///
    /// It lies in a frame of the span.
    #[inline]
    pub(super) unsafe fn pointer_within(&self, address: usize) -> NonNull<u8> {
        let offset = address.wrapping_sub(self.base.addr().get());
        // SAFETY: the frame is one of the span, which `new` found mapped from `base` at offsets that fit an `isize`.
        unsafe { self.base.add(offset) }
    }

    pub(super) fn index_of_frame(&self, frame: Pfn) -> Option<usize> {
        let index = frame.0.wrapping_sub(self.first.0);
        (index < self.frames).then_some(index)
    }

    pub(super) const fn frame(&self, index: usize) -> Pfn {
        Pfn(self.first.0 + index)
    }

    /// The frame behind the last.
    pub(super) const fn end(&self) -> Pfn {
        Pfn(self.first.0 + self.frames)
    }

    /// `count` frames from `index`.
    pub(super) const fn range(&self, index: usize, count: usize) -> FrameRange {
        FrameRange::between(self.frame(index), self.frame(index + count))
    }

    /// The address of frame `index`.
    #[inline]
    pub(super) fn address(&self, index: usize) -> Option<NonNull<u8>> {
        if index >= self.frames {
            return None;
        }
        // SAFETY: the frame is one of the span, which `new` found mapped from `base` at offsets that fit an `isize`.
        Some(unsafe { self.base.add(index << self.shift) })
    }

    /// The page-map byte of frame `index`, 0 outside.
    #[inline]
    pub(super) fn mark(&self, index: usize) -> u8 {
        if index >= self.frames {
            return 0;
        }
        self.byte(index).load(Ordering::Relaxed)
    }

    /// Sets the page-map byte of frame `index`, which belongs to the caller. A byte that names a slab is written under the
    /// lock of its class alone.
    #[inline]
    pub(super) fn set_mark(&self, index: usize, mark: u8) {
        if index < self.frames {
            self.byte(index).store(mark, Ordering::Relaxed);
        }
    }

    /// Sets the page-map byte of frame `index` to `new` if it is `old`: of several callers one succeeds.
    pub(super) fn replace_mark(&self, index: usize, old: u8, new: u8) -> bool {
        index < self.frames
            && self.byte(index).compare_exchange(old, new, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// The pointer to `address`, if it lies in a frame of the span.
    #[inline]
    pub(super) fn pointer(&self, address: usize) -> Option<NonNull<u8>> {
        let offset = address.wrapping_sub(self.base.addr().get());
        if offset >> self.shift >= self.frames {
            return None;
        }
        // SAFETY: the offset is within the span, which `new` found mapped from `base` and no longer than `isize::MAX`.
        Some(unsafe { self.base.add(offset) })
    }

    #[inline]
    fn byte(&self, index: usize) -> &AtomicU8 {
        debug_assert!(index < self.frames);
        // SAFETY: all callers compared the index; the page map has a byte for each frame of the span, says `new`.
        let byte = unsafe { self.marks.add(index) };
        // SAFETY: the byte was written by `new`, is only used as an atomic, and lives as long as the heap.
        unsafe { byte.as_ref() }
    }
}
