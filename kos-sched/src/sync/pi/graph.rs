//! Who waits for whom: [`Graph`], a state machine without lock or clock.
//!
//! A task waits for one lock at a time, so its slot is its node in that lock's list, which is in order of urgency, then of
//! arrival. Invariants (walked by [`Graph::check`]): every list is in that order; what a task inherits is the greatest
//! urgency of the first waiters of all locks it has; nobody waits for itself.
//!
//! Source: Sha, Rajkumar and Lehoczky, "Priority inheritance protocols", 1990.

use crate::error::{LockError, QueueCorruption};
use crate::ports::PriorityInheritance;
use crate::seeded::{Bug, seeded};

/// Locks in a chain of owners who wait, at most.
pub(super) const DEPTH: usize = 64;

/// Memory for one task of a [`PiDomain`](super::PiDomain).
#[derive(Clone, Copy, Debug)]
pub struct PiTask<T, K> {
    task: Option<T>,
    inherited: Option<K>,
    /// The lock for which it waits.
    waits: Option<usize>,
    /// The next in that lock's list.
    next: Option<usize>,
    /// The first of the locks it has.
    holds: Option<usize>,
    died: bool,
}

impl<T, K> PiTask<T, K> {
    /// A task without locks.
    pub const EMPTY: Self =
        Self { task: None, inherited: None, waits: None, next: None, holds: None, died: false };
}

/// Memory for one lock of a [`PiDomain`](super::PiDomain).
#[derive(Clone, Copy, Debug)]
pub struct PiLock {
    used: bool,
    dead: bool,
    /// Stands for a donation to its owner: no mutex knows it.
    donation: bool,
    owner: Option<usize>,
    /// The most urgent waiter.
    first: Option<usize>,
    /// The next lock of the same owner.
    next: Option<usize>,
}

impl PiLock {
    /// No lock.
    pub const EMPTY: Self =
        Self { used: false, dead: false, donation: false, owner: None, first: None, next: None };
}

/// Where a task stands with the lock it asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Owner,
    Waiting,
    OwnerDied,
}

pub(super) struct Graph<'s, T, K> {
    tasks: &'s mut [PiTask<T, K>],
    locks: &'s mut [PiLock],
}

impl<'s, T: Copy, K: Copy + Ord> Graph<'s, T, K> {
    pub(super) fn new(tasks: &'s mut [PiTask<T, K>], locks: &'s mut [PiLock]) -> Self {
        tasks.fill(PiTask::EMPTY);
        locks.fill(PiLock::EMPTY);
        Self { tasks, locks }
    }

    /// A new lock.
    pub(super) fn create(&mut self) -> Option<usize> {
        let index = self.locks.iter().position(|lock| !lock.used)?;
        *self.lock(index)? = PiLock { used: true, ..PiLock::EMPTY };
        Some(index)
    }

    /// A new lock that stands for a donation.
    pub(super) fn create_donation(&mut self) -> Option<usize> {
        let index = self.create()?;
        self.lock(index)?.donation = true;
        Some(index)
    }

    pub(super) fn is_donation(&self, lock: usize) -> bool {
        self.locks.get(lock).is_some_and(|lock| lock.donation)
    }

    /// Ends a lock for which nobody waits. Its owner, who forgot his guard, has it no more.
    pub(super) fn destroy(&mut self, lock: usize) {
        self.unhold(lock);
        if let Some(lock) = self.lock(lock) {
            *lock = PiLock::EMPTY;
        }
    }

    /// The slot of `task`.
    pub(super) fn enter<P: PriorityInheritance<Task = T>>(
        &mut self,
        port: &P,
        task: T,
    ) -> Result<usize, LockError> {
        let index = port.index(task);
        self.tasks.get_mut(index).ok_or(LockError::NoSlot)?.task = Some(task);
        Ok(index)
    }

    /// Gives `lock` to `task`, or lets it wait for it.
    pub(super) fn acquire<P: PriorityInheritance<Task = T, Key = K>>(
        &mut self,
        port: &P,
        lock: usize,
        task: T,
        may_wait: bool,
    ) -> Result<Standing, LockError> {
        let me = self.enter(port, task)?;
        let found = *self.lock(lock).ok_or(LockError::NoSlot)?;
        if found.dead {
            return Err(LockError::OwnerDied);
        }
        let Some(owner) = found.owner else {
            self.hold(lock, me);
            return Ok(Standing::Owner);
        };
        if may_wait {
            self.check_chain(me, owner)?;
            self.insert(port, lock, me);
            self.propagate(port, owner);
        }
        Ok(Standing::Waiting)
    }

    pub(super) fn standing(&mut self, lock: usize, me: usize) -> Standing {
        if self.tasks.get_mut(me).is_some_and(|task| core::mem::take(&mut task.died)) {
            return Standing::OwnerDied;
        }
        let owner = self.lock(lock).and_then(|lock| lock.owner);
        if owner == Some(me) { Standing::Owner } else { Standing::Waiting }
    }

    /// Lets `me` wait no more: the owner loses what it inherited from it.
    pub(super) fn give_up<P: PriorityInheritance<Task = T, Key = K>>(&mut self, port: &P, me: usize) {
        let Some(lock) = self.remove(me) else { return };
        let owner = self.locks.get(lock).and_then(|lock| lock.owner);
        if self.is_donation(lock) {
            self.destroy(lock);
        }
        if let Some(owner) = owner {
            self.propagate(port, owner);
        }
    }

    /// Gives `lock` to its most urgent waiter; returns him, to be woken.
    pub(super) fn release<P: PriorityInheritance<Task = T, Key = K>>(
        &mut self,
        port: &P,
        lock: usize,
    ) -> Option<T> {
        let old = self.unhold(lock)?;
        let next = self.lock(lock)?.first;
        if let Some(next) = next {
            self.remove(next);
            self.hold(lock, next);
            self.propagate(port, next);
        }
        self.propagate(port, old);
        self.tasks.get(next?)?.task
    }

    /// `me` died with locks: they are dead. Returns one who waited for one of them, to be woken; ask again for the next.
    pub(super) fn bury<P: PriorityInheritance<Task = T, Key = K>>(
        &mut self,
        port: &P,
        me: usize,
    ) -> Option<T> {
        self.give_up(port, me);
        while let Some(index) = self.tasks.get(me)?.holds {
            let lock = self.lock(index)?;
            lock.dead = true;
            if let Some(waiter) = lock.first {
                self.remove(waiter);
                self.propagate(port, me);
                let waiter = self.tasks.get_mut(waiter)?;
                waiter.died = true;
                return waiter.task;
            }
            self.unhold(index);
        }
        *self.tasks.get_mut(me)? = PiTask::EMPTY;
        None
    }

    /// Gives a dead lock to `me`, who may come while its owner is still being buried; who waits on then waits for `me`.
    pub(super) fn recover<P: PriorityInheritance<Task = T, Key = K>>(
        &mut self,
        port: &P,
        lock: usize,
        me: usize,
    ) -> bool {
        let dead =
            me < self.tasks.len() && self.lock(lock).is_some_and(|lock| core::mem::take(&mut lock.dead));
        if dead {
            let old = if seeded(Bug::BuriedTwice) { None } else { self.unhold(lock) };
            self.hold(lock, me);
            self.propagate(port, me);
            if let Some(old) = old {
                self.propagate(port, old);
            }
        }
        dead
    }

    /// The own urgency of `me` has changed: its place in a list, and what owners inherit.
    pub(super) fn rekey<P: PriorityInheritance<Task = T, Key = K>>(&mut self, port: &P, me: usize) {
        if let Some(lock) = self.remove(me) {
            self.insert(port, lock, me);
            if let Some(owner) = self.lock(lock).and_then(|lock| lock.owner) {
                self.propagate(port, owner);
            }
        }
    }

    /// Whether `me` may wait for `owner`: it does not wait yet, the chain from there is short and does not come back.
    pub(super) fn check_chain(&self, me: usize, mut owner: usize) -> Result<(), LockError> {
        if self.tasks.get(me).is_some_and(|task| task.waits.is_some()) {
            return Err(LockError::Deadlock);
        }
        for _ in 0..DEPTH {
            if owner == me {
                return Err(LockError::Deadlock);
            }
            let waits = self.tasks.get(owner).and_then(|task| task.waits);
            match waits.and_then(|lock| self.locks.get(lock)?.owner) {
                Some(next) => owner = next,
                None => return Ok(()),
            }
        }
        Err(LockError::ChainTooLong)
    }

    /// Lets `task` inherit what its waiters have now, then the owner for whom it waits, and so on along the chain. The chain
    /// has no cycle: `check_chain` refuses the wait that would close one.
    pub(super) fn propagate<P: PriorityInheritance<Task = T, Key = K>>(&mut self, port: &P, mut task: usize) {
        loop {
            let inherits = self.inherits(port, task);
            let Some(slot) = self.tasks.get_mut(task).filter(|slot| slot.inherited != inherits) else {
                return;
            };
            slot.inherited = inherits;
            if let Some(name) = slot.task {
                port.inherit(name, inherits);
            }
            let Some(lock) = self.remove(task) else { return };
            self.insert(port, lock, task);
            let Some(owner) = self.lock(lock).and_then(|lock| lock.owner) else { return };
            task = owner;
        }
    }

    /// The greatest urgency of those who wait for a lock of `task`.
    fn inherits<P: PriorityInheritance<Task = T, Key = K>>(&self, port: &P, task: usize) -> Option<K> {
        let mut most = None;
        let mut rest = self.tasks.get(task).and_then(|task| task.holds);
        while let Some(lock) = rest.and_then(|index| self.locks.get(index)) {
            most = most.max(lock.first.and_then(|first| self.urgency(port, first)));
            rest = lock.next;
        }
        most
    }

    fn urgency<P: PriorityInheritance<Task = T, Key = K>>(&self, port: &P, task: usize) -> Option<K> {
        let slot = self.tasks.get(task)?;
        Some(port.key(slot.task?)).max(slot.inherited)
    }

    /// Puts `me` behind all who are as urgent.
    pub(super) fn insert<P: PriorityInheritance<Task = T, Key = K>>(
        &mut self,
        port: &P,
        lock: usize,
        me: usize,
    ) {
        let urgency = self.urgency(port, me);
        let mut previous = None;
        let mut next = self.locks.get(lock).and_then(|lock| lock.first);
        while let Some(other) = next.filter(|&other| self.urgency(port, other) >= urgency) {
            previous = next;
            next = self.tasks.get(other).and_then(|task| task.next);
        }
        if let Some(slot) = self.tasks.get_mut(me) {
            (slot.waits, slot.next, slot.died) = (Some(lock), next, false);
        }
        self.link(lock, previous, Some(me));
    }

    /// Takes `me` out of the list where it waits; returns the lock.
    fn remove(&mut self, me: usize) -> Option<usize> {
        let slot = self.tasks.get_mut(me)?;
        let (lock, after) = (slot.waits.take()?, slot.next.take());
        let mut previous = None;
        let mut here = self.locks.get(lock)?.first;
        while here != Some(me) {
            previous = here;
            here = self.tasks.get(here?)?.next;
        }
        self.link(lock, previous, after);
        Some(lock)
    }

    fn link(&mut self, lock: usize, previous: Option<usize>, next: Option<usize>) {
        let place = match previous {
            Some(previous) => self.tasks.get_mut(previous).map(|task| &mut task.next),
            None => self.locks.get_mut(lock).map(|lock| &mut lock.first),
        };
        if let Some(place) = place {
            *place = next;
        }
    }

    pub(super) fn hold(&mut self, lock: usize, me: usize) {
        if let Some((task, slot)) = self.tasks.get_mut(me).zip(self.locks.get_mut(lock)) {
            (slot.owner, slot.next) = (Some(me), task.holds.replace(lock));
        }
    }

    /// Takes `lock` from its owner; returns him.
    fn unhold(&mut self, lock: usize) -> Option<usize> {
        let slot = self.locks.get_mut(lock)?;
        let (owner, after) = (slot.owner.take()?, slot.next.take());
        let mut here = self.tasks.get(owner)?.holds;
        if here == Some(lock) {
            self.tasks.get_mut(owner)?.holds = after;
            return Some(owner);
        }
        while self.locks.get(here?)?.next != Some(lock) {
            here = self.locks.get(here?)?.next;
        }
        self.locks.get_mut(here?)?.next = after;
        Some(owner)
    }

    fn lock(&mut self, lock: usize) -> Option<&mut PiLock> {
        self.locks.get_mut(lock)
    }

    /// A lock in the list of `task` that it does not have, or that is there twice.
    fn foreign(&self, task: usize) -> Option<usize> {
        let mut rest = self.tasks.get(task)?.holds;
        for _ in 0..self.locks.len() {
            let lock = self.locks.get(rest?)?;
            if lock.owner != Some(task) {
                break;
            }
            rest = lock.next;
        }
        rest
    }

    pub(super) fn check<P: PriorityInheritance<Task = T, Key = K>>(
        &self,
        port: &P,
    ) -> Result<(), QueueCorruption> {
        let bad = |index, what| Err(QueueCorruption { what, index });
        for (index, lock) in self.locks.iter().enumerate() {
            let (mut rest, mut last, mut count) = (lock.first, None, 0);
            while let Some(waiter) = rest {
                let urgency = self.urgency(port, waiter);
                let slot = self.tasks.get(waiter);
                if slot.and_then(|slot| slot.waits) != Some(index) || count > self.tasks.len() {
                    return bad(index, "a waiter of another lock");
                }
                if last.is_some_and(|last| urgency > last) {
                    return bad(index, "a waiter behind a less urgent one");
                }
                (rest, last, count) = (slot.and_then(|slot| slot.next), Some(urgency), count + 1);
            }
            if lock.first.is_some() && lock.owner.is_none() {
                return bad(index, "waiters of a lock that nobody has");
            }
        }
        for task in 0..self.tasks.len() {
            if let Some(lock) = self.foreign(task) {
                return bad(lock, "a lock among those of another owner");
            }
        }
        let wrong = (0..self.tasks.len()).find(|&task| {
            self.tasks.get(task).is_some_and(|slot| slot.inherited != self.inherits(port, task))
        });
        wrong.map_or(Ok(()), |index| bad(index, "a task that inherits something else"))
    }
}
