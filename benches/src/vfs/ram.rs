//! The disk of every file system here: bytes in memory, with a count of what goes to it and comes from it.

use kos_vfs::DeviceError;
use kos_vfs::block::{BlockDevice, DeviceFeatures, Geometry, WriteMode};
use lock_api::{Mutex, MutexGuard};

use crate::harness::must;
use crate::lock::NoLock;

/// Bytes of a sector.
pub(crate) const SECTOR: usize = 512;

/// Moves bytes a page at a time: the host's copy of more has another speed and is counted otherwise, a byte an instruction,
/// and so would say nothing of a driver.
pub(crate) fn copy(to: &mut [u8], from: &[u8]) {
    for (to, from) in to.chunks_mut(4096).zip(from.chunks(4096)) {
        to.copy_from_slice(from);
    }
}

/// Bytes, and how many of them were moved.
#[derive(Default)]
pub(crate) struct Bytes {
    pub(crate) bytes: Vec<u8>,
    pub(crate) read: usize,
    pub(crate) written: usize,
}

impl Bytes {
    /// Fills `out` from byte `start` on; false beyond the end.
    pub(crate) fn read(&mut self, start: usize, out: &mut [u8]) -> bool {
        let Some(from) = self.bytes.get(start..start + out.len()) else { return false };
        copy(out, from);
        self.read += out.len();
        true
    }

    /// Stores `bytes` from byte `start` on; false beyond the end.
    pub(crate) fn write(&mut self, start: usize, bytes: &[u8]) -> bool {
        let Some(to) = self.bytes.get_mut(start..start + bytes.len()) else { return false };
        copy(to, bytes);
        self.written += bytes.len();
        true
    }
}

/// They as a device of kos.
pub(crate) struct Ram {
    geometry: Geometry,
    bytes: Mutex<NoLock, Bytes>,
}

impl Ram {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        let sectors = (bytes.len() / SECTOR) as u64;
        let geometry = must(Geometry::new(512, sectors, DeviceFeatures::empty()).ok());
        Self { geometry, bytes: Mutex::new(Bytes { bytes, read: 0, written: 0 }) }
    }

    pub(crate) fn zeroed(length: usize) -> Self {
        Self::new(vec![0; length])
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, NoLock, Bytes> {
        self.bytes.lock()
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes.into_inner().bytes
    }
}

/// The byte at which a sector starts.
fn start(sector: u64) -> usize {
    must(usize::try_from(sector).ok()) * SECTOR
}

impl BlockDevice for Ram {
    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn read(&self, sector: u64, out: &mut [u8]) -> Result<(), DeviceError> {
        if self.lock().read(start(sector), out) { Ok(()) } else { Err(DeviceError::Failed { sector }) }
    }

    fn write(&self, sector: u64, bytes: &[u8], _: WriteMode) -> Result<(), DeviceError> {
        if self.lock().write(start(sector), bytes) { Ok(()) } else { Err(DeviceError::Failed { sector }) }
    }

    fn flush(&self) -> Result<(), DeviceError> {
        Ok(())
    }

    fn discard(&self, _: u64, _: u64) -> Result<(), DeviceError> {
        Ok(())
    }
}
