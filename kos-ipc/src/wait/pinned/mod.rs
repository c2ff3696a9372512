//! Nodes that their owners keep, in a list behind a queue's lock: [`Queue`], [`Member`], [`Held`].
//!
//! ```text
//! Queue ── lock ──> Held: the state, and the list of those who wait
//!   ^                        ^ enter, leave: only the node of a member of this queue
//!   └── Member (pinned): one node
//! ```
//!
//! Each node has a word that says where it stands; its value goes from hand to hand with it:
//!
//! ```text
//! IDLE ── owner enters ──> WAITING ── whoever has the lock: takes it out, then writes the outcome ──> ended
//!   ^ owner leaves ────────────┘                                                                       │
//!   └─────────────────────────────── owner has seen the outcome ───────────────────────────────────────┘
//! ```
//!
//! Invariants, on which the unsafe code rests:
//! 1. A node that is WAITING is touched only under the lock of its queue; in every other state only by its owner. Who ends a
//!    wait writes the word last, with Release; the owner reads it with Acquire. So the owner needs no lock to leave.
//! 2. A node is in the list exactly while it is WAITING (or a cursor's, while that lives), and then it is pinned and its memory
//!    lasts: a [`Member`] leaves when it is dropped, and a pinned one that is never dropped keeps its memory for ever (the
//!    contract of [`core::pin::Pin`]).
//! 3. A link is made of a pinned member's own node only, and lies in the list of the queue that the member names: its own, or
//!    of its table the one that the node's number says. That number changes only under the locks of both queues, with the list.

mod cursor;
mod hub;
mod list;
mod member;
mod observers;
mod queue;
mod slot;

pub(crate) use cursor::Cursor;
#[cfg(feature = "posix")]
pub(crate) use cursor::Look;
pub(crate) use hub::{Hub, Looked, MAX_NESTING, Packet, PacketLink, Standing, Then};
pub(crate) use member::Member;
pub(crate) use observers::Observers;
pub(crate) use queue::{Held, Kind, Queue};
pub use slot::WatchSlot;
