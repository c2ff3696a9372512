//! What a page table should be, naively: a map of ranges, without levels, tables or entries.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::attrs::Attrs;
use crate::walk::Mapping;

/// Addresses that are mapped alike, to memory that follows on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Piece {
    /// The first address.
    pub first: u64,
    /// The last address.
    pub last: u64,
    /// The physical address of the first byte.
    pub phys: u64,
    /// Attributes.
    pub attrs: Attrs,
}

impl Piece {
    fn from(&self, first: u64) -> Self {
        Self { first, phys: self.phys + (first - self.first), ..*self }
    }

    fn meets(&self, first: u64, last: u64) -> bool {
        self.first <= last && first <= self.last
    }

    /// Whether `next` continues this piece.
    fn joins(&self, next: &Self) -> bool {
        self.last.checked_add(1) == Some(next.first)
            && self.phys + (next.first - self.first) == next.phys
            && self.attrs == next.attrs
    }
}

impl From<&Mapping> for Piece {
    fn from(mapping: &Mapping) -> Self {
        Self {
            first: mapping.range.first().get(),
            last: mapping.range.last().get(),
            phys: mapping.phys.get(),
            attrs: mapping.attrs,
        }
    }
}

/// Pieces by first address; they never meet.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Model(BTreeMap<u64, Piece>);

impl Model {
    /// Adds a piece where nothing is.
    pub fn map(&mut self, piece: Piece) {
        self.0.insert(piece.first, piece);
    }

    /// Takes out all that lies in `first ..= last`.
    pub fn cut(&mut self, first: u64, last: u64) -> Vec<Piece> {
        let meeting: Vec<Piece> = self.0.values().filter(|piece| piece.meets(first, last)).copied().collect();
        for piece in &meeting {
            self.0.remove(&piece.first);
            if piece.first < first {
                self.map(Piece { last: first - 1, ..*piece });
            }
            if piece.last > last {
                self.map(piece.from(last + 1));
            }
        }
        let inside =
            |piece: &Piece| Piece { last: piece.last.min(last), ..piece.from(piece.first.max(first)) };
        meeting.iter().map(inside).collect()
    }

    /// Changes the attributes of all that lies in `first ..= last`.
    pub fn protect(&mut self, first: u64, last: u64, attrs: Attrs) {
        for piece in self.cut(first, last) {
            self.map(Piece { attrs, ..piece });
        }
    }

    /// Where an address leads.
    #[must_use]
    pub fn at(&self, address: u64) -> Option<(u64, Attrs)> {
        let piece = self.0.values().find(|piece| piece.meets(address, address))?;
        Some((piece.from(address).phys, piece.attrs))
    }

    /// The first mapped address in `first ..= last`.
    #[must_use]
    pub fn first_in(&self, first: u64, last: u64) -> Option<u64> {
        self.0.values().find(|piece| piece.meets(first, last)).map(|piece| piece.first.max(first))
    }

    /// The first unmapped address in `first ..= last`.
    #[must_use]
    pub fn hole_in(&self, first: u64, last: u64) -> Option<u64> {
        let mut next = first;
        for piece in self.0.values().filter(|piece| piece.meets(first, last)) {
            if piece.first > next {
                break;
            }
            if piece.last >= last {
                return None;
            }
            next = piece.last + 1;
        }
        Some(next)
    }

    /// Whether nothing is mapped.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The pieces in order.
    #[must_use]
    pub fn pieces(&self) -> Vec<Piece> {
        self.0.values().copied().collect()
    }
}

/// Pieces in order, joined where one continues the other.
#[must_use]
pub fn joined(mut pieces: Vec<Piece>) -> Vec<Piece> {
    pieces.sort_by_key(|piece| piece.first);
    let mut runs: Vec<Piece> = Vec::new();
    for piece in pieces {
        match runs.last_mut() {
            Some(run) if run.joins(&piece) => run.last = piece.last,
            _ => runs.push(piece),
        }
    }
    runs
}
