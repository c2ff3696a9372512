//! The mappings of a space: cutting at the edges of a range, changing what is inside, merging equal neighbours.
//!
//! No operation here can fail: each takes at most [`VmaSet::ROOM`] mappings more than there were, and the caller has
//! reserved them. After each operation no two neighbours could be one.

use super::tree::{Room, Tree};
use super::vma::{Vma, range};
use crate::ports::{FrameSource, OutOfFrames, PhysMapper};

/// Mappings in order, no two neighbours alike.
#[derive(Debug)]
pub(crate) struct VmaSet<O> {
    tree: Tree<O>,
    /// Bytes that are mapped.
    bytes: u64,
}

impl<O: Clone + PartialEq> VmaSet<O> {
    /// Mappings that an operation may add: one cut at either edge, and what is new between them.
    pub(crate) const ROOM: usize = 3;

    /// An empty set, with this many bytes free below each mapping that grows down.
    pub(crate) const fn new(guard: u64) -> Self {
        Self { tree: Tree::new(guard), bytes: 0 }
    }

    pub(crate) const fn len(&self) -> usize {
        self.tree.len()
    }

    /// Bytes that are mapped.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Frames that the set holds.
    pub(crate) fn frames(&self) -> usize {
        self.tree.frames()
    }

    /// Makes room for one operation, or changes nothing.
    pub(crate) fn reserve<P: FrameSource + PhysMapper>(
        &mut self,
        ports: &P,
        more: usize,
    ) -> Result<(), OutOfFrames> {
        self.tree.reserve(ports, more)
    }

    /// Gives back the room that is not used.
    pub(crate) fn trim<P: FrameSource>(&mut self, ports: &P) {
        self.tree.trim(ports);
    }

    /// Forgets all mappings and gives all frames back.
    pub(crate) fn clear<P: FrameSource>(&mut self, ports: &P) {
        self.bytes = 0;
        self.tree.clear(ports);
    }

    /// The mapping that holds `at`.
    pub(crate) fn find(&self, at: u64) -> Option<&Vma<O>> {
        self.tree.find(at)
    }

    /// The first mapping that ends at or after `at`.
    pub(crate) fn at_or_after(&self, at: u64) -> Option<&Vma<O>> {
        self.tree.at_or_after(at)
    }

    /// The last mapping that ends before `at`.
    pub(crate) fn before(&self, at: u64) -> Option<&Vma<O>> {
        self.tree.at_or_before(at.checked_sub(1)?)
    }

    /// All mappings in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Vma<O>> {
        self.tree.iter()
    }

    /// The mappings that have a part in `first ..= last`, whole.
    pub(crate) fn in_range(&self, first: u64, last: u64) -> impl Iterator<Item = &Vma<O>> {
        let mut next = Some(first);
        core::iter::from_fn(move || {
            let vma = self.at_or_after(next?).filter(|vma| vma.first() <= last)?;
            next = vma.last().checked_add(1);
            Some(vma)
        })
    }

    /// The first address in `first ..= last` that no mapping holds.
    pub(crate) fn hole(&self, first: u64, last: u64) -> Option<u64> {
        let mut next = first;
        for vma in self.in_range(first, last) {
            if vma.first() > next {
                return Some(next);
            }
            next = vma.last().checked_add(1)?;
        }
        (next <= last).then_some(next)
    }

    /// The lowest free range.
    pub(crate) fn lowest_free(&self, room: Room) -> Option<u64> {
        self.tree.lowest_free(room)
    }

    /// Whether no mapping, nor the gap below one that grows down, is in the range.
    pub(crate) fn is_free(&self, first: u64, last: u64) -> bool {
        self.tree.is_free(first, last)
    }

    /// How many mappings cuts at the edges of the range add.
    pub(crate) fn cuts(&self, first: u64, last: u64) -> usize {
        let inside = |at: u64| self.find(at).is_some_and(|vma| vma.first() < at);
        usize::from(inside(first)) + usize::from(last.checked_add(1).is_some_and(inside))
    }

    /// Adds a mapping where none is, and makes it one with neighbours like it.
    pub(crate) fn add(&mut self, vma: Vma<O>) {
        let (first, last) = (vma.first(), vma.last());
        self.bytes += vma.range.bytes();
        self.tree.insert(vma);
        self.merge(first, last);
    }

    /// Takes away what is in the range, and shows each part.
    pub(crate) fn remove(&mut self, first: u64, last: u64, mut gone: impl FnMut(Vma<O>)) {
        self.cut(first, last);
        while let Some(start) = self.at_or_after(first).map(Vma::first).filter(|start| *start <= last) {
            let Some(vma) = self.tree.remove(start) else { return };
            self.bytes -= vma.range.bytes();
            gone(vma);
        }
    }

    /// Changes what is in the range, and makes neighbours one that are alike then.
    pub(crate) fn change(&mut self, first: u64, last: u64, mut change: impl FnMut(&mut Vma<O>)) {
        self.cut(first, last);
        let mut next = Some(first);
        while let Some((start, end)) =
            next.and_then(|next| self.bounds(next)).filter(|(start, _)| *start <= last)
        {
            self.tree.modify(start, &mut change);
            next = end.checked_add(1);
        }
        self.merge(first, last);
    }

    /// Makes the mapping that begins at `first` begin at `lower`; what is between is free.
    pub(crate) fn grow_down(&mut self, first: u64, lower: u64) {
        self.bytes += first - lower;
        self.tree.modify(first, |vma| vma.range = range(lower, vma.last()));
        self.merge(lower, lower);
    }

    fn bounds(&self, at: u64) -> Option<(u64, u64)> {
        self.at_or_after(at).map(|vma| (vma.first(), vma.last()))
    }

    /// Makes the edges of the range edges of mappings.
    fn cut(&mut self, first: u64, last: u64) {
        self.cut_at(first);
        if let Some(behind) = last.checked_add(1) {
            self.cut_at(behind);
        }
    }

    fn cut_at(&mut self, at: u64) {
        let Some(vma) = self.find(at).filter(|vma| vma.first() < at) else { return };
        let (first, upper) = (vma.first(), vma.part(at, vma.last()));
        self.tree.modify(first, |vma| vma.range = range(first, at - 1));
        self.tree.insert(upper);
    }

    /// Makes one of neighbours that are alike, in the range and at its edges.
    fn merge(&mut self, first: u64, last: u64) {
        let mut at = self.before(first).map_or(first, Vma::first);
        while let Some((start, end)) = self.bounds(at) {
            let Some(behind) = end.checked_add(1).filter(|behind| *behind <= last.saturating_add(1)) else {
                return;
            };
            at = behind;
            let Some(next) = self.find(behind) else { continue };
            if !self.find(start).is_some_and(|vma| vma.continues_in(next)) {
                continue;
            }
            let (next, end) = (next.first(), next.last());
            let _ = self.tree.remove(next);
            self.tree.modify(start, |vma| vma.range = range(start, end));
            at = start;
        }
    }

    /// Walks every invariant.
    pub(crate) fn is_sound(&self) -> bool {
        let merged = self.iter().zip(self.iter().skip(1)).all(|(one, next)| !one.continues_in(next));
        self.tree.is_sound() && merged && self.bytes == self.iter().map(|vma| vma.range.bytes()).sum::<u64>()
    }
}
