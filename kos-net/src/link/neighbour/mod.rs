//! Who has which address on the link: [`Neighbours`], one machine for ARP and neighbour discovery.
//!
//! A packet for a [`Hop`] is handed to [`send`](Neighbours::send). It goes at once if the link address is known, else it waits (3 a
//! neighbour) while the machine has the neighbour asked. What is to be done comes out of [`poll`](Neighbours::poll), to be
//! called after each other call until it says `None`, and at [`poll_at`](Neighbours::poll_at).
//!
//! Invariants: only who sends makes an entry, never what is heard. Entries without a link address are at most a quarter, and push
//! out only each other, so that a scan of the subnet cannot push out a neighbour that answers (RFC 6583). A known address changes
//! only by the rules of RFC 4861, section 7.2.5, and is then asked itself before it is believed.
//!
//! Sources: RFC 4861 sections 7.2 and 7.3; RFC 826. An ARP request is taken as a solicitation, a reply to us as a solicited
//! advertisement that overrides, a gratuitous packet as an unsolicited one; an answer nobody asked for is unsolicited whatever it
//! says. The times that routers advertise are not taken over.

mod check;
mod config;
#[cfg(test)]
mod model;
mod slot;
mod table;
#[cfg(test)]
mod tests;

pub use check::Corruption;
pub use config::{MAX_NEIGHBOURS, NeighbourConfig, NeighbourConfigError, NeighbourStats};
pub use slot::{Entry, Hop, QUEUED, Slot, State};
use table::Table;

use super::InterfaceId;
use crate::jitter::Jitter;
use crate::room::Room;
use crate::time::{Instant, after};
use crate::wire::MacAddr;
use crate::wire::ndp::NeighborFlags;

/// What becomes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sending<F> {
    /// It goes to this address now.
    To(MacAddr, F),
    /// It waits; as many frames as this were given up for it (they are dropped already).
    Queued {
        /// How many.
        dropped: usize,
    },
    /// Its neighbour was not found a moment ago.
    Unreachable(F),
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action<F> {
    /// Ask for a neighbour's link address.
    Solicit {
        /// Whose.
        hop: Hop,
        /// At this link address; `None`: broadcast (ARP), to the solicited-node group (neighbour discovery).
        to: Option<MacAddr>,
    },
    /// A frame that waited goes out.
    Send {
        /// For whom.
        hop: Hop,
        /// Where to.
        mac: MacAddr,
        /// It.
        frame: F,
    },
    /// A neighbour does not answer: a gateway is dead, a search has failed.
    Lost {
        /// Which.
        hop: Hop,
    },
    /// A frame that waited in vain: its sender is told that the host is unreachable.
    GiveUp {
        /// For whom.
        hop: Hop,
        /// It.
        frame: F,
    },
}

/// The neighbours of all interfaces. `F` is a frame, or a handle to one; `S` holds 4 to [`MAX_NEIGHBOURS`] slots.
#[derive(Debug)]
pub struct Neighbours<F, S> {
    table: Table<F, S>,
    config: NeighbourConfig,
    jitter: Jitter,
    stats: NeighbourStats,
}

impl<F, S: Room<Slot<F>>> Neighbours<F, S> {
    /// A table that knows nobody. `seed` is random: it hides in which bucket an address lies.
    ///
    /// # Errors
    /// Too few or too many slots, a time or count of zero.
    pub fn new(slots: S, config: NeighbourConfig, seed: [u64; 3]) -> Result<Self, NeighbourConfigError> {
        let got = slots.as_ref().len();
        if !(4..=MAX_NEIGHBOURS).contains(&got) {
            return Err(NeighbourConfigError::Slots { got });
        }
        if config.retransmit.is_zero() || config.tries == 0 {
            return Err(NeighbourConfigError::Times);
        }
        let [low, high, jitter] = seed;
        let (table, jitter) = (Table::new(slots, (low, high)), Jitter::new(jitter));
        Ok(Self { table, config, jitter, stats: NeighbourStats::default() })
    }

    /// Hands over a frame for `hop`.
    pub fn send(&mut self, now: Instant, hop: Hop, frame: F) -> Sending<F> {
        let Some(index) = self.table.find(&hop) else { return self.search(now, hop, frame) };
        self.table.touch(index);
        let Entry { state, mac, .. } = self.table.at(index).entry;
        match state {
            State::Failed { until } if now < until => return Sending::Unreachable(frame),
            State::Incomplete | State::Failed { .. } => {
                if state != State::Incomplete {
                    self.start(now, index);
                }
                return self.enqueue(index, frame);
            }
            State::Reachable { until } if now >= until => self.try_it(now, index),
            State::Stale => self.try_it(now, index),
            State::Reachable { .. } | State::Delay | State::Probe => {}
        }
        Sending::To(mac, frame)
    }

    /// What to do next at `now`; to be asked until there is nothing more.
    pub fn poll(&mut self, now: Instant) -> Option<Action<F>> {
        let (at, index) = self.table.due()?;
        if at > now {
            return None;
        }
        let Entry { hop, state, mac, .. } = self.table.at(index).entry;
        if !state.is_unresolved()
            && let Some(frame) = self.unqueue(now, index)
        {
            return Some(Action::Send { hop, mac, frame });
        }
        match state {
            State::Incomplete => Some(self.ask(now, index, None)),
            State::Delay | State::Probe => Some(self.ask(now, index, Some(mac))),
            State::Failed { .. } => self.unqueue(now, index).map(|frame| Action::GiveUp { hop, frame }),
            State::Reachable { .. } | State::Stale => {
                self.table.disarm(index);
                None
            }
        }
    }

    /// When [`poll`](Self::poll) has something to do; in the past if it has already.
    pub fn poll_at(&self) -> Option<Instant> {
        self.table.due().map(|(at, _)| at)
    }

    /// A neighbour asked for something and told its link address: an ARP request to us or for another, a solicitation, a router's
    /// advertisement.
    pub fn on_solicitation(&mut self, now: Instant, hop: Hop, mac: MacAddr) {
        let Some(index) = self.table.find(&hop).filter(|_| mac.is_unicast()) else { return };
        let entry = self.table.at(index).entry;
        if entry.state.is_unresolved() || entry.mac != mac {
            self.learn(now, index, mac, State::Stale);
        }
    }

    /// A neighbour told its link address, or that it is there. Returns whether it was a router and is none any more.
    pub fn on_advertisement(
        &mut self,
        now: Instant,
        hop: Hop,
        mac: Option<MacAddr>,
        flags: NeighborFlags,
    ) -> bool {
        let Some(index) = self.table.find(&hop) else { return false };
        let entry = self.table.at(index).entry;
        let asked = matches!(entry.state, State::Incomplete | State::Probe);
        let solicited = asked && flags.contains(NeighborFlags::SOLICITED);
        let mac = match mac {
            Some(mac) if !mac.is_unicast() => return false,
            None if entry.state.is_unresolved() => return false,
            mac => mac.unwrap_or(entry.mac),
        };
        let other = !entry.state.is_unresolved() && mac != entry.mac;
        if other && !flags.contains(NeighborFlags::OVERRIDE) {
            if let State::Reachable { .. } = entry.state {
                self.learn(now, index, entry.mac, State::Stale);
            }
            return false;
        }
        if solicited {
            let until = self.believed_until(now);
            self.learn(now, index, mac, State::Reachable { until });
        } else if other || entry.state.is_unresolved() {
            self.learn(now, index, mac, State::Stale);
        }
        let router = flags.contains(NeighborFlags::ROUTER);
        self.table.update(index, |entry| entry.router = router);
        entry.router && !router
    }

    /// Somebody above heard from beyond `hop` something that answers what was sent over it: an acknowledgement of new data.
    pub fn confirm(&mut self, now: Instant, hop: Hop) {
        let Some(index) = self.table.find(&hop) else { return };
        let until = self.believed_until(now);
        if !self.table.at(index).entry.state.is_unresolved() {
            self.table.update(index, |entry| entry.state = State::Reachable { until });
            self.rearm(now, index);
        }
    }

    /// Forgets a neighbour and what waits for it; says whether it was known.
    pub fn remove(&mut self, hop: Hop) -> bool {
        let found = self.table.find(&hop);
        found.map(|index| self.forget(index)).is_some()
    }

    /// Forgets the neighbours of an interface: its link went down, or its address changed.
    pub fn flush(&mut self, interface: InterfaceId) {
        for index in 0..self.table.capacity() {
            let slot = self.table.at(index);
            if slot.used && slot.entry.hop.interface == interface {
                self.forget(index);
            }
        }
    }

    /// What is known of a neighbour. One that was reachable until a moment ago still reads so.
    pub fn get(&self, hop: Hop) -> Option<&Entry> {
        self.table.find(&hop).map(|index| &self.table.at(index).entry)
    }

    /// All neighbours, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.table.entries()
    }

    /// What was counted.
    #[must_use]
    pub const fn stats(&self) -> NeighbourStats {
        self.stats
    }

    /// Walks every invariant.
    ///
    /// # Errors
    /// The first that does not hold.
    pub fn check(&self) -> Result<(), Corruption> {
        let count = self.table.count(true);
        if count > self.share() {
            return Err(Corruption::Unresolved { count });
        }
        check::check(&self.table)
    }
}

/// The steps.
impl<F, S: Room<Slot<F>>> Neighbours<F, S> {
    /// How many entries may be without a link address.
    fn share(&self) -> u16 {
        self.table.capacity() / 4
    }

    fn believed_until(&mut self, now: Instant) -> Instant {
        after(now, self.jitter.around(self.config.reachable))
    }

    fn search(&mut self, now: Instant, hop: Hop, frame: F) -> Sending<F> {
        let evicted = self.make_room(true);
        let Some(index) = self.table.insert(Entry::new(hop)) else { return Sending::Unreachable(frame) };
        self.start(now, index);
        self.table.at_mut(index).push(frame);
        Sending::Queued { dropped: evicted }
    }

    /// Room for one more entry of that kind, whose share is kept: what of its kind was not used for longest goes.
    fn make_room(&mut self, unresolved: bool) -> usize {
        let share = if unresolved { self.share() } else { self.table.capacity() - self.share() };
        if self.table.count(unresolved) < share {
            return 0;
        }
        self.stats.evicted += 1;
        self.table.oldest(unresolved).map_or(0, |index| self.forget(index))
    }

    fn forget(&mut self, index: u16) -> usize {
        let dropped = self.table.remove(index).waiting();
        self.stats.dropped += dropped as u64;
        dropped
    }

    /// Begins to ask for an address that is not known.
    fn start(&mut self, now: Instant, index: u16) {
        self.stats.searched += 1;
        self.table.update(index, |entry| *entry = Entry::new(entry.hop));
        self.table.arm(index, now);
    }

    fn enqueue(&mut self, index: u16, frame: F) -> Sending<F> {
        let dropped = usize::from(self.table.at_mut(index).push(frame).is_some());
        self.stats.dropped += dropped as u64;
        Sending::Queued { dropped }
    }

    /// The next frame that waits. With the last one goes the reason to come back at once.
    fn unqueue(&mut self, now: Instant, index: u16) -> Option<F> {
        let frame = self.table.at_mut(index).pop();
        let entry = self.table.at(index).entry;
        if frame.is_some() && entry.state == State::Stale {
            self.table.update(index, |entry| entry.state = State::Delay);
        }
        if self.table.at(index).waiting() == 0 && (frame.is_some() || entry.state.is_unresolved()) {
            self.rearm(now, index);
        }
        frame
    }

    /// The deadline of a state that was just entered.
    fn rearm(&mut self, now: Instant, index: u16) {
        let slot = self.table.at(index);
        match slot.entry.state {
            _ if slot.waiting() > 0 => self.table.arm(index, now),
            State::Delay => self.table.arm(index, after(now, self.config.delay)),
            State::Incomplete | State::Probe => self.table.arm(index, after(now, self.config.retransmit)),
            State::Reachable { .. } | State::Stale | State::Failed { .. } => self.table.disarm(index),
        }
    }

    fn try_it(&mut self, now: Instant, index: u16) {
        self.table.update(index, |entry| entry.state = State::Delay);
        self.rearm(now, index);
    }

    /// Asks once more, or gives up.
    fn ask(&mut self, now: Instant, index: u16, to: Option<MacAddr>) -> Action<F> {
        let Entry { hop, state, tries, .. } = self.table.at(index).entry;
        let tries = if state == State::Delay { 0 } else { tries };
        let failed = tries >= self.config.tries;
        let next = match to {
            _ if failed => State::Failed { until: after(now, self.config.failed) },
            None => State::Incomplete,
            Some(_) => State::Probe,
        };
        if next.is_unresolved() && !state.is_unresolved() {
            self.make_room(true);
        }
        self.table.update(index, |entry| (entry.state, entry.tries) = (next, tries.saturating_add(1)));
        if failed {
            self.stats.failed += 1;
            self.rearm(now, index);
            return Action::Lost { hop };
        }
        self.table.arm(index, after(now, self.config.retransmit));
        Action::Solicit { hop, to }
    }

    /// Notes a link address; what waited for it goes out with the next [`poll`](Self::poll).
    fn learn(&mut self, now: Instant, index: u16, mac: MacAddr, state: State) {
        if self.table.at(index).entry.state.is_unresolved() {
            self.make_room(false);
            self.stats.found += 1;
        }
        self.table.update(index, |entry| (entry.mac, entry.state, entry.tries) = (mac, state, 0));
        self.rearm(now, index);
    }
}
