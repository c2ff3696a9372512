//! The way of a request: cache, zone, next zone, what rests elsewhere.

use core::sync::atomic::Ordering;

use super::super::validate;
use super::cache::Stack;
use super::local::Local;
use super::slot::Slot;
use super::table::Table;
use super::{Zones, zero};
use crate::error::{FrameError, FreeError};
use crate::ports::Env;
use crate::types::{FrameFlags, FrameRange, FrameRequest, ZoneSet};

impl<'m, E: Env> Zones<'m, E> {
    #[inline]
    pub(super) fn take(&self, request: &FrameRequest) -> Result<FrameRange, FrameError> {
        match self.take_cached(request) {
            Some(range) => Ok(range),
            None => self.take_slowly(request),
        }
    }

    /// A block of the highest zone that may serve `request`, if one rests with this CPU.
    #[inline]
    fn take_cached(&self, request: &FrameRequest) -> Option<FrameRange> {
        let allowed = self.populated.load(Ordering::Relaxed) & usize::from(request.zones.bits());
        let local = self.slots.get(allowed.checked_ilog2()? as usize)?.local.get()?;
        if request.flags.contains(FrameFlags::ZEROED) {
            return None;
        }
        let range = self.pop(local, request)?;
        local.live.set(range);
        Some(range)
    }

    #[inline(never)]
    fn take_slowly(&self, request: &FrameRequest) -> Result<FrameRange, FrameError> {
        let table = self.table.get().ok_or(FrameError::NotReady)?;
        validate(request)?;
        if request.flags.contains(FrameFlags::ZEROED) {
            return self.take_zeroed(table, request);
        }
        self.take_any(table, request)
    }

    /// Frames with zeroes, as far as the direct map reaches; any frames if there is no map.
    fn take_zeroed(&self, table: &Table, request: &FrameRequest) -> Result<FrameRange, FrameError> {
        let map = self.env.direct_map();
        if map.frames().is_empty() {
            return self.take_any(table, request);
        }
        let mapped = request.below(request.below.min(map.frames().end()));
        let range = self.take_any(table, &mapped)?;
        if zero::fill::<E>(&map, range) {
            return Ok(range);
        }
        // Below the map's first frame.
        let lost = self.give_back(range).err();
        debug_assert!(lost.is_none(), "what was just allocated can be freed");
        Err(FrameError::NoMemory { requested: request.count, largest_free: 0 })
    }

    fn take_any(&self, table: &Table, request: &FrameRequest) -> Result<FrameRange, FrameError> {
        let attempt = || self.try_zones(table, request);
        match attempt() {
            Err(failed @ FrameError::NoMemory { .. }) => {
                let ask = !request.flags.contains(FrameFlags::NO_RECLAIM);
                self.after_draining(ask, failed, attempt)
            }
            other => other,
        }
    }

    fn try_zones(&self, table: &Table, request: &FrameRequest) -> Result<FrameRange, FrameError> {
        let mut largest = 0;
        for (slot, floor) in self.candidates(table, request) {
            match self.serve(slot, request, floor) {
                Err(FrameError::NoMemory { largest_free, .. }) => largest = largest.max(largest_free),
                other => return other,
            }
        }
        Err(FrameError::NoMemory { requested: request.count, largest_free: largest })
    }

    /// The zones that may serve `request`, the highest first, each with the frames that it must leave free.
    pub(super) fn candidates(
        &self,
        table: &Table,
        request: &FrameRequest,
    ) -> impl Iterator<Item = (&Slot<'m, E>, usize)> {
        let allowed = |index: &usize| {
            request.zones.contains(ZoneSet::only(*index)) && table.bounds(*index).start() < request.below
        };
        let zones = table.kinds().len();
        let highest = (0..zones).rev().find(allowed).unwrap_or(0);
        let indices = (0..zones).rev().filter(allowed);
        indices.filter_map(move |index| {
            let slot = self.slots.get(index)?;
            Some((slot, slot.floor(request, highest)))
        })
    }

    /// Serves `request` from one zone: from this CPU's cache, else through the lock.
    #[inline]
    fn serve(
        &self,
        slot: &Slot<'m, E>,
        request: &FrameRequest,
        floor: usize,
    ) -> Result<FrameRange, FrameError> {
        let Some(local) = slot.local.get() else {
            return Err(FrameError::NoMemory { requested: request.count, largest_free: 0 });
        };
        let range = match self.pop(local, request) {
            Some(range) => range,
            None => self.serve_locked(slot, local, request, floor)?,
        };
        local.live.set(range);
        Ok(range)
    }

    #[inline]
    fn pop(&self, local: &Local<'m>, request: &FrameRequest) -> Option<FrameRange> {
        let class = local.class_for(request)?;
        let _masked = self.env.irq_save();
        let start = local.caches.stack(self.env.cpu()?, class)?.pop()?;
        FrameRange::new(start, request.count)
    }

    /// Serves `request` from the buddy, and fills this CPU's cache if there is one for it.
    #[inline(never)]
    fn serve_locked(
        &self,
        slot: &Slot<'m, E>,
        local: &Local<'m>,
        request: &FrameRequest,
        floor: usize,
    ) -> Result<FrameRange, FrameError> {
        let masked = self.env.irq_save();
        let class = local.class_for(request);
        let stack = class.and_then(|class| local.caches.stack(self.env.cpu()?, class));
        let result = slot.allocate(&masked, request, floor, |core| {
            if let Some(stack) = &stack {
                core.fill(stack, local.live.window(), floor);
            }
        });
        drop(masked);
        self.drain_if_asked(stack);
        result
    }

    pub(super) fn claim(&self, range: FrameRange) -> Result<FrameRange, FrameError> {
        let table = self.table.get().ok_or(FrameError::NotReady)?;
        let slot = self.slot_of(table, range).ok_or(FrameError::NotManaged(range))?;
        let local = slot.local.get().ok_or(FrameError::NotManaged(range))?;
        let attempt = || slot.allocate_at(&self.env.irq_save(), range);
        let claimed = match attempt() {
            // Nobody owns a frame of it: some rest in caches.
            Err(failed @ FrameError::InUse(_)) if !local.live.any(range) => {
                self.after_draining(true, failed, attempt)
            }
            other => other,
        }?;
        local.live.set(claimed);
        Ok(claimed)
    }

    #[inline]
    pub(super) fn give_back(&self, range: FrameRange) -> Result<(), FreeError<FrameRange>> {
        let table = self.table.get().ok_or(FreeError::NotReady(range))?;
        let slot = self.slot_of(table, range).ok_or(FreeError::NotManaged(range))?;
        let local = slot.local.get().ok_or(FreeError::NotManaged(range))?;
        if !local.live.clear(range) {
            return slot.refuse(&self.env.irq_save(), range);
        }
        if self.push(slot, local, range) { Ok(()) } else { self.give_back_locked(slot, local, range) }
    }

    #[inline]
    fn push(&self, slot: &Slot<'m, E>, local: &Local<'m>, range: FrameRange) -> bool {
        let Some(class) = local.class_of(range).filter(|_| !slot.is_pressed()) else { return false };
        let _masked = self.env.irq_save();
        let stack = self.env.cpu().and_then(|cpu| local.caches.stack(cpu, class));
        let Some(stack) = stack.filter(|stack| !stack.is_full()) else { return false };
        stack.push(range.start());
        true
    }

    /// Makes room in this CPU's cache and puts `range` there; without a cache, or when memory is short, gives it to the
    /// buddy.
    #[inline(never)]
    fn give_back_locked(
        &self,
        slot: &Slot<'m, E>,
        local: &Local<'m>,
        range: FrameRange,
    ) -> Result<(), FreeError<FrameRange>> {
        let masked = self.env.irq_save();
        let class = local.class_of(range).filter(|_| !slot.is_pressed());
        let stack = class.and_then(|class| local.caches.stack(self.env.cpu()?, class));
        let result = match &stack {
            Some(stack) => {
                slot.take_back(&masked, stack);
                stack.push(range.start());
                Ok(())
            }
            None => slot.free(&masked, range).inspect_err(|_| local.live.set(range)),
        };
        drop(masked);
        self.drain_if_asked(stack);
        result
    }

    fn drain_if_asked(&self, stack: Option<Stack<'m>>) {
        if stack.is_some_and(|stack| stack.is_asked()) {
            self.drain_local();
        }
    }

    pub(super) fn slot_of(&self, table: &Table, range: FrameRange) -> Option<&Slot<'m, E>> {
        self.slots.get(table.zone_of(range)?)
    }
}
