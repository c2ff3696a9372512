//! All sockets of a stack: [`Sockets`].
//!
//! Invariants: a slot is on the free list iff it has no socket; a slot with one is on the dirty list of one interface iff it can send,
//! and on the ready list iff it has news.

use core::marker::PhantomData;

use super::list::{Linked, Links, List, NONE};
use super::{NoSlots, Readiness, Slot, Socket, SocketId, Storage};

/// The most interfaces of a stack.
pub(crate) const INTERFACES: usize = 16;

#[derive(Debug)]
pub(crate) struct Sockets<F, S> {
    pub(crate) storage: S,
    free: u32,
    live: u32,
    /// Those that can send, of each interface.
    dirty: [List; INTERFACES],
    ready: List,
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

impl<F, S: Storage<F>> Sockets<F, S> {
    pub(crate) fn new(storage: S) -> Self {
        let mut sockets = Self {
            storage,
            free: NONE,
            live: 0,
            dirty: [List::EMPTY; INTERFACES],
            ready: List::EMPTY,
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

    /// How many sockets are open.
    pub(crate) const fn live(&self) -> u32 {
        self.live
    }

    pub(crate) fn insert(
        &mut self,
        socket: Socket<S::Bytes>,
    ) -> Result<SocketId, (NoSlots, Socket<S::Bytes>)> {
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
    pub(crate) fn remove(&mut self, index: u32) -> Option<Socket<S::Bytes>> {
        self.storage.slot(index)?.socket.as_ref()?;
        self.clear_dirty(index);
        self.ready.remove(&mut ByReady(&mut self.storage, PhantomData), index);
        let slot = self.storage.slot_mut(index)?;
        let socket = slot.socket.take();
        slot.generation = slot.generation.wrapping_add(1);
        slot.news = Readiness::empty();
        if let Some(waker) = slot.waker.take() {
            waker.wake();
        }
        slot.next_free = self.free;
        self.free = index;
        self.live -= 1;
        socket
    }

    /// The slot of an open socket.
    pub(crate) fn get(&self, id: SocketId) -> Option<&Slot<S::Bytes>> {
        self.storage.slot(id.index).filter(|slot| slot.generation == id.generation && slot.socket.is_some())
    }

    pub(crate) fn get_mut(&mut self, id: SocketId) -> Option<&mut Slot<S::Bytes>> {
        let slot = self.storage.slot_mut(id.index)?;
        (slot.generation == id.generation && slot.socket.is_some()).then_some(slot)
    }

    pub(crate) fn at(&self, index: u32) -> Option<&Socket<S::Bytes>> {
        self.storage.slot(index)?.socket.as_ref()
    }

    pub(crate) fn at_mut(&mut self, index: u32) -> Option<&mut Socket<S::Bytes>> {
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
        if let Some(waker) = slot.waker.take() {
            waker.wake();
        }
        self.ready.push(&mut ByReady(&mut self.storage, PhantomData), index);
    }

    /// The next socket with news.
    pub(crate) fn next_ready(&mut self) -> Option<(SocketId, Readiness)> {
        let index = self.ready.pop(&mut ByReady(&mut self.storage, PhantomData))?;
        let slot = self.storage.slot_mut(index)?;
        let id = SocketId { index, generation: slot.generation };
        Some((id, core::mem::take(&mut slot.news)))
    }
}
