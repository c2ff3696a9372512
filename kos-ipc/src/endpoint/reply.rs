//! The right to answer one call, once: [`ReplyToken`].

use core::fmt;

use super::call::Endpoint;
use super::error::{LeaseError, ReplyError};
use super::lease::{Access, Lease};
use super::table::{End, Phase};
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
pub struct ReplyToken<'a, 'e, E: Env, M: Send, A: Send = ()> {
    endpoint: &'a Endpoint<'e, E, M, A>,
    slot: u32,
    generation: u32,
}

impl<'a, 'e, E: Env, M: Send, A: Send> ReplyToken<'a, 'e, E, M, A> {
    pub(super) const fn new(endpoint: &'a Endpoint<'e, E, M, A>, slot: u32, generation: u32) -> Self {
        Self { endpoint, slot, generation }
    }

    /// Answers. Any context, constant time.
    ///
    /// # Errors
    /// [`ReplyError`], with the answer: the caller waits no longer.
    pub fn reply(self, message: M) -> Result<(), ReplyError<M>> {
        let (endpoint, wake) = (self.endpoint, self.set_reply(message)?);
        wake.into_iter().for_each(|wake| wake.deliver(endpoint.park()));
        Ok(())
    }

    /// Answers, and leaves it to the caller to wake who called.
    pub(super) fn set_reply(self, message: M) -> Result<Option<Wake<Token<E>>>, ReplyError<M>> {
        self.end(Phase::Replied(message)).map_err(|phase| match phase {
            Phase::Replied(message) => ReplyError { message },
            _ => unreachable!("it was given a reply"),
        })
    }

    /// The phase comes back if the caller is gone.
    fn end(&self, phase: Phase<M>) -> Result<Option<Wake<Token<E>>>, Phase<M>> {
        self.endpoint.table().with(|table| match table.served(self.slot, self.generation) {
            Some(slot) => {
                slot.phase = phase;
                Ok(slot.wake.as_ref().map(Wake::again))
            }
            None => Err(phase),
        })
    }

    /// Whether the caller still waits.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        self.endpoint.table().with(|table| table.served(self.slot, self.generation).is_some())
    }

    /// What the caller lent under that number; `None` if nothing, or if he waits no longer.
    #[must_use]
    pub fn lease(&self, number: usize) -> Option<Lease> {
        self.endpoint
            .table()
            .with(|table| table.served(self.slot, self.generation)?.leases.get(number).copied().flatten())
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
        let (memory, at) = self.endpoint.table().with(|table| {
            let slot = table.served(self.slot, self.generation).ok_or(LeaseError::Stale)?;
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
        self.endpoint.table().with(|table| {
            let slot = table.slot(self.slot)?;
            slot.copies -= 1;
            let leaving = slot.copies == 0 && matches!(slot.phase, Phase::Ended(..));
            if leaving { slot.wake.as_ref().map(Wake::again) } else { None }
        })
    }
}

impl<E: Env, M: Send, A: Send> Drop for ReplyToken<'_, '_, E, M, A> {
    fn drop(&mut self) {
        if let Ok(wake) = self.end(Phase::Ended(End::ReplyDropped, None)) {
            wake.into_iter().for_each(|wake| wake.deliver(self.endpoint.park()));
        }
    }
}

impl<E: Env, M: Send, A: Send> fmt::Debug for ReplyToken<'_, '_, E, M, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyToken").field("slot", &self.slot).finish_non_exhaustive()
    }
}

/// A copy under way; it ends if the copy panics too.
struct Copying<'t, 'a, 'e, E: Env, M: Send, A: Send>(&'t ReplyToken<'a, 'e, E, M, A>);

impl<E: Env, M: Send, A: Send> Drop for Copying<'_, '_, '_, E, M, A> {
    fn drop(&mut self) {
        let wake = self.0.copied();
        wake.into_iter().for_each(|wake| wake.deliver(self.0.endpoint.park()));
    }
}
