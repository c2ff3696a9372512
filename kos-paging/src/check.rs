//! `check()`: every invariant of a table, walked.
//!
//! Every entry is one that this crate writes; tables narrow no rights; a table below the root has a present entry, or
//! is parked; no leaf is against the policies; the counters equal a recount. A table that is linked twice shows as a
//! wrong count.

use crate::addr::PhysAddr;
use crate::cursor;
use crate::entry::Entries;
use crate::error::{Corruption, WalkError};
use crate::format::{Absent, Entry, Format, Level};
use crate::mode::Mode;
use crate::ports::PhysMapper;
use crate::span::{self, Span};
use crate::table::Table;
use crate::walk;

impl<F: Format, P: PhysMapper, X: Mode> Table<F, P, X> {
    /// Walks every invariant of the table; reads all of it.
    ///
    /// # Errors
    ///
    /// The first [`Corruption`] found.
    pub fn check(&self) -> Result<(), Corruption> {
        let (tables, mapped, quarantined) = Check::count(self)?;
        let stats = self.stats();
        agree("tables", stats.tables, tables)?;
        agree("mapped_bytes", stats.mapped_bytes, mapped)?;
        agree("quarantined_bytes", stats.quarantined_bytes, quarantined)
    }
}

fn agree(counter: &'static str, counted: u64, found: u64) -> Result<(), Corruption> {
    if counted == found { Ok(()) } else { Err(Corruption::Miscounted { counter, counted, found }) }
}

pub(crate) struct Check<'t, F, P, X> {
    table: &'t Table<F, P, X>,
    tables: u64,
    mapped: u64,
    quarantined: u64,
}

impl<'t, F: Format, P: PhysMapper, X> Check<'t, F, P, X> {
    /// Tables, bytes mapped and bytes quarantined, by a walk of every other invariant.
    pub(crate) fn count(table: &'t Table<F, P, X>) -> Result<(u64, u64, u64), Corruption> {
        let mut check = Check { table, tables: 0, mapped: 0, quarantined: 0 };
        check.table(table.root, span::top::<F>(), Span::whole::<F>(), false)?;
        Ok((check.tables, check.mapped, check.quarantined))
    }

    fn table(&mut self, frame: PhysAddr, level: Level, span: Span, parked: bool) -> Result<(), Corruption> {
        let at = span.address::<F>();
        let unknown = WalkError::UnknownFrame { at, level: level.up(), frame };
        let entries = Entries::open::<F>(&self.table.ports, frame, level).ok_or(unknown)?;
        self.tables += 1;
        let mut used = false;
        let shared = self.table.shared.filter(|_| level == span::top::<F>());
        let anothers = |piece: &Span| shared.is_some_and(|shared| piece.within(shared));
        for piece in span.pieces::<F>(level).filter(|piece| !anothers(piece)) {
            used |= self.entry(entries.load(piece.index::<F>(level)), level, piece, parked)?;
        }
        let fixed = level == span::top::<F>() || F::FIXED_ROOT && level.up() == span::top::<F>();
        if used || parked || fixed { Ok(()) } else { Err(Corruption::EmptyTable { at, frame }) }
    }

    /// Whether the entry is present.
    fn entry(&mut self, raw: F::Raw, level: Level, piece: Span, parked: bool) -> Result<bool, Corruption> {
        if raw == F::Raw::default() {
            return Ok(false);
        }
        let at = piece.address::<F>();
        let original = F::unpark(raw);
        let gone = parked || original.is_some();
        let format = self.table.format;
        let present = original.unwrap_or(raw);
        let stray = || Corruption::StrayBits { at, raw: raw.into() };
        match walk::decode(format, present, level, piece)? {
            Entry::Table { phys, .. } => {
                let below = level.down().ok_or(WalkError::UnknownFrame { at, level, frame: phys })?;
                if present & !F::KEPT != format.table(phys, level) {
                    return Err(Corruption::ForeignTable { at, raw: raw.into() });
                }
                self.table(phys, below, piece, gone)?;
            }
            Entry::Absent(Absent::Empty) => return Err(stray()),
            Entry::Absent(_) => {}
            Entry::Leaf { attrs, .. } => {
                cursor::allowed::<F>(self.table.wx, piece, attrs)
                    .map_err(|cause| Corruption::Forbidden { at, cause })?;
                *(if gone { &mut self.quarantined } else { &mut self.mapped }) += piece.bytes();
            }
            Entry::Parked => return Err(stray()),
        }
        Ok(original.is_none())
    }
}
