//! Waiting for others: wait queues and the locks on them. Whoever sleeps does so through the port [`Park`](crate::Park).
//!
//! | item | what it is | order |
//! |---|---|---|
//! | [`WaitQueue`] | tasks and futures until a condition holds; wake one, some, all; requeue, close | FIFO |
//! | [`Mutex`] | a lock that sleeps and knows its owner | FIFO, handed over |
//! | [`Semaphore`] | permits, taken by any number at once; close | FIFO, handed over |
//! | [`PiMutex`] | a mutex whose owner is as urgent as the most urgent who waits, through chains | by urgency, then FIFO |
//! | [`Condvar`] | releases a mutex while it waits; its waiters can be moved to the mutex's queue | FIFO |
//!
//! A waiter's memory is the waiter's own: nothing allocates and no queue is ever full. Each queue has a short lock, taken with
//! interrupts masked ([`CriticalSection`](crate::CriticalSection)). Wake-ups are collected under it and delivered after it, at
//! most 16 at a time, so that no lock of the scheduler is taken under it. Waking is for any context;
//! waiting is for tasks.
//!
//! A task that is to die returns from each wait with `Interrupted`, unless it was woken at the same time: a wake-up is never
//! lost, it is used or passed on.

mod condvar;
mod gate;
mod guard;
mod mutex;
mod pi;
mod semaphore;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;
mod wait_queue;
mod waiter;

pub use condvar::Condvar;
pub use guard::Guard;
pub use mutex::{Mutex, MutexGuard};
pub use pi::{Donation, PiDomain, PiLock, PiMutex, PiMutexGuard, PiTask};
pub use semaphore::{Permits, Semaphore};
pub use wait_queue::{Requeued, WaitQueue};
