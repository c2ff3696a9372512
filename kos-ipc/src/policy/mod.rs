//! Who may do what, and the record of it: the words of the port [`Policy`], and policies.
//!
//! Every operation first looks its object up, then asks the policy, then has the event recorded, then acts: [`authorize`]. What
//! is refused, by either, changes nothing.
//!
//! | policy | what it says |
//! |---|---|
//! | [`NoPolicy`] | everything is allowed, nothing recorded |
//! | [`TypeTable`] | what a domain may do to a type of object; the rest is refused |
//! | [`AuditLog`] | records, for a policy to keep: lost and counted, or never lost |

mod audit;
mod none;
mod table;
#[cfg(test)]
mod tests;

use core::error::Error;
use core::fmt;

use crate::ports::Policy;

pub use audit::{AuditLog, AuditRecord, Loss, Scope};
pub use none::NoPolicy;
pub use table::{Audit, NoRule, OpSet, Rule, TypeTable};

/// What somebody does to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Op {
    /// Adds to an event counter, or sets bits of a notification.
    Post,
    /// Takes the count of an event counter, or bits of a notification.
    Take,
    /// Takes permits of a semaphore.
    Acquire,
    /// Gives permits to a semaphore.
    Release,
    /// Gives a name in a directory to a capability.
    Publish,
    /// Makes a capability of a name.
    Open,
    /// Frees a name.
    Unlink,
    /// Calls a server.
    Call,
    /// Receives calls, or messages.
    Receive,
    /// Reads from a pipe.
    Read,
    /// Writes to a pipe.
    Write,
    /// Sends a signal to a process.
    Signal,
    /// Sends a message, or an answer.
    Send,
    /// Has a wait set watch it.
    Watch,
    /// Waits at a wait set.
    Wait,
    /// Makes a shared segment.
    Create,
    /// Maps a shared segment.
    Map,
    /// Makes a shared segment larger or smaller.
    Resize,
    /// Seals a shared segment.
    Seal,
}

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[non_exhaustive]
pub enum ObjectKind {
    /// A [`Semaphore`](crate::notify::Semaphore).
    Semaphore = 1,
    /// An [`EventCounter`](crate::notify::EventCounter).
    EventCounter,
    /// A [`Directory`](crate::cap::Directory).
    Directory,
    /// A [`Notification`](crate::notify::Notification).
    Notification,
    /// An [`Endpoint`](crate::endpoint::Endpoint).
    Endpoint,
    /// A pipe.
    Pipe,
    /// A process, for whom signals are.
    Process,
    /// A [`Channel`](crate::channel::Channel).
    Channel,
    /// A [`WaitSet`](crate::wait::WaitSet).
    WaitSet,
    /// A shared segment.
    Segment,
}

/// An object as policies see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ObjectMeta {
    /// What it is.
    pub kind: ObjectKind,
    /// Its type to the policy: what a type table looks up. Chosen at creation.
    pub label: u16,
    /// Tells it from others of its kind, in records. Chosen at creation.
    pub id: u32,
}

/// What a policy says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Decision {
    /// It may be done.
    Allow,
    /// It is refused.
    Deny,
}

/// What is recorded of one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditEvent<S> {
    /// Who.
    pub subject: S,
    /// What he did.
    pub op: Op,
    /// To which object.
    pub object: ObjectMeta,
    /// What the policy said.
    pub decision: Decision,
}

/// There is no room for a record that must not be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditFull;

impl fmt::Display for AuditFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the audit record is full")
    }
}

impl Error for AuditFull {}

/// Why an operation was refused before it had any effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// The policy said no.
    Denied,
    /// The policy must record it, and cannot.
    AuditFull,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied => f.write_str("refused by the policy"),
            Self::AuditFull => AuditFull.fmt(f),
        }
    }
}

impl Error for Refused {}

/// Asks `policy`, then has it record the answer.
///
/// # Errors
/// [`Refused`]: the operation must have no effect.
#[inline]
pub fn authorize<P: Policy>(
    policy: &P,
    subject: P::Subject,
    op: Op,
    object: &ObjectMeta,
) -> Result<(), Refused> {
    let decision = policy.check(subject, op, object);
    let recorded = policy.audit(&AuditEvent { subject, op, object: *object, decision });
    match (decision, recorded) {
        (Decision::Deny, _) => Err(Refused::Denied),
        (Decision::Allow, Err(AuditFull)) => Err(Refused::AuditFull),
        (Decision::Allow, Ok(())) => Ok(()),
    }
}
