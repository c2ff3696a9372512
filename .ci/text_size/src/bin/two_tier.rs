//! `KernelHeap` in mode `TwoTier` over a bitmap of frames, as a board with a megabyte would have it.
#![no_std]
#![no_main]

use core::alloc::Layout;
use core::hint::black_box;

use kos_alloc::{Bitmap, Env, Frames, HeapConfig, KernelHeap, Mode};
use kos_text_size::Board;

static FRAMES: Frames<Board, Bitmap<'static>> = Frames::new(Board);
static HEAP: KernelHeap<Board, &Frames<Board, Bitmap<'static>>> = KernelHeap::new(Board, &FRAMES);
static mut BOOKS: [u64; 32] = [0; 32];

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    // SAFETY: nobody else names it.
    let books = unsafe { &mut *(&raw mut BOOKS) };
    if let Ok(bitmap) = Bitmap::new(books, &[Board.direct_map().frames()], &[]) {
        // SAFETY: only ever linked, never run.
        let _ = unsafe { FRAMES.init(bitmap) };
    }
    let _ = HEAP.init(HeapConfig { mode: Mode::TwoTier, ..HeapConfig::default() });
    loop {
        let layout = black_box(Layout::new::<u64>());
        if let Ok(block) = HEAP.allocate(layout) {
            // SAFETY: the block is live and of this layout.
            let _ = black_box(unsafe { HEAP.free(block, layout) }.is_ok());
        }
    }
}
