//! What a group of processes has taken, and may: [`Groups`].
//!
//! Group 0 is everybody without a quota. Each job begins in a group, and its processes stay there. Memory is counted frame by frame,
//! to whom took it first, tables included; the kernel's own memory for a process (its stack, its lists) is not. A group is given to
//! others when nobody holds it and nothing is charged to it any more.
//!
//! Invariant: what is charged to a meter is what its group has now; it is at most the limit.

use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use crate::svc::quota::Quota;
use crate::time::Instant;

/// Groups at a time, group 0 included.
pub(super) const GROUPS: usize = 32;
/// Bytes of a frame.
const FRAME: u64 = 4096;
/// Nanoseconds of CPU time at its share that a group that has slept may take at once.
const BURST: u64 = 10_000_000;

/// A group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GroupId(pub(super) u8);

impl GroupId {
    /// Everybody without a quota.
    pub(super) const NONE: Self = Self(0);
}

/// So many of something, up to a limit.
#[derive(Debug)]
pub(super) struct Meter {
    used: AtomicUsize,
    most: AtomicUsize,
    limit: AtomicUsize,
}

impl Meter {
    const fn new() -> Self {
        Self { used: AtomicUsize::new(0), most: AtomicUsize::new(0), limit: AtomicUsize::new(usize::MAX) }
    }

    /// Charges so many; false, and nothing changed, if that would be more than the limit.
    pub(super) fn charge(&self, count: usize) -> bool {
        let limit = self.limit.load(Relaxed);
        let more = |used: usize| used.checked_add(count).filter(|used| *used <= limit);
        let charged = self.used.fetch_update(Relaxed, Relaxed, more);
        let seen = charged.map(|before| self.most.fetch_max(before + count, Relaxed));
        seen.is_ok()
    }

    /// Takes as many back.
    pub(super) fn discharge(&self, count: usize) {
        self.used.fetch_sub(count, Relaxed);
    }

    /// Whether there is no more.
    pub(super) fn is_full(&self) -> bool {
        self.used.load(Relaxed) >= self.limit.load(Relaxed)
    }

    /// How many there are now, and the most that there ever were.
    pub(super) fn used(&self) -> (usize, usize) {
        (self.used.load(Relaxed), self.most.load(Relaxed))
    }

    /// The most that there may be, if there is a most.
    pub(super) fn limit(&self) -> Option<usize> {
        Some(self.limit.load(Relaxed)).filter(|&limit| limit != usize::MAX)
    }

    fn begin(&self, limit: Option<usize>) {
        self.limit.store(limit.unwrap_or(usize::MAX), Relaxed);
        self.most.store(self.used.load(Relaxed), Relaxed);
    }
}

/// A share of one CPU, as an account that is paid back by waiting: the virtual scheduling of the generic cell rate algorithm (ITU-T
/// I.371). However late somebody looks, what was taken too much is waited for.
#[derive(Debug)]
pub(super) struct Bandwidth {
    /// Percent; 0: no limit.
    percent: AtomicU64,
    /// When all that was taken is paid for, in nanoseconds since entry.
    paid: AtomicU64,
    /// Nanoseconds taken.
    taken: AtomicU64,
    /// How often somebody had to wait.
    waits: AtomicU64,
}

impl Bandwidth {
    const fn new() -> Self {
        let [percent, paid, taken, waits] = [const { AtomicU64::new(0) }; 4];
        Self { percent, paid, taken, waits }
    }

    /// Whether there is one.
    pub(super) fn is_limited(&self) -> bool {
        self.percent.load(Relaxed) > 0
    }

    /// Charges time; until when whoever took it has to wait, if he has to.
    pub(super) fn charge(&self, nanos: u64, now: Instant) -> Option<Instant> {
        let (percent, now) = (self.percent.load(Relaxed).max(1), now.as_ticks());
        self.taken.fetch_add(nanos, Relaxed);
        let cost = nanos.saturating_mul(100) / percent;
        // A long piece began long ago: that it was charged late costs nothing.
        let earliest = now.saturating_sub(nanos).saturating_sub(BURST);
        let pay = |paid: u64| Some(paid.max(earliest).saturating_add(cost));
        // An answer for each value: it cannot fail.
        let before = self.paid.fetch_update(Relaxed, Relaxed, pay).unwrap_or_else(|paid| paid);
        let until = pay(before).unwrap_or(now);
        let waits = until > now;
        self.waits.fetch_add(u64::from(waits), Relaxed);
        waits.then(|| Instant::from_ticks(until))
    }

    /// Nanoseconds taken, and how often somebody had to wait.
    pub(super) fn taken(&self) -> (u64, u64) {
        (self.taken.load(Relaxed), self.waits.load(Relaxed))
    }

    /// When all is paid for, in nanoseconds since entry.
    pub(super) fn paid(&self) -> u64 {
        self.paid.load(Relaxed)
    }

    fn begin(&self, percent: Option<u32>) {
        self.percent.store(percent.unwrap_or(0).into(), Relaxed);
        [&self.paid, &self.taken, &self.waits].into_iter().for_each(|word| word.store(0, Relaxed));
    }
}

/// One group.
#[derive(Debug)]
pub(super) struct Group {
    /// Who can charge something to it.
    holders: AtomicUsize,
    pub(super) frames: Meter,
    pub(super) fds: Meter,
    pub(super) cpu: Bandwidth,
    /// Most processes.
    pids: AtomicUsize,
}

impl Group {
    const fn new() -> Self {
        let pids = AtomicUsize::new(usize::MAX);
        Self {
            holders: AtomicUsize::new(0),
            frames: Meter::new(),
            fds: Meter::new(),
            cpu: Bandwidth::new(),
            pids,
        }
    }

    /// Processes that it may have.
    pub(super) fn pids(&self) -> usize {
        self.pids.load(Relaxed)
    }

    fn is_free(&self) -> bool {
        self.frames.used().0 == 0 && self.fds.used().0 == 0
    }

    fn begin(&self, quota: &Quota) {
        let count = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
        let frames = quota.mem.map(|bytes| usize::try_from(bytes / FRAME).unwrap_or(usize::MAX));
        self.frames.begin(frames);
        self.fds.begin(quota.fds.map(count));
        self.cpu.begin(quota.cpu);
        self.pids.store(quota.pids.map_or(usize::MAX, count), Relaxed);
    }
}

/// All groups.
#[derive(Debug)]
pub(super) struct Groups([Group; GROUPS]);

impl Groups {
    pub(super) const fn new() -> Self {
        Self([const { Group::new() }; GROUPS])
    }

    /// A group with this quota for one holder; [`None`] if all are held, or still have something. One without any quota is group 0.
    pub(super) fn hold(&self, quota: &Quota) -> Option<GroupId> {
        if *quota == Quota::default() {
            self.join(GroupId::NONE);
            return Some(GroupId::NONE);
        }
        let take = |group: &Group| group.holders.compare_exchange(0, 1, Relaxed, Relaxed).is_ok();
        let free = |group: &Group| group.is_free() && take(group);
        let (id, group) = (0..).zip(&self.0).skip(1).find(|(_, group)| free(group))?;
        group.begin(quota);
        Some(GroupId(id))
    }

    /// One more holder of a group that has one.
    pub(super) fn join(&self, id: GroupId) {
        self.of(id).holders.fetch_add(1, Relaxed);
    }

    /// One holder less.
    pub(super) fn leave(&self, id: GroupId) {
        self.of(id).holders.fetch_sub(1, Relaxed);
    }

    /// The group of this number; one that is none is group 0.
    pub(super) fn of(&self, id: GroupId) -> &Group {
        let [none, ..] = &self.0;
        self.0.get(usize::from(id.0)).unwrap_or(none)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn groups_are_held_once_and_given_again_when_empty() {
        let groups = Groups::new();
        let quota = Quota { mem: Some(8192), ..Quota::default() };
        let held: alloc::vec::Vec<_> = core::iter::from_fn(|| groups.hold(&quota)).collect();
        assert_eq!(held.len(), GROUPS - 1);
        assert_eq!(groups.hold(&Quota::default()), Some(GroupId::NONE));
        let group = groups.of(held[3]);
        assert!(group.frames.charge(2) && !group.frames.charge(1) && group.frames.is_full());
        groups.join(held[3]);
        groups.leave(held[3]);
        group.frames.discharge(2);
        assert_eq!(groups.hold(&quota), None, "somebody still holds it");
        assert!(group.frames.charge(2));
        groups.leave(held[3]);
        assert_eq!(groups.hold(&quota), None, "two frames are still there");
        group.frames.discharge(2);
        assert_eq!(groups.hold(&quota), Some(held[3]));
        assert_eq!(group.frames.used(), (0, 0), "what was before is forgotten");
    }

    proptest! {
        #[test]
        fn a_meter_counts_up_to_its_limit(
            limit in 0..40_usize,
            steps in prop::collection::vec((any::<bool>(), 0..12_usize), 0..60),
        ) {
            let meter = Meter::new();
            meter.begin(Some(limit));
            let (mut model, mut most) = (0, 0);
            for (more, count) in steps {
                if more {
                    let fits = model + count <= limit;
                    prop_assert_eq!(meter.charge(count), fits);
                    model += if fits { count } else { 0 };
                    most = most.max(model);
                } else if count <= model {
                    meter.discharge(count);
                    model -= count;
                }
                prop_assert_eq!(meter.used(), (model, most));
                prop_assert_eq!(meter.is_full(), model >= limit);
            }
        }

        /// Whoever waits as he is told gets his share and no more over any stretch of time, but for the burst;
        /// and one who always wants gets within 5 % of it, but for the first piece, from whose end on he is watched.
        #[test]
        fn who_waits_as_told_gets_his_share(
            percent in 1..=100_u64,
            pieces in prop::collection::vec((1..30_000_000_u64, 0..3_u64), 50..120),
        ) {
            let bandwidth = Bandwidth::new();
            bandwidth.begin(u32::try_from(percent).ok());
            let (mut now, mut taken, mut rests) = (1_000_000_000_u64, 0, 0);
            let first = now;
            let head = pieces[0].0;
            for (piece, rest) in pieces {
                now += piece;
                taken += piece;
                if let Some(until) = bandwidth.charge(piece, Instant::from_ticks(now)) {
                    prop_assert!(until.as_ticks() > now);
                    now = until.as_ticks();
                } else if rest == 0 {
                    (now, rests) = (now + 1_000_000, rests + 1);
                }
                let due = (now - first + BURST) * percent / 100;
                prop_assert!(taken <= due + 200, "{} of {}", taken, due);
            }
            if rests == 0 {
                let due = (now - first) * percent / 100;
                prop_assert!(taken + head >= due / 100 * 95, "{} of {}", taken, due);
            }
            prop_assert_eq!(bandwidth.taken().0, taken);
        }
    }
}
