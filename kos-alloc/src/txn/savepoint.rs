//! A place in the log to come back to: [`Savepoint`].

/// A moment of a transaction, from [`savepoint`](super::Transaction::savepoint), to which
/// [`rollback_to`](super::Transaction::rollback_to) returns.
///
/// It holds the number of entries in the log and, as its generation, the stamp of the last of them. Stamps are never used
/// twice in a transaction; so the savepoint is good exactly as long as everything that it covers is still in the log. It
/// is good for the transaction it was taken from, those nested in it, and, once a nested one has committed, its parent;
/// in an unrelated one it means nothing, and may be taken for a savepoint of that one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Savepoint {
    pub(super) entries: usize,
    pub(super) stamp: usize,
}
