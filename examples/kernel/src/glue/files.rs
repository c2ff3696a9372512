//! `Env` and `WallClock` of kos-vfs: locks that sleep, and the machine's clock.

use core::fmt;
use core::marker::PhantomData;

use kos_sched::Clock;
use kos_vfs::{Env, Timestamp, WallClock};

use super::sleep_lock::SleepLock;
use crate::platform::Platform;
use crate::time::Duration;

/// What kos-vfs is built over.
#[derive(Debug)]
pub struct FilesEnv<P>(PhantomData<fn() -> P>);

impl<P: Platform> Env for FilesEnv<P> {
    type Lock = SleepLock<P>;
    type RwLock = SleepLock<P>;
    type Clock = FilesClock<P>;
}

/// The time of day: what it was at entry, and the clock since.
pub struct FilesClock<P: Platform> {
    port: P::Scheduler,
    /// Since 1970.
    entry: Duration,
}

impl<P: Platform> FilesClock<P> {
    /// The clock of a machine. One that does not know the time of day begins in 1970.
    pub fn new(platform: &P) -> Self {
        let port = platform.scheduler();
        let up = port.now().duration_since_epoch();
        let today = platform.time_of_day().unwrap_or(Duration::from_ticks(0));
        Self { entry: Duration::from_ticks(today.as_ticks().saturating_sub(up.as_ticks())), port }
    }
}

impl<P: Platform> WallClock for FilesClock<P> {
    fn now(&self) -> Timestamp {
        const SECOND: u64 = 1_000_000_000;
        let now = self.entry.as_ticks().saturating_add(self.port.now().as_ticks());
        let (seconds, nanos) = ((now / SECOND).cast_signed(), u32::try_from(now % SECOND).unwrap_or(0));
        Timestamp::new(seconds, nanos).unwrap_or(Timestamp::EPOCH)
    }
}

impl<P: Platform> fmt::Debug for FilesClock<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FilesClock").field("entry", &self.entry).finish_non_exhaustive()
    }
}
