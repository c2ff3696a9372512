//! [`Table`]: which pages there are, of which files, in which state. Under one lock, held for memory work alone.
//!
//! Invariants, which [`check`](Table::check) walks: a page of a file is in the index once, and in the list of its file that
//! its state says; no page lies behind the end of its file; the counters are sums; no more pages than the limit wait to be written.

use core::ops::Range;
use core::time::Duration;

use alloc::vec::Vec;
use hashbrown::HashTable;
use heapless::Vec as Few;
use heapless::binary_heap::{BinaryHeap, Max};

use super::file::{File, Times};
use super::page::{PAGE, Page, State};
use super::policy::Clock;
use crate::attr::Timestamp;
use crate::config::Config;
use crate::error::NoMemory;
use crate::stats::CacheStats;
use crate::tree::slots::{NONE, Slots};

/// Pages that one look at a file finds to be written.
pub(super) const BATCH: usize = 64;

/// Everything under the lock.
#[derive(Debug)]
pub(super) struct Table {
    pages: Slots<Page>,
    index: HashTable<u32>,
    key: u64,
    files: Vec<File>,
    /// The files that are to be written, the oldest change first.
    oldest: u32,
    newest: u32,
    clock: Clock,
    pub(super) stats: CacheStats,
    /// The most pages, and files, that may wait to be written.
    limit: u32,
    file_limit: u32,
    /// As [`Vfs::tick`](crate::Vfs::tick) said last.
    pub(super) now: Duration,
    /// When everything is synced next.
    pub(super) next_sync: Duration,
}

const fn offset_of(index: u64) -> u64 {
    index.saturating_mul(PAGE as u64)
}

/// Which list of its file has a page: 0 the clean one, 1 the other.
const fn list_of(state: State) -> Option<usize> {
    match state {
        State::Clean => Some(0),
        State::Dirty | State::Writeback => Some(1),
        State::Uninit | State::Detached => None,
    }
}

impl Table {
    pub(super) fn new(config: &Config, inodes: usize) -> Result<Self, NoMemory> {
        let pages = config.cache_pages();
        let mut files = Vec::new();
        let mut index = HashTable::new();
        if pages > 0 {
            files.try_reserve_exact(inodes)?;
            files.extend((0..inodes).map(|_| File::new()));
            index.try_reserve(pages as usize * 2, |_| 0)?;
        }
        Ok(Self {
            pages: Slots::new(pages)?,
            index,
            key: config.hash_key,
            files,
            oldest: NONE,
            newest: NONE,
            clock: Clock::default(),
            stats: CacheStats::default(),
            limit: config.dirty_pages(),
            file_limit: config.dirty_files(),
            now: Duration::ZERO,
            next_sync: config.sync_interval,
        })
    }

    // Files.

    #[expect(clippy::indexing_slicing, reason = "there is one for each slot of the table of inodes")]
    pub(super) fn file(&self, inode: u32) -> &File {
        &self.files[inode as usize]
    }

    #[expect(clippy::indexing_slicing, reason = "there is one for each slot of the table of inodes")]
    pub(super) fn file_mut(&mut self, inode: u32) -> &mut File {
        &mut self.files[inode as usize]
    }

    /// Whether `pages` more pages of a file may wait to be written.
    pub(super) fn has_room(&self, inode: u32, pages: u32) -> bool {
        let more_files = self.file(inode).times.is_none() && self.stats.dirty_files >= self.file_limit;
        self.waiting().saturating_add(pages) <= self.limit && !more_files
    }

    /// Whether `pages` more pages of a new file may not wait to be written.
    pub(super) const fn is_crowded(&self, pages: u32) -> bool {
        self.waiting() + pages > self.limit || self.stats.dirty_files >= self.file_limit
    }

    /// Pages that wait to be written.
    pub(super) const fn waiting(&self) -> u32 {
        self.stats.dirty + self.stats.writeback
    }

    /// A file is written now: it has at least `size` bytes, and these times. Whether it was not to be written before.
    pub(super) fn publish(&mut self, inode: u32, fs: u32, size: u64, now: Timestamp) -> bool {
        let since = self.now;
        let file = self.file_mut(inode);
        file.size = Some(file.size.unwrap_or(0).max(size));
        let first = file.times.is_none();
        let changed = file.times.map_or(now, |times| times.changed.max(now));
        file.times = Some(Times { modified: now, changed });
        if first {
            (file.fs, file.since, file.cursor) = (fs, since, 0);
            self.enqueue(inode);
            self.stats.dirty_files += 1;
        }
        first
    }

    /// The file system has everything of a file.
    pub(super) fn settle(&mut self, inode: u32) {
        if self.file_mut(inode).times.take().is_some() {
            self.dequeue(inode);
            self.stats.dirty_files -= 1;
        }
        let file = self.file_mut(inode);
        file.settled = file.settled.wrapping_add(1);
    }

    /// Whoever waits in front of a file is written before it.
    pub(super) fn postpone(&mut self, inode: u32) {
        let now = self.now;
        let file = self.file_mut(inode);
        (file.since, file.cursor) = (now, 0);
        if file.times.is_some() {
            self.dequeue(inode);
            self.enqueue(inode);
        }
    }

    /// The file whose change is oldest, and since when.
    pub(super) fn oldest(&self) -> Option<(u32, Duration)> {
        (self.oldest != NONE).then(|| (self.oldest, self.file(self.oldest).since))
    }

    /// The first file from slot `from` on that is to be written, of one file system or of any.
    pub(super) fn next_dirty_file(&self, from: u32, fs: Option<u32>) -> Option<u32> {
        let wanted = |file: &File| file.times.is_some() && fs.is_none_or(|fs| fs == file.fs);
        let mut rest = (0..).zip(&self.files).skip(from as usize);
        rest.find(|(_, file)| wanted(file)).map(|(inode, _)| inode)
    }

    fn enqueue(&mut self, inode: u32) {
        let last = core::mem::replace(&mut self.newest, inode);
        let file = self.file_mut(inode);
        (file.previous, file.next) = (last, NONE);
        if last == NONE {
            self.oldest = inode;
        } else {
            self.file_mut(last).next = inode;
        }
    }

    fn dequeue(&mut self, inode: u32) {
        let File { previous, next, .. } = *self.file(inode);
        if previous == NONE {
            self.oldest = next;
        } else {
            self.file_mut(previous).next = next;
        }
        if next == NONE {
            self.newest = previous;
        } else {
            self.file_mut(next).previous = previous;
        }
    }

    // Pages.

    pub(super) fn page(&self, slot: u32) -> &Page {
        self.pages.at(slot)
    }

    pub(super) fn page_mut(&mut self, slot: u32) -> &mut Page {
        self.pages.at_mut(slot)
    }

    fn hash(key: u64, file: u32, index: u64) -> u64 {
        let spread = u64::from(file).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let product = u128::from(index ^ key) * u128::from((spread ^ key.rotate_left(32)) | 1);
        let bytes = product.to_le_bytes();
        let [low, high] = [0, 8].map(|at| {
            let half = bytes.get(at..).and_then(|half| half.first_chunk());
            half.copied().map_or(0, u64::from_le_bytes)
        });
        (low ^ high).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    /// The page of a file.
    pub(super) fn find(&self, file: u32, index: u64) -> Option<u32> {
        let hash = Self::hash(self.key, file, index);
        let same = |&slot: &u32| {
            let page = self.pages.at(slot);
            page.index == index && page.file == file
        };
        self.index.find(hash, same).copied()
    }

    /// The same for who reads it.
    pub(super) fn find_to_read(&mut self, file: u32, index: u64) -> Option<u32> {
        let slot = self.find(file, index)?;
        Clock::touch(self.pages.at_mut(slot));
        Some(slot)
    }

    /// How many pages from `first` on are not there, up to `most`.
    pub(super) fn gap(&self, file: u32, first: u64, most: u32) -> u32 {
        let missing = |&ahead: &u32| self.find(file, first + u64::from(ahead)).is_none();
        (0..most).find(|ahead| !missing(ahead)).unwrap_or(most)
    }

    /// A page that nobody uses.
    pub(super) fn take(&mut self) -> Option<u32> {
        let slot = self.pages.insert(Page::new()).ok()?;
        self.stats.uninit += 1;
        Some(slot)
    }

    /// A page that is taken from its file, with its frame.
    pub(super) fn evict(&mut self, is_idle: impl Fn(u32) -> bool) -> Option<u32> {
        let may_go = |slot: u32, page: &Page| page.state == State::Clean && page.loans == 0 && is_idle(slot);
        let slot = self.clock.victim(&mut self.pages, may_go)?;
        self.unlink(slot, State::Uninit);
        self.stats.evictions += 1;
        Some(slot)
    }

    /// Gives back a page that is of no file.
    pub(super) fn free(&mut self, slot: u32) {
        if let Some(page) = self.pages.remove(slot) {
            debug_assert!(list_of(page.state).is_none(), "a page of a file is freed");
            *self.count(page.state) -= 1;
        }
    }

    /// Lets a page that was filled be found.
    pub(super) fn insert(&mut self, slot: u32, file: u32, index: u64) {
        let page = self.pages.at_mut(slot);
        (page.file, page.index, page.touched) = (file, index, false);
        let (pages, key) = (&self.pages, self.key);
        self.index.insert_unique(Self::hash(key, file, index), slot, |&other| {
            let page = pages.at(other);
            Self::hash(key, page.file, page.index)
        });
        self.set(slot, State::Clean);
    }

    /// Takes a page from its file: nobody finds it.
    pub(super) fn unlink(&mut self, slot: u32, state: State) {
        let Page { file, index, .. } = *self.pages.at(slot);
        if let Ok(entry) = self.index.find_entry(Self::hash(self.key, file, index), |&other| other == slot) {
            entry.remove();
        }
        self.set(slot, state);
        self.pages.at_mut(slot).touched = false;
    }

    fn count(&mut self, state: State) -> &mut u32 {
        match state {
            State::Uninit => &mut self.stats.uninit,
            State::Clean => &mut self.stats.clean,
            State::Dirty => &mut self.stats.dirty,
            State::Writeback => &mut self.stats.writeback,
            State::Detached => &mut self.stats.detached,
        }
    }

    /// Changes the state of a page, its lists and counters with it.
    pub(super) fn set(&mut self, slot: u32, state: State) {
        let page = self.pages.at_mut(slot);
        let (file, old) = (page.file, core::mem::replace(&mut page.state, state));
        *self.count(old) -= 1;
        *self.count(state) += 1;
        let (from, to) = (list_of(old), list_of(state));
        if from == to {
            return;
        }
        if let Some(list) = from {
            self.leave(slot, file, list);
        }
        if let Some(list) = to {
            self.join(slot, file, list);
        }
    }

    #[expect(clippy::indexing_slicing, reason = "a list is 0 or 1")]
    fn join(&mut self, slot: u32, inode: u32, list: usize) {
        let file = self.file_mut(inode);
        file.pages += 1;
        file.dirty += u32::from(list == 1);
        let first = core::mem::replace(&mut file.lists[list], slot);
        let page = self.pages.at_mut(slot);
        (page.previous, page.next) = (NONE, first);
        if first != NONE {
            self.pages.at_mut(first).previous = slot;
        }
    }

    #[expect(clippy::indexing_slicing, reason = "a list is 0 or 1")]
    fn leave(&mut self, slot: u32, inode: u32, list: usize) {
        let Page { previous, next, .. } = *self.pages.at(slot);
        let file = self.file_mut(inode);
        file.pages -= 1;
        file.dirty -= u32::from(list == 1);
        if previous == NONE {
            file.lists[list] = next;
        } else {
            self.pages.at_mut(previous).next = next;
        }
        if next != NONE {
            self.pages.at_mut(next).previous = previous;
        }
    }

    /// Up to [`BATCH`] pages of a file that are to be written, the first from `from` on, in order.
    pub(super) fn dirty_from(&self, inode: u32, from: u64) -> Few<u64, BATCH> {
        let mut lowest: BinaryHeap<u64, Max, BATCH> = BinaryHeap::new();
        for (_, page) in self.list(inode, 1).filter(|(_, page)| page.index >= from) {
            if lowest.len() == BATCH && lowest.peek().is_some_and(|&highest| highest > page.index) {
                lowest.pop();
            }
            // Where it is full this page is behind all of them.
            let _ = lowest.push(page.index);
        }
        let mut found = lowest.into_vec();
        found.sort_unstable();
        found
    }

    /// The pages of one list of a file.
    fn list(&self, inode: u32, list: usize) -> impl Iterator<Item = (u32, &Page)> {
        let mut at = self.file(inode).lists.get(list).copied().unwrap_or(NONE);
        core::iter::from_fn(move || {
            let page = self.pages.get(at)?;
            Some((core::mem::replace(&mut at, page.next), page))
        })
    }

    /// Some pages of a file with their numbers in `range`; none when there are no more.
    pub(super) fn some_in(&self, inode: u32, range: &Range<u64>) -> Few<u32, BATCH> {
        let length = range.end.saturating_sub(range.start);
        if length < u64::from(self.file(inode).pages) {
            return range.clone().filter_map(|index| self.find(inode, index)).take(BATCH).collect();
        }
        let pages = self.list(inode, 0).chain(self.list(inode, 1));
        pages.filter(|(_, page)| range.contains(&page.index)).map(|(slot, _)| slot).take(BATCH).collect()
    }

    // Self-test.

    pub(super) fn check(&self) -> Result<(), &'static str> {
        let mut found = CacheStats::default();
        for (slot, page) in self.pages.iter() {
            match page.state {
                State::Uninit => found.uninit += 1,
                State::Clean => found.clean += 1,
                State::Dirty => found.dirty += 1,
                State::Writeback => found.writeback += 1,
                State::Detached => found.detached += 1,
            }
            self.check_page(slot, page)?;
        }
        let mut pages = 0;
        for (inode, file) in (0..).zip(&self.files) {
            found.dirty_files += u32::from(file.times.is_some());
            pages += self.check_file(inode, file)?;
        }
        let s = &self.stats;
        let counted = CacheStats { dirty_files: s.dirty_files, ..found };
        let same = (s.uninit, s.clean, s.dirty, s.writeback, s.detached)
            == (counted.uninit, counted.clean, counted.dirty, counted.writeback, counted.detached);
        if !same || found.dirty_files != s.dirty_files || pages != self.index.len() {
            return Err("pages are counted wrongly");
        }
        if self.waiting() > self.limit || s.dirty_files > self.file_limit {
            return Err("more pages wait to be written than may");
        }
        Ok(())
    }

    fn check_page(&self, slot: u32, page: &Page) -> Result<(), &'static str> {
        if list_of(page.state).is_none() {
            return if page.state == State::Detached && page.loans == 0 {
                Err("a page of no file that nobody has")
            } else {
                Ok(())
            };
        }
        if self.find(page.file, page.index) != Some(slot) {
            return Err("a page is not where it is looked for");
        }
        let file = self.file(page.file);
        if file.size.is_none_or(|size| offset_of(page.index) >= size) {
            return Err("a page behind the end of its file");
        }
        if page.is_dirty() && file.times.is_none() {
            return Err("a page to be written of a file that is not");
        }
        if page.writers > page.loans || page.writers > 0 && !page.is_dirty() {
            return Err("a page is lent more often to write than it is lent, or is clean");
        }
        Ok(())
    }

    fn check_file(&self, inode: u32, file: &File) -> Result<usize, &'static str> {
        let clean = self.list(inode, 0).filter(|(_, page)| page.file == inode && !page.is_dirty()).count();
        let dirty = self.list(inode, 1).filter(|(_, page)| page.file == inode && page.is_dirty()).count();
        if dirty != file.dirty as usize || clean + dirty != file.pages as usize {
            return Err("a file's pages are counted wrongly");
        }
        Ok(clean + dirty)
    }
}
