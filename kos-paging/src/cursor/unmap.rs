//! Unmapping: park what goes, and sweep it up after the flush.
//!
//! An entry that the range covers is parked as it is, a table with all that is below it: so an unmapping writes little.
//! A table that holds nothing present any more is parked in its parent at once: the one flush that follows covers it.
//! The sweep then hands out the leaves and frees the tables that are empty.

use core::marker::PhantomData;

use super::split::{self, Splitter};
use crate::entry::Entries;
use crate::error::UnmapError;
use crate::flush::Unmapped;
use crate::format::{Absent, Entry, Format, Level};
use crate::mode::Mode;
use crate::policy::SplitPolicy;
use crate::ports::{FrameSource, PhysMapper};
use crate::reserve::{self, Reserve};
use crate::run::{self, Like, Run};
use crate::span::{self, Span};
use crate::stats::Stats;
use crate::table::Table;
use crate::walk::{Leaf, Mapping, Node, Purpose, Walk};

pub(super) fn unmap<F: Format, P: FrameSource + PhysMapper, X: Mode>(
    table: &mut Table<F, P, X>,
    span: Span,
    policy: SplitPolicy,
) -> Result<Unmapped<'_, F, P, X>, UnmapError> {
    let survey = survey(table, span, split::policy::<F, X>(table.format, policy))?;
    let reserve = Reserve::take(table.format, &table.ports, survey.needed)?;

    let Table { format, ports, root, stats, .. } = table;
    stats.mapped_bytes = stats.mapped_bytes.saturating_sub(survey.bytes);
    stats.quarantined_bytes += survey.bytes;
    let mode = PhantomData::<X>;
    let splitter = Splitter { format: *format, ports: &*ports, reserve, stats, mode };
    let mut park = Park { splitter, tables: false };
    park.table(Entries::ours::<F>(ports, *root, span::top::<F>()), span::top::<F>(), span);
    if park.tables || survey.quarantined {
        table.flush.add_tables();
    }
    Ok(Unmapped::new(table, span))
}

/// What the first phase found.
struct Survey {
    /// Tables for splits.
    needed: u64,
    /// Bytes that are mapped now.
    bytes: u64,
    /// Something is already parked: its tables may be too.
    quarantined: bool,
}

/// Counts, and writes down in the table what must be flushed.
fn survey<F: Format, P: PhysMapper, X>(
    table: &mut Table<F, P, X>,
    span: Span,
    policy: SplitPolicy,
) -> Result<Survey, UnmapError> {
    let mut survey = Survey { needed: 0, bytes: 0, quarantined: false };
    let Table { format, ports, root, flush, .. } = table;
    flush.clear();
    for node in Walk::new(*format, &*ports, *root, span, Purpose::Survey) {
        let node = node?;
        // What is parked has left the table: there is nothing to split.
        let policy = if node.parked { SplitPolicy::Refuse } else { policy };
        survey.needed +=
            split::tables::<F>(&node, span, policy).map_err(|leaf| UnmapError::PartOfHuge { leaf })?;
        survey.bytes += if node.parked { 0 } else { node.span.clip(span).bytes() };
        survey.quarantined |= node.parked;
        flush.join(&node.mapping::<F>());
    }
    Ok(survey)
}

/// The second phase: cannot fail.
struct Park<'p, F: Format, P, X> {
    splitter: Splitter<'p, F, P, X>,
    /// A table was parked.
    tables: bool,
}

impl<'p, F: Format, P: PhysMapper, X: Mode> Park<'p, F, P, X> {
    fn table(&mut self, entries: Entries<'p, F::Raw, P>, level: Level, span: Span) {
        let mut rest = Some(span);
        while let Some(span) = rest
            && let Ok(used) = run::skip_empty::<F, P>(entries, level, span)
        {
            let piece = used.piece::<F>(level);
            self.entry(entries, level, piece);
            rest = used.after(piece.last);
        }
    }

    fn entry(&mut self, entries: Entries<'p, F::Raw, P>, level: Level, piece: Span) {
        let index = piece.index::<F>(level);
        let fixed = F::FIXED_ROOT && level == span::top::<F>();
        let whole = !fixed && piece.covers::<F>(level);
        let gone = whole || self.part(entries, index, level, piece) && !fixed;
        let raw = entries.load(index);
        let table = match self.splitter.format.decode(raw, level) {
            Ok(Entry::Leaf { .. }) => false,
            Ok(Entry::Table { .. }) => true,
            _ => return,
        };
        if gone {
            X::replace(entries, index, F::park);
            self.tables |= table;
        }
    }

    /// Goes below an entry that is used in part; whether nothing present is left there.
    fn part(&mut self, entries: Entries<'p, F::Raw, P>, index: usize, level: Level, piece: Span) -> bool {
        let Some((child, below)) = self.splitter.below(entries, index, level) else { return false };
        self.table(child, below, piece);
        let format = self.splitter.format;
        child.all_empty_or(|raw| {
            matches!(format.decode(raw, below), Ok(Entry::Absent(Absent::Empty) | Entry::Parked))
        })
    }
}

/// Hands out what is parked in `span`, and frees its tables. No TLB may hold any of it.
pub(crate) fn sweep<F: Format, P: FrameSource + PhysMapper, X>(
    table: &mut Table<F, P, X>,
    span: Span,
    release: impl FnMut(Mapping),
) {
    let Table { format, ports, root, stats, .. } = table;
    let mut sweep = Sweep { format: *format, ports: &*ports, stats, run: None, release };
    sweep.table(Entries::ours::<F>(ports, *root, span::top::<F>()), span::top::<F>(), span, false);
    sweep.end_run();
}

struct Sweep<'p, F, P, R> {
    format: F,
    ports: &'p P,
    stats: &'p mut Stats,
    run: Option<Mapping>,
    release: R,
}

impl<'p, F: Format, P: FrameSource + PhysMapper, R: FnMut(Mapping)> Sweep<'p, F, P, R> {
    fn table(&mut self, entries: Entries<'p, F::Raw, P>, level: Level, span: Span, parked: bool) {
        let mut rest = Some(span);
        while let Some(span) = rest
            && let Ok(used) = run::skip_empty::<F, P>(entries, level, span)
        {
            rest = used.after(self.entry(entries, level, used, parked));
        }
    }

    /// Sweeps the entry of the first byte of `rest`, a leaf with those like it; the last byte swept.
    fn entry(&mut self, entries: Entries<'p, F::Raw, P>, level: Level, rest: Span, parked: bool) -> u64 {
        let index = rest.index::<F>(level);
        let piece = rest.piece::<F>(level);
        let raw = entries.load(index);
        let original = F::unpark(raw);
        let parked = parked || original.is_some();
        match self.format.decode(original.unwrap_or(raw), level) {
            Ok(Entry::Leaf { phys, attrs, accessed, dirty }) if parked => {
                self.leaves(entries, level, rest, Leaf { phys, attrs, accessed, dirty })
            }
            Ok(Entry::Table { phys, .. }) => {
                let Some(below) = level.down() else { return piece.last };
                let child = Entries::ours::<F>(self.ports, phys, below);
                let dense = if parked { self.dense(child, below, piece) } else { None };
                if dense.is_none() {
                    self.table(child, below, piece, parked);
                }
                if dense.is_some() || parked && child.all_empty_or(|_| false) {
                    entries.store(index, F::Raw::default());
                    self.stats.tables = self.stats.tables.saturating_sub(1);
                    reserve::free::<F, P>(self.ports, phys, below);
                }
                if let Some(run) = dense {
                    self.add(run, below);
                }
                piece.last
            }
            _ => piece.last,
        }
    }

    /// The one run that a table of parked leaves is, if it is one: it goes with its table, and needs not be cleared.
    fn dense(&self, entries: Entries<'p, F::Raw, P>, level: Level, span: Span) -> Option<Run> {
        let Ok(Entry::Leaf { phys, attrs, accessed, dirty }) = self.format.decode(entries.load(0), level)
        else {
            return None;
        };
        let leaf = Leaf { phys, attrs, accessed, dirty };
        let whole = Span::of_entry::<F>(span.first, level.up());
        let run = run::of(&self.format, entries, level, span, Like::Contiguous, leaf);
        (run.span == whole).then_some(run)
    }

    /// Clears the leaf of the first byte of `rest` and those like it; their last byte.
    fn leaves(&mut self, entries: Entries<'p, F::Raw, P>, level: Level, rest: Span, leaf: Leaf) -> u64 {
        let run = run::of(&self.format, entries, level, rest, Like::Contiguous, leaf);
        let count = run.span.whole_entries::<F>(level);
        (rest.index::<F>(level)..).take(count).for_each(|index| entries.store(index, F::Raw::default()));
        self.add(run, level);
        run.span.last
    }

    /// Counts leaves that left the table, and joins them to those before them or hands these out.
    fn add(&mut self, Run { span, leaf }: Run, level: Level) {
        self.stats.quarantined_bytes = self.stats.quarantined_bytes.saturating_sub(span.bytes());
        let leaves = Node { span, level, parked: true, leaf }.mapping::<F>();
        if !self.run.as_mut().is_some_and(|run| run.join(&leaves)) {
            self.end_run();
            self.run = Some(leaves);
        }
    }

    fn end_run(&mut self) {
        if let Some(run) = self.run.take() {
            (self.release)(run);
        }
    }
}
