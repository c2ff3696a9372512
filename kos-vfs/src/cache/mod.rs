//! The page cache: bytes of files between the VFS and drivers that do not have them in memory.
//!
//! | module | holds |
//! |---|---|
//! | `table`, `file`, `page` | which pages there are, of which files, with their bytes |
//! | `policy`, `readahead`, `errseq` | what goes, what is read ahead, who is told of a lost write |
//! | `read`, `write`, `flush` | reading through the cache, writing into it, writing it back |
//! | `tick` | writing back by age, by number, and all of it |
//! | `lend` | pages for mappings |
//!
//! **Locks.** A file is read with its lock shared, and written, written back and cut with its lock held exclusively, so the state
//! of a file's pages stands still for who has it. Who reads what is missing takes the file's second lock, too: so it is read once. The lock of the table is
//! never held while a driver is called. Order: the file, its second lock, the table of the tree, the table of pages, a frame.
//!
//! **Memory.** Nobody waits for a page: who gets none reads or writes past the cache. Only clean pages are taken away, so a reader
//! never writes; as most a part of all pages may wait to be written, there are always others. Writing back needs one buffer, which is there from the start.
//!
//! **Space.** A page waits to be written only after the driver promised room for it
//! ([`FileOps::reserve`](crate::fs::FileOps::reserve)); what it does not promise is written through.

mod errseq;
mod file;
mod flush;
mod lend;
mod page;
mod policy;
mod read;
mod readahead;
mod table;
mod tick;
mod write;

use core::fmt;
use core::ops::Range;
use core::time::Duration;

use alloc::sync::Arc;
use alloc::vec::Vec;
use lock_api::Mutex;

use self::page::{Frames, State};
use self::table::Table;
use crate::config::Config;
use crate::error::{FsError, NoMemory};
use crate::ports::{Env, Mappings, PageSource};
use crate::stats::CacheStats;

pub use lend::{Intent, LendError, LentPage};
pub(crate) use page::PAGE;
pub(crate) use readahead::Readahead;

/// Pages of the largest window, and of the largest request.
const WINDOW: u32 = 32;

/// The pages of all files.
pub(crate) struct Cache<E: Env> {
    table: Mutex<E::Lock, Table>,
    frames: Frames<E>,
    /// The second lock of each file: held by who reads what is missing.
    fills: Vec<Mutex<E::Lock, ()>>,
    /// A page's worth of bytes for who gets no memory for writing back.
    spare: Mutex<E::Lock, Vec<u8>>,
    mappings: Option<Arc<dyn Mappings>>,
    /// The most pages read or written at once.
    window: u32,
    background: u32,
    interval: Duration,
    expire: Duration,
}

/// The number of the page in which a byte lies, and where in it.
#[expect(clippy::cast_possible_truncation, reason = "below the size of a page")]
const fn place(offset: u64) -> (u64, usize) {
    (offset / PAGE as u64, (offset % PAGE as u64) as usize)
}

const fn start_of(index: u64) -> u64 {
    index.saturating_mul(PAGE as u64)
}

/// How many of `bytes` bytes, as a length in memory.
fn length(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

impl<E: Env> Cache<E> {
    pub(crate) fn new(config: &Config, inodes: usize) -> Result<Self, NoMemory> {
        let pages = config.cache_pages();
        let inodes = if pages == 0 { 0 } else { inodes };
        let mut fills = Vec::new();
        fills.try_reserve_exact(inodes)?;
        fills.extend((0..inodes).map(|_| Mutex::new(())));
        Ok(Self {
            table: Mutex::new(Table::new(config, inodes)?),
            frames: Frames::new(pages)?,
            fills,
            spare: Mutex::new(page::zeroes(if pages == 0 { 0 } else { PAGE })?),
            mappings: None,
            window: WINDOW.min(pages / 4),
            background: config.background_pages(),
            interval: config.sync_interval,
            expire: config.dirty_expire,
        })
    }

    /// Pages are of `source` from now on; there are none yet.
    pub(crate) fn set_source(&mut self, source: Arc<dyn PageSource>) {
        self.frames.set_source(source);
    }

    pub(crate) fn set_mappings(&mut self, mappings: Arc<dyn Mappings>) {
        self.mappings = Some(mappings);
    }

    pub(crate) fn stats(&self) -> CacheStats {
        self.table.lock().stats
    }

    pub(crate) fn check(&self) -> Result<(), &'static str> {
        self.table.lock().check()
    }

    #[expect(clippy::indexing_slicing, reason = "there is one for each slot of the table of inodes")]
    fn fill_lock(&self, inode: u32) -> &Mutex<E::Lock, ()> {
        &self.fills[inode as usize]
    }

    /// A page of no file, with bytes; of those that nobody uses, else another's. `None` if there is neither.
    fn take_page(&self) -> Option<u32> {
        let fresh = self.table.lock().take();
        if let Some(slot) = fresh {
            if self.frames.supply(slot).is_ok() {
                return Some(slot);
            }
            self.table.lock().free(slot);
        }
        self.table.lock().evict(|slot| self.frames.is_idle(slot))
    }

    /// Gives back a page of no file.
    fn drop_page(&self, slot: u32) {
        self.frames.free(slot);
        self.table.lock().free(slot);
    }

    /// A page of a file, which stays until it is [unpinned](Self::unpin).
    fn pin(&self, inode: u32, index: u64) -> Option<u32> {
        let mut table = self.table.lock();
        let slot = table.find(inode, index)?;
        table.page_mut(slot).loans += 1;
        Some(slot)
    }

    fn unpin(&self, slot: u32) {
        self.table.lock().page_mut(slot).loans -= 1;
    }

    /// Frees up to `count` clean pages; how many.
    pub(crate) fn shrink(&self, count: usize) -> usize {
        let evict = || self.table.lock().evict(|slot| self.frames.is_idle(slot));
        let gone = core::iter::from_fn(evict).take(count);
        gone.inspect(|&slot| self.drop_page(slot)).count()
    }

    /// Pages of a file with their numbers in `pages` are no more. Nobody else uses the file, or its lock is held exclusively.
    fn forget_pages(&self, inode: u32, pages: &Range<u64>) {
        loop {
            let mut table = self.table.lock();
            let found = table.some_in(inode, pages);
            if found.is_empty() {
                return;
            }
            for &slot in &found {
                if table.page(slot).loans > 0 {
                    table.unlink(slot, State::Detached);
                    continue;
                }
                table.unlink(slot, State::Uninit);
                self.frames.free(slot);
                table.free(slot);
            }
        }
    }

    /// Forgets a file that nobody uses and nobody finds. Whether the driver has promised room to it.
    pub(crate) fn forget(&self, inode: u32) -> bool {
        if self.fills.is_empty() {
            return false;
        }
        self.forget_pages(inode, &(0..u64::MAX));
        let mut table = self.table.lock();
        let promised = table.file(inode).times.is_some();
        table.settle(inode);
        *table.file_mut(inode) = file::File::new();
        promised
    }

    // Errors.

    /// What who opens the file now has been told of lost writes.
    pub(crate) fn sample_errors(&self, inode: u32) -> u32 {
        if self.fills.is_empty() { 0 } else { self.table.lock().file(inode).errors.sample() }
    }

    /// A write that was lost since `seen`.
    pub(crate) fn tell_errors(&self, inode: u32, seen: &mut u32) -> Result<(), FsError> {
        if self.fills.is_empty() { Ok(()) } else { self.table.lock().file_mut(inode).errors.tell(seen) }
    }

    /// A write to the file was lost.
    fn raise(&self, inode: u32, error: FsError) {
        let mut table = self.table.lock();
        table.stats.failed += 1;
        table.file_mut(inode).errors.raise(error);
    }
}

impl<E: Env> fmt::Debug for Cache<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
