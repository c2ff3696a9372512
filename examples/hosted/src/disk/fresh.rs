//! A disk in memory with an empty kosfs, the same bytes for the same seed: [`Fresh`].

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::PathBuf;

use kos_vfs::Timestamp;
use kos_vfs::fs::kosfs::{MkfsOptions, mkfs};
use parking_lot::RawRwLock;
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};

use super::FileDisk;

/// Bytes of it.
const BYTES: u64 = 8 << 20;

/// The disk, for as long as this or who has opened it is there.
#[derive(Debug)]
pub(crate) struct Fresh(OwnedFd);

impl Fresh {
    /// # Errors
    /// The host refuses.
    pub(crate) fn new(seed: u64) -> io::Result<Self> {
        let fd = memfd_create("kos-disk", MemfdFlags::CLOEXEC)?;
        ftruncate(&fd, BYTES)?;
        let fresh = Self(fd);
        let mut number = [0; 16];
        number[..8].copy_from_slice(&seed.to_le_bytes());
        let now = Timestamp::new(0, 0).ok_or(io::ErrorKind::InvalidInput)?;
        let options = MkfsOptions { uuid: number, label: [0; 64], now, uid: 0, gid: 0, hash_key: number };
        let disk = FileDisk::open(&fresh.path(), false)?;
        mkfs::<_, RawRwLock>(&disk, &options).map_err(io::Error::other)?;
        Ok(fresh)
    }

    /// Where this process finds it.
    pub(crate) fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.0.as_raw_fd()))
    }
}
