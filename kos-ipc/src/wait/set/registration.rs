//! Registrations from the beginning to the end.
//!
//! Invariant: a slot is attached to the hub of its own set only, by a set that is pinned; and every slot is detached before the
//! hub is gone, by the `Drop` here.

use core::ops::Deref;
use core::pin::Pin;
use core::ptr;

use super::{Mode, WaitSet, WaitSetError, WatchError, WatchId, WatchReason};
use crate::ports::Env;
use crate::quota::Resource;
use crate::sync::{Bug, seeded};
use crate::wait::pinned::{Hub, Packet, PacketLink, Standing};
use crate::wait::{Parts, Readiness, Source, WatchSlot};

/// Always waited for.
const ENDS: Readiness = Readiness::HUNG_UP.union(Readiness::BROKEN);

impl<E, H, S> WaitSet<'_, E, H, S>
where
    E: Env,
    H: Deref<Target: Source<E>>,
    S: Deref<Target = [WatchSlot<E, H>]>,
{
    /// Makes all slots free. One that a set which was forgotten left in use is taken from that first.
    pub(super) fn add_slots(&self) {
        self.slots.iter().for_each(|slot| drop(slot.detach()));
        for (number, slot) in (0..u32::MAX).zip(self.slots.iter()) {
            let link = self.pinned(slot).link();
            self.hub.with(|ready| ready.add(link, number));
        }
    }

    fn pinned<'a>(&'a self, slot: &'a WatchSlot<E, H>) -> Pin<&'a WatchSlot<E, H>> {
        // SAFETY: the slots are lent pinned, and `slot` is one of them: only this file calls this, with those.
        unsafe { Pin::new_unchecked(slot) }
    }

    fn hub(self: Pin<&Self>) -> Pin<&Hub<E>> {
        // SAFETY: the hub is pinned with the set: nothing moves it out.
        unsafe { self.map_unchecked(|set| &set.hub) }
    }

    pub(super) fn register(
        self: Pin<&Self>,
        source: Pin<H>,
        key: u64,
        interest: Readiness,
        mode: Mode,
    ) -> Result<WatchId, WatchError<H>> {
        let charged = self.quota.as_ref().map(|quota| quota.charge(Resource::Registrations, 1));
        if let Some(Err(refused)) = charged {
            return Err(WatchError { reason: WatchReason::Quota(refused), source });
        }
        let Some(link) = self.hub.with(|ready| ready.take_free()) else {
            self.refund();
            return Err(WatchError { reason: WatchReason::Full, source });
        };
        let packet = self.hub.with(|ready| ready.packet(link, |packet| *packet));
        if let Err(error) = self.attach(packet.slot, source) {
            self.hub.with(|ready| ready.give_back(link));
            self.refund();
            return Err(error);
        }
        self.hub.with(|ready| {
            let filled = Packet { key, interest: interest | ENDS, mode, standing: Standing::Quiet, ..packet };
            ready.packet(link, |packet| *packet = filled);
        });
        // What was ready before, or became so meanwhile, is seen by a look.
        self.look_once(link, packet.slot);
        Ok(packet.id())
    }

    /// Begins to tell the hub of `source` by the slot `number`, whose packet was taken from the free ones.
    fn attach(self: Pin<&Self>, number: u32, source: Pin<H>) -> Result<(), WatchError<H>> {
        let this = self.get_ref();
        let Some(slot) = this.slot(number) else {
            return Err(WatchError { reason: WatchReason::Full, source });
        };
        let allow = |source: &H::Target, enter: &dyn Fn()| match source.set() {
            None => {
                enter();
                Ok(())
            }
            Some((_, nesting)) if !ptr::eq(nesting, this.nesting) => Err(WatchReason::Foreign),
            Some((inner, nesting)) => nesting.nest(&this.hub, inner, enter),
        };
        // SAFETY: its packet was free, so the slot is free and ours; the set detaches it before its hub goes.
        let attached = unsafe { this.pinned(slot).attach(source, self.hub(), allow) };
        attached.map_err(|(reason, source)| WatchError { reason, source })
    }

    pub(super) fn rearm(
        &self,
        id: WatchId,
        key: u64,
        interest: Readiness,
        mode: Mode,
    ) -> Result<(), WaitSetError> {
        let link = self.find(id, |packet| {
            (packet.key, packet.interest, packet.mode) = (key, interest | ENDS, mode);
        })?;
        // What was signalled while it was not armed is seen by a look.
        if !seeded(Bug::ArmedUnseen) {
            self.look_once(link, id.slot);
        }
        Ok(())
    }

    pub(super) fn take_off(&self, id: WatchId) -> Result<(), WaitSetError> {
        let mut ours = false;
        let link = self.find(id, |packet| packet.interest = Readiness::empty())?;
        self.hub.with(|ready| {
            ours = ready.packet(link, |packet| packet.is(id)) && ready.take_off(link);
        });
        match self.slot(id.slot) {
            Some(slot) if ours => self.free(slot, link),
            _ => {}
        }
        Ok(())
    }

    /// Runs `work` on the packet that `id` names.
    fn find(&self, id: WatchId, work: impl FnOnce(&mut Packet)) -> Result<PacketLink, WaitSetError> {
        let stale = WaitSetError::Stale(id);
        let link = self.slot(id.slot).map(|slot| self.pinned(slot).link()).ok_or(stale)?;
        self.hub.with(|ready| {
            ready.packet(link, |packet| {
                let found = packet.is(id);
                if found {
                    work(packet);
                }
                if found { Ok(link) } else { Err(stale) }
            })
        })
    }

    /// Frees a slot whose packet is on its way out.
    pub(super) fn free(&self, slot: &WatchSlot<E, H>, link: PacketLink) {
        let source = slot.detach_by(|source, leave| match source.set() {
            Some((inner, nesting)) => nesting.part(&self.hub, inner, leave),
            None => leave(),
        });
        self.hub.with(|ready| ready.free(link));
        self.refund();
        drop(source);
    }

    fn refund(&self) {
        if let Some(quota) = &self.quota {
            quota.refund(Resource::Registrations, 1);
        }
    }
}

impl<E, H, S> Drop for WaitSet<'_, E, H, S>
where
    E: Env,
    H: Deref<Target: Source<E>>,
    S: Deref<Target = [WatchSlot<E, H>]>,
{
    /// Takes every registration off.
    fn drop(&mut self) {
        // Loom takes the threads of a failed schedule down without a schedule.
        #[cfg(all(test, any(loom, shuttle)))]
        if std::thread::panicking() {
            return;
        }
        for slot in self.slots.iter() {
            let link = self.pinned(slot).link();
            let in_use = self.hub.with(|ready| ready.packet(link, Packet::in_use) && ready.take_off(link));
            if in_use {
                self.free(slot, link);
            }
        }
    }
}
