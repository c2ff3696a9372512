//! Slabs linked through their heads: [`List`], [`Chain`].

use super::header::Slab;

/// A doubly linked list; a slab is in at most one.
#[derive(Debug)]
pub(crate) struct List(Option<Slab>);

impl List {
    pub(super) const fn new() -> Self {
        Self(None)
    }

    /// The slab that was put in last.
    #[inline]
    pub(crate) const fn first(&self) -> Option<Slab> {
        self.0
    }

    #[inline]
    pub(super) fn push(&mut self, slab: Slab) {
        slab.set_previous(None);
        slab.set_next(self.0);
        if let Some(next) = self.0 {
            next.set_previous(Some(slab));
        }
        self.0 = Some(slab);
    }

    /// Takes out `slab`, which is in the list.
    #[inline]
    pub(super) fn remove(&mut self, slab: Slab) {
        match slab.previous() {
            Some(previous) => previous.set_next(slab.next()),
            None => self.0 = slab.next(),
        }
        if let Some(next) = slab.next() {
            next.set_previous(slab.previous());
        }
    }

    pub(super) fn pop(&mut self) -> Option<Slab> {
        let slab = self.0?;
        self.remove(slab);
        Some(slab)
    }
}

/// Slabs that left their bin, on the way back to the frame source.
#[derive(Debug)]
pub(crate) struct Chain(Option<Slab>);

impl Chain {
    pub(crate) const fn new() -> Self {
        Self(None)
    }

    pub(crate) fn push(&mut self, slab: Slab) {
        slab.set_next(self.0);
        self.0 = Some(slab);
    }

    pub(crate) fn pop(&mut self) -> Option<Slab> {
        let slab = self.0?;
        self.0 = slab.next();
        Some(slab)
    }
}
