//! Ending chosen calls in bounded steps: [`CallWalk`].

use core::fmt;

use super::call::Endpoint;
use crate::caller::Token;
use crate::error::WaitError;
use crate::ports::Env;
use crate::wait::{BATCH, Progress, Wake, WakeBatch};

/// A walk over the calls of an endpoint. It holds the lock for 16 looks at a time. A call that is begun meanwhile may be looked at or
/// not: who wants none begun closes the endpoint, or revokes the capabilities by which they come, before.
#[must_use = "calls end by its steps"]
pub struct CallWalk<'a, 'e, E: Env, M: Send + 'e, A: Send + 'e = ()> {
    endpoint: &'a Endpoint<'e, E, M, A>,
    next: usize,
    cause: WaitError,
}

impl<'a, 'e, E: Env, M: Send, A: Send> CallWalk<'a, 'e, E, M, A> {
    pub(super) const fn new(endpoint: &'a Endpoint<'e, E, M, A>, cause: WaitError) -> Self {
        Self { endpoint, next: 0, cause }
    }

    /// Looks at up to `budget` slots, and ends each call whose badge is `chosen`. Any context.
    pub fn step(&mut self, budget: usize, mut chosen: impl FnMut(u64) -> bool) -> Progress {
        let (mut left, mut batch) = (budget, WakeBatch::new());
        while left > 0 {
            let looks = left.min(BATCH);
            let over = self.look(looks, &mut chosen, &mut batch);
            batch.deliver(self.endpoint.calls().park());
            if over {
                return Progress::Done;
            }
            left -= looks;
        }
        Progress::More
    }

    /// Looks at the next slots under one hold of the lock; true if there are no more.
    fn look(
        &mut self,
        looks: usize,
        chosen: &mut impl FnMut(u64) -> bool,
        batch: &mut WakeBatch<Token<E>>,
    ) -> bool {
        let (from, cause) = (self.next, self.cause);
        self.next = from.saturating_add(looks);
        self.endpoint.calls().with(|held| {
            let table = &mut *held.state;
            (from..from.saturating_add(looks)).any(|number| {
                let Some(slot) = table.slots.get(number) else { return true };
                if slot.is_under_way() && chosen(slot.badge) {
                    batch.push(slot.wake.as_ref().map(Wake::again));
                    table.end(u32::try_from(number).unwrap_or(u32::MAX), cause);
                }
                false
            })
        })
    }
}

impl<E: Env, M: Send, A: Send> fmt::Debug for CallWalk<'_, '_, E, M, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallWalk").field("next", &self.next).finish_non_exhaustive()
    }
}
