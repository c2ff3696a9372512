//! One place of the tree: [`QuotaNode`].

use super::{Limits, RESOURCES, Resource};
use crate::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use crate::sync::{Bug, const_fn, seeded};

/// No node.
pub(super) const NONE: u32 = u32::MAX;

/// A place for a quota, lent to [`Quotas`](super::Quotas).
///
/// Links and limits are written by who has the table's lock while nobody else knows the node; they are read by who holds a
/// reference to it.
#[derive(Debug)]
pub struct QuotaNode {
    used: [AtomicUsize; RESOURCES],
    limits: [AtomicUsize; RESOURCES],
    /// Handles, quotas below, and things paid for. 0: free.
    refs: AtomicU32,
    /// The quota above; of a free node the next free one.
    pub(super) link: AtomicU32,
    /// Levels above it.
    pub(super) depth: AtomicU32,
}

impl QuotaNode {
    const_fn! {
        /// Free.
        #[must_use]
        pub fn new() -> Self {
            Self {
                used: [Self::zero(), Self::zero(), Self::zero(), Self::zero(), Self::zero()],
                limits: [Self::zero(), Self::zero(), Self::zero(), Self::zero(), Self::zero()],
                refs: AtomicU32::new(0),
                link: AtomicU32::new(NONE),
                depth: AtomicU32::new(0),
            }
        }
    }

    const_fn! {
        fn zero() -> AtomicUsize {
            AtomicUsize::new(0)
        }
    }

    /// For the holder of the table's lock, who has the node from the list of those that are free.
    pub(super) fn begin(&self, limits: &Limits, above: u32, depth: u32) {
        const ALL: [Resource; RESOURCES] =
            [Resource::Bytes, Resource::Slots, Resource::Cells, Resource::Registrations, Resource::Signals];
        for (place, resource) in self.limits.iter().zip(ALL) {
            place.store(limits.of(resource), Ordering::Relaxed);
        }
        self.link.store(above, Ordering::Relaxed);
        self.depth.store(depth, Ordering::Relaxed);
        self.refs.store(1, Ordering::Relaxed);
    }

    pub(super) fn retain(&self) {
        self.refs.fetch_add(1, Ordering::Relaxed);
    }

    /// True if that was the last reference.
    pub(super) fn release(&self) -> bool {
        self.refs.fetch_sub(1, Ordering::AcqRel) == 1
    }

    pub(super) fn is_free(&self) -> bool {
        self.refs.load(Ordering::Relaxed) == 0
    }

    /// Adds to what is used; else says how much is left.
    pub(super) fn charge(&self, resource: Resource, amount: usize) -> Result<(), usize> {
        let limit = self.limit(resource);
        let more = |used: usize| used.checked_add(amount).filter(|&used| used <= limit);
        let used = self.used.get(resource as usize);
        if seeded(Bug::ChargeInTwoSteps) {
            let there = self.used(resource);
            used.into_iter().for_each(|used| used.store(there + amount, Ordering::Relaxed));
            return if there + amount <= limit { Ok(()) } else { Err(0) };
        }
        used.map_or(Ok(0), |used| used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more))
            .map_or_else(|used| Err(limit.saturating_sub(used)), |_| Ok(()))
    }

    pub(super) fn refund(&self, resource: Resource, amount: usize) {
        if let Some(used) = self.used.get(resource as usize) {
            used.fetch_sub(amount, Ordering::Relaxed);
        }
    }

    pub(super) fn used(&self, resource: Resource) -> usize {
        self.used.get(resource as usize).map_or(0, |used| used.load(Ordering::Relaxed))
    }

    pub(super) fn limit(&self, resource: Resource) -> usize {
        self.limits.get(resource as usize).map_or(0, |limit| limit.load(Ordering::Relaxed))
    }
}

impl Default for QuotaNode {
    fn default() -> Self {
        Self::new()
    }
}
