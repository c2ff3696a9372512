//! A TLB that never forgets on its own: what a flush leaves out stays, and is found.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::fmt;

use super::mmu::{Access, Fault, Found, Mmu};
use crate::flush::{FlushSet, Scope};
use crate::ports::TlbFlush;

/// A translation as it was when it was read.
#[derive(Clone, Copy, Debug)]
struct Cached {
    linear: u64,
    found: Found,
}

impl Cached {
    fn covers(&self, linear: u64) -> bool {
        (self.linear ^ linear) >> self.found.page_bits == 0
    }

    /// Whether a program that uses this translation at `linear`, which it covers, may do more than the tables allow.
    fn is_stale(&self, mmu: &Mmu<'_>, linear: u64) -> bool {
        let then = &self.found;
        let phys = then.phys.wrapping_sub(self.linear).wrapping_add(linear);
        mmu.probe(linear).map_or(true, |now| {
            phys != now.phys
                || then.pat_index != now.pat_index
                || then.global && !now.global
                || then.readable && !now.readable
                || then.writable && !now.writable
                || then.user && !now.user
                || then.executable && !now.executable
        })
    }
}

/// A TLB with a cache of table addresses, both of any size.
#[derive(Debug, Default)]
pub struct FakeTlb {
    pages: RefCell<Vec<Cached>>,
    tables: RefCell<BTreeSet<u64>>,
    flushes: Cell<u64>,
    stuck: Cell<bool>,
}

/// The TLB of some CPU does not answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stuck;

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a CPU does not answer")
    }
}

impl core::error::Error for Stuck {}

impl FakeTlb {
    /// An empty TLB.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Accesses a byte through the TLB, as a program does.
    ///
    /// # Errors
    ///
    /// What the MMU says.
    pub fn access(&self, mmu: &Mmu<'_>, linear: u64, access: Access) -> Result<Found, Fault> {
        let found = mmu.access(linear, access)?;
        if !self.holds(linear) {
            self.pages.borrow_mut().push(Cached { linear, found });
        }
        self.tables.borrow_mut().extend(mmu.tables_to(linear));
        Ok(found)
    }

    /// Whether it holds a translation of this address.
    #[must_use]
    pub fn holds(&self, linear: u64) -> bool {
        self.pages.borrow().iter().any(|cached| cached.covers(linear))
    }

    /// An address at which a cached translation allows more than the tables do now, or leads elsewhere; or that of a
    /// table which it would still read though its frame was freed. Looks at the addresses that were used, and at
    /// `points`; `exempt` says where nothing was flushed yet.
    #[must_use]
    pub fn stale(&self, mmu: &Mmu<'_>, points: &[u64], exempt: impl Fn(u64) -> bool) -> Option<u64> {
        let pages = self.pages.borrow();
        let wrong = pages.iter().find_map(|cached| {
            let covered = points.iter().copied().filter(|point| cached.covers(*point));
            let mut suspects = covered.chain([cached.linear]).filter(|point| !exempt(*point));
            suspects.find(|point| cached.is_stale(mmu, *point))
        });
        let tables = self.tables.borrow();
        wrong.or_else(|| tables.iter().find(|table| mmu.memory.read(**table, 8).is_none()).copied())
    }

    /// Flushes so far.
    #[must_use]
    pub fn flushes(&self) -> u64 {
        self.flushes.get()
    }

    /// Makes every flush fail, or succeed again.
    pub fn set_stuck(&self, stuck: bool) {
        self.stuck.set(stuck);
    }
}

#[expect(unsafe_code, reason = "a port that can break memory safety")]
// SAFETY: no CPU loads the tables that this TLB caches; what it holds is compared, never used.
unsafe impl TlbFlush for FakeTlb {
    type Error = Stuck;

    fn flush(&self, set: &FlushSet) -> Result<(), Stuck> {
        if self.stuck.get() {
            return Err(Stuck);
        }
        self.flushes.set(self.flushes.get() + 1);
        let mut pages = self.pages.borrow_mut();
        match set.scope() {
            Scope::Pages(addresses) => {
                addresses.for_each(|address| pages.retain(|cached| !cached.covers(address.get())));
            }
            Scope::All { global } => pages.retain(|cached| cached.found.global && !global),
        }
        if set.tables() {
            self.tables.borrow_mut().clear();
        }
        Ok(())
    }
}
