//! One zone: its buddy behind its lock, and what is read of it without the lock: [`Slot`].
//!
//! Invariant: `core` is locked only with interrupts masked, which every method demands a proof of.

use core::sync::atomic::{AtomicBool, Ordering};

use super::super::{Backend, Buddy, Config, FrameStats, Grow, NotAdded};
use super::cache::Stack;
use super::local::Local;
use super::watermark::{Floors, Watermarks};
use crate::error::{FrameError, FreeError};
use crate::ports::Env;
use crate::sync::{Once, const_fn};
use crate::types::{FrameFlags, FrameRange, FrameRequest, Pfn};

/// What the lock of a zone guards.
#[derive(Debug)]
pub(super) struct Core<'m> {
    pub(super) buddy: Buddy<'m>,
    pub(super) marks: Watermarks,
    /// Of the calls that went through the lock. The free frames are the buddy's to tell.
    pub(super) stats: FrameStats,
}

/// A zone, with or without frames, on cache lines of its own.
#[repr(align(64))]
pub(super) struct Slot<'m, E: Env> {
    core: lock_api::Mutex<E::Lock, Option<Core<'m>>>,
    /// There as soon as the zone has frames.
    pub(super) local: Once<Local<'m>>,
    pub(super) floors: Floors,
    /// Whether the zone fell below its low watermark and has not reached the high one since.
    pressed: AtomicBool,
}

impl<'m, E: Env> Slot<'m, E> {
    const_fn! {
        pub(super) fn new() -> Self {
            Self {
                core: lock_api::Mutex::new(None),
                local: Once::new(),
                floors: Floors::new(),
                pressed: AtomicBool::new(false),
            }
        }
    }

    /// Runs `work` on the core, if the zone has frames. Must not be nested.
    pub(super) fn with<R>(&self, _masked: &E::Irq, work: impl FnOnce(&mut Core<'m>) -> R) -> Option<R> {
        self.core.lock().as_mut().map(work)
    }

    /// Gives the zone its frames; false if it has some.
    pub(super) fn fill(&self, _masked: &E::Irq, buddy: Buddy<'m>, local: Local<'m>) -> bool {
        let mut core = self.core.lock();
        if core.is_some() {
            return false;
        }
        let stats = FrameStats::new(buddy.stats().managed);
        *core = Some(Core { buddy, marks: Watermarks::default(), stats });
        self.local.set(local)
    }

    /// Gives the zone `added` too; returns the storage that it used before, if it had frames.
    pub(super) fn add(
        &self,
        _masked: &E::Irq,
        config: Config,
        storage: &'m mut [u64],
        added: FrameRange,
    ) -> Result<[&'m mut [u64]; 2], NotAdded<'m>> {
        let mut core = self.core.lock();
        if let Some(core) = core.as_mut() {
            return core.buddy.add(storage, added);
        }
        let buddy = Buddy::of_region(storage, config, added)?;
        let stats = FrameStats::new(added.count());
        *core = Some(Core { buddy, marks: Watermarks::default(), stats });
        self.local.set(Local::NONE);
        Ok(Default::default())
    }

    /// Whether memory is short here.
    pub(super) fn is_pressed(&self) -> bool {
        self.pressed.load(Ordering::Relaxed)
    }

    /// Frames that `request`, whose highest allowed zone is number `highest`, must leave free here.
    pub(super) fn floor(&self, request: &FrameRequest, highest: usize) -> usize {
        if request.flags.contains(FrameFlags::RESERVE) { 0 } else { self.floors.of(highest) }
    }

    /// Serves `request` from the buddy, unless less than `floor` frames would be left. If memory is not short after that,
    /// `then` may take more for later.
    pub(super) fn allocate(
        &self,
        masked: &E::Irq,
        request: &FrameRequest,
        floor: usize,
        then: impl FnOnce(&mut Core<'m>),
    ) -> Result<FrameRange, FrameError> {
        let none = FrameError::NoMemory { requested: request.count, largest_free: 0 };
        self.with(masked, |core| {
            let result = core.take(request, floor);
            core.stats.count_allocation(core.buddy.stats().free, &result);
            self.note_pressure(core);
            if result.is_ok() && !self.is_pressed() {
                then(core);
            }
            result
        })
        .unwrap_or(Err(none))
    }

    /// Hands out exactly `range`, whatever the watermarks say.
    pub(super) fn allocate_at(&self, masked: &E::Irq, range: FrameRange) -> Result<FrameRange, FrameError> {
        self.with(masked, |core| {
            let result = core.buddy.allocate_at(range);
            core.stats.count_allocation(core.buddy.stats().free, &result);
            self.note_pressure(core);
            result
        })
        .unwrap_or(Err(FrameError::NotManaged(range)))
    }

    /// Takes `range` back.
    pub(super) fn free(&self, masked: &E::Irq, range: FrameRange) -> Result<(), FreeError<FrameRange>> {
        self.with(masked, |core| {
            let result = core.buddy.free(range);
            core.stats.count_free(core.buddy.stats().free, &result);
            self.note_pressure(core);
            result
        })
        .unwrap_or(Err(FreeError::NotManaged(range)))
    }

    /// Takes back the oldest batch of `stack`; returns how many frames that were.
    pub(super) fn take_back(&self, masked: &E::Irq, stack: &Stack<'_>) -> usize {
        let mut frames = 0;
        self.with(masked, |core| {
            stack.take_oldest(stack.batch(), |run| {
                let freed = core.buddy.free(run);
                debug_assert!(freed.is_ok(), "a block in a cache is allocated in the buddy");
                frames += run.count();
            });
            self.note_pressure(core);
        });
        frames
    }

    /// The error of a free of `range`, of which not every frame is live.
    #[cold]
    pub(super) fn refuse(&self, masked: &E::Irq, range: FrameRange) -> Result<(), FreeError<FrameRange>> {
        self.with(masked, |core| {
            let managed = core.buddy.manages(range);
            let refused =
                Err(if managed { FreeError::DoubleFree(range) } else { FreeError::NotManaged(range) });
            core.stats.count_free(core.buddy.stats().free, &refused);
            refused
        })
        .unwrap_or(Err(FreeError::NotManaged(range)))
    }

    /// Brings [`is_pressed`](Self::is_pressed) up to date.
    pub(super) fn note_pressure(&self, core: &Core<'m>) {
        let (free, pressed) = (core.buddy.stats().free, self.is_pressed());
        let now = free < if pressed { core.marks.high } else { core.marks.low };
        if now != pressed {
            self.pressed.store(now, Ordering::Relaxed);
        }
    }
}

impl Core<'_> {
    fn take(&mut self, request: &FrameRequest, floor: usize) -> Result<FrameRange, FrameError> {
        let spare = self.spare(floor);
        if request.count > spare {
            return Err(FrameError::NoMemory { requested: request.count, largest_free: self.largest(floor) });
        }
        self.buddy.allocate(request).map_err(|error| match error {
            FrameError::NoMemory { requested, largest_free } => {
                FrameError::NoMemory { requested, largest_free: largest_free.min(spare) }
            }
            other => other,
        })
    }

    /// Takes a batch of blocks for `stack` from `window`, but none below the low watermark.
    pub(super) fn fill(&mut self, stack: &Stack<'_>, window: FrameRange, floor: usize) {
        let (block, keep) = (stack.frames(), floor.max(self.marks.low));
        while stack.len() < stack.batch() && !stack.is_asked() && self.spare(keep) >= block {
            let most = ((stack.batch() - stack.len()) * block).min(self.spare(keep));
            let Some(run) = self.buddy.allocate_up_to(block, most) else { break };
            if !window.contains_range(&run) {
                let back = self.buddy.free(run);
                debug_assert!(back.is_ok(), "what was just allocated can be freed");
                break;
            }
            // The lowest on top.
            (run.start().0..run.end().0).step_by(block).rev().for_each(|start| stack.fill(Pfn(start)));
        }
    }

    /// Frames that can be had before only `floor` are left.
    pub(super) fn spare(&self, floor: usize) -> usize {
        self.buddy.stats().free.saturating_sub(floor)
    }

    /// The largest count that can be had before only `floor` frames are left.
    pub(super) fn largest(&self, floor: usize) -> usize {
        self.buddy.largest_free().min(self.spare(floor))
    }
}
