//! Ending chosen waits in bounded steps: [`Walk`].

use core::fmt;
use core::pin::Pin;

use super::pinned::{Cursor, Queue};
use super::queue::Condition;
use crate::error::WaitError;
use crate::ports::Env;

/// Whether there is more to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Progress {
    /// Call again.
    More,
    /// All was done.
    Done,
}

/// A walk over those who wait, which keeps its place between steps: so a cancel of a hundred thousand waits can be preempted.
///
/// Waiters may come, be woken and leave between the steps, and several walks go on at once. Pinned while it is under way.
///
/// ```
/// use core::pin::pin;
/// use kos_ipc::testing::{StdEnv, StdPark};
/// use kos_ipc::wait::{Progress, WaitQueue};
/// use kos_ipc::WaitError;
///
/// let queue = WaitQueue::<StdEnv>::new(StdPark::new());
/// let mut walk = pin!(queue.walk(WaitError::Cancelled));
/// while walk.as_mut().step(64, |key| key == 7) == Progress::More {} // at most 64 looks, then room for others
/// ```
pub struct Walk<'q, E: Env> {
    cursor: Cursor<'q, E, Condition>,
    cause: WaitError,
}

impl<'q, E: Env> Walk<'q, E> {
    pub(super) fn new(queue: &'q Queue<E, Condition>, cause: WaitError) -> Self {
        Self { cursor: Cursor::new(queue, 0), cause }
    }

    /// Looks at up to `budget` waiters, and ends the wait of each whose key is `chosen`. Any context.
    pub fn step(self: Pin<&mut Self>, budget: usize, mut chosen: impl FnMut(u64) -> bool) -> Progress {
        let cause = self.cause;
        match self.cursor().step(budget, Err(cause), |&mut key| chosen(key)) {
            true => Progress::Done,
            false => Progress::More,
        }
    }

    #[expect(unsafe_code, reason = "a projection to a pinned field")]
    fn cursor(self: Pin<&mut Self>) -> Pin<&mut Cursor<'q, E, Condition>> {
        // SAFETY: the field is pinned with the walk: nothing moves it out, there is no `Drop`, and it is not `Unpin`.
        unsafe { self.map_unchecked_mut(|walk| &mut walk.cursor) }
    }
}

impl<E: Env> fmt::Debug for Walk<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Walk").field("cause", &self.cause).finish_non_exhaustive()
    }
}
