//! All nodes of a tree, read from the device one after the other: [`walk`]. No node is believed.

use alloc::vec::Vec;

use super::super::block::Block;
use super::super::disk::Disk;
use super::super::key::Key;
use super::super::layout::{BlockKind, Pointer};
use super::super::node::{LEVELS_MAX, Node};
use super::super::superblock::Superblock;
use crate::block::BlockDevice;
use crate::error::FsError;

/// A node that cannot be used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bad {
    pub(super) block: u64,
    pub(super) what: &'static str,
    /// The least key below it.
    pub(super) key: Key,
    pub(super) level: u8,
}

/// What a walk comes by.
pub(super) enum Seen<'a> {
    /// A block that a node has: where, and what leads to it.
    Node(Bad),
    Leaf(&'a Node),
    Bad(Bad),
}

/// How to walk.
#[derive(Clone, Copy)]
pub(super) struct Route<'a> {
    pub(super) superblock: &'a Superblock,
    /// Nodes to leave out, with all below.
    pub(super) without: &'a [Bad],
    /// Whether leaves are read.
    pub(super) leaves: bool,
}

struct Step {
    node: Node,
    next: usize,
    high: Option<Key>,
}

/// A node, with what its parent knows.
#[derive(Clone, Copy)]
struct Child {
    pointer: Pointer,
    level: u8,
    low: Key,
    high: Option<Key>,
}

/// Shows `each` all nodes and leaves, in the order of their keys.
///
/// # Errors
/// The device failed, no memory, or what `each` says. Damage is none.
pub(super) fn walk<D: BlockDevice>(
    disk: &Disk<D>,
    route: Route<'_>,
    each: &mut dyn FnMut(Seen<'_>) -> Result<(), FsError>,
) -> Result<(), FsError> {
    let mut steps: Vec<Step> = Vec::new();
    steps.try_reserve_exact(LEVELS_MAX)?;
    let Superblock { root, level, .. } = *route.superblock;
    let mut child = Some(Child { pointer: root, level, low: Key::LEAST, high: None });
    loop {
        if let Some(child) = child.take()
            && let Some(node) = visit(disk, route, child, each)?
        {
            steps.push(Step { node, next: 0, high: child.high });
        }
        let Some(step) = steps.last_mut() else { return Ok(()) };
        if step.next == step.node.len() {
            steps.pop();
            continue;
        }
        let branch = step.node.branch(step.next);
        step.next += 1;
        let high = if step.next < step.node.len() { Some(step.node.key(step.next)) } else { step.high };
        let level = step.node.level() - 1;
        child = Some(Child { pointer: branch.child, level, low: branch.key.into(), high });
    }
}

/// Shows one node. Returns it if it is an inner one.
fn visit<D: BlockDevice>(
    disk: &Disk<D>,
    route: Route<'_>,
    child: Child,
    each: &mut dyn FnMut(Seen<'_>) -> Result<(), FsError>,
) -> Result<Option<Node>, FsError> {
    let block = child.pointer.address.get();
    let bad = |what| Bad { block, what, key: child.low, level: child.level };
    if route.without.iter().any(|bad| (bad.block, bad.key) == (block, child.low)) {
        return Ok(None);
    }
    if usize::from(child.level) >= LEVELS_MAX || !route.superblock.plan.is_usable(block) {
        each(Seen::Bad(bad("it is where no node can be")))?;
        return Ok(None);
    }
    each(Seen::Node(bad("another node or file has its block")))?;
    if child.level == 0 && !route.leaves {
        return Ok(None);
    }
    let node = match read(disk, route.superblock, child) {
        Ok(node) => node,
        Err(FsError::Corrupt { what, .. }) => {
            each(Seen::Bad(bad(what)))?;
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    if child.level == 0 {
        each(Seen::Leaf(&node))?;
        return Ok(None);
    }
    Ok(Some(node))
}

fn read<D: BlockDevice>(disk: &Disk<D>, superblock: &Superblock, child: Child) -> Result<Node, FsError> {
    let mut block = Block::try_new()?;
    disk.read(child.pointer.address.get(), &mut block)?;
    block.verify_child(BlockKind::Node, child.pointer, &superblock.volume)?;
    let node = Node::parse(block, child.level)?;
    let inside = |key: Key| key >= child.low && child.high.is_none_or(|high| key < high);
    if !(0..node.len()).all(|index| inside(node.key(index))) {
        let block = child.pointer.address.get();
        return Err(FsError::Corrupt { block, what: "keys that belong elsewhere" });
    }
    Ok(node)
}
