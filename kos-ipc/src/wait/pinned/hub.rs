//! What a source sees of a wait set: [`Hub`], with a [`Packet`] for each registration.
//!
//! A packet is touched under the lock of its hub only. It is in the list of ready ones, or in that of free ones, or in none: quiet, held
//! by who looks at its source, or on its way in or out.

use core::convert::Infallible;
use core::fmt;
use core::marker::PhantomPinned;

use super::list::{Link, List, Node, WAITING};
use super::observers::Observers;
use crate::caller::Token;
use crate::ports::Env;
use crate::sync::atomic::AtomicU32;
use crate::sync::{Bug, Lock, seeded};
use crate::wait::{Event, Mode, Readiness, WaitQueue, WakeBatch, WatchId};

/// Sets that watch each other in one chain at most.
pub(crate) const MAX_NESTING: usize = 5;

/// What is known of one registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Packet {
    /// The number of its slot.
    pub(crate) slot: u32,
    pub(crate) generation: u32,
    pub(crate) key: u64,
    /// What is waited for; empty: not armed.
    pub(crate) interest: Readiness,
    pub(crate) mode: Mode,
    /// What was signalled since it was last reported.
    pub(crate) signalled: Readiness,
    pub(crate) standing: Standing,
}

/// Where a packet stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// In the list of free ones.
    Free,
    /// On its way in or out: nobody is told of it, and nobody looks.
    Leaving,
    /// Not in the list of ready ones.
    Quiet,
    /// In the list of ready ones.
    Ready,
    /// Taken out of the list by somebody who looks at the source.
    Looked {
        /// It is to be looked at again.
        again: bool,
        /// It was taken off meanwhile; who looks frees it.
        gone: bool,
    },
}

impl Packet {
    pub(super) const FREE: Self = Self {
        slot: 0,
        generation: 0,
        key: 0,
        interest: Readiness::empty(),
        mode: Mode::Level,
        signalled: Readiness::empty(),
        standing: Standing::Leaving,
    };

    pub(crate) const fn id(&self) -> WatchId {
        WatchId { slot: self.slot, generation: self.generation }
    }

    /// Whether it is the registration that `id` names.
    pub(crate) fn is(&self, id: WatchId) -> bool {
        let gone =
            matches!(self.standing, Standing::Free | Standing::Leaving | Standing::Looked { gone: true, .. });
        self.generation == id.generation && !gone
    }

    /// Whether it is a registration's.
    pub(crate) fn in_use(&mut self) -> bool {
        !matches!(self.standing, Standing::Free | Standing::Leaving)
    }

    fn event(&self, ready: Readiness) -> Event {
        Event { id: self.id(), key: self.key, ready: ready & self.interest, signalled: self.signalled }
    }
}

/// A registration's place in its set.
pub(super) type InSet = Node<Infallible, Packet>;
/// Names a packet to its hub.
pub(crate) type PacketLink = Link<Infallible, Packet>;

/// The part of a wait set that sources point to.
pub(crate) struct Hub<E: Env> {
    ready: Lock<E, Ready>,
    pub(crate) waiters: WaitQueue<E>,
    pub(crate) observers: Observers<E>,
    /// How many of the sets that it watches are how high; written and read under the lock of the nesting.
    pub(crate) below: [AtomicU32; MAX_NESTING],
    _pinned: PhantomPinned,
}

/// What the lock of a hub guards, packets too.
pub(crate) struct Ready {
    list: List<Infallible, Packet>,
    count: usize,
    /// Packets that nobody uses.
    free: List<Infallible, Packet>,
    /// Looks under way.
    looks: usize,
}

/// What becomes of a packet whose source is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// It is reported; how often it will be, is its mode.
    Report,
    /// It is the first in the list.
    Peek,
    /// It is the last in the list.
    Enlist,
}

/// How a look ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Looked {
    /// Nothing of what is waited for is there.
    Nothing,
    /// Something is.
    Found(Event),
    /// The registration was taken off meanwhile: who looked frees it.
    Gone,
}

impl<E: Env> Hub<E> {
    pub(crate) fn new(park: E::Park) -> Self {
        Self {
            ready: Lock::new(Ready { list: List::EMPTY, count: 0, free: List::EMPTY, looks: 0 }),
            waiters: WaitQueue::new(park),
            observers: Observers::new(),
            below: [(); MAX_NESTING].map(|()| AtomicU32::new(0)),
            _pinned: PhantomPinned,
        }
    }

    /// Runs `work` with the lock of the set held.
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut Ready) -> R) -> R {
        self.ready.with(work)
    }

    /// Marks a packet, and leaves who is to be woken in `batch`; a set that watches this one is told too. False if `batch` may have
    /// no room for that, one for each set of a chain: nothing was done then.
    pub(super) fn signal(
        &self,
        packet: PacketLink,
        what: Readiness,
        batch: &mut WakeBatch<Token<E>>,
    ) -> bool {
        let room = batch.is_empty() || !batch.is_full() && !self.observers.are_any();
        if room {
            self.signal_up(packet, what, batch);
        }
        room
    }

    fn signal_up(&self, packet: PacketLink, what: Readiness, batch: &mut WakeBatch<Token<E>>) {
        if self.with(|ready| ready.signal(packet, what)) {
            self.waiters.end_front(batch);
            self.observers.with_first(|above, packet| above.signal_up(packet, Readiness::READABLE, batch));
        }
    }
}

impl Ready {
    pub(crate) fn packet<R>(&mut self, link: PacketLink, work: impl FnOnce(&mut Packet) -> R) -> R {
        self.list.with(link, |body| work(&mut body.value))
    }

    /// True if somebody waits for it.
    fn signal(&mut self, link: PacketLink, what: Readiness) -> bool {
        let wanted = self.packet(link, |packet| {
            let wanted = what & packet.interest;
            packet.signalled |= wanted;
            !wanted.is_empty()
        });
        if wanted {
            self.enqueue(link);
        }
        wanted
    }

    /// Has a registration looked at, after the others. False if it is among those already.
    pub(crate) fn enqueue(&mut self, link: PacketLink) -> bool {
        match self.packet(link, |packet| packet.standing) {
            Standing::Quiet => {
                self.set(link, Standing::Ready);
                self.list.push_back(link, WAITING);
                self.count += 1;
                true
            }
            Standing::Looked { gone, .. } if !seeded(Bug::SignalUnderLook) => {
                self.set(link, Standing::Looked { again: true, gone });
                false
            }
            _ => false,
        }
    }

    /// Takes the first out of the list for a look at its source.
    pub(crate) fn begin_look(&mut self) -> Option<(PacketLink, u32)> {
        let link = self.list.head()?;
        self.unlink(link);
        self.looks += 1;
        self.set(link, Standing::Looked { again: false, gone: false });
        Some((link, self.packet(link, |packet| packet.slot)))
    }

    /// Takes a packet that is not in the list for a look at its source. False if it is looked at anyway, or no registration.
    pub(crate) fn begin_look_at(&mut self, link: PacketLink) -> bool {
        let standing = self.packet(link, |packet| packet.standing);
        if standing != Standing::Quiet {
            self.enqueue(link);
            return false;
        }
        self.looks += 1;
        self.set(link, Standing::Looked { again: false, gone: false });
        true
    }

    /// Ends a look which found `ready`.
    pub(crate) fn end_look(&mut self, link: PacketLink, ready: Readiness, then: Then) -> Looked {
        self.looks -= 1;
        let packet = self.packet(link, |packet| *packet);
        let Standing::Looked { again, gone } = packet.standing else { return Looked::Nothing };
        if gone {
            self.set(link, Standing::Leaving);
            return Looked::Gone;
        }
        self.set(link, Standing::Quiet);
        let event = packet.event(ready);
        let empty = event.ready.is_empty();
        match (then, packet.mode) {
            (Then::Peek, _) if !empty => self.push_front(link),
            (Then::Enlist, _) | (Then::Report, Mode::Level) if !empty => _ = self.enqueue(link),
            (Then::Report, Mode::OneShot) if !empty => {
                self.packet(link, |packet| packet.interest = Readiness::empty());
            }
            _ if again => _ = self.enqueue(link),
            _ => {}
        }
        if empty || then == Then::Report {
            self.packet(link, |packet| packet.signalled = Readiness::empty());
        }
        if empty { Looked::Nothing } else { Looked::Found(event) }
    }

    /// Takes a registration off. False if a look at it is under way: who looks does the rest.
    pub(crate) fn take_off(&mut self, link: PacketLink) -> bool {
        match self.packet(link, |packet| packet.standing) {
            Standing::Ready => self.unlink(link),
            Standing::Looked { again, .. } => {
                self.set(link, Standing::Looked { again, gone: true });
                return false;
            }
            Standing::Quiet | Standing::Leaving | Standing::Free => {}
        }
        self.set(link, Standing::Leaving);
        true
    }

    /// Puts a packet that is on its way out among the free ones, under its next generation, if there is one.
    pub(crate) fn free(&mut self, link: PacketLink) {
        let next = self.packet(link, |packet| {
            packet.interest = Readiness::empty();
            packet.generation.checked_add(1).map(|next| packet.generation = next)
        });
        if next.is_some() {
            self.set(link, Standing::Free);
            self.free.push_front(link, WAITING);
        }
    }

    /// Makes a packet that is in no list a free one, of slot `slot`.
    pub(crate) fn add(&mut self, link: PacketLink, slot: u32) {
        self.packet(link, |packet| *packet = Packet { slot, standing: Standing::Free, ..Packet::FREE });
        self.free.push_back(link, WAITING);
    }

    /// Takes a free packet; it is on its way in.
    pub(crate) fn take_free(&mut self) -> Option<PacketLink> {
        let link = self.free.head()?;
        self.free.remove(link);
        self.set(link, Standing::Leaving);
        Some(link)
    }

    /// Puts a packet back that was taken for nothing.
    pub(crate) fn give_back(&mut self, link: PacketLink) {
        self.set(link, Standing::Free);
        self.free.push_front(link, WAITING);
    }

    fn push_front(&mut self, link: PacketLink) {
        self.set(link, Standing::Ready);
        self.list.push_front(link, WAITING);
        self.count += 1;
    }

    fn unlink(&mut self, link: PacketLink) {
        self.list.remove(link);
        self.count -= 1;
        self.set(link, Standing::Quiet);
    }

    fn set(&mut self, link: PacketLink, standing: Standing) {
        self.packet(link, |packet| packet.standing = standing);
    }

    /// Packets that are in the list.
    pub(crate) const fn count(&self) -> usize {
        self.count
    }

    /// Whether a look is under way.
    pub(crate) const fn is_looked_at(&self) -> bool {
        self.looks > 0
    }

    /// Walks the list.
    pub(crate) fn check(&mut self, slots: usize) -> Result<(), &'static str> {
        if self.count > slots || self.looks > slots {
            return Err("more ready packets than slots");
        }
        let (mut found, mut previous, mut next) = (0, None, self.list.head());
        while let Some(link) = next {
            if !self.list.follows(link, previous)
                || self.packet(link, |packet| packet.standing != Standing::Ready)
            {
                return Err("a ready packet that is linked wrongly");
            }
            (found, previous, next) = (found + 1, next, self.list.next(link));
        }
        let ends = self.list.ends_at(previous) && found == self.count;
        if ends { Ok(()) } else { Err("a list of packets that ends elsewhere") }
    }
}

impl<E: Env> fmt::Debug for Hub<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").finish_non_exhaustive()
    }
}
