//! Wakers that are addresses: that of a slot's [`Handle`], whose alignment leaves six bits for the end of the generation.
//!
//! The wakers of a future that is gone wake nobody, unless its slot was used 64 times since: then its successor is polled once
//! without cause, which every future must bear.
#![expect(unsafe_code, reason = "the vtable of a waker; each function says what its pointer is")]

use core::mem::offset_of;
use core::ptr;
use core::task::{RawWaker, RawWakerVTable, Waker};

use super::shared::TAGS;
use super::{Executor, FutureId};
use crate::ports::{CpuTime, CriticalSection};

/// The place of a slot, to point at.
#[repr(align(64))]
#[derive(Clone, Copy)]
pub(super) struct Handle {
    index: u32,
}

const _: () = assert!(align_of::<Handle>() == TAGS as usize && size_of::<Handle>() == TAGS as usize);

impl Handle {
    /// One for each slot.
    #[expect(
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        reason = "the loop ends at the length, which is small"
    )]
    pub(super) const fn array<const N: usize>() -> [Self; N] {
        let mut handles = [Self { index: 0 }; N];
        let mut index = 0;
        while index < N {
            handles[index].index = index as u32;
            index += 1;
        }
        handles
    }
}

impl<C: CriticalSection, P: CpuTime, const N: usize, const RUNNERS: usize> Executor<C, P, N, RUNNERS> {
    const VTABLE: RawWakerVTable =
        RawWakerVTable::new(Self::clone_raw, Self::wake_raw, Self::wake_raw, |_| ());

    /// The waker of a future of this executor.
    pub(super) fn waker(&'static self, id: FutureId) -> Waker {
        let offset = offset_of!(Self, handles) + id.index as usize * size_of::<Handle>();
        let tag = (id.generation % TAGS) as usize;
        // From the whole executor, so that the way back is allowed.
        let data = ptr::from_ref(self).cast::<()>().wrapping_byte_add(offset + tag);
        // SAFETY: the functions of the table take exactly this pointer, in any thread: the executor is shared and lives for
        // ever. Clones are the same pointer, and nothing is to be freed.
        unsafe { Waker::from_raw(RawWaker::new(data, &Self::VTABLE)) }
    }

    unsafe fn clone_raw(data: *const ()) -> RawWaker {
        RawWaker::new(data, &Self::VTABLE)
    }

    unsafe fn wake_raw(data: *const ()) {
        let tag = data.addr() % TAGS as usize;
        let handle = data.wrapping_byte_sub(tag).cast::<Handle>();
        // SAFETY: `waker` made the pointer: without its tag it is that of a handle of an executor that lives for ever.
        let index = unsafe { (*handle).index };
        let executor =
            handle.wrapping_sub(index as usize).wrapping_byte_sub(offset_of!(Self, handles)).cast::<Self>();
        // SAFETY: the handle is number `index` of the executor's, and the pointer was derived from the whole executor.
        let executor = unsafe { &*executor };
        #[expect(clippy::cast_possible_truncation, reason = "less than 64")]
        executor.wake(index, tag as u32);
    }
}
