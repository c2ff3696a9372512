//! Wait sets that watch wait sets: [`Nesting`].
//!
//! A set is watched by one set at most, so that a signal goes up one chain, and a chain has at most [`MAX_NESTING`] sets. Each set
//! counts how high those are that it watches, so that to nest looks at the chain above only.

use core::fmt;
use core::ptr;

use super::WatchReason;
use crate::ports::Env;
use crate::sync::atomic::Ordering;
use crate::sync::{Lock, const_fn};
use crate::wait::pinned::{Hub, MAX_NESTING};

/// Wait sets that may watch each other share one: its lock is held while one begins or ceases to watch another, for a look at
/// five sets at most.
pub struct Nesting<E: Env> {
    lock: Lock<E, ()>,
}

impl<E: Env> Nesting<E> {
    const_fn! {
        /// No set watches another.
        #[must_use]
        pub fn new() -> Self {
            Self { lock: Lock::new(()) }
        }
    }

    /// Lets `outer` watch `inner` by `attach`.
    pub(super) fn nest(
        &self,
        outer: &Hub<E>,
        inner: &Hub<E>,
        attach: impl FnOnce(),
    ) -> Result<(), WatchReason> {
        self.lock.with(|()| {
            let above = sets_up(outer, inner)?;
            if inner.observers.are_any() {
                return Err(WatchReason::Watched);
            }
            let height = height(inner);
            if above + height > MAX_NESTING {
                return Err(WatchReason::TooDeep);
            }
            attach();
            change(outer, 0, height);
            Ok(())
        })
    }

    /// Lets `outer` watch `inner` no more, by `detach`.
    pub(super) fn part<R>(&self, outer: &Hub<E>, inner: &Hub<E>, detach: impl FnOnce() -> R) -> R {
        self.lock.with(|()| {
            let result = detach();
            change(outer, height(inner), 0);
            result
        })
    }
}

/// How many sets there are from `from` up to one that nobody watches, unless `inner` is among them.
fn sets_up<E: Env>(from: &Hub<E>, inner: &Hub<E>) -> Result<usize, WatchReason> {
    if ptr::eq(from, inner) {
        return Err(WatchReason::Cycle);
    }
    let above = from.observers.with_first(|above, _| sets_up(above, inner)).transpose()?;
    Ok(above.unwrap_or(0) + 1)
}

/// How many sets there are from `hub` down, in the longest chain.
fn height<E: Env>(hub: &Hub<E>) -> usize {
    let highest = hub.below.iter().rposition(|sets| sets.load(Ordering::Relaxed) > 0);
    highest.map_or(1, |below| below + 2)
}

/// One of those that `hub` watches is `after` high in place of `before`; 0: it is none of them.
fn change<E: Env>(hub: &Hub<E>, before: usize, after: usize) {
    let old = height(hub);
    let place = |height: usize| height.checked_sub(1).and_then(|at| hub.below.get(at));
    if let Some(sets) = place(before) {
        sets.fetch_sub(1, Ordering::Relaxed);
    }
    if let Some(sets) = place(after) {
        sets.fetch_add(1, Ordering::Relaxed);
    }
    let new = height(hub);
    if new != old {
        hub.observers.with_first(|above, _| change(above, old, new));
    }
}

impl<E: Env> Default for Nesting<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E: Env> fmt::Debug for Nesting<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nesting").finish_non_exhaustive()
    }
}
