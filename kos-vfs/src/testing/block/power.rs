//! A device with a cache that a power cut empties: [`PowerCut`].

use alloc::vec::Vec;
use std::sync::{Mutex, PoisonError};

use super::RamDisk;
use super::record::DiskEvent;
use crate::block::{BlockDevice, Geometry, WriteMode};
use crate::error::DeviceError;

/// A disk of which what was not flushed is lost in part when the power is cut: any pieces of 512 bytes of any writes, so that
/// writes are lost, reordered and torn.
#[derive(Debug)]
pub struct PowerCut {
    /// What survives.
    durable: RamDisk,
    /// What is read.
    current: RamDisk,
    waiting: Mutex<Vec<DiskEvent>>,
    honest: bool,
}

impl PowerCut {
    /// Begins with what is on `disk`.
    #[must_use]
    pub fn new(disk: &RamDisk) -> Self {
        Self { durable: disk.clone(), current: disk.clone(), waiting: Mutex::default(), honest: true }
    }

    /// The same, whose flushes and [`WriteMode::Through`] are promises not kept: a test that this one passes proves nothing.
    #[must_use]
    pub fn lying(disk: &RamDisk) -> Self {
        Self { honest: false, ..Self::new(disk) }
    }

    /// How many writes wait to become durable.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// What is there after the power was cut now; which pieces survived follows from `seed`.
    ///
    /// # Panics
    /// Never: the disks are as large as each other.
    #[must_use]
    pub fn cut(&self, seed: u64) -> RamDisk {
        let disk = self.durable.clone();
        let mut state = seed | 1;
        for event in self.waiting.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            // A third of the writes is lost whole, a third survives whole, a third is torn.
            let fate = random(&mut state) % 3;
            for piece in 0..event.pieces() {
                let survives = fate == 1 || fate == 2 && random(&mut state).is_multiple_of(2);
                if survives {
                    event.apply_piece(&disk, piece).expect("a disk as large as the one written to");
                }
            }
        }
        disk
    }
}

/// What waits for `sectors` came before what is durable there, and must not come back.
fn forget(waiting: &mut Vec<DiskEvent>, size: usize, sectors: core::ops::Range<u64>) {
    let mut kept = Vec::new();
    for event in waiting.drain(..) {
        let DiskEvent::Write { sector: first, bytes, mode } = &event else { continue };
        for (sector, bytes) in (*first..).zip(bytes.chunks(size)) {
            if !sectors.contains(&sector) {
                kept.push(DiskEvent::Write { sector, bytes: bytes.to_vec(), mode: *mode });
            }
        }
    }
    *waiting = kept;
}

/// The next of a row of numbers (xorshift64*).
fn random(state: &mut u64) -> u64 {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33
}

impl BlockDevice for PowerCut {
    fn geometry(&self) -> Geometry {
        self.current.geometry()
    }

    fn read(&self, sector: u64, out: &mut [u8]) -> Result<(), DeviceError> {
        self.current.read(sector, out)
    }

    fn write(&self, sector: u64, bytes: &[u8], mode: WriteMode) -> Result<(), DeviceError> {
        self.current.write(sector, bytes, mode)?;
        let event = DiskEvent::Write { sector, bytes: bytes.to_vec(), mode };
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if mode == WriteMode::Through && self.honest {
            event.apply(&self.durable)?;
            let end = sector + self.geometry().check(sector, bytes.len())?;
            forget(&mut waiting, self.geometry().sector_size(), sector..end);
        } else {
            waiting.push(event);
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), DeviceError> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if self.honest {
            for event in waiting.drain(..) {
                event.apply(&self.durable)?;
            }
        }
        Ok(())
    }

    fn discard(&self, sector: u64, count: u64) -> Result<(), DeviceError> {
        self.current.geometry().check_write(sector, 0)?;
        self.current.geometry().check_sectors(sector, count)
    }
}
