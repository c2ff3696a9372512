//! Nodes that their owners keep, in lists behind one lock: [`Home`], [`Member`], [`Held`].
//!
//! A wait queue and a timer wheel must never be full, so the memory of a waiter or a timer is its owner's: on his stack, in
//! his future, in his driver. This module is all of the unsafe code of that; whoever uses it is safe code.
//!
//! ```text
//! Home ── lock ──> Held: the state, and lists of nodes by number
//!   ^                        ^ push, remove: only through the Seat of a member whose home is locked
//!   └── Member (pinned): one node, its home, and another home to which it may be moved
//! ```
//!
//! Invariants, on which the unsafe code rests:
//! 1. A node is written, read and linked only under the lock of the home where it is. `Member::lock` finds that home; the
//!    node changes homes only while both locks are held.
//! 2. A node that is in a list is pinned, and its memory lasts until it is unlinked: a [`Member`] unlinks itself when it is
//!    dropped, and a pinned one that is never dropped keeps its memory for ever (the contract of [`core::pin::Pin`]).
//! 3. A link is made of a pinned member's own node only, and lies in the lists of the home where that node is.

mod home;
mod list;
mod member;

pub(crate) use home::{Held, Home};
pub(crate) use member::{Member, Seat};
