//! File systems that are mounted, checked and mounted again: [`Volume`], with [`TmpfsVolume`], [`KosFsVolume`], [`FatVolume`].

#![expect(clippy::expect_used, clippy::panic, reason = "test helpers: what is wrong shall fail loudly")]

use alloc::sync::Arc;
use core::fmt;

use crate::attr::{DeviceNumber, FileType, Mode, Timestamp};
#[cfg(any(feature = "kosfs", feature = "fat"))]
use crate::block::BlockDevice;
use crate::error::FsError;
#[cfg(feature = "fat")]
use crate::fs::fat;
#[cfg(feature = "kosfs")]
use crate::fs::kosfs;
use crate::fs::tmpfs::{Tmpfs, TmpfsConfig};
use crate::fs::{FileSystem, NewNode, SyncMode};
use crate::name::Name;
#[cfg(any(feature = "kosfs", feature = "fat"))]
use crate::ports::Env;
use crate::testing::HostEnv;

/// What keeps files while no file system is mounted.
pub trait Volume: fmt::Debug {
    /// Mounts it. One mount at a time.
    ///
    /// # Errors
    /// What the driver says.
    fn mount(&self) -> Result<Arc<dyn FileSystem>, FsError>;

    /// Looks at all of it, while it is not mounted.
    ///
    /// # Panics
    /// If anything is wrong with it.
    fn check(&self);
}

/// Puts a file into the root of an empty volume, so large that `left` blocks are free, or as few as the driver gives to files.
///
/// # Panics
/// If the driver fails otherwise.
pub fn fill_volume(volume: &dyn Volume, left: u64) {
    let fs = volume.mount().expect("an empty volume");
    let now = Timestamp::EPOCH;
    let (kind, mode, device) = (FileType::Regular, Mode::of(0o644), DeviceNumber::default());
    let new = NewNode { kind, mode, uid: 0, gid: 0, device, target: b"", now };
    let name = Name::new(b"ballast").expect("a name");
    let file = fs.dirs().create(fs.root(), name, &new).expect("an empty volume").ino;
    let mut end = 0;
    while fs.statfs().expect("a count").free > left {
        match fs.files().write_at(file, end, &[0x5b; 4096], now) {
            Err(FsError::NoSpace) => break,
            written => end += written.expect("a write") as u64,
        }
    }
    fs.forget(file, 1);
    fs.sync(SyncMode::All).expect("a sync");
}

/// A tmpfs, which stays when it is not mounted.
#[derive(Clone, Debug)]
pub struct TmpfsVolume(Arc<Tmpfs<HostEnv>>);

impl TmpfsVolume {
    /// An empty one of at most `bytes`.
    ///
    /// # Panics
    /// If there is no memory.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self::with_config(&TmpfsConfig { bytes, ..TmpfsConfig::default() })
    }

    /// An empty one with these limits.
    ///
    /// # Panics
    /// If there is no memory.
    #[must_use]
    pub fn with_config(config: &TmpfsConfig) -> Self {
        Self(Arc::new(Tmpfs::new(config).expect("memory for a tmpfs")))
    }
}

impl Volume for TmpfsVolume {
    fn mount(&self) -> Result<Arc<dyn FileSystem>, FsError> {
        Ok(Arc::clone(&self.0) as Arc<dyn FileSystem>)
    }

    fn check(&self) {
        self.0.check().expect("a tmpfs whose counts are right");
    }
}

/// A kosfs on a device.
#[cfg(feature = "kosfs")]
#[derive(Debug)]
pub struct KosFsVolume<D>(Arc<D>);

#[cfg(feature = "kosfs")]
impl<D: BlockDevice + fmt::Debug + 'static> KosFsVolume<D> {
    /// Makes an empty one.
    ///
    /// # Panics
    /// If the device is smaller than 4 MiB, or fails.
    #[must_use]
    pub fn format(device: Arc<D>) -> Self {
        let now = Timestamp::EPOCH;
        let options =
            kosfs::MkfsOptions { uuid: [7; 16], label: [0; 64], now, uid: 0, gid: 0, hash_key: [2; 16] };
        kosfs::mkfs::<_, <HostEnv as Env>::RwLock>(&device, &options).expect("a disk of 4 MiB or more");
        Self(device)
    }

    /// The one that is there.
    #[must_use]
    pub fn on(device: Arc<D>) -> Self {
        Self(device)
    }
}

#[cfg(feature = "kosfs")]
impl<D: BlockDevice + fmt::Debug + 'static> Volume for KosFsVolume<D> {
    fn mount(&self) -> Result<Arc<dyn FileSystem>, FsError> {
        let options = kosfs::MountOptions::default();
        let mounted = kosfs::KosFs::<_, <HostEnv as Env>::RwLock>::mount(Arc::clone(&self.0), options);
        match mounted {
            Ok(fs) => Ok(Arc::new(fs)),
            Err(kosfs::MountError::Fs(error)) => Err(error),
            Err(error) => panic!("{error}"),
        }
    }

    fn check(&self) {
        let mut found = alloc::vec::Vec::new();
        let options = kosfs::FsckOptions { data: true, ..kosfs::FsckOptions::default() };
        let mut each = |problem: &kosfs::Problem, _| found.push(*problem);
        let report = kosfs::fsck::<_, <HostEnv as Env>::RwLock>(&self.0, &options, &mut each);
        let problems = report.expect("a volume that can be read").problems;
        assert!(problems == 0, "{problems} problems on a kosfs: {found:?}");
    }
}

/// A FAT volume on a device.
#[cfg(feature = "fat")]
#[derive(Debug)]
pub struct FatVolume<D>(Arc<D>);

#[cfg(feature = "fat")]
impl<D: BlockDevice + fmt::Debug + 'static> FatVolume<D> {
    /// Makes an empty one, with clusters of one sector.
    ///
    /// # Panics
    /// If the device has not the size of that kind, or fails.
    #[must_use]
    pub fn format(device: Arc<D>, kind: fat::FatKind) -> Self {
        let options = fat::MkfsOptions { cluster_bytes: Some(512), ..fat::MkfsOptions::new(kind) };
        fat::mkfs(&device, &options).expect("a disk for that kind");
        Self(device)
    }

    /// The one that is there.
    #[must_use]
    pub fn on(device: Arc<D>) -> Self {
        Self(device)
    }
}

#[cfg(feature = "fat")]
impl<D: BlockDevice + fmt::Debug + 'static> Volume for FatVolume<D> {
    fn mount(&self) -> Result<Arc<dyn FileSystem>, FsError> {
        let options = fat::MountOptions::default();
        match fat::Fat::<_, <HostEnv as Env>::Lock>::mount(Arc::clone(&self.0), options) {
            Ok(fs) => Ok(Arc::new(fs)),
            Err(fat::MountError::Device(error)) => Err(FsError::Device(error)),
            Err(fat::MountError::NoMemory) => Err(FsError::NoMemory),
            Err(error) => panic!("{error}"),
        }
    }

    fn check(&self) {
        let mut found = alloc::vec::Vec::new();
        let report = fat::fsck(&self.0, false, &mut |problem, _| found.push(*problem));
        let problems = report.expect("a volume that can be read").problems;
        assert!(problems == 0, "{problems} problems on a FAT volume: {found:?}");
    }
}
