//! [`Devices`]: which device has which number. [`Presence`]: that it still is one.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};

use lock_api::RwLock;

use crate::attr::{DeviceNumber, FileType};
use crate::errno::Errno;
use crate::error::FsError;
use crate::file::{OpenFlags, SeekFrom};
use crate::fs::SyncMode;
use crate::ports::{Env, SpecialFile, SpecialOpen, SpecialOpener};

/// Whether a device is registered. Shared by the device and its open files.
#[derive(Clone, Debug, Default)]
pub struct Presence(Arc<AtomicBool>);

impl Presence {
    /// That of a new device. Allocates.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the device was removed.
    pub fn is_gone(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    fn end(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// # Errors
    /// ENODEV, if the device was removed.
    pub fn check(&self) -> Result<(), Errno> {
        if self.is_gone() { Err(Errno::ENODEV) } else { Ok(()) }
    }
}

/// What is behind a number. A device that is the same for all who open it is a [`Present`].
pub trait Device: Send + Sync + fmt::Debug {
    /// Made with the device. Once it is gone, open files answer ENODEV: wrap them in [`Present`]. Who waits in one is the
    /// device's to wake.
    fn presence(&self) -> &Presence;

    /// As [`SpecialOpener::open`].
    ///
    /// # Errors
    /// What the system call answers.
    fn open(self: Arc<Self>, open: &SpecialOpen<'_>) -> Result<Arc<dyn SpecialFile>, Errno>;
}

/// An open file of a device: ENODEV when the device was removed. Also a device, with one open file that all share.
#[derive(Debug)]
pub struct Present<F> {
    presence: Presence,
    file: F,
}

impl<F: SpecialFile> Present<F> {
    /// A device of its own.
    pub fn new(file: F) -> Self {
        Self::of(Presence::new(), file)
    }

    /// A file of the device with that presence.
    pub const fn of(presence: Presence, file: F) -> Self {
        Self { presence, file }
    }
}

impl<F: SpecialFile> SpecialFile for Present<F> {
    fn has_position(&self) -> bool {
        self.file.has_position()
    }

    fn read(&self, offset: u64, out: &mut [u8], flags: OpenFlags) -> Result<usize, Errno> {
        self.presence.check()?;
        self.file.read(offset, out, flags)
    }

    fn write(&self, offset: u64, bytes: &[u8], flags: OpenFlags) -> Result<usize, Errno> {
        self.presence.check()?;
        self.file.write(offset, bytes, flags)
    }

    fn seek(&self, position: u64, to: SeekFrom) -> Result<u64, Errno> {
        self.presence.check()?;
        self.file.seek(position, to)
    }

    fn sync(&self, mode: SyncMode) -> Result<(), Errno> {
        self.presence.check()?;
        self.file.sync(mode)
    }
}

impl<F: SpecialFile + 'static> Device for Present<F> {
    fn presence(&self) -> &Presence {
        &self.presence
    }

    fn open(self: Arc<Self>, _: &SpecialOpen<'_>) -> Result<Arc<dyn SpecialFile>, Errno> {
        Ok(self)
    }
}

#[derive(Debug)]
struct Row {
    kind: FileType,
    number: DeviceNumber,
    device: Arc<dyn Device>,
}

/// Devices by kind and number. Character and block devices have numbers of their own.
pub struct Devices<E: Env> {
    rows: RwLock<E::RwLock, Vec<Row>>,
    rest: Option<Arc<dyn SpecialOpener>>,
}

fn order(kind: FileType, number: DeviceNumber) -> (bool, u32, u32) {
    (kind == FileType::BlockDevice, number.major, number.minor)
}

impl<E: Env> Devices<E> {
    /// None yet. `rest` is asked for pipes and sockets; without it, they open with ENXIO.
    pub fn new(rest: Option<Arc<dyn SpecialOpener>>) -> Self {
        Self { rows: RwLock::new(Vec::new()), rest }
    }

    fn find(rows: &[Row], kind: FileType, number: DeviceNumber) -> Result<usize, usize> {
        let wanted = order(kind, number);
        rows.binary_search_by_key(&wanted, |row| order(row.kind, row.number))
    }

    /// Puts a device behind a number.
    ///
    /// # Errors
    /// [`FsError::Exists`], [`FsError::Unsupported`] of what is no device, [`FsError::Stale`] of one that was removed once, no
    /// memory.
    pub fn register(
        &self,
        kind: FileType,
        number: DeviceNumber,
        device: Arc<dyn Device>,
    ) -> Result<(), FsError> {
        if !matches!(kind, FileType::CharDevice | FileType::BlockDevice) {
            return Err(FsError::Unsupported);
        }
        if device.presence().is_gone() {
            return Err(FsError::Stale);
        }
        let mut rows = self.rows.write();
        let Err(at) = Self::find(&rows, kind, number) else { return Err(FsError::Exists) };
        rows.try_reserve(1)?;
        rows.insert(at, Row { kind, number, device });
        Ok(())
    }

    /// Takes a device away: its open files answer ENODEV from now on, and its nodes open with ENXIO.
    ///
    /// # Errors
    /// [`FsError::NotFound`].
    pub fn unregister(&self, kind: FileType, number: DeviceNumber) -> Result<(), FsError> {
        let row = {
            let mut rows = self.rows.write();
            let at = Self::find(&rows, kind, number).map_err(|_| FsError::NotFound)?;
            rows.remove(at)
        };
        // The device may go with this: no lock is held.
        row.device.presence().end();
        Ok(())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows.read().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<E: Env> SpecialOpener for Devices<E> {
    fn open(&self, open: &SpecialOpen<'_>) -> Result<Arc<dyn SpecialFile>, Errno> {
        if matches!(open.kind, FileType::CharDevice | FileType::BlockDevice) {
            let device = {
                let rows = self.rows.read();
                let at = Self::find(&rows, open.kind, open.device).ok();
                at.and_then(|at| rows.get(at)).map(|row| Arc::clone(&row.device))
            };
            return device.ok_or(Errno::ENXIO)?.open(open);
        }
        self.rest.as_ref().ok_or(Errno::ENXIO)?.open(open)
    }
}

impl<E: Env> fmt::Debug for Devices<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Devices").field("count", &self.len()).finish_non_exhaustive()
    }
}
