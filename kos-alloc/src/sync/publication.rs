//! Who may write a value that is written once, and since when it may be read: [`Publication`].
//!
//! ```text
//! EMPTY ── claim (one caller wins) ──> CLAIMED ── publish (Release) ──> PUBLISHED (read with Acquire)
//! ```
//!
//! Invariant: of all calls of [`Publication::claim`] one returns true, and whatever that caller did before
//! [`Publication::publish`] is seen by everybody for whom [`Publication::is_published`] is true.

use super::atomic::{AtomicUsize, Ordering};
use super::{Bug, const_fn, seeded};

const EMPTY: usize = 0;
const CLAIMED: usize = 1;
const PUBLISHED: usize = 2;

/// The state of a value that is written once.
#[derive(Debug)]
pub(crate) struct Publication(AtomicUsize);

impl Publication {
    const_fn! {
        /// Nobody wrote yet.
        pub(crate) fn new() -> Self {
            Self(AtomicUsize::new(EMPTY))
        }
    }

    /// Whether the caller is the one who writes.
    pub(crate) fn claim(&self) -> bool {
        self.0.compare_exchange(EMPTY, CLAIMED, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Lets everybody read. For the caller whose claim was granted.
    pub(crate) fn publish(&self) {
        let order = if seeded(Bug::UnorderedPublication) { Ordering::Relaxed } else { Ordering::Release };
        self.0.store(PUBLISHED, order);
    }

    /// Whether the value may be read.
    #[inline]
    pub(crate) fn is_published(&self) -> bool {
        self.0.load(Ordering::Acquire) == PUBLISHED
    }
}
