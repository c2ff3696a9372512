//! [`Gate`]: how often one may try to log in. A machine without a clock: the time is an argument.
//!
//! A try counts before its outcome is known, so that many at the same time are many. After [`TRIES`] that did not succeed each
//! further one waits until [`DELAY`] after the one before. Invariant: an account is in the list from its first try until it succeeds;
//! names that nobody has share one place, so that they push out nobody else.

use super::lines::LINES_MAX;
use crate::time::{Duration, Instant};

/// Tries that nobody waits for.
pub const TRIES: u32 = 3;
/// How long the next one waits.
pub const DELAY: Duration = Duration::from_secs(2);
/// Accounts that are remembered: all that there can be, and the one of names that nobody has.
const MOST: usize = LINES_MAX + 1;

#[derive(Clone, Copy, Debug)]
struct Tried {
    /// Whose account; [`None`]: nobody's.
    uid: Option<u32>,
    count: u32,
    /// No try before this.
    until: Instant,
}

/// Who tried how often.
#[derive(Debug, Default)]
pub struct Gate {
    tried: heapless::Vec<Tried, MOST>,
}

impl Gate {
    /// Nobody has tried.
    #[must_use]
    pub const fn new() -> Self {
        Self { tried: heapless::Vec::new() }
    }

    /// Counts a try for the account of `uid`: when it may be made.
    pub fn enter(&mut self, uid: Option<u32>, now: Instant) -> Instant {
        let tried = self.entry(uid, now);
        tried.count = tried.count.saturating_add(1);
        let at = if tried.count > TRIES { tried.until.max(now) } else { now };
        if tried.count >= TRIES {
            tried.until = at.checked_add_duration(DELAY).unwrap_or(at);
        }
        at
    }

    /// A try for the account was none after all.
    pub fn take_back(&mut self, uid: Option<u32>) {
        let tried = self.tried.iter_mut().find(|tried| tried.uid == uid);
        tried.map(|tried| tried.count = tried.count.saturating_sub(1)).unwrap_or_default();
    }

    /// A try for the account succeeded: it has failed never again.
    pub fn succeeded(&mut self, uid: u32) {
        self.tried.retain(|tried| tried.uid != Some(uid));
    }

    /// The entry of an account. Of accounts that are gone the one that may be tried first makes room.
    fn entry(&mut self, uid: Option<u32>, now: Instant) -> &mut Tried {
        let place = match self.tried.iter().position(|tried| tried.uid == uid) {
            Some(place) => place,
            None => {
                let first = self.tried.iter().enumerate().min_by_key(|(_, tried)| tried.until);
                if let Some((oldest, _)) = first.filter(|_| self.tried.is_full()) {
                    self.tried.swap_remove(oldest);
                }
                // There is room.
                let _ = self.tried.push(Tried { uid, count: 0, until: now });
                self.tried.len().saturating_sub(1)
            }
        };
        #[expect(clippy::indexing_slicing, reason = "the place was found, or is that of the last, just now")]
        &mut self.tried[place]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    const fn at(millis: u64) -> Instant {
        Instant::from_ticks(millis * 1_000_000)
    }

    #[test]
    fn three_failures_make_the_next_wait_two_seconds() {
        let mut gate = Gate::new();
        for millis in [0, 10, 20] {
            assert_eq!(gate.enter(Some(1), at(millis)), at(millis));
        }
        assert_eq!(gate.enter(Some(1), at(30)), at(2020));
        assert_eq!(gate.enter(Some(1), at(40)), at(4020), "one after the other, however many try at once");
        assert_eq!(gate.enter(Some(2), at(50)), at(50), "others do not wait");
        assert_eq!(gate.enter(None, at(50)), at(50));
        assert_eq!(gate.enter(Some(1), at(9000)), at(9000), "who waited long enough waits no longer");
        gate.succeeded(1);
        for _ in 0..9 {
            assert_eq!(gate.enter(Some(1), at(9001)), at(9001));
            gate.take_back(Some(1));
        }
    }

    #[test]
    fn names_that_nobody_has_push_out_nobody() {
        let mut gate = Gate::new();
        for _ in 0..4 {
            gate.enter(Some(1), at(0));
        }
        (0..1000).for_each(|millis| assert!(gate.enter(None, at(millis)) >= at(millis)));
        assert_eq!(gate.enter(Some(1), at(1000)), at(4000));
        assert_eq!(gate.tried.len(), 2);
    }

    proptest! {
        /// Against every try ever made.
        #[test]
        fn waits_are_those_of_the_whole_history(
            steps in prop::collection::vec((0..4_u32, 0..1500_u64, any::<bool>()), 1..60),
        ) {
            let (mut gate, mut now) = (Gate::new(), 0);
            let mut history: BTreeMap<u32, Vec<Instant>> = BTreeMap::new();
            for (uid, later, success) in steps {
                now += later;
                let tries = history.entry(uid).or_default();
                let wanted = match tries.last() {
                    Some(last) if tries.len() >= TRIES as usize => (*last + DELAY).max(at(now)),
                    _ => at(now),
                };
                prop_assert_eq!(gate.enter(Some(uid), at(now)), wanted);
                tries.push(wanted);
                if success {
                    gate.succeeded(uid);
                    tries.clear();
                }
            }
        }
    }
}
