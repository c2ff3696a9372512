//! Frames for the caches of the CPUs, when they are first used.

use super::plan::Plan;
use crate::error::FrameError;
use crate::heap::KernelHeap;
use crate::heap::ground::Ground;
use crate::ports::{Env, FrameAlloc};
use crate::types::{FrameRange, FrameRequest};

impl<E: Env, F: FrameAlloc> KernelHeap<E, F> {
    /// The frames that the caches are to be made of; `None` if they are there, or there are to be none.
    pub(in crate::heap) fn plan_caches(
        &self,
        ground: &Ground,
    ) -> Result<Option<(Plan, FrameRange)>, FrameError> {
        let memory = ground.arena.frames() << E::PAGE_SHIFT;
        let cpus = self.env.cpus();
        let bytes = ground.cache_bytes.unwrap_or_else(|| Plan::default_bytes(memory, cpus));
        let Some(plan) = Plan::new(cpus, bytes).filter(|_| self.caches.is_empty()) else { return Ok(None) };
        let frames = ground.arena.frames_for(plan.bytes());
        let range = self.frames.allocate(&FrameRequest::new(frames))?;
        self.counters.hold(frames);
        Ok(Some((plan, range)))
    }

    /// Makes the caches, unless somebody else did.
    pub(in crate::heap) fn make_caches(&self, ground: &Ground, (plan, range): (Plan, FrameRange)) {
        if !self.carve_caches(ground, &plan, range) {
            self.give_back(range);
        }
    }

    /// Makes the caches of the CPUs out of `range`; false if somebody else did.
    fn carve_caches(&self, ground: &Ground, plan: &Plan, range: FrameRange) -> bool {
        let memory = ground.arena.index_of_frame(range.start()).and_then(|index| ground.arena.address(index));
        let Some(memory) = memory.filter(|_| self.caches.claim()) else { return false };
        let spare = |class, magazine| self.depot(class).with(&self.env, |depot| depot.put_empty(magazine));
        // SAFETY: the claim was granted; the frames were handed out to this heap, and are as many as the plan has bytes.
        unsafe { self.caches.carve(plan, memory, ground.secret, Self::GEOMETRIES, spare) };
        self.counters.cache_frames.add(range.count());
        true
    }
}
