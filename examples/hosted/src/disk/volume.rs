//! What is on a disk: [`VolumeKind`], found by [`detect`], mounted by [`open`].

use alloc::sync::Arc;
use core::error::Error;
use core::fmt;

use kos_vfs::block::BlockDevice;
use kos_vfs::fs::FileSystem;
use kos_vfs::fs::fat::{self, Fat};
use kos_vfs::fs::kosfs::{self, KosFs};
use parking_lot::{RawMutex, RawRwLock};

/// A file system that this program knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VolumeKind {
    /// kosfs.
    KosFs,
    /// FAT12, FAT16 or FAT32.
    Fat,
}

impl fmt::Display for VolumeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KosFs => "kosfs",
            Self::Fat => "FAT",
        })
    }
}

/// Why a volume was not mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VolumeError {
    /// Neither of the file systems is there.
    Unknown,
    /// kosfs, but it cannot be used.
    KosFs(kosfs::MountError),
    /// FAT, but it cannot be used.
    Fat(fat::MountError),
}

impl fmt::Display for VolumeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("neither kosfs nor FAT"),
            Self::KosFs(error) => write!(f, "{error}"),
            Self::Fat(error) => write!(f, "{error}"),
        }
    }
}

impl Error for VolumeError {}

/// Which file system is on `disk`, whole or damaged.
pub fn detect(disk: &dyn BlockDevice) -> Option<VolumeKind> {
    let options = kosfs::MountOptions { read_only: true, nodes: 8, ..kosfs::MountOptions::default() };
    match KosFs::<_, RawRwLock>::mount(disk, options) {
        Err(kosfs::MountError::NotKosfs { .. }) => {}
        _ => return Some(VolumeKind::KosFs),
    }
    let options = fat::MountOptions { read_only: true, ..fat::MountOptions::default() };
    match Fat::<_, RawMutex>::mount(disk, options) {
        Err(fat::MountError::NotFat { .. } | fat::MountError::Device(_)) => None,
        _ => Some(VolumeKind::Fat),
    }
}

/// Mounts what is on `disk`.
///
/// # Errors
/// Nothing that is known, or why that cannot be used.
pub fn open<D: BlockDevice + 'static>(disk: D, read_only: bool) -> Result<Arc<dyn FileSystem>, VolumeError> {
    match detect(&disk).ok_or(VolumeError::Unknown)? {
        VolumeKind::KosFs => {
            let options = kosfs::MountOptions { read_only, nodes: 4096, ..kosfs::MountOptions::default() };
            let fs = KosFs::<_, RawRwLock>::mount(disk, options).map_err(VolumeError::KosFs)?;
            Ok(Arc::new(fs))
        }
        VolumeKind::Fat => {
            let options = fat::MountOptions { read_only, ..fat::MountOptions::default() };
            let fs = Fat::<_, RawMutex>::mount(disk, options).map_err(VolumeError::Fat)?;
            Ok(Arc::new(fs))
        }
    }
}
