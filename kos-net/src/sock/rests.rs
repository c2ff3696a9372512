//! What is left of connections: [`Rests`], a table of [`RestSlot`]s, 64 bytes each with all that links them.
//!
//! Slots are used in a ring: all rest for the same time, so the oldest is the first to go; behind one that rests anew, others wait
//! for it. A new one always has room: if need be, that of the oldest. One is found by a [`Demux`] of its own, whose chains run
//! through the slots.
//!
//! Invariant: what rests stands among the `count` slots from `first` on, round the end, `first` itself if any; the table holds
//! exactly that.

use core::net::SocketAddr;

use super::Place;
use super::demux::{ChainLink, Chains, Demux, DemuxCorruption, Flow, FlowKey, NOBODY};
use crate::room::Room;
use crate::tcp::time_wait::TimeWait;
use crate::time::Instant;

/// Room for what is left of one connection.
#[derive(Clone, Copy, Debug)]
pub struct RestSlot {
    rest: TimeWait,
    /// The next in the same chain.
    next: u32,
    /// The head of one chain.
    head: u32,
}

const _: () = assert!(size_of::<RestSlot>() <= 64, "one of these stays for each connection that we closed");

impl RestSlot {
    /// Nothing.
    pub const EMPTY: Self = Self { rest: TimeWait::NOTHING, next: NOBODY, head: NOBODY };
}

fn at(index: u32) -> usize {
    usize::try_from(index).unwrap_or(usize::MAX)
}

/// The chains through the slots. Hashes are not kept: they are those of what rests.
struct ByChain<'k, S>(S, &'k FlowKey);

fn link(slots: &[RestSlot], key: &FlowKey, index: u32) -> Option<ChainLink> {
    let slot = slots.get(at(index))?;
    let (local, remote) = slot.rest.addresses();
    Some(ChainLink { hash: key.hash(&Flow::new(local, remote)), next: slot.next })
}

impl Chains for ByChain<'_, &[RestSlot]> {
    fn buckets(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(NOBODY)
    }

    fn head(&self, bucket: u32) -> u32 {
        self.0.get(at(bucket)).map_or(NOBODY, |slot| slot.head)
    }

    fn set_head(&mut self, _: u32, _: u32) {}

    fn link(&self, index: u32) -> Option<ChainLink> {
        link(self.0, self.1, index)
    }

    fn set_link(&mut self, _: u32, _: ChainLink) {}
}

impl Chains for ByChain<'_, &mut [RestSlot]> {
    fn buckets(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(NOBODY)
    }

    fn head(&self, bucket: u32) -> u32 {
        self.0.get(at(bucket)).map_or(NOBODY, |slot| slot.head)
    }

    fn set_head(&mut self, bucket: u32, index: u32) {
        if let Some(slot) = self.0.get_mut(at(bucket)) {
            slot.head = index;
        }
    }

    fn link(&self, index: u32) -> Option<ChainLink> {
        link(self.0, self.1, index)
    }

    fn set_link(&mut self, index: u32, link: ChainLink) {
        if let Some(slot) = self.0.get_mut(at(index)) {
            slot.next = link.next;
        }
    }
}

/// All that rests.
#[derive(Debug)]
pub(crate) struct Rests<S> {
    slots: S,
    table: Demux,
    first: u32,
    count: u32,
}

impl<S: Room<RestSlot>> Rests<S> {
    /// Nothing rests. Without slots nothing ever will.
    pub(crate) fn new(mut slots: S, key: &FlowKey) -> Self {
        slots.as_mut().fill(RestSlot::EMPTY);
        let table = Demux::new(&ByChain(slots.as_ref(), key));
        Self { slots, table, first: 0, count: 0 }
    }

    /// How many connections rest.
    pub(crate) const fn len(&self) -> u32 {
        self.table.len()
    }

    /// Their places, ours and the peers'.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (SocketAddr, SocketAddr)> {
        let resting = self.slots.as_ref().iter().filter(|slot| slot.rest.is_something());
        resting.map(|slot| slot.rest.addresses())
    }

    fn capacity(&self) -> u32 {
        u32::try_from(self.slots.as_ref().len()).unwrap_or(NOBODY)
    }

    /// Keeps `rest`, in the place of the oldest if there is no other.
    pub(crate) fn push(&mut self, key: &FlowKey, rest: TimeWait) {
        if self.count == self.capacity() {
            self.pop(key);
        }
        let place = u64::from(self.first) + u64::from(self.count);
        let index = place.checked_rem(self.capacity().into()).and_then(|index| u32::try_from(index).ok());
        let Some((index, slot)) =
            index.and_then(|index| Some((index, self.slots.as_mut().get_mut(at(index))?)))
        else {
            return;
        };
        slot.rest = rest;
        let (local, remote) = rest.addresses();
        let hash = key.hash(&Flow::new(local, remote));
        self.table.insert(&mut ByChain(self.slots.as_mut(), key), index, hash);
        self.count += 1;
    }

    /// Takes the oldest out.
    fn pop(&mut self, key: &FlowKey) {
        if self.count > 0 {
            self.remove(key, self.first);
        }
    }

    /// Forgets what rests in slot `index`.
    pub(crate) fn remove(&mut self, key: &FlowKey, index: u32) {
        self.table.remove(&mut ByChain(self.slots.as_mut(), key), index);
        if let Some(slot) = self.slots.as_mut().get_mut(at(index)) {
            slot.rest = TimeWait::NOTHING;
        }
        while self.count > 0 && self.oldest().is_none() {
            self.first = if self.first + 1 < self.capacity() { self.first + 1 } else { 0 };
            self.count -= 1;
        }
    }

    /// What is left of the connection between two places.
    pub(crate) fn find(&self, key: &FlowKey, local: Place, remote: Place) -> Option<u32> {
        if self.table.is_empty() {
            return None;
        }
        let (slots, ends) = (self.slots.as_ref(), (local.into(), remote.into()));
        let same = |index| slots.get(at(index)).is_some_and(|slot: &RestSlot| slot.rest.addresses() == ends);
        self.table.lookup(&ByChain(slots, key), key.hash(&Flow { local, remote }), same)
    }

    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut TimeWait> {
        self.slots.as_mut().get_mut(at(index)).map(|slot| &mut slot.rest)
    }

    fn oldest(&self) -> Option<&TimeWait> {
        self.slots.as_ref().get(at(self.first)).map(|slot| &slot.rest).filter(|rest| rest.is_something())
    }

    /// Forgets what has rested for long enough, as far as it is older than all that has not.
    pub(crate) fn expire(&mut self, key: &FlowKey, now: Instant) {
        while self.oldest().is_some_and(|oldest| oldest.expires(now) <= now) {
            self.pop(key);
        }
    }

    /// When [`expire`](Self::expire) has something to do.
    pub(crate) fn poll_at(&self, now: Instant) -> Option<Instant> {
        self.oldest().map(|oldest| oldest.expires(now))
    }

    /// Walks the invariants.
    pub(crate) fn check(&self, key: &FlowKey) -> Result<(), DemuxCorruption> {
        self.table.check(&ByChain(self.slots.as_ref(), key))?;
        let found = self.slots.as_ref().iter().filter(|slot| slot.rest.is_something()).count();
        let (found, expected) = (u32::try_from(found).unwrap_or(u32::MAX), self.table.len());
        if found == expected { Ok(()) } else { Err(DemuxCorruption::BadCount { found, expected }) }
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::VecDeque;
    use alloc::vec;
    use alloc::vec::Vec;
    use core::net::SocketAddr;

    use proptest::prelude::*;

    use super::{FlowKey, RestSlot, Rests, TimeWait};
    use crate::time::{Duration, Instant, after};

    const MINUTE: Duration = Duration::from_secs(60);

    fn ends(port: u16) -> (SocketAddr, SocketAddr) {
        (([10, 0, 0, 1], 80).into(), ([10, 0, 0, 2], port).into())
    }

    proptest! {
        #![proptest_config(crate::testing::config())]
        /// Against a list in the order of ends, of which the oldest goes when it is full; who is taken out leaves a hole.
        #[test]
        fn the_table_is_a_list_of_the_youngest(size in 1..6_usize, steps in prop::collection::vec((0..4_u8, 1..12_u16, 0..30_u64), 0..100)) {
            let key = FlowKey::new([7; 16]);
            let mut rests = Rests::new(vec![RestSlot::EMPTY; size], &key);
            let (mut model, mut now) = (VecDeque::<(Option<u16>, Instant)>::new(), Instant::from_ticks(0));
            let place = |port| { let (local, remote) = ends(port); ((local.ip(), local.port()), (remote.ip(), remote.port())) };
            for (step, port, seconds) in steps {
                let (local, remote) = place(port);
                let known = model.iter().position(|(known, _)| *known == Some(port));
                prop_assert_eq!(rests.find(&key, local, remote).is_some(), known.is_some());
                match (step, known) {
                    (0 | 1, None) => {
                        let (local, remote) = ends(port);
                        rests.push(&key, TimeWait::resting(now, local, remote));
                        if model.len() == size {
                            model.pop_front();
                        }
                        model.push_back((Some(port), after(now, MINUTE)));
                    }
                    (2, Some(at)) => {
                        let index = rests.find(&key, local, remote).unwrap();
                        rests.remove(&key, index);
                        model[at].0 = None;
                    }
                    _ => {
                        now = after(now, Duration::from_secs(seconds));
                        // A step of its clock early at most.
                        rests.expire(&key, after(now, Duration::from_millis(3)));
                        while model.front().is_some_and(|(_, end)| *end <= now) {
                            model.pop_front();
                        }
                    }
                }
                while model.front().is_some_and(|(port, _)| port.is_none()) {
                    model.pop_front();
                }
                prop_assert_eq!(rests.check(&key), Ok(()));
                prop_assert_eq!(rests.len() as usize, model.iter().filter(|(port, _)| port.is_some()).count());
            }
        }
    }

    #[test]
    fn a_table_without_slots_keeps_nothing() {
        let key = FlowKey::new([7; 16]);
        let mut rests = Rests::new(Vec::new(), &key);
        let (local, remote) = ends(1);
        rests.push(&key, TimeWait::resting(Instant::from_ticks(0), local, remote));
        assert_eq!(
            (rests.len(), rests.poll_at(Instant::from_ticks(0)), rests.check(&key)),
            (0, None, Ok(()))
        );
    }
}
