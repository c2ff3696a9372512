//! A device that remembers what was done to it: [`RecordDisk`], and the [`DiskEvent`]s to do it again.

use alloc::vec::Vec;
use std::sync::{Mutex, PoisonError};

use crate::block::{BlockDevice, Geometry, WriteMode};
use crate::error::DeviceError;

/// Something that was done to a device, and succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiskEvent {
    /// Sectors were written.
    Write {
        /// The first.
        sector: u64,
        /// What.
        bytes: Vec<u8>,
        /// When it was to be durable.
        mode: WriteMode,
    },
    /// What was written before became durable.
    Flush,
    /// Sectors were given up.
    Discard {
        /// The first.
        sector: u64,
        /// How many.
        count: u64,
    },
}

impl DiskEvent {
    /// Does it to `device`.
    ///
    /// # Errors
    /// What the device says.
    pub fn apply(&self, device: &dyn BlockDevice) -> Result<(), DeviceError> {
        match self {
            Self::Write { sector, bytes, mode } => device.write(*sector, bytes, *mode),
            Self::Flush => device.flush(),
            Self::Discard { sector, count } => device.discard(*sector, *count),
        }
    }

    /// Of a write, does the 512 bytes number `piece` alone. Nothing for other events and behind its end.
    ///
    /// # Errors
    /// What the device says.
    pub fn apply_piece(&self, device: &dyn BlockDevice, piece: usize) -> Result<(), DeviceError> {
        let Self::Write { sector, bytes, mode } = self else { return Ok(()) };
        let Some(new) = bytes.chunks(512).nth(piece) else { return Ok(()) };
        let size = device.geometry().sector_size();
        let at = *sector + (piece * 512 / size) as u64;
        let mut whole = alloc::vec![0; size];
        device.read(at, &mut whole)?;
        whole[piece * 512 % size..][..new.len()].copy_from_slice(new);
        device.write(at, &whole, *mode)
    }

    /// How many pieces of 512 bytes a write has; 0 for other events.
    #[must_use]
    pub fn pieces(&self) -> usize {
        match self {
            Self::Write { bytes, .. } => bytes.len() / 512,
            _ => 0,
        }
    }
}

/// A device that passes everything on and remembers each change that succeeded.
#[derive(Debug)]
pub struct RecordDisk<D> {
    device: D,
    events: Mutex<Vec<DiskEvent>>,
}

impl<D: BlockDevice> RecordDisk<D> {
    /// Remembers from now on.
    pub const fn new(device: D) -> Self {
        Self { device, events: Mutex::new(Vec::new()) }
    }

    /// The device behind it.
    pub const fn device(&self) -> &D {
        &self.device
    }

    /// What was remembered, and forgets it.
    #[must_use]
    pub fn take(&self) -> Vec<DiskEvent> {
        core::mem::take(&mut *self.events.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How much was remembered.
    #[must_use]
    pub fn events(&self) -> usize {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn remember(&self, event: DiskEvent) -> Result<(), DeviceError> {
        event.apply(&self.device)?;
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push(event);
        Ok(())
    }
}

impl<D: BlockDevice> BlockDevice for RecordDisk<D> {
    fn geometry(&self) -> Geometry {
        self.device.geometry()
    }

    fn read(&self, sector: u64, out: &mut [u8]) -> Result<(), DeviceError> {
        self.device.read(sector, out)
    }

    fn write(&self, sector: u64, bytes: &[u8], mode: WriteMode) -> Result<(), DeviceError> {
        self.remember(DiskEvent::Write { sector, bytes: bytes.to_vec(), mode })
    }

    fn flush(&self) -> Result<(), DeviceError> {
        self.remember(DiskEvent::Flush)
    }

    fn discard(&self, sector: u64, count: u64) -> Result<(), DeviceError> {
        self.remember(DiskEvent::Discard { sector, count })
    }
}
