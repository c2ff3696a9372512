//! Parts of huge leaves: counting and making the tables that take a huge leaf's place.

use crate::addr::PhysAddr;
use crate::entry::Entries;
use crate::format::{Entry, Format, Level};
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

/// What a commit works with.
pub(super) struct Splitter<'p, F, P> {
    pub(super) format: F,
    pub(super) ports: &'p P,
    pub(super) reserve: Reserve,
    pub(super) stats: &'p mut Stats,
}

impl<'p, F: Format, P: PhysMapper> Splitter<'p, F, P> {
    /// The table below an entry that is used in part: the one that is there, or one that takes the leaf's place and
    /// translates alike. `None` if nothing is there.
    pub(super) fn below(
        &mut self,
        entries: Entries<'p, F::Raw>,
        index: usize,
        level: Level,
    ) -> Option<(Entries<'p, F::Raw>, Level)> {
        let below = level.down()?;
        let raw = entries.load(index);
        match self.format.decode(raw, level).ok()? {
            Entry::Table { phys, .. } => Some((Entries::ours(self.ports, phys), below)),
            Entry::Leaf { phys, .. } => Some((self.split(entries, index, level, below, phys), below)),
            _ => None,
        }
    }

    fn split(
        &mut self,
        entries: Entries<'p, F::Raw>,
        index: usize,
        level: Level,
        below: Level,
        phys: PhysAddr,
    ) -> Entries<'p, F::Raw> {
        let huge = entries.load(index);
        let bits = self.format.split(huge, level);
        let (frame, child) = self.reserve.pop(self.format, self.ports);
        let parts = Span::of_entry::<F>(0, level).pieces::<F>(below);
        for (index, part) in parts.enumerate() {
            child.store(index, F::with_address(bits, PhysAddr::new(phys.get() + part.first)));
        }
        entries.store(index, self.format.table(frame));
        self.stats.tables += 1;
        self.stats.splits += 1;
        child
    }
}
