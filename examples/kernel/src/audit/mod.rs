//! The record of what people did: who, what, to what, whether it was allowed, and when.
//!
//! A record goes into a ring in memory, which `audit` shows, and behind `/var/log/audit`, which outlives the machine where the root does.
//! One that the file did not take is counted. By the option `audit=closed`, or the command `audit closed`, what is not recorded
//! does not happen: then each record is durable before its maker goes on. What programs do by capabilities is recorded by kos-ipc's own log, in interrupt
//! context too; here records wait for a disk, in task context.
//!
//! | part | idea |
//! |---|---|
//! | [`record`] | one record, and its line |
//! | `file` | `/var/log/audit` |

mod file;
pub mod record;

use alloc::vec::Vec;
use core::error::Error;
use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use kos_vfs::Errno;
use lock_api::Mutex;

use crate::Kernel;
use crate::glue::sleep_lock::SleepLock;
use crate::platform::Platform;
pub(crate) use file::PATH;
pub use record::{Record, What};

/// Records in memory.
const ROOM: usize = 64;

/// What is kept of a kernel's records.
pub(crate) struct Audit<P: Platform> {
    ring: Mutex<SleepLock<P>, Ring>,
    /// Records that the file did not take.
    lost: AtomicU64,
    /// What is not recorded does not happen.
    closed: AtomicBool,
}

/// The last records.
#[derive(Default)]
struct Ring {
    records: Vec<Record>,
    /// How many there were; the place of the next, modulo its room.
    made: usize,
}

impl Ring {
    /// Keeps a record in the place of the oldest. Without memory it is in the file alone.
    fn push(&mut self, record: Record) {
        if self.records.is_empty() && self.records.try_reserve_exact(ROOM).is_err() {
            return;
        }
        match self.records.get_mut(self.made % ROOM) {
            Some(oldest) => *oldest = record,
            // There is room: it was reserved.
            None => self.records.push(record),
        }
        self.made += 1;
    }

    /// The records, the oldest first.
    fn all(&self) -> impl Iterator<Item = &Record> {
        let (newer, older) = self.records.split_at_checked(self.made % ROOM).unwrap_or((&self.records, &[]));
        older.iter().chain(newer)
    }
}

/// Something is not recorded, and so may not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotRecorded(Errno);

impl fmt::Display for NotRecorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it cannot be recorded in {PATH}: {}", self.0.meaning())
    }
}

impl Error for NotRecorded {}

impl<P: Platform> Audit<P> {
    /// Nothing was done.
    pub(crate) const fn new() -> Self {
        let ring = Ring { records: Vec::new(), made: 0 };
        Self { ring: Mutex::new(ring), lost: AtomicU64::new(0), closed: AtomicBool::new(false) }
    }

    /// Records that the file did not take.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Relaxed)
    }

    /// Whether what is not recorded does not happen.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Relaxed)
    }

    /// From now on what is not recorded does not happen, or does.
    pub(crate) fn close(&self, closed: bool) {
        self.closed.store(closed, Relaxed);
    }

    /// Shows the last records, the oldest first.
    pub(crate) fn each(&self, show: impl FnMut(&Record) -> fmt::Result) -> fmt::Result {
        self.ring.lock().all().try_for_each(show)
    }
}

impl<P: Platform> Kernel<P> {
    /// Records what user `who` did, or was refused. Task context; it may sleep.
    ///
    /// # Errors
    /// [`NotRecorded`]: the file did not take it, and what is not recorded is not to happen. Whoever was refused anyway need not
    /// look.
    pub(crate) fn record(
        &self,
        who: u32,
        what: What,
        object: &dyn fmt::Display,
        allowed: bool,
    ) -> Result<(), NotRecorded> {
        let time = self.files().map_or(0, |files| files.now().seconds);
        let record = Record::new(time, who, what, object, allowed);
        // Lines in the file are in the order of the ring.
        let mut ring = self.audit.ring.lock();
        ring.push(record.clone());
        let closed = self.audit.is_closed();
        let Err(errno) = file::append(self, &record, closed) else { return Ok(()) };
        drop(ring);
        self.audit.lost.fetch_add(1, Relaxed);
        if closed { Err(NotRecorded(errno)) } else { Ok(()) }
    }
}

impl<P: Platform> fmt::Debug for Audit<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audit")
            .field("lost", &self.lost())
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_keeps_the_last_in_order() {
        let mut ring = Ring::default();
        for number in 0..3 * ROOM + 5 {
            ring.push(Record::new(0, u32::try_from(number).unwrap(), What::Su, &"x", true));
            let kept: Vec<_> = ring.all().map(|record| record.who as usize).collect();
            let first = (number + 1).saturating_sub(ROOM);
            assert_eq!(kept, (first..=number).collect::<Vec<_>>());
        }
    }
}
