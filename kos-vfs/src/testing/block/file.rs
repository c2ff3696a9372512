//! A file of the host as a block device: [`FileDisk`].

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::block::{BlockDevice, DeviceFeatures, Geometry, WriteMode};
use crate::error::DeviceError;

/// A file as a disk of 512-byte sectors. What is behind its last whole sector is not part of it.
///
/// While one lives that can be written, nobody else opens the file as a disk: both would be lost.
#[derive(Debug)]
pub struct FileDisk {
    file: File,
    geometry: Geometry,
}

impl FileDisk {
    /// Opens a file or block device that is there.
    ///
    /// # Errors
    /// What the host says, or a size that no disk has.
    pub fn open(path: &Path, read_only: bool) -> io::Result<Self> {
        let mut file = File::options().read(true).write(!read_only).open(path)?;
        lock(&file, read_only)?;
        // The end, not the metadata: those of a block device have no size.
        let bytes = io::Seek::seek(&mut file, io::SeekFrom::End(0))?;
        Self::new(file, bytes, read_only)
    }

    /// Makes a file of `bytes` bytes, all zero, in place of what was there.
    ///
    /// # Errors
    /// What the host says, or a size that no disk has.
    pub fn create(path: &Path, bytes: u64) -> io::Result<Self> {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        lock(&file, false)?;
        file.set_len(0)?;
        file.set_len(bytes)?;
        Self::new(file, bytes, false)
    }

    fn new(file: File, bytes: u64, read_only: bool) -> io::Result<Self> {
        let mut features = DeviceFeatures::FLUSH;
        features.set(DeviceFeatures::READ_ONLY, read_only);
        let geometry = Geometry::new(512, bytes / 512, features).map_err(io::Error::other)?;
        Ok(Self { file, geometry })
    }

    /// The byte at which a sector begins.
    const fn at(&self, sector: u64) -> u64 {
        sector << self.geometry.sector_shift()
    }
}

/// Keeps writers of the same file out, and of a file that is to be written, readers too.
fn lock(file: &File, read_only: bool) -> io::Result<()> {
    let taken = if read_only { file.try_lock_shared() } else { file.try_lock() };
    taken.map_err(|error| match error {
        TryLockError::WouldBlock => io::Error::new(io::ErrorKind::ResourceBusy, "in use by another process"),
        TryLockError::Error(error) => error,
    })
}

impl BlockDevice for FileDisk {
    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn read(&self, sector: u64, out: &mut [u8]) -> Result<(), DeviceError> {
        self.geometry.check(sector, out.len())?;
        self.file.read_exact_at(out, self.at(sector)).map_err(|_| DeviceError::Failed { sector })
    }

    fn write(&self, sector: u64, bytes: &[u8], mode: WriteMode) -> Result<(), DeviceError> {
        self.geometry.check_write(sector, bytes.len())?;
        self.file.write_all_at(bytes, self.at(sector)).map_err(|_| DeviceError::Failed { sector })?;
        if mode == WriteMode::Through { self.flush() } else { Ok(()) }
    }

    fn flush(&self) -> Result<(), DeviceError> {
        self.file.sync_data().map_err(|_| DeviceError::NotFlushed)
    }

    fn discard(&self, sector: u64, count: u64) -> Result<(), DeviceError> {
        self.geometry.check_write(sector, 0)?;
        self.geometry.check_sectors(sector, count)
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    #[test]
    fn a_file_is_a_block_device() {
        let path = std::env::temp_dir().join(format!("kos-file-disk-{}", std::process::id()));
        crate::testing::check_block_device(&FileDisk::create(&path, 100_000).unwrap());
        let again = FileDisk::open(&path, true).unwrap();
        crate::testing::check_block_device(&again);
        assert_eq!(again.geometry().sectors(), 195);
        std::fs::remove_file(&path).unwrap();
    }
}
