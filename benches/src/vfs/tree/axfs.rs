//! axfs-ng-vfs: its cache of names over a driver of ours, which has its files in a map.

use alloc::sync::Arc;
use core::any::Any;
use core::time::Duration;
use std::collections::HashMap;

use axfs_ng_vfs::path::Path;
use axfs_ng_vfs::{
    DeviceId, DirEntry, DirEntrySink, DirNode, DirNodeOps, DirectoryCursor, FileNode, FileNodeOps,
    Filesystem, FilesystemOps, Location, Metadata, MetadataUpdate, Mountpoint, Mutex, NodeOps,
    NodePermission, NodeType, Reference, RenameOptions, StatFs, VfsError, VfsResult, WeakDirEntry,
};
use axpoll::{IoEvents, Pollable, SharedRegistrationSink};

use super::{BOTTOM, DIRS, FILE, OTHERS, Tree};
use crate::harness::must;

/// A file without bytes, or what a directory is beside its names.
struct Node {
    kind: NodeType,
    size: u64,
}

/// A directory: names, and the entry that leads to it.
struct Dir {
    node: Node,
    this: WeakDirEntry,
    names: Mutex<HashMap<String, DirEntry>>,
}

/// The driver.
struct Files;

impl FilesystemOps for Files {
    fn name(&self) -> &'static str {
        "map"
    }

    fn root_dir(&self) -> DirEntry {
        dir(Reference::root())
    }

    fn stat(&self) -> VfsResult<StatFs> {
        Err(VfsError::Unsupported)
    }
}

fn dir(reference: Reference) -> DirEntry {
    let ops = |this| Dir { node: Node { kind: NodeType::Directory, size: 0 }, this, names: Mutex::default() };
    DirEntry::new_dir(|this| DirNode::new(Arc::new(ops(this))), reference)
}

fn file(size: u64, reference: Reference) -> DirEntry {
    let node = Node { kind: NodeType::RegularFile, size };
    DirEntry::new_file(FileNode::new(Arc::new(node)), NodeType::RegularFile, reference)
}

impl Node {
    fn shown(&self) -> Metadata {
        Metadata {
            device: 0,
            inode: 1,
            nlink: 1,
            mode: NodePermission::default(),
            node_type: self.kind,
            uid: 0,
            gid: 0,
            size: self.size,
            block_size: 4096,
            blocks: 0,
            rdev: DeviceId::default(),
            atime: Duration::ZERO,
            mtime: Duration::ZERO,
            ctime: Duration::ZERO,
        }
    }
}

impl NodeOps for Node {
    fn inode(&self) -> u64 {
        1
    }

    fn metadata(&self) -> VfsResult<Metadata> {
        Ok(self.shown())
    }

    fn update_metadata(&self, _: MetadataUpdate) -> VfsResult<()> {
        Ok(())
    }

    fn filesystem(&self) -> &dyn FilesystemOps {
        &Files
    }

    fn sync(&self, _: bool) -> VfsResult<()> {
        Ok(())
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

impl Pollable for Node {
    fn poll(&self) -> IoEvents {
        IoEvents::empty()
    }

    // Nothing is registered, so nothing is asked of the caller.
    unsafe fn register_shared(&self, _: &mut dyn SharedRegistrationSink, _: IoEvents) {}
}

impl FileNodeOps for Node {
    fn read_at(&self, _: &mut [u8], _: u64) -> VfsResult<usize> {
        Ok(0)
    }

    fn write_at(&self, _: &[u8], _: u64) -> VfsResult<usize> {
        Err(VfsError::Unsupported)
    }

    fn append(&self, _: &[u8]) -> VfsResult<(usize, u64)> {
        Err(VfsError::Unsupported)
    }

    fn set_len(&self, _: u64) -> VfsResult<()> {
        Err(VfsError::Unsupported)
    }
}

impl NodeOps for Dir {
    fn inode(&self) -> u64 {
        1
    }

    fn metadata(&self) -> VfsResult<Metadata> {
        Ok(self.node.shown())
    }

    fn update_metadata(&self, _: MetadataUpdate) -> VfsResult<()> {
        Ok(())
    }

    fn filesystem(&self) -> &dyn FilesystemOps {
        &Files
    }

    fn sync(&self, _: bool) -> VfsResult<()> {
        Ok(())
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

impl DirNodeOps for Dir {
    fn read_dir(&self, _: DirectoryCursor, _: &mut dyn DirEntrySink) -> VfsResult<usize> {
        Err(VfsError::Unsupported)
    }

    fn lookup(&self, name: &str) -> VfsResult<DirEntry> {
        self.names.lock().get(name).cloned().ok_or(VfsError::NotFound)
    }

    fn create(&self, name: &str, kind: NodeType, _: NodePermission, _: u32, _: u32) -> VfsResult<DirEntry> {
        let reference = Reference::new(self.this.upgrade(), name.to_owned());
        let entry = if kind == NodeType::Directory { dir(reference) } else { file(0, reference) };
        self.names.lock().insert(name.to_owned(), entry.clone());
        Ok(entry)
    }

    fn create_symlink(&self, _: &str, _: &str, _: NodePermission, _: u32, _: u32) -> VfsResult<DirEntry> {
        Err(VfsError::Unsupported)
    }

    fn link(&self, name: &str, node: &DirEntry) -> VfsResult<DirEntry> {
        self.names.lock().insert(name.to_owned(), node.clone());
        Ok(node.clone())
    }

    fn unlink(&self, name: &str, _: bool) -> VfsResult<()> {
        self.names.lock().remove(name).map(drop).ok_or(VfsError::NotFound)
    }

    fn rename(&self, _: &str, _: &DirNode, _: &str, _: RenameOptions) -> VfsResult<()> {
        Err(VfsError::Unsupported)
    }
}

/// Its tree of names. Walking a path is its user's part: here a loop over its own components.
pub(super) struct Axfs {
    root: Location,
}

impl Axfs {
    fn find(&self, path: &str) -> VfsResult<Location> {
        let names = Path::new(path).components().skip(1);
        names.into_iter().try_fold(self.root.clone(), |at, name| at.lookup_no_follow(name.as_str()))
    }

    /// The directory of `path`, and the name in it.
    fn parent<'p>(&self, path: &'p str) -> (Location, &'p str) {
        let (dir, name) = must(path.rsplit_once('/'));
        (must(self.find(dir).ok()), name)
    }

    fn make_node(&self, path: &str, kind: NodeType) -> Location {
        let (dir, name) = self.parent(path);
        must(dir.create(name, kind, NodePermission::default(), 0, 0).ok())
    }
}

impl Tree for Axfs {
    const NOTE: &str = "no permissions, no symlinks; the files themselves are a map of ours";

    fn make(size: usize) -> Self {
        let root = Mountpoint::new_root(&Filesystem::new(Arc::new(Files))).root_location();
        let tree = Self { root };
        for path in DIRS {
            tree.make_node(path, NodeType::Directory);
        }
        for other in 0..OTHERS {
            tree.make_node(&format!("{}/other{other}", BOTTOM), NodeType::RegularFile);
        }
        let (dir, name) = tree.parent(FILE);
        let entry = file(size as u64, Reference::new(Some(dir.entry().clone()), name.to_owned()));
        must(must(dir.entry().as_dir().ok()).link(name, &entry).ok());
        tree
    }

    fn stat(&mut self, path: &str) -> Option<u64> {
        self.find(path).and_then(|found| found.metadata()).ok().map(|found| found.size)
    }

    fn create(&mut self, path: &str) {
        self.make_node(path, NodeType::RegularFile);
    }

    fn remove(&mut self, path: &str) {
        let (dir, name) = self.parent(path);
        must(dir.unlink(name, false).ok());
    }

    /// It has no files of its own that could be read.
    fn open(&mut self) {
        must::<()>(None);
    }

    fn read(&mut self, _: u64, _: &mut [u8]) {}

    fn write(&mut self, _: u64, _: &[u8]) {}
}
