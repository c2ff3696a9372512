//! Writing into the cache. The file's lock is held exclusively.
//!
//! A page waits to be written when the driver has promised room for it and the table has room for it; else the bytes go through
//! to the driver, and to the pages that are there. In the step in which a page becomes dirty, the size of the file is published:
//! nobody finds a page behind the end.

use core::ops::Range;

use super::page::State;
use super::table::BATCH;
use super::{Cache, PAGE, place, start_of};
use crate::attr::Timestamp;
use crate::error::FsError;
use crate::ports::Env;
use crate::tree::Node;
use crate::vfs::Vfs;

/// A piece of one page.
struct Piece<'a> {
    index: u64,
    within: usize,
    bytes: &'a [u8],
}

impl Piece<'_> {
    const fn end(&self) -> u64 {
        start_of(self.index) + (self.within + self.bytes.len()) as u64
    }
}

impl<E: Env> Vfs<E> {
    /// Stores some of `bytes`, at least one, from byte `offset` of a file on; returns how many.
    ///
    /// # Errors
    /// What the driver says, and nothing was stored.
    pub(crate) fn write_cached(
        &self,
        node: &Node,
        offset: u64,
        bytes: &[u8],
        now: Timestamp,
    ) -> Result<usize, FsError> {
        let (first, within) = place(offset);
        let bytes = bytes.get(..bytes.len().min(self.cache.window as usize * PAGE - within)).unwrap_or(bytes);
        let end = offset + bytes.len() as u64;
        let size = self.size_of(node)?;
        if !self.promise(node, first..end.div_ceil(PAGE as u64), end.max(size))? {
            return self.write_through(node, offset, bytes, now);
        }
        let mut done = 0;
        while done < bytes.len() {
            let (index, within) = place(offset + done as u64);
            let rest = bytes.get(done..).unwrap_or_default();
            let piece = Piece { index, within, bytes: rest.split_at(rest.len().min(PAGE - within)).0 };
            match self.write_page(node, &piece, now) {
                Ok(true) => done += piece.bytes.len(),
                _ if done > 0 => break,
                other => {
                    self.lower_promise(node);
                    return match other {
                        Err(error) => Err(error),
                        _ => self.write_through(node, offset, piece.bytes, now),
                    };
                }
            }
        }
        Ok(done)
    }

    /// Gives the driver back what it promised beyond what waits to be written.
    pub(super) fn lower_promise(&self, node: &Node) {
        let (pages, end) = {
            let table = self.cache.table.lock();
            let file = table.file(node.inode);
            (file.dirty, file.size.unwrap_or(0))
        };
        // A smaller promise does not fail.
        let _ = node.fs.files().reserve(node.ino, pages.into(), if pages == 0 { 0 } else { end });
    }

    /// Sees to it that `pages` of a file may wait to be written; `end` is its size then. False: they may not.
    pub(super) fn promise(&self, node: &Node, pages: Range<u64>, end: u64) -> Result<bool, FsError> {
        let ask = || {
            let table = self.cache.table.lock();
            let file = table.file(node.inode);
            let is_new =
                |&index: &u64| table.find(node.inode, index).is_none_or(|slot| !table.page(slot).is_dirty());
            let new = pages.clone().filter(is_new).fold(0_u32, |count, _| count + 1);
            let nothing = new == 0 && file.size.is_some_and(|size| end <= size);
            (nothing, new, file.dirty, table.has_room(node.inode, new))
        };
        let (nothing, mut new, mut dirty, mut room) = ask();
        if nothing {
            return Ok(true);
        }
        if !room {
            self.flush(node)?;
            (_, new, dirty, room) = ask();
        }
        if !room {
            return Ok(false);
        }
        match node.fs.files().reserve(node.ino, u64::from(dirty + new), end) {
            Err(FsError::NoSpace) => Ok(false),
            answer => answer,
        }
    }

    /// Changes a page. False: there is no page to be had.
    fn write_page(&self, node: &Node, piece: &Piece<'_>, now: Timestamp) -> Result<bool, FsError> {
        let size = self.size_of(node)?;
        let covered = piece.within == 0 && (piece.bytes.len() == PAGE || piece.end() >= size);
        let Some(slot) = self.own_page(node, piece.index, covered)? else { return Ok(false) };
        self.cache.frames.copy_in(slot, piece.within, piece.bytes);
        self.make_dirty(node, slot, piece.index, piece.end(), now);
        self.cache.unpin(slot);
        Ok(true)
    }

    /// A pinned page is to be written, and is found from now on; the file has at least `size` bytes.
    pub(super) fn make_dirty(&self, node: &Node, slot: u32, index: u64, size: u64, now: Timestamp) {
        let now = now.truncated(node.fs.info().time_step);
        let first = {
            let mut table = self.cache.table.lock();
            let first = table.publish(node.inode, node.fs_id, size, now);
            if table.page(slot).state == State::Uninit {
                table.insert(slot, node.inode, index);
            }
            table.set(slot, State::Dirty);
            first
        };
        if first {
            self.tree_only(|tree| tree.inodes.set_dirty(node.inode));
        }
    }

    /// A page of the file with its bytes, pinned: found, or new and then the caller's to [`insert`](super::table::Table::insert).
    /// Zeroes instead of bytes that are `covered` by what comes. `None` if there is no page to be had.
    pub(super) fn own_page(&self, node: &Node, index: u64, covered: bool) -> Result<Option<u32>, FsError> {
        if let Some(slot) = self.cache.pin(node.inode, index) {
            return Ok(Some(slot));
        }
        let start = start_of(index);
        let empty = covered || start >= self.size_of(node)?;
        let Some(slot) = self.cache.take_page() else { return Ok(None) };
        let read = |bytes: &mut [u8]| {
            if empty { Ok(0) } else { node.fs.files().read_at(node.ino, start, bytes) }
        };
        match self.cache.frames.load(slot, read) {
            Ok(()) => {
                self.cache.table.lock().page_mut(slot).loans += 1;
                Ok(Some(slot))
            }
            Err(error) => {
                self.cache.drop_page(slot);
                if error == FsError::NoMemory { Ok(None) } else { Err(error) }
            }
        }
    }

    /// Stores some of `bytes`, at least one, at the driver at once, and in the pages that are there.
    pub(crate) fn write_through(
        &self,
        node: &Node,
        offset: u64,
        bytes: &[u8],
        now: Timestamp,
    ) -> Result<usize, FsError> {
        self.flush(node)?;
        self.cache.table.lock().stats.streamed += 1;
        let stored = node.fs.files().write_at(node.ino, offset, bytes, now).inspect_err(|_| {
            // Some of them may have been stored.
            let end = place(offset + bytes.len() as u64).0 + 1;
            self.cache.forget_pages(node.inode, &(place(offset).0..end));
        })?;
        let stored = stored.min(bytes.len());
        self.cache.rewrite(node.inode, offset, bytes.get(..stored).unwrap_or(bytes));
        Ok(stored)
    }
}

impl<E: Env> Cache<E> {
    /// What was stored at the driver stands in the pages that are there, too.
    fn rewrite(&self, inode: u32, offset: u64, bytes: &[u8]) {
        let mut done = 0;
        while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            let (index, within) = place(offset + done as u64);
            let piece = rest.split_at(rest.len().min(PAGE - within)).0;
            if let Some(slot) = self.pin(inode, index) {
                self.frames.copy_in(slot, within, piece);
                self.unpin(slot);
            }
            done += piece.len();
        }
        let mut table = self.table.lock();
        let file = table.file_mut(inode);
        file.size = file.size.map(|size| size.max(offset + bytes.len() as u64));
    }
}

const _: () = assert!(BATCH >= super::WINDOW as usize, "what is written at once is written back at once");
