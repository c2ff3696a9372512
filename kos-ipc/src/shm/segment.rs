//! One segment: [`Segment`].
//!
//! Invariant: a segment whose count is above 0 has its slot; who takes the count to 0 frees it, and nobody else touches it then.

use core::fmt;

use super::Segments;
use super::error::{ResizeError, SealError};
use super::seal::Seals;
use crate::caller::Caller;
use crate::policy::{ObjectMeta, Op};
use crate::ports::{Env, SharedMemory};
use crate::quota::Resource;
use crate::sync::atomic::{AtomicU32, Ordering};
use crate::sync::{Bug, const_fn, seeded};

/// Counts from which on a segment is never freed: some references were forgotten, so the rest cannot be counted.
const FOR_EVER: u32 = 1 << 31;

/// How many refer to a segment: a place lent to [`Segments`].
#[derive(Debug)]
pub struct SegmentCount(AtomicU32);

impl SegmentCount {
    const_fn! {
        /// None.
        #[must_use]
        pub fn new() -> Self {
            Self(AtomicU32::new(0))
        }
    }

    fn begin(&self) {
        self.0.store(1, Ordering::Relaxed);
    }

    /// One more. The caller has one, or the lock under which somebody has one.
    fn retain(&self) {
        if self.0.fetch_add(1, Ordering::Relaxed) >= FOR_EVER {
            self.0.store(FOR_EVER, Ordering::Relaxed);
        }
    }

    /// One less; true if that was the last.
    fn release(&self) -> bool {
        let before = if seeded(Bug::ReleasedInTwoSteps) {
            let before = self.0.load(Ordering::Acquire);
            self.0.store(before - 1, Ordering::Release);
            before
        } else {
            self.0.fetch_sub(1, Ordering::AcqRel)
        };
        if before >= FOR_EVER {
            self.0.store(FOR_EVER, Ordering::Relaxed);
        }
        before == 1
    }
}

impl Default for SegmentCount {
    fn default() -> Self {
        Self::new()
    }
}

/// A reference to a shared segment. Clones are to the same one; the last of all references and mappings frees it, in the context where
/// that goes.
///
/// A clone takes no lock, as a [`Directory`](crate::cap::Directory) asks.
pub struct Segment<'m, E: Env, S: SharedMemory> {
    pub(super) table: &'m Segments<'m, E, S>,
    pub(super) number: u32,
    pub(super) meta: ObjectMeta,
}

impl<'m, E: Env, S: SharedMemory> Segment<'m, E, S> {
    /// The first reference to a segment whose slot is filled.
    pub(super) fn first(table: &'m Segments<'m, E, S>, number: u32, meta: ObjectMeta) -> Self {
        if let Some(count) = table.count(number) {
            count.begin();
        }
        Self { table, number, meta }
    }

    /// Bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.table.ledger.with(|ledger| ledger.size(self.number))
    }

    /// What can no longer be done to it.
    #[must_use]
    pub fn seals(&self) -> Seals {
        self.table.ledger.with(|ledger| ledger.seals(self.number))
    }

    /// How often it is mapped, what the kernel maps or unmaps just now included.
    #[must_use]
    pub fn mapped(&self) -> usize {
        self.table.ledger.with(|ledger| ledger.mapped(self.number))
    }

    /// What policies see.
    #[must_use]
    pub const fn meta(&self) -> &ObjectMeta {
        &self.meta
    }

    /// Adds seals, all of `seals` or none.
    ///
    /// # Errors
    /// [`SealError`]
    pub fn seal(&self, caller: &Caller<'_, E>, seals: Seals) -> Result<(), SealError> {
        caller.authorize(Op::Seal, &self.meta).map_err(SealError::Refused)?;
        let counted = || self.table.ledger.with(|ledger| ledger.writable(self.number));
        if seeded(Bug::SealedInTwoSteps) && counted() > 0 {
            return Err(SealError::MappedWritable { count: 1 });
        }
        self.table.ledger.with(|ledger| ledger.seal(self.number, seals))
    }

    /// Gives it `bytes`, rounded up to whole pages, charged to who paid for it. The new size. Thread context: the kernel may block.
    ///
    /// # Errors
    /// [`ResizeError`]: it has the size that it had.
    pub fn resize(&self, caller: &Caller<'_, E>, bytes: usize) -> Result<usize, ResizeError<S::Error>> {
        let (table, number) = (self.table, self.number);
        if bytes == 0 {
            return Err(ResizeError::Empty);
        }
        let to = table.whole_pages(bytes).ok_or(ResizeError::TooLarge { bytes })?;
        caller.authorize(Op::Resize, &self.meta).map_err(ResizeError::Refused)?;
        let (object, from, payer) = table.ledger.with(|ledger| ledger.begin_resize(number, to))?;
        let done = self.pay_and_resize(&object, payer, from, to);
        table.ledger.with(|ledger| ledger.end_resize(number, if done.is_ok() { to } else { from }));
        done.map(|()| to)
    }

    /// More is paid for first, less is given back last: what is in use is always paid for.
    fn pay_and_resize(
        &self,
        object: &S::Object,
        payer: u32,
        from: usize,
        to: usize,
    ) -> Result<(), ResizeError<S::Error>> {
        let quotas = self.table.cells.quotas();
        let (high, kernel) = (from.max(to), &self.table.kernel);
        quotas.recharge(payer, Resource::Bytes, from, high).map_err(ResizeError::Quota)?;
        let done = if from == to { Ok(()) } else { kernel.resize(object, from, to) };
        let stays = if done.is_ok() { to } else { from };
        // Nothing is refused of what is given back.
        _ = quotas.recharge(payer, Resource::Bytes, high, stays);
        done.map_err(ResizeError::Memory)
    }
}

impl<'m, E: Env, S: SharedMemory> Segments<'m, E, S> {
    fn count(&self, number: u32) -> Option<&'m SegmentCount> {
        self.counts.get(number as usize)
    }

    /// Rounds up to whole pages.
    pub(super) fn whole_pages(&self, bytes: usize) -> Option<usize> {
        bytes.checked_next_multiple_of(self.kernel.page_size())
    }

    pub(super) fn retain(&self, number: u32) {
        if let Some(count) = self.count(number) {
            count.retain();
        }
    }

    /// Gives up a reference; the last frees the segment. No lock held.
    pub(super) fn release(&self, number: u32) {
        if self.count(number).is_some_and(SegmentCount::release) {
            self.end(number);
        }
    }

    /// Frees a segment to which there is no reference: its memory, then what was charged for it.
    pub(super) fn end(&self, number: u32) {
        let Some(remains) = self.ledger.with(|ledger| ledger.end_segment(number)) else { return };
        if let Some(object) = remains.object {
            self.kernel.free(object);
        }
        self.cells.quotas().refund_for(remains.payer, Resource::Bytes, remains.size);
    }
}

impl<E: Env, S: SharedMemory> Clone for Segment<'_, E, S> {
    fn clone(&self) -> Self {
        self.table.retain(self.number);
        Self { table: self.table, number: self.number, meta: self.meta }
    }
}

impl<E: Env, S: SharedMemory> Drop for Segment<'_, E, S> {
    fn drop(&mut self) {
        self.table.release(self.number);
    }
}

impl<E: Env, S: SharedMemory> fmt::Debug for Segment<'_, E, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Segment")
            .field("number", &self.number)
            .field("meta", &self.meta)
            .finish_non_exhaustive()
    }
}
