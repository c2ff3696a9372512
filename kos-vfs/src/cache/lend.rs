//! Pages for mappings: [`OpenFile::page_for`] lends one, which stays as long as it is lent.
//!
//! A page lent for writing counts as changed as long as it is lent: each sync writes it. So a mapped file is durable as it was at the last
//! sync. Pages that are lent are not taken away; the most that wait to be written may be lent for writing.

use core::error::Error;
use core::fmt;

use super::page::State;
use super::start_of;
use crate::attr::FileType;
use crate::errno::Errno;
use crate::error::FsError;
use crate::file::OpenFile;
use crate::ports::Env;
use crate::tree::Node;
use crate::tree::place::Place;
use crate::vfs::Vfs;

/// What a page is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// To be read.
    Read,
    /// To be changed, shared with the file.
    Write,
}

/// Why a page is not lent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LendError {
    /// It lies behind the end of the file.
    BeyondEof {
        /// Bytes of the file.
        size: u64,
    },
    /// The file is not open for that.
    BadDescriptor,
    /// No regular file, or its bytes do not pass the page cache.
    NotCached,
    /// All pages are lent, or the rest may not wait to be written.
    NoPage,
    /// What the file system said.
    Fs(FsError),
}

impl LendError {
    /// What a system call answers. The fault of a page is no call: behind the end it is `SIGBUS`.
    pub const fn errno(self) -> Errno {
        match self {
            Self::BeyondEof { .. } => Errno::ENXIO,
            Self::BadDescriptor => Errno::EACCES,
            Self::NotCached => Errno::ENODEV,
            Self::NoPage => Errno::ENOMEM,
            Self::Fs(error) => error.errno(),
        }
    }
}

impl fmt::Display for LendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BeyondEof { size } => write!(f, "a page behind the {size} bytes of the file"),
            Self::BadDescriptor => f.write_str("the file is not open for that"),
            Self::NotCached => f.write_str("the file has no pages"),
            Self::NoPage => f.write_str("no page can be lent"),
            Self::Fs(error) => write!(f, "{error}"),
        }
    }
}

impl Error for LendError {}

impl From<FsError> for LendError {
    fn from(error: FsError) -> Self {
        Self::Fs(error)
    }
}

/// A page of a file, lent until this is dropped. Keeps the file in use.
pub struct LentPage<'v, E: Env> {
    place: Place<'v, E>,
    slot: u32,
    intent: Intent,
}

impl<'v, E: Env> OpenFile<'v, E> {
    /// Lends a page of the file by number, in units of 4096 bytes. Bytes behind the end are zero when it is lent.
    ///
    /// # Errors
    /// Why not.
    pub fn page_for(&self, index: u64, intent: Intent) -> Result<LentPage<'v, E>, LendError> {
        let flags = self.flags();
        if !flags.reads() || intent == Intent::Write && !flags.writes() {
            return Err(LendError::BadDescriptor);
        }
        let node = self.place().node();
        if !node.cached || self.kind() != FileType::Regular {
            return Err(LendError::NotCached);
        }
        let vfs = self.place().vfs();
        let slot = match intent {
            Intent::Read => vfs.lend_to_read(&node, index)?,
            Intent::Write => vfs.lend_to_write(&node, index)?,
        };
        Ok(LentPage { place: self.place().clone(), slot, intent })
    }
}

impl<E: Env> Vfs<E> {
    fn within(&self, node: &Node, index: u64) -> Result<(), LendError> {
        let size = self.size_of(node)?;
        if start_of(index) < size { Ok(()) } else { Err(LendError::BeyondEof { size }) }
    }

    fn lend_to_read(&self, node: &Node, index: u64) -> Result<u32, LendError> {
        let _data = self.share(node.inode);
        self.within(node, index)?;
        let _fill = self.cache.fill_lock(node.inode).lock();
        let slot = self.own_page(node, index, false)?.ok_or(LendError::NoPage)?;
        let mut table = self.cache.table.lock();
        if table.page(slot).state == State::Uninit {
            table.insert(slot, node.inode, index);
        }
        Ok(slot)
    }

    fn lend_to_write(&self, node: &Node, index: u64) -> Result<u32, LendError> {
        self.balance();
        let _data = self.exclude(node.inode);
        self.within(node, index)?;
        let size = self.size_of(node)?;
        if !self.promise(node, index..index + 1, size)? {
            return Err(LendError::NoPage);
        }
        let owned = self.own_page(node, index, false);
        let Ok(Some(slot)) = owned else {
            self.lower_promise(node);
            return Err(owned.map_or_else(LendError::Fs, |_| LendError::NoPage));
        };
        self.make_dirty(node, slot, index, 0, self.now());
        self.cache.table.lock().page_mut(slot).writers += 1;
        Ok(slot)
    }
}

impl<E: Env> LentPage<'_, E> {
    /// The number of its frame; `None` where pages are of the heap.
    pub fn frame(&self) -> Option<u64> {
        self.place.vfs().cache.frames.number(self.slot)
    }

    /// Fills as much of `out` as there is from byte `at` of the page on; returns how much.
    pub fn read(&self, at: usize, out: &mut [u8]) -> usize {
        let count = super::PAGE.saturating_sub(at).min(out.len());
        let out = out.split_at_mut(count).0;
        self.place.vfs().cache.frames.copy_out(self.slot, at, out);
        count
    }

    /// Copies as much of `bytes` as there is room for to byte `at` of the page; returns how much: nothing, if it was lent to be
    /// read.
    pub fn write(&self, at: usize, bytes: &[u8]) -> usize {
        if self.intent == Intent::Read {
            return 0;
        }
        let count = super::PAGE.saturating_sub(at).min(bytes.len());
        self.place.vfs().cache.frames.copy_in(self.slot, at, bytes.split_at(count).0);
        count
    }
}

impl<E: Env> Drop for LentPage<'_, E> {
    fn drop(&mut self) {
        let cache = &self.place.vfs().cache;
        let mut table = cache.table.lock();
        let page = table.page_mut(self.slot);
        page.loans -= 1;
        page.writers -= u32::from(self.intent == Intent::Write);
        if page.state == State::Detached && page.loans == 0 {
            cache.frames.free(self.slot);
            table.free(self.slot);
        }
    }
}

impl<E: Env> fmt::Debug for LentPage<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LentPage { place, slot, intent } = self;
        f.debug_struct("LentPage").field("place", place).field("slot", slot).field("intent", intent).finish()
    }
}
