//! Locks with priority inheritance: [`PiMutex`], and what they know of one another: [`PiDomain`]; [`Donation`].
//!
//! One short lock guards who waits for whom, so that entering a list and boosting the owner are one step, and a chain of
//! owners can be followed. It comes before a run queue's lock, which [`PriorityInheritance::inherit`] takes.

mod donation;
mod graph;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;

use core::cell::UnsafeCell;
use core::fmt;

use super::guard::{Guard, Release};
use crate::error::{LockError, QueueCorruption};
use crate::ports::{BlockReason, PriorityInheritance, Resume};
use crate::seeded::{Bug, seeded};
use crate::time::Instant;
pub use donation::Donation;
use graph::{Graph, Standing};
pub use graph::{PiLock, PiTask};

/// The locks and tasks that may wait for one another.
pub struct PiDomain<'s, E: PriorityInheritance> {
    env: E,
    graph: lock_api::Mutex<E::Lock, Graph<'s, E::Task, E::Key>>,
}

impl<'s, E: PriorityInheritance> PiDomain<'s, E> {
    /// For tasks with an index below `tasks.len()`, and at most `locks.len()` locks.
    pub fn new(env: E, tasks: &'s mut [PiTask<E::Task, E::Key>], locks: &'s mut [PiLock]) -> Self {
        Self { env, graph: lock_api::Mutex::new(Graph::new(tasks, locks)) }
    }

    fn with<R>(&self, work: impl FnOnce(&mut Graph<'s, E::Task, E::Key>) -> R) -> R {
        let _masked = self.env.irq_save();
        let mut graph = self.graph.lock();
        work(&mut graph)
    }

    /// To be called after the own urgency of `task` changed: owners whom it waits for inherit the new one.
    pub fn rekey(&self, task: E::Task) {
        self.with(|graph| graph.rekey(&self.env, self.env.index(task)));
    }

    /// To be called when `task` died without unwinding: each lock it has is dead, and who waits for one gets
    /// [`LockError::OwnerDied`].
    pub fn task_died(&self, task: E::Task) {
        while let Some(waiter) = self.with(|graph| graph.bury(&self.env, self.env.index(task))) {
            self.env.unpark(waiter);
        }
    }

    /// Walks every invariant, with the lock held.
    ///
    /// # Errors
    /// [`QueueCorruption`] names the first lock or task that breaks one.
    pub fn check(&self) -> Result<(), QueueCorruption> {
        self.with(|graph| graph.check(&self.env))
    }
}

impl<E: PriorityInheritance> fmt::Debug for PiDomain<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PiDomain").finish_non_exhaustive()
    }
}

/// A value that one task at a time may use, and who has it is as urgent as the most urgent who waits for it, through chains
/// of up to 64 such locks. It goes to the most urgent waiter, among equals to the first. Task context only.
pub struct PiMutex<'d, 's, E: PriorityInheritance, T> {
    domain: &'d PiDomain<'s, E>,
    lock: usize,
    data: UnsafeCell<T>,
}

/// Access to what a [`PiMutex`] guards.
pub type PiMutexGuard<'m, 'd, 's, E, T> = Guard<'m, PiMutex<'d, 's, E, T>, T>;

// SAFETY: the lock lets one thread at a time reach the data, so sharing the lock sends the data.
#[expect(unsafe_code, reason = "a lock")]
unsafe impl<'s, E: PriorityInheritance, T: Send> Sync for PiMutex<'_, 's, E, T> where PiDomain<'s, E>: Sync {}

impl<'d, 's, E: PriorityInheritance, T> PiMutex<'d, 's, E, T> {
    /// Unlocked.
    ///
    /// # Errors
    /// [`LockError::NoSlot`] if the domain has no slot left for a lock.
    pub fn new(domain: &'d PiDomain<'s, E>, value: T) -> Result<Self, LockError> {
        let lock = domain.with(Graph::create).ok_or(LockError::NoSlot)?;
        Ok(Self { domain, lock, data: UnsafeCell::new(value) })
    }

    /// Locks; sleeps while another task has it.
    ///
    /// # Errors
    /// [`LockError`]: `Deadlock`, `ChainTooLong`, `OwnerDied`, `Interrupted`, or `NoSlot` for a task beyond the domain's.
    pub fn lock(&self) -> Result<PiMutexGuard<'_, 'd, 's, E, T>, LockError> {
        self.lock_until(None)
    }

    /// As [`lock`](Self::lock), but no longer than `until`.
    ///
    /// # Errors
    /// As [`lock`](Self::lock), and [`LockError::TimedOut`].
    pub fn lock_until(&self, until: Option<Instant>) -> Result<PiMutexGuard<'_, 'd, 's, E, T>, LockError> {
        let env = &self.domain.env;
        let me = env.current();
        let mut standing = self.domain.with(|graph| graph.acquire(env, self.lock, me, true))?;
        while standing == Standing::Waiting {
            let resume = env.park(until, BlockReason::Lock);
            standing = self.domain.with(|graph| self.after(graph, env.index(me), resume))?;
        }
        Ok(self.guard())
    }

    /// What a wake-up means: the lock, the end of the wait, or nothing yet.
    fn after(
        &self,
        graph: &mut Graph<'s, E::Task, E::Key>,
        me: usize,
        resume: Resume,
    ) -> Result<Standing, LockError> {
        let standing = graph.standing(self.lock, me);
        let unchecked = seeded(Bug::LockTimeoutUnchecked) && resume == Resume::TimedOut;
        let error = match (if unchecked { Standing::Waiting } else { standing }, resume) {
            (Standing::Waiting, Resume::TimedOut) => LockError::TimedOut,
            (Standing::Waiting, Resume::Interrupted) => LockError::Interrupted,
            (Standing::OwnerDied, _) => return Err(LockError::OwnerDied),
            (standing, _) => return Ok(standing),
        };
        graph.give_up(&self.domain.env, me);
        Err(error)
    }

    /// Locks if nobody has it.
    ///
    /// # Errors
    /// [`LockError::OwnerDied`], or `NoSlot` for a task beyond the domain's.
    pub fn try_lock(&self) -> Result<Option<PiMutexGuard<'_, 'd, 's, E, T>>, LockError> {
        let env = &self.domain.env;
        let me = env.current();
        let standing = self.domain.with(|graph| graph.acquire(env, self.lock, me, false))?;
        Ok((standing == Standing::Owner).then(|| self.guard()))
    }

    /// Takes over a lock whose owner died; `None` if it is not dead. The value is as the owner left it.
    ///
    /// # Safety
    /// The owner that died runs no more, and nobody uses what it borrowed of the value.
    #[expect(unsafe_code, reason = "whoever declared the owner dead answers for it")]
    pub unsafe fn recover(&self) -> Option<PiMutexGuard<'_, 'd, 's, E, T>> {
        let env = &self.domain.env;
        let me = env.index(env.current());
        self.domain.with(|graph| graph.recover(&self.domain.env, self.lock, me)).then(|| self.guard())
    }

    /// For the task that has just become the owner.
    #[expect(unsafe_code, reason = "makes the guard of a lock that was taken")]
    fn guard(&self) -> PiMutexGuard<'_, 'd, 's, E, T> {
        // SAFETY: the graph names the running task owner, and did not before, so there is no other guard.
        unsafe { Guard::new(self, &self.data) }
    }
}

impl<E: PriorityInheritance, T> Release for PiMutex<'_, '_, E, T> {
    fn release(&self) {
        let env = &self.domain.env;
        if let Some(next) = self.domain.with(|graph| graph.release(env, self.lock)) {
            env.unpark(next);
        }
    }
}

impl<E: PriorityInheritance, T> Drop for PiMutex<'_, '_, E, T> {
    fn drop(&mut self) {
        self.domain.with(|graph| graph.destroy(self.lock));
    }
}

impl<E: PriorityInheritance, T> fmt::Debug for PiMutex<'_, '_, E, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PiMutex").finish_non_exhaustive()
    }
}
