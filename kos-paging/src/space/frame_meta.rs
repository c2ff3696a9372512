//! Counts of one frame: who maps or holds it, and which devices work on it.
//!
//! Both counts are one word, so that "nobody else has it" is one load: the entry of the asking space is one reference,
//! each pin is another. Whoever takes the last reference away frees the frame.
//! The invariant `refs == entries + pins + holds of objects` is walked by the tests' recount.
#![expect(unsafe_code, reason = "claims that a frame is counted, so that it may be mapped and freed")]

use core::sync::atomic::{AtomicUsize, Ordering, fence};

use super::ports::FrameTable;
use crate::addr::PhysAddr;
use crate::ports::{Frame, FrameSource};

/// The frame belongs, or belonged, to an object: its pages are counted as a file's.
const OBJECT: usize = 1;
const REF: usize = 2;
const PIN: usize = 1 << (usize::BITS / 2);
/// Bits of the references; the pins are above.
const REFS: usize = (PIN - 1) & !(REF - 1);

/// The counts of one frame, 4 or 8 bytes. The integrator keeps one for each frame that a space may own, zero at first.
#[derive(Debug, Default)]
pub struct FrameMeta(AtomicUsize);

impl FrameMeta {
    /// The counts of a frame that nobody uses.
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicUsize::new(0))
    }

    /// Entries, pins and objects that hold the frame.
    #[must_use]
    pub fn refs(&self) -> usize {
        (self.0.load(Ordering::Relaxed) & REFS) / REF
    }

    /// How many of them are pins.
    #[must_use]
    pub fn pins(&self) -> usize {
        self.0.load(Ordering::Relaxed) / PIN
    }

    /// Whether an object gave the frame.
    pub(crate) fn is_object(&self) -> bool {
        self.0.load(Ordering::Relaxed) & OBJECT != 0
    }

    /// Whether, pins aside, one reference is all there is.
    ///
    /// Acquires what others wrote before they gave theirs up.
    pub(crate) fn is_sole(&self) -> bool {
        let word = self.0.load(Ordering::Acquire);
        (word & REFS) / REF == 1 + word / PIN
    }

    /// Takes one more reference, if the count has room.
    pub(crate) fn try_ref(&self) -> bool {
        let more = |word: usize| (word & REFS < REFS - REF).then(|| word + REF);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    /// Takes a reference that is a pin, if both counts have room.
    pub(crate) fn try_pin(&self) -> bool {
        let more = |word: usize| (word & REFS < REFS - REF).then(|| word + REF)?.checked_add(PIN);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    fn mark_object(&self) {
        self.0.fetch_or(OBJECT, Ordering::Relaxed);
    }

    /// Gives up one reference; whether it was the last.
    fn unref(&self, amount: usize) -> bool {
        let word = self.0.fetch_sub(amount, Ordering::Release);
        debug_assert!(word & REFS >= REF, "a frame was given up more often than it was taken");
        if word & REFS != REF {
            return false;
        }
        fence(Ordering::Acquire);
        self.0.store(0, Ordering::Relaxed);
        true
    }
}

/// A reference to a counted frame: what an object gives to be mapped.
///
/// Not `Copy`: it is handed over, or given up with [`release`](Self::release); dropping it leaks the frame.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a reference that is dropped keeps its frame for ever"]
pub struct FrameRef(PhysAddr);

impl FrameRef {
    /// Makes a fresh frame a counted one, with one reference.
    ///
    /// # Errors
    ///
    /// The frame, if `table` does not count it, or it is not as long as a page.
    pub fn count<T: FrameTable + ?Sized>(table: &T, frame: Frame) -> Result<Self, Frame> {
        match table.meta(frame.address()) {
            Some(meta) if frame.order() == table.page_order() && meta.try_ref() => Ok(Self(frame.address())),
            _ => Err(frame),
        }
    }

    /// Makes each of the `pages` pages of a fresh block a counted frame with one reference; else all of them go back.
    pub(crate) fn count_block<T: FrameTable + FrameSource + ?Sized>(
        table: &T,
        block: Frame,
        pages: u64,
    ) -> bool {
        let (first, order) = (block.address().get(), table.page_order());
        let page = |index: u64| PhysAddr::new(first + index * (4096 << order));
        let counted = |index: u64| table.meta(page(index)).is_some_and(FrameMeta::try_ref);
        let Some(uncounted) = (0..pages).find(|index| !counted(*index)) else { return true };
        for index in 0..pages {
            if index < uncounted {
                Self(page(index)).release(table);
            } else {
                // SAFETY: the block is owned alone, and this page of it is given up once.
                let frame = unsafe { Frame::of_order(page(index), order) };
                table.free(frame);
            }
        }
        false
    }

    /// Takes one more reference to the frame at `phys`, which an object holds; `None` if it is not counted or has as
    /// many as can be counted.
    ///
    /// # Safety
    ///
    /// The frame came from the [`FrameSource`] that goes with `table`, the caller holds a reference to it now, and its
    /// content may be read, and written where the object allows it, by whoever gets it mapped.
    pub unsafe fn share<T: FrameTable + ?Sized>(table: &T, phys: PhysAddr) -> Option<Self> {
        let meta = table.meta(phys).filter(|meta| meta.try_ref())?;
        meta.mark_object();
        Some(Self(phys))
    }

    /// The reference of a page-table entry, or of a pin, of ours.
    pub(crate) const fn adopt(phys: PhysAddr) -> Self {
        Self(phys)
    }

    /// Hands the reference over to an entry.
    pub(crate) const fn into_entry(self) -> PhysAddr {
        self.0
    }

    /// Where the frame is.
    #[must_use]
    pub const fn address(&self) -> PhysAddr {
        self.0
    }

    /// Gives the reference up; the last frees the frame.
    pub fn release<P: FrameTable + FrameSource + ?Sized>(self, ports: &P) {
        drop_reference(ports, self.0, REF);
    }
}

/// Gives up a pin.
pub(crate) fn unpin<P: FrameTable + FrameSource + ?Sized>(ports: &P, phys: PhysAddr) {
    drop_reference(ports, phys, PIN + REF);
}

fn drop_reference<P: FrameTable + FrameSource + ?Sized>(ports: &P, phys: PhysAddr, amount: usize) {
    if ports.meta(phys).is_some_and(|meta| meta.unref(amount)) {
        // SAFETY: counted frames came from the source (`FrameRef::count`), and the last reference is gone.
        let frame = unsafe { Frame::of_order(phys, ports.page_order()) };
        ports.free(frame);
    }
}

#[cfg(test)]
mod tests {
    use core::cell::Cell;

    use super::*;
    use crate::ports::{FrameRequest, OutOfFrames};

    /// A source of one block of four pages of 16 KiB, which notes what comes back.
    #[derive(Default)]
    struct Pages {
        counts: [FrameMeta; 4],
        back: Cell<(u64, u8)>,
    }

    const PAGE: u64 = 4096 << 2;

    // SAFETY: a count for each page.
    unsafe impl FrameTable for Pages {
        fn meta(&self, phys: PhysAddr) -> Option<&FrameMeta> {
            self.counts.get(usize::try_from(phys.get() / PAGE).ok()?)
        }

        fn page_order(&self) -> u8 {
            2
        }
    }

    impl FrameSource for Pages {
        fn allocate(&self, _: FrameRequest) -> Result<Frame, OutOfFrames> {
            Err(OutOfFrames)
        }

        fn free(&self, frame: Frame) {
            let (pages, _) = self.back.get();
            self.back.set((pages + 1, frame.order()));
        }
    }

    #[test]
    fn pages_go_back_as_long_as_they_are() {
        let pages = Pages::default();
        // SAFETY: nobody looks at the memory.
        let block = || unsafe { Frame::of_order(PhysAddr::new(0), 4) };
        assert!(FrameRef::count_block(&pages, block(), 4));
        (0..4).for_each(|page| FrameRef(PhysAddr::new(page * PAGE)).release(&pages));
        assert_eq!(pages.back.take(), (4, 2));
        assert!(!FrameRef::count_block(&pages, block(), 5), "the fifth is not counted");
        assert_eq!(pages.back.take(), (5, 2));
        // SAFETY: nobody looks at the memory.
        let short = unsafe { Frame::new(PhysAddr::new(0)) };
        assert!(FrameRef::count(&pages, short).is_err(), "it would go back longer than it is");
    }
}
