//! Writing back one file, and cutting one. The file's lock is held exclusively.
//!
//! What fails is to be written again, and everybody who has the file open is told once. When the driver has all of a file it
//! has its times too, and gets its promise back.

use core::ops::Range;

use heapless::Vec as Few;

use super::page::{self, State};
use super::table::BATCH;
use super::{Cache, PAGE, length, place, start_of};
use crate::attr::{Attr, SetAttr, Timestamp};
use crate::error::FsError;
use crate::fs::Allocate;
use crate::ports::Env;
use crate::tree::Node;
use crate::tree::lock::Shared;
use crate::vfs::Vfs;

/// How much of a file to write back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// All of it.
    All,
    /// The pages before this one.
    Below(u64),
    /// About one batch, where the last one ended.
    Batch,
}

impl<E: Env> Vfs<E> {
    /// Whether something of a file waits to be written.
    pub(crate) fn is_dirty(&self, node: &Node) -> bool {
        node.cached && self.cache.table.lock().file(node.inode).times.is_some()
    }

    /// The lock of a file, shared, of which the driver has everything that was written before the call.
    ///
    /// # Errors
    /// What the driver says.
    pub(crate) fn share_stored(&self, node: &Node) -> Result<Shared<'_, E>, FsError> {
        if self.is_dirty(node) {
            let _data = self.exclude(node.inode);
            self.flush(node)?;
        }
        Ok(self.share(node.inode))
    }

    /// Writes back all of a file.
    ///
    /// # Errors
    /// What the driver says. What was not written stays to be written.
    pub(crate) fn flush(&self, node: &Node) -> Result<(), FsError> {
        self.flush_extent(node, Extent::All)
    }

    pub(super) fn flush_extent(&self, node: &Node, extent: Extent) -> Result<(), FsError> {
        if !self.is_dirty(node) {
            return Ok(());
        }
        self.keep_change_time(node);
        let result = self.write_pages(node, extent);
        let left = self.cache.table.lock().file(node.inode).dirty;
        let result = if left == 0 { result.and(self.finish(node)) } else { result };
        if left > 0 {
            self.lower_promise(node);
        }
        result.inspect_err(|&error| {
            self.cache.raise(node.inode, error);
            self.cache.table.lock().postpone(node.inode);
        })
    }

    /// Writing sets the time of change, too: what it was set to in between must not be lost.
    fn keep_change_time(&self, node: &Node) {
        let Ok(attr) = node.fs.attr(node.ino) else { return };
        if let Some(times) = &mut self.cache.table.lock().file_mut(node.inode).times {
            times.changed = times.changed.max(attr.changed);
        }
    }

    fn write_pages(&self, node: &Node, extent: Extent) -> Result<(), FsError> {
        let end = if let Extent::Below(end) = extent { end } else { u64::MAX };
        let cursor = self.cache.table.lock().file(node.inode).cursor;
        let mut from = if extent == Extent::Batch { cursor } else { 0 };
        loop {
            let mut batch = self.cache.table.lock().dirty_from(node.inode, from);
            batch.retain(|&index| index < end);
            let Some(&last) = batch.last() else {
                self.cache.table.lock().postpone(node.inode);
                return Ok(());
            };
            let runs = batch.chunk_by(|&a, &b| a + 1 == b);
            for run in runs.flat_map(|run| run.chunks(self.cache.window as usize)) {
                self.write_run(node, run)?;
            }
            from = last + 1;
            if extent == Extent::Batch {
                self.cache.table.lock().file_mut(node.inode).cursor = from;
                return Ok(());
            }
        }
    }

    /// Writes pages that are neighbours.
    fn write_run(&self, node: &Node, run: &[u64]) -> Result<(), FsError> {
        let Some(&first) = run.first() else { return Ok(()) };
        let cache = &self.cache;
        let (slots, size, now) = {
            let mut table = cache.table.lock();
            let found = run.iter().filter_map(|&index| table.find(node.inode, index));
            let slots: Few<u32, BATCH> = found.collect();
            for &slot in &slots {
                table.set(slot, State::Writeback);
            }
            let file = table.file(node.inode);
            let now = file.times.map_or(Timestamp::EPOCH, |times| times.modified);
            (slots, file.size.unwrap_or(0), now)
        };
        let bytes = start_of(first)..size.min(start_of(first) + (slots.len() * PAGE) as u64);
        let result = match page::zeroes(slots.len() * PAGE) {
            Ok(mut buffer) => cache.store(node, &slots, bytes, &mut buffer, now),
            Err(_) => cache.store(node, &slots, bytes, &mut cache.spare.lock(), now),
        };
        let mut table = cache.table.lock();
        for &slot in &slots {
            // Who has it mapped may have changed it meanwhile, and may again.
            let clean = result.is_ok() && table.page(slot).writers == 0;
            table.set(slot, if clean { State::Clean } else { State::Dirty });
        }
        if result.is_ok() {
            table.stats.written += slots.len() as u64;
        }
        result
    }

    /// The driver has all pages of a file: it gets the times, too.
    fn finish(&self, node: &Node) -> Result<(), FsError> {
        let times = self.cache.table.lock().file(node.inode).times;
        let told = match times {
            Some(times) if times.changed != times.modified => {
                let (modified, changed) = (Some(times.modified), Some(times.changed));
                node.fs.set_attr(node.ino, &SetAttr { modified, changed, ..SetAttr::default() }).map(drop)
            }
            _ => Ok(()),
        };
        self.settle(node);
        told
    }

    /// Nothing of a file waits to be written any more.
    fn settle(&self, node: &Node) {
        if !self.is_dirty(node) {
            return;
        }
        let _ = node.fs.files().reserve(node.ino, 0, 0);
        self.cache.table.lock().settle(node.inode);
        self.tree_only(|tree| tree.inodes.settle(node.inode));
    }

    /// Stores attributes, and those that the cache knows better with it.
    pub(crate) fn set_attr(&self, node: &Node, set: &SetAttr) -> Result<Attr, FsError> {
        let mut attr = node.fs.set_attr(node.ino, set)?;
        if node.cached {
            let mut table = self.cache.table.lock();
            let file = table.file_mut(node.inode);
            if let Some(times) = &mut file.times {
                times.modified = set.modified.unwrap_or(times.modified);
                times.changed = times.changed.max(attr.changed);
            }
            file.show(&mut attr);
        }
        Ok(attr)
    }

    /// Sets the size of a file.
    ///
    /// # Errors
    /// What the driver says; the size stays, and what waits to be written.
    pub(crate) fn truncate_cached(&self, node: &Node, size: u64, now: Timestamp) -> Result<Attr, FsError> {
        if !node.cached {
            return node.fs.files().truncate(node.ino, size, now);
        }
        let old = self.size_of(node)?;
        let (index, within) = place(size);
        let end = if within == 0 { index } else { index + 1 };
        self.revoke(node, end..u64::MAX);
        self.flush_extent(node, Extent::Below(end))?;
        let attr = node.fs.files().truncate(node.ino, size, now)?;
        self.cache.forget_pages(node.inode, &(end..u64::MAX));
        self.cache.zero(node.inode, size.min(old)..start_of(place(size.min(old)).0 + 1));
        self.learn_size(node, &attr);
        Ok(attr)
    }

    /// The driver has changed the size and the times, and all that it does not have is what somebody has mapped.
    fn learn_size(&self, node: &Node, attr: &Attr) {
        let left = {
            let mut table = self.cache.table.lock();
            let file = table.file_mut(node.inode);
            file.size = Some(attr.size);
            if let Some(times) = &mut file.times {
                (times.modified, times.changed) = (attr.modified, attr.changed);
            }
            file.dirty
        };
        if left == 0 {
            self.settle(node);
        } else {
            self.lower_promise(node);
        }
    }

    /// Gives a range of a file room, or takes it.
    ///
    /// # Errors
    /// What the driver says; the size stays, but some of the bytes may be zero.
    pub(crate) fn allocate_cached(
        &self,
        node: &Node,
        how: Allocate,
        range: Range<u64>,
        now: Timestamp,
    ) -> Result<Attr, FsError> {
        let allocate = || {
            let length = range.end - range.start;
            node.fs.files().allocate(node.ino, how, range.start, length, now)
        };
        if !node.cached {
            return allocate();
        }
        let clears = !matches!(how, Allocate::Grow | Allocate::KeepSize);
        let whole = range.start.div_ceil(PAGE as u64)..place(range.end).0;
        if clears && !whole.is_empty() {
            self.revoke(node, whole.clone());
        }
        self.flush(node)?;
        let attr = allocate().inspect_err(|_| {
            // Some of it may have been done.
            self.cache.forget_pages(node.inode, &(place(range.start).0..place(range.end).0 + 1));
        })?;
        if clears && !whole.is_empty() {
            self.cache.forget_pages(node.inode, &whole);
        }
        if clears {
            let first_end = start_of(place(range.start).0 + 1).min(range.end);
            self.cache.zero(node.inode, range.start..first_end);
            self.cache.zero(node.inode, start_of(place(range.end).0).max(range.start)..range.end);
        }
        self.learn_size(node, &attr);
        Ok(attr)
    }

    /// Takes pages of a file out of all mappings.
    fn revoke(&self, node: &Node, pages: Range<u64>) {
        if let Some(mappings) = &self.cache.mappings {
            let device = self.tree_only(|tree| tree.supers.at(node.fs_id).device);
            mappings.revoke(device, node.ino, pages);
        }
    }
}

impl<E: Env> Cache<E> {
    /// Stores the `bytes` of a file, which stand in the pages `slots`, by way of `buffer`.
    fn store(
        &self,
        node: &Node,
        slots: &[u32],
        bytes: Range<u64>,
        buffer: &mut [u8],
        now: Timestamp,
    ) -> Result<(), FsError> {
        let mut at = bytes.start;
        for slots in slots.chunks((buffer.len() / PAGE).max(1)) {
            for (&slot, place) in slots.iter().zip(buffer.chunks_mut(PAGE)) {
                self.frames.copy_out(slot, 0, place);
            }
            let count = length(bytes.end - at).min(slots.len() * PAGE);
            let mut rest = buffer.get(..count).unwrap_or_default();
            while !rest.is_empty() {
                let stored = node.fs.files().write_at(node.ino, at, rest, now)?;
                if stored == 0 {
                    return Err(FsError::NoSpace);
                }
                at += stored.min(rest.len()) as u64;
                rest = rest.get(stored..).unwrap_or_default();
            }
        }
        Ok(())
    }

    /// Makes bytes of one page zero, if it is there.
    fn zero(&self, inode: u32, bytes: Range<u64>) {
        let (index, within) = place(bytes.start);
        if bytes.is_empty() {
            return;
        }
        if let Some(slot) = self.pin(inode, index) {
            const ZEROES: &[u8; PAGE] = &[0; PAGE];
            let count = length(bytes.end - bytes.start).min(PAGE - within);
            self.frames.copy_in(slot, within, ZEROES.split_at(count).0);
            self.unpin(slot);
        }
    }
}
