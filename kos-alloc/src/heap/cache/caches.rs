//! Where the caches of the CPUs lie, and whether they are used: [`Caches`].
//!
//! Invariant, on which the unsafe code rests: `carved` is 0 until [`Caches::carve`] wrote that many caches at `table`, one for
//! each CPU of the environment, which stay for ever; `active` is null or `table`. `carved` and `active` are stored with
//! Release after the caches, and read with Acquire before them.

use core::marker::PhantomData;
use core::ptr::{self, NonNull};
use core::slice;

use super::cpu::CpuCache;
use super::magazine::Magazine;
use super::plan::{MAGAZINES, Plan};
use crate::slab::{Class, Geometry, PerClass};
use crate::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use crate::sync::{Bug, Publication, const_fn, seeded};
use crate::types::CpuIndex;

/// The caches, in use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Active<'c> {
    first: NonNull<CpuCache>,
    caches: PhantomData<&'c CpuCache>,
}

impl<'c> Active<'c> {
    /// That of `cpu`.
    ///
    /// # Safety
    ///
    /// `cpu` is below the number of CPUs for which the caches were carved.
    #[inline]
    pub(super) unsafe fn of(self, cpu: CpuIndex) -> &'c CpuCache {
        // SAFETY: the caller says that there is such a cache.
        let cache = unsafe { self.first.add(cpu.0) };
        // SAFETY: it was written before it became active, lives for ever and is only shared.
        unsafe { cache.as_ref() }
    }
}

/// The caches of all CPUs; none at first.
#[derive(Debug)]
pub(crate) struct Caches {
    /// The caches if CPUs are served from them now, else null.
    active: AtomicPtr<CpuCache>,
    table: AtomicPtr<CpuCache>,
    /// CPUs that have a cache.
    carved: AtomicUsize,
    claim: Publication,
}

impl Caches {
    const_fn! {
        pub(crate) fn new() -> Self {
            Self {
                active: AtomicPtr::new(ptr::null_mut()),
                table: AtomicPtr::new(ptr::null_mut()),
                carved: AtomicUsize::new(0),
                claim: Publication::new(),
            }
        }
    }

    /// The caches, if they are to be used.
    #[inline]
    pub(super) fn active(&self) -> Option<Active<'_>> {
        let first = NonNull::new(self.active.load(Ordering::Acquire))?;
        Some(Active { first, caches: PhantomData })
    }

    /// The caches by CPU, whether they are to be used or not.
    pub(crate) fn all(&self) -> &[CpuCache] {
        let carved = self.carved.load(Ordering::Acquire);
        if carved == 0 {
            return &[];
        }
        // SAFETY: the table was stored before `carved`; its caches were written before, live for ever and are only shared.
        unsafe { slice::from_raw_parts(self.table.load(Ordering::Relaxed), carved) }
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.all().is_empty()
    }

    /// Uses the caches, if there are any, or no longer. A CPU that is in its cache goes on to the end of its call.
    pub(crate) fn set_active(&self, active: bool) {
        let caches = self.all();
        let first =
            if active && !caches.is_empty() { self.table.load(Ordering::Relaxed) } else { ptr::null_mut() };
        self.active.store(first, Ordering::Release);
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
        geometries: &PerClass<Geometry>,
        mut spare: impl FnMut(Class, Magazine),
    ) {
        let table = memory.cast::<CpuCache>();
        // SAFETY: the plan has room for so many caches first.
        let mut place = unsafe { table.add(plan.cpus) }.cast::<u8>();
        for cpu in 0..plan.cpus {
            // SAFETY: within the table.
            let cache = unsafe { table.add(cpu) };
            // SAFETY: the memory is the caller's, aligned as the type is.
            unsafe { cache.write(CpuCache::new(secret, geometries)) };
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
                let two = magazines.map(|[loaded, previous, _]| [loaded, previous]);
                cache.equip(class, two, capacity);
                magazines.into_iter().for_each(|[_, _, third]| spare(class, third));
            }
        }
        self.table.store(table.as_ptr(), Ordering::Relaxed);
        self.carved.store(plan.cpus, Ordering::Release);
    }
}
