//! A doubly linked list of nodes elsewhere: [`List`], [`Node`], [`Link`].

use core::cell::UnsafeCell;
use core::marker::PhantomPinned;
use core::mem;
use core::ptr::NonNull;

use crate::atomic::{AtomicBool, Ordering};

/// In no list.
const UNLINKED: u32 = u32::MAX;

/// A value with its place in a list.
pub(super) struct Node<V> {
    slot: UnsafeCell<Slot<V>>,
    /// Whether it is at the second of its two homes. Written while both are locked.
    moved: AtomicBool,
    /// The address of the second home, or null.
    second: *const (),
    _pinned: PhantomPinned,
}

// SAFETY: the slot is only reached under a lock (invariant 1), from whatever thread has it.
unsafe impl<V: Send> Sync for Node<V> {}
// SAFETY: as above; the addresses in it are used under a lock only.
unsafe impl<V: Send> Send for Node<V> {}

struct Slot<V> {
    previous: Option<Link<V>>,
    next: Option<Link<V>>,
    /// The number of the list where it is, or `UNLINKED`.
    list: u32,
    value: V,
}

impl<V> Node<V> {
    pub(super) fn new(value: V, second: *const ()) -> Self {
        let slot = Slot { previous: None, next: None, list: UNLINKED, value };
        Self { slot: UnsafeCell::new(slot), moved: AtomicBool::new(false), second, _pinned: PhantomPinned }
    }

    pub(super) fn is_moved(&self) -> bool {
        self.moved.load(Ordering::Acquire)
    }
}

/// A node that may be reached by who holds the lock of its home (invariant 3).
pub(super) struct Link<V>(NonNull<Node<V>>);

impl<V> Clone for Link<V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V> Copy for Link<V> {}

impl<V> Link<V> {
    /// # Safety
    /// The node is pinned, and unlinked before its memory ends. The link is used only under the lock of the node's home.
    pub(super) const unsafe fn new(node: &Node<V>) -> Self {
        Self(NonNull::from_ref(node))
    }
}

/// Both ends of a list.
pub(super) struct List<V> {
    head: Option<Link<V>>,
    tail: Option<Link<V>>,
}

// SAFETY: the nodes are only reached under a lock (invariant 1), from whatever thread has it.
unsafe impl<V: Send> Send for List<V> {}

impl<V> List<V> {
    pub(super) const EMPTY: Self = Self { head: None, tail: None };
}

/// The lists of one home, whose lock the borrower holds.
pub(super) struct Lists<'a, V>(pub(super) &'a mut [List<V>]);

impl<V> Lists<'_, V> {
    pub(super) fn head(&self, list: usize) -> Option<Link<V>> {
        self.0.get(list)?.head
    }

    pub(super) fn tail(&self, list: usize) -> Option<Link<V>> {
        self.0.get(list)?.tail
    }

    pub(super) fn next(&self, link: Link<V>) -> Option<Link<V>> {
        self.slot(link).next
    }

    pub(super) fn value(&self, link: Link<V>) -> &V {
        &self.slot(link).value
    }

    pub(super) fn value_mut(&mut self, link: Link<V>) -> &mut V {
        &mut self.slot_mut(link).value
    }

    pub(super) fn is_moved(&self, link: Link<V>) -> bool {
        self.node(link).is_moved()
    }

    pub(super) fn is_linked(&self, link: Link<V>) -> bool {
        self.slot(link).list != UNLINKED
    }

    /// Whether `previous` and `list` of the node say what the walk to it says.
    pub(super) fn is_sound(&self, link: Link<V>, previous: Option<Link<V>>, list: usize) -> bool {
        let slot = self.slot(link);
        slot.list as usize == list && slot.previous.map(|link| link.0) == previous.map(|link| link.0)
    }

    /// Whether `list` ends at `last`.
    pub(super) fn ends_at(&self, list: usize, last: Option<Link<V>>) -> bool {
        self.tail(list).map(|link| link.0) == last.map(|link| link.0)
    }

    /// Makes an unlinked node the last of `list`, or the first. A node that is linked, or a list that is not there, changes
    /// nothing.
    #[expect(clippy::cast_possible_truncation, reason = "a home has a few hundred lists")]
    pub(super) fn insert(&mut self, list: usize, link: Link<V>, front: bool) {
        if self.is_linked(link) {
            return;
        }
        let Some(ends) = self.0.get_mut(list) else { return };
        let (previous, next) = if front { (None, ends.head) } else { (ends.tail, None) };
        if front {
            ends.head = Some(link);
        } else {
            ends.tail = Some(link);
        }
        match (previous, next) {
            (None, None) => (ends.head, ends.tail) = (Some(link), Some(link)),
            (Some(other), _) => self.slot_mut(other).next = Some(link),
            (None, Some(other)) => self.slot_mut(other).previous = Some(link),
        }
        let slot = self.slot_mut(link);
        (slot.previous, slot.next, slot.list) = (previous, next, list as u32);
    }

    /// Takes a node out of the list where it is; false if it is in none.
    pub(super) fn remove(&mut self, link: Link<V>) -> bool {
        let slot = self.slot_mut(link);
        let (previous, next) = (slot.previous.take(), slot.next.take());
        let list = mem::replace(&mut slot.list, UNLINKED);
        let Some(ends) = self.0.get_mut(list as usize) else { return false };
        if previous.is_none() {
            ends.head = next;
        }
        if next.is_none() {
            ends.tail = previous;
        }
        if let Some(previous) = previous {
            self.slot_mut(previous).next = next;
        }
        if let Some(next) = next {
            self.slot_mut(next).previous = previous;
        }
        true
    }

    /// Whether the node may move from this home to the one at `home`, and if so, marks it moved. Both are locked.
    pub(super) fn allow_move(&self, link: Link<V>, home: *const ()) -> bool {
        let node = self.node(link);
        let allowed = node.second == home && !node.is_moved();
        if allowed {
            node.moved.store(true, Ordering::Release);
        }
        allowed
    }

    fn node(&self, link: Link<V>) -> &Node<V> {
        // SAFETY: the node is in the home whose lock the borrower of these lists holds (invariant 3), so it lasts at least as
        // long as the lock is held (invariant 2).
        unsafe { link.0.as_ref() }
    }

    fn slot(&self, link: Link<V>) -> &Slot<V> {
        let slot = self.node(link).slot.get();
        // SAFETY: slots are reached under the lock only (invariant 1); a mutable borrow of one borrows the lists mutably.
        unsafe { &*slot }
    }

    fn slot_mut(&mut self, link: Link<V>) -> &mut Slot<V> {
        let slot = self.node(link).slot.get();
        // SAFETY: slots are reached under the lock only (invariant 1), and through these lists, which are borrowed mutably.
        unsafe { &mut *slot }
    }
}
