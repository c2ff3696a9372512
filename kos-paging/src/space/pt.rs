//! The space's face of its page table: the few operations that it needs, each with its flush.
//!
//! Everything above works in plain addresses of whole pages; what the table's own errors mean to a space is said here.

use core::fmt;
use core::mem::ManuallyDrop;

use super::ports::{SpaceEnv, SpaceId};
use super::vma::{Kind, Vma, range};
use crate::addr::{PhysAddr, VirtAddr, VirtRange};
use crate::attrs::{Attrs, Flags};
use crate::error::{AttrError, CreateError, MapError, ProtectError, TranslateError, UnmapError, WalkError};
use crate::flush::FlushSet;
use crate::format::{Format, Level, Transition};
use crate::mode::sealed::Mode as _;
use crate::policy::{HugePolicy, SplitPolicy};
use crate::ports::{Frame, FrameRequest, TlbFlush};
use crate::span;
use crate::table::Table;
use crate::walk::Mapping;

/// The table of a space.
pub(super) struct PageTable<E: SpaceEnv>(pub(super) ManuallyDrop<Table<E::Format, E, E::Mode>>, E::Tlb);

/// Why the table could not be changed; it is as it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum PtError {
    OutOfFrames,
    /// A flush failed, now or before.
    Stuck,
    Walk(WalkError),
}

impl<E: SpaceEnv> PageTable<E> {
    pub(super) fn new(env: &E, id: SpaceId) -> Result<Self, CreateError> {
        env.new_table(id).map(|(table, tlb)| Self(ManuallyDrop::new(table), tlb))
    }

    /// log2 of the pages of a huge page, if there are any that can be split where they are.
    pub(super) fn huge_order(&self) -> Option<u32> {
        let (format, huge) = (self.0.format(), Level::PAGE.up());
        let splits = !E::Mode::LIVE || format.splits_in_place();
        (splits && format.max_leaf() >= huge).then(|| E::Format::shift(huge) - E::Format::shift(Level::PAGE))
    }

    /// Whether a page with these rights can be expressed.
    pub(super) fn express(&self, attrs: Attrs) -> Result<(), AttrError> {
        self.0.format().leaf_bits(attrs, Level::PAGE).map(drop)
    }

    /// The leaf that translates `at`.
    pub(super) fn look(&self, at: u64) -> Result<Option<Mapping>, PtError> {
        match self.0.translate(VirtAddr::new(at)) {
            Ok(found) => Ok(Some(found.leaf)),
            Err(TranslateError::Walk(cause)) => Err(PtError::Walk(cause)),
            Err(_) => Ok(None),
        }
    }

    /// What is mapped in the range, cut at its ends, as runs of like leaves.
    pub(super) fn runs(&self, first: u64, last: u64) -> impl Iterator<Item = Result<Mapping, PtError>> {
        let runs = self.0.query(range(first, last)).ok();
        runs.into_iter()
            .flatten()
            .map(move |run| run.map(|run| clip(run, first, last)).map_err(PtError::Walk))
    }

    /// What is mapped, whole leaves.
    pub(super) fn leaves(&self, first: u64, last: u64) -> impl Iterator<Item = Result<Mapping, PtError>> {
        let runs = self.0.query(range(first, last)).ok();
        runs.into_iter().flatten().map(|run| run.map_err(PtError::Walk))
    }

    /// Maps what is absent.
    pub(super) fn map(
        &mut self,
        range: VirtRange,
        phys: PhysAddr,
        attrs: Attrs,
        most: Level,
    ) -> Result<(), PtError> {
        self.0.map(range, phys, attrs, HugePolicy::UpTo(most)).map_err(PtError::from)
    }

    /// Takes out what is mapped, and shows it when no TLB has it any more.
    pub(super) fn unmap(&mut self, range: VirtRange, released: impl FnMut(Mapping)) -> Result<(), PtError> {
        let unmapped = self.0.unmap(range, SplitPolicy::Split)?;
        let flushed = unmapped.flush(&self.1).map_err(|_| PtError::Stuck)?;
        flushed.release(released);
        Ok(())
    }

    /// Gives mapped pages these attributes; whether a TLB may allow more than that until the next [`flush`](Self::flush).
    pub(super) fn protect(&mut self, range: VirtRange, attrs: Attrs) -> Result<bool, PtError> {
        let protected = self.0.protect(range, attrs, SplitPolicy::Split)?;
        Ok(protected.transition() > Transition::Lazy)
    }

    /// Drops the translations of a range from every TLB.
    pub(super) fn flush(&self, range: VirtRange) -> Result<(), PtError> {
        let page = span::size::<E::Format>(Level::PAGE);
        self.1.flush(&FlushSet::new(range, page)).map_err(|_| PtError::Stuck)
    }

    /// Puts another frame in the place of a page that is mapped; nobody sees the page absent without waiting.
    pub(super) fn replace(&mut self, at: u64, phys: PhysAddr, attrs: Attrs) -> Result<(), PtError> {
        let Self(table, tlb) = self;
        let page = span::size::<E::Format>(Level::PAGE);
        let set = FlushSet::new(range(at, at + (page - 1)), page);
        table
            .replace_page(VirtAddr::new(at), phys, attrs, || tlb.flush(&set).is_ok())?
            .then_some(())
            .ok_or(PtError::Stuck)
    }

    pub(super) fn table(&self) -> &Table<E::Format, E, E::Mode> {
        &self.0
    }

    /// Who flushes it.
    pub(super) const fn tlb(&self) -> &E::Tlb {
        &self.1
    }

    /// The last byte of physical memory that entries reach.
    pub(super) fn highest(&self) -> PhysAddr {
        self.0.format().max_phys()
    }
}

/// The part of a run in a range.
fn clip(run: Mapping, first: u64, last: u64) -> Mapping {
    let begin = run.range.first().get().max(first);
    let phys = PhysAddr::new(run.phys.get() + (begin - run.range.first().get()));
    Mapping { range: range(begin, run.range.last().get().min(last)), phys, ..run }
}

/// The attributes of a page of a mapping with all its rights.
pub(super) fn attrs_of<O>(vma: &Vma<O>, rights: Flags) -> Attrs {
    let rights = rights & (Flags::READ | Flags::WRITE | Flags::EXECUTE);
    if rights.is_empty() {
        // Mapped for nobody but the kernel: the page is kept, a program that touches it faults.
        return Attrs::R;
    }
    // No MMU that we know lets a program write what it cannot read; x86 has no page that can only be run.
    let attrs = Attrs::new(rights | Flags::READ);
    if vma.kind == Kind::Kernel { attrs } else { attrs.user() }
}

/// The page at `at` within a leaf.
pub(super) fn page_of(leaf: &Mapping, at: u64) -> PhysAddr {
    PhysAddr::new(leaf.phys.get() + (at - leaf.range.first().get()))
}

/// Bytes of the smallest page.
pub(super) fn page_bytes<E: SpaceEnv>() -> u64 {
    span::size::<E::Format>(Level::PAGE)
}

/// A frame for one page.
pub(super) fn fresh<E: SpaceEnv>(env: &E, highest: PhysAddr) -> Option<Frame> {
    let request = FrameRequest::below(highest).of_order(env.page_order());
    let frame = env.allocate(request).ok()?;
    let reached = frame.address().checked_add(page_bytes::<E>() - 1).is_some_and(|last| last <= highest);
    if reached && frame.address().is_aligned(page_bytes::<E>()) {
        return Some(frame);
    }
    env.free(frame);
    None
}

impl From<MapError> for PtError {
    fn from(error: MapError) -> Self {
        match error {
            MapError::Quarantined { .. } => Self::Stuck,
            MapError::Walk(cause) => Self::Walk(cause),
            // Ranges and attributes were checked when the mapping was made.
            _ => Self::OutOfFrames,
        }
    }
}

impl From<UnmapError> for PtError {
    fn from(error: UnmapError) -> Self {
        if let UnmapError::Walk(cause) = error { Self::Walk(cause) } else { Self::OutOfFrames }
    }
}

impl From<ProtectError> for PtError {
    fn from(error: ProtectError) -> Self {
        if let ProtectError::Walk(cause) = error { Self::Walk(cause) } else { Self::OutOfFrames }
    }
}

impl<E: SpaceEnv> fmt::Debug for PageTable<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PageTable").field("root", &self.0.root()).finish_non_exhaustive()
    }
}
