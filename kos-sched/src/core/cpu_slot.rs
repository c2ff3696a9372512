//! [`CpuSlot`]: what the core keeps for one CPU. [`Queue`] is the part under the lock, the rest is atomic.

use core::fmt;

use super::account::Account;
use super::counter::Counter;
use super::doorbell::Doorbell;
use super::sleepers::Sleepers;
use super::system::System;
use super::wake_list::WakeList;
use crate::atomic::{AtomicU32, Ordering};
use crate::cpu::{CpuSet, SharedMask};
use crate::rq::RunQueue;
use crate::task::{Detached, Ownership, TaskIndex};
use crate::time::Instant;

const IDLE: u32 = u32::MAX;

/// Room for one CPU.
#[repr(align(128))]
pub struct CpuSlot<'s, S: System> {
    pub(super) queue: lock_api::Mutex<S::Lock, Queue<'s, S>>,
    pub(super) woken: WakeList,
    pub(super) bell: Doorbell,
    /// A pick is due.
    resched: AtomicU32,
    /// How deep preemption is disabled. Written by the CPU only.
    preempt: AtomicU32,
    /// The queue's lock is on its way through a switch.
    handover: AtomicU32,
    /// Which task it runs. Written by the CPU only.
    running: AtomicU32,
    /// Tasks that want to run, a moment ago.
    load: AtomicU32,
    /// Where the last search for a CPU ended.
    rotor: AtomicU32,
    /// CPUs that could not be interrupted from here.
    pub(super) unsent: SharedMask<S::Mask>,
    /// CPUs that share a cache with it.
    pub(super) near: S::Mask,
    pub(super) counts: Counts,
}

/// What is counted without a lock.
#[derive(Debug)]
pub(super) struct Counts {
    pub(super) remote: Counter,
    pub(super) sent: Counter,
    pub(super) saved: Counter,
    pub(super) failed: Counter,
}

/// What the lock of a CPU's queue protects.
pub(super) struct Queue<'s, S: System> {
    pub(super) rq: RunQueue<'s, S::Classes>,
    pub(super) sleepers: Sleepers,
    /// Whom the CPU is switching away from.
    pub(super) left: Option<TaskIndex>,
    /// Tasks that have to go elsewhere, as soon as the lock is free: the one that ran, and one that was woken.
    pub(super) moving: [Option<Detached<'s>>; 2],
    /// Woken tasks that have to be placed again.
    pub(super) strays: WakeList,
    pub(super) account: Account,
    pub(super) balance_at: Instant,
    /// What the timer was told, unless it has to be told again.
    pub(super) armed: Option<Instant>,
    pub(super) rearm: bool,
    /// The CPU, if it is another one, has to be told.
    pub(super) alert: bool,
    /// A task was put back that another CPU may take at once.
    pub(super) push: bool,
    pub(super) counts: QueueCounts,
}

/// What is counted under the lock.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct QueueCounts {
    pub(super) switches: u64,
    pub(super) local: u64,
    pub(super) migrations: u64,
    pub(super) steals: u64,
    pub(super) stranded: u64,
    pub(super) overcommitted: u64,
}

impl<'s, S: System> CpuSlot<'s, S> {
    /// A CPU, not online yet, whose queue has this key and these classes.
    #[must_use]
    pub fn new(key: Ownership<'s>, classes: S::Classes) -> Self {
        let queue = Queue {
            rq: RunQueue::new(key, classes),
            sleepers: Sleepers::new(),
            left: None,
            moving: [None, None],
            strays: WakeList::new(),
            account: Account::new(),
            balance_at: Instant::from_ticks(0),
            armed: None,
            rearm: true,
            alert: false,
            push: false,
            counts: QueueCounts::default(),
        };
        Self {
            queue: lock_api::Mutex::new(queue),
            woken: WakeList::new(),
            bell: Doorbell::new(),
            resched: AtomicU32::new(0),
            preempt: AtomicU32::new(0),
            handover: AtomicU32::new(0),
            running: AtomicU32::new(IDLE),
            load: AtomicU32::new(0),
            rotor: AtomicU32::new(0),
            unsent: SharedMask::new(),
            near: S::Mask::EMPTY,
            counts: Counts {
                remote: Counter::new(),
                sent: Counter::new(),
                saved: Counter::new(),
                failed: Counter::new(),
            },
        }
    }

    /// The same with these CPUs sharing a cache with it: a woken task goes to one of them rather than far away.
    #[must_use]
    pub fn near(self, near: S::Mask) -> Self {
        Self { near, ..self }
    }

    #[inline]
    pub(super) fn needs_resched(&self) -> bool {
        self.resched.load(Ordering::Relaxed) != 0
    }

    #[inline]
    pub(super) fn set_resched(&self, resched: bool) {
        self.resched.store(u32::from(resched), Ordering::Relaxed);
    }

    /// Whether there is something to do for a CPU that does nothing.
    #[inline]
    pub(super) fn has_work(&self) -> bool {
        self.needs_resched() || !self.woken.is_empty()
    }

    #[inline]
    pub(super) fn preempt_depth(&self) -> u32 {
        self.preempt.load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn set_preempt_depth(&self, depth: u32) {
        self.preempt.store(depth, Ordering::Relaxed);
    }

    /// The lock, which the caller holds, goes through a switch.
    #[inline]
    pub(super) fn begin_handover(&self) {
        self.handover.store(1, Ordering::Release);
    }

    /// Whether the caller gets the lock that went through the switch: one does.
    #[inline]
    pub(super) fn end_handover(&self) -> bool {
        self.handover.swap(0, Ordering::AcqRel) != 0
    }

    #[inline]
    pub(super) fn running(&self) -> Option<TaskIndex> {
        Some(self.running.load(Ordering::Relaxed)).filter(|&task| task != IDLE).map(TaskIndex::new)
    }

    #[inline]
    pub(super) fn set_running(&self, task: Option<TaskIndex>) {
        self.running.store(task.map_or(IDLE, TaskIndex::get), Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn load(&self) -> u32 {
        self.load.load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn set_load(&self, load: u32) {
        if self.load() != load {
            self.load.store(load, Ordering::Relaxed);
        }
    }

    /// Where among `cpus` CPUs to begin a search, each time one further.
    #[inline]
    pub(super) fn turn(&self, cpus: usize) -> u32 {
        let at = self.rotor.load(Ordering::Relaxed);
        let next = at.wrapping_add(1);
        self.rotor.store(if (next as usize) < cpus { next } else { 0 }, Ordering::Relaxed);
        at
    }
}

impl<S: System> fmt::Debug for CpuSlot<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CpuSlot")
            .field("running", &self.running())
            .field("load", &self.load())
            .finish_non_exhaustive()
    }
}
