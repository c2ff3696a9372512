//! Scripts on an image: [`run`]. Between the file system and the image stands a [`ScriptDisk`], which loses what was not
//! flushed when the script says `crash`, and fails when it says `inject`.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::error::Error;
use std::io::{BufRead, Write};
use std::path::Path;

use kos_vfs::block::{BlockDevice, Geometry, WriteMode};
use kos_vfs::testing::script::VfsBackend;
use kos_vfs::testing::{HostEnv, TestClock};
use kos_vfs::{Config, DeviceError, MountFlags, Vfs};
use parking_lot::Mutex;

use super::faulty::{Faults, FaultyFs};
use super::script::{End, Script};
use crate::disk::{FileDisk, volume};

/// Runs the lines of `script` on the volume in `image`.
///
/// # Errors
/// No volume, or what the host says.
pub(super) fn run(
    image: &Path,
    clock: &TestClock,
    script: &mut Script<impl BufRead, impl Write>,
) -> Result<(), Box<dyn Error>> {
    let disk = Arc::new(ScriptDisk::new(FileDisk::open(image, false)?));
    loop {
        let faults = Arc::new(Faults::default());
        let fs = FaultyFs::new(volume::open(Arc::clone(&disk), false)?, Arc::clone(&faults));
        let vfs = Vfs::<HostEnv>::new(&Config::default(), clock.clone())?;
        let view = vfs.mount_root(Arc::new(fs), MountFlags::empty())?;
        let inject = |words: &[&str]| match words {
            ["eio", count] => count.parse().is_ok_and(|count| disk.fail_after(count)),
            [kind, count] => count.parse().is_ok_and(|count| faults.set(kind, count)),
            _ => false,
        };
        match script.run(VfsBackend::new(view, clock.clone()), Some(&inject))? {
            End::Done => {
                vfs.sync()?;
                return Ok(());
            }
            End::Crash => {
                // What the file system still wants to write while it goes is lost, too.
                disk.switch_off();
                drop(vfs);
                disk.switch_on();
            }
        }
    }
}

/// What changes of a [`ScriptDisk`].
#[derive(Debug, Default)]
struct State {
    /// What is written but not flushed, by sector.
    waiting: BTreeMap<u64, Vec<u8>>,
    /// Requests until one fails, if one shall.
    left: Option<u64>,
    off: bool,
}

/// A disk whose cache is lost when it is switched off.
#[derive(Debug)]
struct ScriptDisk {
    disk: FileDisk,
    state: Mutex<State>,
}

impl ScriptDisk {
    fn new(disk: FileDisk) -> Self {
        Self { disk, state: Mutex::default() }
    }

    /// The `count`th request from now on fails, from 0.
    fn fail_after(&self, count: u64) -> bool {
        self.state.lock().left = Some(count);
        true
    }

    fn switch_off(&self) {
        *self.state.lock() = State { off: true, ..State::default() };
    }

    fn switch_on(&self) {
        self.state.lock().off = false;
    }
}

impl State {
    /// One request more.
    fn count(&mut self, failure: DeviceError) -> Result<(), DeviceError> {
        if self.off {
            return Err(DeviceError::Gone);
        }
        let fails = self.left == Some(0);
        self.left = self.left.and_then(|left| left.checked_sub(1));
        if fails { Err(failure) } else { Ok(()) }
    }
}

impl BlockDevice for ScriptDisk {
    fn geometry(&self) -> Geometry {
        self.disk.geometry()
    }

    fn read(&self, sector: u64, out: &mut [u8]) -> Result<(), DeviceError> {
        let mut state = self.state.lock();
        state.count(DeviceError::Failed { sector })?;
        self.disk.read(sector, out)?;
        for (sector, piece) in (sector..).zip(out.chunks_mut(self.geometry().sector_size())) {
            if let Some(bytes) = state.waiting.get(&sector) {
                piece.copy_from_slice(bytes);
            }
        }
        Ok(())
    }

    fn write(&self, sector: u64, bytes: &[u8], mode: WriteMode) -> Result<(), DeviceError> {
        self.geometry().check_write(sector, bytes.len())?;
        let mut state = self.state.lock();
        state.count(DeviceError::Failed { sector })?;
        for (sector, piece) in (sector..).zip(bytes.chunks(self.geometry().sector_size())) {
            match mode {
                WriteMode::Through => state.waiting.remove(&sector),
                _ => state.waiting.insert(sector, piece.to_vec()),
            };
        }
        if mode == WriteMode::Through { self.disk.write(sector, bytes, mode) } else { Ok(()) }
    }

    fn flush(&self) -> Result<(), DeviceError> {
        let mut state = self.state.lock();
        state.count(DeviceError::NotFlushed)?;
        for (sector, bytes) in core::mem::take(&mut state.waiting) {
            self.disk.write(sector, &bytes, WriteMode::Cached)?;
        }
        self.disk.flush()
    }

    fn discard(&self, sector: u64, count: u64) -> Result<(), DeviceError> {
        self.state.lock().count(DeviceError::Failed { sector })?;
        self.disk.discard(sector, count)
    }
}
