//! [`SleepEnv`]: what a [`Vfs`](kos_vfs::Vfs) of this process is built over. Its locks sleep.

use std::time::UNIX_EPOCH;

use kos_vfs::{Env, Timestamp, WallClock};

/// Locks that sleep, and a [`Clock`].
#[derive(Debug)]
pub struct SleepEnv;

impl Env for SleepEnv {
    type Lock = parking_lot::RawMutex;
    type RwLock = parking_lot::RawRwLock;
    type Clock = Clock;
}

/// The time of day.
#[derive(Clone, Copy, Debug)]
pub enum Clock {
    /// That of the host.
    Host,
    /// One that stands: what is made shows this time.
    Fixed(Timestamp),
}

impl WallClock for Clock {
    fn now(&self) -> Timestamp {
        match self {
            Self::Host => {
                let since = UNIX_EPOCH.elapsed().unwrap_or_default();
                let now = Timestamp::new(since.as_secs().cast_signed(), since.subsec_nanos());
                now.unwrap_or(Timestamp::EPOCH)
            }
            Self::Fixed(time) => *time,
        }
    }
}
