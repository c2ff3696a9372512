//! Mapping: survey what is there, count tables by arithmetic, take them, fill in.
//!
//! A new table is filled completely before the entry that links it is written: a walker never meets half of one.

use super::LeafBits;
use crate::addr::PhysAddr;
#[cfg(target_has_atomic = "64")]
use crate::addr::VirtRange;
use crate::attrs::Attrs;
use crate::entry::Entries;
#[cfg(target_has_atomic = "64")]
use crate::error::RangeError;
use crate::error::{MapError, WalkError};
use crate::format::{Absent, Entry, Format, Level};
use crate::policy::HugePolicy;
use crate::ports::{FrameSource, PhysMapper};
use crate::reserve::Reserve;
use crate::span::{self, Span};
use crate::table::Table;
use crate::walk::{self, Leaf, Node};

pub(super) fn map<F: Format, P: FrameSource + PhysMapper, X>(
    table: &mut Table<F, P, X>,
    span: Span,
    phys: PhysAddr,
    attrs: Attrs,
    huge: HugePolicy,
) -> Result<(), MapError> {
    let bits = LeafBits::new(table.format, table.wx, span, attrs)?;
    in_reach(table.format, span, phys)?;
    let max = largest_leaf(table.format, span, phys, huge);
    let survey = Survey { format: table.format, ports: &table.ports, max };
    let needed = survey.tables(table.root, span::top::<F>(), span)?;
    let reserve = Reserve::take(table.format, &table.ports, needed)?;

    let Table { format, ports, root, stats, .. } = table;
    stats.tables += needed;
    stats.mapped_bytes += span.bytes();
    let mut fill = Fill { format: *format, ports: &*ports, max, bits, start: span.first, phys, reserve };
    fill.table(Entries::ours::<F>(ports, *root, span::top::<F>()), span::top::<F>(), span);
    Ok(())
}

/// The place and the entry of one leaf at `level`, with all that can be refused refused.
#[cfg(target_has_atomic = "64")]
pub(crate) fn one_leaf<F: Format, P: FrameSource + PhysMapper, X>(
    table: &Table<F, P, X>,
    range: VirtRange,
    phys: PhysAddr,
    attrs: Attrs,
    level: Level,
) -> Result<(Span, F::Raw), MapError> {
    let span = Span::of_pages::<F>(range)?;
    let bits = LeafBits::new(table.format, table.wx, span, attrs)?;
    in_reach(table.format, span, phys)?;
    if !span.covers::<F>(level) {
        return Err(RangeError::Misaligned { at: range.first() }.into());
    }
    if !phys.is_aligned(span::size::<F>(level)) {
        return Err(MapError::Misaligned { phys });
    }
    Ok((span, F::with_address(bits.at(level), phys)))
}

/// Refuses physical memory that entries cannot hold.
fn in_reach<F: Format>(format: F, span: Span, phys: PhysAddr) -> Result<(), MapError> {
    if !phys.is_aligned(span::size::<F>(Level::PAGE)) {
        return Err(MapError::Misaligned { phys });
    }
    let highest = format.max_phys();
    match phys.checked_add(span.last - span.first) {
        Some(last) if last <= highest => Ok(()),
        _ => Err(MapError::PhysOutOfRange { phys, highest }),
    }
}

/// The highest level at which a leaf can have both addresses aligned.
fn largest_leaf<F: Format>(format: F, span: Span, phys: PhysAddr, huge: HugePolicy) -> Level {
    let bound = match huge {
        HugePolicy::Never => Level::PAGE,
        HugePolicy::Largest => format.max_leaf(),
        HugePolicy::UpTo(level) => level.min(format.max_leaf()),
    };
    let alike = |level: &Level| (span.first ^ phys.get()).is_multiple_of(span::size::<F>(*level));
    (1..=bound.get()).map(Level::new).take_while(alike).last().unwrap_or(Level::PAGE)
}

/// The first phase: reads only.
struct Survey<'p, F, P> {
    format: F,
    ports: &'p P,
    max: Level,
}

impl<F: Format, P: PhysMapper> Survey<'_, F, P> {
    /// How many tables are missing for `span`, all of whose pages must be absent.
    fn tables(&self, frame: PhysAddr, level: Level, span: Span) -> Result<u64, MapError> {
        let at = span.address::<F>();
        let unknown = WalkError::UnknownFrame { at, level: level.up(), frame };
        let entries = Entries::open::<F>(self.ports, frame, level).ok_or(unknown)?;
        let mut missing = 0;
        for piece in span.pieces::<F>(level) {
            missing += self.entry(entries.load(piece.index::<F>(level)), level, piece)?;
        }
        Ok(missing)
    }

    fn entry(&self, raw: F::Raw, level: Level, piece: Span) -> Result<u64, MapError> {
        let at = piece.address::<F>();
        match walk::decode(self.format, raw, level, piece)? {
            Entry::Absent(Absent::Empty) => Ok(piece.tables_below::<F>(level, self.max)),
            Entry::Absent(state) => Err(MapError::Held { at, state }),
            Entry::Parked => Err(MapError::Quarantined { at }),
            Entry::Table { phys, .. } => {
                let below = level.down().ok_or(WalkError::UnknownFrame { at, level, frame: phys })?;
                self.tables(phys, below, piece)
            }
            Entry::Leaf { phys, attrs, accessed, dirty } => {
                let leaf = Leaf { phys, attrs, accessed, dirty };
                let span = Span::of_entry::<F>(piece.first, level);
                let existing = Node { span, level, parked: false, leaf }.mapping::<F>();
                Err(MapError::Occupied { at, existing })
            }
        }
    }
}

/// The second phase: cannot fail.
struct Fill<'p, F: Format, P> {
    format: F,
    ports: &'p P,
    max: Level,
    bits: LeafBits<F::Raw>,
    start: u64,
    phys: PhysAddr,
    reserve: Reserve,
}

impl<'p, F: Format, P: PhysMapper> Fill<'p, F, P> {
    fn table(&mut self, entries: Entries<'p, F::Raw, P>, level: Level, span: Span) {
        if level == Level::PAGE {
            return self.pages(entries, span);
        }
        for piece in span.pieces::<F>(level) {
            let index = piece.index::<F>(level);
            match level.down() {
                Some(below) if level > self.max || !piece.covers::<F>(level) => {
                    self.below(entries, index, level, below, piece);
                }
                _ => entries.store(index, F::with_address(self.bits.at(level), self.phys_of(piece))),
            }
        }
    }

    /// The dense case: most of the time of a mapping in small pages is here.
    fn pages(&self, entries: Entries<'p, F::Raw, P>, span: Span) {
        let page = span::size::<F>(Level::PAGE);
        let (bits, first) = (self.bits.at(Level::PAGE), self.phys_of(span).get());
        for (index, page) in
            (span.index::<F>(Level::PAGE)..).zip((0..span.bytes() / page).map(|number| number * page))
        {
            entries.store(index, F::with_address(bits, PhysAddr::new(first + page)));
        }
    }

    /// Where the first byte of a piece is mapped to.
    const fn phys_of(&self, piece: Span) -> PhysAddr {
        PhysAddr::new(self.phys.get() + (piece.first - self.start))
    }

    fn below(
        &mut self,
        entries: Entries<'p, F::Raw, P>,
        index: usize,
        level: Level,
        below: Level,
        piece: Span,
    ) {
        if let Ok(Entry::Table { phys, .. }) = self.format.decode(entries.load(index), level) {
            self.table(Entries::ours::<F>(self.ports, phys, below), below, piece);
        } else {
            let (frame, child) = self.reserve.pop(self.format, self.ports);
            self.table(child, below, piece);
            entries.store(index, self.format.table(frame, level));
        }
    }
}
