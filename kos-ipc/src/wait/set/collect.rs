//! Taking what is ready, and waiting for it.

use core::ops::Deref;

use super::{Event, WaitSet, WaitSetError};
use crate::caller::Caller;
use crate::policy::Op;
use crate::ports::Env;
use crate::time::Instant;
use crate::wait::pinned::{Looked, PacketLink, Then};
use crate::wait::{Readiness, Source, WatchSlot};

impl<E, H, S> WaitSet<'_, E, H, S>
where
    E: Env,
    H: Deref<Target: Source<E>>,
    S: Deref<Target = [WatchSlot<E, H>]>,
{
    /// Writes what is ready into `events`; sleeps until something is. Returns how many there are. What does not fit is reported
    /// next time, before what was reported now. Thread context only.
    ///
    /// # Errors
    /// [`WaitSetError::NoRoom`], [`WaitSetError::Refused`], [`WaitSetError::Wait`]
    pub fn wait(
        &self,
        caller: &Caller<'_, E>,
        events: &mut [Event],
        until: Option<Instant>,
    ) -> Result<usize, WaitSetError> {
        self.begin(caller, events)?;
        let waited = self.hub.waiters.wait_for(caller.token(), 0, until, || self.collect(events));
        waited.map_err(WaitSetError::Wait)
    }

    /// As [`wait`](Self::wait), for a future. Dropped before it is ready, it takes nothing.
    ///
    /// # Errors
    /// As there.
    pub async fn wait_async(
        &self,
        caller: &Caller<'_, E>,
        events: &mut [Event],
    ) -> Result<usize, WaitSetError> {
        self.begin(caller, events)?;
        let waited = self.hub.waiters.wait_for_async(0, || self.collect(events)).await;
        waited.map_err(WaitSetError::Wait)
    }

    /// As [`wait`](Self::wait), but does not sleep.
    ///
    /// # Errors
    /// [`WaitSetError::NoRoom`], [`WaitSetError::Refused`], [`WaitSetError::WouldBlock`]
    pub fn try_wait(&self, caller: &Caller<'_, E>, events: &mut [Event]) -> Result<usize, WaitSetError> {
        self.begin(caller, events)?;
        self.collect(events).ok_or(WaitSetError::WouldBlock)
    }

    fn begin(&self, caller: &Caller<'_, E>, events: &[Event]) -> Result<(), WaitSetError> {
        caller.authorize(Op::Wait, &self.meta).map_err(WaitSetError::Refused)?;
        if events.is_empty() { Err(WaitSetError::NoRoom) } else { Ok(()) }
    }

    /// Looks at each that may be ready, once, until `events` are full; `None` if nothing is.
    fn collect(&self, events: &mut [Event]) -> Option<usize> {
        let mut found = 0;
        for _ in 0..self.hub.with(|ready| ready.count()) {
            let Some(place) = events.get_mut(found) else { break };
            match self.look(Then::Report) {
                None => break,
                Some(Looked::Found(event)) => (*place, found) = (event, found + 1),
                Some(Looked::Nothing | Looked::Gone) => {}
            }
        }
        // A wake-up that came while a packet was in our hands found nothing.
        if self.hub.with(|ready| ready.count()) > 0 {
            self.hub.waiters.wake(1);
        }
        (found > 0).then_some(found)
    }

    /// Looks at the source of the first that may be ready; `None` if there is none.
    fn look(&self, then: Then) -> Option<Looked> {
        let (link, number) = self.hub.with(|ready| ready.begin_look())?;
        Some(self.look_at(link, number, then))
    }

    /// Looks at a source, without a lock. Its packet is ours.
    fn look_at(&self, link: PacketLink, number: u32, then: Then) -> Looked {
        let slot = self.slot(number);
        let ready = slot.and_then(|slot| slot.look(|source| source.readiness()));
        let looked = self.hub.with(|hub| hub.end_look(link, ready.unwrap_or(Readiness::empty()), then));
        if let (Looked::Gone, Some(slot)) = (looked, slot) {
            self.free(slot, link);
        }
        looked
    }

    /// Looks at a source of which something may have been missed, and says so if it is ready.
    pub(super) fn look_once(&self, link: PacketLink, number: u32) {
        let ours = self.hub.with(|ready| ready.begin_look_at(link));
        if ours && matches!(self.look_at(link, number, Then::Enlist), Looked::Found(_)) {
            self.hub.waiters.wake(1);
            self.hub.observers.signal(&self.park, Readiness::READABLE);
        }
    }
}

/// Readable while one of its sources is ready.
impl<E, H, S> Source<E> for WaitSet<'_, E, H, S>
where
    E: Env,
    H: Deref<Target: Source<E>>,
    S: Deref<Target = [WatchSlot<E, H>]>,
{
    fn readiness(&self) -> Readiness {
        for _ in 0..self.hub.with(|ready| ready.count()) {
            match self.look(Then::Peek) {
                None => break,
                Some(Looked::Found(_)) => return Readiness::READABLE,
                Some(Looked::Nothing | Looked::Gone) => {}
            }
        }
        // What somebody else looks at, or what was signalled meanwhile, may be ready: whoever is told so looks again.
        match self.hub.with(|ready| ready.count() > 0 || ready.is_looked_at()) {
            true => Readiness::READABLE,
            false => Readiness::empty(),
        }
    }
}
