//! The signals of one process: [`SignalGroup`].

use core::fmt;
use core::marker::PhantomData;

use super::action::{Action, Disposition};
use super::error::{NoThreadSlot, SendError, Unchangeable};
use super::info::SignalInfo;
use super::number::{Signal, SignalSet};
use super::records::{Records, SignalRecord};
use super::slot::{ThreadKey, ThreadSlot};
use super::state::State;
use super::thread::SignalThread;
use crate::caller::{Caller, Token};
use crate::error::Corruption;
use crate::policy::{ObjectKind, ObjectMeta, Op};
use crate::ports::{Env, Park};
use crate::quota::Quota;
use crate::wait::{Held, Kind, Queue, Wake, WakeBatch};

/// What a thread waits for, and what it was given.
pub(super) struct Waiting {
    pub(super) thread: usize,
    pub(super) wanted: Wanted,
    pub(super) given: Option<SignalInfo>,
}

pub(super) enum Wanted {
    /// One of these.
    Signals(SignalSet),
    /// That the process goes on.
    Continue,
    /// Any that it does not block: told by an interrupt.
    Interrupt,
}

impl Waiting {
    fn takes(&self, target: Option<usize>, signal: Signal) -> bool {
        let wanted = matches!(self.wanted, Wanted::Signals(set) if set.contains(signal));
        wanted && target.is_none_or(|target| target == self.thread)
    }
}

pub(super) struct Signals<'m>(PhantomData<&'m ()>);

impl<'m, E: Env> Kind<E> for Signals<'m> {
    type Word = ();
    type State = State<'m, E>;
    type Value = Waiting;

    /// Back to where it can be had: only a wait that panicked comes here.
    fn pass_on(queue: &Queue<E, Self>, waiting: &mut Waiting) {
        if let Some(info) = waiting.given.take() {
            queue.with(|held| _ = held.state.queue(Some(waiting.thread), info));
        }
    }
}

pub(super) type HeldSignals<'a, 'm, E> = Held<'a, Token<E>, State<'m, E>, Waiting>;

/// What a signal did at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The process had stopped and goes on: its parent is to be told.
    pub resumed: bool,
}

/// The signals of one process: what it does about each, what waits for all of its threads, and what for each.
///
/// Memory is lent: a [`ThreadSlot`] for each thread that it may have, a [`SignalRecord`] for each real-time signal that may be
/// queued. Standard signals have their places, one for the process and one for each thread, so that to send one never fails for
/// memory.
///
/// ```
/// use kos_ipc::Caller;
/// use kos_ipc::policy::NoPolicy;
/// use kos_ipc::posix::signal::{
///     Action, ActionFlags, Delivery, Signal, SignalGroup, SignalInfo, SignalRecord, SignalSet, ThreadSlot,
/// };
/// use kos_ipc::testing::{StdEnv, StdPark};
///
/// let park = StdPark::new();
/// let token = park.token();
/// let caller = Caller::new(&token, (), &NoPolicy);
/// let (mut threads, mut records) = ([const { ThreadSlot::new() }; 4], [SignalRecord::new(); 32]);
/// let process = SignalGroup::<StdEnv>::new(park.clone(), &mut threads, &mut records, None, 0, 7);
/// let thread = process.join(token.clone(), SignalSet::EMPTY).unwrap();
///
/// let handler = Action::handle(0x40_1000, SignalSet::EMPTY, ActionFlags::RESTART);
/// process.set_action(Signal::INT, handler).unwrap();
/// process.send(&caller, SignalInfo::user(Signal::INT, 1, 0)).unwrap(); // Ctrl-C, from an interrupt handler
///
/// // On the way back to the program:
/// let Some(Delivery::Handle(frame)) = thread.deliver() else { panic!() };
/// assert_eq!((frame.entry, frame.info.signal), (0x40_1000, Signal::INT));
/// assert!(thread.mask().contains(Signal::INT)); // until the handler returns:
/// thread.set_mask(frame.old_mask);
/// assert_eq!(thread.deliver(), None);
/// ```
pub struct SignalGroup<'m, E: Env> {
    pub(super) queue: Queue<E, Signals<'m>>,
    meta: ObjectMeta,
}

impl<'m, E: Env> SignalGroup<'m, E> {
    /// A process without threads, which does by default what signals do by default. Records in use are charged to `quota`.
    /// `label` and `id` are for the policy.
    #[must_use]
    pub fn new(
        park: E::Park,
        threads: &'m mut [ThreadSlot<Token<E>>],
        records: &'m mut [SignalRecord],
        quota: Option<Quota<'m, E>>,
        label: u16,
        id: u32,
    ) -> Self {
        let state = State::new(threads, Records::new(records, quota));
        let meta = ObjectMeta { kind: ObjectKind::Process, label, id };
        Self { queue: Queue::new(park, (), state), meta }
    }

    /// A new thread, with a mask: that of the thread that made it.
    ///
    /// # Errors
    /// [`NoThreadSlot`]
    pub fn join(&self, token: Token<E>, mask: SignalSet) -> Result<SignalThread<'_, 'm, E>, NoThreadSlot> {
        let joined = self.queue.with(|held| {
            let mut places = (0..).zip(held.state.threads.iter_mut());
            let (at, slot) = places.find(|(_, slot)| slot.token.is_none())?;
            slot.token = Some(token);
            slot.mask = mask.difference(SignalSet::UNMASKABLE);
            (slot.saved, slot.poke) = (None, false);
            Some(ThreadKey { slot: at, generation: slot.generation })
        });
        joined.map(|key| SignalThread::new(self, key)).ok_or(NoThreadSlot)
    }

    /// Sends a signal to the process: to a thread that waits for it, else to one that does not block it, else it is kept until one
    /// does not. A standard signal that is kept already stays one. Any context; the lock is held for a look at each thread.
    ///
    /// # Errors
    /// [`SendError`]; neither [`Full`](SendError::Full) nor [`Quota`](SendError::Quota) of a standard signal, nor of one of
    /// `kill` or the kernel ([`SignalCode`](super::SignalCode) 0 and above): of those the last is kept without what comes with it.
    pub fn send(&self, caller: &Caller<'_, E>, info: SignalInfo) -> Result<Sent, SendError> {
        caller.authorize(Op::Signal, &self.meta).map_err(SendError::Refused)?;
        self.act(|held, wakes| send(held, wakes, None, info))
    }

    /// As [`send`](Self::send), to one thread. What comes by default, and whether it stops, is all of the process's.
    ///
    /// # Errors
    /// As there, and [`SendError::NoThread`].
    pub fn send_to(
        &self,
        caller: &Caller<'_, E>,
        thread: ThreadKey,
        info: SignalInfo,
    ) -> Result<Sent, SendError> {
        caller.authorize(Op::Signal, &self.meta).map_err(SendError::Refused)?;
        self.act(|held, wakes| {
            let at = held.state.find(thread).ok_or(SendError::NoThread)?;
            send(held, wakes, Some(at), info)
        })
    }

    /// Says what is done about a signal from now on; returns what was. What is pending of a signal that is ignored now is
    /// forgotten.
    ///
    /// # Errors
    /// [`Unchangeable`]
    pub fn set_action(&self, signal: Signal, action: Action) -> Result<Action, Unchangeable> {
        if signal.is_unmaskable() {
            return Err(Unchangeable(signal));
        }
        let action = Action { mask: action.mask.difference(SignalSet::UNMASKABLE), ..action };
        Ok(self.queue.with(|held| {
            let place = held.state.actions.get_mut(signal.index());
            let old = place.map_or(action, |place| core::mem::replace(place, action));
            if action.ignores(signal) {
                held.state.discard(SignalSet::EMPTY.with(signal));
            }
            old
        }))
    }

    /// What is done about a signal.
    #[must_use]
    pub fn action(&self, signal: Signal) -> Action {
        self.queue.with(|held| held.state.action(signal))
    }

    /// Does what `parent` does: at `fork`, before the first thread joins. Nothing that is pending there comes along.
    pub fn inherit(&self, parent: &SignalGroup<'_, E>) {
        let actions = parent.queue.with(|held| held.state.actions);
        self.queue.with(|held| held.state.actions = actions);
    }

    /// Forgets every handler: at `exec`. What is ignored stays so, and what is pending stays.
    pub fn reset_handlers(&self) {
        self.queue.with(|held| {
            for action in &mut held.state.actions {
                let ignored = action.disposition == Disposition::Ignore;
                *action = if ignored { Action::IGNORE } else { Action::DEFAULT };
            }
        });
    }

    /// Whether there is nobody who could let it go on: then only STOP stops it.
    pub fn set_orphaned(&self, orphaned: bool) {
        self.queue.with(|held| held.state.orphaned = orphaned);
    }

    /// By what it is stopped, if it is.
    #[must_use]
    pub fn stopped(&self) -> Option<Signal> {
        self.queue.with(|held| held.state.stopped)
    }

    /// Walks every invariant, with the lock held.
    ///
    /// # Errors
    /// [`Corruption`] names the first that does not hold.
    pub fn check(&self) -> Result<(), Corruption> {
        self.queue.with(|held| held.state.check()).map_err(|what| Corruption { what })?;
        self.queue.check(|state, waiting| match waiting.wanted {
            Wanted::Signals(set) if !state.there_for(waiting.thread).intersection(set).is_empty() => {
                Err("a thread that waits beside its signal")
            }
            Wanted::Continue if state.stopped.is_none() && !state.resumed => {
                Err("a thread that is stopped in a process that is not")
            }
            _ => Ok(()),
        })
    }

    /// Runs `work` under the lock, then wakes and tells without it who is to be.
    pub(super) fn act<R>(
        &self,
        work: impl FnOnce(&mut HeldSignals<'_, 'm, E>, &mut WakeBatch<Token<E>>) -> R,
    ) -> R {
        let (mut wakes, mut pokes) = (WakeBatch::new(), WakeBatch::new());
        let (result, mut more) = self.queue.with(|held| {
            let result = work(held, &mut wakes);
            (result, gather(held, &mut wakes, &mut pokes))
        });
        loop {
            wakes.deliver(self.queue.park());
            while let Some(Wake::Thread(thread)) = pokes.pop() {
                self.queue.park().interrupt(&thread);
            }
            if !more {
                return result;
            }
            more = self.queue.with(|held| gather(held, &mut wakes, &mut pokes));
        }
    }
}

fn send<E: Env>(
    held: &mut HeldSignals<'_, '_, E>,
    wakes: &mut WakeBatch<Token<E>>,
    target: Option<usize>,
    info: SignalInfo,
) -> Result<Sent, SendError> {
    let was = held.state.stopped.is_some();
    let wanted = held.state.begin(target, info.signal);
    let sent = Sent { resumed: was && held.state.stopped.is_none() };
    let given = wanted
        && held.end_first(wakes, Ok(()), |_, waiting| {
            let takes = waiting.takes(target, info.signal);
            waiting.given = if takes { Some(info) } else { waiting.given };
            takes
        });
    if wanted && !given {
        held.state.queue(target, info)?;
    }
    Ok(sent)
}

/// Collects who is to be woken or told; true if there may be more than fit.
fn gather<E: Env>(
    held: &mut HeldSignals<'_, '_, E>,
    wakes: &mut WakeBatch<Token<E>>,
    pokes: &mut WakeBatch<Token<E>>,
) -> bool {
    if held.state.resumed {
        let stopped =
            |_: &mut State<'_, E>, waiting: &mut Waiting| matches!(waiting.wanted, Wanted::Continue);
        while held.end_first(wakes, Ok(()), stopped) {}
        held.state.resumed = wakes.is_full();
    }
    for slot in held.state.threads.iter_mut().filter(|slot| slot.poke) {
        if pokes.is_full() {
            return true;
        }
        slot.poke = false;
        pokes.push(slot.token.clone().map(Wake::Thread));
    }
    held.state.resumed
}

impl<E: Env> fmt::Debug for SignalGroup<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignalGroup").field("meta", &self.meta).finish_non_exhaustive()
    }
}
