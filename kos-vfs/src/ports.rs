//! What the integrator supplies: [`Env`], types of locks and the clock; [`WallClock`], the time of day. File systems implement
//! [`FileSystem`](crate::fs::FileSystem).

use core::fmt;

use lock_api::{RawMutex, RawRwLock};

use crate::attr::Timestamp;

/// The types that this crate is built over. Never a value.
///
/// Both locks are held across calls of file systems, which may wait for a device: let them sleep where there are threads, and
/// spin only where file systems never wait. They are never taken in interrupts, and need not mask them. [`Lock`](Self::Lock)
/// over tables is held for memory work alone.
pub trait Env: 'static {
    /// A mutual exclusion.
    type Lock: RawMutex + Send + Sync;
    /// Many readers or one writer. A reader that waits behind a waiting writer is fine: no thread takes one twice.
    type RwLock: RawRwLock + Send + Sync;
    /// The time of day.
    type Clock: WallClock;
}

/// The time of day. Called with locks held; must not wait. A clock that is set back gives files earlier times, nothing worse.
pub trait WallClock: Send + Sync + fmt::Debug {
    /// Now.
    fn now(&self) -> Timestamp;
}

impl<C: WallClock + ?Sized> WallClock for &'static C {
    fn now(&self) -> Timestamp {
        (**self).now()
    }
}
