//! TLB invalidation as a type: what was unmapped can be had only after the flush.
//!
//! An unmapped entry is *parked*: absent for the MMU, its address kept in place. So any range can be unmapped without
//! memory for the record, accessed and dirty bits that an MMU sets until the flush are seen, and what is never flushed
//! stays where it is: quarantined, out of everybody's reach, until the range is unmapped again.
//!
//! ```text
//! table.unmap(range)  ->  Unmapped  --flush(&tlb)-->  Flushed  --release(|mapping| …)-->  frames, tables
//! ```
//!
//! Source: SDM vol. 3 "Invalidation of TLBs and Paging-Structure Caches".

use crate::addr::{VirtAddr, VirtRange};
use crate::attrs::Flags;
use crate::cursor;
use crate::error::FlushError;
use crate::format::{Format, Transition};
use crate::ports::{FrameSource, PhysMapper, TlbControl};
use crate::span::Span;
use crate::table::Table;
use crate::walk::Mapping;

/// More single invalidations than this cost more than filling the TLB again (Linux's figure).
const CEILING: u64 = 33;

/// Translations that may be in TLBs and must go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FlushSet {
    range: VirtRange,
    stride: u64,
    global: bool,
    tables: bool,
}

/// How to invalidate a [`FlushSet`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Scope {
    /// One invalidation for each of these addresses (x86: `INVLPG`).
    Pages(Addresses),
    /// Too many: everything at once (x86: load CR3; global entries too: toggle CR4.PGE).
    All {
        /// Global entries are among them.
        global: bool,
    },
}

impl FlushSet {
    /// The translations of `range`, whose smallest leaf has `stride` bytes, a power of two; another number counts as 1,
    /// which flushes too much.
    #[must_use]
    pub const fn new(range: VirtRange, stride: u64) -> Self {
        let stride = if stride.is_power_of_two() { stride } else { 1 };
        Self { range, stride, global: false, tables: false }
    }

    /// The same, with global translations among them.
    #[must_use]
    pub const fn with_global(self) -> Self {
        Self { global: true, ..self }
    }

    /// The same, with tables that left: cached entries above the leaves must go too.
    #[must_use]
    pub const fn with_tables(self) -> Self {
        Self { tables: true, ..self }
    }

    /// The smallest set that holds `set` and this leaf.
    pub(crate) fn join(set: Option<Self>, leaf: &Mapping) -> Option<Self> {
        let set = set.unwrap_or(Self::new(leaf.range, leaf.leaf_bytes));
        let first = set.range.first().min(leaf.range.first());
        let range = VirtRange::ordered(first, set.range.last().max(leaf.range.last()));
        let global = set.global || leaf.attrs.flags.contains(Flags::GLOBAL);
        Some(Self { range, stride: set.stride.min(leaf.leaf_bytes), global, ..set })
    }

    /// All addresses of the set.
    #[must_use]
    pub const fn range(&self) -> VirtRange {
        self.range
    }

    /// Whether cached entries above the leaves must go too: their tables will be freed. On x86 both `INVLPG` and a load
    /// of CR3 drop them.
    #[must_use]
    pub const fn tables(&self) -> bool {
        self.tables
    }

    /// How to invalidate it: page by page up to 33 pages, else all at once.
    #[must_use]
    pub const fn scope(&self) -> Scope {
        let first = self.range.first().get() & !(self.stride - 1);
        let steps = (self.range.last().get() - first) / self.stride;
        if steps < CEILING {
            Scope::Pages(Addresses { next: Some(first), last: self.range.last().get(), stride: self.stride })
        } else {
            Scope::All { global: self.global }
        }
    }
}

/// One address in each page of a [`FlushSet`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Addresses {
    next: Option<u64>,
    last: u64,
    stride: u64,
}

impl Iterator for Addresses {
    type Item = VirtAddr;

    fn next(&mut self) -> Option<VirtAddr> {
        let address = self.next?;
        self.next = address.checked_add(self.stride).filter(|next| *next <= self.last);
        Some(VirtAddr::new(address))
    }
}

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
/// # use kos_paging::{FrameSource, PhysMapper, SplitPolicy, Table, TlbControl, VirtRange, X86Long};
/// fn between<P>(table: &mut Table<X86Long<4>, P>, range: VirtRange, tlb: impl TlbControl)
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
pub struct Unmapped<'t, F, P> {
    table: &'t mut Table<F, P>,
    span: Span,
    flush: Option<FlushSet>,
}

impl<'t, F: Format, P: FrameSource + PhysMapper> Unmapped<'t, F, P> {
    pub(crate) fn new(table: &'t mut Table<F, P>, span: Span, flush: Option<FlushSet>) -> Self {
        Self { table, span, flush }
    }

    /// What must be invalidated; `None` if nothing was mapped.
    #[must_use]
    pub const fn flush_set(&self) -> Option<&FlushSet> {
        self.flush.as_ref()
    }

    /// Invalidates it in every TLB.
    ///
    /// # Errors
    ///
    /// [`FlushError`] holds the token, to try again. Dropping that leaves the range quarantined.
    pub fn flush<T: TlbControl>(self, tlb: &T) -> Result<Flushed<'t, F, P>, FlushError<Self, T::Error>> {
        match self.flush.as_ref().map_or(Ok(()), |set| tlb.flush(set)) {
            Ok(()) => Ok(Flushed { table: self.table, span: self.span }),
            Err(cause) => Err(FlushError { token: self, cause }),
        }
    }
}

/// What was unmapped and is in no TLB any more.
#[derive(Debug)]
#[must_use = "what was unmapped stays quarantined until it is released"]
pub struct Flushed<'t, F, P> {
    table: &'t mut Table<F, P>,
    span: Span,
}

impl<F: Format, P: FrameSource + PhysMapper> Flushed<'_, F, P> {
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
    flush: Option<FlushSet>,
    transition: Transition,
}

impl Protected {
    pub(crate) const fn new(flush: Option<FlushSet>, transition: Transition) -> Self {
        Self { flush, transition }
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
    pub fn flush<T: TlbControl>(self, tlb: &T) -> Result<(), FlushError<Self, T::Error>> {
        match &self.flush {
            Some(set) if self.transition != Transition::None => {
                tlb.flush(set).map_err(|cause| FlushError { token: self, cause })
            }
            _ => Ok(()),
        }
    }
}
