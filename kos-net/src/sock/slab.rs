//! All sockets of a stack: [`Sockets`].
//!
//! Invariants: a slot is on the free list iff it has no socket; a slot with one is on the dirty list of one interface iff it can send,
//! and on the ready list iff it has news.

use core::marker::PhantomData;
use core::net::SocketAddr;
use core::task::Waker;

use super::demux::{ChainLink, Chains, Demux, Flow, FlowKey, NOBODY};
use super::list::{Linked, Links, List, NONE};
use super::{NoSlots, Place, Readiness, Rests, Slot, Socket, SocketId, Storage};
use crate::stack::Corruption;
use crate::tcp::time_wait::TimeWait;
use crate::time::Instant;
use crate::timer::{TimerLink, Timers, Wheel};

/// The most interfaces of a stack.
pub(crate) const INTERFACES: usize = 16;

#[derive(Debug)]
pub(crate) struct Sockets<F, S: Storage<F>> {
    pub(crate) storage: S,
    free: u32,
    live: u32,
    /// Those that can send, of each interface.
    dirty: [List; INTERFACES],
    ready: List,
    /// Those whose wakers wait for [`next_woken`](Self::next_woken), if waking is put off.
    waking: List,
    wakes_later: bool,
    /// What is left of connections.
    rests: Rests<S::Rests>,
    demux: Demux,
    key: FlowKey,
    wheel: Wheel,
    _frames: PhantomData<F>,
}

struct ByDirty<'s, F, S>(&'s mut S, PhantomData<F>);

impl<F, S: Storage<F>> Linked for ByDirty<'_, F, S> {
    fn links(&mut self, index: u32) -> Option<&mut Links> {
        self.0.slot_mut(index).map(|slot| &mut slot.dirty)
    }
}

struct ByReady<'s, F, S>(&'s mut S, PhantomData<F>);

impl<F, S: Storage<F>> Linked for ByReady<'_, F, S> {
    fn links(&mut self, index: u32) -> Option<&mut Links> {
        self.0.slot_mut(index).map(|slot| &mut slot.ready)
    }
}

struct ByWaking<'s, F, S>(&'s mut S, PhantomData<F>);

impl<F, S: Storage<F>> Linked for ByWaking<'_, F, S> {
    fn links(&mut self, index: u32) -> Option<&mut Links> {
        self.0.slot_mut(index).map(|slot| &mut slot.waking)
    }
}

struct ByChain<B, F>(B, PhantomData<F>);

impl<F, S: Storage<F>> Chains for ByChain<&S, F> {
    fn buckets(&self) -> u32 {
        self.0.slots()
    }

    fn head(&self, bucket: u32) -> u32 {
        self.0.slot(bucket).map_or(NOBODY, |slot| slot.bucket)
    }

    fn set_head(&mut self, _: u32, _: u32) {}

    fn link(&self, index: u32) -> Option<ChainLink> {
        self.0.slot(index).map(|slot| slot.chain)
    }

    fn set_link(&mut self, _: u32, _: ChainLink) {}
}

impl<F, S: Storage<F>> Chains for ByChain<&mut S, F> {
    fn buckets(&self) -> u32 {
        self.0.slots()
    }

    fn head(&self, bucket: u32) -> u32 {
        self.0.slot(bucket).map_or(NOBODY, |slot| slot.bucket)
    }

    fn set_head(&mut self, bucket: u32, index: u32) {
        if let Some(slot) = self.0.slot_mut(bucket) {
            slot.bucket = index;
        }
    }

    fn link(&self, index: u32) -> Option<ChainLink> {
        self.0.slot(index).map(|slot| slot.chain)
    }

    fn set_link(&mut self, index: u32, link: ChainLink) {
        if let Some(slot) = self.0.slot_mut(index) {
            slot.chain = link;
        }
    }
}

struct ByTimer<'s, F, S>(&'s mut S, PhantomData<F>);

impl<F, S: Storage<F>> Timers for ByTimer<'_, F, S> {
    fn link(&mut self, index: u32) -> Option<&mut TimerLink> {
        self.0.slot_mut(index).map(|slot| &mut slot.timer)
    }
}

/// Finding sockets, and their timers.
impl<F, S: Storage<F>> Sockets<F, S> {
    /// From now on a socket, which is not found yet, is found by `flow`.
    pub(crate) fn enter(&mut self, index: u32, flow: &Flow) {
        let hash = self.key.hash(flow);
        self.demux.insert(&mut ByChain(&mut self.storage, PhantomData), index, hash);
    }

    /// From now on it is not found.
    pub(crate) fn leave(&mut self, index: u32) {
        self.demux.remove(&mut ByChain(&mut self.storage, PhantomData), index);
    }

    /// The socket that was entered with `flow` and is meant.
    pub(crate) fn find(&self, flow: &Flow, is: impl Fn(&Socket<S::Memory>) -> bool) -> Option<u32> {
        let hash = self.key.hash(flow);
        let chains = ByChain(&self.storage, PhantomData);
        self.demux.lookup(&chains, hash, |index| self.at(index).is_some_and(&is))
    }

    /// When a socket is to be looked at; never with `None`.
    pub(crate) fn arm(&mut self, index: u32, deadline: Option<Instant>) {
        let mut timers = ByTimer(&mut self.storage, PhantomData);
        match deadline {
            Some(deadline) => self.wheel.arm(&mut timers, index, deadline),
            None => self.wheel.disarm(&mut timers, index),
        }
    }

    /// The next socket whose time has come.
    pub(crate) fn next_due(&mut self, now: Instant) -> Option<u32> {
        self.wheel.pop(&mut ByTimer(&mut self.storage, PhantomData), now)
    }

    /// When the next is due.
    pub(crate) fn due_at(&mut self) -> Option<Instant> {
        self.wheel.poll_at(&mut ByTimer(&mut self.storage, PhantomData))
    }

    /// Keeps what is left of a connection until it expires, or somebody needs the room.
    pub(crate) fn rest(&mut self, rest: TimeWait) {
        self.rests.push(&self.key, rest);
    }

    /// What is left of the connection between two places.
    pub(crate) fn find_rest(&self, local: Place, remote: Place) -> Option<u32> {
        self.rests.find(&self.key, local, remote)
    }

    /// What [`find_rest`](Self::find_rest) found.
    pub(crate) fn rest_mut(&mut self, index: u32) -> Option<&mut TimeWait> {
        self.rests.get_mut(index)
    }

    /// Forgets what [`find_rest`](Self::find_rest) found.
    pub(crate) fn forget_rest(&mut self, index: u32) {
        self.rests.remove(&self.key, index);
    }

    /// Forgets what has rested for long enough.
    pub(crate) fn expire_rests(&mut self, now: Instant) {
        self.rests.expire(&self.key, now);
    }

    /// When that is due.
    pub(crate) fn rests_end_at(&self, now: Instant) -> Option<Instant> {
        self.rests.poll_at(now)
    }

    /// The places of the connections that rest.
    pub(crate) fn rests(&self) -> impl Iterator<Item = (SocketAddr, SocketAddr)> {
        self.rests.iter()
    }

    /// How many connections rest.
    pub(crate) const fn resting(&self) -> u32 {
        self.rests.len()
    }
}

impl<F, S: Storage<F>> Sockets<F, S> {
    pub(crate) fn new(mut storage: S, secret: [u8; 16]) -> Self {
        let demux = Demux::new(&ByChain(&storage, PhantomData));
        let key = FlowKey::new(secret);
        let rests = Rests::new(storage.rests(), &key);
        let mut sockets = Self {
            storage,
            free: NONE,
            live: 0,
            dirty: [List::EMPTY; INTERFACES],
            ready: List::EMPTY,
            waking: List::EMPTY,
            wakes_later: false,
            rests,
            demux,
            key,
            wheel: Wheel::new(Instant::from_ticks(0)),
            _frames: PhantomData,
        };
        sockets.link_free(0);
        sockets
    }

    /// Puts the slots from `first` on the free list.
    fn link_free(&mut self, first: u32) {
        for index in (first..self.storage.slots()).rev() {
            if let Some(slot) = self.storage.slot_mut(index) {
                slot.next_free = self.free;
                self.free = index;
            }
        }
    }

    /// How many slots are free, as far as the list of them goes.
    pub(super) fn count_free(&self) -> u32 {
        let next = |index: &u32| self.storage.slot(*index).map(|slot| slot.next_free);
        let free = core::iter::successors(Some(self.free).filter(|&free| free != NONE), |index| {
            next(index).filter(|&next| next != NONE)
        });
        let most = usize::try_from(self.storage.slots()).unwrap_or(usize::MAX).saturating_add(1);
        u32::try_from(free.take(most).count()).unwrap_or(u32::MAX)
    }

    /// Walks the table that finds sockets, and their timers.
    pub(super) fn check_tables(&mut self) -> Result<(), Corruption> {
        self.demux.check(&ByChain(&self.storage, PhantomData)).map_err(|_| Corruption::Demux)?;
        self.rests.check(&self.key).map_err(|_| Corruption::Demux)?;
        self.wheel.check(&mut ByTimer(&mut self.storage, PhantomData)).map_err(|_| Corruption::Timers)
    }

    /// How many sockets are open.
    pub(crate) const fn live(&self) -> u32 {
        self.live
    }

    #[expect(
        clippy::result_large_err,
        reason = "the socket comes back, so that its memory can be given back"
    )]
    pub(crate) fn insert(
        &mut self,
        socket: Socket<S::Memory>,
    ) -> Result<SocketId, (NoSlots, Socket<S::Memory>)> {
        if self.free == NONE {
            let first = self.storage.slots();
            if let Err(error) = self.storage.grow() {
                return Err((error, socket));
            }
            self.link_free(first);
        }
        let index = self.free;
        let Some(slot) = self.storage.slot_mut(index) else { return Err((NoSlots, socket)) };
        self.free = slot.next_free;
        slot.next_free = NONE;
        slot.socket = Some(socket);
        self.live += 1;
        Ok(SocketId { index, generation: slot.generation })
    }

    /// Frees the slot of `index`, whose socket is handed out.
    pub(crate) fn remove(&mut self, index: u32) -> Option<Socket<S::Memory>> {
        self.storage.slot(index)?.socket.as_ref()?;
        self.leave(index);
        self.wheel.remove(&mut ByTimer(&mut self.storage, PhantomData), index);
        self.clear_dirty(index);
        self.ready.remove(&mut ByReady(&mut self.storage, PhantomData), index);
        let slot = self.storage.slot_mut(index)?;
        let socket = slot.socket.take();
        slot.generation = slot.generation.wrapping_add(1);
        slot.news = Readiness::empty();
        slot.next_free = self.free;
        self.free = index;
        self.wake(index);
        self.live -= 1;
        socket
    }

    /// The slot of an open socket.
    pub(crate) fn get(&self, id: SocketId) -> Option<&Slot<S::Memory>> {
        self.storage.slot(id.index).filter(|slot| slot.generation == id.generation && slot.socket.is_some())
    }

    pub(crate) fn get_mut(&mut self, id: SocketId) -> Option<&mut Slot<S::Memory>> {
        let slot = self.storage.slot_mut(id.index)?;
        (slot.generation == id.generation && slot.socket.is_some()).then_some(slot)
    }

    /// The handle of an open socket.
    pub(crate) fn id_of(&self, index: u32) -> Option<SocketId> {
        let slot = self.storage.slot(index).filter(|slot| slot.socket.is_some())?;
        Some(SocketId { index, generation: slot.generation })
    }

    pub(crate) fn at(&self, index: u32) -> Option<&Socket<S::Memory>> {
        self.storage.slot(index)?.socket.as_ref()
    }

    pub(crate) fn at_mut(&mut self, index: u32) -> Option<&mut Socket<S::Memory>> {
        self.storage.slot_mut(index)?.socket.as_mut()
    }

    /// Puts a socket that can send on the list of an interface.
    pub(crate) fn mark_dirty(&mut self, index: u32, interface: u8) {
        let Some(slot) = self.storage.slot_mut(index).filter(|slot| slot.socket.is_some()) else { return };
        if slot.dirty.is_in() && slot.dirty_on == interface {
            return;
        }
        self.clear_dirty(index);
        if let Some(slot) = self.storage.slot_mut(index) {
            slot.dirty_on = interface;
        }
        if let Some(list) = self.dirty.get_mut(usize::from(interface)) {
            list.push(&mut ByDirty(&mut self.storage, PhantomData), index);
        }
    }

    /// Whether a socket is on the list of those that can send.
    pub(crate) fn is_dirty(&self, index: u32) -> bool {
        self.storage.slot(index).is_some_and(|slot| slot.dirty.is_in())
    }

    pub(crate) fn clear_dirty(&mut self, index: u32) {
        let Some(slot) = self.storage.slot(index) else { return };
        if let Some(list) = self.dirty.get_mut(usize::from(slot.dirty_on)) {
            list.remove(&mut ByDirty(&mut self.storage, PhantomData), index);
        }
    }

    /// The next socket that can send by an interface; it is off the list.
    pub(crate) fn next_dirty(&mut self, interface: u8) -> Option<u32> {
        let list = self.dirty.get_mut(usize::from(interface))?;
        list.pop(&mut ByDirty(&mut self.storage, PhantomData))
    }

    /// Whether a socket can send by that interface.
    pub(crate) fn has_dirty(&self, interface: u8) -> bool {
        self.dirty.get(usize::from(interface)).is_some_and(|list| list.first().is_some())
    }

    /// Notes news of a socket and wakes who waits for it.
    pub(crate) fn tell(&mut self, index: u32, news: Readiness) {
        let Some(slot) = self.storage.slot_mut(index).filter(|slot| slot.socket.is_some()) else { return };
        slot.news |= news;
        self.wake(index);
        self.ready.push(&mut ByReady(&mut self.storage, PhantomData), index);
    }

    /// Wakes who waits for a socket, now or later.
    fn wake(&mut self, index: u32) {
        let Some(slot) = self.storage.slot_mut(index) else { return };
        if slot.waker.is_none() {
            return;
        }
        if self.wakes_later {
            self.waking.push(&mut ByWaking(&mut self.storage, PhantomData), index);
        } else if let Some(waker) = slot.waker.take() {
            waker.wake();
        }
    }

    /// From now on who is to be woken is handed out by [`next_woken`](Self::next_woken).
    pub(crate) const fn wake_later(&mut self) {
        self.wakes_later = true;
    }

    /// Who is to be woken next.
    pub(crate) fn next_woken(&mut self) -> Option<Waker> {
        let index = self.waking.pop(&mut ByWaking(&mut self.storage, PhantomData))?;
        self.storage.slot_mut(index)?.waker.take()
    }

    /// The next socket with news.
    pub(crate) fn next_ready(&mut self) -> Option<(SocketId, Readiness)> {
        let index = self.ready.pop(&mut ByReady(&mut self.storage, PhantomData))?;
        let slot = self.storage.slot_mut(index)?;
        let id = SocketId { index, generation: slot.generation };
        Some((id, core::mem::take(&mut slot.news)))
    }
}
