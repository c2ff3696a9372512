//! Bugs that the models under loom and shuttle must find: without them nobody knows that a model can fail. In any other build there are none.

/// A bug that can be put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "which parts a build has depends on its target")]
pub(crate) enum Bug {
    /// Who looks whether somebody waits does not order that behind its own write.
    UnfencedEmptyTest,
    /// A waiter looks at its condition before it enters the queue, and not after.
    LookedBeforeEntry,
    /// Who times out does not look whether it was woken.
    TimeoutUnchecked,
    /// A dropped future keeps the wake-up that it had not used.
    WakeKept,
    /// A queue is emptied, then closed.
    ClosedLate,
    /// A waiter is told of the end of its wait before it is out of the list.
    CompletedWhileLinked,
    /// Of two ends that a queue has met, the later counts.
    LaterEndWins,
    /// A waiter sees that there are too few permits, and enters later.
    AcquireInTwoSteps,
    /// A waiter sees that none of its bits is set, and enters later.
    TakeInTwoSteps,
    /// A producer says that an item is there, in no order with putting it there.
    TailUnordered,
    /// A consumer says that a slot is free, in no order with emptying it.
    HeadUnordered,
    /// A slot is given on in no order with what was done to it.
    TurnUnordered,
    /// A push takes a consumer that stands still for a full ring.
    StalledIsFull,
    /// A consumer does not order its wish to be woken before its look at the ring.
    ArmUnfenced,
    /// A producer does not order its push before its look at that wish.
    DueUnfenced,
    /// A closed slot is emptied though a lookup holds it.
    EmptiedWhilePinned,
    /// A lookup that failed does not end the close that it delayed.
    FailedPinForgotten,
    /// A slot is used again under the same generation.
    GenerationKept,
    /// What is known of a capability is written in no order with the end of the one before.
    FactsUnfenced,
    /// A revoke reads the epoch, then writes the next: one of two is lost, or a cell that was killed comes alive.
    RevokeInTwoSteps,
    /// What is made carries the epoch of its making, not that of what it is made of.
    StampRenewed,
    /// A transfer looks whether its capabilities are there, and takes them later.
    TransferUnheld,
    /// A receiver sees that no call is queued, and enters later.
    ReceiveInTwoSteps,
    /// A call that ends for another cause does not see that it was answered.
    ReplyUnseen,
    /// A waiter sees that nothing is there to take, or no room, and enters later.
    CountInTwoSteps,
    /// A signal for a registration that is just being looked at is forgotten.
    SignalUnderLook,
    /// A registration that is armed again is not looked at.
    ArmedUnseen,
    /// Who leaves a queue does not look whether it was moved to another meanwhile.
    HomeUnchecked,
    /// A futex is compared in no order with being counted as waited for.
    CountUnfenced,
    /// A futex is compared, then the lock taken.
    ComparedUnlocked,
    /// A wait that is moved is not counted where it goes.
    MovedUncounted,
    /// A charge reads what is used, then writes the sum.
    ChargeInTwoSteps,
    /// A permit is given back, and nobody looks whether somebody waits for that room.
    RoomKept,
    /// A message is queued without a look whether its receiver is still there.
    QueuedForNobody,
    /// A message is found to be the first, and taken later.
    TakenInTwoSteps,
    /// What was mapped is told of without a look whether it was revoked meanwhile.
    MappedUnlooked,
    /// A segment is found to have no writer, and sealed later.
    SealedInTwoSteps,
    /// A segment that is to be smaller has its old size until it is.
    ShrunkLate,
    /// How many refer to a segment is read, then one less written.
    ReleasedInTwoSteps,
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
