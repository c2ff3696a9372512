//! Calls between threads: [`Endpoint`].
//!
//! | item | what it is |
//! |---|---|
//! | [`Endpoint`] | where clients call and servers receive |
//! | [`ReplyToken`] | the right to answer one call, once |
//! | [`Lease`] | memory that a caller lends for the time of his call |
//! | [`CallWalk`] | ends chosen calls, a bounded number of looks at a time |
//! | [`Msg`] | a label, eight words, four capabilities: what most kernels send |
//!
//! A call takes one of the lent [`CallSlot`]s for its whole time, so that no send is ever queued without bound. It is GIVEN to the
//! server that waits, else QUEUED until one receives it, most urgent first; then SERVED until it is answered; whoever ends it writes
//! the end into the slot under the endpoint's lock and then wakes the caller, who frees the slot. A token names slot and generation:
//! of a caller who left it is stale. One lock guards the calls and those who receive.
//!
//! The shortest path is a call that finds its server waiting: the message goes into the slot and from there to the server, the
//! answer back in the same way, under the lock four times in all, and two threads change places twice. All else is `cold`.
//!
//! A donation lasts from before the call is queued until after its end, in a guard of the call: every way out undoes it.
//!
//! Sources: Liedtke, "Improving IPC by kernel design" (1993); seL4 for badges, Hubris for leases, QNX for priorities that follow.

mod call;
mod calling;
mod error;
mod lease;
mod msg;
#[expect(unsafe_code, reason = "reads a message straight to where it is wanted")]
mod place;
mod receive;
mod reply;
mod serving;
mod slot;
mod table;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_given;
mod walk;

pub use call::Endpoint;
pub use calling::Calling;
pub use error::{CallError, LeaseError, ReceiveError, ReplyError, SendError, SendReason};
pub use lease::{Access, Lease, Lent, MAX_LEASES};
pub use msg::{MAX_CAPS, Msg};
pub use receive::Received;
pub use reply::ReplyToken;
pub use slot::CallSlot;
pub use walk::CallWalk;
