//! What waits for its flush: [`Unmapped`], [`Flushed`], [`Protected`].

use super::FlushSet;
use crate::addr::VirtRange;
use crate::attrs::Flags;
use crate::cursor;
use crate::error::FlushError;
use crate::format::{Format, Transition};
use crate::mode::{Exclusive, Mode};
use crate::ports::{FrameSource, PhysMapper, TlbFlush};
use crate::span::Span;
use crate::table::Table;
use crate::walk::Mapping;

/// What an unmapping took out of the table and TLBs may still hold.
///
/// Neither the frames nor the tables can be had before the flush:
///
/// ```compile_fail,E0599
/// # use kos_paging::{FrameSource, PhysMapper, Unmapped, X86Long};
/// fn too_early<P: FrameSource + PhysMapper>(unmapped: Unmapped<'_, X86Long<4>, P>) {
///     unmapped.release(|run| drop(run));
/// }
/// ```
///
/// Dropping it is a mistake that the compiler reports; the frames then stay quarantined until the range is unmapped again.
///
/// ```compile_fail
/// #![deny(unused_must_use)]
/// # use kos_paging::{FrameSource, PhysMapper, SplitPolicy, Table, UnmapError, VirtRange, X86Long};
/// fn forgotten<P>(table: &mut Table<X86Long<4>, P>, range: VirtRange) -> Result<(), UnmapError>
/// where
///     P: FrameSource + PhysMapper,
/// {
///     table.unmap(range, SplitPolicy::Refuse)?;
///     Ok(())
/// }
/// ```
///
/// Nor can the table be used before: a page of the range cannot be mapped again while a TLB may hold the old one.
///
/// ```compile_fail,E0499
/// # use kos_paging::{FrameSource, PhysMapper, SplitPolicy, Table, TlbFlush, VirtRange, X86Long};
/// fn between<P>(table: &mut Table<X86Long<4>, P>, range: VirtRange, tlb: impl TlbFlush)
/// where
///     P: FrameSource + PhysMapper,
/// {
///     let unmapped = table.unmap(range, SplitPolicy::Refuse).unwrap();
///     let _cursor = table.cursor(range);
///     unmapped.flush(&tlb).unwrap().release(drop);
/// }
/// ```
#[derive(Debug)]
#[must_use = "what was unmapped stays quarantined until it is flushed and released"]
pub struct Unmapped<'t, F, P, X = Exclusive> {
    table: &'t mut Table<F, P, X>,
    span: Span,
}

impl<'t, F: Format, P: FrameSource + PhysMapper, X: Mode> Unmapped<'t, F, P, X> {
    /// What is parked in `span`; the table says what must be flushed.
    pub(crate) const fn new(table: &'t mut Table<F, P, X>, span: Span) -> Self {
        Self { table, span }
    }

    /// What must be invalidated; `None` if nothing was mapped.
    #[must_use]
    pub const fn flush_set(&self) -> Option<&FlushSet> {
        if self.table.flush.is_empty() { None } else { Some(&self.table.flush) }
    }

    /// Invalidates it in every TLB.
    ///
    /// # Errors
    ///
    /// [`FlushError`] holds the token, to try again. Dropping that leaves the range quarantined.
    pub fn flush<T: TlbFlush>(self, tlb: &T) -> Result<Flushed<'t, F, P, X>, FlushError<Self, T::Error>> {
        match self.flush_set().map_or(Ok(()), |set| tlb.flush(set)) {
            Ok(()) => Ok(Flushed { table: self.table, span: self.span }),
            Err(cause) => Err(FlushError { token: self, cause }),
        }
    }
}

/// What was unmapped and is in no TLB any more.
#[derive(Debug)]
#[must_use = "what was unmapped stays quarantined until it is released"]
pub struct Flushed<'t, F, P, X = Exclusive> {
    table: &'t mut Table<F, P, X>,
    span: Span,
}

impl<F: Format, P: FrameSource + PhysMapper, X: Mode> Flushed<'_, F, P, X> {
    /// Hands out what was mapped, in order, as runs of like leaves; their accessed and dirty bits are final. Tables that
    /// are empty go back to the frame source.
    pub fn release(self, run: impl FnMut(Mapping)) {
        cursor::sweep(self.table, self.span, run);
    }
}

/// Attributes that changed and that TLBs may still hold as they were.
#[derive(Debug)]
#[must_use = "TLBs may still allow what is no longer allowed"]
pub struct Protected {
    changed: Changed,
    transition: Transition,
}

/// The leaves that an operation found without a hole between them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Changed {
    range: VirtRange,
    leaf_bytes: u64,
    global: bool,
}

impl Changed {
    pub(crate) const fn new(leaf: &Mapping) -> Self {
        Self {
            range: leaf.range,
            leaf_bytes: leaf.leaf_bytes,
            global: leaf.attrs.flags.contains(Flags::GLOBAL),
        }
    }

    pub(crate) fn join(&mut self, leaf: &Mapping) {
        self.range = VirtRange::ordered(self.range.first().min(leaf.range.first()), leaf.range.last());
        self.leaf_bytes = self.leaf_bytes.min(leaf.leaf_bytes);
        self.global |= leaf.attrs.flags.contains(Flags::GLOBAL);
    }

    /// The one range as a set.
    fn set(&self) -> FlushSet {
        let set = FlushSet::new(self.range, self.leaf_bytes);
        if self.global { set.with_global() } else { set }
    }
}

impl Protected {
    pub(crate) const fn new(changed: Changed, transition: Transition) -> Self {
        Self { changed, transition }
    }

    /// What the change asks of the TLBs. After [`Transition::Lazy`] a kernel whose fault handler returns from spurious
    /// faults may leave out the flush.
    #[must_use]
    pub const fn transition(&self) -> Transition {
        self.transition
    }

    /// Invalidates the range in every TLB, if any can hold what changed.
    ///
    /// # Errors
    ///
    /// [`FlushError`] holds the token, to try again.
    pub fn flush<T: TlbFlush>(self, tlb: &T) -> Result<(), FlushError<Self, T::Error>> {
        if self.transition == Transition::None {
            return Ok(());
        }
        tlb.flush(&self.changed.set()).map_err(|cause| FlushError { token: self, cause })
    }
}
