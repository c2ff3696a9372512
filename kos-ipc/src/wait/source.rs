//! What a wait set can watch: [`Source`].

use super::pinned::{Hub, Observers};
use super::{Nesting, Readiness};
use crate::policy::ObjectMeta;
use crate::ports::Env;

/// What the objects of this crate show to wait sets.
///
/// Whoever implements it answers for this: `observers` says the same each time, and that stays where it is until the source is
/// dropped or moved; a source that has its observers in itself is not `Unpin`, which [`Observers`] sees to.
pub(crate) trait Parts<E: Env> {
    /// Who is to be told.
    fn observers(&self) -> &Observers<E>;

    /// What policies are asked about.
    fn meta(&self) -> &ObjectMeta;

    /// If it is a wait set: what it is to others, and with whom it can be nested.
    fn set(&self) -> Option<(&Hub<E>, &Nesting<E>)> {
        None
    }
}

/// Something that can be watched. Only objects of this crate can: an object of yours has one of them in it.
#[expect(private_bounds, reason = "sealed: what is behind it must stay where it is")]
pub trait Source<E: Env>: Parts<E> {
    /// What can be done with it now without waiting. Any context; a lock of the object's own at most.
    fn readiness(&self) -> Readiness;
}
