//! Writing back what nobody asks for: by age, by number, by file system. No thread stands behind it: [`Vfs::tick`] is called.

use core::time::Duration;

use super::flush::Extent;
use crate::error::FsError;
use crate::fs::{FsFeatures, SyncMode};
use crate::ports::Env;
use crate::tree::Node;
use crate::vfs::Vfs;

/// How often a writer writes for others before he goes on.
const ROUNDS: usize = 8;

impl<E: Env> Vfs<E> {
    /// Does what is due of writing back, in a bounded step, and returns when to call again: `now` itself, if there is more to do.
    /// `now` counts from any moment, and never goes back.
    ///
    /// Changes are written when they are [`Config::dirty_expire`](crate::Config::dirty_expire) old, the oldest first, or when
    /// more than [`Config::dirty_background`](crate::Config::dirty_background) wait. Each
    /// [`Config::sync_interval`](crate::Config::sync_interval), what the file systems were told becomes durable. What fails is tried again when it is as old
    /// once more; who has the file open is told by [`OpenFile::sync`](crate::OpenFile::sync).
    pub fn tick(&self, now: Duration) -> Duration {
        let (oldest, waiting, next_sync) = {
            let mut table = self.cache.table.lock();
            table.now = table.now.max(now);
            (table.oldest(), table.waiting(), table.next_sync)
        };
        if next_sync <= now {
            self.cache.table.lock().next_sync = now.saturating_add(self.cache.interval);
            // Who needs to know asks for it himself.
            let _ = self.sync_drivers();
            return now;
        }
        let Some((inode, since)) = oldest else { return next_sync };
        let due = since.saturating_add(self.cache.expire);
        if due > now && waiting <= self.cache.background {
            return due.min(next_sync);
        }
        let _ = self.flush_inode(inode, Extent::Batch);
        let left = self.cache.table.lock().waiting();
        // What cannot be written, or is at once changed again by who has mapped it, waits for its turn.
        if left < waiting { now } else { next_sync }
    }

    /// Frees up to `count` pages of the cache that need not be written; returns how many. For when memory is short.
    pub fn shrink_pages(&self, count: usize) -> usize {
        self.cache.shrink(count)
    }

    /// A writer who holds no lock writes for others while as much waits as may.
    pub(crate) fn balance(&self) {
        for _ in 0..ROUNDS {
            let oldest = {
                let table = self.cache.table.lock();
                table.oldest().filter(|_| table.is_crowded(self.cache.window))
            };
            let Some((inode, _)) = oldest else { return };
            if self.flush_inode(inode, Extent::Batch).is_err() {
                return;
            }
        }
    }

    /// Writes back every file, of one file system or of all.
    ///
    /// # Errors
    /// The first one; the others are written all the same.
    pub(crate) fn flush_files(&self, fs: Option<u32>) -> Result<(), FsError> {
        let mut result = Ok(());
        let mut next = 0;
        loop {
            let found = self.cache.table.lock().next_dirty_file(next, fs);
            let Some(inode) = found else { return result };
            result = result.and(self.flush_inode(inode, Extent::All));
            next = inode + 1;
        }
    }

    /// Makes durable what the drivers have.
    pub(crate) fn sync_drivers(&self) -> Result<(), FsError> {
        let mut result = Ok(());
        let mut next = 0;
        while let Some((index, fs)) = self.tree(|tree| tree.super_from(next)) {
            let idle = FsFeatures::RESIDENT | FsFeatures::READ_ONLY;
            if !fs.info().features.intersects(idle) {
                result = result.and(fs.sync(SyncMode::All));
            }
            next = index + 1;
        }
        result
    }

    /// Writes back a file, if it is still to be written. The caller holds no lock.
    fn flush_inode(&self, inode: u32, extent: Extent) -> Result<(), FsError> {
        let Some(node) = self.tree_only(|tree| tree.hold_dirty(inode)) else { return Ok(()) };
        let result = {
            let _file = self.exclude(inode);
            self.flush_extent(&node, extent)
        };
        self.tree(|tree| tree.release_dirty(inode));
        result
    }

    /// Writes back a held file of a file system that no mount shows any more. What fails is lost: there is nobody left to tell.
    pub(crate) fn flush_last(&self, node: &Node) {
        let _file = self.exclude(node.inode);
        if self.flush(node).is_err() {
            if self.cache.forget(node.inode) {
                let _ = node.fs.files().reserve(node.ino, 0, 0);
            }
            self.tree_only(|tree| tree.inodes.settle(node.inode));
        }
    }
}
