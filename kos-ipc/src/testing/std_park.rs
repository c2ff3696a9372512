//! Threads of the host: [`StdPark`].

use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Thread};
use std::time;

use alloc::sync::Arc;

use super::{HostLock, HostMask};
use crate::policy::NoPolicy;
use crate::ports::{BlockReason, Env, Park, Resume};
use crate::time::{Duration, Instant};

/// Host threads, a lock that wants interrupts masked, no policy.
#[derive(Clone, Copy, Debug)]
pub struct StdEnv;

impl Env for StdEnv {
    type Lock = HostLock;
    type Irq = HostMask;
    type Park = StdPark;
    type Policy = NoPolicy;
}

/// Parks threads of the host, with the host's monotonic clock. Clones are the same one.
#[derive(Clone, Debug)]
pub struct StdPark {
    start: time::Instant,
}

/// A thread of the host.
#[derive(Clone)]
pub struct StdToken(Arc<(Thread, AtomicBool)>);

impl fmt::Debug for StdToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StdToken").field(&self.0.0.id()).finish()
    }
}

impl Default for StdPark {
    fn default() -> Self {
        Self::new()
    }
}

impl StdPark {
    /// It is time 0.
    #[must_use]
    pub fn new() -> Self {
        Self { start: time::Instant::now() }
    }

    /// Names the running thread. Only clones of one token are interrupted together.
    #[must_use]
    pub fn token(&self) -> StdToken {
        StdToken(Arc::new((thread::current(), AtomicBool::new(false))))
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Instant {
        let since = u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        Instant::from_ticks(since)
    }

    /// In a time.
    #[must_use]
    pub fn after(&self, time: Duration) -> Instant {
        self.now().checked_add_duration(time).unwrap_or(Instant::from_ticks(u64::MAX))
    }

    /// Ends the next park of `thread`, or the one it is in, with [`Resume::Interrupted`].
    pub fn interrupt(&self, thread: &StdToken) {
        thread.0.1.store(true, Ordering::Release);
        thread.0.0.unpark();
    }
}

impl Park for StdPark {
    type Token = StdToken;

    fn park(&self, me: &StdToken, until: Option<Instant>, _: BlockReason) -> Resume {
        assert!(!HostMask::is_masked(), "parked with interrupts masked");
        if me.0.1.swap(false, Ordering::Acquire) {
            return Resume::Interrupted;
        }
        match until.map(|until| until.as_ticks().saturating_sub(self.now().as_ticks())) {
            None => thread::park(),
            Some(0) => return Resume::TimedOut,
            Some(left) => thread::park_timeout(time::Duration::from_nanos(left)),
        }
        match me.0.1.swap(false, Ordering::Acquire) {
            true => Resume::Interrupted,
            false => Resume::Woken,
        }
    }

    fn unpark(&self, thread: &StdToken) {
        assert!(!HostMask::is_masked(), "woke somebody with a lock held");
        thread.0.0.unpark();
    }

    fn interrupt(&self, thread: &StdToken) {
        assert!(!HostMask::is_masked(), "told somebody with a lock held");
        Self::interrupt(self, thread);
    }
}
