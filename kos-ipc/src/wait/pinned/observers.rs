//! Who is told when something may have become ready: [`Observers`].

use core::fmt;
use core::marker::PhantomPinned;

use crate::ports::Env;
use crate::sync::atomic::{AtomicBool, Ordering, fence};
use crate::sync::{Bug, Lock, const_fn, seeded};
use crate::wait::Readiness;

/// The wait sets that watch one source, if there are any.
///
/// Who changes the source writes first and then [tells](Self::signal); who begins to watch enters first and then looks at the
/// source: the rule of every wait of this crate. What is told is a hint, which the set follows by a look at
/// [`readiness`](crate::wait::Source::readiness).
pub(crate) struct Observers<E: Env> {
    /// Clear: nobody watches. Written under the lock, read without.
    any: AtomicBool,
    inner: Lock<E, Inner<E>>,
    _pinned: PhantomPinned,
}

struct Inner<E: Env> {
    /// Tells them all; the code of wait sets is in a kernel only if somebody has begun to watch.
    tell: Option<Tell<E>>,
}

/// Tells all observers what may be ready, and wakes by the port.
type Tell<E> = fn(&Observers<E>, &<E as Env>::Park, Readiness);

impl<E: Env> Observers<E> {
    const_fn! {
        /// Nobody watches.
        pub(crate) fn new() -> Self {
            let inner = Inner { tell: None };
            Self { any: AtomicBool::new(false), inner: Lock::new(inner), _pinned: PhantomPinned }
        }
    }

    /// Whether somebody may watch. The caller has written what changed, and a `SeqCst` fence stands behind that.
    #[inline]
    pub(crate) fn are_any(&self) -> bool {
        self.any.load(Ordering::Relaxed)
    }

    /// Tells them that `what` may be ready now. Called after the change, without a lock held; any context. With nobody watching
    /// it is a fence and a load.
    #[inline]
    pub(crate) fn signal(&self, park: &E::Park, what: Readiness) {
        if !seeded(Bug::UnfencedEmptyTest) {
            fence(Ordering::SeqCst);
        }
        if self.are_any() {
            self.tell(park, what);
        }
    }

    /// As [`signal`](Self::signal), where somebody may watch.
    #[cold]
    pub(crate) fn tell(&self, park: &E::Park, what: Readiness) {
        if let Some(tell) = self.inner.with(|inner| inner.tell) {
            tell(self, park, what);
        }
    }
}

impl<E: Env> fmt::Debug for Observers<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observers").field("any", &self.any).finish_non_exhaustive()
    }
}
