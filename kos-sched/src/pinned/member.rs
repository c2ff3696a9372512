//! One node and its homes: [`Member`], and what its owner can do under the lock: [`Seat`].

use core::fmt;
use core::pin::Pin;

use super::home::{Guard, Held, Home};
use super::list::{Link, Node};
use crate::atomic::{AtomicBool, Ordering};
use crate::ports::CriticalSection;
use crate::seeded::{Bug, seeded};

/// A node of its owner's, which lives in the lists of `home`, or of `second` after it was moved there.
pub(crate) struct Member<'h, E: CriticalSection, S, V, const LISTS: usize> {
    home: &'h Home<E, S, V, LISTS>,
    second: Option<&'h Home<E, S, V, LISTS>>,
    /// Clear: the node is in no list. Written by the owner, before he enters one and after he saw that he is in none.
    entered: AtomicBool,
    node: Node<V>,
}

/// A locked home with the node of the member who locked it.
pub(crate) struct Seat<'a, S, V> {
    held: Held<'a, S, V>,
    node: Link<V>,
    entered: &'a AtomicBool,
}

impl<'h, E: CriticalSection, S, V, const LISTS: usize> Member<'h, E, S, V, LISTS> {
    /// In no list. `second` is the home to which others may move it, if any.
    pub(crate) fn new(
        home: &'h Home<E, S, V, LISTS>,
        second: Option<&'h Home<E, S, V, LISTS>>,
        value: V,
    ) -> Self {
        let other = second.map_or(core::ptr::null(), Home::address);
        Self { home, second, entered: AtomicBool::new(false), node: Node::new(value, other) }
    }

    pub(crate) const fn home(&self) -> &'h Home<E, S, V, LISTS> {
        self.home
    }

    /// Runs `work` with the home locked where the node is. Must not be nested.
    #[inline]
    pub(crate) fn with<R>(self: Pin<&Self>, work: impl FnOnce(&mut Seat<'_, S, V>) -> R) -> R {
        let this = self.get_ref();
        let mut guard = this.lock();
        // SAFETY: the member is pinned, and unlinks its node when dropped; the seat, which alone has the link, borrows the
        // lock of the node's home.
        let node = unsafe { Link::new(&this.node) };
        let mut seat = Seat { held: guard.held(), node, entered: &this.entered };
        let result = work(&mut seat);
        if !seat.is_linked() {
            this.entered.store(false, Ordering::Relaxed);
        }
        result
    }

    /// As [`with`](Self::with), for a member that ends, if it may be in a list.
    pub(crate) fn retire(&mut self, work: impl FnOnce(&mut Seat<'_, S, V>)) {
        // Loom takes the tasks of a failed schedule down without a schedule.
        #[cfg(all(test, loom))]
        if std::thread::panicking() {
            return;
        }
        if self.entered.load(Ordering::Relaxed) {
            // SAFETY: it entered a list, so it was pinned, and it is not moved from here on.
            unsafe { Pin::new_unchecked(&*self) }.with(work);
        }
    }

    /// Locks the home where the node is.
    fn lock(&self) -> Guard<'h, E, S, V, LISTS> {
        loop {
            let moved = self.node.is_moved();
            let home = if moved { self.second.unwrap_or(self.home) } else { self.home };
            let guard = home.lock();
            // It moves only while both homes are locked: what is read under one lock holds as long as that.
            if self.node.is_moved() == moved || seeded(Bug::MoveUnchecked) {
                return guard;
            }
        }
    }
}

impl<S, V> Seat<'_, S, V> {
    /// The home.
    pub(crate) fn held(&mut self) -> Held<'_, S, V> {
        self.held.reborrow()
    }

    /// The home's state.
    pub(crate) fn state(&mut self) -> &mut S {
        self.held.state
    }

    /// What the node holds.
    pub(crate) fn value(&mut self) -> &mut V {
        self.held.lists.value_mut(self.node)
    }

    /// Whether it is at its second home.
    pub(crate) fn is_moved(&self) -> bool {
        self.held.lists.is_moved(self.node)
    }

    pub(crate) fn is_linked(&self) -> bool {
        self.held.lists.is_linked(self.node)
    }

    /// Enters `list` as its last, or its first. Nothing if it is in one.
    pub(crate) fn enter(&mut self, list: usize, front: bool) {
        self.entered.store(true, Ordering::Relaxed);
        self.held.lists.insert(list, self.node, front);
    }

    /// Leaves its list; false if it is in none.
    pub(crate) fn leave(&mut self) -> bool {
        self.held.lists.remove(self.node)
    }
}

impl<E: CriticalSection, S, V, const LISTS: usize> Drop for Member<'_, E, S, V, LISTS> {
    fn drop(&mut self) {
        self.retire(|seat| _ = seat.leave());
    }
}

impl<E: CriticalSection, S, V, const LISTS: usize> fmt::Debug for Member<'_, E, S, V, LISTS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member").finish_non_exhaustive()
    }
}
