//! The tree on its way to the device: each changed node gets a block and its checksum.

use alloc::vec::Vec;

use super::super::block::Expected;
use super::super::layout::{BlockKind, Pointer};
use super::super::store::{Nodes, is_changed};
use super::Tree;
use crate::error::FsError;

impl Tree {
    /// Gives every changed node a block and its checksum: the tree is what the device will have, and `written` are the blocks
    /// to write, children first.
    ///
    /// # Errors
    /// No memory; nothing is changed.
    pub(in crate::fs::kosfs) fn seal(
        &mut self,
        volume: &[u8; 16],
        generation: u64,
        allocate: &mut dyn FnMut() -> u64,
        written: &mut Vec<u64>,
    ) -> Result<(), FsError> {
        written.try_reserve(self.changed())?;
        if is_changed(self.root.address.get()) {
            let mut seal = Seal { nodes: &mut self.nodes, volume, generation, allocate, written };
            self.root = seal.node(self.root);
        }
        Ok(())
    }
}

/// A commit at work.
struct Seal<'a> {
    nodes: &'a mut Nodes,
    volume: &'a [u8; 16],
    generation: u64,
    allocate: &'a mut dyn FnMut() -> u64,
    written: &'a mut Vec<u64>,
}

impl Seal<'_> {
    /// Seals what is changed below and at `pointer`, at most [`LEVELS_MAX`](super::super::node::LEVELS_MAX) calls deep.
    fn node(&mut self, pointer: Pointer) -> Pointer {
        let Some(mut node) = self.nodes.remove(pointer.address.get()) else { return pointer };
        let children = if node.level() == 0 { 0 } else { node.len() };
        for index in 0..children {
            let child = node.branch(index).child;
            if is_changed(child.address.get()) {
                node.set_child(index, self.node(child));
            }
        }
        let address = (self.allocate)();
        let expected = Expected { kind: BlockKind::Node, address, volume: self.volume };
        let sealed = node.block_mut().seal(expected, self.generation);
        self.written.push(address);
        // A place was just emptied: this one needs no memory.
        let _ = self.nodes.insert_clean(address, node);
        sealed
    }
}
