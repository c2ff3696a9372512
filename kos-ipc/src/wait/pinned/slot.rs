//! A place for one registration: [`WatchSlot`].
//!
//! Invariants:
//! 1. While the slot's node is in a list of observers, the handle of that source is in the slot, or with a look that puts it back
//!    ([`WatchSlot::look`]); so the observers are there. It leaves the list before the handle leaves the slot.
//! 2. The packet is in a list of its hub only; who takes the node out takes it out of the list of ready ones.
//! 3. A slot in use is pinned. One that is dropped in use, because its set was forgotten, leaves both lists; nobody reaches the
//!    list of free ones of such a set.

use core::fmt;
use core::ops::Deref;
use core::pin::Pin;

use super::hub::{Hub, InSet, Packet, PacketLink};
use super::list::{Link, Node};
use super::observers::{AtSource, Target};
use crate::ports::Env;
use crate::sync::{Lock, const_fn};
use crate::wait::{Parts, Source};

/// A place for one registration, lent to a [`WaitSet`](crate::wait::WaitSet). `H` is how the source is held: `&dyn Source<E>`, a counted
/// pointer, whatever is pinned.
pub struct WatchSlot<E: Env, H: Deref<Target: Source<E>>> {
    at_source: AtSource<E>,
    packet: InSet,
    source: Lock<E, Option<Pin<H>>>,
}

impl<E: Env, H: Deref<Target: Source<E>>> WatchSlot<E, H> {
    const_fn! {
        /// Free.
        #[must_use]
        pub fn new() -> Self {
            Self { at_source: Node::new(None), packet: Node::new(Packet::FREE), source: Lock::new(None) }
        }
    }

    /// By what the hub reaches the packet.
    pub(crate) fn link(self: Pin<&Self>) -> PacketLink {
        // SAFETY: the slot is pinned, and leaves the lists when dropped (invariant 3); `Hub` and `Ready` use links under the lock.
        unsafe { Link::new(&self.get_ref().packet) }
    }

    /// Has `hub` told what `source` does. `allow` says whether it may, and calls what it is given to have that begin.
    ///
    /// # Errors
    /// What `allow` says, and the handle.
    ///
    /// # Safety
    /// The slot is free, and the caller's; it is [detached](Self::detach) before the hub is gone.
    pub(crate) unsafe fn attach<R>(
        self: Pin<&Self>,
        source: Pin<H>,
        hub: Pin<&Hub<E>>,
        allow: impl FnOnce(&H::Target, &dyn Fn()) -> Result<(), R>,
    ) -> Result<(), (R, Pin<H>)> {
        let target = Target::new(hub, self.link());
        let mut look = Look { slot: self.get_ref(), source: None };
        let node = &look.slot.at_source;
        let held = look.source.insert(source);
        let enter = || {
            // SAFETY: the slot is pinned and free; it leaves before the handle goes (invariant 1), which keeps the observers where
            // they are, and before the hub goes: the caller's promise.
            unsafe { held.observers().enter(node, target) };
        };
        let Err(refusal) = allow(held, &enter) else { return Ok(()) };
        // SAFETY: the node entered there, or nowhere.
        unsafe { held.observers().leave(node) };
        look.source.take().map_or(Ok(()), |source| Err((refusal, source)))
    }

    /// Runs `work` on the source without a lock; `None` if the slot is free, or another look is under way.
    pub(crate) fn look<R>(&self, work: impl FnOnce(&H::Target) -> R) -> Option<R> {
        let source = self.source.with(Option::take)?;
        let look = Look { slot: self, source: Some(source) };
        look.source.as_deref().map(work)
    }

    /// Has nobody told any more. The handle, if the slot was in use and no look is under way.
    pub(crate) fn detach(&self) -> Option<Pin<H>> {
        self.detach_by(|_, leave| leave())
    }

    /// As [`detach`](Self::detach), by a call of what `with` is given.
    pub(crate) fn detach_by(&self, with: impl FnOnce(&H::Target, &dyn Fn())) -> Option<Pin<H>> {
        let mut look = Look { slot: self, source: None };
        look.source = self.source.with(Option::take);
        let source = look.source.as_deref()?;
        let leave = || self.leave(source);
        with(source, &leave);
        // Whether it was called or not.
        leave();
        look.source.take()
    }

    fn leave(&self, source: &H::Target) {
        // SAFETY: the node is in the list of that source, or in none (invariant 1).
        let Some(target) = (unsafe { source.observers().leave(&self.at_source) }) else { return };
        // SAFETY: the slot was attached until now, so that the hub is there: who attached it promised that.
        let hub = unsafe { target.hub() };
        // SAFETY: the slot was in use, and so it is pinned (invariant 3).
        let link = unsafe { Link::new(&self.packet) };
        hub.with(|ready| ready.take_off(link));
    }
}

/// A look at a source, after which its handle is in its slot again.
struct Look<'s, E: Env, H: Deref<Target: Source<E>>> {
    slot: &'s WatchSlot<E, H>,
    source: Option<Pin<H>>,
}

impl<E: Env, H: Deref<Target: Source<E>>> Drop for Look<'_, E, H> {
    fn drop(&mut self) {
        // Loom takes the threads of a failed schedule down without a schedule.
        #[cfg(all(test, any(loom, shuttle)))]
        if std::thread::panicking() {
            return;
        }
        let source = self.source.take();
        self.slot.source.with(|place| *place = source);
    }
}

impl<E: Env, H: Deref<Target: Source<E>>> Drop for WatchSlot<E, H> {
    fn drop(&mut self) {
        // Loom takes the threads of a failed schedule down without a schedule.
        #[cfg(all(test, any(loom, shuttle)))]
        if std::thread::panicking() {
            return;
        }
        drop(self.detach());
    }
}

impl<E: Env, H: Deref<Target: Source<E>>> Default for WatchSlot<E, H> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E: Env, H: Deref<Target: Source<E>>> fmt::Debug for WatchSlot<E, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchSlot").finish_non_exhaustive()
    }
}
