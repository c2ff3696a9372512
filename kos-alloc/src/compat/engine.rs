//! What both peers are here: [`Engine`], one TLSF over all memory that was added.
//!
//! Unlike [`Tiny`](crate::tiny::Tiny), whose ranges can be taken back, all memory is in the same lists, and an extension
//! joins the pool before it, as the peers have it. Each range that was added begins with its part of the live map; an
//! extension has none, for there is no place for one that would not cut the pool.
//!
//! Invariants, on which the unsafe code rests; the fields are private: `newest` and the `older` of each segment name
//! segments that were written once and stay; a bit is set if and only if a block starts there that was handed out; a block
//! of an alignment of a granule or more starts at a multiple of one, every other block does not.

use core::alloc::Layout;
use core::ops::Range;
use core::ptr::NonNull;

use rlsf::{GRANULARITY, Tlsf};

use crate::tiny::{LiveMap, Place};

/// As many as addresses have bits: only then are adjoining pools merged.
const DOUBLINGS: usize = (usize::BITS - GRANULARITY.trailing_zeros()) as usize;
const STEPS: usize = 8;

/// A heap without a lock that only grows.
#[derive(Debug)]
pub(super) struct Engine {
    lists: Tlsf<'static, usize, u8, DOUBLINGS, STEPS>,
    newest: Option<NonNull<Segment>>,
    /// What the range that was added last was extended by, which no segment covers.
    extension: Range<usize>,
}

// SAFETY: the segments and the memory that they describe are the engine's own.
unsafe impl Send for Engine {}

/// The head of a range.
#[derive(Debug)]
struct Segment {
    older: Option<NonNull<Self>>,
    live: LiveMap,
}

impl Engine {
    pub(super) const fn new() -> Self {
        Self { lists: Tlsf::new(), newest: None, extension: 0..0 }
    }

    /// Takes a range; too short a one is left alone.
    ///
    /// # Safety
    ///
    /// It is writable memory that nobody else uses, for ever.
    pub(super) unsafe fn add(&mut self, range: NonNull<[u8]>) {
        let Ok(place) = Place::of::<Segment>(range) else { return };
        // SAFETY: passed on from the caller; here and below.
        let (head, live) = unsafe { place.carve::<Segment>(range) };
        // SAFETY: as above.
        unsafe { self.lists.insert_free_block_ptr(live.range()) };
        let end = live.base().addr().get() + live.bytes();
        self.extension = end..end;
        // SAFETY: `carve` says that a segment may be written there.
        unsafe { head.write(Segment { older: self.newest, live }) };
        self.newest = Some(head);
    }

    /// Whether a range was added.
    #[cfg(feature = "compat-linked-list")]
    pub(super) const fn is_ready(&self) -> bool {
        self.newest.is_some()
    }

    /// Takes what lies between the end of the range that was added last and `end`; less than a granule waits.
    ///
    /// # Safety
    ///
    /// As for [`add`](Self::add).
    #[cfg(feature = "compat-linked-list")]
    pub(super) unsafe fn extend_to(&mut self, end: NonNull<u8>) {
        let Some(start) = core::num::NonZero::new(self.extension.end).map(|start| end.with_addr(start))
        else {
            return;
        };
        let more = end.addr().get().saturating_sub(self.extension.end);
        // SAFETY: the caller gives the memory; it begins where the last pool ends.
        let taken = unsafe { self.lists.append_free_block_ptr(NonNull::slice_from_raw_parts(start, more)) };
        self.extension.end += taken;
    }

    /// A block of `layout`, of a byte at least.
    pub(super) fn allocate(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        let layout = Layout::from_size_align(layout.size().max(1), layout.align()).ok()?;
        let block = self.lists.allocate(layout)?;
        if let Some(map) = self.map_of(block) {
            map.set(block.addr().get(), true);
        }
        Some(block)
    }

    /// Takes a block back; says whether it was one.
    ///
    /// # Safety
    ///
    /// A block in an extension is live.
    pub(super) unsafe fn free(&mut self, ptr: NonNull<u8>) -> bool {
        let address = ptr.addr().get();
        let extended = self.extension.contains(&address);
        match self.map_of(ptr) {
            Some(map) if map.is_live(address) => map.set(address, false),
            None if extended => {}
            _ => return false,
        }
        let align = if address.is_multiple_of(GRANULARITY) { GRANULARITY } else { 1 };
        // SAFETY: the block was live until now. Of the alignment rlsf asks only whether it is a granule or more, and that
        // the address says.
        unsafe { self.lists.deallocate(ptr, align) };
        true
    }

    /// The part of the map in which `ptr` lies.
    fn map_of(&mut self, ptr: NonNull<u8>) -> Option<&mut LiveMap> {
        let mut next = self.newest;
        loop {
            // SAFETY: a segment stays where it is, and `self` is borrowed as long as the caller uses it.
            let segment = unsafe { next?.as_mut() };
            if segment.live.covers(ptr.addr().get()) {
                return Some(&mut segment.live);
            }
            next = segment.older;
        }
    }
}
