// How kernels use `buddy_system_allocator` 0.13. Included where `peer` is that crate, and where it is ours by its name.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::NonNull;

use self::peer::{Heap, LockedHeap, LockedHeapWithRescue};

/// As kernels have it, with `#[global_allocator]` before it.
static HEAP_ALLOCATOR: LockedHeap<33> = LockedHeap::<33>::empty();

static RESCUED: LockedHeapWithRescue<33> = LockedHeapWithRescue::new(enlarge_heap);

const HEAP_SIZE: usize = 1 << 18;

fn memory(bytes: usize) -> usize {
    // A heap of the peer is cut at the powers of two of its address.
    let words = vec![0u128; 2 * bytes / 16].leak();
    words.as_mut_ptr().expose_provenance().next_multiple_of(bytes)
}

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

/// rCore and Redox: more memory is mapped when an allocation would fail.
fn enlarge_heap(heap: &mut Heap<33>, layout: &Layout) {
    let bytes = (layout.size() * 2).next_power_of_two().max(1 << 16);
    let start = memory(bytes);
    // SAFETY: the memory is the heap's alone.
    unsafe { heap.add_to_heap(start, start + bytes) };
}

#[test]
fn a_static_heap_is_initialised_later_and_serves_the_global_allocator() {
    fn serves(allocator: &'static (impl GlobalAlloc + Sync)) {
        // SAFETY: the layouts are the block's own, and have a size.
        unsafe {
            let block = allocator.alloc_zeroed(layout(100, 8));
            assert_eq!(*block.add(99), 0);
            allocator.dealloc(allocator.realloc(block, layout(100, 8), 1000), layout(1000, 8));
        }
    }
    // SAFETY: the layout has a size.
    assert!(unsafe { HEAP_ALLOCATOR.alloc(layout(8, 8)) }.is_null());
    // SAFETY: the memory is the heap's alone.
    unsafe { HEAP_ALLOCATOR.lock().init(memory(HEAP_SIZE), HEAP_SIZE) };
    serves(&HEAP_ALLOCATOR);
    assert!(HEAP_ALLOCATOR.try_lock().is_some_and(|heap| heap.stats_alloc_user() == 0));
}

#[test]
fn the_rescue_is_asked_before_an_allocation_fails() {
    let block = layout(100_000, 4096);
    // SAFETY: the layout is the block's own, and has a size.
    unsafe {
        let first = RESCUED.alloc(block);
        assert!(!first.is_null() && first.addr().is_multiple_of(4096));
        let second = RESCUED.alloc(block);
        assert!(!second.is_null());
        RESCUED.dealloc(first, block);
        RESCUED.dealloc(second, block);
    }
    assert_eq!(RESCUED.lock().stats_alloc_user(), 0);
    assert!(RESCUED.lock().stats_total_bytes() >= 1 << 18);
}

#[test]
fn a_heap_is_made_in_each_way() {
    let heaps = [Heap::<20>::new(), Heap::<20>::empty(), Heap::<20>::default()];
    heaps.iter().for_each(|heap| assert_eq!(heap.stats_total_bytes(), 0));
    let locked = [LockedHeap::<20>::new(), LockedHeap::<20>::empty(), LockedHeap::<20>::default()];
    locked.iter().for_each(|heap| assert!(heap.lock().alloc(Layout::new::<u8>()).is_err()));
}

/// What a kernel sees of a heap that it fills and empties.
pub(super) fn workload() -> (Vec<usize>, String) {
    let mut heap = Heap::<17>::empty();
    let start = memory(HEAP_SIZE);
    // SAFETY: the memory is the heap's alone; here and below.
    unsafe { heap.init(start, HEAP_SIZE / 2) };
    let mut seen = vec![heap.stats_total_bytes()];
    // SAFETY: as above. The bounds are odd.
    unsafe { heap.add_to_heap(start + HEAP_SIZE / 2 + 3, start + HEAP_SIZE - 5) };
    seen.push(heap.stats_total_bytes());
    let mut live: Vec<(NonNull<u8>, Layout)> = Vec::new();
    let mut random = 1u64;
    for _ in 0..4000 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let number = (random >> 33) as usize;
        if number % 5 < 2 && !live.is_empty() {
            let (block, layout) = live.swap_remove(number % live.len());
            // SAFETY: nobody uses it.
            unsafe { heap.dealloc(block, layout) };
        } else if live.len() < 400 {
            let layout = layout(number % 200, 1 << (number % 6));
            let block = heap.alloc(layout).unwrap();
            assert!(block.addr().get().is_multiple_of(layout.align()));
            live.push((block, layout));
        }
        seen.extend([heap.stats_alloc_user(), heap.stats_alloc_actual()]);
    }
    let shown = format!("{heap:?}");
    for (block, layout) in live {
        // SAFETY: nobody uses it.
        unsafe { heap.dealloc(block, layout) };
    }
    seen.extend([heap.stats_alloc_user(), heap.stats_alloc_actual()]);
    // Whole again; and above the order.
    seen.push(usize::from(heap.alloc(layout(1 << 16, 8)).is_ok()));
    seen.push(usize::from(heap.alloc(layout(1 << 17, 8)).is_ok()));
    (seen, shown)
}
