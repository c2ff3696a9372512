//! A balanced tree of mappings, each node with the largest gap below it: find and place in logarithmic time.
//!
//! An AVL tree by number: nodes lie densely in a [`FrameVec`] and name their children by index; a removed node's place
//! is taken by the last one. Recursion is as deep as the tree: 24 levels for 65 530 mappings.
//! Source: Adelson-Velsky and Landis 1962; gaps as Linux kept them in `vm_area_struct.rb_subtree_gap`.

use super::frame_vec::FrameVec;
use super::path::Path;
use super::vma::{Behaviour, Vma};
use crate::ports::{FrameSource, OutOfFrames, PhysMapper};

/// No node.
pub(super) const NIL: u32 = u32::MAX;

#[derive(Debug)]
pub(super) struct Node<O> {
    vma: Vma<O>,
    /// The lowest address of the subtree, guard gap included.
    low: u64,
    /// Its highest address.
    high: u64,
    /// The largest gap between neighbours in it.
    gap: u64,
    children: [u32; 2],
    height: u8,
}

/// Disjoint mappings in order of their addresses.
#[derive(Debug)]
pub(crate) struct Tree<O> {
    nodes: FrameVec<Node<O>>,
    pub(super) root: u32,
    /// Bytes that stay free below a mapping that grows down.
    guard: u64,
}

/// Where a free range is looked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    pub(crate) bytes: u64,
    /// A power of two; 1 asks for nothing.
    pub(crate) align: u64,
    /// Not below this address.
    pub(crate) lowest: u64,
    /// No byte above this address.
    pub(crate) highest: u64,
}

impl<O> Tree<O> {
    pub(crate) const fn new(guard: u64) -> Self {
        Self { nodes: FrameVec::new(), root: NIL, guard }
    }

    /// Number of mappings.
    pub(crate) const fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Frames that the tree holds.
    pub(crate) fn frames(&self) -> usize {
        self.nodes.frames()
    }

    /// Makes room for `more` mappings, or changes nothing.
    pub(crate) fn reserve<P: FrameSource + PhysMapper>(
        &mut self,
        ports: &P,
        more: usize,
    ) -> Result<(), OutOfFrames> {
        self.nodes.reserve(ports, more)
    }

    /// Gives back the room that is not used.
    pub(crate) fn trim<P: FrameSource>(&mut self, ports: &P) {
        self.nodes.trim(ports);
    }

    /// Forgets all mappings and gives all frames back.
    pub(crate) fn clear<P: FrameSource>(&mut self, ports: &P) {
        self.root = NIL;
        self.nodes.clear(ports);
    }

    /// The first mapping that ends at or after `at`.
    pub(crate) fn at_or_after(&self, at: u64) -> Option<&Vma<O>> {
        self.vma(self.search(|vma| vma.last() >= at, 1))
    }

    /// The last mapping that begins at or before `at`.
    pub(crate) fn at_or_before(&self, at: u64) -> Option<&Vma<O>> {
        self.vma(self.search(|vma| vma.first() <= at, 0))
    }

    /// The mapping that holds `at`.
    pub(crate) fn find(&self, at: u64) -> Option<&Vma<O>> {
        self.at_or_after(at).filter(|vma| vma.first() <= at)
    }

    /// All mappings in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Vma<O>> {
        let mut next = Some(0);
        core::iter::from_fn(move || {
            let vma = self.at_or_after(next?)?;
            next = vma.last().checked_add(1);
            Some(vma)
        })
    }

    /// Adds a mapping; none is in the way, and room for it was reserved.
    pub(crate) fn insert(&mut self, vma: Vma<O>) {
        let (first, new) = (vma.first(), self.nodes.len());
        let node = Node { vma, low: 0, high: 0, gap: 0, children: [NIL; 2], height: 1 };
        self.nodes.push(node);
        let path = self.path_to(first);
        path.link(self, index(new));
        self.renew(index(new));
        path.rebalance(self);
    }

    /// Takes away the mapping that begins at `first`.
    pub(crate) fn remove(&mut self, first: u64) -> Option<Vma<O>> {
        let mut path = self.path_to(first);
        let target = path.follow(self);
        let children = self.node(target).filter(|node| node.vma.first() == first)?.children;
        let gone = if children.contains(&NIL) { target } else { self.swap_with_next(&mut path, target) };
        let orphan = self
            .node(gone)
            .map_or(NIL, |node| node.children.into_iter().find(|child| *child != NIL).unwrap_or(NIL));
        path.link(self, orphan);
        path.rebalance(self);
        Some(self.take(gone))
    }

    /// Changes the mapping that begins at `first`; it stays between its neighbours.
    pub(crate) fn modify(&mut self, first: u64, change: impl FnOnce(&mut Vma<O>)) {
        let path = self.path_to(first);
        let target = path.follow(self);
        if let Some(node) = self.node_mut(target) {
            change(&mut node.vma);
        }
        self.renew(target);
        path.rebalance(self);
    }

    /// The lowest free range of this size.
    pub(crate) fn lowest_free(&self, room: Room) -> Option<u64> {
        let slack = room.align - 1;
        let bytes = room.bytes.checked_add(slack)?;
        let mut cursor = room.lowest;
        // Not found: behind the last mapping everything is free, unless that one holds the last byte.
        let _found = self.first_gap(self.root, &mut cursor, bytes);
        let first = cursor.checked_add(slack)? & !slack;
        let last = first.checked_add(room.bytes - 1)?;
        (last <= room.highest && self.is_free(first, last)).then_some(first)
    }

    /// Whether no mapping, nor the gap below one that grows down, is in the range.
    pub(crate) fn is_free(&self, first: u64, last: u64) -> bool {
        self.at_or_after(first).is_none_or(|vma| self.begin(vma) > last)
    }

    /// Where the space that a mapping keeps for itself begins.
    fn begin(&self, vma: &Vma<O>) -> u64 {
        let guard = if vma.behaviour.contains(Behaviour::GROWS_DOWN) { self.guard } else { 0 };
        vma.first().saturating_sub(guard)
    }

    /// Moves `cursor` to the first gap of `bytes` at or after it that is below or in this subtree; else behind the subtree.
    fn first_gap(&self, node: u32, cursor: &mut u64, bytes: u64) -> bool {
        let Some(node) = self.node(node).filter(|node| node.high >= *cursor) else { return false };
        if node.low >= *cursor {
            if node.low - *cursor >= bytes {
                return true;
            }
            if node.gap < bytes {
                *cursor = node.high.saturating_add(1);
                return false;
            }
        }
        let [left, right] = node.children;
        if self.first_gap(left, cursor, bytes) {
            return true;
        }
        if node.vma.last() >= *cursor {
            if self.begin(&node.vma).saturating_sub(*cursor) >= bytes {
                return true;
            }
            *cursor = node.vma.last().saturating_add(1);
        }
        self.first_gap(right, cursor, bytes)
    }

    /// The outermost node, towards `side`'s other end, for which `test` holds; it holds for all further on that side.
    fn search(&self, test: impl Fn(&Vma<O>) -> bool, side: usize) -> u32 {
        let (mut at, mut best) = (self.root, NIL);
        while let Some(node) = self.node(at) {
            let holds = test(&node.vma);
            if holds {
                best = at;
            }
            let [left, right] = node.children;
            at = if holds == (side == 1) { left } else { right };
        }
        best
    }

    fn vma(&self, node: u32) -> Option<&Vma<O>> {
        self.node(node).map(|node| &node.vma)
    }

    pub(super) fn node(&self, node: u32) -> Option<&Node<O>> {
        self.nodes.get(usize::try_from(node).ok()?)
    }

    fn node_mut(&mut self, node: u32) -> Option<&mut Node<O>> {
        self.nodes.get_mut(usize::try_from(node).ok()?)
    }

    fn height(&self, node: u32) -> u8 {
        self.node(node).map_or(0, |node| node.height)
    }

    /// The way from the root to where a mapping that begins at `first` is, or would be.
    fn path_to(&self, first: u64) -> Path {
        let mut path = Path::default();
        let mut at = self.root;
        while let Some(node) = self.node(at) {
            let begins = node.vma.first();
            if begins == first {
                break;
            }
            let side = usize::from(begins < first);
            path.push(at, side);
            at = child(node, side);
        }
        path
    }

    /// Exchanges a mapping with the next one, whose node has no left child; the path then leads to that node.
    fn swap_with_next(&mut self, path: &mut Path, target: u32) -> u32 {
        path.push(target, 1);
        let mut next = path.follow(self);
        while let Some(left) = self.node(next).map(|node| child(node, 0)).filter(|left| *left != NIL) {
            path.push(next, 0);
            next = left;
        }
        // The two mappings change places: what is removed then is the further one's node.
        self.with_two(target, next, |one, other| core::mem::swap(&mut one.vma, &mut other.vma));
        next
    }

    fn with_two(&mut self, one: u32, other: u32, work: impl FnOnce(&mut Node<O>, &mut Node<O>)) {
        if let (Ok(one), Ok(other)) = (usize::try_from(one), usize::try_from(other)) {
            self.nodes.with_two(one, other, work);
        }
    }

    /// Takes a node out that nothing links to; the last node takes its place.
    fn take(&mut self, gone: u32) -> Vma<O> {
        let last = index(self.nodes.len() - 1);
        if gone != last {
            let first = self.vma(last).map_or(0, Vma::first);
            self.path_to(first).link(self, gone);
            self.with_two(gone, last, core::mem::swap);
        }
        match self.nodes.pop() {
            Some(node) => node.vma,
            None => unreachable!("a node was found in a tree without nodes"),
        }
    }

    /// Sums a node up from its children.
    fn renew(&mut self, at: u32) {
        let Some(node) = self.node(at) else { return };
        let [left, right] = node.children.map(|child| self.node(child));
        let begin = self.begin(&node.vma);
        let low = left.map_or(begin, |left| left.low);
        let high = right.map_or(node.vma.last(), |right| right.high);
        let before = left.map_or(0, |left| left.gap.max(begin.saturating_sub(left.high.saturating_add(1))));
        let after = right
            .map_or(0, |right| right.gap.max(right.low.saturating_sub(node.vma.last().saturating_add(1))));
        let height = 1 + left.map_or(0, |left| left.height).max(right.map_or(0, |right| right.height));
        if let Some(node) = self.node_mut(at) {
            (node.low, node.high, node.gap, node.height) = (low, high, before.max(after), height);
        }
    }

    /// Balances a node whose children are balanced; the node that then stands there.
    pub(super) fn balance(&mut self, at: u32) -> u32 {
        self.renew(at);
        let Some([left, right]) = self.node(at).map(|node| node.children) else { return at };
        let (low, high) = (self.height(left), self.height(right));
        if low.abs_diff(high) < 2 {
            return at;
        }
        let side = usize::from(high > low);
        let heavy = if side == 1 { right } else { left };
        let outer = self.node(heavy).map_or(NIL, |node| child(node, side));
        let inner = self.node(heavy).map_or(NIL, |node| child(node, 1 - side));
        if self.height(inner) > self.height(outer) {
            let risen = self.rotate(heavy, 1 - side);
            self.set_child(at, side, risen);
        }
        self.rotate(at, side)
    }

    /// Lifts the child on this side over its parent.
    fn rotate(&mut self, at: u32, side: usize) -> u32 {
        let risen = self.node(at).map_or(NIL, |node| child(node, side));
        let inner = self.node(risen).map_or(NIL, |node| child(node, 1 - side));
        self.set_child(at, side, inner);
        self.set_child(risen, 1 - side, at);
        self.renew(at);
        self.renew(risen);
        risen
    }

    pub(super) fn set_child(&mut self, at: u32, side: usize, to: u32) {
        if let Some(place) = self.node_mut(at).and_then(|node| node.children.get_mut(side)) {
            *place = to;
        }
    }

    /// Walks every invariant: order, balance, and what each node sums up.
    pub(crate) fn is_sound(&self) -> bool {
        let sums = (0..self.len()).all(|node| self.node_is_sound(index(node)));
        let counted = self.iter().count() == self.len();
        let ordered = self.iter().zip(self.iter().skip(1)).all(|(one, next)| one.last() < next.first());
        sums && counted && ordered
    }

    fn node_is_sound(&self, at: u32) -> bool {
        let Some(node) = self.node(at) else { return false };
        let [left, right] = node.children.map(|child| self.node(child));
        let tall = |node: Option<&Node<O>>| node.map_or(0, |node| node.height);
        let begin = self.begin(&node.vma);
        let before = left.map_or(0, |left| left.gap.max(begin.saturating_sub(left.high + 1)));
        let after = right.map_or(0, |right| right.gap.max(right.low.saturating_sub(node.vma.last() + 1)));
        node.low == left.map_or(begin, |left| left.low)
            && node.high == right.map_or(node.vma.last(), |right| right.high)
            && node.gap == before.max(after)
            && tall(left).abs_diff(tall(right)) < 2
            && node.height == 1 + tall(left).max(tall(right))
    }
}

fn index(node: usize) -> u32 {
    u32::try_from(node).unwrap_or(NIL)
}

pub(super) fn child<O>(node: &Node<O>, side: usize) -> u32 {
    node.children.get(side).copied().unwrap_or(NIL)
}
