//! A disk that writes down what comes, and what is left of it after a power cut.

use alloc::vec::Vec;
use std::sync::Mutex;

use crate::block::{BlockDevice, DeviceFeatures, Geometry, WriteMode};
use crate::error::DeviceError;
use crate::testing::RamDisk;

/// 16 MiB of 512 bytes.
pub(in crate::fs::kosfs) const SECTORS: u64 = 4096 * 8;

/// What came to the device since the start.
#[derive(Clone, Debug)]
pub(in crate::fs::kosfs) enum Event {
    Write { sector: u64, bytes: Vec<u8>, through: bool },
    Flush,
}

/// A disk that writes down what comes.
#[derive(Debug)]
pub(in crate::fs::kosfs) struct Recorder {
    pub(in crate::fs::kosfs) disk: RamDisk,
    pub(in crate::fs::kosfs) events: Mutex<Vec<Event>>,
}

impl BlockDevice for Recorder {
    fn geometry(&self) -> Geometry {
        self.disk.geometry()
    }

    fn read(&self, sector: u64, out: &mut [u8]) -> Result<(), DeviceError> {
        self.disk.read(sector, out)
    }

    fn write(&self, sector: u64, bytes: &[u8], mode: WriteMode) -> Result<(), DeviceError> {
        let through = mode == WriteMode::Through;
        self.events.lock().unwrap().push(Event::Write { sector, bytes: bytes.to_vec(), through });
        self.disk.write(sector, bytes, mode)
    }

    fn flush(&self) -> Result<(), DeviceError> {
        self.events.lock().unwrap().push(Event::Flush);
        self.disk.flush()
    }

    fn discard(&self, _: u64, _: u64) -> Result<(), DeviceError> {
        Ok(())
    }
}

pub(in crate::fs::kosfs) fn disk() -> RamDisk {
    RamDisk::new(Geometry::new(512, SECTORS, DeviceFeatures::FLUSH | DeviceFeatures::FUA).unwrap())
}

/// The disk after a power cut behind `events[..end]`: what was flushed is there, of the rest each 512 bytes as `keep` says.
pub(in crate::fs::kosfs) fn after_crash(
    events: &[Event],
    end: usize,
    mut keep: impl FnMut() -> bool,
) -> RamDisk {
    let disk = disk();
    let flushed = events[..end].iter().rposition(|event| matches!(event, Event::Flush)).unwrap_or(0);
    for (at, event) in events[..end].iter().enumerate() {
        let Event::Write { sector, bytes, through } = event else { continue };
        for (piece, sector) in bytes.chunks(512).zip(*sector..) {
            if at < flushed || *through || keep() {
                disk.write(sector, piece, WriteMode::Cached).unwrap();
            }
        }
    }
    disk
}

/// Whether each 512 bytes in flight were written: a sequence that follows from `seed`.
pub(in crate::fs::kosfs) fn chance(seed: u64) -> impl FnMut() -> bool {
    let mut random = seed | 1;
    move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random & 2 == 0
    }
}
