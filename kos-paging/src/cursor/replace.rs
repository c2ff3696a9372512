//! Another frame in the place of one page: break, flush, make.
//!
//! The entry is parked while the flush runs, which every architecture allows (ARM demands it: "break-before-make"); a
//! flush that fails puts the old one back.

use super::LeafBits;
use crate::addr::{PhysAddr, VirtAddr, VirtRange};
use crate::attrs::Attrs;
use crate::entry::Entries;
use crate::error::{ProtectError, WalkError};
use crate::format::{Entry, Format, Level};
use crate::mode::Mode;
use crate::ports::{FrameSource, PhysMapper};
use crate::span::{self, Span};
use crate::table::Table;

impl<F: Format, P: FrameSource + PhysMapper, X: Mode> Table<F, P, X> {
    /// Makes the page at `at`, a leaf of the smallest size, one of the frame at `phys`; whether `flush` could drop the old
    /// translation from every TLB, without which nothing changed.
    ///
    /// # Errors
    ///
    /// [`ProtectError`]: no such leaf is there, or the attributes are wrong. Nothing changed.
    pub(crate) fn replace_page(
        &mut self,
        at: VirtAddr,
        phys: PhysAddr,
        attrs: Attrs,
        flush: impl FnOnce() -> bool,
    ) -> Result<bool, ProtectError> {
        let page = span::size::<F>(Level::PAGE);
        let span = Span::of_pages::<F>(VirtRange::new(at, page)?)?;
        let bits = LeafBits::new(self.format, self.wx, span, attrs)?;
        let (entries, index) = self.page_entry(span).ok_or(ProtectError::Hole { at })?;
        let old = entries.load(index);
        if !matches!(self.format.decode(old, Level::PAGE), Ok(Entry::Leaf { .. })) {
            return Err(ProtectError::Hole { at });
        }
        let reached = phys.checked_add(page - 1).is_some_and(|last| last <= self.format.max_phys());
        if !reached || !phys.is_aligned(page) {
            return Err(WalkError::UnknownFrame { at, level: Level::PAGE, frame: phys }.into());
        }
        let old = X::replace(entries, index, F::park);
        let flushed = flush();
        entries.store(index, if flushed { F::with_address(bits.at(Level::PAGE), phys) } else { old });
        Ok(flushed)
    }

    /// The place of the entry of a page, if there is a table for it.
    fn page_entry(&self, span: Span) -> Option<(Entries<'_, F::Raw, P>, usize)> {
        let mut entries = Entries::open::<F>(&self.ports, self.root, span::top::<F>())?;
        for level in (1..F::LEVELS).rev().map(Level::new) {
            let raw = entries.load(span.index::<F>(level));
            let Ok(Entry::Table { phys, .. }) = self.format.decode(raw, level) else { return None };
            entries = Entries::open::<F>(&self.ports, phys, level.down()?)?;
        }
        Some((entries, span.index::<F>(Level::PAGE)))
    }
}
