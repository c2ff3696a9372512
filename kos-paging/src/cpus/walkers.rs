//! Who reads tables without a lock: [`Walkers`].
//!
//! A walk without a lock may hold the address of a table that is unlinked meanwhile. The frame must not be used for
//! something else before that walk has ended: whoever waits for a shootdown waits for the walks too.
//!
//! Invariant: the low half of a CPU's counter is the number of guards that it holds, the high half grows each time the
//! last of them goes. A full fence stands before a mark and after an entry: a walk that begins after an entry was unlinked and the mark was set finds
//! the entry unlinked; one that began before is seen by the mark.

use core::marker::PhantomData;

use crate::sync::{AtomicU64, Bug, Ordering, fence, seeded};

/// One walk.
const WALK: u64 = 1;
/// One time that all walks of a CPU have ended.
const ENDED: u64 = 1 << 32;

/// The walks without a lock that are under way on each of `CPUS` CPUs.
#[derive(Debug)]
pub struct Walkers<const CPUS: usize>([AtomicU64; CPUS]);

/// A walk is under way on this CPU. Not to be sent to another, and to be held briefly: shootdowns wait for it.
#[derive(Debug)]
#[must_use = "tables may go as soon as the guard does"]
pub struct WalkGuard<'w> {
    counter: &'w AtomicU64,
    here: PhantomData<*const ()>,
}

/// The walks that were under way at one moment.
#[derive(Clone, Copy, Debug)]
pub struct WalkMark<const CPUS: usize>([u64; CPUS]);

impl<const CPUS: usize> Walkers<CPUS> {
    /// Nobody walks.
    #[must_use]
    pub fn new() -> Self {
        Self(core::array::from_fn(|_| AtomicU64::new(0)))
    }

    /// A walk begins on the calling CPU; also in an interrupt, also within another. `None` for an unknown CPU.
    ///
    /// # Safety
    ///
    /// Every [`TlbControl`](crate::TlbControl) of the tables that are walked under the guard waits, by [`mark`](Self::mark)
    /// and [`ended`](Self::ended) of this registry.
    #[expect(unsafe_code, reason = "the caller answers for who waits")]
    pub unsafe fn enter(&self, cpu: usize) -> Option<WalkGuard<'_>> {
        let counter = self.0.get(cpu)?;
        if !seeded(Bug::WalkUnseen) {
            counter.fetch_add(WALK, Ordering::SeqCst);
            fence(Ordering::SeqCst);
        }
        Some(WalkGuard { counter, here: PhantomData })
    }

    /// The walks that are under way. To be called after the entries were unlinked.
    #[must_use]
    pub fn mark(&self) -> WalkMark<CPUS> {
        fence(Ordering::SeqCst);
        WalkMark(core::array::from_fn(|cpu| {
            self.0.get(cpu).map_or(0, |counter| counter.load(Ordering::SeqCst))
        }))
    }

    /// Whether all walks of the mark have ended.
    #[must_use]
    pub fn ended(&self, mark: &WalkMark<CPUS>) -> bool {
        self.0.iter().zip(&mark.0).all(|(counter, before)| {
            let now = counter.load(Ordering::SeqCst);
            before % ENDED == 0 || now % ENDED == 0 || now / ENDED != before / ENDED
        })
    }
}

impl<const CPUS: usize> Default for Walkers<CPUS> {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for WalkGuard<'_> {
    fn drop(&mut self) {
        if seeded(Bug::WalkUnseen) {
            return;
        }
        // An interrupt between the two leaves the counter as it finds it, or ends walks of its own.
        if self.counter.fetch_sub(WALK, Ordering::SeqCst) % ENDED == WALK {
            self.counter.fetch_add(ENDED, Ordering::SeqCst);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::Walkers;

    #[test]
    #[expect(unsafe_code, reason = "no tables are walked")]
    fn a_mark_waits_for_the_walks_before_it() {
        let walkers = Walkers::<2>::new();
        // SAFETY: no tables are walked.
        let enter = || unsafe { walkers.enter(1) }.unwrap();
        let idle = walkers.mark();
        let outer = enter();
        assert!(walkers.ended(&idle), "later walks are not waited for");
        let mark = walkers.mark();
        drop(enter());
        assert!(!walkers.ended(&mark), "the outer walk goes on");
        drop(outer);
        let _again = enter();
        assert!(walkers.ended(&mark), "another walk on the same CPU is not the one");
        // SAFETY: as above.
        assert!(unsafe { walkers.enter(2) }.is_none());
    }
}
