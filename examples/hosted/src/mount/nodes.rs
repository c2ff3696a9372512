//! What Linux keeps: [`Nodes`], the files it has looked up, by number, and [`Handles`], those it has open.
//!
//! A node's number is the file's own, so that `stat` shows it and two names of one file are one node. The root is 1, as FUSE
//! wants it, and changes numbers with the file that has 1. While a node is here its place is held, so no other file gets its
//! number.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use fuser::{FileHandle, INodeNo};
use kos_vfs::Errno;
use parking_lot::Mutex;

use super::{File, Spot};

/// A file that Linux knows.
#[derive(Debug)]
struct Node {
    place: Arc<Spot>,
    /// How often it was told about it.
    lookups: u64,
}

/// All files that Linux knows.
#[derive(Debug)]
pub(super) struct Nodes {
    /// The number of the root.
    root: u64,
    nodes: Mutex<HashMap<u64, Node>>,
}

impl Nodes {
    /// The root, whose number is `number`, alone.
    pub(super) fn new(number: u64, root: Spot) -> Self {
        let node = Node { place: Arc::new(root), lookups: 1 };
        Self { root: number, nodes: Mutex::new(HashMap::from([(INodeNo::ROOT.0, node)])) }
    }

    /// What Linux calls the file with this number.
    pub(super) const fn number(&self, number: u64) -> INodeNo {
        INodeNo(match number {
            _ if number == self.root => INodeNo::ROOT.0,
            1 => self.root,
            other => other,
        })
    }

    /// Where a node is.
    pub(super) fn get(&self, node: INodeNo) -> Result<Arc<Spot>, Errno> {
        let nodes = self.nodes.lock();
        nodes.get(&node.0).map(|node| Arc::clone(&node.place)).ok_or(Errno::ESTALE)
    }

    /// Linux is told once more of the file at `place`.
    pub(super) fn tell(&self, node: INodeNo, place: Spot) {
        let mut nodes = self.nodes.lock();
        // Another place of the same file is dropped after the lock, as that may call the driver.
        let _other = match nodes.entry(node.0) {
            Entry::Occupied(mut known) => {
                known.get_mut().lookups += 1;
                Some(place)
            }
            Entry::Vacant(vacant) => {
                vacant.insert(Node { place: Arc::new(place), lookups: 1 });
                None
            }
        };
        drop(nodes);
    }

    /// Linux forgets as many tellings.
    pub(super) fn forget(&self, node: INodeNo, lookups: u64) {
        let mut nodes = self.nodes.lock();
        let Entry::Occupied(mut known) = nodes.entry(node.0) else { return };
        known.get_mut().lookups = known.get().lookups.saturating_sub(lookups);
        if known.get().lookups > 0 || node == INodeNo::ROOT {
            return;
        }
        let gone = known.remove();
        drop(nodes);
        drop(gone);
    }

    /// Forgets all.
    pub(super) fn clear(&self) {
        let gone = core::mem::take(&mut *self.nodes.lock());
        drop(gone);
    }
}

/// All files that are open.
#[derive(Debug, Default)]
pub(super) struct Handles {
    next: AtomicU64,
    files: Mutex<HashMap<u64, Arc<File>>>,
}

impl Handles {
    pub(super) fn insert(&self, file: File) -> FileHandle {
        let handle = self.next.fetch_add(1, Relaxed);
        self.files.lock().insert(handle, Arc::new(file));
        FileHandle(handle)
    }

    pub(super) fn get(&self, handle: FileHandle) -> Result<Arc<File>, Errno> {
        self.files.lock().get(&handle.0).map(Arc::clone).ok_or(Errno::EBADF)
    }

    pub(super) fn close(&self, handle: FileHandle) {
        let gone = self.files.lock().remove(&handle.0);
        drop(gone);
    }

    /// Closes all.
    pub(super) fn clear(&self) {
        let gone = core::mem::take(&mut *self.files.lock());
        drop(gone);
    }
}
