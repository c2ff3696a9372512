//! Changing attributes: the whole range or nothing, holes refused.

use core::marker::PhantomData;
use core::ops::Range;

use super::split::{self, Splitter};
use super::{LeafBits, leaves};
use crate::attrs::{Attrs, Flags};
use crate::entry::Entries;
use crate::error::{AttrError, ProtectError};
use crate::flush::{Changed, Protected};
use crate::format::{Entry, Format, Level, Transition};
use crate::mode::Mode;
use crate::policy::{SplitPolicy, WxPolicy};
use crate::ports::{FrameSource, PhysMapper};
use crate::reserve::Reserve;
use crate::run::{self, Like};
use crate::span::{self, Span};
use crate::table::Table;
use crate::walk::{Leaf, Node};

pub(super) fn protect<F: Format, P: FrameSource + PhysMapper, X: Mode>(
    table: &mut Table<F, P, X>,
    span: Span,
    attrs: Attrs,
    policy: SplitPolicy,
) -> Result<Protected, ProtectError> {
    let bits = LeafBits::new(table.format, table.wx, span, attrs)?;
    let (needed, changed) = survey(table, span, attrs, &bits, split::policy::<F, X>(table.format, policy))?;
    let reserve = Reserve::take(table.format, &table.ports, needed)?;

    let Table { format, ports, root, stats, .. } = table;
    let mode = PhantomData::<X>;
    let splitter = Splitter { format: *format, ports: &*ports, reserve, stats, mode };
    let mut change = Change { splitter, bits, transition: Transition::None };
    change.table(Entries::ours::<F>(ports, *root, span::top::<F>()), span::top::<F>(), span);
    Ok(Protected::new(changed, change.transition))
}

/// The first phase: tables for splits, and what TLBs may hold.
fn survey<F: Format, P: PhysMapper, X: Mode>(
    table: &Table<F, P, X>,
    span: Span,
    attrs: Attrs,
    bits: &LeafBits<F::Raw>,
    policy: SplitPolicy,
) -> Result<(u64, Changed), ProtectError> {
    let mut needed = 0;
    let mut changed: Option<Changed> = None;
    let mut next = span.first;
    for node in leaves(table, span) {
        let node = node?;
        if node.parked || node.span.first > next {
            break;
        }
        needed +=
            split::tables::<F>(&node, span, policy).map_err(|leaf| ProtectError::PartOfHuge { leaf })?;
        let leaf = node.mapping::<F>();
        if table.wx == WxPolicy::DenyHistory && adds_execute(leaf.attrs, attrs) {
            return Err(AttrError::ExecuteAfterwards.into());
        }
        if X::LIVE && must_break(table.format, bits, &node) {
            return Err(ProtectError::MustBreak { leaf });
        }
        match &mut changed {
            Some(changed) => changed.join(&leaf),
            None => changed = Some(Changed::new(&leaf)),
        }
        next = node.span.last + 1;
    }
    match changed {
        Some(changed) if next > span.last => Ok((needed, changed)),
        _ => Err(ProtectError::Hole { at: F::VA.address(next) }),
    }
}

const fn adds_execute(old: Attrs, new: Attrs) -> bool {
    new.flags.contains(Flags::EXECUTE) && !old.flags.contains(Flags::EXECUTE)
}

/// The new entry must not meet the old one in a TLB.
fn must_break<F: Format>(format: F, bits: &LeafBits<F::Raw>, node: &Node) -> bool {
    let (level, Leaf { phys, attrs, .. }) = (node.level, node.leaf);
    let leaf = |bits| F::with_address(bits, phys);
    let Ok(old) = format.leaf_bits(attrs, level) else { return false };
    format.transition(leaf(old), leaf(bits.at(level)), level) == Transition::BreakBeforeMake
}

/// The second phase: cannot fail.
struct Change<'p, F: Format, P, X> {
    splitter: Splitter<'p, F, P, X>,
    bits: LeafBits<F::Raw>,
    transition: Transition,
}

impl<'p, F: Format, P: PhysMapper, X: Mode> Change<'p, F, P, X> {
    fn table(&mut self, entries: Entries<'p, F::Raw, P>, level: Level, span: Span) {
        let mut rest = Some(span);
        while let Some(span) = rest {
            rest = span.after(self.entry(entries, level, span));
        }
    }

    /// Changes the entry of the first byte of `rest`, a leaf with those like it; the last byte changed.
    fn entry(&mut self, entries: Entries<'p, F::Raw, P>, level: Level, rest: Span) -> u64 {
        let (index, piece) = (rest.index::<F>(level), rest.piece::<F>(level));
        let whole = rest.whole_entries::<F>(level);
        if level == Level::PAGE {
            // The survey has seen that all of these are leaves.
            self.leaves(entries, level, index..index + whole);
            return Span::of_entry::<F>(rest.first, level).first + whole as u64 * span::size::<F>(level) - 1;
        }
        match self.splitter.format.decode(entries.load(index), level) {
            Ok(Entry::Leaf { phys, attrs, accessed, dirty }) if whole > 0 => {
                let leaf = Leaf { phys, attrs, accessed, dirty };
                let like = run::of(&self.splitter.format, entries, level, rest, Like::Attributes, leaf).span;
                self.leaves(entries, level, index..index + like.whole_entries::<F>(level));
                like.last
            }
            _ => {
                self.below(entries, index, level, piece);
                piece.last
            }
        }
    }

    /// Most of the time of a change is here: what it asks of TLBs is asked once for each sort of entries.
    fn leaves(&mut self, entries: Entries<'p, F::Raw, P>, level: Level, indexes: Range<usize>) {
        let format = self.splitter.format;
        let (bits, address) = (self.bits.at(level), format.address_bits(level));
        let change = |old| F::carry(bits | old & address, old);
        let mut sort = None;
        for index in indexes {
            let old = X::replace(entries, index, change);
            if sort != Some(old & !address) {
                sort = Some(old & !address);
                self.transition = self.transition.max(format.transition(old, change(old), level));
            }
        }
    }

    fn below(&mut self, entries: Entries<'p, F::Raw, P>, index: usize, level: Level, piece: Span) {
        if let Some((child, below)) = self.splitter.below(entries, index, level) {
            self.table(child, below, piece);
        }
    }
}
