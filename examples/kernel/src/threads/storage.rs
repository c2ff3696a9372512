//! Room for the scheduler's tables, taken from the heap for as long as the machine.
//!
//! Invariant: each block is handed out once and never given back, so a reference to it is unique. `'static` stands for "as long
//! as the machine", as in the boot's memory: the kernel's values that hold such a reference are private to it and dropped
//! before the machine.
#![expect(unsafe_code, reason = "makes references of blocks of the heap")]

use core::alloc::Layout;

use kos_alloc::{AllocError, Env, FrameAlloc, KernelHeap};

/// `count` values, made one by one.
///
/// # Errors
/// The heap has no room; nothing is made then.
pub(crate) fn array<T, E: Env, F: FrameAlloc>(
    heap: &KernelHeap<E, F>,
    count: usize,
    mut make: impl FnMut(usize) -> T,
) -> Result<&'static mut [T], AllocError> {
    from_iter(heap, count, &mut (0..count).map(&mut make))
}

/// The first `most` values of `values`, or all if there are fewer.
///
/// # Errors
/// The heap has no room; no value is taken then.
pub(super) fn from_iter<T, E: Env, F: FrameAlloc>(
    heap: &KernelHeap<E, F>,
    most: usize,
    values: &mut dyn Iterator<Item = T>,
) -> Result<&'static mut [T], AllocError> {
    let layout = Layout::array::<T>(most)
        .map_err(|_| AllocError::BadRequest { size: usize::MAX, align: align_of::<T>() })?;
    let start = heap.allocate(layout)?.cast::<T>();
    let mut count = 0;
    for value in values.take(most) {
        // SAFETY: the block has room for `most` values, and `count` is below.
        let place = unsafe { start.add(count) };
        // SAFETY: the place is aligned, within the block, and nobody else's.
        unsafe { place.write(value) };
        count += 1;
    }
    // SAFETY: so many values were written, and by the module's invariant the block is nobody else's for ever.
    Ok(unsafe { core::slice::from_raw_parts_mut(start.as_ptr(), count) })
}

/// One value.
///
/// # Errors
/// The heap has no room.
pub(super) fn value<T, E: Env, F: FrameAlloc>(
    heap: &KernelHeap<E, F>,
    value: T,
) -> Result<&'static T, AllocError> {
    let start = heap.allocate(Layout::new::<T>())?.cast::<T>();
    // SAFETY: the block is aligned, large enough and nobody else's.
    unsafe { start.write(value) };
    // SAFETY: it was written, and by the module's invariant stays for ever.
    Ok(unsafe { start.as_ref() })
}
