//! Who acts: [`Caller`].

use core::fmt;

use crate::policy::{ObjectMeta, Op, Refused, authorize};
use crate::ports::{Env, Park, Policy};

/// A thread's name for the scheduler.
pub type Token<E> = <<E as Env>::Park as Park>::Token;

/// Who acts, as the policy sees him.
pub type Subject<E> = <<E as Env>::Policy as Policy>::Subject;

/// Who acts: the running thread, and as whom. Made at the entry of a system call, it lives until its end.
pub struct Caller<'a, E: Env> {
    token: &'a Token<E>,
    subject: Subject<E>,
    policy: &'a E::Policy,
}

impl<'a, E: Env> Caller<'a, E> {
    /// The running thread is `token` and acts as `subject` under `policy`.
    pub const fn new(token: &'a Token<E>, subject: Subject<E>, policy: &'a E::Policy) -> Self {
        Self { token, subject, policy }
    }

    /// The running thread.
    #[must_use]
    pub const fn token(&self) -> &'a Token<E> {
        self.token
    }

    /// As whom it acts.
    #[must_use]
    pub const fn subject(&self) -> Subject<E> {
        self.subject
    }

    /// Asks the policy whether the caller may do `op` to `object`, and has it recorded.
    ///
    /// # Errors
    /// [`Refused`]: the operation must have no effect.
    #[inline]
    pub fn authorize(&self, op: Op, object: &ObjectMeta) -> Result<(), Refused> {
        authorize(self.policy, self.subject, op, object)
    }
}

impl<E: Env> fmt::Debug for Caller<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").finish_non_exhaustive()
    }
}
