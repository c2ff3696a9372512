//! [`TaskSlot`]: what the core knows of one task; what its class knows is in the arena.

use core::fmt;

use super::counter::Locked64;
use super::lent::Lent;
use super::payload::PayloadCell;
use super::sleepers::SleepNode;
use super::system::System;
use super::urgency::Urgency;
use super::wake_list::WakeLink;
use crate::atomic::{AtomicU32, Ordering};
use crate::cpu::{CpuId, SharedMask};
use crate::task::TaskIndex;
use crate::task::state::StateWord;

/// Nobody waits for the end of the task.
const NOBODY: u32 = u32::MAX;

/// Room for one task, beside its [`Slot`](crate::task::Slot) in the arena.
#[repr(align(64))]
pub struct TaskSlot<S: System> {
    pub(super) state: StateWord,
    /// A CPU runs it, or has not left its stack yet.
    on_cpu: AtomicU32,
    /// The CPU whose queue has it, had it last, or is about to.
    home: AtomicU32,
    pub(super) link: WakeLink,
    /// Who is woken when it has ended.
    joiner: AtomicU32,
    /// Nobody joins it: whoever asks may reap it.
    detached: AtomicU32,
    /// Why it sleeps.
    pub(super) reason: AtomicU32,
    pub(super) allowed: SharedMask<S::Mask>,
    /// User and system time.
    pub(super) times: [Locked64; 2],
    pub(super) sleep: SleepNode,
    pub(super) lent: Lent,
    pub(super) payload: PayloadCell<S::Payload>,
}

impl<S: System> TaskSlot<S> {
    crate::atomic::const_fn! {
        /// Without a task.
        #[must_use]
        pub fn new() -> Self {
            Self {
                state: StateWord::new(),
                on_cpu: AtomicU32::new(0),
                home: AtomicU32::new(0),
                link: WakeLink::new(),
                joiner: AtomicU32::new(NOBODY),
                detached: AtomicU32::new(0),
                reason: AtomicU32::new(0),
                allowed: SharedMask::new(),
                times: [Locked64::new(), Locked64::new()],
                sleep: SleepNode::new(),
                lent: Lent::new(),
                payload: PayloadCell::new(),
            }
        }
    }

    /// Whether a CPU runs it or has not left its stack yet.
    #[inline]
    pub(super) fn is_on_cpu(&self) -> bool {
        self.on_cpu.load(Ordering::Acquire) != 0
    }

    /// Under the lock of its queue: a CPU is about to run it, or has left it for good.
    #[inline]
    pub(super) fn set_on_cpu(&self, on_cpu: bool) {
        self.on_cpu.store(u32::from(on_cpu), Ordering::Release);
    }

    #[inline]
    pub(super) fn home(&self) -> CpuId {
        CpuId::new(self.home.load(Ordering::Relaxed))
    }

    /// By whoever has the task alone: the winner of its wake, the holder of its token, the holder of its queue's lock.
    #[inline]
    pub(super) fn set_home(&self, cpu: CpuId) {
        self.home.store(cpu.get(), Ordering::Relaxed);
    }

    /// Whether it does not wait behind a task that is not, if another CPU can run it.
    #[inline]
    pub(super) fn is_urgent(&self) -> bool {
        self.lent.effective().is_urgent()
    }

    /// Lets `task` be woken at the end; false if another one is to be.
    pub(super) fn join(&self, task: TaskIndex) -> bool {
        let joined = self.joiner.compare_exchange(NOBODY, task.get(), Ordering::SeqCst, Ordering::Relaxed);
        joined.map_or_else(|other| other == task.get(), |_| true)
    }

    pub(super) fn joiner(&self) -> Option<TaskIndex> {
        Some(self.joiner.load(Ordering::SeqCst)).filter(|&task| task != NOBODY).map(TaskIndex::new)
    }

    pub(super) fn is_detached(&self) -> bool {
        self.detached.load(Ordering::Relaxed) != 0
    }

    /// Readies the slot for a new task, whose spawner has it alone.
    pub(super) fn begin(&self, generation: u32, own: Urgency, detached: bool) {
        self.lent.begin(own);
        self.joiner.store(NOBODY, Ordering::Relaxed);
        self.detached.store(u32::from(detached), Ordering::Relaxed);
        self.times.iter().for_each(|time| time.set(0));
        self.set_on_cpu(false);
        self.state.begin(generation);
    }
}

impl<S: System> Default for TaskSlot<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: System> fmt::Debug for TaskSlot<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskSlot")
            .field("state", &self.state)
            .field("home", &self.home())
            .finish_non_exhaustive()
    }
}
