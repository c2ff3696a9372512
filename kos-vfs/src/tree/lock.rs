//! The order of locks. A thread that holds one takes only locks that stand below it:
//!
//! 1. position of an open file ([`file`](crate::file));
//! 2. rename lock of a file system: held by each rename, so that what lies in what stands still meanwhile; of one whose names
//!    come and go by themselves, by each removal of a directory, too;
//! 3. directories: an ancestor before what lies in it; two that are unrelated only under the rename lock, by slot. A directory
//!    that would be below itself or elsewhere, too, is refused when it is looked up (`Tree::is_elsewhere`); elsewhere it may be
//!    where names come and go by themselves;
//! 4. the files named in them, by slot (a directory among them only if it lies in a directory that is locked);
//! 5. the second lock of a file, of which pages are missing ([`cache`](crate::cache));
//! 6. tables: tree or open files, then file locks or pages, then the bytes of one. Leaves, held for memory work alone.
//!
//! Locks 1 to 5 are held across calls of the driver.

use core::cmp::Ordering as Order;
use core::sync::atomic::{AtomicU32, Ordering};

use lock_api::{MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::{Loc, Tree};
use crate::attr::Timestamp;
use crate::ports::Env;
use crate::vfs::Vfs;

/// A file, or the names of a directory, shared.
pub(crate) type Shared<'v, E> = RwLockReadGuard<'v, <E as Env>::RwLock, ()>;
/// A file, or the names of a directory, exclusively.
pub(crate) type Exclusive<'v, E> = RwLockWriteGuard<'v, <E as Env>::RwLock, ()>;

/// Two exclusive locks; one where both are the same.
pub(crate) type Pair<'v, E> = (Option<Exclusive<'v, E>>, Option<Exclusive<'v, E>>);

/// Which of two directories is locked first. Only under the rename lock of their file system.
pub(crate) fn order(tree: &Tree, first: u32, second: u32) -> Order {
    if first == second {
        Order::Equal
    } else if tree.is_below(second, first) {
        Order::Less
    } else if tree.is_below(first, second) {
        Order::Greater
    } else {
        tree.dentry(first).inode.cmp(&tree.dentry(second).inode)
    }
}

/// The lock of an inode, and up to which minute since 1970 reading it changes no time: 0 for none. That is set with the lock held
/// shared, and taken back by whoever gets it exclusively: no change of the file comes between.
pub(crate) struct NodeLock<E: Env> {
    lock: RwLock<E::RwLock, ()>,
    stamped: AtomicU32,
}

impl<E: Env> Default for NodeLock<E> {
    fn default() -> Self {
        Self { lock: RwLock::new(()), stamped: AtomicU32::new(0) }
    }
}

/// The minute of a time; 0 before 1970 and far away.
fn minute(seconds: i64) -> u32 {
    u32::try_from(seconds / 60).unwrap_or(0)
}

impl<E: Env> Vfs<E> {
    /// The lock of an inode that is held.
    #[expect(clippy::indexing_slicing, reason = "there is one for each slot of the inode table")]
    fn node_lock(&self, inode: u32) -> &NodeLock<E> {
        &self.node_locks[inode as usize]
    }

    /// An inode that is held, for who changes nothing.
    pub(crate) fn share(&self, inode: u32) -> Shared<'_, E> {
        self.node_lock(inode).lock.read()
    }

    /// An inode that is held, for who changes it.
    pub(crate) fn exclude(&self, inode: u32) -> Exclusive<'_, E> {
        let node = self.node_lock(inode);
        let guard = node.lock.write();
        node.stamped.store(0, Ordering::Relaxed);
        guard
    }

    /// Whether a read that is over, at `now`, changes no time of an inode that is held.
    pub(crate) fn is_stamped(&self, inode: u32, now: Timestamp) -> bool {
        minute(now.seconds) < self.node_lock(inode).stamped.load(Ordering::Relaxed)
    }

    /// No read before second `until` changes a time, unless the file changes. The inode is shared.
    pub(crate) fn set_stamped(&self, inode: u32, until: i64) {
        self.node_lock(inode).stamped.store(minute(until), Ordering::Relaxed);
    }

    /// The rename lock of a file system that is mounted.
    #[expect(clippy::indexing_slicing, reason = "there is one for each slot of the table of file systems")]
    pub(crate) fn lock_renames(&self, fs: u32) -> MutexGuard<'_, E::Lock, ()> {
        self.rename_locks[fs as usize].lock()
    }

    /// Both directories of a rename, in order. Under the rename lock of their file system.
    pub(crate) fn exclude_dirs(&self, first: Loc, second: Loc) -> Pair<'_, E> {
        let (order, a, b) = self.tree(|tree| {
            let inode = |loc: Loc| tree.dentry(loc.dentry).inode;
            (order(tree, first.dentry, second.dentry), inode(first), inode(second))
        });
        match order {
            Order::Equal => (Some(self.exclude(a)), None),
            Order::Less => {
                let a = self.exclude(a);
                (Some(a), Some(self.exclude(b)))
            }
            Order::Greater => {
                let b = self.exclude(b);
                (Some(self.exclude(a)), Some(b))
            }
        }
    }

    /// The files of an operation, by slot, while their directories are locked. A file that is one of the directories is left
    /// out by the caller.
    pub(crate) fn exclude_files(&self, first: Option<u32>, second: Option<u32>) -> Pair<'_, E> {
        let lock = |inode: Option<u32>| inode.map(|inode| self.exclude(inode));
        if first == second {
            return (lock(first), None);
        }
        if first < second {
            let first = lock(first);
            (first, lock(second))
        } else {
            let second = lock(second);
            (lock(first), second)
        }
    }
}
