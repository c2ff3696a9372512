//! Bugs that the models under loom and shuttle must find: without them nobody knows that a model can fail. In any other build there are none.

/// A bug that can be put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// A waker that sees no sleeper leaves without a trace.
    NoWaiterNoPermit,
    /// A permit is looked for, then the sleep is announced: one that comes between is lost.
    PermitThenAnnounce,
    /// A timeout wakes without looking whether somebody else did.
    TimeoutUnchecked,
    /// A wake list is read, then emptied.
    TakenInTwoSteps,
    /// A task runs elsewhere before its CPU has left it.
    OnCpuIgnored,
    /// A waker waits until the CPU has left the task.
    OnCpuAwaited,
    /// The kick bit is cleared after the work was looked for.
    KickClearedLate,
    /// A CPU halts without another look for work.
    HaltUnchecked,
    /// Affinity is looked at before the lock only.
    AffinityUnchecked,
    /// A zombie is there before its CPU has left its stack.
    ZombieEarly,
    /// Who joins looks for the zombie before he is registered.
    JoinUnregistered,
    /// A waker does not look whether the CPU has gone.
    OfflineUnchecked,
    /// A parent looks for a zombie, then puts itself among the waiters.
    #[cfg(feature = "process")]
    WaiterLate,
    /// A waker looks whether somebody waits before its condition is visible to those who come.
    UnfencedEmptyTest,
    /// A waiter that gives up keeps a wake-up that it does not use.
    WakeKept,
    /// Who times out does not look whether it was woken.
    WaitTimeoutUnchecked,
    /// A waiter is looked for in the queue where it was, not where it was moved.
    MoveUnchecked,
    /// A queue is emptied, then closed.
    ClosedLate,
    /// A waiter sees that there are too few permits, and enters later.
    AcquireInTwoSteps,
    /// A released mutex is free until its next owner takes it.
    ReleaseInTwoSteps,
    /// A cancel looks at a timer, then takes it out.
    CancelInTwoSteps,
    /// Who times out does not look whether the lock was given to it.
    LockTimeoutUnchecked,
    /// A recovered lock stays among those of its dead owner.
    BuriedTwice,
}

/// Whether `bug` is in.
#[cfg(not(any(loom, shuttle)))]
#[inline]
pub(crate) const fn seeded(_: Bug) -> bool {
    false
}

#[cfg(all(test, any(loom, shuttle)))]
pub(crate) use modelled::seed;
#[cfg(any(loom, shuttle))]
pub(crate) use modelled::seeded;

#[cfg(any(loom, shuttle))]
mod modelled {
    use super::Bug;
    use core::cell::Cell;

    std::thread_local! {
        // The threads of a model take turns on the thread that runs it.
        static SEEDED: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    pub(crate) fn seeded(bug: Bug) -> bool {
        SEEDED.get() == Some(bug)
    }

    /// Puts `bug` in, for the models that this thread runs.
    #[cfg(test)]
    pub(crate) fn seed(bug: Option<Bug>) {
        SEEDED.set(bug);
    }
}
