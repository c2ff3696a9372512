//! A doubly linked list of nodes elsewhere: [`List`], [`Node`], [`Link`].

use core::marker::PhantomPinned;
use core::ptr::NonNull;

use crate::sync::atomic::{AtomicU32, Ordering};
use crate::sync::{Bug, UnsafeCell, const_fn, seeded};
use crate::wait::Wake;

/// In no list; the owner's.
pub(super) const IDLE: u32 = 0;
/// It ended with what was waited for. Other ends have the number of their [`WaitError`](crate::WaitError).
pub(super) const DONE: u32 = 1;
/// In the list.
pub(super) const WAITING: u32 = 100;
/// In the list as a mark, and nobody's wait.
pub(super) const CURSOR: u32 = 101;

/// A place in a list, and what its owner waits with.
pub(super) struct Node<T, V> {
    state: AtomicU32,
    /// In which queue of its member's table it is. Written under the locks of both queues that a move is between.
    home: AtomicU32,
    body: UnsafeCell<Body<T, V>>,
    _pinned: PhantomPinned,
}

// SAFETY: what is in the cell is reached by one thread at a time (invariant 1).
unsafe impl<T: Send, V: Send> Sync for Node<T, V> {}
// SAFETY: as above; a node that is linked is pinned, so that only its owner's reference moves.
unsafe impl<T: Send, V: Send> Send for Node<T, V> {}

pub(super) struct Body<T, V> {
    previous: Option<Link<T, V>>,
    next: Option<Link<T, V>>,
    pub(super) wake: Option<Wake<T>>,
    pub(super) value: V,
}

impl<T, V> Node<T, V> {
    const_fn! {
        pub(super) fn new(value: V) -> Self {
            let body = Body { previous: None, next: None, wake: None, value };
            let (state, home) = (AtomicU32::new(IDLE), AtomicU32::new(0));
            Self { state, home, body: UnsafeCell::new(body), _pinned: PhantomPinned }
        }
    }

    #[inline]
    pub(super) fn state(&self) -> u32 {
        self.state.load(Ordering::Acquire)
    }

    /// Of a node that waits, true only under the lock of the queue that it says.
    pub(super) fn home(&self) -> u32 {
        self.home.load(Ordering::Relaxed)
    }

    /// For the owner before the first wait.
    pub(super) fn at_home(self, home: u32) -> Self {
        self.home.store(home, Ordering::Relaxed);
        self
    }

    /// For the owner: it was in no list, or has just left it.
    pub(super) fn set_idle(&self) {
        self.state.store(IDLE, Ordering::Relaxed);
    }

    /// Runs `work` on what is in the node.
    ///
    /// # Safety
    /// The caller is the owner and the node is in no list, or the caller has the lock of its queue (invariant 1); `work` does
    /// not come here again.
    #[inline]
    pub(super) unsafe fn with<R>(&self, work: impl FnOnce(&mut Body<T, V>) -> R) -> R {
        self.body.with_mut(|body| {
            // SAFETY: nobody else reaches it meanwhile: the caller's promise.
            work(unsafe { &mut *body })
        })
    }
}

/// A node that may be reached by who holds the lock of its queue (invariant 3).
pub(crate) struct Link<T, V>(NonNull<Node<T, V>>);

impl<T, V> Clone for Link<T, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, V> Copy for Link<T, V> {}

impl<T, V> PartialEq for Link<T, V> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

// SAFETY: the node is reached under the lock of its queue, from whatever thread has it (invariant 1).
unsafe impl<T: Send, V: Send> Send for Link<T, V> {}

impl<T, V> Link<T, V> {
    /// # Safety
    /// The node is pinned, and taken out before its memory ends. The link is used only under the lock of the node's queue.
    pub(super) const unsafe fn new(node: &Node<T, V>) -> Self {
        Self(NonNull::from_ref(node))
    }
}

/// Both ends of a list. A reference to it means that the lock of the queue is held.
pub(super) struct List<T, V> {
    head: Option<Link<T, V>>,
    tail: Option<Link<T, V>>,
}

impl<T, V> List<T, V> {
    pub(super) const EMPTY: Self = Self { head: None, tail: None };

    pub(super) const fn is_empty(&self) -> bool {
        self.head.is_none()
    }

    pub(super) const fn head(&self) -> Option<Link<T, V>> {
        self.head
    }

    pub(super) fn next(&mut self, link: Link<T, V>) -> Option<Link<T, V>> {
        self.with(link, |body| body.next)
    }

    pub(super) fn state(&self, link: Link<T, V>) -> u32 {
        self.node(&link).state()
    }

    /// Whether `link` comes right after `previous`.
    pub(super) fn follows(&mut self, link: Link<T, V>, previous: Option<Link<T, V>>) -> bool {
        self.with(link, |body| body.previous) == previous
    }

    pub(super) fn ends_at(&self, last: Option<Link<T, V>>) -> bool {
        self.tail == last
    }

    /// Makes a node that is in no list the last, in `state`.
    pub(super) fn push_back(&mut self, link: Link<T, V>, state: u32) {
        let last = self.tail.replace(link);
        match last {
            Some(last) => self.with(last, |body| body.next = Some(link)),
            None => self.head = Some(link),
        }
        self.with(link, |body| (body.previous, body.next) = (last, None));
        self.node(&link).state.store(state, Ordering::Relaxed);
    }

    /// Makes a node that is in no list the first, in `state`.
    pub(super) fn push_front(&mut self, link: Link<T, V>, state: u32) {
        let first = self.head.replace(link);
        match first {
            Some(first) => self.with(first, |body| body.previous = Some(link)),
            None => self.tail = Some(link),
        }
        self.with(link, |body| (body.previous, body.next) = (None, first));
        self.node(&link).state.store(state, Ordering::Relaxed);
    }

    /// Puts `link`, which is in the list, behind its neighbour `next`.
    pub(super) fn step_over(&mut self, link: Link<T, V>, next: Link<T, V>) {
        let state = self.state(link);
        self.unlink(link);
        let after = self.with(next, |body| body.next.replace(link));
        match after {
            Some(after) => self.with(after, |body| body.previous = Some(link)),
            None => self.tail = Some(link),
        }
        self.with(link, |body| (body.previous, body.next) = (Some(next), after));
        self.node(&link).state.store(state, Ordering::Relaxed);
    }

    /// Makes a node of this list the last of it.
    pub(super) fn move_to_back(&mut self, link: Link<T, V>) {
        self.unlink(link);
        self.push_back(link, WAITING);
    }

    /// Makes a node of this list the last of `to`, queue number `home` of its member's table.
    pub(super) fn move_to(&mut self, link: Link<T, V>, to: &mut Self, home: u32) {
        self.unlink(link);
        to.push_back(link, WAITING);
        to.node(&link).home.store(home, Ordering::Relaxed);
    }

    /// Takes a node out of the list; it is its owner's again.
    pub(super) fn remove(&mut self, link: Link<T, V>) {
        self.unlink(link);
        self.node(&link).set_idle();
    }

    /// Ends a wait: takes the node out, then writes `outcome`. From then on it is its owner's, who may be gone at once.
    pub(super) fn end(&mut self, link: Link<T, V>, outcome: u32) -> Option<Wake<T>> {
        if seeded(Bug::CompletedWhileLinked) {
            self.node(&link).state.store(outcome, Ordering::Release);
        }
        self.unlink(link);
        let wake = self.with(link, |body| body.wake.take());
        self.node(&link).state.store(outcome, Ordering::Release);
        wake
    }

    /// As [`end`](Self::end) with what was waited for, which is `value`. Where a call finds its server: nothing is called.
    #[inline]
    pub(super) fn give(&mut self, link: Link<T, V>, value: V) -> Option<Wake<T>> {
        self.unlink_here(link);
        let wake = self.with(link, |body| {
            body.value = value;
            body.wake.take()
        });
        self.node(&link).state.store(DONE, Ordering::Release);
        wake
    }

    // Once in an image: its copies are what puts a small core beyond its 16 KiB.
    #[inline(never)]
    fn unlink(&mut self, link: Link<T, V>) {
        self.unlink_here(link);
    }

    #[inline]
    fn unlink_here(&mut self, link: Link<T, V>) {
        let (previous, next) = self.with(link, |body| (body.previous.take(), body.next.take()));
        match previous {
            Some(previous) => self.with(previous, |body| body.next = next),
            None => self.head = next,
        }
        match next {
            Some(next) => self.with(next, |body| body.previous = previous),
            None => self.tail = previous,
        }
    }

    /// Runs `work` on what is in a node of the list, or in one that is just being put there by its owner.
    #[inline]
    pub(super) fn with<R>(&mut self, link: Link<T, V>, work: impl FnOnce(&mut Body<T, V>) -> R) -> R {
        let node = self.node(&link);
        // SAFETY: the lock is held, which the reference to the list says; nothing here nests.
        unsafe { node.with(work) }
    }

    fn node<'a>(&'a self, link: &'a Link<T, V>) -> &'a Node<T, V> {
        // SAFETY: the node is in this list or at its owner's hands under its lock (invariant 3), so it lasts at least as long as
        // the lock is held (invariant 2); shared references to it are all that there are.
        unsafe { link.0.as_ref() }
    }
}
