//! [`Tmpfs::check`]: what is counted, counted again.

use super::node::{Body, Node};
use super::{Shard, Tmpfs};
use crate::attr::FileType;
use crate::ports::Env;

impl<E: Env> Tmpfs<E> {
    /// Walks every file: pages and inodes are as many as were counted, each file has a name or is in use. For tests; nobody may
    /// change anything meanwhile.
    ///
    /// # Errors
    /// What does not hold.
    pub fn check(&self) -> Result<(), &'static str> {
        let (mut pages, mut inodes) = (0, 0);
        for shard in &self.shards {
            let shard = shard.read();
            let live = |node: &&Node| !matches!(node.body, Body::Free(_));
            for node in shard.nodes.iter().filter(live) {
                if let Body::File(bytes) = &node.body {
                    bytes.check(node.attr.size)?;
                    pages += bytes.count();
                }
                inodes += cost(node);
                if node.uses == 0 && node.attr.links == 0 {
                    return Err("a file without uses and names");
                }
            }
            free_slots(&shard)?;
        }
        match (pages == self.pages.used(), inodes == self.inodes.used()) {
            (true, true) => Ok(()),
            (false, _) => Err("pages that are not counted, or counted and not there"),
            (true, false) => Err("inodes that are not counted, or counted and not there"),
        }
    }
}

/// What a file counts as.
fn cost(node: &Node) -> usize {
    let names = if node.attr.kind == FileType::Directory { 1 } else { node.attr.links.max(1) };
    names as usize + node.xattrs.cost()
}

/// Each slot without a file is in the list of those, once.
fn free_slots(shard: &Shard) -> Result<(), &'static str> {
    let free = shard.nodes.iter().filter(|node| matches!(node.body, Body::Free(_))).count();
    let (mut listed, mut next) = (0, shard.free);
    while let Some(slot) = next {
        let Some(Node { body: Body::Free(after), .. }) = shard.nodes.get(slot) else {
            return Err("a file in the list of free slots");
        };
        (listed, next) = (listed + 1, *after);
        if listed > free {
            return Err("a free slot twice in the list");
        }
    }
    if listed == free { Ok(()) } else { Err("a free slot that is not in the list") }
}
