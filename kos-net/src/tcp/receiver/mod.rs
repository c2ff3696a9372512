//! What came, and what may come: [`Receiver`].
//!
//! Bytes go to their place in the ring at once, in order or not. What lies beyond the next wanted byte is a list of [`Gap`]s in
//! lent storage: sorted, disjoint, not touching, all behind `nxt` and before `right`. When the list is full, what would make it
//! longer is refused; what was reported by SACK is never thrown away. The right edge that was promised never moves back.
//! Source: RFC 9293 sections 3.4, 3.8.6.2.2; RFC 2018; RFC 2883; RFC 7323 section 2.

mod gaps;
#[cfg(test)]
mod tests;
mod window;

use core::ops::Range;

pub use gaps::{Gap, MAX_GAPS};
pub(crate) use window::scale_for;

use super::origin::Origin;
use super::ring;
use crate::wire::{MAX_SACK_BLOCKS, SackBlock, SackBlocks, SeqNumber};
use gaps::Gaps;

/// Places of the blocks that were reported last; more are not repeated.
const REPORTED: usize = 3;

/// The receiving half of a connection.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Receiver {
    /// The peer's initial sequence number.
    pub(crate) origin: Origin,
    /// The next byte that is wanted.
    pub(crate) nxt: u64,
    /// The next byte that the user gets.
    pub(crate) read: u64,
    /// The place that lies at the front of the ring.
    pub(crate) base: u64,
    /// The end of the window as it was promised.
    pub(crate) right: u64,
    /// The place of the peer's FIN, if it is known; 0 is its SYN.
    fin: u64,
    /// The newest duplicate, to be reported once: its place, and length.
    duplicate: u64,
    duplicate_length: u32,
    gaps: Gaps,
    /// By how many bits our window is shifted.
    pub(crate) scale: u8,
    /// The largest segment that came.
    pub(crate) largest: u16,
    /// A byte of each block that was reported, the newest first, as the low half of its place.
    newest: [u32; REPORTED],
}

/// What became of a segment's data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Bytes that the user can get now.
    pub(crate) in_order: u64,
    /// Whether the acknowledgement must go at once: a hole opened, shrank or was filled, or the bytes were not wanted.
    pub(crate) urgent: bool,
    /// Whether nothing of it was kept, though it was within the window.
    pub(crate) refused: bool,
    /// Whether the peer's FIN is next, and was taken.
    pub(crate) finished: bool,
}

impl Receiver {
    /// Before the peer's SYN.
    pub(crate) fn before_syn(scale: u8) -> Self {
        Self { scale, ..Self::default() }
    }

    /// After the peer's SYN with number `initial`. Its answer must say a window before anything is taken.
    pub(crate) fn new(initial: SeqNumber, scale: u8) -> Self {
        Self { origin: Origin(initial), nxt: 1, read: 1, right: 1, scale, ..Self::default() }
    }

    /// Bytes that the user can get, as places.
    pub(crate) fn readable(&self) -> Range<u64> {
        self.read..self.nxt - u64::from(self.finished())
    }

    /// Whether all data and FIN came.
    pub(crate) const fn finished(&self) -> bool {
        self.fin != 0 && self.nxt > self.fin
    }

    /// Whether something is missing before what came.
    pub(crate) const fn has_gaps(&self) -> bool {
        self.gaps.count() != 0
    }

    /// Takes what is in the window of `data` at place `start`, and FIN behind it.
    pub(crate) fn take(
        &mut self,
        start: u64,
        data: &[u8],
        fin: bool,
        storage: &mut [u8],
        gaps: &mut [Gap],
    ) -> Taken {
        let end = start.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
        self.largest = self.largest.max(u16::try_from(data.len()).unwrap_or(u16::MAX));
        if fin && self.fin == 0 && end >= self.nxt && end <= self.right {
            self.fin = end;
        }
        let limit = if self.fin == 0 { self.right } else { self.fin };
        let range = start.max(self.nxt)..end.min(limit);
        self.note_duplicate(start, end, gaps);
        let mut taken = Taken::default();
        if range.start < range.end {
            taken = self.keep(&range, gaps);
            if !taken.refused {
                let skip = usize::try_from(range.start - start).unwrap_or(usize::MAX);
                let rest = data.get(skip..).unwrap_or_default();
                let wanted = rest.get(..ring::length(&range)).unwrap_or(rest);
                ring::write(storage, self.base, range.start, wanted);
            }
        } else {
            taken.urgent = start < end;
        }
        if self.fin != 0 && self.nxt == self.fin {
            self.nxt += 1;
            taken.finished = true;
        }
        taken
    }

    /// Notes that `range` came, which begins at `nxt` or later.
    fn keep(&mut self, range: &Range<u64>, gaps: &mut [Gap]) -> Taken {
        let had_gaps = self.has_gaps();
        if range.start > self.nxt {
            let refused = !self.gaps.insert(gaps, range);
            if !refused {
                self.report_first(range.start);
            }
            return Taken { urgent: true, refused, ..Taken::default() };
        }
        let before = self.nxt;
        self.nxt = self.gaps.absorb(gaps, range.end);
        Taken { in_order: self.nxt - before, urgent: had_gaps, ..Taken::default() }
    }

    /// Notes the bytes of a segment that were there already (RFC 2883).
    fn note_duplicate(&mut self, start: u64, end: u64, gaps: &[Gap]) {
        let known =
            if start < self.nxt { start..end.min(self.nxt) } else { self.gaps.overlap(gaps, start..end) };
        if known.start < known.end {
            self.duplicate = known.start;
            self.duplicate_length = u32::try_from(known.end - known.start).unwrap_or(u32::MAX);
        }
    }

    /// The user took `count` bytes.
    pub(crate) fn consume(&mut self, count: usize) {
        let readable = self.readable();
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.read = self.read.saturating_add(count).min(readable.end);
        if self.read == self.nxt && !self.has_gaps() {
            self.base = self.nxt;
        }
    }

    /// Puts the block with place `start` before the others.
    fn report_first(&mut self, start: u64) {
        let mark = self.origin.at(start).0;
        let [first, second, _] = self.newest;
        if first != mark {
            self.newest = [mark, first, second];
        }
    }

    /// What the next acknowledgement reports: a duplicate once, the newest block, those reported before, then the lowest.
    pub(crate) fn sack(&mut self, gaps: &[Gap]) -> SackBlocks {
        let mut places = [(0, 0); MAX_SACK_BLOCKS];
        let mut count = 0;
        let mut put = |block: (u64, u64)| {
            let known = places.get(..count).is_some_and(|known| known.contains(&block));
            if let Some(slot) = places.get_mut(count).filter(|_| !known && block.0 < block.1) {
                *slot = block;
                count += 1;
            }
        };
        let (start, length) = (self.duplicate, core::mem::take(&mut self.duplicate_length));
        put((start, start.saturating_add(length.into())));
        let held = self.gaps.all(gaps);
        for mark in self.newest {
            let place = self.origin.offset(self.nxt, SeqNumber(mark));
            let block =
                held.iter().find(|gap| place.is_some_and(|place| (gap.start..gap.end).contains(&place)));
            block.into_iter().for_each(|gap| put((gap.start, gap.end)));
        }
        held.iter().for_each(|gap| put((gap.start, gap.end)));
        let origin = self.origin;
        SackBlocks::new(
            places
                .into_iter()
                .take(count)
                .map(|(start, end)| SackBlock { start: origin.at(start), end: origin.at(end) }),
        )
    }

    /// Whether a duplicate or a block is to be reported.
    pub(crate) const fn has_to_report(&self) -> bool {
        self.has_gaps() || self.duplicate_length != 0
    }

    /// How many blocks there are to report.
    pub(crate) const fn reports(&self) -> usize {
        self.gaps.count() + (self.duplicate_length != 0) as usize
    }

    /// Whether the ranges are sorted, apart, and within the window, and the places in order.
    pub(crate) fn is_sound(&self, storage: &[u8], gaps: &[Gap]) -> bool {
        let capacity = u64::try_from(storage.len()).unwrap_or(u64::MAX);
        let ordered = self.read <= self.nxt && self.nxt <= self.right.saturating_add(1);
        let fits = self.right <= self.read.saturating_add(capacity);
        ordered && fits && self.gaps.is_sound(gaps, self.nxt, self.right)
    }
}
