//! The right to answer one call, once: [`ReplyToken`].

use core::fmt;
use core::mem::ManuallyDrop;

use super::call::Endpoint;
use super::error::{LeaseError, ReplyError};
use super::lease::{Access, Lease};
use super::slot::{End, Phase, Ticket};
use crate::caller::Token;
use crate::ports::{CallerMemory, Env};
use crate::wait::Wake;

/// The right to answer one call, once. Dropped, it tells the caller that there is no answer.
///
/// ```compile_fail
/// # use kos_ipc::endpoint::ReplyToken;
/// # use kos_ipc::testing::StdEnv;
/// fn twice(token: ReplyToken<'_, '_, StdEnv, u32>) {
///     token.reply(1);
///     token.reply(2); // used up
/// }
/// ```
#[must_use = "dropped, it ends the call without an answer"]
pub struct ReplyToken<'a, 'e, E: Env, M: Send + 'e, A: Send + 'e = ()> {
    endpoint: &'a Endpoint<'e, E, M, A>,
    call: Ticket,
}

impl<'a, 'e, E: Env, M: Send, A: Send> ReplyToken<'a, 'e, E, M, A> {
    pub(super) const fn new(endpoint: &'a Endpoint<'e, E, M, A>, call: Ticket) -> Self {
        Self { endpoint, call }
    }

    /// Uses it up, and leaves it to the caller to answer.
    pub(super) fn spend(self) -> Ticket {
        ManuallyDrop::new(self).call
    }

    /// Answers. Any context, constant time.
    ///
    /// # Errors
    /// [`ReplyError`], with the answer: the caller waits no longer.
    pub fn reply(self, message: M) -> Result<(), ReplyError<M>> {
        let (endpoint, call) = (self.endpoint, self.spend());
        let mut hold = endpoint.calls().hold();
        let Some(slot) = hold.held().state.served(call) else { return Err(ReplyError { message }) };
        let wake = slot.answer(message);
        drop(hold);
        endpoint.wake(wake);
        Ok(())
    }

    /// Whether the caller still waits.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        self.endpoint.calls().with(|held| held.state.served(self.call).is_some())
    }

    /// What the caller lent under that number; `None` if nothing, or if he waits no longer.
    #[must_use]
    pub fn lease(&self, number: usize) -> Option<Lease> {
        self.endpoint.calls().with(|held| held.state.served(self.call)?.leases.get(number).copied().flatten())
    }

    /// Copies from what the caller lent under the number `lease`. Thread context; the caller's memory may fault.
    ///
    /// # Errors
    /// [`LeaseError`]; after a fault a part may have been copied.
    pub fn read(&self, lease: usize, offset: usize, to: &mut [u8]) -> Result<(), LeaseError>
    where
        A: CallerMemory + Clone,
    {
        self.copy(lease, Access::Read, offset, to.len(), |memory, at| {
            memory.copy_in(at, to).map_err(LeaseError::Fault)
        })
    }

    /// Copies to what the caller lent under the number `lease`. Thread context; the caller's memory may fault.
    ///
    /// # Errors
    /// [`LeaseError`]; after a fault a part may have been copied.
    pub fn write(&self, lease: usize, offset: usize, from: &[u8]) -> Result<(), LeaseError>
    where
        A: CallerMemory + Clone,
    {
        let len = from.len();
        self.copy(lease, Access::Write, offset, len, |memory, at| {
            memory.copy_out(at, from).map_err(LeaseError::Fault)
        })
    }

    /// Has the caller stay while `copy` runs: a call that ends meanwhile is left only after it.
    fn copy(
        &self,
        lease: usize,
        access: Access,
        offset: usize,
        len: usize,
        copy: impl FnOnce(&A, usize) -> Result<(), LeaseError>,
    ) -> Result<(), LeaseError>
    where
        A: Clone,
    {
        let (memory, at) = self.endpoint.calls().with(|held| {
            let slot = held.state.served(self.call).ok_or(LeaseError::Stale)?;
            let lease = slot.leases.get(lease).copied().flatten().ok_or(LeaseError::NoLease)?;
            let at = lease.at(access, offset, len)?;
            let memory = slot.memory.clone().ok_or(LeaseError::NoLease)?;
            slot.copies += 1;
            Ok((memory, at))
        })?;
        let _copying = Copying(self);
        copy(&memory, at)
    }

    /// Ends a copy. Says whom to wake, if he waits for that only.
    fn copied(&self) -> Option<Wake<Token<E>>> {
        self.endpoint.calls().with(|held| {
            let slot = held.state.slot(self.call.slot)?;
            slot.copies -= 1;
            if slot.is_over() { slot.wake.take() } else { None }
        })
    }
}

impl<E: Env, M: Send, A: Send> Drop for ReplyToken<'_, '_, E, M, A> {
    fn drop(&mut self) {
        let wake = self.endpoint.calls().with(|held| {
            let slot = held.state.served(self.call)?;
            slot.phase = Phase::Ended(End::ReplyDropped);
            slot.wake.take()
        });
        self.endpoint.wake(wake);
    }
}

impl<E: Env, M: Send, A: Send> fmt::Debug for ReplyToken<'_, '_, E, M, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyToken").field("slot", &self.call.slot).finish_non_exhaustive()
    }
}

/// A copy under way; it ends if the copy panics too.
struct Copying<'t, 'a, 'e, E: Env, M: Send + 'e, A: Send + 'e>(&'t ReplyToken<'a, 'e, E, M, A>);

impl<E: Env, M: Send, A: Send> Drop for Copying<'_, '_, '_, E, M, A> {
    fn drop(&mut self) {
        self.0.endpoint.wake(self.0.copied());
    }
}
