//! Transactions and reservations as methods of the kernel's heap.

use core::alloc::Layout;

use super::{Inline, Lent, LogEntry, Reservation, Transaction};
use crate::error::AllocError;
use crate::heap::KernelHeap;
use crate::ports::{Env, FrameAlloc};
use crate::types::FrameRequest;

impl<E: Env, F: FrameAlloc> KernelHeap<E, F> {
    /// [`Transaction::begin`] on this heap: `heap.begin::<8>()` may do eight things.
    #[inline]
    pub fn begin<const N: usize>(&self) -> Transaction<'_, Self, Inline<N>> {
        Transaction::begin(self)
    }

    /// [`Transaction::begin_in`] on this heap, with a lent log.
    #[inline]
    pub fn begin_in<'l>(&self, entries: &'l mut [LogEntry]) -> Transaction<'_, Self, Lent<'l>> {
        Transaction::begin_in(self, entries)
    }

    /// [`Reservation::new`] on this heap.
    ///
    /// # Errors
    ///
    /// [`AllocError`]; nothing is held then.
    pub fn reserve(
        &self,
        blocks: &[(Layout, usize)],
        frames: &[(FrameRequest, usize)],
    ) -> Result<Reservation<'_, Self>, AllocError> {
        Reservation::new(self, blocks, frames)
    }
}
