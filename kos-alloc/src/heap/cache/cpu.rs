//! The cache of one CPU: [`CpuCache`], the right to use it: [`Turn`], and to exchange its magazines: [`Shelf`].
//!
//! Invariant: a [`Slot`] names two magazines of its class that are in no other place, with room for `capacity` blocks, or
//! the head without room if that is 0. Its top and its limit are places in the loaded one, the top at most at the limit.

use core::marker::PhantomData;
use core::ptr::{self, NonNull};
use core::sync::atomic::compiler_fence;

use super::magazine::{Entry, Head, Magazine, Place};
use crate::slab::{Class, Geometry, PerClass, Shape, seal};
use crate::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

/// The magazines of one class, and what a free must know of the class: one cache line.
#[derive(Debug)]
#[repr(C)]
#[cfg_attr(target_pointer_width = "64", repr(align(64)))]
struct Slot {
    /// Where the last block of the loaded magazine is.
    top: AtomicPtr<Entry>,
    /// Where it is when that is full.
    limit: AtomicPtr<Entry>,
    shape: Shape,
    loaded: AtomicPtr<Head>,
    previous: AtomicPtr<Head>,
    capacity: usize,
}

impl Slot {
    #[inline]
    fn top(&self) -> Place {
        // SAFETY: `hang` stored a place there before anybody else saw the cache.
        let top = unsafe { NonNull::new_unchecked(self.top.load(Ordering::Relaxed)) };
        // SAFETY: it was a place's entry.
        unsafe { Place::at(top) }
    }

    #[inline]
    fn set_top(&self, top: Place) {
        self.top.store(top.entry().as_ptr(), Ordering::Relaxed);
    }

    /// The magazines: the loaded and the other.
    fn magazines(&self) -> [Magazine; 2] {
        [&self.loaded, &self.previous].map(|place| {
            // SAFETY: `hang` stored a head there before anybody else saw the cache.
            let head = unsafe { NonNull::new_unchecked(place.load(Ordering::Relaxed)) };
            // SAFETY: a slot names magazines, says the module.
            unsafe { Magazine::at(head) }
        })
    }

    /// Makes these the magazines.
    #[inline(never)]
    fn hang(&self, loaded: Magazine, previous: Magazine) {
        self.set_top(loaded.top_place());
        self.limit.store(loaded.place(self.capacity).entry().as_ptr(), Ordering::Relaxed);
        self.loaded.store(loaded.head().as_ptr(), Ordering::Relaxed);
        self.previous.store(previous.head().as_ptr(), Ordering::Relaxed);
    }
}

/// The cache of one CPU. Others look at its numbers, and may ask it to drain.
#[derive(Debug)]
#[repr(C, align(128))]
pub(crate) struct CpuCache {
    slots: PerClass<Slot>,
    /// Set while the owner is in it: an NMI that comes then must not.
    busy: AtomicBool,
    /// Somebody wants the blocks home.
    drain: AtomicBool,
    secret: u64,
    /// Bytes asked for on this CPU; wraps.
    asked: AtomicUsize,
    /// Bytes given back on this CPU; wraps. Two counters, so that neither waits for the other.
    returned: AtomicUsize,
    /// What a slot without magazines names.
    nothing: Head,
}

impl CpuCache {
    /// Without magazines yet.
    pub(super) fn new(secret: u64, geometries: &PerClass<Geometry>) -> Self {
        let slot = |geometry: &Geometry| Slot {
            top: AtomicPtr::new(ptr::null_mut()),
            limit: AtomicPtr::new(ptr::null_mut()),
            shape: geometry.shape(),
            loaded: AtomicPtr::new(ptr::null_mut()),
            previous: AtomicPtr::new(ptr::null_mut()),
            capacity: 0,
        };
        Self {
            slots: geometries.map(slot),
            busy: AtomicBool::new(false),
            drain: AtomicBool::new(false),
            secret,
            asked: AtomicUsize::new(0),
            returned: AtomicUsize::new(0),
            nothing: Head::new(),
        }
    }

    /// Gives `class` its two magazines, for `capacity` blocks each; `None`: none. Once for each class, in the place where
    /// the cache stays.
    pub(super) fn equip(&mut self, class: Class, magazines: Option<[Magazine; 2]>, capacity: usize) {
        // SAFETY: it is a head without room, in the place where it stays.
        let nothing = unsafe { Magazine::at(NonNull::from(&self.nothing)) };
        let slot = self.slots.of_mut(class);
        slot.capacity = if magazines.is_some() { capacity } else { 0 };
        let [loaded, previous] = magazines.unwrap_or([nothing; 2]);
        slot.hang(loaded, previous);
    }

    /// The right to use the cache, unless somebody has it: whom the caller interrupted. The caller is the cache's CPU, with
    /// interrupts masked, or has stopped it.
    pub(crate) fn enter(&self) -> Option<Turn<'_>> {
        self.enter_in(true)
    }

    /// As [`enter`](Self::enter) for the cache's own CPU, which can have interrupted somebody only `in_nmi`.
    #[inline]
    pub(super) fn enter_in(&self, in_nmi: bool) -> Option<Turn<'_>> {
        if in_nmi && self.busy.load(Ordering::Relaxed) {
            return None;
        }
        debug_assert!(!self.busy.load(Ordering::Relaxed), "whoever is in it was interrupted by no NMI");
        self.busy.store(true, Ordering::Relaxed);
        // An interrupt of this very CPU sees things in the order of the program, if the compiler keeps it.
        compiler_fence(Ordering::SeqCst);
        Some(Turn { cache: self, on_this_cpu: PhantomData })
    }

    /// What tells the blocks of `class`.
    #[inline]
    pub(super) fn shape(&self, class: Class) -> &Shape {
        &self.slots.of(class).shape
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
        let slot = self.slots.of(class);
        let [loaded, previous] = slot.magazines();
        loaded.len_below(slot.top(), slot.capacity) + previous.len()
    }

    /// Bytes asked for on this CPU and not given back on it; wraps.
    pub(crate) fn requested(&self) -> usize {
        self.asked.load(Ordering::Relaxed).wrapping_sub(self.returned.load(Ordering::Relaxed))
    }
}

/// Adds to a counter that only the calling CPU writes.
#[inline]
fn add(counter: &AtomicUsize, bytes: usize) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(bytes), Ordering::Relaxed);
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
        let slot = self.cache.slots.of(class);
        let top = slot.top();
        let block = top.block()?;
        // SAFETY: what is in a magazine is a free block of a slab.
        if !unsafe { seal::unseal(block, self.cache.secret) } {
            return None;
        }
        // SAFETY: there is a block, so it is not the bottom.
        slot.set_top(unsafe { top.below() });
        add(&self.cache.asked, size);
        Some(block)
    }

    /// Puts a block of `class` into the loaded magazine; false if that is full, or the block is free already.
    ///
    /// # Safety
    ///
    /// `block` is the address of a block of a live slab of `class`; if it is not sealed its owner gave it up.
    #[inline]
    pub(super) unsafe fn push(&self, class: Class, block: NonNull<u8>, size: usize) -> bool {
        let slot = self.cache.slots.of(class);
        let top = slot.top();
        // SAFETY: passed on from the caller.
        let is_free = unsafe { seal::is_sealed(block, self.cache.secret) };
        if is_free || top.entry().as_ptr() == slot.limit.load(Ordering::Relaxed) {
            return false;
        }
        // SAFETY: passed on from the caller.
        unsafe { seal::seal(block, self.cache.secret) };
        // SAFETY: it is not the limit; the magazine is this CPU's, whose turn it is.
        slot.set_top(unsafe { top.put_above(block) });
        add(&self.cache.returned, size);
        true
    }

    /// The magazines of `class`, to be exchanged.
    pub(super) fn shelf(&self, class: Class) -> Shelf<'_> {
        let slot = self.cache.slots.of(class);
        let [loaded, previous] = slot.magazines();
        loaded.cut(loaded.len_below(slot.top(), slot.capacity));
        Shelf { slot, loaded, previous }
    }
}

impl Drop for Turn<'_> {
    #[inline]
    fn drop(&mut self) {
        compiler_fence(Ordering::SeqCst);
        self.cache.busy.store(false, Ordering::Relaxed);
    }
}

/// The two magazines of a class, in the hands of their owner; whatever stands here at the end is what the cache has then.
#[derive(Debug)]
pub(super) struct Shelf<'t> {
    slot: &'t Slot,
    /// The magazine that is used.
    pub(super) loaded: Magazine,
    /// The other.
    pub(super) previous: Magazine,
}

impl Shelf<'_> {
    /// Blocks that a magazine has room for; 0: there is none.
    pub(super) fn capacity(&self) -> usize {
        self.slot.capacity
    }

    /// Makes each the other.
    pub(super) fn swap(&mut self) {
        core::mem::swap(&mut self.loaded, &mut self.previous);
    }
}

impl Drop for Shelf<'_> {
    fn drop(&mut self) {
        self.slot.hang(self.loaded, self.previous);
    }
}
