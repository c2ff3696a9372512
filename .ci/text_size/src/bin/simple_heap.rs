//! `SimpleHeap`, as a microcontroller with 4 KiB would have it.
#![no_std]
#![no_main]

use core::alloc::Layout;
use core::hint::black_box;
use core::ptr::NonNull;

use kos_alloc::SimpleHeap;
use kos_text_size::{Board, MEMORY};

static HEAP: SimpleHeap<Board, 8, 4> = SimpleHeap::new(Board);

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    let memory = NonNull::new(core::ptr::with_exposed_provenance_mut(MEMORY)).unwrap_or(NonNull::dangling());
    // SAFETY: only ever linked, never run.
    let _ = unsafe { HEAP.lend_range(NonNull::slice_from_raw_parts(memory, 4096)) };
    loop {
        let layout = black_box(Layout::new::<u64>());
        if let Ok(block) = HEAP.allocate(layout) {
            // SAFETY: the block is live and of this layout.
            let _ = black_box(unsafe { HEAP.free(block, layout) }.is_ok());
        }
    }
}
