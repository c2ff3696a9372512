//! The signals of two processes of some threads, beside lists that are searched: [`run`].
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a model: what it says that is there, is there, or the test is to end"
)]

use alloc::vec::Vec;

use super::{Choices, StdEnv, StdPark, StdToken};
use crate::caller::Caller;
use crate::policy::NoPolicy;
use crate::posix::signal::{
    Action, ActionFlags, DefaultAction, Delivery, Disposition, SendError, Signal, SignalCode, SignalGroup,
    SignalInfo, SignalRecord, SignalSet, SignalThread, ThreadSlot,
};
use crate::quota::{Limits, QuotaNode, Quotas, Resource};

const THREADS: usize = 3;
const RECORDS: usize = 6;
/// Less than there are records.
const QUOTA: usize = 5;

/// What is kept for one thread or for all: of a standard signal one, of a real-time one each; `None` is one without its info.
type Kept = Vec<(Signal, Option<SignalInfo>)>;

struct ModelThread {
    mask: SignalSet,
    saved: Option<SignalSet>,
    kept: Kept,
}

/// What should be there.
struct Model {
    threads: Vec<Option<ModelThread>>,
    shared: Kept,
    actions: Vec<Action>,
    stopped: bool,
    dead: bool,
}

fn set_of(kept: &Kept) -> SignalSet {
    kept.iter().fold(SignalSet::EMPTY, |set, &(signal, _)| set.with(signal))
}

fn ignores(action: &Action, signal: Signal) -> bool {
    let by_default = matches!(signal.default_action(), DefaultAction::Ignore | DefaultAction::Continue);
    action.disposition == Disposition::Ignore || action.disposition == Disposition::Default && by_default
}

/// Takes the most urgent of `wanted`.
fn take(kept: &mut Kept, wanted: SignalSet) -> Option<SignalInfo> {
    let rank = |signal: Signal| match signal {
        Signal::KILL => 0,
        _ if SignalSet::FAULTS.contains(signal) => 100 + u32::from(signal.number()),
        _ => 200 + u32::from(signal.number()),
    };
    let there = kept.iter().map(|&(signal, _)| signal).filter(|&signal| wanted.contains(signal));
    let signal = there.min_by_key(|&signal| rank(signal))?;
    let at = kept.iter().position(|&(other, _)| other == signal)?;
    Some(kept.remove(at).1.unwrap_or(SignalInfo::user(signal, 0, 0)))
}

impl Model {
    fn new() -> Self {
        let threads = (0..THREADS).map(|_| None).collect();
        let actions = alloc::vec![Action::DEFAULT; 64];
        Self { threads, shared: Kept::new(), actions, stopped: false, dead: false }
    }

    fn action(&self, signal: Signal) -> Action {
        self.actions[usize::from(signal.number()) - 1]
    }

    fn lists(&mut self) -> impl Iterator<Item = &mut Kept> {
        let own = self.threads.iter_mut().flatten().map(|thread| &mut thread.kept);
        own.chain([&mut self.shared])
    }

    fn discard(&mut self, unwanted: SignalSet) {
        self.lists().for_each(|kept| kept.retain(|&(signal, _)| !unwanted.contains(signal)));
    }

    fn records(&mut self) -> usize {
        let counts = |entry: &&(Signal, Option<SignalInfo>)| entry.0.is_realtime() && entry.1.is_some();
        self.lists().map(|kept| kept.iter().filter(counts).count()).sum()
    }

    fn send(&mut self, to: Option<usize>, info: SignalInfo) -> Result<bool, ()> {
        let (signal, was) = (info.signal, self.stopped);
        if self.dead {
            return Ok(false);
        }
        if SignalSet::STOPS.contains(signal) {
            self.discard(SignalSet::EMPTY.with(Signal::CONT));
        }
        if signal == Signal::CONT {
            self.discard(SignalSet::STOPS);
        }
        self.stopped &= signal != Signal::CONT && signal != Signal::KILL;
        let resumed = was && !self.stopped;
        let first = to.or_else(|| self.threads.iter().position(Option::is_some));
        let blocked =
            first.is_some_and(|at| self.threads[at].as_ref().is_some_and(|t| t.mask.contains(signal)));
        if !blocked && ignores(&self.action(signal), signal) {
            return Ok(resumed);
        }
        let room = self.records() < QUOTA;
        let kept = to.map_or(&mut self.shared, |at| &mut self.threads[at].as_mut().unwrap().kept);
        let there = set_of(kept).contains(signal);
        match (signal.is_realtime(), room) {
            (false, _) if there => {}
            (false, _) | (true, true) => {
                // A signal that was kept without its info is one with it from now on.
                kept.retain(|entry| !(entry.0 == signal && entry.1.is_none()));
                kept.push((signal, Some(info)));
            }
            (true, false) if info.code.0 < 0 => return Err(()),
            (true, false) if there => {}
            (true, false) => kept.push((signal, None)),
        }
        Ok(resumed)
    }

    fn there_for(&self, at: usize) -> SignalSet {
        set_of(&self.threads[at].as_ref().unwrap().kept).union(set_of(&self.shared))
    }

    fn take(&mut self, at: usize, wanted: SignalSet) -> Option<SignalInfo> {
        let own = take(&mut self.threads[at].as_mut().unwrap().kept, wanted);
        own.or_else(|| take(&mut self.shared, wanted))
    }

    /// Compares what `thread` is to do next; true if it may go on in its program.
    fn deliver(&mut self, at: usize, thread: &SignalThread<'_, '_, StdEnv>) -> bool {
        let delivery = thread.deliver();
        loop {
            if self.dead {
                assert!(matches!(delivery, Some(Delivery::Terminate { .. })));
                return true;
            }
            if self.stopped {
                assert!(matches!(delivery, Some(Delivery::Stop { first: false, .. })));
                return true;
            }
            let mask = self.threads[at].as_ref().unwrap().mask;
            let Some(info) = self.take(at, SignalSet::from_bits(!mask.bits())) else {
                let of = self.threads[at].as_mut().unwrap();
                let Some(saved) = of.saved.take() else {
                    assert_eq!(delivery, None);
                    return true;
                };
                of.mask = saved;
                continue;
            };
            let action = self.action(info.signal);
            if ignores(&action, info.signal) {
                continue;
            }
            self.act(at, info, action, delivery);
            return false;
        }
    }

    fn act(&mut self, at: usize, info: SignalInfo, action: Action, delivery: Option<Delivery>) {
        let of = self.threads[at].as_mut().unwrap();
        match (action.disposition, info.signal.default_action()) {
            (Disposition::Handle { entry, .. }, _) => {
                let Some(Delivery::Handle(frame)) = delivery else {
                    unreachable!("{delivery:?} for {info:?}")
                };
                assert_eq!((frame.entry, frame.info), (entry, info));
                assert_eq!(frame.old_mask, of.saved.take().unwrap_or(of.mask));
                let defer = !action.flags.contains(ActionFlags::NO_DEFER);
                of.mask = of.mask.union(action.mask);
                of.mask = if defer { of.mask.with(info.signal) } else { of.mask };
                if action.flags.contains(ActionFlags::RESET_HAND) {
                    let place = usize::from(info.signal.number()) - 1;
                    self.actions[place].disposition = Disposition::Default;
                }
            }
            (_, DefaultAction::Stop) => {
                self.stopped = true;
                assert_eq!(delivery, Some(Delivery::Stop { signal: info.signal, first: true }));
            }
            (_, ends) => {
                self.dead = true;
                let core = ends == DefaultAction::Core;
                assert_eq!(delivery, Some(Delivery::Terminate { info, core }));
            }
        }
    }
}

fn a_signal(choices: &mut Choices<'_>) -> Signal {
    let few = [9, 18, 19, 20, 11, 17, 2, 10, 34, 34, 35, 64];
    let number = if choices.once_in(4) { 1 + choices.below(64) } else { few[choices.below(few.len())] };
    Signal::new(u8::try_from(number).unwrap()).unwrap()
}

/// A set of few, or of all but few: a word of a fuzzer would be nearly all.
fn a_set(choices: &mut Choices<'_>) -> SignalSet {
    let few = (0..choices.below(5)).fold(SignalSet::EMPTY, |set, _| set.with(a_signal(choices)));
    if choices.once_in(2) { few } else { SignalSet::from_bits(!few.bits()) }
}

/// Does what `choices` say, and compares after each step.
///
/// # Panics
/// If they differ.
pub(crate) fn run(choices: &mut Choices<'_>) {
    let park = StdPark::new();
    let token = park.token();
    let mut nodes = [QuotaNode::new()];
    let quotas = Quotas::new(&mut nodes);
    let quota = quotas.root(Limits { signals: QUOTA, ..Limits::UNLIMITED }).unwrap();
    let mut slots: Vec<_> = (0..THREADS).map(|_| ThreadSlot::new()).collect();
    let mut records = [SignalRecord::new(); RECORDS];
    let group = SignalGroup::new(park.clone(), &mut slots, &mut records, Some(quota.clone()), 0, 0);
    let mut threads: Vec<Option<SignalThread<'_, '_, StdEnv>>> = (0..THREADS).map(|_| None).collect();
    let mut model = Model::new();
    while choices.more() {
        step(&group, &mut threads, &mut model, &token, choices);
        assert_eq!(group.check(), Ok(()));
        assert_eq!(quota.used(Resource::Signals), model.records());
        assert_eq!(group.stopped().is_some(), model.stopped);
        for (at, thread) in threads.iter().enumerate().filter_map(|(at, t)| Some((at, t.as_ref()?))) {
            let mask = model.threads[at].as_ref().unwrap().mask;
            assert_eq!((thread.mask(), thread.pending()), (mask, model.there_for(at).intersection(mask)));
        }
    }
    threads.clear();
    model.threads.clear();
    assert_eq!((group.check(), quota.used(Resource::Signals)), (Ok(()), model.records()));
}

fn step<'g, 'm>(
    group: &'g SignalGroup<'m, StdEnv>,
    threads: &mut [Option<SignalThread<'g, 'm, StdEnv>>],
    model: &mut Model,
    token: &StdToken,
    choices: &mut Choices<'_>,
) {
    let caller = Caller::new(token, (), &NoPolicy);
    let at = choices.below(THREADS);
    match (choices.below(10), &threads[at]) {
        (0..=3, _) => send(group, threads, model, &caller, choices),
        (4, _) => set_action(group, model, choices),
        (_, None) => {
            let mask = a_set(choices);
            // The first place that is free.
            let at = threads.iter().position(Option::is_none).unwrap();
            threads[at] = Some(group.join(token.clone(), mask).unwrap());
            let mask = mask.difference(SignalSet::UNMASKABLE);
            model.threads[at] = Some(ModelThread { mask, saved: None, kept: Kept::new() });
        }
        (5, Some(_)) if choices.once_in(4) => (threads[at], model.threads[at]) = (None, None),
        (5, Some(thread)) => {
            let mask = a_set(choices);
            thread.set_mask_for_a_wait(mask);
            let of = model.threads[at].as_mut().unwrap();
            of.saved.get_or_insert(of.mask);
            of.mask = mask.difference(SignalSet::UNMASKABLE);
        }
        (6, Some(thread)) => {
            let mask = a_set(choices);
            let of = model.threads[at].as_mut().unwrap();
            assert_eq!(thread.set_mask(mask), of.mask);
            of.mask = mask.difference(SignalSet::UNMASKABLE);
        }
        (7, Some(thread)) => {
            let wanted = a_set(choices);
            let expected = model.take(at, wanted.difference(SignalSet::UNMASKABLE));
            assert_eq!(thread.try_take(wanted).ok(), expected);
        }
        (_, Some(thread)) => while !model.deliver(at, thread) {},
    }
}

fn send(
    group: &SignalGroup<'_, StdEnv>,
    threads: &[Option<SignalThread<'_, '_, StdEnv>>],
    model: &mut Model,
    caller: &Caller<'_, StdEnv>,
    choices: &mut Choices<'_>,
) {
    let (signal, to) = (a_signal(choices), choices.below(THREADS + 1));
    // What ends it ends the story: seldom.
    if signal == Signal::KILL && !choices.once_in(8) {
        return;
    }
    let code = [SignalCode::USER, SignalCode::QUEUE, SignalCode::KERNEL][choices.below(3)];
    let info = SignalInfo { code, ..SignalInfo::queued(signal, 1, 2, choices.word()) };
    let sent = match threads.get(to) {
        None => group.send(caller, info),
        Some(None) => return,
        Some(Some(thread)) => group.send_to(caller, thread.key(), info),
    };
    let to = (to < THREADS).then_some(to);
    match (sent, model.send(to, info)) {
        (Ok(sent), Ok(resumed)) => assert_eq!(sent.resumed, resumed),
        (Err(SendError::Quota(error)), Err(())) => assert_eq!((error.asked, error.left), (1, 0)),
        (ours, theirs) => unreachable!("{info:?}: {ours:?} in place of {theirs:?}"),
    }
}

fn set_action(group: &SignalGroup<'_, StdEnv>, model: &mut Model, choices: &mut Choices<'_>) {
    let flags = [ActionFlags::empty(), ActionFlags::NO_DEFER, ActionFlags::RESET_HAND, ActionFlags::RESTART];
    let signal = a_signal(choices);
    let action = match choices.below(6) {
        0 => Action::IGNORE,
        1 => Action::DEFAULT,
        _ => Action::handle(choices.below(256), a_set(choices), flags[choices.below(4)]),
    };
    let changed = group.set_action(signal, action);
    if signal.is_unmaskable() {
        return assert!(changed.is_err());
    }
    assert_eq!(changed, Ok(model.action(signal)));
    let action = Action { mask: action.mask.difference(SignalSet::UNMASKABLE), ..action };
    model.actions[usize::from(signal.number()) - 1] = action;
    if ignores(&action, signal) {
        model.discard(SignalSet::EMPTY.with(signal));
    }
}
