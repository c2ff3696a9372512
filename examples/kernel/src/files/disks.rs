//! `/dev/vda`, `/dev/vda1`: the bytes of the disk and of its partitions, as they were when the kernel started.
//!
//! They go past the page cache. Reading is always possible; writing is refused with EBUSY while anything on those sectors is mounted.

use alloc::sync::Arc;
use core::fmt;
use core::ops::Range;

use kos_vfs::block::{BlockDevice as _, Partition, read_bytes, write_bytes};
use kos_vfs::fs::SyncMode;
use kos_vfs::{Errno, OpenFlags, SeekFrom, SpecialFile};

use super::claims::Claims;
use super::span;
use crate::glue::faults::Faulty;
use crate::glue::sleep_lock::SleepLock;
use crate::platform::Platform;

/// The number of the whole disk is this with 0, of its partition n with n: one of those that Linux gives to whoever comes.
pub(super) const MAJOR: u32 = 254;

/// A part of the disk, or all of it.
pub(super) struct DiskFile<P: Platform> {
    device: Partition<Faulty<P>>,
    sectors: Range<u64>,
    claims: Arc<Claims<SleepLock<P>>>,
}

impl<P: Platform> DiskFile<P> {
    /// `device` is those sectors of the disk with these claims.
    pub(super) const fn new(
        device: Partition<Faulty<P>>,
        sectors: Range<u64>,
        claims: Arc<Claims<SleepLock<P>>>,
    ) -> Self {
        Self { device, sectors, claims }
    }

    /// How many bytes it has.
    fn bytes(&self) -> u64 {
        self.device.geometry().bytes()
    }

    /// How many of `length` bytes there are from `offset` on.
    fn within(&self, offset: u64, length: usize) -> usize {
        span::within(self.bytes(), offset, length)
    }
}

impl<P: Platform> fmt::Debug for DiskFile<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DiskFile").field(&self.sectors).finish()
    }
}

impl<P: Platform> SpecialFile for DiskFile<P> {
    fn has_position(&self) -> bool {
        true
    }

    fn read(&self, offset: u64, out: &mut [u8], _: OpenFlags) -> Result<usize, Errno> {
        let count = self.within(offset, out.len());
        let out = out.get_mut(..count).unwrap_or_default();
        read_bytes(&self.device, offset, out).map_err(|error| error.errno())?;
        Ok(count)
    }

    fn write(&self, offset: u64, bytes: &[u8], _: OpenFlags) -> Result<usize, Errno> {
        let count = self.within(offset, bytes.len());
        let some = bytes.get(..count).unwrap_or_default();
        if some.is_empty() && !bytes.is_empty() {
            return Err(Errno::ENOSPC);
        }
        let write = || write_bytes(&self.device, offset, some).map_err(|error| error.errno());
        self.claims.unless_taken(&self.sectors, write)??;
        Ok(count)
    }

    fn seek(&self, position: u64, to: SeekFrom) -> Result<u64, Errno> {
        span::seek(self.bytes(), position, to)
    }

    fn sync(&self, _: SyncMode) -> Result<(), Errno> {
        self.device.flush().map_err(|error| error.errno())
    }
}
