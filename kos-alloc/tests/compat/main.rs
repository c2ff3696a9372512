//! The call patterns of kernels that use linked_list_allocator or buddy_system_allocator, one file each, compiled twice:
//! `peer` is the peer in one module and this crate in the other. The answers that a kernel can see must be the same.
//!
//! The root re-exports just these modules, so that a rename of the package gives the same names: `.ci/compat` does that.
#![cfg(all(feature = "compat-linked-list", feature = "compat-buddy-system"))]
#![expect(
    clippy::unwrap_used,
    clippy::multiple_unsafe_ops_per_block,
    reason = "tests, written as kernels write"
)]

extern crate alloc;

mod linked_list_allocator {
    use linked_list_allocator as peer;
    include!("linked_list.rs");
}

mod as_linked_list_allocator {
    use kos_alloc::compat::linked_list as peer;
    include!("linked_list.rs");
}

mod buddy_system_allocator {
    use buddy_system_allocator as peer;
    include!("buddy_system.rs");
}

mod as_buddy_system_allocator {
    use kos_alloc::compat::buddy_system as peer;
    include!("buddy_system.rs");
}

/// What `buddy_system_allocator` 0.6 had, whose `LockedHeap` has no parameter; rCore-Tutorial-v3 uses it so.
mod without_order {
    use core::alloc::{GlobalAlloc, Layout};

    use kos_alloc::compat::buddy_system::LockedHeap;

    static HEAP_ALLOCATOR: LockedHeap = LockedHeap::empty();
    static mut HEAP_SPACE: [u8; 0x4000] = [0; 0x4000];

    #[test]
    fn the_order_has_a_default() {
        let start = (&raw mut HEAP_SPACE).expose_provenance();
        // SAFETY: the space is the heap's alone.
        unsafe { HEAP_ALLOCATOR.lock().init(start, 0x4000) };
        // SAFETY: the layout has a size.
        assert!(!unsafe { HEAP_ALLOCATOR.alloc(Layout::new::<[u64; 100]>()) }.is_null());
    }
}

/// What is better here than there.
mod beyond_the_peers {
    use core::alloc::Layout;
    use core::mem::MaybeUninit;

    use kos_alloc::compat::linked_list::Heap;

    #[test]
    fn a_double_free_does_nothing() {
        let mut heap = Heap::from_slice(vec![MaybeUninit::uninit(); 4096].leak());
        let layout = Layout::new::<[u64; 8]>();
        let blocks = [(); 3].map(|()| heap.allocate_first_fit(layout).unwrap());
        for _ in 0..2 {
            // SAFETY: nobody uses it; the second time it is refused.
            unsafe { heap.deallocate(blocks[1], layout) };
        }
        assert_eq!(heap.used(), 128);
        let again = [(); 2].map(|()| heap.allocate_first_fit(layout).unwrap());
        assert_ne!(again[0], again[1]);
        assert!(!again.contains(&blocks[0]) && !again.contains(&blocks[2]));
    }

    #[test]
    fn a_heap_that_grows_page_by_page_serves_blocks_across_the_pages() {
        const PAGE: usize = 4096;
        let memory = vec![MaybeUninit::<u8>::uninit(); 256 * PAGE].leak();
        let mut heap = Heap::empty();
        // SAFETY: the memory is the heap's alone, here and below.
        unsafe { heap.init(memory.as_mut_ptr().cast(), PAGE) };
        let layout = Layout::from_size_align(3 * PAGE, 8).unwrap();
        let mut blocks = Vec::new();
        for pages in 2..=256 {
            // SAFETY: as above.
            unsafe { heap.extend(PAGE) };
            assert_eq!(heap.size(), pages * PAGE);
            blocks.extend(heap.allocate_first_fit(layout));
        }
        // All but the books and what is too little for one more.
        assert!(blocks.len() >= 82, "{} blocks", blocks.len());
        for block in blocks {
            // SAFETY: nobody uses it.
            unsafe { heap.deallocate(block, layout) };
        }
        assert_eq!(heap.used(), 0);
        assert!(heap.allocate_first_fit(Layout::from_size_align(200 * PAGE, 8).unwrap()).is_ok());
    }
}

/// Compares answer by answer: all of them would fill the screen.
fn compare(ours: &[usize], theirs: &[usize]) {
    assert_eq!(ours.len(), theirs.len());
    let differs = ours.iter().zip(theirs).enumerate().find(|(_, (ours, theirs))| ours != theirs);
    assert_eq!(differs, None, "the first answer that differs: ours, theirs");
}

#[test]
fn the_same_workload_gives_the_answers_of_linked_list_allocator() {
    compare(&as_linked_list_allocator::workload(), &linked_list_allocator::workload());
}

#[test]
fn the_same_workload_gives_the_answers_of_buddy_system_allocator() {
    let ((ours, shown), (theirs, expected)) =
        (as_buddy_system_allocator::workload(), buddy_system_allocator::workload());
    compare(&ours, &theirs);
    assert_eq!(shown, expected);
}
