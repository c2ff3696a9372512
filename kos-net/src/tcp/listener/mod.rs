//! A port where peers may connect: [`Listener`].
//!
//! A SYN costs a [`SynRecord`] in lent storage until the handshake is done; the storage is sets of [`WAYS`] records, chosen by a
//! keyed hash. A full set, or more records than the cap, costs no memory at all: the peer gets a cookie. Full accept queue:
//! silence, since a reset would tell the peer that nobody is there (RFC 9293 section 3.10.7.2, RFC 4987).

mod cookie;
mod record;
#[cfg(test)]
mod tests;

use core::net::SocketAddr;

pub use record::SynRecord;

use super::TcpConfig;
use super::clock::{NEVER, after, backed_off};
use super::isn::{Purpose, Secret};
use super::output::Outgoing;
use crate::DropReason;
use crate::time::{Duration, Instant};
use crate::wire::{SeqNumber, TcpFlags, TcpOptions, TcpSegment};

/// Records that one SYN may be put into.
pub(crate) const WAYS: usize = 8;
/// SYN-ACKs are sent again at most so often: a flood must not make a search of all records for each.
const ROUND: Duration = Duration::from_millis(100);
/// So long after the last cookie none is believed any more.
const COOKIES_LAST: Duration = Duration::from_secs(128);

/// Where a segment for a listener comes from and goes to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// Our address and port.
    pub(crate) local: SocketAddr,
    /// The peer's.
    pub(crate) remote: SocketAddr,
    /// Data of the largest segment that the path takes, without options.
    pub(crate) mss: u16,
    /// Bytes of the receive ring that the connection will have.
    pub(crate) capacity: usize,
    /// What a new connection begins with, if the one before between the same places says so: behind all that it sent.
    pub(crate) initial: Option<SeqNumber>,
}

/// What a segment for a listener leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing.
    Drop(DropReason),
    /// This goes back.
    Answer(Outgoing),
    /// [`reset_for`](super::output::reset_for) goes back.
    Reset,
    /// The handshake is done: make a connection of it with [`Tcb::accepted`](super::tcb::Tcb::accepted), which takes the
    /// segment. It counts for the accept queue until [`Listener::left`].
    Accept(SynRecord),
}

/// What is constant for all listeners of a stack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules<'a> {
    pub(crate) config: &'a TcpConfig,
    pub(crate) secret: &'a Secret,
}

/// A port where peers may connect.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listener {
    backlog: u16,
    /// Connections that wait to be accepted.
    ready: u16,
    /// Records in use.
    half_open: u16,
    /// When records are looked at.
    due: Instant,
    /// When the last cookie went; none before any.
    cookie_at: Option<Instant>,
}

impl Listener {
    /// With room for `backlog` connections that wait, at least one.
    pub(crate) const fn new(backlog: u16) -> Self {
        let backlog = if backlog == 0 { 1 } else { backlog };
        Self { backlog, ready: 0, half_open: 0, due: NEVER, cookie_at: None }
    }

    /// The records that it may have: as many as storage is worth lending, in whole sets.
    pub(crate) fn records(&self) -> usize {
        usize::from(self.backlog).max(16).next_multiple_of(WAYS)
    }

    /// A connection was accepted, or ended while it waited.
    pub(crate) const fn left(&mut self) {
        self.ready = self.ready.saturating_sub(1);
    }

    /// A connection that was accepted found no memory: its handshake is under way as before, and the peer's next segment tries again.
    pub(crate) fn refused(
        &mut self,
        now: Instant,
        rules: &Rules<'_>,
        place: &Place,
        record: &SynRecord,
        records: &mut [Option<SynRecord>],
    ) {
        self.left();
        // Who has no place there comes with a cookie, which stays good.
        if let Some(slot) = set_of(rules.secret, place, records).iter_mut().find(|slot| slot.is_none()) {
            let due = after(now, rules.config.loss.initial_rto);
            *slot = Some(SynRecord { due, ..*record });
            self.due = self.due.min(due);
            self.half_open += 1;
        }
    }

    /// Takes a segment that belongs to no connection.
    pub(crate) fn on_segment(
        &mut self,
        now: Instant,
        rules: &Rules<'_>,
        place: &Place,
        segment: &TcpSegment<'_>,
        records: &mut [Option<SynRecord>],
    ) -> Verdict {
        let set = set_of(rules.secret, place, records);
        let found = set.iter_mut().find(|slot| {
            slot.is_some_and(|known| (known.local, known.remote) == (place.local, place.remote))
        });
        let flags = segment.header.flags();
        if let Some(slot) = found {
            return self.on_known(now, segment, slot);
        }
        match (flags.contains(TcpFlags::RST), flags.contains(TcpFlags::ACK), flags.contains(TcpFlags::SYN)) {
            (true, ..) => Verdict::Drop(DropReason::BadState),
            (_, true, false) => self.on_cookie(now, rules, place, segment),
            (_, true, true) => Verdict::Reset,
            (_, false, true) => self.on_syn(now, rules, place, segment, set),
            (_, false, false) => Verdict::Drop(DropReason::BadState),
        }
    }

    fn on_syn(
        &mut self,
        now: Instant,
        rules: &Rules<'_>,
        place: &Place,
        segment: &TcpSegment<'_>,
        set: &mut [Option<SynRecord>],
    ) -> Verdict {
        if self.ready >= self.backlog {
            return Verdict::Drop(DropReason::BacklogFull);
        }
        let initial = place.initial.unwrap_or_else(|| rules.secret.initial(now, place.local, place.remote));
        let offset = rules.secret.clock_offset(place.local.ip(), place.remote.ip());
        let mut record = SynRecord::new(now, rules.config, place, segment, initial, offset);
        let room = usize::from(self.half_open) < self.records();
        let Some(slot) = set.iter_mut().find(|slot| slot.is_none()).filter(|_| room) else {
            cookie::bake(now, rules.secret, &mut record);
            self.cookie_at = Some(now);
            return Verdict::Answer(record.answer(now));
        };
        record.due = after(now, rules.config.loss.initial_rto);
        self.due = self.due.min(record.due);
        self.half_open += 1;
        let answer = record.answer(now);
        *slot = Some(record);
        Verdict::Answer(answer)
    }

    /// A segment of a handshake that is under way.
    fn on_known(&mut self, now: Instant, segment: &TcpSegment<'_>, slot: &mut Option<SynRecord>) -> Verdict {
        let Some(record) = *slot else { return Verdict::Drop(DropReason::BadState) };
        let header = segment.header;
        let flags = header.flags();
        if flags.contains(TcpFlags::RST) {
            if header.sequence() != record.peer_initial.plus(1) {
                return Verdict::Drop(DropReason::Challenged);
            }
            self.forget(slot);
            return Verdict::Drop(DropReason::BadState);
        }
        if flags.contains(TcpFlags::SYN) {
            // The same again, or another that must show itself: a peer that has begun anew will reset the old one.
            return Verdict::Answer(record.answer(now));
        }
        if !flags.contains(TcpFlags::ACK) {
            return Verdict::Drop(DropReason::BadState);
        }
        if header.acknowledgement() != record.initial.plus(1) {
            return Verdict::Reset;
        }
        let old = |known: u32, value: u32| value.wrapping_sub(known).cast_signed() < 0;
        let clock = TcpOptions::parse(segment.options).timestamps;
        if record.clock.zip(clock).is_some_and(|(known, clock)| old(known, clock.value)) {
            return Verdict::Drop(DropReason::StaleTimestamp);
        }
        if !record.takes(segment) {
            return Verdict::Answer(record.answer(now));
        }
        if self.ready >= self.backlog {
            return Verdict::Drop(DropReason::BacklogFull);
        }
        self.forget(slot);
        self.ready += 1;
        Verdict::Accept(record)
    }

    /// An acknowledgement of nothing that is remembered here: the peer may remember it for us.
    fn on_cookie(
        &mut self,
        now: Instant,
        rules: &Rules<'_>,
        place: &Place,
        segment: &TcpSegment<'_>,
    ) -> Verdict {
        let lately = self.cookie_at.is_some_and(|then| super::clock::since(now, then) <= COOKIES_LAST);
        let record =
            if lately { cookie::open(now, rules.secret, rules.config, place, segment) } else { None };
        match record {
            None => Verdict::Reset,
            Some(_) if self.ready >= self.backlog => Verdict::Drop(DropReason::BacklogFull),
            Some(record) => {
                self.ready += 1;
                Verdict::Accept(record)
            }
        }
    }

    fn forget(&mut self, slot: &mut Option<SynRecord>) {
        if slot.take().is_some() {
            self.half_open = self.half_open.saturating_sub(1);
        }
    }

    /// When [`on_timer`](Self::on_timer) is to be called.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        (self.due != NEVER).then_some(self.due)
    }

    /// Our place and the peer's of a handshake that [`on_timer`](Self::on_timer) has to deal with.
    pub(crate) fn unanswered(
        &self,
        now: Instant,
        records: &[Option<SynRecord>],
    ) -> Option<(SocketAddr, SocketAddr)> {
        let mut due = records.iter().flatten().filter(|record| now >= self.due && record.due <= now);
        due.next().map(|record| (record.local, record.remote))
    }

    /// After [`unanswered`](Self::unanswered) said that there is nobody: when it is to be asked again.
    pub(crate) fn rest_until_due(&mut self, now: Instant, records: &[Option<SynRecord>]) -> Option<Instant> {
        if now >= self.due {
            let first = records.iter().flatten().map(|record| record.due).min();
            self.due = first.map_or(NEVER, |first| first.max(after(now, ROUND)));
        }
        self.deadline()
    }

    /// The next SYN-ACK that goes again of those that `here` says can go, with our address and the peer's; to be called until there
    /// is none. Who did not answer often enough is forgotten.
    pub(crate) fn on_timer(
        &mut self,
        now: Instant,
        config: &TcpConfig,
        records: &mut [Option<SynRecord>],
        here: impl Fn(SocketAddr, SocketAddr) -> bool,
    ) -> Option<(SocketAddr, SocketAddr, Outgoing)> {
        if now < self.due {
            return None;
        }
        for slot in records.iter_mut() {
            let Some(record) = slot.as_mut().filter(|record| record.due <= now) else { continue };
            if record.tries >= config.syn_ack_retries {
                self.forget(slot);
            } else if here(record.local, record.remote) {
                record.tries += 1;
                let wait = backed_off(config.loss.initial_rto, record.tries, config.loss.max_rto);
                record.due = after(now, wait);
                return Some((record.local, record.remote, record.answer(now)));
            }
        }
        if self.unanswered(now, records).is_none() {
            self.rest_until_due(now, records);
        }
        None
    }
}

/// The records that a pair of addresses may be in.
fn set_of<'a>(
    secret: &Secret,
    place: &Place,
    records: &'a mut [Option<SynRecord>],
) -> &'a mut [Option<SynRecord>] {
    let sets = records.len() / WAYS;
    let hash = secret.hash(Purpose::Record, place.local, place.remote, 0);
    let set = usize::try_from(hash).unwrap_or(0).checked_rem(sets).unwrap_or(0);
    records.get_mut(set * WAYS..(set + 1) * WAYS).unwrap_or_default()
}
