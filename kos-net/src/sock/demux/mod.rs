//! Which socket a packet is for: [`Demux`], a hash table that grows by one bucket at a time, keyed by [`FlowKey`].
//!
//! Linear hashing: with n buckets, an insertion that finds more entries than buckets splits one chain in two, and a removal
//! that leaves 16 buckets more than entries merges two. No operation ever moves more than one chain, so there is no
//! stall at a million sockets, and no memory is taken: bucket heads and chain links are indices that the caller keeps
//! ([`Chains`]), the links inside the sockets' slots.
//!
//! Who does not know the key cannot aim at one chain; the key comes from the integrator's entropy.
//!
//! Invariants ([`Demux::check`]): each entry is once in the chain of its hash; there are as many entries as were inserted;
//! buckets beyond those in use are empty.
//!
//! Source: Litwin, *Linear Hashing: A New Tool for File and Table Addressing*, 1980; Aumasson and Bernstein, *SipHash*, 2012.

mod chains;
mod flow;

use core::fmt;

pub use chains::{ChainLink, Chains, LentChains};
pub use flow::{Flow, FlowKey};

/// No entry: the end of a chain, an empty bucket.
pub const NOBODY: u32 = u32::MAX;

/// The table. Its bucket heads and links are in the [`Chains`] that each call is given, always the same.
#[derive(Clone, Copy, Debug)]
pub struct Demux {
    /// How many buckets are in use, at least one.
    buckets: u32,
    entries: u32,
    limit: u32,
}

impl Demux {
    /// An empty table. All heads of `chains` must be [`NOBODY`], and there must be one at least.
    #[must_use]
    pub fn new(chains: &(impl Chains + ?Sized)) -> Self {
        Self { buckets: 1, entries: 0, limit: chains.buckets().max(1) }
    }

    /// The entry with `hash` for which `is` holds. Constant expected time.
    pub fn lookup(
        &self,
        chains: &(impl Chains + ?Sized),
        hash: u32,
        mut is: impl FnMut(u32) -> bool,
    ) -> Option<u32> {
        let mut index = chains.head(self.bucket_of(hash));
        for _ in 0..self.entries {
            let link = chains.link(index)?;
            if link.hash == hash && is(index) {
                return Some(index);
            }
            index = link.next;
        }
        None
    }

    /// Puts entry `index` into the chain of `hash`; it must be in none. Splits at most one bucket. An index without a link is
    /// ignored.
    pub fn insert(&mut self, chains: &mut (impl Chains + ?Sized), index: u32, hash: u32) {
        if chains.link(index).is_none() {
            return;
        }
        self.push(chains, index, hash);
        self.entries += 1;
        self.limit = self.limit.max(chains.buckets());
        if self.entries > self.buckets && self.buckets < self.limit {
            self.split(chains);
        }
    }

    /// Takes entry `index` out; says whether it was in. Merges at most two buckets.
    pub fn remove(&mut self, chains: &mut (impl Chains + ?Sized), index: u32) -> bool {
        let Some(link) = chains.link(index) else { return false };
        let bucket = self.bucket_of(link.hash);
        let mut place = Place::Head(bucket);
        for _ in 0..self.entries {
            let here = place.read(chains);
            let Some(found) = chains.link(here) else { return false };
            if here == index {
                place.write(chains, found.next);
                self.entries -= 1;
                self.merge(chains);
                return true;
            }
            place = Place::Behind(here);
        }
        false
    }

    /// How many entries there are.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.entries
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// The lowest bits of the hash that name a bucket in use.
    const fn bucket_of(&self, hash: u32) -> u32 {
        let mask = u32::MAX.wrapping_shr((self.buckets - 1).leading_zeros() & 31);
        let mask = if self.buckets == 1 { 0 } else { mask };
        let wide = hash & mask;
        if wide < self.buckets { wide } else { wide & (mask >> 1) }
    }

    fn push(&self, chains: &mut (impl Chains + ?Sized), index: u32, hash: u32) {
        let bucket = self.bucket_of(hash);
        let next = chains.head(bucket);
        chains.set_link(index, ChainLink { hash, next });
        chains.set_head(bucket, index);
    }

    /// Takes one bucket more into use and moves to it what is now its.
    fn split(&mut self, chains: &mut (impl Chains + ?Sized)) {
        let from = Self::parent(self.buckets);
        self.buckets += 1;
        self.deal_out(chains, from);
    }

    /// Takes the last bucket out of use if there are too many by more than what comes and goes.
    fn merge(&mut self, chains: &mut (impl Chains + ?Sized)) {
        const SLACK: u32 = 16;
        if self.buckets.saturating_sub(self.entries) > SLACK {
            self.buckets -= 1;
            self.deal_out(chains, self.buckets);
        }
    }

    /// Puts each entry of the chain of `bucket` where it belongs now.
    fn deal_out(&self, chains: &mut (impl Chains + ?Sized), bucket: u32) {
        let mut index = chains.head(bucket);
        chains.set_head(bucket, NOBODY);
        for _ in 0..self.entries {
            let Some(link) = chains.link(index) else { return };
            self.push(chains, index, link.hash);
            index = link.next;
        }
    }

    /// The bucket that was split to make `bucket`: the same without its highest bit.
    const fn parent(bucket: u32) -> u32 {
        bucket & !(1_u32 << 31 >> (bucket.leading_zeros() & 31))
    }

    /// Walks all chains.
    ///
    /// # Errors
    /// The first invariant of the [module](self) that does not hold.
    pub fn check(&self, chains: &(impl Chains + ?Sized)) -> Result<(), DemuxCorruption> {
        let mut found = 0;
        for bucket in 0..chains.buckets() {
            let mut index = chains.head(bucket);
            while index != NOBODY {
                let link = chains.link(index).filter(|link| self.bucket_of(link.hash) == bucket);
                found += 1;
                let link = link.filter(|_| found <= self.entries);
                index = link.ok_or(DemuxCorruption::BadLink { bucket, index })?.next;
            }
        }
        if found == self.entries {
            Ok(())
        } else {
            Err(DemuxCorruption::BadCount { found, expected: self.entries })
        }
    }
}

/// What names an entry: a bucket, or the entry before.
#[derive(Clone, Copy)]
enum Place {
    Head(u32),
    Behind(u32),
}

impl Place {
    fn read(self, chains: &(impl Chains + ?Sized)) -> u32 {
        match self {
            Self::Head(bucket) => chains.head(bucket),
            Self::Behind(index) => chains.link(index).map_or(NOBODY, |link| link.next),
        }
    }

    fn write(self, chains: &mut (impl Chains + ?Sized), next: u32) {
        match self {
            Self::Head(bucket) => chains.set_head(bucket, next),
            Self::Behind(index) => {
                if let Some(link) = chains.link(index) {
                    chains.set_link(index, ChainLink { next, ..link });
                }
            }
        }
    }
}

/// What [`Demux::check`] found broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DemuxCorruption {
    /// A chain names an entry that is not there, belongs into another, or comes twice.
    BadLink {
        /// The chain.
        bucket: u32,
        /// The entry.
        index: u32,
    },
    /// There are more or fewer entries than were inserted.
    BadCount {
        /// How many the chains hold.
        found: u32,
        /// How many there should be.
        expected: u32,
    },
}

impl fmt::Display for DemuxCorruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::BadLink { bucket, index } => write!(f, "entry {index} does not belong into chain {bucket}"),
            Self::BadCount { found, expected } => write!(f, "{found} entries where {expected} were inserted"),
        }
    }
}

impl core::error::Error for DemuxCorruption {}

#[cfg(test)]
mod tests;
