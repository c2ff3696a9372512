//! A tree of some hundred nodes beside a sorted `Vec`, with a summary that leaves out what it may.

use alloc::vec::Vec;

use super::{Order, Tree};
use crate::error::AttrError;
use crate::task::{Arena, Node, Nodes, Ownership, Slot, TaskIndex};

const COUNT: usize = 300;

/// By `words[0]`; of each subtree, the least `words[1]`.
#[derive(Debug)]
enum ByKey {}

impl Order for ByKey {
    type Summary = u64;

    fn before(a: &Node, b: &Node) -> bool {
        a.words[0] < b.words[0]
    }

    fn summary(node: &Node, left: Option<&Node>, right: Option<&Node>, leftmost: bool) -> u64 {
        let left = left.filter(|_| !leftmost);
        left.into_iter().chain(right).map(|node| node.words[2]).fold(node.words[1], u64::min)
    }

    fn stored(node: &Node) -> u64 {
        node.words[2]
    }

    fn store(node: &mut Node, summary: u64) {
        node.words[2] = summary;
    }
}

/// Xorshift: Marsaglia, 2003.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

struct Subject<'s> {
    key: Ownership<'s>,
    tree: Tree<ByKey>,
    /// Key, value and task of each node in the tree, in order.
    model: Vec<(u64, u64, TaskIndex)>,
    out: Vec<TaskIndex>,
}

impl<'s> Subject<'s> {
    fn new(slots: &'s mut [Slot]) -> Self {
        let (arena, mut free) = Arena::new(slots);
        let mut key = arena.queue().unwrap();
        let out = (0..arena.len())
            .map(|_| key.attach(free.take().unwrap(), |_, _| Ok::<_, AttrError>(())).unwrap())
            .collect();
        Self { key, tree: Tree::new(), model: Vec::new(), out }
    }

    fn insert(&mut self, key: u64, value: u64) {
        let Some(task) = self.out.pop() else { return };
        let n = self.key.nodes();
        n.get_mut(task).unwrap().words = [key, value, 0];
        self.tree.insert(n, task);
        let place = self.model.partition_point(|&(other, ..)| other <= key);
        self.model.insert(place, (key, value, task));
    }

    fn remove(&mut self, place: usize) {
        if place < self.model.len() {
            let (.., task) = self.model.remove(place);
            self.tree.remove(self.key.nodes(), task);
            self.out.push(task);
        }
    }

    fn check(&self, limit: u64) {
        let n: &Nodes<'_> = self.key.view();
        assert_eq!(self.tree.check(n), Ok(self.model.len()));
        assert!(self.tree.iter(n).eq(self.model.iter().map(|&(.., task)| task)));
        let found = self.tree.find_first(n, |node| node.words[2] <= limit, |node| node.words[1] <= limit);
        let expected = self.model.iter().find(|&&(_, value, _)| value <= limit);
        assert_eq!(found, expected.map(|&(.., task)| task), "the first of at most {limit}");
    }
}

#[test]
fn a_tree_is_a_sorted_list_with_a_quick_search() {
    let mut slots: Vec<Slot> = (0..COUNT).map(|_| Slot::new()).collect();
    let mut subject = Subject::new(&mut slots);
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for round in 0..20_000 {
        // Grows and shrinks by turns, so that trees of every size are seen.
        let grows = random.below(8) < if round / 1000 % 2 == 0 { 5 } else { 3 };
        let (key, value) = (random.below(200), random.below(1000));
        match random.below(4) {
            _ if grows => subject.insert(key, value),
            0 => subject.remove(0),
            1 => subject.remove(subject.model.len().saturating_sub(1)),
            _ => subject.remove(usize::try_from(random.below(COUNT as u64)).unwrap()),
        }
        subject.check(random.below(30));
    }
}

#[test]
fn a_queue_that_only_turns_stays_in_order() {
    let mut slots: Vec<Slot> = (0..COUNT).map(|_| Slot::new()).collect();
    let mut subject = Subject::new(&mut slots);
    for turn in 0..COUNT as u64 {
        subject.insert(turn, COUNT as u64 - turn);
    }
    for turn in 0..5_000 {
        subject.remove(0);
        subject.insert(COUNT as u64 + turn, turn);
        subject.check(turn % 400);
    }
}
