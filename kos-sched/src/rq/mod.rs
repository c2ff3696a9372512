//! [`RunQueue`]: the tasks of one CPU and the order in which they run. No lock, no clock, no allocation, no panic.
//!
//! A task is *runnable* (here, the current one included), *asleep* (nobody's, or here if its class keeps it) or *detached* (a
//! [`Detached`](crate::task::Detached) names it). Whatever index comes in, a wrong one is an error value and changes nothing.
//!
//! Time comes with each operation, in the order of the operations; a time before the last one counts as the last one.

mod error;
mod lending;
mod moving;

pub use error::{AttachError, QueueError};

use crate::class::{ClassSet, Dequeue, Dequeued, Enqueue, Load, Verdict};
use crate::error::{AttrError, Corruption};
use crate::task::node::{Link, Standing};
use crate::task::{Arena, Nodes, Ownership, QueueId, TaskIndex};
use crate::time::{Duration, Instant};

/// What happened on a queue, since it was made. Wraps after centuries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueStats {
    /// Picks whose task was not the one before.
    pub switches: u64,
    /// Tasks that woke.
    pub wakes: u64,
    /// Tasks that went to sleep.
    pub sleeps: u64,
    /// Tasks that came, new or from another queue.
    pub attached: u64,
    /// Tasks that left for another queue or for ever.
    pub detached: u64,
    /// Budgets that were used up.
    pub throttles: u64,
}

#[derive(Clone, Copy, Debug)]
struct Current {
    task: TaskIndex,
    class: u8,
}

/// The tasks of one CPU, scheduled by the classes `C`.
#[derive(Debug)]
pub struct RunQueue<'s, C> {
    key: Ownership<'s>,
    classes: C,
    /// The newest time seen.
    clock: Instant,
    current: Option<Current>,
    /// Who was current last.
    last: Link,
    runnable: u32,
    /// What the next charge says, until there is a pick.
    pending: Verdict,
    stats: QueueStats,
}

impl<'s, C: ClassSet> RunQueue<'s, C> {
    /// A queue without tasks, scheduled by `classes`, which have none either.
    #[must_use]
    pub const fn new(key: Ownership<'s>, classes: C) -> Self {
        Self {
            key,
            classes,
            clock: Instant::from_ticks(0),
            current: None,
            last: Link::NONE,
            runnable: 0,
            pending: Verdict::Keep,
            stats: QueueStats { switches: 0, wakes: 0, sleeps: 0, attached: 0, detached: 0, throttles: 0 },
        }
    }

    /// Whether its key is one of `arena`.
    pub(crate) fn opened_by(&self, arena: &Arena<'_>) -> bool {
        self.key.opens(arena)
    }

    /// Its name in the arena.
    #[must_use]
    pub const fn id(&self) -> QueueId {
        self.key.id()
    }

    /// Who runs.
    #[must_use]
    pub fn current(&self) -> Option<TaskIndex> {
        Some(self.current?.task)
    }

    /// The newest time that it has been told.
    #[must_use]
    pub const fn clock(&self) -> Instant {
        self.clock
    }

    /// The classes, to look at.
    #[must_use]
    pub const fn classes(&self) -> &C {
        &self.classes
    }

    /// The nodes of its tasks, to look at.
    #[must_use]
    pub const fn nodes(&self) -> &Nodes<'s> {
        self.key.view()
    }

    /// Wakes `task`: one that sleeps, here or nowhere. Says whether to pick again.
    ///
    /// # Errors
    /// [`QueueError::Foreign`] if another queue keeps it, or it is detached; [`QueueError::Runnable`] if it is awake;
    /// [`QueueError::Attr`] if it slept in a class that this queue has not.
    #[inline]
    pub fn enqueue(&mut self, task: TaskIndex, now: Instant) -> Result<Verdict, QueueError> {
        self.own(task)?;
        self.update(now);
        let nodes = self.key.nodes();
        let node = nodes.get_mut(task).ok_or(QueueError::Foreign)?;
        let class = node.class;
        let why = match node.standing {
            Standing::Runnable => return Err(QueueError::Runnable),
            Standing::Asleep => Enqueue::Resume,
            Standing::Out => Enqueue::Wake,
        };
        node.standing = Standing::Runnable;
        self.classes.enqueue(class, nodes, task, why, self.clock);
        self.runnable = self.runnable.saturating_add(1);
        self.stats.wakes = self.stats.wakes.wrapping_add(1);
        Ok(self.after_enqueue(task, class))
    }

    /// Puts `task`, which may be the current one, to sleep; if it was current, nobody is. Says who may wake it.
    ///
    /// # Errors
    /// [`QueueError::Foreign`] if it is not here, [`QueueError::Asleep`] if it sleeps.
    #[inline]
    pub fn dequeue(&mut self, task: TaskIndex, now: Instant) -> Result<Dequeued, QueueError> {
        let class = self.runnable_class(task)?;
        self.update(now);
        let nodes = self.key.nodes();
        let kept = self.classes.dequeue(class, nodes, task, Dequeue::Sleep, self.clock);
        Self::fall_asleep(nodes, task, kept);
        self.forget_current(task);
        self.runnable = self.runnable.saturating_sub(1);
        self.stats.sleeps = self.stats.sleeps.wrapping_add(1);
        Ok(kept)
    }

    /// Puts the current task back, if there is one, and makes current whoever should run. [`None`]: nobody wants to.
    #[inline]
    pub fn pick(&mut self, now: Instant) -> Option<TaskIndex> {
        self.put_previous(now);
        let nodes = self.key.nodes();
        self.classes.advance(nodes, self.clock);
        self.pending = Verdict::Keep;
        let (class, task) = self.classes.take(nodes, self.clock)?;
        Some(self.make_current(task, class))
    }

    /// As [`pick`](Self::pick), but `first` goes first if that makes nobody starve.
    pub(crate) fn pick_first(&mut self, first: TaskIndex, now: Instant) -> Option<TaskIndex> {
        self.put_previous(now);
        self.classes.advance(self.key.nodes(), self.clock);
        let Ok(class) = self.runnable_class(first) else { return self.pick(now) };
        if !self.classes.take_first(class, self.key.nodes(), first, self.clock) {
            return self.pick(now);
        }
        self.pending = Verdict::Keep;
        Some(self.make_current(first, class))
    }

    #[inline]
    fn make_current(&mut self, task: TaskIndex, class: u8) -> TaskIndex {
        self.current = Some(Current { task, class });
        if self.last != Link::to(task) {
            self.last = Link::to(task);
            self.stats.switches = self.stats.switches.wrapping_add(1);
        }
        task
    }

    /// The current task, if there is one, runs no longer and still wants to.
    #[inline]
    pub fn put_previous(&mut self, now: Instant) {
        self.update(now);
        if let Some(Current { task, class }) = self.current.take() {
            self.classes.put_previous(class, self.key.nodes(), task, self.clock);
        }
    }

    /// Accounts the time up to `now` to the current task, and hands out budgets that are due. To be called at
    /// [`next_event`](Self::next_event) or on every tick.
    #[inline]
    pub fn charge(&mut self, now: Instant) -> Verdict {
        self.update(now);
        if let Some(class) = self.classes.advance(self.key.nodes(), self.clock) {
            // Who came back may go before the current task; to pick once too often is harmless.
            if self.current.is_none_or(|current| class <= current.class) {
                let _ = self.ask_for_pick();
            }
        }
        self.pending
    }

    /// The current task lets its equals go first. Says whether to pick again.
    ///
    /// # Errors
    /// [`QueueError::NoCurrent`] if nobody is.
    #[inline]
    pub fn yield_current(&mut self, now: Instant) -> Result<Verdict, QueueError> {
        self.update(now);
        let Current { task, class } = self.current.ok_or(QueueError::NoCurrent)?;
        self.classes.yield_current(class, self.key.nodes(), task, self.clock);
        Ok(self.ask_for_pick())
    }

    /// When [`charge`](Self::charge) should be called next if nothing else happens. [`None`]: never, no tick is needed.
    #[must_use]
    pub fn next_event(&self) -> Option<Instant> {
        let current = self.current.map(|current| (current.class, current.task));
        self.classes.next_event(self.key.view(), current, self.clock)
    }

    /// Tasks that want the CPU, the current one included.
    #[inline]
    #[must_use]
    pub const fn runnable(&self) -> u32 {
        self.runnable
    }

    /// What it carries.
    #[must_use]
    pub fn load(&self) -> Load {
        Load { runnable: self.runnable, ..self.classes.load() }
    }

    /// Counters.
    #[must_use]
    pub const fn stats(&self) -> QueueStats {
        self.stats
    }

    /// Walks every invariant. Takes time in proportion to the slots.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), Corruption> {
        let nodes = self.key.view();
        let (mut kept, mut runnable) = (0, 0);
        for task in (0..).map(TaskIndex::new).take(nodes.capacity()) {
            match nodes.get(task).map(|node| node.standing) {
                Some(Standing::Runnable) => (kept, runnable) = (kept + 1, runnable + 1),
                Some(Standing::Asleep) => kept += 1,
                Some(Standing::Out) => return Err(Corruption::Owner(task)),
                None => {}
            }
        }
        if let Some(Current { task, class }) = self.current {
            let node = nodes.get(task).ok_or(Corruption::Owner(task))?;
            if node.standing != Standing::Runnable || node.class != class {
                return Err(Corruption::Owner(task));
            }
        }
        if self.classes.check(nodes)? != kept || self.runnable != runnable {
            return Err(Corruption::Count);
        }
        Ok(())
    }

    /// Moves the clock to `now` and charges the current task for the way.
    #[inline]
    fn update(&mut self, now: Instant) {
        if now > self.clock {
            self.pass_to(now);
        }
    }

    fn pass_to(&mut self, now: Instant) {
        let ran = Duration::from_ticks(now.as_ticks().saturating_sub(self.clock.as_ticks()));
        self.clock = now;
        let Some(Current { task, class }) = self.current else { return };
        match self.classes.charge(class, self.key.nodes(), task, ran, now) {
            Verdict::Keep => {}
            Verdict::Resched => _ = self.ask_for_pick(),
            throttled => {
                self.pending = throttled;
                self.stats.throttles = self.stats.throttles.wrapping_add(1);
            }
        }
    }

    /// A pick is due, which the next charge will say again.
    #[inline]
    fn ask_for_pick(&mut self) -> Verdict {
        if self.pending == Verdict::Keep {
            self.pending = Verdict::Resched;
        }
        self.pending
    }

    /// Sees to it that `task` is this queue's: it is, or it was nobody's.
    #[inline]
    fn own(&mut self, task: TaskIndex) -> Result<(), QueueError> {
        let nodes = self.key.nodes();
        if nodes.owns(task) {
            return Ok(());
        }
        if !nodes.claim(task) {
            return Err(QueueError::Foreign);
        }
        if nodes.get(task).is_some_and(|node| self.classes.has(node.class)) {
            return Ok(());
        }
        nodes.release(task);
        Err(AttrError::NoClass.into())
    }

    #[inline]
    fn runnable_class(&self, task: TaskIndex) -> Result<u8, QueueError> {
        let nodes = self.key.view();
        let node = nodes.get(task).ok_or(QueueError::Foreign)?;
        if node.standing == Standing::Runnable { Ok(node.class) } else { Err(QueueError::Asleep) }
    }

    /// `task` sleeps; it is nobody's unless its class keeps it.
    #[inline]
    fn fall_asleep(nodes: &mut Nodes<'_>, task: TaskIndex, kept: Dequeued) {
        let Some(node) = nodes.get_mut(task) else { return };
        match kept {
            Dequeued::Delayed => node.standing = Standing::Asleep,
            Dequeued::Done => {
                node.standing = Standing::Out;
                nodes.release(task);
            }
        }
    }

    #[inline]
    fn forget_current(&mut self, task: TaskIndex) {
        self.current = self.current.filter(|current| current.task != task);
    }

    /// Whether `task` of `class`, just enqueued, asks for a pick.
    #[inline]
    fn after_enqueue(&mut self, task: TaskIndex, class: u8) -> Verdict {
        let preempts = match self.current {
            None => true,
            Some(current) if class == current.class => {
                self.classes.preempts(class, self.key.view(), task, current.task)
            }
            Some(current) => class < current.class,
        };
        if preempts { self.ask_for_pick() } else { self.pending }
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
