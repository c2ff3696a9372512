//! What is to go out, and what the peer lets: [`Sender`].
//!
//! `una <= nxt <= end + 1`: acknowledged, sent, written by the user; the FIN is the place behind the last byte. Nothing that
//! was sent is unsent: what is lost goes again as a range. The peer may take its window back; then what is beyond waits.
//! Source: RFC 9293 sections 3.8.6, 3.8.6.2.1, 3.10.7.4.

use core::ops::Range;

use super::fsm::Answer;
use super::origin::Origin;
use crate::wire::SeqNumber;

/// The sending half of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sender {
    /// Our initial sequence number.
    pub(crate) origin: Origin,
    /// The first place that is not acknowledged; 0 is our SYN.
    pub(crate) una: u64,
    /// The first place that was never sent.
    pub(crate) nxt: u64,
    /// The place behind the last byte that the user wrote.
    pub(crate) end: u64,
    /// Where the last segment that was not full ends (Minshall's rule for Nagle).
    pub(crate) small: u64,
    /// The place that lies at the front of the ring.
    pub(crate) base: u64,
    /// The place of the segment that said the window. What it acknowledged is acknowledged.
    said: u64,
    /// How many bytes from `una` on the peer takes.
    pub(crate) window: u32,
    /// The most it ever took.
    pub(crate) largest: u32,
    /// By how many bits the peer's window is shifted.
    pub(crate) scale: u8,
    /// Whether the user sends no more.
    pub(crate) finishing: bool,
}

impl Sender {
    pub(crate) const fn new(initial: SeqNumber) -> Self {
        Self {
            origin: Origin(initial),
            una: 0,
            nxt: 0,
            end: 1,
            small: 0,
            base: 0,
            said: 0,
            window: 0,
            largest: 0,
            scale: 0,
            finishing: false,
        }
    }

    /// Places that were sent and are not acknowledged.
    pub(crate) const fn in_flight(&self) -> u64 {
        self.nxt - self.una
    }

    /// The place behind all that is ever to be sent so far.
    pub(crate) const fn last(&self) -> u64 {
        self.end + self.finishing as u64
    }

    /// Whether our FIN is out.
    pub(crate) const fn fin_sent(&self) -> bool {
        self.finishing && self.nxt > self.end
    }

    /// Whether there are places that were never sent.
    pub(crate) const fn has_unsent(&self) -> bool {
        self.nxt < self.last()
    }

    /// How many more places the peer takes.
    pub(crate) const fn usable(&self) -> u64 {
        (self.una + self.window as u64).saturating_sub(self.nxt)
    }

    /// Nothing is held: the next byte goes to the front of the ring.
    pub(crate) fn rewind(&mut self) {
        if self.una.max(1) >= self.end {
            self.base = self.end;
        }
    }

    /// The places that the user may write to, in a ring of `capacity` bytes.
    pub(crate) fn writable(&self, capacity: usize) -> Range<u64> {
        let capacity = u64::try_from(capacity).unwrap_or(u64::MAX);
        self.end..self.una.max(1).saturating_add(capacity).max(self.end)
    }

    /// What `ack` tells, and the place it means.
    pub(crate) fn judge(&self, ack: Option<SeqNumber>) -> (Answer, u64) {
        let Some(ack) = ack else { return (Answer::Nothing, self.una) };
        let Some(place) = self.origin.offset(self.una, ack) else { return (Answer::Ancient, self.una) };
        let answer = match place {
            place if place > self.nxt => Answer::Unsent,
            place if place > self.una && self.fin_sent() && place == self.nxt => Answer::Fin,
            place if place > self.una => Answer::New,
            place if self.una - place > self.largest.into() => Answer::Ancient,
            _ => Answer::Known,
        };
        (answer, place)
    }

    /// Takes the window of a segment at `place` that acknowledges `ack`, unless it is older than the one known; whether the
    /// window changed.
    pub(crate) fn take_window(&mut self, place: u64, ack: u64, window: u32) -> bool {
        if ack < self.una || place < self.said {
            return false;
        }
        self.said = place;
        let changed = self.window != window;
        self.window = window;
        self.largest = self.largest.max(window);
        changed
    }

    /// Where a segment without data stands, so that the peer finds it acceptable even if its window shrank. A shift of the
    /// window cuts bits off: less than one unit is no shrinking.
    pub(crate) const fn place_of_ack(&self) -> u64 {
        let edge = self.una + self.window as u64;
        if self.nxt < edge + (1 << self.scale) { self.nxt } else { edge }
    }
}
