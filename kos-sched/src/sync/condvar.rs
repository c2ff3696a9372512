//! Waiting for what a mutex guards: [`Condvar`].
//!
//! A waiter enters the condition's queue before it releases the mutex, so that no notification comes in between. It names the
//! mutex as the queue to which it may be moved: a notification by who has the mutex moves it there, and it wakes up when the
//! mutex is its own.

use core::fmt;
use core::pin::{Pin, pin};

use super::gate::{
    BATCH, EXCLUSIVE, Gate, GateMember, Outcome, State, Waiting, Wake, Wakes, enter, move_waiters,
};
use super::guard::Guard;
use super::mutex::{Mutex, MutexGuard};
use crate::error::LockError;
use crate::pinned::{Home, Member};
use crate::ports::{BlockReason, Resume, SyncEnv};
use crate::time::Instant;

/// Tasks that wait for a change of what a [`Mutex`] guards.
///
/// ```
/// use kos_sched::LockError;
/// use kos_sched::sync::{Condvar, Mutex};
/// use kos_sched::testing::HostPark;
///
/// let host = HostPark::new();
/// let (jobs, changed) = (Mutex::new(&host, Vec::new()), Condvar::new(&host));
/// std::thread::scope(|scope| {
///     scope.spawn(|| {
///         let mut guard = jobs.lock().unwrap();
///         guard.push("print");
///         changed.requeue_one(&guard); // wakes up when this guard is dropped, not before
///     });
///     let mut guard = jobs.lock()?;
///     while guard.is_empty() {
///         guard = changed.wait(guard)?;
///     }
///     assert_eq!(guard.pop(), Some("print"));
///     Ok::<(), LockError>(())
/// })?;
/// # Ok::<(), LockError>(())
/// ```
pub struct Condvar<E: SyncEnv>(Gate<E>);

/// How a wait at a condition ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// The mutex was handed over with the wake-up.
    WithMutex,
    Notified,
    TimedOut,
}

impl<E: SyncEnv> Condvar<E> {
    /// Nobody waits.
    #[must_use]
    pub const fn new(env: E) -> Self {
        Self(Home::new(env, State::new(0)))
    }

    /// Releases the mutex, sleeps until notified, locks it again. May return without cause: look again in a loop.
    ///
    /// # Errors
    /// [`LockError::Interrupted`] if the task is to die; it has not the mutex then.
    pub fn wait<'m, T>(&self, guard: MutexGuard<'m, E, T>) -> Result<MutexGuard<'m, E, T>, LockError> {
        self.wait_until(guard, None).map(|(guard, _)| guard)
    }

    /// As [`wait`](Self::wait), but sleeps no longer than `until` for the notification; then it waits for the mutex however
    /// long that takes. The flag says whether a notification came.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn wait_until<'m, T>(
        &self,
        guard: MutexGuard<'m, E, T>,
        until: Option<Instant>,
    ) -> Result<(MutexGuard<'m, E, T>, bool), LockError> {
        let mutex: &'m Mutex<E, T> = Guard::lock(&guard);
        let task = self.0.env().current();
        let member = pin!(Member::new(&self.0, Some(mutex.gate()), Waiting::new(0)));
        member.as_ref().with(|seat| enter(seat, EXCLUSIVE, Wake::Task(task)))?;
        drop(guard);
        match self.sleep(member.as_ref(), until)? {
            Left::WithMutex => Ok((mutex.guard(), true)),
            Left::Notified => Ok((mutex.lock()?, true)),
            Left::TimedOut => Ok((mutex.lock()?, false)),
        }
    }

    fn sleep(&self, member: Pin<&GateMember<'_, E>>, mut until: Option<Instant>) -> Result<Left, LockError> {
        loop {
            let resume = self.0.env().park(until, BlockReason::Wait);
            let (ended, moved) = member.with(|seat| {
                let moved = seat.is_moved();
                let ended = match (seat.value().outcome, resume) {
                    (Outcome::Waiting, Resume::Interrupted) => Some(Err(LockError::Interrupted)),
                    (Outcome::Waiting, Resume::TimedOut) if !moved => Some(Ok(Left::TimedOut)),
                    (Outcome::Waiting, _) => None,
                    _ if moved => Some(Ok(Left::WithMutex)),
                    _ => Some(Ok(Left::Notified)),
                };
                if ended.is_some() {
                    seat.leave();
                }
                (ended, moved)
            });
            if moved && ended == Some(Err(LockError::Interrupted)) {
                // It had been notified, and does not use that.
                self.notify_one();
            }
            if let Some(result) = ended {
                return result;
            }
            if moved {
                until = None;
            }
        }
    }

    /// Wakes the first waiter; false if nobody waits. Any context, with or without the mutex.
    pub fn notify_one(&self) -> bool {
        self.notify(1) > 0
    }

    /// Wakes all who wait now; returns how many.
    pub fn notify_all(&self) -> usize {
        self.notify(usize::MAX)
    }

    fn notify(&self, count: usize) -> usize {
        let (mut wakes, mut left, mut end) = (Wakes::new(), count, None);
        loop {
            self.0.with(|mut held| {
                let end = *end.get_or_insert(held.state.next_ticket());
                while left > 0 && wakes.take(&mut held, EXCLUSIVE, end, Outcome::Woken) {
                    left -= 1;
                }
            });
            if wakes.deliver(self.0.env()) < BATCH {
                return count - left;
            }
        }
    }

    /// Lets the first waiter wait for the mutex, which the caller has: it wakes up when it owns it, and not in vain before.
    /// False if nobody waits with this mutex first.
    pub fn requeue_one<T>(&self, guard: &MutexGuard<'_, E, T>) -> bool {
        self.requeue(guard, 1) > 0
    }

    /// As [`requeue_one`](Self::requeue_one), for all who wait now; returns how many. Takes time in proportion to them, with
    /// interrupts masked.
    pub fn requeue_all<T>(&self, guard: &MutexGuard<'_, E, T>) -> usize {
        self.requeue(guard, usize::MAX)
    }

    fn requeue<T>(&self, guard: &MutexGuard<'_, E, T>, count: usize) -> usize {
        let moved = Home::with_both(&self.0, Guard::lock(guard).gate(), |mut condition, mut mutex| {
            move_waiters(&mut condition, &mut mutex, count)
        });
        moved.unwrap_or(0)
    }
}

impl<E: SyncEnv> fmt::Debug for Condvar<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condvar").finish_non_exhaustive()
    }
}
