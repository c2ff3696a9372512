//! Where the caches of the CPUs lie, and whether they are used: [`Caches`].
//!
//! Invariant, on which the unsafe code rests: `carved` is 0 until [`Caches::carve`] wrote that many caches at `table`, which
//! stay for ever; `active` is 0 or `carved`. Both are stored with Release after the table and read with Acquire before it.

use core::ptr::{self, NonNull};
use core::slice;

use super::cpu::CpuCache;
use super::magazine::Magazine;
use super::plan::{MAGAZINES, Plan};
use crate::slab::Class;
use crate::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use crate::sync::{Bug, Publication, const_fn, seeded};
use crate::types::CpuIndex;

/// The caches that are to be used: all or none. A slice, but for the pointer that the quick way need not compare.
#[derive(Clone, Copy, Debug)]
pub(super) struct Active<'c> {
    count: usize,
    caches: &'c Caches,
}

impl<'c> Active<'c> {
    /// Whether there are none.
    #[inline]
    pub(super) const fn is_empty(self) -> bool {
        self.count == 0
    }

    /// That of `cpu`.
    #[inline]
    pub(super) fn get(self, cpu: CpuIndex) -> Option<&'c CpuCache> {
        if cpu.0 >= self.count {
            return None;
        }
        // SAFETY: the count is a value of `active`, so the table was stored before, with so many caches.
        let cache = unsafe { self.caches.table.load(Ordering::Relaxed).add(cpu.0) };
        // SAFETY: it was written before, lives for ever and is only shared.
        Some(unsafe { &*cache })
    }
}

/// The caches of all CPUs; none at first.
#[derive(Debug)]
pub(crate) struct Caches {
    table: AtomicPtr<CpuCache>,
    /// CPUs that are served from their caches now.
    active: AtomicUsize,
    /// CPUs that have a cache.
    carved: AtomicUsize,
    claim: Publication,
}

impl Caches {
    const_fn! {
        pub(crate) fn new() -> Self {
            Self {
                table: AtomicPtr::new(ptr::null_mut()),
                active: AtomicUsize::new(0),
                carved: AtomicUsize::new(0),
                claim: Publication::new(),
            }
        }
    }

    /// The caches that are to be used.
    #[inline]
    pub(super) fn active(&self) -> Active<'_> {
        Active { count: self.active.load(Ordering::Acquire), caches: self }
    }

    /// The caches by CPU, whether they are to be used or not.
    pub(crate) fn all(&self) -> &[CpuCache] {
        let carved = self.carved.load(Ordering::Acquire);
        if carved == 0 {
            return &[];
        }
        // SAFETY: it is a value of `carved`, and not 0.
        unsafe { self.slice(carved) }
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.all().is_empty()
    }

    /// Uses the caches, if there are any, or no longer. A CPU that is in its cache goes on to the end of its call.
    pub(crate) fn set_active(&self, active: bool) {
        self.active.store(if active { self.all().len() } else { 0 }, Ordering::Release);
    }

    /// Whether the caller is the one who carves the caches.
    pub(super) fn claim(&self) -> bool {
        self.claim.claim() || seeded(Bug::CarvedTwice)
    }

    /// Makes the caches of `plan` at `memory`; calls `spare` with each magazine for the depot of its class.
    ///
    /// # Safety
    ///
    /// The caller's claim was granted; `memory` is [`Plan::bytes`] of memory, aligned to 128, that belong to the caches for
    /// ever.
    pub(super) unsafe fn carve(
        &self,
        plan: &Plan,
        memory: NonNull<u8>,
        secret: u64,
        mut spare: impl FnMut(Class, Magazine),
    ) {
        let table = memory.cast::<CpuCache>();
        // SAFETY: the plan has room for so many caches first.
        let mut place = unsafe { table.add(plan.cpus) }.cast::<u8>();
        for cpu in 0..plan.cpus {
            // SAFETY: within the table.
            let cache = unsafe { table.add(cpu) };
            // SAFETY: the memory is the caller's, aligned as the type is.
            unsafe { cache.write(CpuCache::new(secret)) };
            for class in Class::all() {
                let capacity = plan.capacity(class);
                let mut carve = || {
                    // SAFETY: the plan has room for so many magazines of each class and CPU behind the table.
                    let magazine = unsafe { Magazine::carve(place, capacity) };
                    // SAFETY: as above; one past the last at most.
                    place = unsafe { place.add(Magazine::bytes(capacity)) };
                    magazine
                };
                let magazines: Option<[Magazine; MAGAZINES]> =
                    (capacity > 0).then(|| core::array::from_fn(|_| carve()));
                // SAFETY: it was just written, and nobody else knows of it.
                let cache = unsafe { &mut *cache.as_ptr() };
                cache.equip(class, magazines.map(|[loaded, previous, _]| [loaded, previous]), capacity);
                magazines.into_iter().for_each(|[_, _, third]| spare(class, third));
            }
        }
        self.table.store(table.as_ptr(), Ordering::Relaxed);
        self.carved.store(plan.cpus, Ordering::Release);
    }

    /// # Safety
    ///
    /// `count` is a value of `active` or `carved` that the caller has read, and not 0.
    #[inline]
    unsafe fn slice(&self, count: usize) -> &[CpuCache] {
        // SAFETY: the table was stored before that value; its caches were written before, live for ever and are only
        // shared.
        unsafe { slice::from_raw_parts(self.table.load(Ordering::Relaxed), count) }
    }
}
