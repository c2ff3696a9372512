//! Ours: `KernelHeap` over `Frames<_, Buddy>`, with any lock.

use core::alloc::Layout;
use core::ptr::NonNull;

use kos_alloc::frame::Config;
use kos_alloc::{Buddy, Frames, KernelHeap};
use lock_api::RawMutex;

use crate::harness::memory::{ARENA_BYTES, Arena};
use crate::harness::must;
use crate::heap::Heap;
use crate::kos::{Host, storage};

/// `KernelHeap`; heap and frames lock with `L`.
pub(super) struct Kos<L: RawMutex + Send + Sync> {
    heap: KernelHeap<Host<L>, Frames<Host<L>>>,
    _arena: Arena,
}

impl<L: RawMutex + Send + Sync + 'static> Heap for Kos<L> {
    fn new() -> Self {
        let arena = Arena::touched(ARENA_BYTES);
        let host: Host<L> = Host::new(&arena);
        let usable = [host.frames()];
        let words = must(Buddy::storage_words(Config::default(), &usable, &[]).ok());
        let buddy = must(Buddy::new(storage(words), Config::default(), &usable, &[]).ok());
        let frames = Frames::new(Host::new(&arena));
        // SAFETY: the frames are those of the arena, which is used by nobody else and lives as long as the heap.
        must(unsafe { frames.init(buddy) }.ok());
        let heap = KernelHeap::new(host, frames);
        must(heap.init().ok());
        Self { heap, _arena: arena }
    }

    #[inline]
    fn allocate(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        self.heap.allocate(layout).ok()
    }

    #[inline]
    unsafe fn free(&mut self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        must(unsafe { self.heap.free(block, layout) }.ok());
    }
}
