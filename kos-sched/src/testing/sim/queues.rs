//! [`Queues`]: the policy layer as a [`Subject`]: a [`RunQueue`] for each CPU. Tasks stay where they were put at first unless
//! their affinity moves them, so on several CPUs it does not balance.

use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;

use crate::class::{ClassSet, Verdict};
use crate::cpu::{CpuId, CpuSet};
use crate::error::{AttrError, Corruption};
use crate::rq::{QueueError, RunQueue};
use crate::task::{Arena, Detached, FreeSlots, Policy, Slot, TaskId};
use crate::time::{Duration, Instant};

use super::subject::Subject;
use super::workload::Mask;

/// What is known of the task in a slot.
#[derive(Clone, Copy, Debug)]
struct Home {
    id: TaskId,
    cpu: CpuId,
    allowed: Mask,
    awake: bool,
}

/// Run queues without anything above them.
#[derive(Debug)]
pub struct Queues<'s, C> {
    free: FreeSlots<'s>,
    queues: Vec<RunQueue<'s, C>>,
    homes: Vec<Option<Home>>,
    /// Where the next task is put, if it may.
    next: CpuId,
    kicks: VecDeque<CpuId>,
}

impl<'s, C: ClassSet + core::fmt::Debug> Queues<'s, C> {
    /// `cpus` queues, each with the classes that `classes` makes, for as many tasks as there are `slots`.
    pub fn new(cpus: u32, slots: &'s mut [Slot], classes: impl Fn(CpuId) -> C) -> Self {
        let homes = vec![None; slots.len()];
        let (arena, free) = Arena::new(slots);
        let queues = (0..cpus).map(CpuId::new);
        let queues = queues.filter_map(|cpu| Some(RunQueue::new(arena.queue()?, classes(cpu)))).collect();
        Self { free, queues, homes, next: CpuId::new(0), kicks: VecDeque::new() }
    }

    /// The queue of a CPU.
    #[must_use]
    pub fn queue(&self, cpu: CpuId) -> &RunQueue<'s, C> {
        &self.queues[cpu.as_usize()]
    }

    /// Walks the invariants of every queue.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), Corruption> {
        self.queues.iter().try_for_each(RunQueue::check)
    }

    fn home(&mut self, task: TaskId) -> Option<&mut Home> {
        self.homes.get_mut(task.index().as_usize())?.as_mut().filter(|home| home.id == task)
    }

    /// An allowed CPU, in turn.
    fn place(&mut self, allowed: &Mask) -> Option<CpuId> {
        let online = allowed.and(&Mask::first_cpus(super::workload::number(self.queues.len())));
        let cpu = online.next_from(self.next).or_else(|| online.first())?;
        self.next = CpuId::new(cpu.get() + 1);
        Some(cpu)
    }

    /// `cpu` is told to look at its queue, unless it is the caller, who does so anyway.
    fn kick(&mut self, from: CpuId, cpu: CpuId) {
        if from != cpu {
            self.kicks.push_back(cpu);
        }
    }

    /// Puts a new task into the queue of an allowed CPU: where one has no bandwidth left, another may have.
    fn admit(
        &mut self,
        mut task: Detached<'s>,
        policy: Policy,
        allowed: &Mask,
        now: Instant,
    ) -> Result<CpuId, AttrError> {
        let mut why = AttrError::NoAllowedCpu;
        for _ in 0..allowed.count() {
            let Some(cpu) = self.place(allowed) else { break };
            match self.queues[cpu.as_usize()].admit(task, policy, now) {
                Ok(_) => return Ok(cpu),
                Err(refused) => (task, why) = (refused.task, attr(refused.why)),
            }
        }
        let _ = self.free.give(task);
        Err(why)
    }

    /// Puts a task that no queue has into that of an allowed CPU.
    fn land(&mut self, from: CpuId, task: Detached<'s>, now: Instant) {
        let id = task.id();
        let Some(Home { allowed, awake, .. }) = self.home(id).copied() else { return };
        let Some(cpu) = self.place(&allowed) else { return };
        let queue = &mut self.queues[cpu.as_usize()];
        let landed = if awake {
            queue.attach(task, now).map(|_| ())
        } else {
            queue.attach_asleep(task, now).map(|_| ())
        };
        debug_assert!(landed.is_ok(), "all queues have the same classes: {landed:?}");
        if let Some(home) = self.home(id) {
            home.cpu = cpu;
        }
        self.kick(from, cpu);
    }

    /// Takes the current task of `cpu` off its queue.
    fn remove_current(&mut self, cpu: CpuId, now: Instant) -> Option<Detached<'s>> {
        let queue = &mut self.queues[cpu.as_usize()];
        queue.remove(queue.current()?, now).ok()
    }

    fn current_home(&self, cpu: CpuId) -> Option<Home> {
        self.homes[self.queues[cpu.as_usize()].current()?.as_usize()]
    }
}

impl<C: ClassSet + core::fmt::Debug> Subject for Queues<'_, C> {
    fn spawn(
        &mut self,
        cpu: CpuId,
        policy: Policy,
        allowed: &Mask,
        now: Instant,
    ) -> Result<TaskId, AttrError> {
        let task = self.free.take().ok_or(AttrError::NoClass)?;
        let id = task.id();
        let home = self.admit(task, policy, allowed, now)?;
        self.homes[id.index().as_usize()] = Some(Home { id, cpu: home, allowed: *allowed, awake: true });
        self.kick(cpu, home);
        Ok(id)
    }

    fn block(&mut self, cpu: CpuId, _: Option<Instant>, now: Instant) {
        let queue = &mut self.queues[cpu.as_usize()];
        let Some(task) = queue.current() else { return };
        let _ = queue.dequeue(task, now);
        if let Some(home) = &mut self.homes[task.as_usize()] {
            home.awake = false;
        }
    }

    fn exit(&mut self, cpu: CpuId, now: Instant) {
        if let Some(task) = self.remove_current(cpu, now) {
            self.homes[task.index().as_usize()] = None;
            let _ = self.free.give(task);
        }
    }

    fn yield_now(&mut self, cpu: CpuId, now: Instant) {
        let _ = self.queues[cpu.as_usize()].yield_current(now);
    }

    fn wake(&mut self, cpu: CpuId, task: TaskId, now: Instant) {
        let Some(home) = self.home(task) else { return };
        home.awake = true;
        let (to, allowed) = (home.cpu, home.allowed.contains(home.cpu));
        let queue = &mut self.queues[to.as_usize()];
        if queue.enqueue(task.index(), now) != Ok(Verdict::Keep) && allowed {
            self.kick(cpu, to);
        } else if !allowed && let Ok(task) = queue.remove(task.index(), now) {
            // Its CPUs changed while it was going to sleep.
            self.land(cpu, task, now);
        }
    }

    fn set_policy(
        &mut self,
        cpu: CpuId,
        task: TaskId,
        policy: Policy,
        now: Instant,
    ) -> Result<(), AttrError> {
        let Some(home) = self.home(task) else { return Ok(()) };
        let to = home.cpu;
        let verdict = self.queues[to.as_usize()].set_attr(task.index(), policy, now).map_err(attr)?;
        if verdict != Verdict::Keep {
            self.kick(cpu, to);
        }
        Ok(())
    }

    fn set_affinity(
        &mut self,
        cpu: CpuId,
        task: TaskId,
        allowed: &Mask,
        now: Instant,
    ) -> Result<(), AttrError> {
        let Some(home) = self.home(task) else { return Ok(()) };
        home.allowed = *allowed;
        let at = home.cpu;
        if allowed.contains(at) {
            return Ok(());
        }
        let queue = &mut self.queues[at.as_usize()];
        if queue.current() == Some(task.index()) {
            // It leaves when its CPU settles.
            self.kick(cpu, at);
        } else if let Ok(task) = queue.remove(task.index(), now) {
            self.land(cpu, task, now);
        }
        Ok(())
    }

    fn timer(&mut self, _: CpuId, _: Instant) {}

    fn kicked(&mut self, _: CpuId, _: Instant) {}

    fn settle(&mut self, cpu: CpuId, now: Instant) -> Option<TaskId> {
        let forbidden = self.current_home(cpu).is_some_and(|home| !home.allowed.contains(cpu));
        if let Some(task) = forbidden.then(|| self.remove_current(cpu, now)).flatten() {
            self.land(cpu, task, now);
        }
        let queue = &mut self.queues[cpu.as_usize()];
        let stays = queue.charge(now) == Verdict::Keep;
        let task = queue.current().filter(|_| stays).or_else(|| queue.pick(now))?;
        Some(self.homes[task.as_usize()]?.id)
    }

    fn alarm(&self, cpu: CpuId) -> Option<Instant> {
        self.queues[cpu.as_usize()].next_event()
    }

    fn next_kick(&mut self) -> Option<CpuId> {
        self.kicks.pop_front()
    }

    fn cpu_time(&self, _: TaskId, _: Instant) -> Option<Duration> {
        None
    }
}

/// A queue refuses attributes only: the engine names no foreign task.
fn attr(error: QueueError) -> AttrError {
    match error {
        QueueError::Attr(error) => error,
        _ => AttrError::NoClass,
    }
}
