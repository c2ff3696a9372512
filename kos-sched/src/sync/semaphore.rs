//! Permits: [`Semaphore`].
//!
//! Invariant: if somebody waits, the first who does asks for more permits than there are. Permits go to the first waiter
//! before anybody else can look, so a large request is not starved by small ones.

use core::fmt;
use core::pin::pin;

use super::gate::{BATCH, EXCLUSIVE, Gate, GateHeld, Outcome, State, Waiting, Wake, Wakes, close, enter};
use super::waiter::sleep;
use crate::error::{QueueCorruption, WaitError};
use crate::pinned::{Home, Member};
use crate::ports::{BlockReason, SyncEnv};
use crate::seeded::{Bug, seeded};
use crate::time::Instant;

/// A number of permits that tasks take and give back.
///
/// Acquiring is for tasks; releasing and closing for any context.
///
/// ```
/// use kos_sched::WaitError;
/// use kos_sched::sync::Semaphore;
/// use kos_sched::testing::HostPark;
///
/// let buffers = Semaphore::new(HostPark::new(), 3);
/// let two = buffers.acquire(2, None)?;
/// assert!(buffers.try_acquire(2).is_none());
/// drop(two);
/// assert_eq!(buffers.available(), 3);
/// # Ok::<(), WaitError>(())
/// ```
pub struct Semaphore<E: SyncEnv> {
    gate: Gate<E>,
}

/// Permits taken; dropping them gives them back.
#[derive(Debug)]
#[must_use = "the permits go back at once if they are not kept"]
pub struct Permits<'s, E: SyncEnv> {
    semaphore: &'s Semaphore<E>,
    count: usize,
}

impl<E: SyncEnv> Permits<'_, E> {
    /// How many.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.count
    }

    /// Keeps them taken: somebody will [`release`](Semaphore::release) as many.
    pub fn keep(mut self) {
        self.count = 0;
    }
}

impl<E: SyncEnv> Drop for Permits<'_, E> {
    fn drop(&mut self) {
        if self.count > 0 {
            self.semaphore.release(self.count);
        }
    }
}

impl<E: SyncEnv> Semaphore<E> {
    /// With `permits` permits.
    #[must_use]
    pub const fn new(env: E, permits: usize) -> Self {
        Self { gate: Home::new(env, State::new(permits)) }
    }

    /// Takes `count` permits; sleeps until there are so many and everybody who came before has his.
    ///
    /// # Errors
    /// [`WaitError`]; no permit was taken then.
    pub fn acquire(&self, count: usize, until: Option<Instant>) -> Result<Permits<'_, E>, WaitError> {
        let env = self.gate.env();
        let member = pin!(Member::new(&self.gate, None, Waiting::new(count)));
        let taken = member.as_ref().with(|seat| {
            if try_take(&mut seat.held(), count) {
                return Ok(true);
            }
            if seeded(Bug::AcquireInTwoSteps) {
                return Ok(false);
            }
            enter(seat, EXCLUSIVE, Wake::Task(env.current())).map(|()| false)
        })?;
        if !taken && seeded(Bug::AcquireInTwoSteps) {
            member.as_ref().with(|seat| enter(seat, EXCLUSIVE, Wake::Task(env.current())))?;
        }
        if !taken {
            // Who gives up may have stood before somebody who asks for less.
            sleep(member.as_ref(), until, BlockReason::Wait).inspect_err(|_| self.release(0))?;
        }
        Ok(Permits { semaphore: self, count })
    }

    /// Takes `count` permits if they are there and nobody waits.
    pub fn try_acquire(&self, count: usize) -> Option<Permits<'_, E>> {
        let taken = self.gate.with(|mut held| !held.state.closed && try_take(&mut held, count));
        taken.then(|| Permits { semaphore: self, count })
    }

    /// Gives `count` permits, or gives them back. More than `usize::MAX` in all are as many as that.
    pub fn release(&self, count: usize) {
        let (mut wakes, mut count) = (Wakes::new(), count);
        loop {
            self.gate.with(|mut held| {
                held.state.permits = held.state.permits.saturating_add(core::mem::take(&mut count));
                grant(&mut held, &mut wakes);
            });
            if wakes.deliver(self.gate.env()) < BATCH {
                return;
            }
        }
    }

    /// Ends every wait with [`WaitError::Closed`], and refuses all that come from now on.
    pub fn close(&self) {
        close(&self.gate);
    }

    /// Permits that are there.
    pub fn available(&self) -> usize {
        self.gate.with(|held| held.state.permits)
    }

    /// Walks every invariant, with the lock of the queue held.
    ///
    /// # Errors
    /// [`QueueCorruption`] names the first list that breaks one.
    pub fn check(&self) -> Result<(), QueueCorruption> {
        self.gate.with(|held| {
            let (permits, mut first) = (held.state.permits, true);
            held.check(|_, waiting| match core::mem::replace(&mut first, false) {
                true if waiting.need <= permits => Err("a waiter who could have had its permits"),
                _ => Ok(()),
            })
        })
    }
}

fn try_take<T>(held: &mut GateHeld<'_, T>, count: usize) -> bool {
    let allowed = held.is_empty(EXCLUSIVE) && !held.state.closed && count <= held.state.permits;
    if allowed {
        held.state.permits -= count;
    }
    allowed
}

/// Gives permits to the first waiters, as long as there are enough for each.
fn grant<T>(held: &mut GateHeld<'_, T>, wakes: &mut Wakes<T>) {
    while let Some(first) = held.front(EXCLUSIVE)
        && first.need <= held.state.permits
        && !wakes.is_full()
    {
        held.state.permits -= first.need;
        let end = held.state.next_ticket();
        wakes.take(held, EXCLUSIVE, end, Outcome::Woken);
    }
}

impl<E: SyncEnv> fmt::Debug for Semaphore<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore").finish_non_exhaustive()
    }
}
