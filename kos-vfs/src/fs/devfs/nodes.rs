//! [`Devfs`]: a tmpfs in which the nodes of devices come and go with them.
//!
//! What users make in it beside (symlinks, directories, other nodes) is theirs. One mutex keeps changes by users apart
//! from those by devices: so a node is never taken for another of the same name.

use alloc::sync::Arc;
use core::error::Error;
use core::fmt;

use lock_api::Mutex;

use super::registry::{Device, Devices};
use super::standard::{Full, Null, Zero};
use super::{Entropy, Present, Random};
use crate::attr::{Attr, DeviceNumber, FileType, Ino, Mode, SetAttr, Timestamp};
use crate::error::FsError;
use crate::fs::tmpfs::{Tmpfs, TmpfsConfig};
use crate::fs::{
    Cookie, DirOps, DirSink, FileOps, FileSystem, FsFeatures, FsInfo, NewNode, Rename, StatFs, SyncMode,
    XattrOps,
};
use crate::name::{Name, NameError, PATH_MAX};
use crate::ports::{Env, SpecialFile};

/// The node of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceNode<'a> {
    /// Its path in the file system: `pts/0`. Directories on the way are made.
    pub path: &'a [u8],
    /// A character or a block device.
    pub kind: FileType,
    /// Which one.
    pub number: DeviceNumber,
    /// Permission bits.
    pub mode: Mode,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

impl<'a> DeviceNode<'a> {
    /// A character device of root.
    pub const fn character(path: &'a [u8], major: u32, minor: u32, mode: Mode) -> Self {
        let number = DeviceNumber { major, minor };
        Self { path, kind: FileType::CharDevice, number, mode, uid: 0, gid: 0 }
    }

    /// A block device of root, for root.
    pub const fn block(path: &'a [u8], major: u32, minor: u32) -> Self {
        let (number, mode) = (DeviceNumber { major, minor }, Mode::from_bits_truncate(0o600));
        Self { path, kind: FileType::BlockDevice, number, mode, uid: 0, gid: 0 }
    }
}

/// Why a device was not registered, or not removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegisterError {
    /// A component of the path is no name.
    Name(NameError),
    /// The number: [`FsError::Exists`], [`FsError::NotFound`], or as [`Devices::register`].
    Number(FsError),
    /// The node: [`FsError::Exists`], no space, no memory.
    Node(FsError),
}

impl fmt::Display for RegisterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(error) => write!(f, "{error}"),
            Self::Number(error) => write!(f, "the number of the device: {error}"),
            Self::Node(error) => write!(f, "the node of the device: {error}"),
        }
    }
}

impl Error for RegisterError {}

/// A file system of devices, usually at `/dev`.
pub struct Devfs<E: Env> {
    fs: Tmpfs<E>,
    changes: Mutex<E::Lock, ()>,
    devices: Arc<Devices<E>>,
}

impl<E: Env> Devfs<E> {
    /// The size for some hundreds of nodes, everybody's to read.
    pub const CONFIG: TmpfsConfig = TmpfsConfig {
        bytes: 64 << 10,
        inodes: 1024,
        mode: Mode::from_bits_truncate(0o755),
        uid: 0,
        gid: 0,
        now: Timestamp::EPOCH,
        hash_key: 0,
    };

    /// An empty one, for the devices in `devices`: give these to [`Vfs::with_special`](crate::Vfs::with_special) too.
    ///
    /// # Errors
    /// No memory, or room for no file at all.
    pub fn new(devices: Arc<Devices<E>>, config: &TmpfsConfig) -> Result<Self, FsError> {
        Ok(Self { fs: Tmpfs::new(config)?, changes: Mutex::new(()), devices })
    }

    /// Registers a device and makes its node.
    ///
    /// # Errors
    /// Why not. Nothing is registered then; directories that were made on the way stay.
    pub fn register(
        &self,
        node: &DeviceNode<'_>,
        device: Arc<dyn Device>,
        now: Timestamp,
    ) -> Result<(), RegisterError> {
        let _changes = self.changes.lock();
        let (dir, name) = self.directory(node.path, Some(now))?;
        let DeviceNode { kind, number, mode, uid, gid, .. } = *node;
        let new = NewNode { kind, mode, uid, gid, device: number, target: &[], now };
        let made = self.fs.create(dir, name, &new).map_err(RegisterError::Node)?;
        self.fs.forget(made.ino, 1);
        let registered = self.devices.register(kind, number, device).map_err(RegisterError::Number);
        if registered.is_err() {
            // Freeing takes no memory: it does not fail.
            let _ = self.fs.unlink(dir, name, made.ino, now);
        }
        registered
    }

    /// Removes a device, and its node if nobody has put something else there.
    ///
    /// # Errors
    /// The device is not registered.
    pub fn unregister(&self, node: &DeviceNode<'_>, now: Timestamp) -> Result<(), RegisterError> {
        self.devices.unregister(node.kind, node.number).map_err(RegisterError::Number)?;
        let _changes = self.changes.lock();
        let Ok((dir, name)) = self.directory(node.path, None) else { return Ok(()) };
        let Ok(there) = DirOps::lookup(&self.fs, dir, name) else { return Ok(()) };
        if (there.kind, there.device) == (node.kind, node.number) {
            let _ = self.fs.unlink(dir, name, there.ino, now);
        }
        self.fs.forget(there.ino, 1);
        Ok(())
    }

    /// Registers `null`, `zero`, `full`, `random`, `urandom`, and `console`, with the numbers and modes of Linux.
    ///
    /// # Errors
    /// Why not; those before it are registered.
    pub fn register_standard<R, C>(&self, random: R, console: C, now: Timestamp) -> Result<(), RegisterError>
    where
        R: Entropy + Clone + 'static,
        C: SpecialFile + 'static,
    {
        const ALL: Mode = Mode::from_bits_truncate(0o666);
        let urandom = Arc::new(Present::new(Random(random.clone())));
        let devices: [(&[u8], u32, Arc<dyn Device>); 5] = [
            (b"null", 3, Arc::new(Present::new(Null))),
            (b"zero", 5, Arc::new(Present::new(Zero))),
            (b"full", 7, Arc::new(Present::new(Full))),
            (b"random", 8, Arc::new(Present::new(Random(random)))),
            (b"urandom", 9, urandom),
        ];
        for (path, minor, device) in devices {
            self.register(&DeviceNode::character(path, 1, minor, ALL), device, now)?;
        }
        let owner = Mode::from_bits_truncate(0o600);
        self.register(&DeviceNode::character(b"console", 5, 1, owner), Arc::new(Present::new(console)), now)
    }

    /// The directory of a path, made with `now` if it is missing, and the last name of the path.
    fn directory<'p>(
        &self,
        path: &'p [u8],
        now: Option<Timestamp>,
    ) -> Result<(Ino, Name<'p>), RegisterError> {
        let mut names = path.split(|&byte| byte == b'/');
        let last = names.next_back().unwrap_or_default();
        let last = Name::new(last).map_err(RegisterError::Name)?;
        let mut dir = self.fs.root();
        for name in names {
            let name = Name::new(name).map_err(RegisterError::Name)?;
            let found = match (DirOps::lookup(&self.fs, dir, name), now) {
                (Err(FsError::NotFound), Some(now)) => self.fs.create(dir, name, &new_dir(now)),
                (found, _) => found,
            };
            let found = found.map_err(RegisterError::Node)?;
            // Nothing removes it meanwhile: changes are locked out.
            self.fs.forget(found.ino, 1);
            if found.kind != FileType::Directory {
                return Err(RegisterError::Node(FsError::NotDirectory));
            }
            dir = found.ino;
        }
        Ok((dir, last))
    }
}

fn new_dir(now: Timestamp) -> NewNode<'static> {
    let mode = Mode::from_bits_truncate(0o755);
    let device = DeviceNumber::default();
    NewNode { kind: FileType::Directory, mode, uid: 0, gid: 0, device, target: &[], now }
}

impl<E: Env> FileSystem for Devfs<E> {
    fn info(&self) -> FsInfo {
        let info = self.fs.info();
        FsInfo { kind: "devtmpfs", features: info.features | FsFeatures::VOLATILE, ..info }
    }

    fn root(&self) -> Ino {
        self.fs.root()
    }

    fn load(&self, file: Ino) -> Result<Attr, FsError> {
        self.fs.load(file)
    }

    fn attr(&self, file: Ino) -> Result<Attr, FsError> {
        self.fs.attr(file)
    }

    fn set_attr(&self, file: Ino, set: &SetAttr) -> Result<Attr, FsError> {
        self.fs.set_attr(file, set)
    }

    fn forget(&self, file: Ino, uses: u32) {
        self.fs.forget(file, uses);
    }

    fn dirs(&self) -> &dyn DirOps {
        self
    }

    fn files(&self) -> &dyn FileOps {
        self.fs.files()
    }

    fn xattrs(&self) -> Option<&dyn XattrOps> {
        self.fs.xattrs()
    }

    fn statfs(&self) -> Result<StatFs, FsError> {
        self.fs.statfs()
    }

    fn sync(&self, mode: SyncMode) -> Result<(), FsError> {
        FileSystem::sync(&self.fs, mode)
    }
}

impl<E: Env> DirOps for Devfs<E> {
    fn lookup(&self, dir: Ino, name: Name<'_>) -> Result<Attr, FsError> {
        self.fs.lookup(dir, name)
    }

    fn create(&self, dir: Ino, name: Name<'_>, new: &NewNode<'_>) -> Result<Attr, FsError> {
        let _changes = self.changes.lock();
        self.fs.create(dir, name, new)
    }

    fn create_nameless(&self, dir: Ino, new: &NewNode<'_>) -> Result<Attr, FsError> {
        self.fs.create_nameless(dir, new)
    }

    fn link(&self, dir: Ino, name: Name<'_>, file: Ino, now: Timestamp) -> Result<Attr, FsError> {
        let _changes = self.changes.lock();
        self.fs.link(dir, name, file, now)
    }

    fn unlink(&self, dir: Ino, name: Name<'_>, file: Ino, now: Timestamp) -> Result<(), FsError> {
        let _changes = self.changes.lock();
        self.is_still(dir, name, file)?;
        self.fs.unlink(dir, name, file, now)
    }

    fn rmdir(&self, dir: Ino, name: Name<'_>, file: Ino, now: Timestamp) -> Result<(), FsError> {
        let _changes = self.changes.lock();
        self.is_still(dir, name, file)?;
        self.fs.rmdir(dir, name, file, now)
    }

    fn rename(&self, rename: &Rename<'_>) -> Result<(), FsError> {
        let _changes = self.changes.lock();
        for end in [rename.from, rename.to] {
            match end.file {
                Some(file) => self.is_still(end.dir, end.name, file)?,
                None => self.is_missing(end.dir, end.name)?,
            }
        }
        self.fs.rename(rename)
    }

    fn readlink(&self, link: Ino, target: &mut [u8; PATH_MAX]) -> Result<usize, FsError> {
        self.fs.readlink(link, target)
    }

    fn readdir(&self, dir: Ino, from: Cookie, sink: &mut dyn DirSink) -> Result<(), FsError> {
        self.fs.readdir(dir, from, sink)
    }
}

impl<E: Env> Devfs<E> {
    /// Whether a name is what the VFS thinks: a device may have gone since it looked.
    fn is_still(&self, dir: Ino, name: Name<'_>, file: Ino) -> Result<(), FsError> {
        let there = self.fs.lookup(dir, name)?;
        self.fs.forget(there.ino, 1);
        if there.ino == file { Ok(()) } else { Err(FsError::NotFound) }
    }

    /// Whether a name is missing, as the VFS thinks: a device may have come since it looked.
    fn is_missing(&self, dir: Ino, name: Name<'_>) -> Result<(), FsError> {
        match self.fs.lookup(dir, name) {
            Ok(there) => {
                self.fs.forget(there.ino, 1);
                Err(FsError::Exists)
            }
            Err(FsError::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl<E: Env> fmt::Debug for Devfs<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Devfs").field("fs", &self.fs).field("devices", &self.devices).finish_non_exhaustive()
    }
}
