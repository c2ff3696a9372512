//! A mounted volume without its files: [`Volume`], items that are looked up and changed, and committed.
//!
//! Two locks. `writer` is held by one change, or one commit, from its start to its end. `state` is held for work in memory and
//! never across input or output: readers share it, a change takes it for the moment in which it is applied. Order: `writer`
//! before `state`.
//!
//! Blocks for data are [staged](Volume::stage) without `writer`, also while a commit is at work: they are nobody's, and change
//! nothing that a commit writes, until the change that points to them claims them.

mod check;
mod commit;
mod mount;
mod promise;
#[cfg(test)]
mod tests;

use alloc::vec::Vec;

use lock_api::{RawRwLock, RwLock};

use self::promise::Promises;
use super::block::{Block, Expected};
use super::disk::Disk;
use super::edits::Edits;
use super::layout::{BLOCK, BlockKind};
use super::space::{Lack, Space, fresh};
use super::superblock::Superblock;
use super::tree::{Blocked, Miss, Tree};
use crate::block::BlockDevice;
use crate::error::FsError;
use crate::fs::StatFs;

pub(super) use mount::superblocks;

/// Blocks of nodes that are written in one request, at most.
const RUN: usize = 16;

/// Blocks that only changes which make room may use, so that a full volume can be emptied.
const RESERVE: u64 = 64;

/// Changed nodes with which the next change commits first: 16 MiB.
const CHANGED_MAX: usize = 4096;

/// Blocks given up with which the next change commits first: 1 MiB of numbers.
const WAITING_MAX: usize = 1 << 17;

/// Bitmaps that one change may need at once: of each block that it gives up.
const BITMAPS_MIN: usize = 256;

/// How much stays in memory while nothing is done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    /// Nodes of 4 KiB.
    pub(super) nodes: usize,
    /// Bitmaps of 8 KiB.
    pub(super) bitmaps: usize,
}

#[derive(Debug)]
struct State {
    tree: Tree,
    space: Space,
    /// The newest that is durable; `next_file` and `files` are ahead of it.
    superblock: Superblock,
    /// What went wrong in a commit. Nothing is changed from then on.
    failed: Option<FsError>,
    committing: bool,
    promises: Promises,
}

/// What a change or a commit needs for itself.
#[derive(Debug)]
struct Writer {
    scratch: Block,
    run: Vec<u8>,
    edits: Edits,
}

impl Writer {
    fn try_new() -> Result<Self, FsError> {
        let mut run = Vec::new();
        run.try_reserve_exact(RUN * BLOCK)?;
        Ok(Self { scratch: Block::try_new()?, run, edits: Edits::default() })
    }
}

/// What an operation sees while it plans its changes.
#[derive(Debug)]
pub(super) struct View<'a> {
    pub(super) tree: &'a Tree,
    /// The number that the next file gets.
    pub(super) next_file: u64,
}

#[derive(Debug)]
pub(super) struct Volume<D, R: RawRwLock> {
    disk: Disk<D>,
    writer: RwLock<R, Writer>,
    state: RwLock<R, State>,
    id: [u8; 16],
    read_only: bool,
    budget: Budget,
}

impl<D: BlockDevice, R: RawRwLock> Volume<D, R> {
    /// The newest generation that is durable, with the counts of the open one.
    pub(super) fn superblock(&self) -> Superblock {
        let state = self.state.read();
        Superblock { free: state.space.free_next(), ..state.superblock }
    }

    pub(super) const fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// Whether a commit failed: nothing is changed any more.
    pub(super) fn has_failed(&self) -> bool {
        self.state.read().failed.is_some()
    }

    /// How full the volume is. What the open generation and the one before gave up counts as free.
    pub(super) fn statfs(&self) -> StatFs {
        let state = self.state.read();
        let used = state.tree.changed() as u64 + state.promises.pages();
        let free = state.space.free_next().saturating_sub(used);
        StatFs {
            blocks: state.superblock.plan.usable(),
            free,
            available: free.saturating_sub(RESERVE),
            files: 0,
            files_free: 0,
        }
    }

    /// Looks something up. `attempt` is asked again when a node was read for which it asked.
    pub(super) fn look<T>(&self, mut attempt: impl FnMut(&Tree) -> Result<T, Blocked>) -> Result<T, FsError> {
        loop {
            let state = self.state.read();
            let miss = match attempt(&state.tree) {
                Ok(answer) => return Ok(answer),
                Err(Blocked::Fs(error)) => return Err(error),
                Err(Blocked::Miss(miss)) => miss,
            };
            let generation = state.superblock.generation;
            drop(state);
            self.load(miss, generation)?;
        }
    }

    /// Reads a node. One that was asked for in an older generation may be another by now, and is left out.
    fn load(&self, miss: Miss, generation: u64) -> Result<(), FsError> {
        let mut block = Block::try_new()?;
        self.disk.read(miss.pointer.address.get(), &mut block)?;
        let mut state = self.state.write();
        if state.superblock.generation != generation {
            return Ok(());
        }
        state.tree.supply(miss, block, &self.id)?;
        if !state.committing && state.failed.is_none() {
            state.tree.shrink(self.budget.nodes);
        }
        Ok(())
    }

    /// Reads a bitmap, unless it is there by now or stands elsewhere.
    fn load_bitmap(&self, group: u64) -> Result<(), FsError> {
        let (home, plan) = {
            let state = self.state.read();
            (state.space.home(group), state.superblock.plan)
        };
        let block = match home {
            Some(home) => {
                let mut block = Block::try_new()?;
                self.disk.read(home.address, &mut block)?;
                let expected = Expected { kind: BlockKind::Bitmap, address: home.address, volume: &self.id };
                let found = block.verify(expected).map(|header| header.checksum.get());
                let same = found == Ok(home.checksum);
                if !same && self.state.read().space.home(group) == Some(home) {
                    let other =
                        FsError::Corrupt { block: home.address, what: "a bitmap of another generation" };
                    return Err(found.err().unwrap_or(other));
                }
                if !same {
                    return Ok(());
                }
                block
            }
            None => fresh(plan, group)?,
        };
        self.state.write().space.supply(group, home, block)
    }

    /// Changes something: `plan` looks and collects what to change, and is asked again when something was missing. All of it
    /// is changed, or nothing.
    ///
    /// # Errors
    /// What `plan` says, no space, no memory, or that the volume takes no changes.
    pub(super) fn change<T>(
        &self,
        mut plan: impl FnMut(&View<'_>, &mut Edits) -> Result<T, Blocked>,
    ) -> Result<T, FsError> {
        let mut writer = self.writer.write();
        if self.state.write().is_large(self.budget) {
            self.commit(&mut writer, false)?;
        }
        let mut full = 0;
        loop {
            let blocked = match self.try_change(&mut writer.edits, &mut plan) {
                Ok(answer) => return Ok(answer),
                Err(blocked) => blocked,
            };
            match blocked {
                Refused::Miss(miss, generation) => self.load(miss, generation)?,
                Refused::Bitmap(group) => self.load_bitmap(group)?,
                // Two commits on, what was given up can be had.
                Refused::Fs(FsError::NoSpace) if full < 2 && self.is_room_waiting() => {
                    full += 1;
                    self.commit(&mut writer, true)?;
                }
                Refused::Fs(error) => return Err(error),
            }
        }
    }

    fn try_change<T>(
        &self,
        edits: &mut Edits,
        plan: &mut impl FnMut(&View<'_>, &mut Edits) -> Result<T, Blocked>,
    ) -> Result<T, Refused> {
        let mut state = self.state.write();
        let state = &mut *state;
        if self.read_only || state.failed.is_some() {
            return Err(Refused::Fs(FsError::ReadOnly));
        }
        edits.clear();
        let generation = state.superblock.generation;
        let missing = |blocked| match blocked {
            Blocked::Miss(miss) => Refused::Miss(miss, generation),
            Blocked::Fs(error) => Refused::Fs(error),
        };
        let view = View { tree: &state.tree, next_file: state.superblock.next_file };
        let answer = plan(&view, edits).map_err(missing)?;
        let cost = state.tree.prepare(edits.keys(), edits.puts()).map_err(missing)?;
        let cost = cost + state.tree.changed() as u64;
        if state.space.free_now() < cost + state.kept_from(edits.writes_to, edits.makes_room) {
            return Err(Refused::Fs(FsError::NoSpace));
        }
        state.space.free_all(edits.freed())?;
        edits.claimed().iter().for_each(|&block| state.space.claim(block));
        state.apply(edits);
        Ok(answer)
    }

    /// Takes up to `count` blocks for data of `file` (0 for none yet), one at least, of which nobody knows until [`Edits::claim`].
    ///
    /// # Errors
    /// No space, no memory, or the device failed. None is taken then.
    pub(super) fn stage(&self, file: u64, count: usize, out: &mut Vec<u64>) -> Result<(), FsError> {
        let done = self.try_stage(file, count, out);
        if done.is_err() {
            self.unstage(out);
            out.clear();
        }
        done
    }

    fn try_stage(&self, file: u64, count: usize, out: &mut Vec<u64>) -> Result<(), FsError> {
        let mut commits = 0;
        loop {
            let lack = match self.state.write().stage(file, count, out) {
                Ok(()) => return Ok(()),
                Err(lack) => lack,
            };
            match lack {
                Lack::Bitmap(group) => self.load_bitmap(group)?,
                Lack::Fs(FsError::NoSpace) if commits < 2 && self.is_room_waiting() => {
                    commits += 1;
                    self.commit(&mut self.writer.write(), true)?;
                }
                Lack::Fs(error) => return Err(error),
            }
        }
    }

    /// Promises a file space for `pages` pages, instead of what it was promised before.
    ///
    /// # Errors
    /// No space, no memory, or that the volume takes no changes.
    pub(super) fn promise(&self, file: u64, pages: u64) -> Result<(), FsError> {
        let mut state = self.state.write();
        if pages > 0 && (self.read_only || state.failed.is_some()) {
            return Err(FsError::ReadOnly);
        }
        let owed = state.tree.changed() as u64 + RESERVE;
        let free = state.space.free_now().saturating_sub(owed);
        state.promises.set(file, pages, free)
    }

    /// Gives back blocks that were staged: no item will point to them.
    pub(super) fn unstage(&self, blocks: &[u64]) {
        let mut state = self.state.write();
        blocks.iter().for_each(|&block| state.space.untake(block));
    }

    /// Whether two commits on there is more space.
    fn is_room_waiting(&self) -> bool {
        let state = self.state.read();
        state.space.waiting() > 0 || state.tree.has_freed()
    }

    /// Bitmaps in memory.
    pub(super) fn bitmaps(&self) -> usize {
        self.state.read().space.loaded()
    }

    pub(super) fn disk(&self) -> &Disk<D> {
        &self.disk
    }

    /// Walks every invariant of what is in memory.
    ///
    /// # Errors
    /// [`FsError::Corrupt`] with what is wrong.
    pub(super) fn check(&self) -> Result<(), FsError> {
        let state = self.state.read();
        state.tree.check()?;
        state.space.check()
    }
}

/// Why a change was not made.
enum Refused {
    Miss(Miss, u64),
    Bitmap(u64),
    Fs(FsError),
}

impl From<Lack> for Refused {
    fn from(lack: Lack) -> Self {
        match lack {
            Lack::Bitmap(group) => Self::Bitmap(group),
            Lack::Fs(error) => Self::Fs(error),
        }
    }
}

impl State {
    fn new(tree: Tree, space: Space, superblock: Superblock) -> Self {
        Self { tree, space, superblock, failed: None, committing: false, promises: Promises::default() }
    }

    /// Whether so much is changed that it must be written. Lets go what was not changed.
    fn is_large(&mut self, budget: Budget) -> bool {
        self.space.shrink(budget.bitmaps);
        self.tree.changed() > CHANGED_MAX.max(budget.nodes)
            || self.space.waiting() > WAITING_MAX
            || self.space.loaded() > 2 * budget.bitmaps.max(BITMAPS_MIN / 2)
    }

    /// Takes up to `count` blocks, together with those in `out`.
    fn stage(&mut self, file: u64, count: usize, out: &mut Vec<u64>) -> Result<(), Lack> {
        if self.failed.is_some() {
            return Err(Lack::Fs(FsError::ReadOnly));
        }
        let owed = self.tree.changed() as u64 + self.kept_from(file, false);
        let room = usize::try_from(self.space.free_now().saturating_sub(owed)).unwrap_or(usize::MAX);
        let count = count.min(room.saturating_add(out.len()));
        if count == 0 { Err(Lack::Fs(FsError::NoSpace)) } else { self.space.take(count, out) }
    }

    /// Free blocks that are not there for a change that writes to `file`, or that makes room.
    fn kept_from(&self, file: u64, makes_room: bool) -> u64 {
        match makes_room {
            true => 0,
            false if self.promises.has(file) => self.promises.beside(file),
            false => RESERVE + self.promises.beside(file),
        }
    }

    fn is_changed(&self) -> bool {
        self.tree.changed() > 0 || self.tree.has_freed() || self.space.is_changed()
    }

    /// Applies what was prepared.
    fn apply(&mut self, edits: &Edits) {
        for (key, item) in edits.iter() {
            match item {
                Some(item) => self.tree.insert(key, item),
                None => _ = self.tree.remove(key),
            }
        }
        self.superblock.files = self.superblock.files.saturating_add_signed(edits.files);
        self.superblock.next_file += u64::from(edits.takes_number);
    }
}
