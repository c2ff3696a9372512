//! [`Procfs`]: the file system over a root directory.
//!
//! A file's number comes from that of its directory and its identity there, by SipHash-1-3 with 96 bits, so that a listing and a
//! lookup agree without a table. What is in use is remembered, so that a file keeps its body while a directory makes new
//! ones.

use alloc::sync::Arc;
use core::fmt;
use core::hash::Hasher as _;

use hashbrown::HashTable;
use lock_api::Mutex;
use siphasher::sip::SipHasher13;

use super::snapshots::{Snapshots, ask};
use super::{Body, Identity, Synthetic, SyntheticDir};
use crate::attr::{Attr, DeviceNumber, FileType, Ino, Mode, SetAttr, Timestamp};
use crate::errno::Errno;
use crate::error::{FsError, NoMemory};
use crate::file::OpenFlags;
use crate::fs::{
    Cookie, DirEntry, DirOps, DirSink, FileOps, FileSystem, FsFeatures, FsInfo, NewNode, OpenOps, Rename,
    StatFs, SyncMode,
};
use crate::name::{NAME_MAX, Name, PATH_MAX};
use crate::ports::Env;

const ROOT: Ino = Ino { number: 1, generation: 0 };

/// Identities are those of the integrator up to here: behind them there is room for [`Cookie::FIRST`].
const KEY_MAX: u64 = 1 << 62;

/// A file in use.
#[derive(Debug)]
pub(super) struct Node {
    attr: Attr,
    body: Body,
    uses: u32,
}

/// A file system of what a kernel says of itself.
pub struct Procfs<E: Env> {
    /// Without the root, which is always there.
    pub(super) nodes: Mutex<E::Lock, HashTable<Node>>,
    snapshots: Mutex<E::Lock, Snapshots>,
    root: Arc<dyn SyntheticDir>,
    now: Timestamp,
}

/// The number of what a directory finds.
fn number(dir: Ino, identity: Identity) -> Ino {
    let hash = |key| {
        let mut hasher = SipHasher13::new_with_keys(key, u64::from(dir.generation));
        hasher.write_u64(dir.number);
        hasher.write_u64(identity.key);
        hasher.write_u32(identity.generation);
        hasher.finish()
    };
    #[expect(clippy::cast_possible_truncation, reason = "32 bits of a hash are meant")]
    let generation = hash(1) as u32;
    // 0 and 1 are no files' numbers.
    Ino { number: (hash(0) >> 1).max(2), generation }
}

impl<E: Env> Procfs<E> {
    /// The file system whose top is `root`, with `now` as the times of all files.
    pub fn new(root: Arc<dyn SyntheticDir>, now: Timestamp) -> Self {
        let nodes = Mutex::new(HashTable::new());
        Self { nodes, snapshots: Mutex::new(Snapshots::default()), root, now }
    }

    fn describe(&self, ino: Ino, kind: FileType, mode: Mode, uid: u32, gid: u32) -> Attr {
        let links = if kind == FileType::Directory { 2 } else { 1 };
        Attr {
            ino,
            kind,
            mode,
            links,
            uid,
            gid,
            device: DeviceNumber::default(),
            size: 0,
            blocks: 0,
            accessed: self.now,
            modified: self.now,
            changed: self.now,
            born: self.now,
        }
    }

    fn root_attr(&self) -> Attr {
        self.describe(ROOT, FileType::Directory, Mode::of(0o555), 0, 0)
    }

    /// Looks at a file in use that is not the root.
    fn with<R>(&self, ino: Ino, look: impl FnOnce(&mut Node) -> R) -> Result<R, FsError> {
        let mut nodes = self.nodes.lock();
        nodes.find_mut(ino.number, |node| node.attr.ino == ino).map(look).ok_or(FsError::Stale)
    }

    fn dir(&self, ino: Ino) -> Result<Arc<dyn SyntheticDir>, FsError> {
        if ino == ROOT {
            return Ok(Arc::clone(&self.root));
        }
        match self.with(ino, |node| node.body.clone())? {
            Body::Dir(dir) => Ok(dir),
            Body::File(_) | Body::Link(_) => Err(FsError::NotDirectory),
        }
    }

    /// Takes what a directory found in use.
    fn enter(&self, ino: Ino, found: Synthetic) -> Result<Attr, FsError> {
        let Synthetic { mode, uid, gid, body, .. } = found;
        let attr = self.describe(ino, body.kind(), mode, uid, gid);
        let mut nodes = self.nodes.lock();
        if let Some(node) = nodes.find_mut(ino.number, |node| node.attr.ino == ino) {
            node.uses = node.uses.saturating_add(1);
            let attr = node.attr;
            // The integrator's own may go now: not with the lock held.
            drop(nodes);
            drop(body);
            return Ok(attr);
        }
        nodes.try_reserve(1, |node| node.attr.ino.number).map_err(NoMemory::from)?;
        nodes.insert_unique(ino.number, Node { attr, body, uses: 1 }, |node| node.attr.ino.number);
        Ok(attr)
    }
}

impl<E: Env> FileSystem for Procfs<E> {
    fn info(&self) -> FsInfo {
        FsInfo {
            kind: "proc",
            block_size: 4096,
            max_size: i64::MAX.cast_unsigned(),
            max_links: 1,
            max_name: NAME_MAX,
            time_step: 1,
            access_step: 1,
            features: FsFeatures::SYMLINKS | FsFeatures::RESIDENT | FsFeatures::VOLATILE,
        }
    }

    fn root(&self) -> Ino {
        ROOT
    }

    fn load(&self, file: Ino) -> Result<Attr, FsError> {
        if file == ROOT {
            return Ok(self.root_attr());
        }
        self.with(file, |node| {
            node.uses = node.uses.saturating_add(1);
            node.attr
        })
    }

    fn attr(&self, file: Ino) -> Result<Attr, FsError> {
        if file == ROOT { Ok(self.root_attr()) } else { self.with(file, |node| node.attr) }
    }

    fn set_attr(&self, _: Ino, _: &SetAttr) -> Result<Attr, FsError> {
        Err(FsError::Unsupported)
    }

    fn forget(&self, file: Ino, uses: u32) {
        let gone = {
            let mut nodes = self.nodes.lock();
            let Ok(mut entry) = nodes.find_entry(file.number, |node| node.attr.ino == file) else { return };
            let node = entry.get_mut();
            node.uses = node.uses.saturating_sub(uses);
            if node.uses > 0 {
                return;
            }
            entry.remove().0
        };
        drop(gone);
    }

    fn dirs(&self) -> &dyn DirOps {
        self
    }

    fn files(&self) -> &dyn FileOps {
        self
    }

    fn opens(&self) -> Option<&dyn OpenOps> {
        Some(self)
    }

    fn statfs(&self) -> Result<StatFs, FsError> {
        Ok(StatFs::default())
    }

    fn sync(&self, _: SyncMode) -> Result<(), FsError> {
        Ok(())
    }
}

impl<E: Env> DirOps for Procfs<E> {
    fn lookup(&self, dir: Ino, name: Name<'_>) -> Result<Attr, FsError> {
        let found = self.dir(dir)?.find(name).ok_or(FsError::NotFound)?;
        self.enter(number(dir, found.identity), found)
    }

    fn create(&self, _: Ino, _: Name<'_>, _: &NewNode<'_>) -> Result<Attr, FsError> {
        Err(FsError::Unsupported)
    }

    fn link(&self, _: Ino, _: Name<'_>, _: Ino, _: Timestamp) -> Result<Attr, FsError> {
        Err(FsError::Unsupported)
    }

    fn unlink(&self, _: Ino, _: Name<'_>, _: Ino, _: Timestamp) -> Result<(), FsError> {
        Err(FsError::Unsupported)
    }

    fn rmdir(&self, _: Ino, _: Name<'_>, _: Ino, _: Timestamp) -> Result<(), FsError> {
        Err(FsError::Unsupported)
    }

    fn rename(&self, _: &Rename<'_>) -> Result<(), FsError> {
        Err(FsError::Unsupported)
    }

    fn readlink(&self, link: Ino, target: &mut [u8; PATH_MAX]) -> Result<usize, FsError> {
        let Body::Link(file) = self.with(link, |node| node.body.clone())? else {
            return Err(FsError::Unsupported);
        };
        let path = ask(&*file, PATH_MAX - 1).map_err(|errno| match errno {
            Errno::ENOMEM => FsError::NoMemory,
            // Whom it named is gone, as a process may be.
            _ => FsError::NotFound,
        })?;
        Ok(target.iter_mut().zip(path).map(|(to, from)| *to = from).count())
    }

    fn readdir(&self, dir: Ino, from: Cookie, sink: &mut dyn DirSink) -> Result<(), FsError> {
        let first = Cookie::FIRST.0;
        // The cookie of a name is behind it, so one more than its key.
        let from = from.0.saturating_sub(first);
        self.dir(dir)?.list(from, &mut |listed| {
            let next = Cookie(listed.identity.key.min(KEY_MAX) + first + 1);
            let ino = number(dir, listed.identity);
            sink.entry(DirEntry { name: listed.name, ino, kind: listed.kind, next })
        });
        Ok(())
    }
}

/// Regular files are opened ([`OpenOps`]): nothing here is reached but the cutting of a file that is opened for writing.
impl<E: Env> FileOps for Procfs<E> {
    fn read_at(&self, _: Ino, _: u64, _: &mut [u8]) -> Result<usize, FsError> {
        Err(FsError::Unsupported)
    }

    fn write_at(&self, _: Ino, _: u64, _: &[u8], _: Timestamp) -> Result<usize, FsError> {
        Err(FsError::Unsupported)
    }

    fn truncate(&self, file: Ino, _: u64, _: Timestamp) -> Result<Attr, FsError> {
        self.attr(file)
    }

    fn fsync(&self, _: Ino, _: SyncMode) -> Result<(), FsError> {
        Ok(())
    }
}

impl<E: Env> OpenOps for Procfs<E> {
    fn open(&self, file: Ino, _: OpenFlags) -> Result<u64, Errno> {
        let body = self.with(file, |node| node.body.clone()).map_err(FsError::errno)?;
        let Body::File(file) = body else { return Err(Errno::EINVAL) };
        self.snapshots.lock().open(file)
    }

    fn read(&self, handle: u64, offset: u64, out: &mut [u8]) -> Result<usize, Errno> {
        let stale = self.snapshots.lock().stale(handle, offset)?;
        if let Some(file) = stale {
            let bytes = ask(&*file, file.limit())?;
            // What was said before goes when the lock is dropped.
            let old = self.snapshots.lock().store(handle, bytes)?;
            drop(old);
        }
        self.snapshots.lock().read(handle, offset, out)
    }

    fn write(&self, handle: u64, offset: u64, bytes: &[u8]) -> Result<usize, Errno> {
        let file = self.snapshots.lock().file(handle)?;
        file.write(offset, bytes)
    }

    fn close(&self, handle: u64) {
        let gone = self.snapshots.lock().close(handle);
        drop(gone);
    }
}

impl<E: Env> fmt::Debug for Procfs<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let in_use = self.nodes.lock().len();
        f.debug_struct("Procfs").field("root", &self.root).field("in_use", &in_use).finish_non_exhaustive()
    }
}
