//! [`Doorbell`]: how one CPU is told that there is work, with no interrupt more than needed and none less.
//!
//! Two rules, each a race that others lost:
//! - The kick bit says that an interrupt is on its way; who finds it set sends none. Delivery clears it *before* it looks for
//!   work, so that whoever comes after that look sends his own.
//! - A CPU that polls needs no interrupt. Before it halts it takes its word back, fences, and looks once more; a sender
//!   publishes the work, fences, and only then asks whether the CPU polls.

use crate::atomic::{AtomicU32, Ordering, const_fn, fence};
use crate::error::IpiError;
use crate::seeded::{Bug, seeded};

/// What ringing took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rung {
    /// An interrupt was sent.
    Sent,
    /// None was needed.
    Saved,
    /// It could not be sent: ring again later.
    Failed,
}

/// The doorbell of one CPU.
#[derive(Debug)]
pub(crate) struct Doorbell {
    /// An interrupt is on its way.
    kicked: AtomicU32,
    /// The CPU looks for work by itself.
    polling: AtomicU32,
}

impl Doorbell {
    const_fn! {
        /// Of a CPU that has not been told anything.
        pub(crate) fn new() -> Self {
            Self { kicked: AtomicU32::new(0), polling: AtomicU32::new(0) }
        }
    }

    /// Tells the CPU of work that is already published; `kick` sends the interrupt.
    #[inline]
    pub(crate) fn ring(&self, kick: impl FnOnce() -> Result<(), IpiError>) -> Rung {
        fence(Ordering::SeqCst);
        if self.polling.load(Ordering::Relaxed) != 0 || self.kicked.swap(1, Ordering::AcqRel) != 0 {
            return Rung::Saved;
        }
        match kick() {
            Ok(()) => Rung::Sent,
            Err(_) => {
                self.kicked.store(0, Ordering::Release);
                Rung::Failed
            }
        }
    }

    /// The interrupt was delivered: `work` looks for what it was about.
    #[inline]
    pub(crate) fn answer<R>(&self, work: impl FnOnce() -> R) -> R {
        if seeded(Bug::KickClearedLate) {
            let done = work();
            self.kicked.swap(0, Ordering::AcqRel);
            return done;
        }
        self.kicked.swap(0, Ordering::AcqRel);
        work()
    }

    /// The CPU begins to look for work by itself.
    #[inline]
    pub(crate) fn poll(&self) {
        self.polling.store(1, Ordering::Relaxed);
    }

    /// The CPU no longer looks by itself, but once more now: whether `work` found none, so that it may halt.
    #[inline]
    pub(crate) fn may_halt(&self, has_work: impl FnOnce() -> bool) -> bool {
        self.polling.store(0, Ordering::Relaxed);
        if seeded(Bug::HaltUnchecked) {
            return true;
        }
        fence(Ordering::SeqCst);
        !has_work()
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::{Doorbell, Rung};
    use crate::cpu::CpuId;
    use crate::error::IpiError;

    #[test]
    fn one_interrupt_until_it_is_delivered() {
        let bell = Doorbell::new();
        assert_eq!(bell.ring(|| Ok(())), Rung::Sent);
        assert_eq!(bell.ring(|| panic!("one is on its way")), Rung::Saved);
        bell.answer(|| assert_eq!(bell.ring(|| Ok(())), Rung::Sent, "work that came after the look"));
        bell.answer(|| ());
        assert_eq!(bell.ring(|| Err(IpiError { cpu: CpuId::new(0) })), Rung::Failed);
        assert_eq!(bell.ring(|| Ok(())), Rung::Sent, "a failed one is not on its way");
    }

    #[test]
    fn who_polls_is_not_interrupted() {
        let bell = Doorbell::new();
        bell.poll();
        assert_eq!(bell.ring(|| panic!("it polls")), Rung::Saved);
        assert!(!bell.may_halt(|| true));
        assert!(bell.may_halt(|| false));
        assert_eq!(bell.ring(|| Ok(())), Rung::Sent);
    }
}
