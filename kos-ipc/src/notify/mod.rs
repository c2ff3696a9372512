//! Objects that carry no data, only the news of something.
//!
//! | object | what it is |
//! |---|---|
//! | [`Semaphore`] | permits, handed over in the order in which they were asked for |

mod semaphore;
#[cfg(test)]
mod tests;

pub use semaphore::{AcquireError, ReleaseError, Semaphore};
