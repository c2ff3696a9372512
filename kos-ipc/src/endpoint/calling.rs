//! A call under way, for a future: [`Calling`].

use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};

use super::call::Endpoint;
use super::error::CallError;
use crate::error::WaitError;
use crate::ports::Env;
use crate::wait::Wake;

/// A call under way, for a future. Dropped, it ends the call.
#[must_use = "dropped, it ends the call"]
pub struct Calling<'a, 'e, E: Env, M: Send + 'e, A: Send + 'e = ()> {
    endpoint: &'a Endpoint<'e, E, M, A>,
    slot: Option<u32>,
}

impl<'a, 'e, E: Env, M: Send, A: Send> Calling<'a, 'e, E, M, A> {
    pub(super) const fn new(endpoint: &'a Endpoint<'e, E, M, A>, slot: u32) -> Self {
        Self { endpoint, slot: Some(slot) }
    }
}

impl<E: Env, M: Send, A: Send> Future for Calling<'_, '_, E, M, A> {
    type Output = Result<M, CallError<M>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(slot) = self.slot else { return Poll::Pending };
        let mut wake = Some(Wake::Future(cx.waker().clone()));
        self.endpoint.calls().with(|held| {
            if let Some(slot) = held.state.slot(slot) {
                core::mem::swap(&mut slot.wake, &mut wake);
            }
        });
        // What was there before is dropped without the lock: a waker may do anything then.
        drop(wake);
        match self.endpoint.calls().with(|held| held.state.outcome(slot)) {
            Some(outcome) => {
                self.slot = None;
                Poll::Ready(outcome)
            }
            None => Poll::Pending,
        }
    }
}

impl<E: Env, M: Send, A: Send> Drop for Calling<'_, '_, E, M, A> {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            self.endpoint.end(slot, WaitError::Cancelled);
            drop(self.endpoint.calls().with(|held| held.state.outcome(slot)));
        }
    }
}

impl<E: Env, M: Send, A: Send> fmt::Debug for Calling<'_, '_, E, M, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calling").field("slot", &self.slot).finish_non_exhaustive()
    }
}
