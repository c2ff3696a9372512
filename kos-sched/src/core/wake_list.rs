//! [`WakeList`]: tasks that other CPUs have woken and that their own CPU is to enqueue. Push and take-all, without a lock.
//!
//! A task is in at most one list, put there by the winner of its wake. Since all are taken at once, no task can be taken,
//! put back and be mistaken for the one that was there (no ABA).
//!
//! Source: Treiber, "Systems programming: coping with parallelism", 1986.

use crate::atomic::{AtomicU32, Ordering, const_fn};
use crate::seeded::{Bug, seeded};
use crate::task::TaskIndex;

/// No task.
const NONE: u32 = u32::MAX;

/// The link of a task to the one pushed before it.
#[derive(Debug)]
pub(crate) struct WakeLink(AtomicU32);

impl WakeLink {
    const_fn! {
        /// To none.
        pub(crate) fn new() -> Self {
            Self(AtomicU32::new(NONE))
        }
    }
}

/// The list of one CPU.
#[derive(Debug)]
pub(crate) struct WakeList {
    newest: AtomicU32,
}

impl WakeList {
    const_fn! {
        /// Nobody.
        pub(crate) fn new() -> Self {
            Self { newest: AtomicU32::new(NONE) }
        }
    }

    /// Whether nobody is in it, a moment ago.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.newest.load(Ordering::Acquire) == NONE
    }

    /// Puts `task` in, which the caller owns; whether the list was empty, so that the CPU has to be told.
    #[inline]
    pub(crate) fn push(&self, task: TaskIndex, link: &WakeLink) -> bool {
        let mut newest = self.newest.load(Ordering::Relaxed);
        loop {
            link.0.store(newest, Ordering::Relaxed);
            let pushed =
                self.newest.compare_exchange_weak(newest, task.get(), Ordering::AcqRel, Ordering::Relaxed);
            match pushed {
                Ok(_) => return newest == NONE,
                Err(other) => newest = other,
            }
        }
    }

    /// Takes all out and hands them, oldest first, to `each`. `link` finds the link of a task.
    #[inline]
    pub(crate) fn take<'a>(
        &self,
        link: impl Fn(TaskIndex) -> Option<&'a WakeLink>,
        mut each: impl FnMut(TaskIndex),
    ) {
        if self.is_empty() {
            return;
        }
        let mut newest = self.take_newest();
        let mut oldest = NONE;
        while newest != NONE
            && let Some(place) = link(TaskIndex::new(newest))
        {
            let next = place.0.load(Ordering::Relaxed);
            place.0.store(oldest, Ordering::Relaxed);
            (oldest, newest) = (newest, next);
        }
        while oldest != NONE
            && let Some(place) = link(TaskIndex::new(oldest))
        {
            // Read first: `each` may let the task go, and it may be pushed again.
            let next = place.0.load(Ordering::Relaxed);
            each(TaskIndex::new(oldest));
            oldest = next;
        }
    }

    #[inline]
    fn take_newest(&self) -> u32 {
        if seeded(Bug::TakenInTwoSteps) {
            let newest = self.newest.load(Ordering::Acquire);
            self.newest.store(NONE, Ordering::Release);
            return newest;
        }
        self.newest.swap(NONE, Ordering::AcqRel)
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use alloc::vec::Vec;

    use super::{WakeLink, WakeList};
    use crate::task::TaskIndex;

    #[test]
    fn the_oldest_comes_out_first_and_may_be_pushed_again() {
        let links: Vec<_> = (0..4).map(|_| WakeLink::new()).collect();
        let list = WakeList::new();
        let push = |number: u32| list.push(TaskIndex::new(number), &links[number as usize]);
        let take = |each: &mut dyn FnMut(TaskIndex)| list.take(|task| links.get(task.as_usize()), each);
        assert!(push(2) && !push(0) && !push(3));
        let mut out = Vec::new();
        take(&mut |task| {
            out.push(task.get());
            if task.get() == 0 {
                assert!(push(0));
            }
        });
        take(&mut |task| out.push(task.get()));
        assert_eq!(out, [2, 0, 3, 0]);
        assert!(list.is_empty());
        take(&mut |_| panic!("empty"));
    }
}
