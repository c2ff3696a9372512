//! Where the neighbours stand: [`Table`], slots with links inside.
//!
//! Found by a keyed hash, so that nobody fills one bucket on purpose; ordered by use in two lists, one of those whose link address
//! is not known; a binary heap of deadlines. All links are indices of slots; only this folder writes them. Everything but a chain
//! of one bucket is O(1), a deadline O(log n).

use core::hash::{Hash as _, Hasher as _};

use siphasher::sip::SipHasher13;

use super::slot::{Entry, Hop, NONE, Slot};
use crate::room::Room;
use crate::time::Instant;

/// The ends of a list in order of use.
#[derive(Clone, Copy, Debug)]
struct List {
    newest: u16,
    oldest: u16,
    length: u16,
}

impl List {
    const EMPTY: Self = Self { newest: NONE, oldest: NONE, length: 0 };
}

#[derive(Debug)]
pub(super) struct Table<F, S> {
    slots: S,
    key: (u64, u64),
    free: u16,
    /// Of entries whose link address is known, and of the others.
    lists: [List; 2],
    /// How many deadlines there are.
    armed: u16,
    _frames: core::marker::PhantomData<F>,
}

impl<F, S: Room<Slot<F>>> Table<F, S> {
    /// `slots` are fewer than [`NONE`].
    pub(super) fn new(mut slots: S, key: (u64, u64)) -> Self {
        let count = slots.as_ref().len();
        for (next, slot) in (1_u16..).zip(slots.as_mut()) {
            *slot = Slot::new();
            slot.chain = if usize::from(next) < count { next } else { NONE };
        }
        let free = if count == 0 { NONE } else { 0 };
        Self { slots, key, free, lists: [List::EMPTY; 2], armed: 0, _frames: core::marker::PhantomData }
    }

    #[expect(clippy::indexing_slicing, reason = "indices come from links, whose slots exist")]
    pub(super) fn at(&self, index: u16) -> &Slot<F> {
        &self.slots.as_ref()[usize::from(index)]
    }

    #[expect(clippy::indexing_slicing, reason = "indices come from links, whose slots exist")]
    pub(super) fn at_mut(&mut self, index: u16) -> &mut Slot<F> {
        &mut self.slots.as_mut()[usize::from(index)]
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.slots.as_ref().iter().filter(|slot| slot.used).map(|slot| &slot.entry)
    }

    /// How many slots there are.
    pub(super) fn capacity(&self) -> u16 {
        u16::try_from(self.slots.as_ref().len()).unwrap_or(NONE)
    }

    /// How many entries there are whose link address is known, or not.
    pub(super) const fn count(&self, unresolved: bool) -> u16 {
        self.list(unresolved).length
    }

    const fn list(&self, unresolved: bool) -> List {
        let [resolved, others] = self.lists;
        if unresolved { others } else { resolved }
    }

    fn list_mut(&mut self, unresolved: bool) -> &mut List {
        let [resolved, others] = &mut self.lists;
        if unresolved { others } else { resolved }
    }

    /// Which of these was not used for longest.
    pub(super) const fn oldest(&self, unresolved: bool) -> Option<u16> {
        some(self.list(unresolved).oldest)
    }

    pub(super) const fn newest(&self, unresolved: bool) -> Option<u16> {
        some(self.list(unresolved).newest)
    }

    pub(super) const fn first_free(&self) -> u16 {
        self.free
    }

    pub(super) const fn deadlines(&self) -> u16 {
        self.armed
    }

    fn bucket(&self, hop: &Hop) -> u16 {
        let mut hasher = SipHasher13::new_with_keys(self.key.0, self.key.1);
        hop.hash(&mut hasher);
        let index = hasher.finish().checked_rem(self.capacity().into()).unwrap_or(0);
        u16::try_from(index).unwrap_or(0)
    }

    pub(super) fn find(&self, hop: &Hop) -> Option<u16> {
        let bucket = self.bucket(hop);
        let mut next = self.at(bucket).bucket;
        while next != NONE && self.at(next).entry.hop != *hop {
            next = self.at(next).chain;
        }
        some(next)
    }

    /// Takes a free slot for an entry that is not there yet.
    pub(super) fn insert(&mut self, entry: Entry) -> Option<u16> {
        let index = some(self.free)?;
        let bucket = self.bucket(&entry.hop);
        self.free = self.at(index).chain;
        let first = core::mem::replace(&mut self.at_mut(bucket).bucket, index);
        let slot = self.at_mut(index);
        (slot.entry, slot.used, slot.chain) = (entry, true, first);
        self.link(index, entry.state.is_unresolved());
        Some(index)
    }

    /// Gives a slot back, with what waits in it.
    pub(super) fn remove(&mut self, index: u16) -> Slot<F> {
        self.disarm(index);
        let entry = self.at(index).entry;
        self.unlink(index, entry.state.is_unresolved());
        self.unchain(index, self.bucket(&entry.hop));
        let free = core::mem::replace(&mut self.free, index);
        let slot = self.at_mut(index);
        let fresh = Slot { bucket: slot.bucket, heap: slot.heap, chain: free, ..Slot::new() };
        core::mem::replace(slot, fresh)
    }

    fn unchain(&mut self, index: u16, bucket: u16) {
        let after = self.at(index).chain;
        if self.at(bucket).bucket == index {
            self.at_mut(bucket).bucket = after;
            return;
        }
        let mut before = self.at(bucket).bucket;
        while self.at(before).chain != index {
            before = self.at(before).chain;
        }
        self.at_mut(before).chain = after;
    }

    /// Changes what is known of an entry. It keeps its turn to be evicted, unless it goes over into the other list.
    pub(super) fn update(&mut self, index: u16, change: impl FnOnce(&mut Entry)) {
        let before = self.at(index).entry.state.is_unresolved();
        change(&mut self.at_mut(index).entry);
        let after = self.at(index).entry.state.is_unresolved();
        if before != after {
            self.unlink(index, before);
            self.link(index, after);
        }
    }

    /// An entry is used: it is the last of its list to be evicted.
    pub(super) fn touch(&mut self, index: u16) {
        let unresolved = self.at(index).entry.state.is_unresolved();
        if self.list(unresolved).newest != index {
            self.unlink(index, unresolved);
            self.link(index, unresolved);
        }
    }

    fn link(&mut self, index: u16, unresolved: bool) {
        let List { newest, .. } = self.list(unresolved);
        let slot = self.at_mut(index);
        (slot.older, slot.newer) = (newest, NONE);
        if newest != NONE {
            self.at_mut(newest).newer = index;
        }
        let list = self.list_mut(unresolved);
        list.newest = index;
        list.length += 1;
        if list.oldest == NONE {
            list.oldest = index;
        }
    }

    fn unlink(&mut self, index: u16, unresolved: bool) {
        let (older, newer) = (self.at(index).older, self.at(index).newer);
        match some(older) {
            Some(older) => self.at_mut(older).newer = newer,
            None => self.list_mut(unresolved).oldest = newer,
        }
        match some(newer) {
            Some(newer) => self.at_mut(newer).older = older,
            None => self.list_mut(unresolved).newest = older,
        }
        self.list_mut(unresolved).length -= 1;
    }
}

/// The heap of deadlines: slot `i` holds which slot stands at place `i`.
impl<F, S: Room<Slot<F>>> Table<F, S> {
    /// The earliest deadline, and whose it is.
    pub(super) fn due(&self) -> Option<(Instant, u16)> {
        let first = (self.armed > 0).then(|| self.at(0).heap)?;
        Some((self.at(first).deadline, first))
    }

    pub(super) fn arm(&mut self, index: u16, deadline: Instant) {
        self.disarm(index);
        self.at_mut(index).deadline = deadline;
        let place = self.armed;
        self.armed += 1;
        self.put(place, index);
        self.rise(place);
    }

    pub(super) fn disarm(&mut self, index: u16) {
        let Some(place) = some(self.at(index).place) else { return };
        self.at_mut(index).place = NONE;
        self.armed -= 1;
        let last = self.at(self.armed).heap;
        if last != index {
            self.put(place, last);
            self.rise(place);
            self.sink(self.at(last).place);
        }
    }

    fn put(&mut self, place: u16, index: u16) {
        self.at_mut(place).heap = index;
        self.at_mut(index).place = place;
    }

    fn deadline_at(&self, place: u16) -> Instant {
        self.at(self.at(place).heap).deadline
    }

    fn swap(&mut self, a: u16, b: u16) {
        let (at_a, at_b) = (self.at(a).heap, self.at(b).heap);
        self.put(a, at_b);
        self.put(b, at_a);
    }

    fn rise(&mut self, mut place: u16) {
        while place > 0 && self.deadline_at(place) < self.deadline_at((place - 1) / 2) {
            self.swap(place, (place - 1) / 2);
            place = (place - 1) / 2;
        }
    }

    fn sink(&mut self, mut place: u16) {
        loop {
            let children = (2 * place + 1)..self.armed.min(2 * place + 3);
            let Some(child) = children.min_by_key(|&child| self.deadline_at(child)) else { return };
            if self.deadline_at(place) <= self.deadline_at(child) {
                return;
            }
            self.swap(place, child);
            place = child;
        }
    }
}

const fn some(index: u16) -> Option<u16> {
    if index == NONE { None } else { Some(index) }
}
