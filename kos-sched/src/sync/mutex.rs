//! A lock that sleeps: [`Mutex`].
//!
//! Invariant: `owner` names the one task that has a guard or is just about to get it. A release with waiters names the first
//! of them owner before anybody else can look, so nobody overtakes and nobody starves. The price is a switch for each
//! release under contention, where a lock that lets newcomers in would have none.

use core::cell::UnsafeCell;
use core::fmt;
use core::pin::pin;

use super::gate::{EXCLUSIVE, Gate, Outcome, State, Waiting, Wake, enter};
use super::guard::{Guard, Release};
use super::waiter::sleep;
use crate::error::{LockError, QueueCorruption, WaitError};
use crate::pinned::{Home, Member};
use crate::ports::{BlockReason, SyncEnv};
use crate::seeded::{Bug, seeded};
use crate::time::Instant;

/// A value that one task at a time may use, for as long as it likes; others sleep, in the order in which they came.
///
/// Task context only.
///
/// ```
/// use kos_sched::LockError;
/// use kos_sched::sync::Mutex;
/// use kos_sched::testing::HostPark;
///
/// let log = Mutex::new(HostPark::new(), Vec::new());
/// let mut guard = log.lock()?;
/// guard.push("started");
/// assert_eq!(log.lock().unwrap_err(), LockError::Deadlock);
/// drop(guard);
/// assert!(log.try_lock().is_some());
/// # Ok::<(), LockError>(())
/// ```
pub struct Mutex<E: SyncEnv, T: ?Sized> {
    gate: Gate<E>,
    data: UnsafeCell<T>,
}

/// Access to what a [`Mutex`] guards.
pub type MutexGuard<'m, E, T> = Guard<'m, Mutex<E, T>, T>;

// SAFETY: the lock lets one thread at a time reach the data, so sharing the lock sends the data.
#[expect(unsafe_code, reason = "a lock")]
unsafe impl<E: SyncEnv, T: ?Sized + Send> Sync for Mutex<E, T> where Gate<E>: Sync {}

impl<E: SyncEnv, T> Mutex<E, T> {
    /// Unlocked.
    #[must_use]
    pub const fn new(env: E, value: T) -> Self {
        Self { gate: Home::new(env, State::new(0)), data: UnsafeCell::new(value) }
    }

    /// The value of a mutex that nobody else has.
    pub fn into_inner(self) -> T {
        self.data.into_inner()
    }

    /// Locks; sleeps while another task has it.
    ///
    /// # Errors
    /// [`LockError::Deadlock`] if the task itself has it, [`LockError::Interrupted`] if the task is to die.
    pub fn lock(&self) -> Result<MutexGuard<'_, E, T>, LockError> {
        self.lock_until(None)
    }

    /// As [`lock`](Self::lock), but no longer than `until`.
    ///
    /// # Errors
    /// As [`lock`](Self::lock), and [`LockError::TimedOut`].
    pub fn lock_until(&self, until: Option<Instant>) -> Result<MutexGuard<'_, E, T>, LockError> {
        let me = self.gate.env().current();
        let member = pin!(Member::new(&self.gate, None, Waiting::new(0)));
        let taken = member.as_ref().with(|seat| match seat.state().owner {
            Some(owner) if owner == me => Err(LockError::Deadlock),
            Some(_) => enter(seat, EXCLUSIVE, Wake::Task(me)).map(|()| false).map_err(LockError::from),
            None => {
                seat.state().owner = Some(me);
                Ok(true)
            }
        });
        if !taken? {
            sleep(member.as_ref(), until, BlockReason::Lock)?;
        }
        Ok(self.guard())
    }

    /// Locks if nobody has it.
    pub fn try_lock(&self) -> Option<MutexGuard<'_, E, T>> {
        let me = self.gate.env().current();
        let free = self.gate.with(|held| {
            let free = held.state.owner.is_none();
            if free {
                held.state.owner = Some(me);
            }
            free
        });
        free.then(|| self.guard())
    }

    /// Who has it now.
    pub fn owner(&self) -> Option<E::Task> {
        self.gate.with(|held| held.state.owner)
    }

    /// Walks every invariant, with the lock of the queue held.
    ///
    /// # Errors
    /// [`QueueCorruption`] names the first list that breaks one.
    pub fn check(&self) -> Result<(), QueueCorruption> {
        self.gate.with(|held| {
            let owned = held.state.owner.is_some();
            held.check(|_, waiting| match waiting.wake {
                Some(Wake::Task(_)) if owned => Ok(()),
                _ => Err("a waiter whom nobody will wake"),
            })
        })
    }

    pub(super) const fn gate(&self) -> &Gate<E> {
        &self.gate
    }

    /// For the task that has just become the owner.
    #[expect(unsafe_code, reason = "makes the guard of a lock that was taken")]
    pub(super) fn guard(&self) -> MutexGuard<'_, E, T> {
        // SAFETY: `owner` names the running task, which has no other guard: it was not the owner before.
        unsafe { Guard::new(self, &self.data) }
    }
}

impl<E: SyncEnv, T: ?Sized> Release for Mutex<E, T> {
    fn release(&self) {
        let next = self.gate.with(|mut held| {
            let next = held.pop_front(EXCLUSIVE).and_then(|first| first.end(Outcome::Woken));
            let next = match next {
                Some(Wake::Task(task)) => Some(task),
                _ => None,
            };
            held.state.owner = next.filter(|_| !seeded(Bug::ReleaseInTwoSteps));
            next
        });
        if let Some(task) = next {
            if seeded(Bug::ReleaseInTwoSteps) {
                self.gate.with(|held| held.state.owner = next);
            }
            self.gate.env().unpark(task);
        }
    }
}

impl<E: SyncEnv, T: ?Sized> fmt::Debug for Mutex<E, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mutex").finish_non_exhaustive()
    }
}

impl From<WaitError> for LockError {
    fn from(error: WaitError) -> Self {
        match error {
            WaitError::TimedOut => Self::TimedOut,
            // A lock is never closed.
            WaitError::Interrupted | WaitError::Closed => Self::Interrupted,
        }
    }
}
