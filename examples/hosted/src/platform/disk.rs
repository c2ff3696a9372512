//! The machine's disk: a file of the host. Its calls run with the interrupts of the CPU masked, as all code of the host does.

use alloc::sync::Arc;

use kos_vfs::DeviceError;
use kos_vfs::block::{BlockDevice, Geometry, WriteMode};

use crate::disk::FileDisk;
use crate::engine;

/// A handle on the disk.
#[derive(Clone, Debug)]
pub struct HostedDisk(pub(super) Arc<FileDisk>);

impl BlockDevice for HostedDisk {
    fn geometry(&self) -> Geometry {
        self.0.geometry()
    }

    fn read(&self, sector: u64, out: &mut [u8]) -> Result<(), DeviceError> {
        let _masked = engine::mask_signals();
        self.0.read(sector, out)
    }

    fn write(&self, sector: u64, bytes: &[u8], mode: WriteMode) -> Result<(), DeviceError> {
        let _masked = engine::mask_signals();
        self.0.write(sector, bytes, mode)
    }

    fn flush(&self) -> Result<(), DeviceError> {
        let _masked = engine::mask_signals();
        self.0.flush()
    }

    fn discard(&self, sector: u64, count: u64) -> Result<(), DeviceError> {
        let _masked = engine::mask_signals();
        self.0.discard(sector, count)
    }
}
