//! What every heap must do, for an integrator's own `Env` and frame source: [`check_heap`].

use core::alloc::Layout;
use core::ptr::NonNull;

use super::model::{BadFree, HeapModel, HeapOp};
use crate::error::FreeError;
use crate::heap::KernelHeap;
use crate::ports::{Env, FrameAlloc};

/// Runs a fixed story on an initialised heap that nobody else uses meanwhile: blocks of every class and some of whole
/// frames, over-aligned ones, resizing, zeroing, each kind of wrong free; then everything is freed, and counters and frames
/// are as before. Wants about 4 MiB; what does not fit is left out.
///
/// # Panics
///
/// If the heap breaks a promise; most often the lock, the mask or the direct map of the environment is at fault.
pub fn check_heap<E: Env, F: FrameAlloc>(heap: &KernelHeap<E, F>) {
    let before = heap.stats();
    let mut model = HeapModel::new(heap);
    for size in sizes() {
        model.step(HeapOp::Allocate(layout(size, 1)));
        model.step(HeapOp::AllocateZeroed(layout(size / 2 + 1, 64)));
        model.step(HeapOp::Reallocate(size, size * 2));
        model.step(HeapOp::BadFree(BadFree::Interior(size, size)));
        model.step(HeapOp::BadFree(BadFree::WrongSize(size, size)));
        model.step(HeapOp::BadFree(BadFree::WrongAlign(size)));
    }
    for power in 0..16 {
        model.step(HeapOp::Allocate(layout(24, 1 << power)));
    }
    for number in 0..8 {
        model.step(HeapOp::BadFree(BadFree::Double(number * 5)));
        model.step(HeapOp::BadFree(BadFree::Foreign(number)));
    }
    assert_eq!(heap.check(), Ok(()));
    check_page_map(heap);
    model.free_all();
    heap.shrink();
    let after = heap.stats();
    assert_eq!((after.live, after.requested), (before.live, before.requested), "live bytes");
    assert_eq!(after.large, before.large, "large blocks");
    assert_eq!(after.lost_frames, 0, "frames that the source did not take back");
    assert_eq!(heap.check(), Ok(()));
}

/// No address of a frame that is not a block's may be freed, wherever it lies.
fn check_page_map<E: Env, F: FrameAlloc>(heap: &KernelHeap<E, F>) {
    let Ok(range) = heap.frames().allocate(&crate::types::FrameRequest::new(1)) else { return };
    let map = heap.env().direct_map();
    let offset = map.offset_of(range.start(), E::PAGE_SHIFT).map_or(0, |offset| offset + 64);
    let ptr = NonNull::new(map.base().as_ptr().wrapping_add(offset)).unwrap_or(map.base());
    // SAFETY: no block lies in a frame of ours.
    let result = unsafe { heap.free(ptr, Layout::new::<u64>()) };
    let refused = matches!(result, Err(FreeError::NotManaged(_) | FreeError::DoubleFree(_)));
    assert!(refused, "{result:?} for a frame that is not the heap's");
    // SAFETY: the frame was just handed out, and nobody used it.
    let freed = unsafe { heap.frames().free(range) };
    assert_eq!(freed, Ok(()));
}

fn sizes() -> impl Iterator<Item = usize> {
    (3..15).flat_map(|power| (4..8).map(move |step| (step << power) / 4)).chain([40 << 10, 100 << 10])
}

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap_or(Layout::new::<u8>())
}
