//! The commit of a [`Volume`]: nodes, bitmaps and the table of groups, a flush, and then the superblock.
//!
//! Whoever commits holds `writer`, so that nothing that is written changes meanwhile. Blocks that are staged beside it show in no
//! count that it writes.

use alloc::vec::Vec;

use lock_api::RawRwLock;

use super::super::layout::{BlockKind, Pointer};
use super::super::space::Lack;
use super::super::superblock::{Superblock, digest};
use super::{RUN, State, Volume, Writer};
use crate::block::{BlockDevice, WriteMode};
use crate::error::FsError;

impl<D: BlockDevice, R: RawRwLock> Volume<D, R> {
    /// Makes durable what was changed before the call.
    ///
    /// # Errors
    /// No space, no memory: it can be tried again. The device failed: the volume takes no more changes.
    pub(in crate::fs::kosfs) fn commit_all(&self, even_unchanged: bool) -> Result<(), FsError> {
        if self.read_only {
            return Ok(());
        }
        self.commit(&mut self.writer.write(), even_unchanged)
    }

    pub(super) fn commit(&self, writer: &mut Writer, even_unchanged: bool) -> Result<(), FsError> {
        let Some((written, next)) = self.begin_commit(even_unchanged)? else { return Ok(()) };
        let done = self.write_all(writer, &written, next);
        let mut state = self.state.write();
        state.committing = false;
        match done {
            Ok(durable) => {
                state.superblock = durable;
                state.space.turn();
                state.tree.shrink(self.budget.nodes);
                state.space.shrink(self.budget.bitmaps);
            }
            Err(error) => state.failed = Some(error),
        }
        done.map(|_| ())
    }

    /// Gives every changed node its block. Returns these blocks and the number of the generation.
    fn begin_commit(&self, even_unchanged: bool) -> Result<Option<(Vec<u64>, u64)>, FsError> {
        let mut picked = Vec::new();
        let begun = self.try_begin(even_unchanged, &mut picked);
        self.unstage(&picked); // none, unless it failed
        begun
    }

    fn try_begin(
        &self,
        even_unchanged: bool,
        picked: &mut Vec<u64>,
    ) -> Result<Option<(Vec<u64>, u64)>, FsError> {
        loop {
            let mut state = self.state.write();
            if let Some(error) = state.failed {
                return Err(error);
            }
            if !even_unchanged && !state.is_changed() {
                return Ok(None);
            }
            match state.begin_commit(&self.id, picked) {
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
}

impl State {
    /// Turns what was changed into blocks to write. Asked again after a bitmap was loaded, it goes on where it was.
    fn begin_commit(&mut self, volume: &[u8; 16], picked: &mut Vec<u64>) -> Result<(Vec<u64>, u64), Lack> {
        while let Some(block) = self.tree.next_freed() {
            self.space.free(block)?;
            self.tree.pop_freed();
        }
        self.space.take(self.tree.changed(), picked)?;
        picked.reverse();
        let generation = self.superblock.generation + 1;
        let mut written = Vec::new();
        let mut allocate = || picked.pop().unwrap_or_default();
        self.tree.seal(volume, generation, &mut allocate, &mut written).map_err(Lack::Fs)?;
        written.iter().for_each(|&block| self.space.claim(block));
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
