//! The frame allocators that are compared.

use bitmap_allocator::{BitAlloc, BitAlloc1M};
use buddy_slab_allocator::BuddyAllocator;
use buddy_system_allocator::FrameAllocator;
use free_list::{FreeList, PageLayout, PageRange};

use kos_alloc::{Bitmap, Buddy};

use super::{FRAMES, Frames, Workload, kos};
use crate::harness::memory::Arena;
use crate::harness::must;
use crate::harness::question::{Body, Promise, Subject};
use crate::lock::{NoLock, Spin};
use crate::peers::peer;

/// Bytes in a frame.
const FRAME: usize = 4096;

/// All frame allocators, ours first.
pub(crate) fn subjects<W: Workload>(workload: W) -> Vec<Subject> {
    let caches = "checks every free; CPU caches";
    let mut subjects = vec![
        subject("kos-alloc Zones, spin lock".to_owned(), Promise::Shared, caches, move || {
            workload.body(kos::Zoned::<Spin>::new())
        }),
        subject("kos-alloc Zones".to_owned(), Promise::Exclusive, caches, move || {
            workload.body(kos::Zoned::<NoLock>::new())
        }),
    ];
    subjects.extend(ours::<Buddy<'static>, W>("Buddy", workload));
    subjects.extend(ours::<Bitmap<'static>, W>("Bitmap", workload));
    subjects.extend(pair::<BuddySystem, W>(
        "buddy_system_allocator",
        "FrameAllocator",
        "sets in malloc",
        workload,
    ));
    subjects.extend(pair::<BitMap, W>("bitmap-allocator", "BitAlloc1M", "", workload));
    subjects.extend(pair::<BuddySlab, W>("buddy-slab-allocator", "BuddyAllocator", "", workload));
    subjects.extend(pair::<Ranges, W>("free-list", "FreeList<16>", "a sorted list of ranges", workload));
    subjects
}

/// One of our backends, in `Frames` and alone.
fn ours<T: kos::Make, W: Workload>(name: &str, workload: W) -> [Subject; 2] {
    let note = "checks every free";
    [
        subject(format!("kos-alloc Frames<{name}>, spin lock"), Promise::Shared, note, move || {
            workload.body(kos::Locked::<T>::new())
        }),
        subject(format!("kos-alloc {name}"), Promise::Exclusive, note, move || {
            workload.body(kos::Alone::<T>::new())
        }),
    ]
}

/// The same allocator twice: behind the spin lock and alone.
fn pair<F: Frames, W: Workload>(
    name: &str,
    configuration: &str,
    note: &'static str,
    workload: W,
) -> [Subject; 2] {
    let name = peer(name);
    [
        subject(format!("{name} {configuration}, spin lock"), Promise::Shared, note, move || {
            workload.body(Locked::<F>::new())
        }),
        subject(format!("{name} {configuration}"), Promise::Exclusive, note, move || workload.body(F::new())),
    ]
}

fn subject(
    name: String,
    promise: Promise,
    note: &'static str,
    make: impl Fn() -> Box<dyn Body> + 'static,
) -> Subject {
    Subject { name, promise, note, counted: true, make: Box::new(make) }
}

/// A frame allocator behind the lock that ours has.
struct Locked<F>(lock_api::Mutex<Spin, F>);

impl<F: Frames> Frames for Locked<F> {
    fn new() -> Self {
        Self(lock_api::Mutex::new(F::new()))
    }

    #[inline]
    fn allocate(&mut self, count: usize) -> Option<usize> {
        self.0.lock().allocate(count)
    }

    #[inline]
    fn free(&mut self, first: usize, count: usize) {
        self.0.lock().free(first, count);
    }
}

/// 19 orders: the largest block has all frames.
struct BuddySystem(FrameAllocator<19>);

impl Frames for BuddySystem {
    fn new() -> Self {
        let mut frames = FrameAllocator::new();
        frames.add_frame(0, FRAMES);
        Self(frames)
    }

    #[inline]
    fn allocate(&mut self, count: usize) -> Option<usize> {
        self.0.alloc(count)
    }

    #[inline]
    fn free(&mut self, first: usize, count: usize) {
        self.0.dealloc(first, count);
    }
}

struct BitMap(Box<BitAlloc1M>);

impl Frames for BitMap {
    fn new() -> Self {
        let mut frames = Box::new(BitAlloc1M::DEFAULT);
        frames.insert(0..FRAMES);
        Self(frames)
    }

    #[inline]
    fn allocate(&mut self, count: usize) -> Option<usize> {
        if count == 1 { self.0.alloc() } else { self.0.alloc_contiguous(None, count, 0) }
    }

    #[inline]
    fn free(&mut self, first: usize, count: usize) {
        let freed = if count == 1 { self.0.dealloc(first) } else { self.0.dealloc_contiguous(first, count) };
        assert!(freed);
    }
}

struct BuddySlab {
    frames: BuddyAllocator<FRAME>,
    _memory: Arena,
}

impl Frames for BuddySlab {
    fn new() -> Self {
        let metadata = BuddyAllocator::<FRAME>::required_meta_size(FRAMES * FRAME).next_multiple_of(FRAME);
        // One frame more for the header of the section.
        let memory = Arena::untouched(FRAMES * FRAME + metadata + FRAME);
        let mut frames = BuddyAllocator::new();
        // SAFETY: the only slice of the arena; the arena lives as long as the allocator.
        let slice = unsafe { memory.slice() };
        // SAFETY: the memory is used by nobody else.
        must(unsafe { frames.init(slice) }.ok());
        Self { frames, _memory: memory }
    }

    #[inline]
    fn allocate(&mut self, count: usize) -> Option<usize> {
        Some(self.frames.alloc_pages(count, FRAME).ok()? / FRAME)
    }

    #[inline]
    fn free(&mut self, first: usize, count: usize) {
        self.frames.dealloc_pages(first * FRAME, count);
    }
}

struct Ranges(FreeList<16>);

impl Ranges {
    fn range(first: usize, count: usize) -> Option<PageRange> {
        PageRange::from_start_len(first * FRAME, count * FRAME).ok()
    }
}

impl Frames for Ranges {
    fn new() -> Self {
        let mut frames = FreeList::new();
        // SAFETY: the ranges are only counted, nobody uses the memory.
        must(unsafe { frames.deallocate(must(Self::range(0, FRAMES))) }.ok());
        Self(frames)
    }

    #[inline]
    fn allocate(&mut self, count: usize) -> Option<usize> {
        let layout = PageLayout::from_size(count * FRAME).ok()?;
        Some(self.0.allocate(layout).ok()?.start() / FRAME)
    }

    #[inline]
    fn free(&mut self, first: usize, count: usize) {
        // SAFETY: as above.
        must(unsafe { self.0.deallocate(must(Self::range(first, count))) }.ok());
    }
}
