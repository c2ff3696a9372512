//! A mounted volume without its files: [`Volume`], items that are looked up and changed, and committed.
//!
//! Two locks. `writer` is held by one change, or one commit, from its start to its end. `state` is held for work in memory and
//! never across input or output: readers share it, a change takes it for the moment in which it is applied. Order: `writer`
//! before `state`.

use alloc::vec::Vec;

use lock_api::{RawRwLock, RwLock};

use super::block::{Block, Expected};
use super::disk::Disk;
use super::edits::Edits;
use super::layout::{BLOCK, BlockKind, Pointer};
use super::plan::{HOMES, Plan};
use super::space::{Lack, Space};
use super::superblock::{MountError, Superblock, digest};
use super::tree::{Blocked, Miss, Tree};
use crate::block::{BlockDevice, DeviceFeatures, WriteMode};
use crate::error::FsError;
use crate::fs::StatFs;

/// Blocks of nodes that are written in one request, at most.
const RUN: usize = 16;

/// Blocks that only changes which make room may use, so that a full volume can be emptied.
const RESERVE: u64 = 64;

#[derive(Debug)]
struct State {
    tree: Tree,
    space: Space,
    /// The newest that is durable; `next_file` and `files` are ahead of it.
    superblock: Superblock,
    /// What went wrong in a commit. Nothing is changed from then on.
    failed: Option<FsError>,
    committing: bool,
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
    /// Nodes that may be in memory while nothing is done.
    budget: usize,
}

impl<D: BlockDevice, R: RawRwLock> Volume<D, R> {
    /// Makes a volume on `device`: what was there is lost.
    ///
    /// # Errors
    /// A device that is too small, or fails.
    pub(super) fn make(device: D, superblock: Superblock, budget: usize) -> Result<Self, FsError> {
        let disk = Disk::new(device);
        let mut writer = Writer::try_new()?;
        for place in [Plan::superblock(0), Plan::superblock(1), superblock.plan.last()] {
            disk.write(place, writer.scratch.bytes(), WriteMode::Cached)?;
        }
        disk.flush()?;
        let place = superblock.seal(&mut writer.scratch, BlockKind::Parameters);
        disk.write(place, writer.scratch.bytes(), WriteMode::Cached)?;
        let state = State {
            tree: Tree::try_new()?,
            space: Space::try_new(superblock.plan)?,
            superblock,
            failed: None,
            committing: false,
        };
        Ok(Self {
            disk,
            writer: RwLock::new(writer),
            state: RwLock::new(state),
            id: superblock.volume,
            read_only: false,
            budget,
        })
    }

    /// Mounts the newest generation that is whole.
    ///
    /// # Errors
    /// Why the volume cannot be used.
    pub(super) fn open(device: D, read_only: bool, budget: usize) -> Result<Self, MountError> {
        let disk = Disk::new(device);
        let mut writer = Writer::try_new()?;
        let superblock = newest(&disk, &mut writer.scratch)?;
        let mut space = Space::try_new(superblock.plan)?;
        load_tables(&disk, &superblock, &mut space, &mut writer.scratch)?;
        if digest(space.tables()) != superblock.tables {
            let block = superblock.plan.table(0, 0);
            return Err(FsError::Corrupt {
                block,
                what: "the table of groups is not the one that was committed",
            }
            .into());
        }
        space.rewrite_stale();
        let device_only_reads = disk.device().geometry().features().contains(DeviceFeatures::READ_ONLY);
        let read_only = read_only || superblock.read_only || device_only_reads;
        let tree = Tree::open(superblock.root, superblock.level)?;
        let state = State { tree, space, superblock, failed: None, committing: false };
        let volume = Self {
            disk,
            writer: RwLock::new(writer),
            state: RwLock::new(state),
            id: superblock.volume,
            read_only,
            budget,
        };
        if !read_only {
            // What the last generation gave up is still part of the one before: after this it is of none.
            volume.commit_all(true)?;
        }
        Ok(volume)
    }

    /// The newest generation that is durable, with the counts of the open one.
    pub(super) fn superblock(&self) -> Superblock {
        let state = self.state.read();
        Superblock { free: state.space.free_next(), ..state.superblock }
    }

    pub(super) const fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// How full the volume is. What the open generation and the one before gave up counts as free.
    pub(super) fn statfs(&self) -> StatFs {
        let state = self.state.read();
        let free = state.space.free_next().saturating_sub(state.tree.changed() as u64);
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
            state.tree.shrink(self.budget);
        }
        Ok(())
    }

    fn load_bitmap(&self, group: u64) -> Result<(), FsError> {
        let home = self.state.read().space.bitmap_home(group);
        let block = match home {
            Some((address, checksum)) => {
                let mut block = Block::try_new()?;
                self.disk.read(address, &mut block)?;
                let expected = Expected { kind: BlockKind::Bitmap, address, volume: &self.id };
                if block.verify(expected)?.checksum.get() != checksum {
                    return Err(FsError::Corrupt { block: address, what: "a bitmap of another generation" });
                }
                Some(block)
            }
            None => None,
        };
        self.state.write().space.supply(group, block)
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
                Refused::Fs(FsError::NoSpace) if full < 2 => {
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
        state.tree.prepare(edits.keys()).map_err(missing)?;
        let cost = state.tree.cost() * edits.keys().len() as u64 + state.tree.changed() as u64;
        let reserve = if edits.makes_room { 0 } else { RESERVE };
        if state.space.free_now() < cost + reserve {
            return Err(Refused::Fs(FsError::NoSpace));
        }
        state.space.free_all(edits.freed())?;
        state.apply(edits);
        Ok(answer)
    }

    /// Takes `count` blocks for data.
    ///
    /// # Errors
    /// No space, no memory, or the device failed.
    pub(super) fn take_blocks(&self, count: usize, out: &mut Vec<u64>) -> Result<(), FsError> {
        loop {
            let mut state = self.state.write();
            let owed = state.tree.changed() as u64 + RESERVE;
            if state.space.free_now() < owed + count as u64 {
                return Err(FsError::NoSpace);
            }
            let group = match state.space.take(count, out) {
                Ok(()) => return Ok(()),
                Err(Lack::Fs(error)) => return Err(error),
                Err(Lack::Bitmap(group)) => group,
            };
            drop(state);
            self.load_bitmap(group)?;
        }
    }

    /// Gives back blocks that no item points to.
    pub(super) fn untake_blocks(&self, blocks: &[u64]) {
        let mut state = self.state.write();
        blocks.iter().for_each(|&block| state.space.untake(block));
    }

    pub(super) fn disk(&self) -> &Disk<D> {
        &self.disk
    }

    /// Makes durable what was changed before the call.
    ///
    /// # Errors
    /// No space, no memory: it can be tried again. The device failed: the volume takes no more changes.
    pub(super) fn commit_all(&self, even_unchanged: bool) -> Result<(), FsError> {
        if self.read_only {
            return Ok(());
        }
        self.commit(&mut self.writer.write(), even_unchanged)
    }

    fn commit(&self, writer: &mut Writer, even_unchanged: bool) -> Result<(), FsError> {
        let Some((written, next)) = self.begin_commit(even_unchanged)? else { return Ok(()) };
        let done = self.write_all(writer, &written, next);
        let mut state = self.state.write();
        state.committing = false;
        match done {
            Ok(durable) => {
                state.superblock = durable;
                state.space.turn();
                state.tree.shrink(self.budget);
            }
            Err(error) => state.failed = Some(error),
        }
        done.map(|_| ())
    }

    /// Gives every changed node its block. Returns these blocks and the number of the generation.
    fn begin_commit(&self, even_unchanged: bool) -> Result<Option<(Vec<u64>, u64)>, FsError> {
        let mut picked = Vec::new();
        loop {
            let mut state = self.state.write();
            if let Some(error) = state.failed {
                return Err(error);
            }
            if !even_unchanged && !state.is_changed() {
                return Ok(None);
            }
            match state.begin_commit(&self.id, &mut picked) {
                Ok(begun) => return Ok(Some(begun)),
                Err(Lack::Fs(error)) => return Err(error),
                Err(Lack::Bitmap(group)) => {
                    drop(state);
                    self.load_bitmap(group)?;
                }
            }
        }
    }

    /// Writes a generation: nodes, bitmaps and table, a flush, and then the superblock.
    fn write_all(
        &self,
        writer: &mut Writer,
        written: &[u64],
        generation: u64,
    ) -> Result<Superblock, FsError> {
        self.write_nodes(&mut writer.run, written)?;
        loop {
            let mut state = self.state.write();
            let Some((address, bytes)) = state.space.seal_bitmap(&self.id, generation) else { break };
            writer.scratch.bytes_mut().copy_from_slice(bytes);
            drop(state);
            self.disk.write(address, writer.scratch.bytes(), WriteMode::Cached)?;
        }
        loop {
            let mut state = self.state.write();
            let sealed = state.space.seal_table(&self.id, generation, &mut writer.scratch);
            drop(state);
            let Some(address) = sealed else { break };
            self.disk.write(address, writer.scratch.bytes(), WriteMode::Cached)?;
        }
        self.disk.flush()?;
        let durable = self.state.read().next_superblock(generation);
        let address = durable.seal(&mut writer.scratch, BlockKind::Super);
        self.disk.write(address, writer.scratch.bytes(), WriteMode::Through)?;
        Ok(durable)
    }

    /// Writes nodes that were sealed, neighbours in one request.
    fn write_nodes(&self, run: &mut Vec<u8>, written: &[u64]) -> Result<(), FsError> {
        let runs = written.chunk_by(|&a, &b| a.checked_add(1) == Some(b));
        for blocks in runs.flat_map(|blocks| blocks.chunks(RUN)) {
            run.clear();
            let state = self.state.read();
            for &block in blocks {
                run.extend_from_slice(state.tree.bytes(block).unwrap_or_default());
            }
            drop(state);
            if let Some(&first) = blocks.first() {
                self.disk.write(first, run, WriteMode::Cached)?;
            }
        }
        Ok(())
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

    /// Turns what was changed into blocks to write. Asked again after a bitmap was loaded, it goes on where it was.
    fn begin_commit(&mut self, volume: &[u8; 16], picked: &mut Vec<u64>) -> Result<(Vec<u64>, u64), Lack> {
        while let Some(block) = self.tree.next_freed() {
            self.space.free(block)?;
            self.tree.pop_freed();
        }
        let missing = self.tree.changed().saturating_sub(picked.len());
        self.space.take(missing, picked)?;
        picked.reverse();
        let generation = self.superblock.generation + 1;
        let mut written = Vec::new();
        let mut allocate = || picked.pop().unwrap_or_default();
        if let Err(error) = self.tree.seal(volume, generation, &mut allocate, &mut written) {
            picked.drain(..).for_each(|block| self.space.untake(block));
            return Err(Lack::Fs(error));
        }
        self.committing = true;
        Ok((written, generation))
    }

    /// The superblock of a generation whose other blocks are written.
    fn next_superblock(&self, generation: u64) -> Superblock {
        let (root, level): (Pointer, u8) = self.tree.root();
        Superblock {
            generation,
            root,
            level,
            free: self.space.free_next(),
            tables: digest(self.space.tables()),
            ..self.superblock
        }
    }
}

/// The newer superblock that is whole.
fn newest<D: BlockDevice>(disk: &Disk<D>, scratch: &mut Block) -> Result<Superblock, MountError> {
    let mut best: Option<Superblock> = None;
    let mut magic = [0; 4];
    for place in [Plan::superblock(0), Plan::superblock(1)] {
        disk.read(place, scratch)?;
        magic = scratch.header().magic;
        let found = Superblock::parse(scratch, place, disk.blocks())?;
        if let Some(found) = found.filter(|found| best.is_none_or(|best| found.generation > best.generation))
        {
            best = Some(found);
        }
    }
    best.ok_or(MountError::NotKosfs { magic })
}

/// Reads, of the homes of each block of the table, the newest that is not newer than the superblock.
fn load_tables<D: BlockDevice>(
    disk: &Disk<D>,
    superblock: &Superblock,
    space: &mut Space,
    scratch: &mut Block,
) -> Result<(), FsError> {
    for at in 0..superblock.plan.tables() {
        let mut best: Option<(u64, u8)> = None;
        let mut stale = false;
        for home in 0..HOMES {
            let address = superblock.plan.table(at, home);
            disk.read(address, scratch)?;
            let expected = Expected { kind: BlockKind::Groups, address, volume: &superblock.volume };
            let Ok(header) = scratch.verify(expected) else { continue };
            let generation = header.generation.get();
            stale |= generation > superblock.generation;
            let newer = best.is_none_or(|(best, _)| generation > best);
            if generation <= superblock.generation && newer {
                best = Some((generation, home));
            }
        }
        let address = superblock.plan.table(at, 0);
        let (_, home) =
            best.ok_or(FsError::Corrupt { block: address, what: "no home of a table block is whole" })?;
        disk.read(superblock.plan.table(at, home), scratch)?;
        space.supply_table(usize::try_from(at).unwrap_or(usize::MAX), home, scratch, stale)?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "volume_tests.rs"]
mod tests;
