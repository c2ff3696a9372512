//! [`Scheduler`]: what all CPUs share, how it is made, and how its parts are found.

use core::fmt;

use super::cpu_slot::CpuSlot;
use super::error::SetupError;
use super::held::Held;
use super::slot::TaskSlot;
use super::system::{Config, System};
use super::wake_list::WakeList;
use crate::cpu::{CpuId, CpuSet, SharedMask};
use crate::ports::Platform;
use crate::task::{Arena, FreeSlots, TaskId, TaskIndex};

/// Everything that a scheduler is made of. The storage is lent for its whole life.
pub struct Setup<'s, S: System> {
    /// The arena of the tasks' nodes, from which each CPU's key came.
    pub arena: Arena<'s>,
    /// Its free slots.
    pub free: FreeSlots<'s>,
    /// As many as the arena has slots.
    pub tasks: &'s mut [TaskSlot<S>],
    /// The CPUs by number.
    pub cpus: &'s mut [CpuSlot<'s, S>],
    /// The machine.
    pub platform: S::Platform,
    /// Who is told of decisions.
    pub trace: S::Trace,
    /// Numbers to choose.
    pub config: Config,
}

impl<S: System> fmt::Debug for Setup<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup").field("config", &self.config).finish_non_exhaustive()
    }
}

/// The scheduler of a machine. Shared by all its CPUs; each operation happens on the CPU that calls it.
///
/// It decides and never switches. Operations take the time as an argument; that of one CPU does not go back, or counts as the
/// newest that was told.
pub struct Scheduler<'s, S: System> {
    pub(super) platform: S::Platform,
    pub(super) trace: S::Trace,
    pub(super) config: Config,
    pub(super) arena: Arena<'s>,
    pub(super) free: lock_api::Mutex<S::Lock, FreeSlots<'s>>,
    pub(super) tasks: &'s [TaskSlot<S>],
    pub(super) cpus: &'s [CpuSlot<'s, S>],
    /// Taken to change affinities and which CPUs are online, so that they agree. Before any queue's lock.
    pub(super) control: lock_api::Mutex<S::Lock, ()>,
    pub(super) online: SharedMask<S::Mask>,
    /// CPUs that idle and were not chosen since. A hint.
    pub(super) idle: SharedMask<S::Mask>,
    /// CPUs with tasks that wait. A hint.
    pub(super) waiting: SharedMask<S::Mask>,
    /// CPUs whose task is urgent. A hint.
    pub(super) urgent: SharedMask<S::Mask>,
    /// Ended tasks that nobody joins.
    pub(super) dead: WakeList,
}

impl<'s, S: System> Scheduler<'s, S> {
    /// A scheduler without tasks and with all CPUs offline: each says [`online`](Self::online) when it is up.
    ///
    /// # Errors
    /// [`SetupError`] if the parts do not fit together.
    pub fn new(setup: Setup<'s, S>) -> Result<Self, SetupError> {
        let Setup { arena, free, tasks, cpus, platform, trace, config } = setup;
        let online = SharedMask::new();
        let most = online.capacity();
        if cpus.is_empty() || cpus.len() > most {
            return Err(SetupError::Cpus { asked: cpus.len(), most });
        }
        if arena.len() != tasks.len() {
            return Err(SetupError::Slots { arena: arena.len(), tasks: tasks.len() });
        }
        for (cpu, slot) in (0..).map(CpuId::new).zip(&mut *cpus) {
            if !slot.queue.get_mut().rq.opened_by(&arena) {
                return Err(SetupError::Foreign { cpu });
            }
        }
        Ok(Self {
            platform,
            trace,
            config,
            arena,
            free: lock_api::Mutex::new(free),
            tasks,
            cpus,
            control: lock_api::Mutex::new(()),
            online,
            idle: SharedMask::new(),
            waiting: SharedMask::new(),
            urgent: SharedMask::new(),
            dead: WakeList::new(),
        })
    }

    /// The machine.
    #[must_use]
    pub const fn platform(&self) -> &S::Platform {
        &self.platform
    }

    /// The numbers that were chosen.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// How many CPUs there are, online or not.
    #[must_use]
    pub const fn cpus(&self) -> usize {
        self.cpus.len()
    }

    /// The CPUs that are online.
    #[must_use]
    pub fn online_cpus(&self) -> S::Mask {
        self.online.load()
    }

    /// How many tasks there can be.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.tasks.len()
    }

    /// The task that the calling CPU runs; none while it idles.
    #[must_use]
    pub fn current(&self) -> Option<TaskId> {
        let _masked = self.platform.irq_save();
        self.id(self.here()?.1.running()?)
    }

    /// Lends the payload of the task that calls.
    #[expect(unsafe_code, reason = "lends what the running task keeps")]
    pub fn with_current<R>(&self, work: impl FnOnce(&S::Payload) -> R) -> Option<R> {
        let task = {
            let _masked = self.platform.irq_save();
            self.here()?.1.running()?
        };
        // SAFETY: the task runs this code, so it is not reaped before it has returned from here; only the spawner fills the cell.
        let payload = unsafe { self.tasks.get(task.as_usize())?.payload.get() };
        payload.map(work)
    }

    /// The calling CPU. Interrupts are masked. [`None`] if the platform names one that there is not.
    #[inline]
    pub(super) fn here(&self) -> Option<(CpuId, &CpuSlot<'s, S>)> {
        let cpu = self.platform.cpu();
        Some((cpu, self.cpus.get(cpu.as_usize())?))
    }

    #[inline]
    pub(super) fn slot(&self, task: TaskIndex) -> Option<&'s TaskSlot<S>> {
        self.tasks.get(task.as_usize())
    }

    /// The slot of a task that was there a moment ago.
    #[inline]
    pub(super) fn find(&self, task: TaskId) -> Option<&'s TaskSlot<S>> {
        self.slot(self.arena.find(task)?)
    }

    #[inline]
    pub(super) fn id(&self, task: TaskIndex) -> Option<TaskId> {
        self.arena.id(task)
    }

    /// Takes the lock of `cpu`'s queue. Interrupts are masked; no other queue's lock is held.
    #[inline]
    pub(super) fn lock(&self, cpu: CpuId) -> Option<Held<'_, 's, S>> {
        let slot = self.cpus.get(cpu.as_usize())?;
        Some(Held { sched: self, cpu, slot, queue: slot.queue.lock() })
    }

    /// Whether `slot`'s task may run on `cpu`, and `cpu` is there to run it.
    #[inline]
    pub(super) fn fits(&self, slot: &TaskSlot<S>, cpu: CpuId) -> bool {
        slot.allowed.contains(cpu) && self.online.contains(cpu)
    }

    /// Whether `slot`'s task may be in `cpu`'s queue: it fits, or it waits there because none of its CPUs is online.
    #[inline]
    pub(super) fn may_wait(&self, slot: &TaskSlot<S>, cpu: CpuId) -> bool {
        self.fits(slot, cpu) || slot.allowed.contains(cpu) && self.possible(slot).is_empty()
    }

    /// Where `slot`'s task waits if none of its CPUs is online.
    pub(super) fn refuge(&self, slot: &TaskSlot<S>) -> Option<CpuId> {
        slot.allowed.load().first().filter(|cpu| cpu.as_usize() < self.cpus.len())
    }

    /// The CPUs that can run `slot`'s task.
    #[inline]
    pub(super) fn possible(&self, slot: &TaskSlot<S>) -> S::Mask {
        slot.allowed.load().and(&self.online.load())
    }
}

impl<S: System> fmt::Debug for Scheduler<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scheduler")
            .field("cpus", &self.cpus.len())
            .field("tasks", &self.tasks.len())
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
