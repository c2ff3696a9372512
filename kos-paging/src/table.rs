//! A page table: a root, its ports, and the operations on ranges.
//!
//! Each operation first walks the range and takes every frame that it will need, then commits; the second phase has no
//! error path. So an operation that fails leaves the table byte for byte as it was, and no frame is lost.
//!
//! [`Exclusive`]: entries are written with plain stores. A CPU may have the table loaded; on that CPU an edit must not
//! race with accesses through the same pages (interrupt handlers included), else an accessed or dirty bit that the MMU
//! sets meanwhile can be lost. No other CPU may have it loaded. [`Live`](crate::Live): CPUs may have it loaded; one edits
//! it at a time, any number install pages and walk meanwhile.

use crate::addr::{PhysAddr, VirtAddr, VirtRange};
use crate::attrs::Attrs;
use crate::cursor::Cursor;
use crate::error::{CreateError, MapError, ProtectError, RangeError, TranslateError, UnmapError};
use crate::flush::{FlushSet, Protected, Unmapped};
use crate::format::Format;
use crate::mode::{Exclusive, Mode};
use crate::policy::{HugePolicy, SplitPolicy, WxPolicy};
use crate::ports::{FrameSource, PhysMapper};
use crate::reserve;
use crate::span::Span;
use crate::stats::Stats;
use crate::walk::{self, Runs, Translation};

/// A page table of format `F` whose frames come from and are seen through `P`.
#[derive(Debug)]
pub struct Table<F, P, X = Exclusive> {
    pub(crate) format: F,
    pub(crate) ports: P,
    pub(crate) root: PhysAddr,
    pub(crate) wx: WxPolicy,
    pub(crate) stats: Stats,
    /// What the last unmapping found: it lies here, not in its token, for it is large.
    pub(crate) flush: FlushSet,
    /// What another table has the tables of ([`share`](Self::share)): not this one's to edit.
    pub(crate) shared: Option<Span>,
    pub(crate) mode: X,
}

impl<F: Format, P: FrameSource + PhysMapper> Table<F, P> {
    /// A table that maps nothing, with a fresh root.
    ///
    /// # Errors
    ///
    /// [`CreateError`]; no frame is kept.
    pub fn new(format: F, ports: P, wx: WxPolicy) -> Result<Self, CreateError> {
        let root = reserve::root(format, &ports)?;
        let stats = Stats { tables: reserve::fixed_tables::<F>(), ..Stats::default() };
        Ok(Self {
            format,
            ports,
            root,
            wx,
            stats,
            flush: FlushSet::EMPTY,
            shared: None,
            mode: Exclusive::NEW,
        })
    }
}

impl<F: Format, P: FrameSource + PhysMapper, X: Mode> Table<F, P, X> {
    /// The range as a place to work on.
    ///
    /// # Errors
    ///
    /// [`RangeError`]: not whole pages, not canonical, or across the hole between the halves.
    pub fn cursor(&mut self, range: VirtRange) -> Result<Cursor<'_, F, P, X>, RangeError> {
        let span = self.own(range)?;
        let (tables, bytes) = self.mode.take_installed();
        self.stats.tables += tables;
        self.stats.mapped_bytes += bytes;
        Ok(Cursor::new(self, span))
    }

    /// A range that is this table's alone to edit.
    pub(crate) fn own(&self, range: VirtRange) -> Result<Span, RangeError> {
        let span = Span::of_pages::<F>(range)?;
        match self.shared.filter(|shared| shared.first <= span.last && span.first <= shared.last) {
            Some(shared) => Err(RangeError::Shared { at: F::VA.address(span.first.max(shared.first)) }),
            None => Ok(span),
        }
    }

    /// Maps `range` to the physical memory from `phys`, in the largest leaves that `huge`, alignment and CPU allow.
    ///
    /// No TLB needs a flush: x86 does not keep absent entries.
    ///
    /// # Errors
    ///
    /// [`MapError`]; nothing changed.
    pub fn map(
        &mut self,
        range: VirtRange,
        phys: PhysAddr,
        attrs: Attrs,
        huge: HugePolicy,
    ) -> Result<(), MapError> {
        self.cursor(range)?.map(phys, attrs, huge)
    }

    /// Unmaps whatever is mapped in `range`; holes are no error. What was there comes back after the flush.
    ///
    /// # Errors
    ///
    /// [`UnmapError`]; nothing changed.
    pub fn unmap(
        &mut self,
        range: VirtRange,
        split: SplitPolicy,
    ) -> Result<Unmapped<'_, F, P, X>, UnmapError> {
        self.cursor(range)?.unmap(split)
    }

    /// Gives all of `range`, which must be mapped without a hole, these attributes. Accessed and dirty bits stay.
    ///
    /// # Errors
    ///
    /// [`ProtectError`]; nothing changed.
    pub fn protect(
        &mut self,
        range: VirtRange,
        attrs: Attrs,
        split: SplitPolicy,
    ) -> Result<Protected, ProtectError> {
        self.cursor(range)?.protect(attrs, split)
    }

    /// What is mapped in `range`, as runs of like leaves: whole leaves, also where they stick out of the range.
    ///
    /// # Errors
    ///
    /// [`RangeError`], as for [`cursor`](Self::cursor).
    pub fn query(&self, range: VirtRange) -> Result<Runs<'_, F, P>, RangeError> {
        Ok(Runs::new(self.format, &self.ports, self.root, Span::of_pages::<F>(range)?))
    }

    /// All that is mapped, as runs of like leaves.
    #[must_use]
    pub fn runs(&self) -> Runs<'_, F, P> {
        Runs::new(self.format, &self.ports, self.root, Span::whole::<F>())
    }

    /// Where the byte at `at` is.
    ///
    /// # Errors
    ///
    /// [`TranslateError`], with the level reached.
    #[inline]
    pub fn translate(&self, at: VirtAddr) -> Result<Translation, TranslateError> {
        walk::translate(self.format, &self.ports, self.root, at)
    }
}

impl<F: Format, P, X: Mode> Table<F, P, X> {
    /// The root's physical address: for CR3.
    ///
    /// Who loads it answers for the code that then runs, stack and data included: for what is mapped now, and for every
    /// later edit.
    #[must_use]
    pub const fn root(&self) -> PhysAddr {
        self.root
    }

    /// The format.
    #[must_use]
    pub const fn format(&self) -> &F {
        &self.format
    }

    /// The ports.
    #[must_use]
    pub const fn ports(&self) -> &P {
        &self.ports
    }

    /// The counters: `stats().tables` frames are in use for tables.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let (tables, bytes) = self.mode.installed();
        let Stats { tables: counted, mapped_bytes, .. } = self.stats;
        Stats { tables: counted + tables, mapped_bytes: mapped_bytes + bytes, ..self.stats }
    }
}
