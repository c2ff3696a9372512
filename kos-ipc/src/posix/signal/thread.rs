//! One thread's side of its signals: [`SignalThread`].

use core::fmt;
use core::pin::pin;

use super::delivery::Delivery;
use super::error::AwaitError;
use super::group::{SignalGroup, Waiting, Wanted};
use super::info::SignalInfo;
use super::number::SignalSet;
use super::slot::ThreadKey;
use crate::caller::Caller;
use crate::error::WaitError;
use crate::ports::{BlockReason, Env};
use crate::time::Instant;
use crate::wait::{Member, Wake};

/// A thread of a process: its mask, and what waits for it. Dropped when the thread ends; signals that were for it alone go with
/// it. All but [`is_interrupted`](Self::is_interrupted) is called by the thread itself.
pub struct SignalThread<'g, 'm, E: Env> {
    group: &'g SignalGroup<'m, E>,
    key: ThreadKey,
}

impl<'g, 'm, E: Env> SignalThread<'g, 'm, E> {
    pub(super) const fn new(group: &'g SignalGroup<'m, E>, key: ThreadKey) -> Self {
        Self { group, key }
    }

    /// Names it for [`SignalGroup::send_to`].
    #[must_use]
    pub const fn key(&self) -> ThreadKey {
        self.key
    }

    const fn at(&self) -> usize {
        self.key.slot as usize
    }

    /// What it blocks.
    #[must_use]
    pub fn mask(&self) -> SignalSet {
        self.group.queue.with(|held| held.state.thread(self.at()).map_or(SignalSet::EMPTY, |slot| slot.mask))
    }

    /// Blocks `mask` and nothing else; returns what it blocked. KILL and STOP are left out.
    pub fn set_mask(&self, mask: SignalSet) -> SignalSet {
        self.change_mask(|_| mask)
    }

    /// Blocks these too; returns what it blocked.
    pub fn block(&self, more: SignalSet) -> SignalSet {
        self.change_mask(|mask| mask.union(more))
    }

    /// Does not block these any more; returns what it blocked.
    pub fn unblock(&self, less: SignalSet) -> SignalSet {
        self.change_mask(|mask| mask.difference(less))
    }

    fn change_mask(&self, change: impl FnOnce(SignalSet) -> SignalSet) -> SignalSet {
        self.group.act(|held, _| {
            let mask = held.state.thread(self.at()).map_or(SignalSet::EMPTY, |slot| slot.mask);
            held.state.set_mask(self.at(), change(mask))
        })
    }

    /// Blocks `mask` and nothing else until [`deliver`](Self::deliver) has looked for signals: of `ppoll` and
    /// [`suspend`](Self::suspend). A handler that runs returns to the mask of before.
    pub fn set_mask_for_a_wait(&self, mask: SignalSet) {
        self.group.act(|held, _| {
            let old = held.state.set_mask(self.at(), mask);
            if let Some(slot) = held.state.thread(self.at()) {
                slot.saved.get_or_insert(old);
            }
        });
    }

    /// What is there for it, and blocked (`sigpending`).
    #[must_use]
    pub fn pending(&self) -> SignalSet {
        let mask = self.mask();
        self.group.queue.with(|held| held.state.there_for(self.at())).intersection(mask)
    }

    /// Whether it has something to [`deliver`](Self::deliver): what a scheduler asks before it puts the thread to sleep. Any
    /// context.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.group.queue.with(|held| held.state.is_interrupted(self.at()))
    }

    /// What it is to do before it goes on in its program: the next signal that it does not block, its own before the process's,
    /// faults before others, then the lowest number; ignored ones are dropped. `None`: nothing, and a mask that was for one wait
    /// is over. Asked on each way back to the program, until it says `None`.
    pub fn deliver(&self) -> Option<Delivery> {
        self.group.act(|held, _| held.state.deliver(self.at()))
    }

    /// Its own instruction caused `info`. If it blocks or ignores that, the default comes: a fault that is put off comes again
    /// and again.
    pub fn raise(&self, info: SignalInfo) {
        self.group.act(|held, _| held.state.force(self.at(), info));
    }

    /// Takes a signal of `wanted`, which it should block. Does not sleep (`sigtimedwait` without time).
    ///
    /// # Errors
    /// [`AwaitError::WouldBlock`]
    pub fn try_take(&self, wanted: SignalSet) -> Result<SignalInfo, AwaitError> {
        let wanted = wanted.difference(SignalSet::UNMASKABLE);
        self.group.queue.with(|held| held.state.take(self.at(), wanted)).ok_or(AwaitError::WouldBlock)
    }

    /// Takes a signal of `wanted`, which it should block; sleeps until there is one (`sigtimedwait`, `sigwaitinfo`). What is sent
    /// meanwhile is given to it, and is never pending.
    ///
    /// # Errors
    /// [`AwaitError::Wait`]: the time had passed, or there is another to [`deliver`](Self::deliver).
    pub fn take(
        &self,
        caller: &Caller<'_, E>,
        wanted: SignalSet,
        until: Option<Instant>,
    ) -> Result<SignalInfo, AwaitError> {
        let wanted = wanted.difference(SignalSet::UNMASKABLE);
        let taken = match self.take_once(caller, wanted, until) {
            // An interrupt for something that is over; another is the thread's end.
            Err(WaitError::Interrupted) if !self.is_interrupted() => self.take_once(caller, wanted, until),
            taken => taken,
        };
        taken.map_err(AwaitError::Wait)
    }

    fn take_once(
        &self,
        caller: &Caller<'_, E>,
        wanted: SignalSet,
        until: Option<Instant>,
    ) -> Result<SignalInfo, WaitError> {
        let at = self.at();
        let waiting = Waiting { thread: at, wanted: Wanted::Signals(wanted), given: None };
        let mut member = pin!(Member::new(&self.group.queue, waiting));
        let there = member.as_mut().enter(Wake::Thread(caller.token().clone()), |held, waiting| {
            waiting.given = held.state.take(at, wanted);
            waiting.given.is_some()
        })?;
        if !there {
            member.as_mut().sleep(caller.token(), until, BlockReason::Signal)?;
        }
        member.with_value(|waiting| waiting.given.take()).flatten().ok_or(WaitError::Interrupted)
    }

    /// Blocks `mask` and nothing else, and sleeps until there is something to [`deliver`](Self::deliver), which then is to be asked
    /// (`sigsuspend`; with its own mask `pause`). It always ends as an interrupt does:
    /// [`Restart::Unhandled`](super::Restart::Unhandled).
    pub fn suspend(&self, caller: &Caller<'_, E>, mask: SignalSet) {
        self.set_mask_for_a_wait(mask);
        self.sleep(caller, Wanted::Interrupt, BlockReason::Signal);
    }

    /// Sleeps while the process is stopped, after [`Delivery::Stop`]; then [`deliver`](Self::deliver) is to be asked again.
    pub fn stop(&self, caller: &Caller<'_, E>) {
        self.sleep(caller, Wanted::Continue, BlockReason::Stopped);
    }

    fn sleep(&self, caller: &Caller<'_, E>, wanted: Wanted, why: BlockReason) {
        let waiting = Waiting { thread: self.at(), wanted, given: None };
        let mut member = pin!(Member::new(&self.group.queue, waiting));
        let wake = Wake::Thread(caller.token().clone());
        let over = member.as_mut().enter(wake, |held, waiting| match waiting.wanted {
            Wanted::Continue => held.state.stopped.is_none(),
            _ => held.state.is_interrupted(waiting.thread),
        });
        if over == Ok(false) {
            // However it ends: `deliver` looks at what there is.
            _ = member.sleep(caller.token(), None, why);
        }
    }
}

impl<E: Env> Drop for SignalThread<'_, '_, E> {
    fn drop(&mut self) {
        let at = self.at();
        self.group.act(|held, _| {
            let state = &mut *held.state;
            let Some(slot) = state.threads.get_mut(at) else { return };
            slot.token = None;
            (slot.poke, slot.generation) = (false, slot.generation.wrapping_add(1));
            slot.pending.discard(SignalSet::ALL, &mut state.records);
            let taken = SignalSet::ALL.difference(slot.mask);
            state.retarget(at, taken);
        });
    }
}

impl<E: Env> fmt::Debug for SignalThread<'_, '_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignalThread").field("key", &self.key).finish_non_exhaustive()
    }
}
