//! Who serves new blocks, changed while the heap is used.

use super::cache::Plan;
use super::ground::Ground;
use super::{KernelHeap, Mode};
use crate::error::AllocError;
use crate::ports::{Env, FrameAlloc};
use crate::sync::atomic::Ordering;
use crate::types::FrameRange;

impl<E: Env, F: FrameAlloc> KernelHeap<E, F> {
    /// Who serves new blocks now.
    pub fn mode(&self) -> Mode {
        match self.mode.load(Ordering::Relaxed) {
            SIMPLE => Mode::SimpleHeap,
            HYBRID => Mode::Hybrid,
            _ => Mode::TwoTier,
        }
    }

    /// Lets `mode` serve new blocks from now on. Live blocks stay where they are and are freed as ever. What rests in CPU
    /// caches when `Hybrid` ends is brought home here and by the CPUs that are kicked;
    /// [`HeapStats::stranded`](crate::HeapStats::stranded) shows the rest.
    ///
    /// # Errors
    ///
    /// [`AllocError`] if the heap is not initialised, or there are no frames for the caches: they are made when `Hybrid`
    /// comes for the first time. The mode is as before then.
    pub fn set_mode(&self, mode: Mode) -> Result<(), AllocError> {
        let Some(ground) = self.ground.get() else { return Err(self.fail(AllocError::NotReady)) };
        match mode {
            Mode::Hybrid => {
                let caches = self.plan_caches(ground).map_err(|error| self.fail(error.into()))?;
                self.enter_hybrid(ground, caches);
                self.shrink_simple(ground);
            }
            Mode::TwoTier => self.leave_hybrid(TWO_TIER),
            Mode::SimpleHeap => self.leave_hybrid(SIMPLE),
        }
        Ok(())
    }

    /// Lets a mode serve that uses no caches.
    fn leave_hybrid(&self, mode: usize) {
        self.mode.store(mode, Ordering::Relaxed);
        self.caches.set_active(false);
        self.collect();
    }

    /// Uses the caches, which may have to be made.
    pub(super) fn enter_hybrid(&self, ground: &Ground, caches: Option<(Plan, FrameRange)>) {
        if let Some(caches) = caches {
            self.make_caches(ground, caches);
        }
        self.mode.store(HYBRID, Ordering::Relaxed);
        self.caches.set_active(true);
    }
}

pub(super) const TWO_TIER: usize = 0;
const HYBRID: usize = 1;
pub(super) const SIMPLE: usize = 2;
