//! Hostile images for tests: every checksum made right again after bytes were changed.

use alloc::vec::Vec;

use super::block::{Block, Expected};
use super::disk::Disk;
use super::layout::{BlockKind, HEADER, Pointer, Super};
use super::node::{BRANCHES_MAX, LEVELS_MAX, Node};
use super::plan::Plan;
use super::superblock::MountError;
use super::volume::superblocks;
use crate::block::{BlockDevice, WriteMode};
use crate::error::FsError;

/// The superblocks and all nodes of the newest tree.
pub(crate) fn blocks_of_tree<D: BlockDevice>(device: D) -> Result<Vec<u64>, MountError> {
    let disk = Disk::new(device);
    let mut scratch = Block::try_new()?;
    let found = superblocks(&disk, &mut scratch)?;
    let mut blocks: Vec<u64> = alloc::vec![Plan::superblock(0), Plan::superblock(1)];
    let newest = found.into_iter().flatten().max_by_key(|superblock| superblock.generation);
    let Some(newest) = newest else { return Ok(blocks) };
    let mut rest = alloc::vec![(newest.root, newest.level)];
    while let Some((pointer, level)) = rest.pop() {
        blocks.push(pointer.address.get());
        disk.read(pointer.address.get(), &mut scratch)?;
        if level > 0 {
            let node = Node::parse(scratch.clone(), level)?;
            rest.extend((0..node.len()).map(|index| (node.branch(index).child, level - 1)));
        }
    }
    Ok(blocks)
}

/// Gives both superblocks, and every node below them, the checksum and header that they must have.
pub(crate) fn reseal<D: BlockDevice>(device: D) -> Result<(), FsError> {
    let disk = Disk::new(device);
    for place in [Plan::superblock(0), Plan::superblock(1)] {
        let mut block = Block::try_new()?;
        disk.read(place, &mut block)?;
        let Some(mut raw) = block.get::<Super>(HEADER) else { continue };
        let (volume, generation) = (block.header().volume, block.header().generation.get());
        let mut left = 200;
        raw.root = node(&disk, raw.root, raw.level, &volume, &mut left)?;
        block.put(HEADER, &raw);
        block.seal(Expected { kind: BlockKind::Super, address: place, volume: &volume }, generation);
        disk.write(place, block.bytes(), WriteMode::Cached)?;
    }
    Ok(())
}

/// Seals what `pointer` points to, at most [`LEVELS_MAX`] calls deep and `left` nodes.
fn node<D: BlockDevice>(
    disk: &Disk<D>,
    pointer: Pointer,
    level: u8,
    volume: &[u8; 16],
    left: &mut u32,
) -> Result<Pointer, FsError> {
    let address = pointer.address.get();
    if *left == 0 || usize::from(level) >= LEVELS_MAX || !(300..disk.blocks()).contains(&address) {
        return Ok(pointer);
    }
    *left -= 1;
    let mut block = Block::try_new()?;
    disk.read(address, &mut block)?;
    if level > 0
        && let Ok(mut inner) = Node::parse(block.clone(), level)
    {
        for index in 0..inner.len().min(BRANCHES_MAX) {
            let child = node(disk, inner.branch(index).child, level - 1, volume, left)?;
            inner.set_child(index, child);
        }
        block = inner.block().clone();
    }
    let generation = pointer.generation.get();
    let sealed = block.seal(Expected { kind: BlockKind::Node, address, volume }, generation);
    disk.write(address, block.bytes(), WriteMode::Cached)?;
    Ok(sealed)
}
