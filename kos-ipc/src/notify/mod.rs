//! Objects that carry no data, only the news of something.
//!
//! | object | what it is |
//! |---|---|
//! | [`EventCounter`] | a sum that is taken as a whole, or one by one: Linux's eventfd |
//! | [`Notification`] | 64 bits, set by many and taken with a mask |
//! | [`Semaphore`] | permits, handed over in the order in which they were asked for |

mod counter;
mod notification;
mod semaphore;
#[cfg(test)]
mod tests;
#[cfg(test)]
#[cfg(all(target_os = "linux", not(loom)))]
mod tests_linux;

pub use counter::{CounterError, CounterMode, EventCounter};
pub use notification::{Notification, NotifyError};
pub use semaphore::{AcquireError, ReleaseError, Semaphore};
