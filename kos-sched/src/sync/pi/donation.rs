//! [`Donation`]: lending one's urgency to a task that works for one, without a lock.

use core::fmt;

use super::{Graph, PiDomain};
use crate::error::LockError;
use crate::ports::PriorityInheritance;

impl<'s, E: PriorityInheritance> PiDomain<'s, E> {
    /// Lets `to` be at least as urgent as the running task until the donation is dropped, and whomever `to` waits for, as if
    /// the running task waited for a lock of `to`. For a client that calls a server and then
    /// [hands off](crate::Park::hand_off). Takes one of the domain's lock slots.
    ///
    /// # Errors
    /// [`LockError::Deadlock`] if `to` waits for the running task, or that donates already; `ChainTooLong`, `NoSlot`.
    pub fn donate(&self, to: E::Task) -> Result<Donation<'_, 's, E>, LockError> {
        let me = self.env.current();
        let lock = self.with(|graph| graph.donate(&self.env, me, to))?;
        Ok(Donation { domain: self, me: self.env.index(me), lock })
    }
}

/// The running task's urgency is lent; dropping it takes it back. While it lives the task waits for no lock of the domain.
#[must_use = "dropped at once it lends nothing"]
pub struct Donation<'d, 's, E: PriorityInheritance> {
    domain: &'d PiDomain<'s, E>,
    me: usize,
    lock: usize,
}

impl<E: PriorityInheritance> Drop for Donation<'_, '_, E> {
    fn drop(&mut self) {
        self.domain.with(|graph| graph.take_back(&self.domain.env, self.me, self.lock));
    }
}

impl<E: PriorityInheritance> fmt::Debug for Donation<'_, '_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Donation").field("me", &self.me).finish_non_exhaustive()
    }
}

impl<T: Copy, K: Copy + Ord> Graph<'_, T, K> {
    /// Lets `me` wait for `to`; returns the lock that stands for it.
    fn donate<P: PriorityInheritance<Task = T, Key = K>>(
        &mut self,
        port: &P,
        me: T,
        to: T,
    ) -> Result<usize, LockError> {
        let [donor, server] = [self.enter(port, me)?, self.enter(port, to)?];
        self.check_chain(donor, server)?;
        let lock = self.create_donation().ok_or(LockError::NoSlot)?;
        self.hold(lock, server);
        self.insert(port, lock, donor);
        self.propagate(port, server);
        Ok(lock)
    }

    /// Ends it, even if the server has died meanwhile.
    fn take_back<P: PriorityInheritance<Task = T, Key = K>>(&mut self, port: &P, me: usize, lock: usize) {
        self.give_up(port, me);
        if self.is_donation(lock) {
            self.destroy(lock);
        }
    }
}
