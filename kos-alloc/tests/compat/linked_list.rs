// How kernels use `linked_list_allocator` 0.10. Included where `peer` is that crate, and where it is ours by its name.

use alloc::sync::Arc;
use core::alloc::{GlobalAlloc, Layout};
use core::mem::MaybeUninit;
use core::ptr::{self, NonNull};

use self::peer::{Heap, LockedHeap};

/// As kernels have it, with `#[global_allocator]` before it.
static ALLOCATOR: LockedHeap = LockedHeap::empty();

const HEAP_SIZE: usize = 256 * 1024;

fn memory(bytes: usize) -> &'static mut [MaybeUninit<u8>] {
    let words = vec![MaybeUninit::<u128>::uninit(); bytes / 16].leak();
    // SAFETY: the same memory as bytes.
    unsafe { core::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), bytes) }
}

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

/// blog_os: a global allocator that is initialised when the heap's pages are mapped.
#[test]
fn a_static_heap_is_initialised_later_and_serves_the_global_allocator() {
    fn serves(allocator: &'static (impl GlobalAlloc + Sync)) {
        // SAFETY: the layouts are the block's own, and have a size.
        unsafe {
            let block = allocator.alloc_zeroed(layout(100, 8));
            assert_eq!(*block.add(99), 0);
            block.write_bytes(7, 100);
            let block = allocator.realloc(block, layout(100, 8), 1000);
            assert_eq!(*block.add(99), 7);
            allocator.dealloc(block, layout(1000, 8));
        }
    }
    // SAFETY: the layout has a size.
    assert!(unsafe { ALLOCATOR.alloc(layout(8, 8)) }.is_null());
    let heap_start = memory(HEAP_SIZE).as_mut_ptr().cast::<u8>();
    // SAFETY: the memory is the heap's alone.
    unsafe { ALLOCATOR.lock().init(heap_start, HEAP_SIZE) };
    serves(&ALLOCATOR);
    let heap = ALLOCATOR.lock();
    assert_eq!((heap.size(), heap.used(), heap.free()), (HEAP_SIZE, 0, HEAP_SIZE));
    assert_eq!((heap.bottom(), heap.top()), (heap_start, heap_start.wrapping_add(HEAP_SIZE)));
}

/// A heap per process or per core, shared by reference count.
#[test]
fn a_heap_behind_an_arc_is_shared() {
    // SAFETY: the memory is the heap's alone.
    let heap = Arc::new(unsafe { LockedHeap::new(memory(HEAP_SIZE).as_mut_ptr().cast(), HEAP_SIZE) });
    let workers: Vec<_> = (0..4)
        .map(|_| {
            let heap = Arc::clone(&heap);
            std::thread::spawn(move || {
                for size in 1..500 {
                    // SAFETY: the layout is the block's own, and has a size.
                    unsafe { heap.dealloc(heap.alloc(layout(size, 8)), layout(size, 8)) };
                }
            })
        })
        .collect();
    workers.into_iter().for_each(|worker| worker.join().unwrap());
    assert!(heap.try_lock().is_some_and(|heap| heap.used() == 0));
}

#[test]
#[should_panic(expected = "already been initialized")]
fn a_heap_is_initialised_once() {
    let mut heap = Heap::empty();
    heap.init_from_slice(memory(4096));
    heap.init_from_slice(memory(4096));
}

#[test]
#[should_panic(expected = "empty heap")]
fn an_empty_heap_cannot_be_extended() {
    // SAFETY: it panics.
    unsafe { Heap::empty().extend(64) };
}

#[test]
fn alignment_helpers() {
    assert_eq!((peer::align_down_size(4097, 4096), peer::align_down_size(7, 0)), (4096, 7));
    assert_eq!((peer::align_up_size(4097, 4096), peer::align_up_size(4096, 4096)), (8192, 4096));
    let address = ptr::without_provenance_mut(0x1001);
    assert_eq!(peer::align_up(address, 0x1000).addr(), 0x2000);
}

/// What a kernel sees of a heap that it fills, empties and extends.
pub(super) fn workload() -> Vec<usize> {
    let memory = memory(HEAP_SIZE);
    let (first, _behind) = memory.split_at_mut(HEAP_SIZE / 2);
    let mut heap = Heap::from_slice(first);
    let mut seen = vec![heap.size(), heap.free(), heap.top().addr() - heap.bottom().addr()];
    let mut live: Vec<(NonNull<u8>, Layout)> = Vec::new();
    let mut random = 1u64;
    for step in 0..4000 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let number = (random >> 33) as usize;
        if number % 5 < 2 && !live.is_empty() {
            let (block, layout) = live.swap_remove(number % live.len());
            // SAFETY: nobody uses it.
            unsafe { heap.deallocate(block, layout) };
        } else if live.len() < 400 {
            let layout = layout(1 + number % 200, 1 << (number % 6));
            let block = heap.allocate_first_fit(layout).unwrap();
            assert!(block.addr().get().is_multiple_of(layout.align()));
            live.push((block, layout));
        }
        if step == 2000 {
            // Odd amounts: some wait for the next.
            for by in [HEAP_SIZE / 4, 3, 5, HEAP_SIZE / 4 - 8] {
                // SAFETY: the memory lies behind the heap, and is its alone.
                unsafe { heap.extend(by) };
                seen.extend([heap.size(), heap.top().addr() - heap.bottom().addr()]);
            }
        }
        seen.extend([heap.used(), heap.free()]);
    }
    for (block, layout) in live {
        // SAFETY: nobody uses it.
        unsafe { heap.deallocate(block, layout) };
    }
    seen.extend([heap.used(), heap.free()]);
    // Whole again, and no more than whole.
    seen.extend([(); 3].map(|()| usize::from(heap.allocate_first_fit(layout(100_000, 16)).is_ok())));
    seen
}
