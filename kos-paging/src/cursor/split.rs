//! Parts of huge leaves: counting and making the tables that take a huge leaf's place.

use core::marker::PhantomData;

use crate::addr::PhysAddr;
use crate::entry::Entries;
use crate::format::{Entry, Format, Level};
use crate::mode::Mode;
use crate::policy::SplitPolicy;
use crate::ports::PhysMapper;
use crate::reserve::Reserve;
use crate::span::Span;
use crate::stats::Stats;
use crate::walk::{Mapping, Node};

/// Tables that it takes to change only `span` of a leaf; the leaf itself if that is refused.
pub(super) fn tables<F: Format>(node: &Node, span: Span, policy: SplitPolicy) -> Result<u64, Mapping> {
    if node.span.within(span) {
        return Ok(0);
    }
    match policy {
        SplitPolicy::Refuse => Err(node.mapping::<F>()),
        SplitPolicy::Split => Ok(node.span.clip(span).tables_below::<F>(node.level, node.level)),
    }
}

/// What may be done of what the caller asks: an entry that CPUs may use becomes no table where the format must break it
/// before, for a commit cannot flush.
pub(super) fn policy<F: Format, X: Mode>(format: F, asked: SplitPolicy) -> SplitPolicy {
    if X::LIVE && !format.splits_in_place() { SplitPolicy::Refuse } else { asked }
}

/// What a commit works with.
pub(super) struct Splitter<'p, F, P, X> {
    pub(super) format: F,
    pub(super) ports: &'p P,
    pub(super) reserve: Reserve,
    pub(super) stats: &'p mut Stats,
    pub(super) mode: PhantomData<X>,
}

impl<'p, F: Format, P: PhysMapper, X: Mode> Splitter<'p, F, P, X> {
    /// The table below an entry that is used in part: the one that is there, or one that takes the leaf's place and
    /// translates alike. `None` if nothing is there.
    pub(super) fn below(
        &mut self,
        entries: Entries<'p, F::Raw, P>,
        index: usize,
        level: Level,
    ) -> Option<(Entries<'p, F::Raw, P>, Level)> {
        let below = level.down()?;
        let raw = entries.load(index);
        match self.format.decode(raw, level).ok()? {
            Entry::Table { phys, .. } => Some((Entries::ours::<F>(self.ports, phys, below), below)),
            Entry::Leaf { phys, .. } => Some((self.split(entries, index, level, phys), below)),
            _ => None,
        }
    }

    fn split(
        &mut self,
        entries: Entries<'p, F::Raw, P>,
        index: usize,
        level: Level,
        phys: PhysAddr,
    ) -> Entries<'p, F::Raw, P> {
        let (frame, child) = self.reserve.pop(self.format, self.ports);
        // Again for each bit that an MMU sets meanwhile: the small leaves have it too.
        X::replace(entries, index, |huge| {
            split_into(self.format, child, huge, level, phys);
            self.format.table(frame, level)
        });
        self.stats.tables += 1;
        self.stats.splits += 1;
        child
    }
}

/// Fills a table with leaves that translate as `huge` at `level` does, which leads to `phys`.
pub(crate) fn split_into<F: Format, M: PhysMapper>(
    format: F,
    child: Entries<'_, F::Raw, M>,
    huge: F::Raw,
    level: Level,
    phys: PhysAddr,
) {
    let bits = format.split(huge, level);
    let parts = Span::of_entry::<F>(0, level).pieces::<F>(level.down().unwrap_or_default());
    for (index, part) in parts.enumerate() {
        child.store(index, F::with_address(bits, PhysAddr::new(phys.get() + part.first)));
    }
}
