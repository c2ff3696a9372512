//! Nodes in memory: [`Nodes`], clean ones by their block and changed ones by a number that is no block.
//!
//! A changed node has no block before the commit, so that a generation changes it as often as it likes and writes it once.
//! Clean nodes are a cache: above `budget` those go that were not used since the hand last came by (the clock algorithm).

use core::hash::{BuildHasherDefault, Hasher};

use alloc::vec::Vec;

use hashbrown::HashMap;

use super::node::Node;
use crate::error::FsError;

/// The lowest number of a changed node. Blocks are below: a volume has less than 2^63 bytes.
const CHANGED: u64 = 1 << 63;

/// Whether `id` names a changed node.
pub(super) const fn is_changed(id: u64) -> bool {
    id >= CHANGED
}

/// Fibonacci hashing: ids are spread by the generation of blocks, and an image that is chosen to collide only slows itself.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct IdHasher(u64);

/// Builds [`IdHasher`]s.
pub(super) type IdHash = BuildHasherDefault<IdHasher>;

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u64(self.0 ^ u64::from(byte)));
    }

    fn write_u64(&mut self, id: u64) {
        self.0 = id.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

#[derive(Debug)]
struct Cached {
    node: Node,
    used: core::sync::atomic::AtomicBool,
}

/// The nodes of one tree that are in memory.
#[derive(Debug)]
pub(super) struct Nodes {
    map: HashMap<u64, Cached, IdHash>,
    /// Nodes for a change that was promised to succeed.
    spare: Vec<Node>,
    changed: usize,
    last_changed: u64,
}

impl Nodes {
    pub(super) fn new() -> Self {
        Self { map: HashMap::default(), spare: Vec::new(), changed: 0, last_changed: CHANGED }
    }

    /// How many are changed.
    pub(super) const fn changed(&self) -> usize {
        self.changed
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.map.len()
    }

    pub(super) fn get(&self, id: u64) -> Option<&Node> {
        let cached = self.map.get(&id)?;
        cached.used.store(true, core::sync::atomic::Ordering::Relaxed);
        Some(&cached.node)
    }

    /// A changed node, to be changed more.
    pub(super) fn get_mut(&mut self, id: u64) -> Option<&mut Node> {
        debug_assert!(is_changed(id), "a clean node is changed");
        Some(&mut self.map.get_mut(&id)?.node)
    }

    /// Makes room for `nodes` more, and has `spare` empty ones ready, so that what comes cannot fail.
    pub(super) fn reserve(&mut self, nodes: usize, spare: usize) -> Result<(), FsError> {
        self.map.try_reserve(nodes).map_err(|_| FsError::NoMemory)?;
        self.spare.try_reserve(spare.saturating_sub(self.spare.len()))?;
        while self.spare.len() < spare {
            self.spare.push(Node::try_new(0)?);
        }
        Ok(())
    }

    /// An empty node out of those that [`reserve`](Self::reserve) made ready.
    pub(super) fn take_spare(&mut self, level: u8) -> Option<Node> {
        let mut node = self.spare.pop()?;
        node.clear(level);
        Some(node)
    }

    /// Takes in a clean node that was read from, or is to be written to, its block.
    pub(super) fn insert_clean(&mut self, address: u64, node: Node) -> Result<(), FsError> {
        self.map.try_reserve(1).map_err(|_| FsError::NoMemory)?;
        self.map.insert(address, Cached { node, used: true.into() });
        Ok(())
    }

    /// Takes in a node as changed; returns its id. There is room for it.
    pub(super) fn insert_changed(&mut self, node: Node) -> u64 {
        self.last_changed += 1;
        self.changed += 1;
        self.map.insert(self.last_changed, Cached { node, used: true.into() });
        self.last_changed
    }

    /// Takes a node out.
    pub(super) fn remove(&mut self, id: u64) -> Option<Node> {
        let cached = self.map.remove(&id)?;
        self.changed -= usize::from(is_changed(id));
        Some(cached.node)
    }

    /// Lets clean nodes go until there are `budget`, or all are in use.
    pub(super) fn shrink(&mut self, budget: usize) {
        let mut excess = self.map.len().saturating_sub(budget);
        self.map.retain(|&id, cached| {
            let goes = excess > 0 && !is_changed(id) && !core::mem::take(cached.used.get_mut());
            excess -= usize::from(goes);
            !goes
        });
    }
}
