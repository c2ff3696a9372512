//! [`Vfs`]: the tables of one set of mounts, and the door to everything else.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use lock_api::Mutex;

use crate::cache::Cache;
use crate::config::{Config, ConfigError};
use crate::error::NoMemory;
use crate::file::lock::table::LockTable;
use crate::file::table::Opens;
use crate::file::whole::Spare;
use crate::fs::{FileSystem, SyncMode};
use crate::ports::{Env, Mappings, PageSource, SpecialOpener};
use crate::stats::Stats;
use crate::tree::inode::Going;
use crate::tree::lock::NodeLock;
use crate::tree::slots::NONE;
use crate::tree::{Chore, Tree};

/// Names, mounts and open files of one system. Lives as long as whatever it hands out: usually for ever.
pub struct Vfs<E: Env> {
    tree: Mutex<E::Lock, Tree>,
    pub(crate) node_locks: Vec<NodeLock<E>>,
    pub(crate) rename_locks: Vec<Mutex<E::Lock, ()>>,
    pub(crate) opens: Opens<E>,
    pub(crate) locks: Mutex<E::Lock, LockTable>,
    pub(crate) cache: Cache<E>,
    pub(crate) spare: Spare<E>,
    pub(crate) clock: E::Clock,
    pub(crate) special: Option<Arc<dyn SpecialOpener>>,
}

fn locks<L, T>(count: usize, lock: impl Fn() -> L) -> Result<Vec<L>, T>
where
    T: From<NoMemory>,
{
    let mut locks = Vec::new();
    locks.try_reserve_exact(count).map_err(NoMemory::from)?;
    locks.extend((0..count).map(|_| lock()));
    Ok(locks)
}

impl<E: Env> Vfs<E> {
    /// Tables as `config` says, and nothing mounted.
    ///
    /// # Errors
    /// A size out of bounds, or no memory.
    pub fn new(config: &Config, clock: E::Clock) -> Result<Self, ConfigError> {
        config.validate()?;
        let tree = Tree::new(config)?;
        let inodes = tree.inodes.capacity();
        Ok(Self {
            tree: Mutex::new(tree),
            node_locks: locks::<_, ConfigError>(inodes, NodeLock::default)?,
            rename_locks: locks::<_, ConfigError>(config.mounts as usize, || Mutex::new(()))?,
            opens: Opens::new(config.files)?,
            locks: Mutex::new(LockTable::new(config.locks, config.lock_waiters)?),
            cache: Cache::new(config, inodes)?,
            spare: Spare::new()?,
            clock,
            special: None,
        })
    }

    /// The same with somebody behind pipes, sockets and devices.
    #[must_use]
    pub fn with_special(mut self, opener: Arc<dyn SpecialOpener>) -> Self {
        self.special = Some(opener);
        self
    }

    /// The same with frames for its page cache; without them its pages are of the heap, and have no numbers.
    #[must_use]
    pub fn with_pages(mut self, source: Arc<dyn PageSource>) -> Self {
        self.cache.set_source(source);
        self
    }

    /// The same with somebody who maps files.
    #[must_use]
    pub fn with_mappings(mut self, mappings: Arc<dyn Mappings>) -> Self {
        self.cache.set_mappings(mappings);
        self
    }

    /// Looks at or changes the tree, then does what that left to do with drivers. Any lock but a table's may be held.
    pub(crate) fn tree<R>(&self, work: impl FnOnce(&mut Tree) -> R) -> R {
        let (result, mut chore) = {
            let mut tree = self.tree.lock();
            let result = work(&mut tree);
            (result, if tree.is_idle() { None } else { tree.next_chore() })
        };
        while let Some(next) = chore {
            match next {
                Chore::Forget(fs, going) => {
                    self.forget_pages(&*fs, &going);
                    fs.forget(going.ino, going.uses);
                }
                Chore::Flush(node) => {
                    self.flush_last(&node);
                    self.tree_only(|tree| tree.release_dirty(node.inode));
                }
                // There is nobody left to tell: `unmount` has synced before and told its caller.
                Chore::Close(fs) => drop(fs.sync(SyncMode::All)),
            }
            chore = self.tree.lock().next_chore();
        }
        result
    }

    /// What is kept about a file that is gone, then its slot.
    fn forget_pages(&self, fs: &dyn FileSystem, going: &Going) {
        if going.slot == NONE {
            return;
        }
        if self.cache.forget(going.slot) {
            let _ = fs.files().reserve(going.ino, 0, 0);
        }
        self.set_stamped(going.slot, 0);
        self.tree_only(|tree| tree.free_inode(going));
    }

    /// Looks at or changes the tree, and leaves what is left to do with drivers to the next [`tree`](Self::tree).
    pub(crate) fn tree_only<R>(&self, work: impl FnOnce(&mut Tree) -> R) -> R {
        work(&mut self.tree.lock())
    }

    /// What it did and what is in its tables.
    pub fn stats(&self) -> Stats {
        let file_locks = self.locks.lock().live();
        let (files, cache) = (self.opens.live(), self.cache.stats());
        let files_streamed = self.spare.streamed();
        self.tree(|tree| Stats {
            dentries: tree.dentries.live(),
            name_bytes: tree.dentries.heap(),
            mounts: tree.mounts.live(),
            open_files: files,
            file_locks,
            walks_cached: tree.hits,
            walks_asked: tree.misses,
            evictions: tree.evictions,
            files_streamed,
            cache,
        })
    }

    /// Lets unused names go, oldest first, until `keep` are left; returns how many went. For when memory is short.
    pub fn shrink(&self, keep: u32) -> u32 {
        self.tree(|tree| tree.shrink(keep))
    }

    /// Writes everything that was changed.
    ///
    /// # Errors
    /// The first error of a file system; the others are synced all the same.
    pub fn sync(&self) -> Result<(), crate::FsError> {
        let written = self.flush_files(None);
        written.and(self.sync_drivers())
    }

    /// Walks every invariant. For tests: takes time quadratic in what is open.
    ///
    /// # Errors
    /// The one that does not hold.
    pub fn check(&self) -> Result<(), &'static str> {
        self.tree(|tree| tree.check())?;
        self.opens.check()?;
        self.locks.lock().check()?;
        self.cache.check()
    }
}

impl<E: Env> fmt::Debug for Vfs<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vfs").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
