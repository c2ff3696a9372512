//! What a check needs of a [`Volume`] that may be damaged.

use lock_api::{RawRwLock, RwLock};

use super::super::block::Block;
use super::super::disk::Disk;
use super::super::key::Key;
use super::super::layout::GROUP_BLOCKS;
use super::super::space::{Home, Space};
use super::super::superblock::{Superblock, digest};
use super::super::tree::{Blocked, Tree};
use super::mount::load_tables;
use super::{Budget, State, Volume, Writer};
use crate::block::BlockDevice;
use crate::error::FsError;

impl<D: BlockDevice, R: RawRwLock> Volume<D, R> {
    /// Opens the generation of `superblock`, whatever its tree and its bitmaps are like, and changes nothing. Whether its table
    /// of groups was good; without it all blocks count as free.
    pub(in crate::fs::kosfs) fn open_damaged(
        disk: Disk<D>,
        superblock: Superblock,
        budget: Budget,
    ) -> Result<(Self, bool), FsError> {
        let mut writer = Writer::try_new()?;
        let mut space = Space::try_new(superblock.plan)?;
        let good = match load_tables(&disk, &superblock, &mut space, &mut writer.scratch) {
            Ok(()) => digest(space.tables()) == superblock.tables,
            Err(FsError::Corrupt { .. }) => false,
            Err(error) => return Err(error),
        };
        if good {
            space.rewrite_stale();
        } else {
            space = Space::try_new(superblock.plan)?;
        }
        let state = State::new(Tree::open(superblock.root, superblock.level)?, space, superblock);
        let (writer, state) = (RwLock::new(writer), RwLock::new(state));
        Ok((Self { disk, writer, state, id: superblock.volume, read_only: false, budget }, good))
    }

    /// Where the bitmap of `group` stands.
    pub(in crate::fs::kosfs) fn home(&self, group: u64) -> Option<Home> {
        self.state.read().space.home(group)
    }

    /// Blocks that are free in `group`.
    pub(in crate::fs::kosfs) fn free_in(&self, group: u64) -> u32 {
        self.state.read().space.free_in(group * GROUP_BLOCKS)
    }

    /// Puts `bits`, counted from the tree, in the place of a bitmap.
    pub(in crate::fs::kosfs) fn replace_bitmap(&self, group: u64, bits: Block) -> Result<(), FsError> {
        self.state.write().space.replace(group, bits)
    }

    /// Takes the node at `level` on the way to `key` out of the tree, with all that is below.
    pub(in crate::fs::kosfs) fn drop_node(&self, key: Key, level: u8) -> Result<(), FsError> {
        loop {
            let mut state = self.state.write();
            let miss = match state.tree.drop_child(key, level) {
                Ok(()) => return Ok(()),
                Err(Blocked::Fs(error)) => return Err(error),
                Err(Blocked::Miss(miss)) => miss,
            };
            let generation = state.superblock.generation;
            drop(state);
            self.load(miss, generation)?;
        }
    }

    /// Sets what the next commit says of the number of files, and the number of the next one.
    pub(in crate::fs::kosfs) fn set_counts(&self, files: u64, next_file: u64) {
        let mut state = self.state.write();
        (state.superblock.files, state.superblock.next_file) = (files, next_file);
    }
}
