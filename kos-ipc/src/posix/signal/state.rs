//! What the lock of a process's signals guards: `State`. Who is to get a signal, and what comes of it.
//!
//! Every loop is over the threads of the process or over 64 signals; a queue is forgotten as a whole.
//!
//! Invariants: [`Pending`]'s; records in use and free ones are all that there are; no mask has KILL or STOP; nobody waits for a
//! signal that is there for him, nor for the end of a stop that is over.

use super::action::{Action, Disposition};
use super::delivery::{Delivery, Frame};
use super::info::SignalInfo;
use super::number::{DefaultAction, Signal, SignalSet};
use super::pending::Pending;
use super::records::{NoRecord, Records};
use super::slot::{ThreadKey, ThreadSlot};
use crate::caller::Token;
use crate::ports::Env;

pub(super) struct State<'m, E: Env> {
    pub(super) shared: Pending,
    pub(super) actions: [Action; 64],
    pub(super) threads: &'m mut [ThreadSlot<Token<E>>],
    pub(super) records: Records<'m, E>,
    /// Who was told of a signal last.
    last: usize,
    /// By what it was stopped.
    pub(super) stopped: Option<Signal>,
    /// Those who wait for the end of a stop are to be woken.
    pub(super) resumed: bool,
    /// What it dies of.
    dying: Option<SignalInfo>,
    /// Nobody could let it go on: TSTP, TTIN and TTOU do not stop it.
    pub(super) orphaned: bool,
}

impl<'m, E: Env> State<'m, E> {
    pub(super) fn new(threads: &'m mut [ThreadSlot<Token<E>>], records: Records<'m, E>) -> Self {
        for thread in threads.iter_mut() {
            thread.token = None;
            thread.pending = Pending::new();
        }
        Self {
            shared: Pending::new(),
            actions: [Action::DEFAULT; 64],
            threads,
            records,
            last: 0,
            stopped: None,
            resumed: false,
            dying: None,
            orphaned: false,
        }
    }

    pub(super) fn thread(&mut self, at: usize) -> Option<&mut ThreadSlot<Token<E>>> {
        self.threads.get_mut(at)
    }

    /// The place of a thread that is still there.
    pub(super) fn find(&self, key: ThreadKey) -> Option<usize> {
        let at = usize::try_from(key.slot).ok()?;
        let slot = self.threads.get(at)?;
        (slot.token.is_some() && slot.generation == key.generation).then_some(at)
    }

    fn present(&self) -> impl Iterator<Item = usize> + '_ {
        self.threads.iter().enumerate().filter(|(_, slot)| slot.token.is_some()).map(|(at, _)| at)
    }

    fn mask_of(&self, at: usize) -> SignalSet {
        self.threads.get(at).map_or(SignalSet::EMPTY, |slot| slot.mask)
    }

    pub(super) fn action(&self, signal: Signal) -> Action {
        self.actions.get(signal.index()).copied().unwrap_or_default()
    }

    /// What goes before: stops and CONT forget each other, CONT and KILL end a stop. False if nothing is to come of the signal.
    pub(super) fn begin(&mut self, target: Option<usize>, signal: Signal) -> bool {
        if self.dying.is_some() {
            return false;
        }
        if SignalSet::STOPS.contains(signal) {
            self.discard(SignalSet::EMPTY.with(Signal::CONT));
        } else if signal == Signal::CONT {
            self.discard(SignalSet::STOPS);
        }
        if matches!(signal, Signal::CONT | Signal::KILL) && self.stopped.take().is_some() {
            self.resumed = true;
        }
        let first = target.or_else(|| self.present().next());
        let kept = first.is_some_and(|at| self.mask_of(at).contains(signal));
        kept || !self.action(signal).ignores(signal)
    }

    /// Keeps a signal, and chooses who is told of it.
    pub(super) fn queue(&mut self, target: Option<usize>, info: SignalInfo) -> Result<(), NoRecord> {
        // What `kill` and the kernel send must not fail for memory.
        let bare = info.code.0 >= 0;
        let own = target.and_then(|at| self.threads.get_mut(at)).map(|slot| &mut slot.pending);
        own.unwrap_or(&mut self.shared).add(info, bare, &mut self.records)?;
        if let Some(at) = target.or_else(|| self.choose(info.signal))
            && !self.mask_of(at).contains(info.signal)
        {
            self.poke(at);
        }
        Ok(())
    }

    /// Who gets a signal of the process: the first thread, else another in turn; rather one that has none to deal with.
    fn choose(&mut self, signal: Signal) -> Option<usize> {
        let takes = |at: &usize| !self.mask_of(*at).contains(signal);
        let idle =
            |at: &usize| self.threads.get(*at).is_some_and(|slot| !slot.poke && self.own(slot).is_empty());
        let first = self.present().next().filter(takes).filter(idle);
        let after = self.present().filter(|&at| at > self.last);
        let others = || after.chain(self.present().filter(|&at| at <= self.last)).filter(takes);
        let chosen = first.or_else(|| others().find(idle)).or_else(|| self.present().find(takes));
        self.last = chosen.unwrap_or(self.last);
        chosen
    }

    fn own(&self, slot: &ThreadSlot<Token<E>>) -> SignalSet {
        slot.pending.set().difference(slot.mask)
    }

    /// Has the scheduler told that a signal waits for a thread.
    fn poke(&mut self, at: usize) {
        if let Some(slot) = self.thread(at) {
            slot.poke = slot.token.is_some();
        }
    }

    fn poke_all(&mut self) {
        self.threads.iter_mut().for_each(|slot| slot.poke = slot.token.is_some());
    }

    /// Forgets signals of the process and of all its threads.
    pub(super) fn discard(&mut self, unwanted: SignalSet) {
        self.shared.discard(unwanted, &mut self.records);
        for slot in self.threads.iter_mut() {
            slot.pending.discard(unwanted, &mut self.records);
        }
    }

    /// What is there for a thread, blocked or not.
    pub(super) fn there_for(&self, at: usize) -> SignalSet {
        let own = self.threads.get(at).map_or(SignalSet::EMPTY, |slot| slot.pending.set());
        own.union(self.shared.set())
    }

    /// Whether a thread has something to deal with before it goes on.
    pub(super) fn is_interrupted(&self, at: usize) -> bool {
        let open = self.there_for(at).difference(self.mask_of(at));
        self.dying.is_some() || self.stopped.is_some() || !open.is_empty()
    }

    /// Takes a signal of `wanted`: the thread's own first, then the process's.
    pub(super) fn take(&mut self, at: usize, wanted: SignalSet) -> Option<SignalInfo> {
        let own = self.threads.get_mut(at).and_then(|slot| slot.pending.take(wanted, &mut self.records));
        own.or_else(|| self.shared.take(wanted, &mut self.records))
    }

    /// Sets a mask. What is blocked now and was there for this thread is told to others who do not block it.
    pub(super) fn set_mask(&mut self, at: usize, mask: SignalSet) -> SignalSet {
        let mask = mask.difference(SignalSet::UNMASKABLE);
        let Some(slot) = self.thread(at) else { return mask };
        let old = core::mem::replace(&mut slot.mask, mask);
        self.retarget(at, mask.difference(old));
        old
    }

    /// Signals of the process that thread `from` does not take any more.
    pub(super) fn retarget(&mut self, from: usize, left: SignalSet) {
        let mut left = self.shared.set().intersection(left);
        for (at, slot) in self.threads.iter_mut().enumerate() {
            let takes = left.difference(slot.mask);
            if at != from && slot.token.is_some() && !takes.is_empty() {
                slot.poke = true;
                left = left.difference(takes);
            }
        }
    }

    /// The next thing that a thread has to do for a signal. Each round takes a signal, or ends.
    pub(super) fn deliver(&mut self, at: usize) -> Option<Delivery> {
        loop {
            if let Some(info) = self.dying {
                return Some(Delivery::terminate(info));
            }
            if let Some(signal) = self.stopped {
                return Some(Delivery::Stop { signal, first: false });
            }
            let Some(info) = self.take(at, SignalSet::ALL.difference(self.mask_of(at))) else {
                // A mask that was for one wait ends here; what it had blocked is looked at once more.
                let saved = self.thread(at)?.saved.take()?;
                self.set_mask(at, saved);
                continue;
            };
            if let Some(delivery) = self.act_on(at, info) {
                return Some(delivery);
            }
        }
    }

    fn act_on(&mut self, at: usize, info: SignalInfo) -> Option<Delivery> {
        let (signal, action) = (info.signal, self.action(info.signal));
        match action.disposition {
            Disposition::Ignore => None,
            Disposition::Handle { entry, restorer } => {
                let old_mask = self.enter_handler(at, signal, action);
                let flags = action.flags;
                Some(Delivery::Handle(Frame { entry, restorer, info, flags, old_mask }))
            }
            Disposition::Default => match signal.default_action() {
                DefaultAction::Ignore | DefaultAction::Continue => None,
                DefaultAction::Stop if self.orphaned && signal != Signal::STOP => None,
                DefaultAction::Stop => {
                    self.stopped = Some(signal);
                    self.poke_all();
                    Some(Delivery::Stop { signal, first: true })
                }
                DefaultAction::Terminate | DefaultAction::Core => {
                    self.dying = Some(info);
                    self.poke_all();
                    Some(Delivery::terminate(info))
                }
            },
        }
    }

    /// The mask while a handler runs. Returns the one to come back to.
    fn enter_handler(&mut self, at: usize, signal: Signal, action: Action) -> SignalSet {
        use super::action::ActionFlags;
        if action.flags.contains(ActionFlags::RESET_HAND)
            && let Some(action) = self.actions.get_mut(signal.index())
        {
            action.disposition = Disposition::Default;
        }
        let now = self.mask_of(at);
        let old = self.thread(at).and_then(|slot| slot.saved.take()).unwrap_or(now);
        let deferred = if action.flags.contains(ActionFlags::NO_DEFER) { now } else { now.with(signal) };
        self.set_mask(at, deferred.union(action.mask));
        old
    }

    /// A signal that the thread's own instruction caused: it cannot be put off.
    pub(super) fn force(&mut self, at: usize, info: SignalInfo) {
        let signal = info.signal;
        let blocked = self.mask_of(at).contains(signal);
        let ignored = self.action(signal).disposition == Disposition::Ignore;
        if blocked || ignored {
            if let Some(action) = self.actions.get_mut(signal.index()) {
                action.disposition = Disposition::Default;
            }
            if let Some(slot) = self.thread(at) {
                slot.mask = slot.mask.without(signal);
            }
        }
        let info = SignalInfo { code: super::SignalCode(info.code.0.max(1)), ..info };
        // The kernel's are kept in any case.
        _ = self.queue(Some(at), info);
    }

    pub(super) fn check(&self) -> Result<(), &'static str> {
        let mut used = self.shared.check()?;
        for slot in self.threads.iter() {
            used += slot.pending.check()?;
            if slot.token.is_none() && !slot.pending.set().is_empty() {
                return Err("a signal for a thread that is gone");
            }
            if !slot.mask.intersection(SignalSet::UNMASKABLE).is_empty() {
                return Err("a mask with what nobody can block");
            }
        }
        if used + self.records.free() != self.records.capacity() {
            return Err("a record that is neither free nor queued");
        }
        Ok(())
    }
}
