//! A device whose k-th call fails: [`FaultDisk`].

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::block::{BlockDevice, Geometry, WriteMode};
use crate::error::DeviceError;

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is done; the next call succeeds.
    Once,
    /// Of a write, the first half of its sectors is stored; the next call succeeds.
    Torn,
    /// The device is gone from this call on.
    Gone,
}

/// A device of which one call fails, counted from 0; reads, writes, flushes and discards count alike.
#[derive(Debug)]
pub struct FaultDisk<D> {
    device: D,
    fault: Fault,
    at: u64,
    calls: AtomicU64,
    failed: AtomicBool,
}

impl<D: BlockDevice> FaultDisk<D> {
    /// Fails call number `at`.
    pub const fn new(device: D, at: u64, fault: Fault) -> Self {
        Self { device, fault, at, calls: AtomicU64::new(0), failed: AtomicBool::new(false) }
    }

    /// How many calls there were.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Whether the call came that fails.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// Counts a call; the fault, if it is the one.
    fn count(&self, failure: DeviceError) -> Result<(), DeviceError> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let gone = self.fault == Fault::Gone && call > self.at;
        if call != self.at && !gone {
            return Ok(());
        }
        self.failed.store(true, Ordering::Relaxed);
        Err(if self.fault == Fault::Gone { DeviceError::Gone } else { failure })
    }
}

impl<D: BlockDevice> BlockDevice for FaultDisk<D> {
    fn geometry(&self) -> Geometry {
        self.device.geometry()
    }

    fn read(&self, sector: u64, out: &mut [u8]) -> Result<(), DeviceError> {
        self.count(DeviceError::Failed { sector })?;
        self.device.read(sector, out)
    }

    fn write(&self, sector: u64, bytes: &[u8], mode: WriteMode) -> Result<(), DeviceError> {
        if let Err(error) = self.count(DeviceError::Failed { sector }) {
            if self.fault == Fault::Torn {
                let half = bytes.len() / 2 / self.geometry().sector_size() * self.geometry().sector_size();
                self.device.write(sector, &bytes[..half], mode)?;
            }
            return Err(error);
        }
        self.device.write(sector, bytes, mode)
    }

    fn flush(&self) -> Result<(), DeviceError> {
        self.count(DeviceError::NotFlushed)?;
        self.device.flush()
    }

    fn discard(&self, sector: u64, count: u64) -> Result<(), DeviceError> {
        self.count(DeviceError::Failed { sector })?;
        self.device.discard(sector, count)
    }
}
