//! [`Turns`]: one CPU at a time, in the order in which they came; who waits sleeps.
//!
//! For what is too long to be waited for with interrupts masked: a change of the page tables ends when every CPU has acknowledged
//! it, and a CPU that sleeps does so at once, also where many CPUs are emulated on few.

use core::sync::atomic::{AtomicU32, Ordering::SeqCst};

use kos_alloc::CpuIndex;

use crate::crew::MAX_CPUS;
use crate::platform::Platform;

/// Who may go, and who waits. Tickets are counted modulo 2^32, and there are never more than CPUs.
#[derive(Debug)]
pub(crate) struct Turns {
    next: AtomicU32,
    serving: AtomicU32,
    /// The CPU that holds each ticket, by the ticket's remainder.
    holders: [AtomicU32; MAX_CPUS],
}

impl Turns {
    pub(crate) const fn new() -> Self {
        Self {
            next: AtomicU32::new(0),
            serving: AtomicU32::new(0),
            holders: [const { AtomicU32::new(0) }; MAX_CPUS],
        }
    }

    /// Does `work` when the turn of the calling CPU comes. Not in interrupt context, not with interrupts masked, not within
    /// `work`; whoever else runs on this CPU must not take a turn meanwhile.
    pub(crate) fn take<P: Platform, R>(&self, platform: &P, work: impl FnOnce() -> R) -> R {
        let ticket = self.next.fetch_add(1, SeqCst);
        let called = || self.serving.load(SeqCst) == ticket;
        if let (Some(holder), Ok(cpu)) = (self.holder(ticket), u32::try_from(platform.cpu().0)) {
            holder.store(cpu, SeqCst);
        }
        // Whoever gives the turn on looks for the holder after he has called the ticket; here it is the other way round.
        while !called() {
            platform.idle(&called);
        }
        let result = work();
        self.call(platform, ticket.wrapping_add(1));
        result
    }

    fn call<P: Platform>(&self, platform: &P, ticket: u32) {
        self.serving.store(ticket, SeqCst);
        if self.next.load(SeqCst) != ticket
            && let Some(holder) = self.holder(ticket)
        {
            // An old entry wakes a CPU for nothing.
            platform.wake(CpuIndex(holder.load(SeqCst) as usize));
        }
    }

    fn holder(&self, ticket: u32) -> Option<&AtomicU32> {
        self.holders.get(ticket as usize % MAX_CPUS)
    }
}
