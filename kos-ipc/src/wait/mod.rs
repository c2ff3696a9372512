//! The one way to wait: everything of this crate that blocks, blocks here.
//!
//! | item | what it is |
//! |---|---|
//! | [`WaitQueue`] | threads and futures that wait for a condition that the caller tests |
//! | [`Walk`] | ends chosen waits, a bounded number of looks at a time |
//! | [`WaitSet`] | waits for whichever of many sources is ready |
//! | `Queue`, `Member` | the same with a state and a value for each waiter, under the objects of [`notify`](crate::notify) |
//! | `WakeBatch` | wake-ups on their way out of the lock |
//!
//! A waiter's node is its own memory, on its stack or in its future, so a queue is never full. It enters, then looks at what it
//! waits for, then sleeps. A wait ends once: whoever ends it takes the node out of the list and writes the outcome under the
//! queue's lock, then wakes the waiter without it. What was waited for comes before every other end, and of the others the
//! greatest [`WaitError`](crate::WaitError) that is known when the waiter leaves counts.
//!
//! Who wakes writes first and then looks whether anybody waits; who waits enters first and then looks. A `SeqCst` fence stands
//! between on both sides, so that at least one sees the other: acquire and release lose wake-ups, on x86 too.

mod batch;
#[expect(unsafe_code, reason = "links nodes that their owners keep, under a lock")]
#[cfg_attr(
    not(feature = "posix"),
    expect(dead_code, reason = "only signals and futexes choose and move waits")
)]
mod pinned;
mod queue;
mod readiness;
mod set;
mod source;
#[cfg(test)]
mod tests;
mod walk;

pub(crate) use batch::{BATCH, Wake, WakeBatch};
#[cfg(feature = "posix")]
pub(crate) use pinned::Look;
pub use pinned::WatchSlot;
pub(crate) use pinned::{Cursor, Held, Kind, Member, Observers, Queue};
pub use queue::WaitQueue;
pub use readiness::Readiness;
pub use set::{Event, Mode, Nesting, WaitSet, WaitSetError, WatchError, WatchId, WatchReason};
pub(crate) use source::Parts;
pub use source::Source;
pub use walk::{Progress, Walk};
