//! The cache of one CPU: [`CpuCache`], and the right to use it: [`Turn`].
//!
//! Invariant: a [`Slot`] names two magazines of its class that are in no other place, with room for `capacity` blocks, or
//! the head without room if that is 0.

use core::marker::PhantomData;
use core::ptr::NonNull;
use core::sync::atomic::compiler_fence;

use super::magazine::{Head, Magazine};
use crate::slab::{CLASSES, Class, PerClass, seal};
use crate::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

/// The magazines of one class.
#[derive(Debug)]
#[repr(C, align(32))]
struct Slot {
    loaded: AtomicPtr<Head>,
    previous: AtomicPtr<Head>,
    capacity: usize,
}

/// The cache of one CPU. Others look at its numbers, and may ask it to drain.
#[derive(Debug)]
#[repr(C, align(128))]
pub(crate) struct CpuCache {
    /// Set while the owner is in it: an NMI that comes then must not.
    busy: AtomicBool,
    /// Somebody wants the blocks home.
    drain: AtomicBool,
    /// Bytes asked for on this CPU and not given back on it; wraps.
    requested: AtomicUsize,
    secret: u64,
    slots: PerClass<Slot>,
    /// What a slot without magazines names.
    nothing: Head,
}

impl CpuCache {
    /// Without magazines yet.
    pub(super) fn new(secret: u64) -> Self {
        let slot = |_| Slot {
            loaded: AtomicPtr::new(core::ptr::null_mut()),
            previous: AtomicPtr::new(core::ptr::null_mut()),
            capacity: 0,
        };
        Self {
            busy: AtomicBool::new(false),
            drain: AtomicBool::new(false),
            requested: AtomicUsize::new(0),
            secret,
            slots: PerClass::new(core::array::from_fn::<_, CLASSES, _>(slot)),
            nothing: Head::new(),
        }
    }

    /// Gives `class` its two magazines, for `capacity` blocks each; `None`: none. Once for each class, in the place where
    /// the cache stays.
    pub(super) fn equip(&mut self, class: Class, magazines: Option<[Magazine; 2]>, capacity: usize) {
        let nothing = NonNull::from(&self.nothing);
        let [loaded, previous] = magazines.map_or([nothing; 2], |magazines| magazines.map(Magazine::head));
        let slot = self.slots.of_mut(class);
        slot.loaded.store(loaded.as_ptr(), Ordering::Relaxed);
        slot.previous.store(previous.as_ptr(), Ordering::Relaxed);
        slot.capacity = if magazines.is_some() { capacity } else { 0 };
    }

    /// The right to use the cache, unless somebody has it: whom the caller interrupted. The caller is the cache's CPU, with
    /// interrupts masked, or has stopped it.
    #[inline]
    pub(crate) fn enter(&self) -> Option<Turn<'_>> {
        if self.busy.load(Ordering::Relaxed) {
            return None;
        }
        self.busy.store(true, Ordering::Relaxed);
        // An interrupt of this very CPU sees things in the order of the program, if the compiler keeps it.
        compiler_fence(Ordering::SeqCst);
        Some(Turn { cache: self, on_this_cpu: PhantomData })
    }

    /// Asks the CPU to drain its cache when it next exchanges a magazine.
    pub(super) fn ask_to_drain(&self) {
        self.drain.store(true, Ordering::Relaxed);
    }

    /// Whether somebody asked, since the last call.
    pub(super) fn is_asked_to_drain(&self) -> bool {
        self.drain.load(Ordering::Relaxed) && self.drain.swap(false, Ordering::Relaxed)
    }

    /// Whether any block rests here.
    pub(super) fn is_used(&self) -> bool {
        Class::all().any(|class| self.resting(class) > 0)
    }

    /// Blocks of `class` that rest here.
    pub(crate) fn resting(&self, class: Class) -> usize {
        self.magazines(class).map(Magazine::len).iter().sum()
    }

    /// Bytes asked for on this CPU and not given back on it; wraps.
    pub(crate) fn requested(&self) -> usize {
        self.requested.load(Ordering::Relaxed)
    }

    /// The magazines of `class`: the loaded and the other.
    fn magazines(&self, class: Class) -> [Magazine; 2] {
        let slot = self.slots.of(class);
        [Self::magazine(&slot.loaded), Self::magazine(&slot.previous)]
    }

    #[inline]
    fn magazine(place: &AtomicPtr<Head>) -> Magazine {
        // SAFETY: `equip` stored a head there before anybody else saw the cache.
        let head = unsafe { NonNull::new_unchecked(place.load(Ordering::Relaxed)) };
        // SAFETY: a slot names magazines, says the module.
        unsafe { Magazine::at(head) }
    }
}

/// The right to use a cache; ends with its drop.
#[derive(Debug)]
pub(crate) struct Turn<'c> {
    cache: &'c CpuCache,
    on_this_cpu: PhantomData<*mut ()>,
}

impl Turn<'_> {
    /// A block of `class` for `size` bytes from the loaded magazine; `None` if that is empty, or the block's seal is broken:
    /// then it stays where it is.
    #[inline]
    pub(super) fn pop(&self, class: Class, size: usize) -> Option<NonNull<u8>> {
        let magazine = self.loaded(class);
        let rest = magazine.len().checked_sub(1)?;
        let block = magazine.block_at(rest)?;
        // SAFETY: what is in a magazine is a free block of a slab.
        if !unsafe { seal::unseal(block, self.cache.secret) } {
            return None;
        }
        magazine.cut(rest);
        self.count_requested(size, 0);
        Some(block)
    }

    /// Puts a block of `class` into the loaded magazine; false if that is full, or the block is free already.
    ///
    /// # Safety
    ///
    /// `block` is the address of a block of a live slab of `class`; if it is not sealed its owner gave it up.
    #[inline]
    pub(super) unsafe fn push(&self, class: Class, block: NonNull<u8>, size: usize) -> bool {
        let magazine = self.loaded(class);
        // SAFETY: passed on from the caller.
        let is_free = unsafe { seal::is_sealed(block, self.cache.secret) };
        let count = magazine.len();
        if is_free || count >= self.capacity(class) {
            return false;
        }
        // SAFETY: passed on from the caller.
        unsafe { seal::seal(block, self.cache.secret) };
        magazine.put_at(count, block);
        self.count_requested(0, size);
        true
    }

    /// Blocks that a magazine of `class` has room for; 0: there is none.
    #[inline]
    pub(super) fn capacity(&self, class: Class) -> usize {
        self.cache.slots.of(class).capacity
    }

    /// The magazine that is used.
    #[inline]
    pub(super) fn loaded(&self, class: Class) -> Magazine {
        CpuCache::magazine(&self.cache.slots.of(class).loaded)
    }

    /// The other.
    pub(super) fn previous(&self, class: Class) -> Magazine {
        CpuCache::magazine(&self.cache.slots.of(class).previous)
    }

    /// Both.
    pub(super) fn magazines(&self, class: Class) -> [Magazine; 2] {
        self.cache.magazines(class)
    }

    /// Makes each the other.
    pub(super) fn swap(&self, class: Class) {
        let [loaded, previous] = self.cache.magazines(class);
        self.set(class, previous, loaded);
    }

    /// Loads `magazine`, which is in no other place; the one that was loaded is the caller's.
    pub(super) fn replace_loaded(&self, class: Class, magazine: Magazine) {
        self.set(class, magazine, self.previous(class));
    }

    fn set(&self, class: Class, loaded: Magazine, previous: Magazine) {
        let slot = self.cache.slots.of(class);
        slot.loaded.store(loaded.head().as_ptr(), Ordering::Relaxed);
        slot.previous.store(previous.head().as_ptr(), Ordering::Relaxed);
    }

    #[inline]
    fn count_requested(&self, more: usize, less: usize) {
        let requested = &self.cache.requested;
        let sum = requested.load(Ordering::Relaxed).wrapping_add(more).wrapping_sub(less);
        requested.store(sum, Ordering::Relaxed);
    }
}

impl Drop for Turn<'_> {
    #[inline]
    fn drop(&mut self) {
        compiler_fence(Ordering::SeqCst);
        self.cache.busy.store(false, Ordering::Relaxed);
    }
}
