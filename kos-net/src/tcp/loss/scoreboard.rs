//! What of the stream is on the way, lost, or held by the peer: [`Scoreboard`] over a lent ring of [`Sent`] records.
//!
//! Invariants, walked by [`Scoreboard::check`]: the records tile `una..nxt` without gap or overlap, none is empty; the
//! counts of sacked and lost bytes are the sums over the records. Neighbours alike that are lost or held become one record.
//! When the ring is full, so do the oldest on the way. If there are none, what would need one more record is rounded: less
//! is held than the peer told, or more is on the way than was sent. That costs time, never a byte: the peer tells again.
//!
//! Source: RFC 6675 section 4, RFC 2018.

use core::ops::Range;

use super::ring::Ring;
use super::sent::{Sent, State};
use crate::time::Instant;

#[derive(Clone, Copy, Debug)]
pub(super) struct Scoreboard {
    /// The first byte the peer has not acknowledged in order.
    una: u64,
    /// The first byte never sent.
    nxt: u64,
    ring: Ring,
    sacked: u32,
    lost: u32,
}

impl Scoreboard {
    pub(super) const fn new() -> Self {
        Self { una: 0, nxt: 0, ring: Ring::new(), sacked: 0, lost: 0 }
    }

    pub(super) fn una(&self) -> u64 {
        self.una
    }

    pub(super) fn nxt(&self) -> u64 {
        self.nxt
    }

    /// Bytes the peer holds out of order.
    pub(super) fn sacked(&self) -> u32 {
        self.sacked
    }

    /// Bytes lost and not sent again yet.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn lost(&self) -> u32 {
        self.lost
    }

    /// Bytes sent and not acknowledged in order.
    pub(super) fn outstanding(&self) -> u32 {
        u32::try_from(self.nxt.saturating_sub(self.una)).unwrap_or(u32::MAX)
    }

    /// Bytes believed to be on the way ("pipe" in RFC 6675).
    pub(super) fn flying(&self) -> u32 {
        self.outstanding().saturating_sub(self.sacked).saturating_sub(self.lost)
    }

    /// Notes that `range` goes out now: below `nxt` once more, from there on for the first time.
    pub(super) fn sent(&mut self, sent: &mut [Sent], now: Instant, range: Range<u64>) {
        if range.start < self.nxt {
            self.sent_again(sent, now, &(range.start..range.end.min(self.nxt)));
        }
        // Ends are kept modulo 2^32; no window is that wide.
        let end = range.end.min(self.una.saturating_add(u64::from(u32::MAX)));
        if end > self.nxt {
            self.push(sent, now, end);
        }
    }

    /// The peer holds everything below `una` in order. `newly` sees each record that was not known to be held, and where it ends;
    /// of one that leaves only in part it sees where that part ends.
    pub(super) fn acknowledge(&mut self, sent: &mut [Sent], una: u64, mut newly: impl FnMut(Sent, u64)) {
        let una = una.min(self.nxt);
        while self.una < una && self.ring.count() > 0 {
            let (oldest, end) = (self.ring.get(sent, 0), self.end(sent, 0));
            let part = end.min(una).saturating_sub(self.una);
            self.uncount(oldest.state, part);
            if oldest.state != State::Sacked {
                newly(oldest, end.min(una));
            }
            if end > una {
                break;
            }
            self.una = end;
            self.ring.pop(sent);
        }
        self.una = self.una.max(una);
    }

    /// The peer holds `range` out of order. `newly` sees each record that was not known to be held, and where it ends.
    pub(super) fn sack(&mut self, sent: &mut [Sent], range: &Range<u64>, mut newly: impl FnMut(Sent, u64)) {
        if range.start >= range.end || range.start < self.una || range.end > self.nxt {
            return;
        }
        self.cut(sent, range.start);
        self.cut(sent, range.end);
        let first = self.find(sent, range.start);
        let mut at = if self.start(sent, first) < range.start { first + 1 } else { first };
        let from = at;
        while at < self.ring.count() && self.end(sent, at) <= range.end {
            let record = self.ring.get(sent, at);
            if record.state != State::Sacked {
                newly(record, self.end(sent, at));
                self.change(sent, at, State::Sacked);
            }
            at += 1;
        }
        self.merge(sent, from.saturating_sub(1), at);
    }

    /// Marks what `lost` says of the records on the way: it is asked oldest first and may end the walk by `None`.
    pub(super) fn mark(
        &mut self,
        sent: &mut [Sent],
        mut lost: impl FnMut(&Sent, Range<u64>) -> Option<bool>,
    ) -> u32 {
        let before = self.lost;
        let mut start = self.una;
        for at in 0..self.ring.count() {
            let (record, end) = (self.ring.get(sent, at), self.end(sent, at));
            if record.state == State::Flying {
                match lost(&record, start..end) {
                    Some(true) => self.change(sent, at, State::Lost),
                    Some(false) => {}
                    None => break,
                }
            }
            start = end;
        }
        let marked = self.lost.saturating_sub(before);
        if marked > 0 {
            self.merge(sent, 0, self.ring.count());
        }
        marked
    }

    /// Everything not held is lost. Nothing is held if the first byte is said to be, out of order: then the peer has thrown away
    /// what it told of (RFC 2018 section 8).
    pub(super) fn mark_all(&mut self, sent: &mut [Sent]) {
        let reneged = self.ring.get(sent, 0).state == State::Sacked;
        for at in 0..self.ring.count() {
            if reneged || self.ring.get(sent, at).state != State::Sacked {
                self.change(sent, at, State::Lost);
            }
        }
        self.merge(sent, 0, self.ring.count());
    }

    /// Nothing is lost: what was called so is on its way.
    pub(super) fn unmark(&mut self, sent: &mut [Sent]) {
        for at in 0..self.ring.count() {
            if self.ring.get(sent, at).state == State::Lost {
                self.change(sent, at, State::Flying);
            }
        }
    }

    /// The oldest lost bytes.
    pub(super) fn first_lost(&self, sent: &[Sent]) -> Option<Range<u64>> {
        if self.lost == 0 {
            return None;
        }
        let at = (0..self.ring.count()).find(|at| self.ring.get(sent, *at).state == State::Lost)?;
        Some(self.start(sent, at)..self.end(sent, at))
    }

    /// Where the byte at `place` is believed to be.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn fate(&self, sent: &[Sent], place: u64) -> State {
        self.ring.get(sent, self.find(sent, place)).state
    }

    /// Where all bytes are believed to be, oldest first.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn records(&self, sent: &[Sent]) -> impl Iterator<Item = (Range<u64>, State)> {
        (0..self.ring.count())
            .map(move |at| (self.start(sent, at)..self.end(sent, at), self.ring.get(sent, at).state))
    }

    /// Walks every invariant of the head of this file.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn check(&self, sent: &[Sent]) -> bool {
        let (mut sacked, mut lost, mut start) = (0, 0, self.una);
        for at in 0..self.ring.count() {
            let end = self.end(sent, at);
            if end <= start || end > self.nxt {
                return false;
            }
            match self.ring.get(sent, at).state {
                State::Sacked => sacked += end - start,
                State::Lost => lost += end - start,
                State::Flying => {}
            }
            start = end;
        }
        start == self.nxt && sacked == u64::from(self.sacked) && lost == u64::from(self.lost)
    }

    fn sent_again(&mut self, sent: &mut [Sent], now: Instant, range: &Range<u64>) {
        self.cut(sent, range.start.max(self.una));
        self.cut(sent, range.end);
        let mut at = self.find(sent, range.start.max(self.una));
        while at < self.ring.count() && self.start(sent, at) < range.end {
            if self.ring.get(sent, at).state != State::Sacked {
                self.change(sent, at, State::Flying);
                self.ring.update(sent, at, |record| (record.time, record.again) = (now, true));
            }
            at += 1;
        }
    }

    fn push(&mut self, sent: &mut [Sent], now: Instant, end: u64) {
        let record = Sent { time: now, end: low(end), state: State::Flying, again: false };
        self.make_room(sent);
        if !self.ring.push(sent, record) {
            let last = self.ring.count().saturating_sub(1);
            self.change(sent, last, State::Flying);
            self.ring.update(sent, last, |old| *old = Sent { again: true, ..record });
        }
        self.nxt = end;
    }

    /// Makes a record begin at `place`, if there is room for one more.
    fn cut(&mut self, sent: &mut [Sent], place: u64) {
        if place <= self.una || place >= self.nxt || self.start(sent, self.find(sent, place)) == place {
            return;
        }
        self.make_room(sent);
        let at = self.find(sent, place);
        let record = Sent { end: low(place), ..self.ring.get(sent, at) };
        self.ring.insert(sent, at, record);
    }

    /// If the ring is full: makes one record of the oldest two alike.
    fn make_room(&mut self, sent: &mut [Sent]) {
        if !self.ring.is_full(sent) {
            return;
        }
        let alike = |at: &u32| self.ring.get(sent, *at).like(&self.ring.get(sent, at + 1));
        if let Some(at) = (0..self.ring.count().saturating_sub(1)).find(alike) {
            self.ring.remove(sent, at);
        }
    }

    /// Makes one record of neighbours alike among `first..=last`; those on the way stay apart, for their times.
    fn merge(&mut self, sent: &mut [Sent], first: u32, last: u32) {
        let (mut at, mut last) = (first, last);
        while at < last && at + 1 < self.ring.count() {
            let (record, next) = (self.ring.get(sent, at), self.ring.get(sent, at + 1));
            if record.state != State::Flying && record.like(&next) {
                self.ring.remove(sent, at);
                last -= 1;
            } else {
                at += 1;
            }
        }
    }

    fn change(&mut self, sent: &mut [Sent], at: u32, state: State) {
        let bytes = self.end(sent, at).saturating_sub(self.start(sent, at));
        self.uncount(self.ring.get(sent, at).state, bytes);
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        match state {
            State::Sacked => self.sacked = self.sacked.saturating_add(bytes),
            State::Lost => self.lost = self.lost.saturating_add(bytes),
            State::Flying => {}
        }
        self.ring.update(sent, at, |record| record.state = state);
    }

    fn uncount(&mut self, state: State, bytes: u64) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        match state {
            State::Sacked => self.sacked = self.sacked.saturating_sub(bytes),
            State::Lost => self.lost = self.lost.saturating_sub(bytes),
            State::Flying => {}
        }
    }

    /// The record that holds the byte at `place`; the count of all if none does.
    fn find(&self, sent: &[Sent], place: u64) -> u32 {
        let (mut low, mut high) = (0, self.ring.count());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.end(sent, middle) > place {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        low
    }

    fn start(&self, sent: &[Sent], at: u32) -> u64 {
        at.checked_sub(1).map_or(self.una, |before| self.end(sent, before))
    }

    fn end(&self, sent: &[Sent], at: u32) -> u64 {
        self.una.saturating_add(u64::from(self.ring.get(sent, at).end.wrapping_sub(low(self.una))))
    }
}

/// The half of a place that a record keeps.
#[expect(clippy::cast_possible_truncation, reason = "that is the point")]
const fn low(place: u64) -> u32 {
    place as u32
}
