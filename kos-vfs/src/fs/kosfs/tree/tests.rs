//! The tree beside a `BTreeMap`, over a device that is a map of blocks.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;
use crate::fs::kosfs::key::ItemKind;
use crate::fs::kosfs::node::ITEM_MAX;
use crate::testing::cases;

const VOLUME: [u8; 16] = *b"a volume to test";

/// A tree, what it must hold, and its device.
struct Rig {
    tree: Tree,
    model: BTreeMap<Key, Vec<u8>>,
    device: BTreeMap<u64, Vec<u8>>,
    generation: u64,
    next: u64,
}

impl Rig {
    fn new() -> Self {
        Self {
            tree: Tree::try_new().unwrap(),
            model: BTreeMap::new(),
            device: BTreeMap::new(),
            generation: 0,
            next: 1,
        }
    }

    /// Does `attempt` until nothing is missing.
    fn with<R>(&mut self, mut attempt: impl FnMut(&mut Tree) -> Result<R, Blocked>) -> R {
        loop {
            match attempt(&mut self.tree) {
                Ok(answer) => return answer,
                Err(Blocked::Fs(error)) => panic!("{error}"),
                Err(Blocked::Miss(miss)) => {
                    let mut block = Block::try_new().unwrap();
                    block.bytes_mut().copy_from_slice(&self.device[&miss.pointer.address.get()]);
                    self.tree.supply(miss, block, &VOLUME).unwrap();
                }
            }
        }
    }

    fn commit(&mut self) {
        self.generation += 1;
        let (mut written, next) = (Vec::new(), &mut self.next);
        let mut allocate = || {
            *next += 1;
            *next
        };
        self.tree.seal(&VOLUME, self.generation, &mut allocate, &mut written).unwrap();
        for address in written {
            self.device.insert(address, self.tree.bytes(address).unwrap().to_vec());
        }
        while let Some(address) = self.tree.next_freed() {
            self.tree.pop_freed();
            assert!(self.device.remove(&address).is_some(), "{address} is freed and was not there");
        }
        assert_eq!(self.tree.changed(), 0);
        assert_eq!(self.reachable(), self.device.keys().copied().collect(), "a block leaked or is lost");
    }

    /// The blocks of the committed tree, read anew.
    fn reachable(&self) -> BTreeSet<u64> {
        let (root, level) = self.tree.root();
        let (mut found, mut rest) = (BTreeSet::new(), vec![(root, level)]);
        while let Some((pointer, level)) = rest.pop() {
            let mut block = Block::try_new().unwrap();
            block.bytes_mut().copy_from_slice(&self.device[&pointer.address.get()]);
            block.verify_child(BlockKind::Node, pointer, &VOLUME).unwrap();
            let node = Node::parse(block, level).unwrap();
            assert!(found.insert(pointer.address.get()), "two nodes point to one block");
            if level > 0 {
                rest.extend((0..node.len()).map(|index| (node.branch(index).child, level - 1)));
            }
        }
        found
    }

    fn step(&mut self, op: Op) {
        match op {
            Op::Insert(key, length) => {
                let item: Vec<u8> = (0..length).map(|at| (at ^ self.model.len()).to_le_bytes()[0]).collect();
                self.with(|tree| tree.prepare(&[key], 1));
                self.tree.insert(key, &item);
                self.model.insert(key, item);
            }
            Op::Remove(key) => {
                self.with(|tree| tree.prepare(&[key], 1));
                assert_eq!(self.tree.remove(key), self.model.remove(&key).is_some());
            }
            Op::Look(key) => {
                let found = self.with(|tree| Ok(tree.get(key)?.map(<[u8]>::to_vec)));
                assert_eq!(found, self.model.get(&key).cloned());
                let own = |found: Option<(Key, &[u8])>| found.map(|(key, item)| (key, item.to_vec()));
                let after = self.with(|tree| Ok(own(tree.at_or_after(key)?)));
                assert_eq!(after, own(self.model.range(key..).next().map(|(key, item)| (*key, &item[..]))));
                let before = self.with(|tree| Ok(own(tree.at_or_before(key)?)));
                assert_eq!(
                    before,
                    own(self.model.range(..=key).next_back().map(|(key, item)| (*key, &item[..])))
                );
            }
            Op::Commit => self.commit(),
            Op::Shrink(budget) => {
                (0..2).for_each(|_| self.tree.shrink(budget));
                assert!(self.tree.cached() <= budget.max(self.tree.changed()));
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Insert(Key, usize),
    Remove(Key),
    Look(Key),
    Commit,
    Shrink(usize),
}

fn key(number: u16) -> Key {
    let number = u64::from(number);
    Key::new(number % 5, if number.is_multiple_of(2) { ItemKind::Name } else { ItemKind::Extent }, number)
}

fn op(keys: u16) -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (0..keys, prop_oneof![4 => 0..40_usize, 2 => 40..600_usize, 1 => Just(ITEM_MAX)])
            .prop_map(|(number, length)| Op::Insert(key(number), length)),
        6 => (0..keys).prop_map(|number| Op::Remove(key(number))),
        3 => (0..keys).prop_map(|number| Op::Look(key(number))),
        1 => Just(Op::Commit),
        1 => (0..20_usize).prop_map(Op::Shrink),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(), rng_seed: RngSeed::Fixed(5), failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn it_holds_what_a_map_holds(
        ops in (10..3000_u16).prop_flat_map(|keys| prop::collection::vec(op(keys), 1..400))
    ) {
        let mut rig = Rig::new();
        for op in ops {
            rig.step(op);
            rig.tree.check().unwrap();
        }
        rig.commit();
    }
}

/// Grows to three levels and down to none again, in an order that leaves small nodes everywhere.
#[test]
fn a_tall_tree_shrinks_to_nothing() {
    let mut rig = Rig::new();
    let order: Vec<u16> = (0..20_000_u16).map(|at| at.wrapping_mul(7919) % 20_000).collect();
    for (at, &number) in order.iter().enumerate() {
        rig.step(Op::Insert(key(number), usize::from(number % 60)));
        if at % 1000 == 0 {
            rig.step(Op::Commit);
            rig.step(Op::Shrink(8));
            rig.tree.check().unwrap();
        }
    }
    assert!(rig.tree.root().1 >= 2, "the test builds no tall tree");
    for (at, &number) in order.iter().rev().enumerate() {
        rig.step(Op::Remove(key(number)));
        if at % 1000 == 0 {
            rig.tree.check().unwrap();
            rig.step(Op::Commit);
        }
    }
    rig.commit();
    assert_eq!((rig.tree.root().1, rig.model.len(), rig.device.len()), (0, 0, 1));
}

/// Large items make inner nodes of few keys; waves of growth and shrinking split and join these, too.
#[test]
fn inner_nodes_split_and_join() {
    let mut rig = Rig::new();
    let mut random = 1_u64;
    let mut next = |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    for round in 0..24_000_u32 {
        let key = key(u16::try_from(next(1500)).unwrap());
        let grows = next(10) < if round / 3000 % 2 == 0 { 8 } else { 2 };
        rig.step(if grows { Op::Insert(key, ITEM_MAX) } else { Op::Remove(key) });
        if round % 16 == 0 {
            rig.step(Op::Look(key));
            rig.tree.check().unwrap();
        }
        if round % 1000 == 0 {
            rig.commit();
        }
    }
}

/// Each bit of a node that a hostile image could turn, with a checksum that is right.
#[test]
fn no_node_is_believed_for_its_checksum() {
    let mut node = Node::try_new(0).unwrap();
    for number in 0..20_u16 {
        node.insert_item(usize::from(number), Key::new(1, ItemKind::Name, number.into()), &[7; 30]);
    }
    for at in 12..BLOCK_BYTES {
        for bit in 0..8 {
            let mut block = node.block().clone();
            block.bytes_mut()[at] ^= 1 << bit;
            let Ok(node) = Node::parse(block, 0) else { continue };
            assert!(
                node.used() <= BLOCK_BYTES
                    && (0..node.len()).all(|index| node.item(index).len() <= BLOCK_BYTES)
            );
        }
    }
}

const BLOCK_BYTES: usize = crate::fs::kosfs::layout::BLOCK;
