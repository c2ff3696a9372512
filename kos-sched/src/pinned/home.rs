//! A lock over a state and lists of nodes: [`Home`], and what its holder can do: [`Held`].

use core::fmt;
use core::ptr;

use super::list::{Link, List, Lists};
use crate::error::QueueCorruption;
use crate::ports::CriticalSection;

/// Where nodes are: `LISTS` lists and a state behind the kernel's lock, taken with interrupts masked.
pub(crate) struct Home<E: CriticalSection, S, V, const LISTS: usize> {
    env: E,
    inner: lock_api::Mutex<E::Lock, Inner<S, V, LISTS>>,
}

struct Inner<S, V, const LISTS: usize> {
    state: S,
    lists: [List<V>; LISTS],
}

/// The lock, held; the lock is released before the mask.
pub(super) struct Guard<'h, E: CriticalSection, S, V, const LISTS: usize> {
    inner: lock_api::MutexGuard<'h, E::Lock, Inner<S, V, LISTS>>,
    home: *const (),
    _masked: E::Irq,
}

impl<E: CriticalSection, S, V, const LISTS: usize> Guard<'_, E, S, V, LISTS> {
    pub(super) fn held(&mut self) -> Held<'_, S, V> {
        self.inner.held(self.home)
    }
}

impl<S, V, const LISTS: usize> Inner<S, V, LISTS> {
    fn held(&mut self, home: *const ()) -> Held<'_, S, V> {
        Held { state: &mut self.state, lists: Lists(&mut self.lists), home }
    }
}

impl<E: CriticalSection, S, V, const LISTS: usize> Home<E, S, V, LISTS> {
    pub(crate) const fn new(env: E, state: S) -> Self {
        Self { env, inner: lock_api::Mutex::new(Inner { state, lists: [const { List::EMPTY }; LISTS] }) }
    }

    pub(crate) const fn env(&self) -> &E {
        &self.env
    }

    /// Runs `work` with interrupts masked and the lock held. Must not be nested.
    #[inline]
    pub(crate) fn with<R>(&self, work: impl FnOnce(Held<'_, S, V>) -> R) -> R {
        work(self.lock().held())
    }

    /// Runs `work` with both locks held, taken in the order of their addresses; `None` if both are the same.
    pub(crate) fn with_both<R>(
        first: &Self,
        second: &Self,
        work: impl FnOnce(Held<'_, S, V>, Held<'_, S, V>) -> R,
    ) -> Option<R> {
        if ptr::eq(first, second) {
            return None;
        }
        let _masked = first.env.irq_save();
        let (mut a, mut b);
        if first.address() < second.address() {
            a = first.inner.lock();
            b = second.inner.lock();
        } else {
            b = second.inner.lock();
            a = first.inner.lock();
        }
        Some(work(a.held(first.address()), b.held(second.address())))
    }

    pub(super) fn lock(&self) -> Guard<'_, E, S, V, LISTS> {
        let _masked = self.env.irq_save();
        Guard { inner: self.inner.lock(), home: self.address(), _masked }
    }

    pub(super) fn address(&self) -> *const () {
        ptr::from_ref(self).cast()
    }
}

impl<E: CriticalSection, S, V, const LISTS: usize> fmt::Debug for Home<E, S, V, LISTS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Home").finish_non_exhaustive()
    }
}

/// A locked home.
pub(crate) struct Held<'a, S, V> {
    pub(crate) state: &'a mut S,
    pub(super) lists: Lists<'a, V>,
    home: *const (),
}

impl<S, V> Held<'_, S, V> {
    /// The same for a shorter time.
    pub(super) fn reborrow(&mut self) -> Held<'_, S, V> {
        Held { state: self.state, lists: Lists(self.lists.0), home: self.home }
    }

    pub(crate) fn is_empty(&self, list: usize) -> bool {
        self.lists.head(list).is_none()
    }

    /// The first of `list`.
    pub(crate) fn front(&self, list: usize) -> Option<&V> {
        self.lists.head(list).map(|link| self.lists.value(link))
    }

    /// The first of `list`, to change.
    pub(crate) fn front_mut(&mut self, list: usize) -> Option<&mut V> {
        self.lists.head(list).map(|link| self.lists.value_mut(link))
    }

    /// The last of `list`.
    pub(crate) fn back(&self, list: usize) -> Option<&V> {
        self.lists.tail(list).map(|link| self.lists.value(link))
    }

    /// Takes the first of `list` out. It may be written while the lock is held; then it is its owner's.
    pub(crate) fn pop_front(&mut self, list: usize) -> Option<&mut V> {
        let link = self.lists.head(list)?;
        self.lists.remove(link);
        Some(self.lists.value_mut(link))
    }

    /// Moves the first of `list` to the end of list `to`, or to its front.
    pub(crate) fn shift_front(&mut self, list: usize, to: usize, front: bool) {
        if let Some(link) = self.lists.head(list) {
            self.lists.remove(link);
            self.lists.insert(to, link, front);
        }
    }

    /// Moves the first of `list` to the end of the same list of `other`, where it may be written; `None` if its owner did not
    /// name that home, or has moved already.
    pub(crate) fn move_front<'b>(&mut self, list: usize, other: &'b mut Held<'_, S, V>) -> Option<&'b mut V> {
        let link = self.lists.head(list).filter(|&link| self.lists.allow_move(link, other.home))?;
        self.lists.remove(link);
        other.lists.insert(list, link, false);
        Some(other.lists.value_mut(link))
    }

    /// Walks every list.
    pub(crate) fn check(
        &self,
        mut sound: impl FnMut(usize, &V) -> Result<(), &'static str>,
    ) -> Result<(), QueueCorruption> {
        for index in 0..self.lists.0.len() {
            let mut previous: Option<Link<V>> = None;
            let mut rest = self.lists.head(index);
            while let Some(link) = rest {
                if !self.lists.is_sound(link, previous, index) {
                    return Err(QueueCorruption { what: "a node that is linked wrongly", index });
                }
                sound(index, self.lists.value(link)).map_err(|what| QueueCorruption { what, index })?;
                previous = Some(link);
                rest = self.lists.next(link);
            }
            if !self.lists.ends_at(index, previous) {
                return Err(QueueCorruption { what: "a list that ends elsewhere", index });
            }
        }
        Ok(())
    }
}
