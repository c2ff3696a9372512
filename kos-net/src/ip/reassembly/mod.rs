//! Puts together what came in pieces: [`Reassembly`], for IPv4 and IPv6.
//!
//! Each fragment goes to [`insert`](Reassembly::insert), which hands the datagram out when its last byte came.
//! [`expire`](Reassembly::expire) is to be called at [`poll_at`](Reassembly::poll_at) until it says `None`.
//! What comes out may start with further extension headers in IPv6; a second fragment header in it is to be dropped.
//!
//! Invariants: at most 4 datagrams of a source and 32 ranges of a datagram; an overlap kills the datagram, whatever still
//! comes of it (RFC 5722, for IPv4 too), but bytes that came before in the same place are ignored (RFC 8200); only bytes that came
//! are handed out. With all slots taken the source with most datagrams loses its oldest, so that who sends much harms himself.
//! Each slot has the same room, where the datagram stands in one piece.
//!
//! Sources: RFC 791, 815, 1122 section 3.3.2, 5722, 6946 (atomic fragments), 8200 section 4.5.

mod error;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod model;
mod ranges;
mod slot;
#[cfg(test)]
mod tests;

use core::ops::Range;

pub use error::FragmentError;
pub use ranges::MAX_RANGES;
use ranges::Relation;
pub use slot::{DatagramKey, ReassemblySlot};

use crate::room::Room;
use crate::time::{Duration, Instant, after};
use crate::wire::{FragmentPlace, IpProtocol};

/// How long the fragments of a datagram are waited for (RFC 8200, section 4.5).
pub const TIMEOUT: Duration = Duration::from_secs(60);
/// The most datagrams of one source.
pub const MAX_PER_SOURCE: u8 = 4;

/// A fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment<'a> {
    /// Where it lies.
    pub place: FragmentPlace,
    /// What it says that the datagram carries: in IPv6 only that of the first counts.
    pub protocol: IpProtocol,
    /// Its bytes.
    pub payload: &'a [u8],
}

/// A datagram that was put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// What it carries.
    pub protocol: IpProtocol,
    /// All of its bytes.
    pub payload: &'a [u8],
}

/// A datagram that was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expired<'a> {
    /// Which.
    pub key: DatagramKey,
    /// What it carries, and how it starts, if that came: its sender is told (time exceeded, code 1). Else nobody is.
    pub start: Option<(IpProtocol, &'a [u8])>,
}

/// An invariant that does not hold: a fault of this crate, or of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corruption {
    /// In which slot.
    pub slot: usize,
}

/// Datagrams in pieces. `S` holds a slot for each; `B` is shared out among them in equal parts.
pub struct Reassembly<S, B> {
    slots: S,
    bytes: B,
    /// How much of `bytes` each slot has.
    room: usize,
    /// When the first is given up.
    next: Option<Instant>,
    taken: u64,
}

/// Without what is in it: the bytes are of no use to a reader.
impl<S, B> core::fmt::Debug for Reassembly<S, B> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Reassembly")
            .field("room", &self.room)
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

impl<S: Room<ReassemblySlot>, B: Room<u8>> Reassembly<S, B> {
    /// Nothing in pieces yet. A slot has room for `bytes / slots` bytes, at most 65535: no larger datagram is put together.
    pub fn new(mut slots: S, bytes: B) -> Self {
        slots.as_mut().fill(ReassemblySlot::EMPTY);
        let room = bytes.as_ref().len().checked_div(slots.as_ref().len()).unwrap_or(0);
        Self { slots, bytes, room, next: None, taken: 0 }
    }

    /// Takes a fragment; hands the datagram out if it was the last one missing. One that is whole passes, whatever waits under the
    /// same key (RFC 6946).
    ///
    /// # Errors
    /// Why it is dropped. With [`FragmentError::Overlap`] and [`FragmentError::TooManyHoles`] the datagram is dropped with it.
    pub fn insert<'a>(
        &'a mut self,
        now: Instant,
        key: DatagramKey,
        fragment: Fragment<'a>,
    ) -> Result<Option<Datagram<'a>>, FragmentError> {
        if fragment.place.is_whole() {
            return Ok(Some(Datagram { protocol: fragment.protocol, payload: fragment.payload }));
        }
        let bytes = self.validate(&fragment)?;
        let index = match self.slots.as_ref().iter().position(|slot| slot.used && slot.key == key) {
            Some(index) => index,
            None => self.take(now, key).ok_or(FragmentError::NoSlots)?,
        };
        if !self.put(index, bytes, &fragment)? {
            return Ok(None);
        }
        let slot = self.slots.as_ref().get(index).copied().unwrap_or(ReassemblySlot::EMPTY);
        self.free(index);
        let start = index * self.room;
        let payload = self.bytes.as_ref().get(start..start + usize::from(slot.total.unwrap_or(0)));
        let protocol = slot.protocol.unwrap_or(fragment.protocol);
        Ok(Some(Datagram { protocol, payload: payload.unwrap_or_default() }))
    }

    /// The next datagram whose time is over.
    pub fn due(&self, now: Instant) -> Option<DatagramKey> {
        self.over(now).and_then(|index| self.slots.as_ref().get(index)).map(|slot| slot.key)
    }

    /// Gives up the next datagram whose time is over.
    pub fn expire(&mut self, now: Instant) -> Option<Expired<'_>> {
        let index = self.over(now)?;
        let slot = self.slots.as_ref().get(index).copied()?;
        self.free(index);
        let first = slot.ranges.as_slice().first().filter(|&&(start, _)| start == 0 && !slot.dead);
        let room = self.part(index);
        let start = slot.protocol.zip(first.and_then(|&(_, end)| room.get(..usize::from(end))));
        Some(Expired { key: slot.key, start })
    }

    /// When [`expire`](Self::expire) has something to do.
    pub const fn poll_at(&self) -> Option<Instant> {
        self.next
    }

    /// How many datagrams are in pieces.
    pub fn len(&self) -> usize {
        self.slots.as_ref().iter().filter(|slot| slot.used).count()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Walks every invariant.
    ///
    /// # Errors
    /// Where one does not hold.
    pub fn check(&self) -> Result<(), Corruption> {
        let slots = self.slots.as_ref();
        let siblings = |of: &ReassemblySlot| {
            slots.iter().filter(|slot| slot.used && slot.key.source == of.key.source).count()
        };
        let sound = |slot: &ReassemblySlot| {
            let total = usize::from(slot.total.unwrap_or(u16::MAX)).min(self.room);
            let siblings = siblings(slot);
            slot.ranges.hold()
                && usize::from(slot.ranges.end()) <= total
                && !slot.is_complete()
                && siblings == usize::from(slot.siblings)
                && siblings <= usize::from(MAX_PER_SOURCE)
                && self.next.is_some_and(|next| next <= slot.expires)
        };
        let unsound = slots.iter().position(|slot| slot.used && !sound(slot));
        let expected = slots.iter().filter(|slot| slot.used).map(|slot| slot.expires).min();
        match unsound {
            Some(slot) => Err(Corruption { slot }),
            None if self.next != expected => Err(Corruption { slot: slots.len() }),
            None => Ok(()),
        }
    }
}

/// The steps.
impl<S: Room<ReassemblySlot>, B: Room<u8>> Reassembly<S, B> {
    fn over(&self, now: Instant) -> Option<usize> {
        self.next.filter(|&next| next <= now)?;
        let over = self.slots.as_ref().iter().enumerate();
        let over = over.filter(|(_, slot)| slot.used && slot.expires <= now);
        over.min_by_key(|(_, slot)| slot.order).map(|(index, _)| index)
    }

    /// Which bytes a fragment holds, if it can be one at all.
    fn validate(&self, fragment: &Fragment<'_>) -> Result<Range<u16>, FragmentError> {
        let (start, length) = (fragment.place.offset, fragment.payload.len());
        if length == 0 || (fragment.place.more && !length.is_multiple_of(8)) {
            return Err(FragmentError::Unaligned { length });
        }
        let end = usize::from(start).saturating_add(length);
        let last = u16::try_from(end).map_err(|_| FragmentError::BeyondLargest { end })?;
        if end > self.room {
            return Err(FragmentError::TooLarge { end, room: self.room });
        }
        Ok(start..last)
    }

    /// Notes a fragment; says whether the datagram is complete.
    fn put(&mut self, index: usize, new: Range<u16>, fragment: &Fragment<'_>) -> Result<bool, FragmentError> {
        let place = usize::from(new.start)..usize::from(new.end);
        let start = index * self.room;
        let part = self.bytes.as_mut().get_mut(start..start + self.room).unwrap_or_default();
        let slots = self.slots.as_mut();
        let (Some(slot), Some(bytes)) = (slots.get_mut(index), part.get_mut(place)) else {
            return Err(FragmentError::NoSlots);
        };
        if slot.dead {
            return Err(FragmentError::Dead);
        }
        let total = if fragment.place.more { slot.total } else { Some(new.end) };
        let fits = total.is_none_or(|total| new.end <= total && slot.ranges.end() <= total);
        let error = match slot.ranges.relation(&new) {
            Relation::Known if *bytes == *fragment.payload && slot.total == total => return Ok(false),
            Relation::New if fits && slot.total.is_none_or(|known| Some(known) == total) => {
                if slot.ranges.add(new.clone()) {
                    bytes.copy_from_slice(fragment.payload);
                    slot.total = total;
                    if new.start == 0 {
                        slot.protocol = Some(fragment.protocol);
                    }
                    return Ok(slot.is_complete());
                }
                FragmentError::TooManyHoles
            }
            _ => FragmentError::Overlap,
        };
        (slot.dead, slot.ranges, slot.total) = (true, ranges::Ranges::NONE, None);
        Err(error)
    }

    /// A slot for a new datagram: a free one, or that of whom has most.
    fn take(&mut self, now: Instant, key: DatagramKey) -> Option<usize> {
        let (mut siblings, mut free, mut victim, mut own) = (0, None, None, None);
        for (index, slot) in self.slots.as_ref().iter().enumerate() {
            let age = core::cmp::Reverse(slot.order);
            if !slot.used {
                free = Some(index);
                continue;
            }
            victim = victim.max(Some((slot.siblings, age, index)));
            if slot.key.source == key.source {
                siblings += 1;
                own = own.max(Some((age, index)));
            }
        }
        let full = siblings >= MAX_PER_SOURCE;
        let index = match (own, free) {
            (Some((_, own)), _) if full => own,
            (_, Some(free)) => free,
            _ => victim?.2,
        };
        self.free(index);
        self.taken += 1;
        let expires = after(now, TIMEOUT);
        let fresh = ReassemblySlot { key, used: true, expires, order: self.taken, ..ReassemblySlot::EMPTY };
        *self.slots.as_mut().get_mut(index)? = fresh;
        self.count(key.source);
        Some(index)
    }

    fn free(&mut self, index: usize) {
        let Some(slot) = self.slots.as_mut().get_mut(index) else { return };
        slot.used = false;
        let source = slot.key.source;
        self.count(source);
    }

    /// Counts the datagrams of a source anew, and looks when the first is given up.
    fn count(&mut self, source: core::net::IpAddr) {
        let slots = self.slots.as_mut();
        self.next = slots.iter().filter(|slot| slot.used).map(|slot| slot.expires).min();
        let of_source = |slot: &&mut ReassemblySlot| slot.used && slot.key.source == source;
        let count = slots.iter_mut().filter(of_source).count();
        let count = u8::try_from(count).unwrap_or(u8::MAX);
        slots.iter_mut().filter(of_source).for_each(|slot| slot.siblings = count);
    }

    fn part(&self, index: usize) -> &[u8] {
        let start = index * self.room;
        self.bytes.as_ref().get(start..start + self.room).unwrap_or_default()
    }
}
