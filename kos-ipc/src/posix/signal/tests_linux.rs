//! Signals beside Linux's: the same answers, pending sets, infos, and the same handlers in the same order after each random step.

use alloc::vec;
use alloc::vec::Vec;
use std::env;

use super::linux::{self, End, in_child};
use super::*;
use crate::caller::Caller;
use crate::policy::NoPolicy;
use crate::quota::{Limits, QuotaNode, Quotas};
use crate::testing::{Rng, StdEnv, StdPark};

/// What Linux calls our error.
fn errno(error: SendError) -> linux::Errno {
    match error {
        SendError::Full | SendError::Quota(_) => libc::EAGAIN,
        other => panic!("{other}"),
    }
}

fn all() -> impl Iterator<Item = Signal> {
    SignalSet::ALL.iter()
}

/// Both, and what is drawn.
struct Both<'a, 'm> {
    group: &'a SignalGroup<'m, StdEnv>,
    thread: &'a SignalThread<'a, 'm, StdEnv>,
    caller: &'a Caller<'a, StdEnv>,
    rng: Rng,
    /// Only real-time signals: Linux counts the others as queued, too.
    limited: bool,
}

impl Both<'_, '_> {
    fn signal(&mut self) -> Signal {
        let few = [Signal::CONT, Signal::TSTP, Signal::CHLD, Signal::SEGV, Signal::INT];
        match self.rng.below(4) {
            _ if self.limited => self.of(32, 6),
            0 => few[self.rng.below(few.len())],
            1 => self.of(32, 4),
            _ => self.of(1, 64),
        }
    }

    /// One of `count` from `first` on.
    fn of(&mut self, first: u8, count: usize) -> Signal {
        Signal::new(first + u8::try_from(self.rng.below(count)).unwrap()).unwrap()
    }

    fn set(&mut self) -> SignalSet {
        let (one, other, third) = (self.rng.next(), self.rng.next(), self.rng.next());
        let bits = [one, one & other, one | other, one | other | third, u64::MAX, 0];
        SignalSet::from_bits(bits[self.rng.below(bits.len())])
    }

    fn step(&mut self) {
        match self.rng.below(8) {
            0 => self.set_mask(),
            1 => self.set_action(),
            2 => {
                let wanted = self.set();
                let ours = self.thread.try_take(wanted).map_err(|_| libc::EAGAIN);
                assert_eq!(ours, linux::try_take(wanted), "take of {wanted:?}");
            }
            _ => self.send(),
        }
        self.run_handlers();
        assert_eq!(self.thread.pending(), linux::pending());
        assert_eq!(self.group.check(), Ok(()));
    }

    fn set_mask(&mut self) {
        let mask = self.set();
        let old = self.thread.set_mask(mask);
        assert_eq!(old, linux::set_mask(mask));
    }

    fn set_action(&mut self) {
        let (signal, mask) = (self.signal(), self.set());
        // What would end the child stays handled or ignored.
        let harmless = matches!(signal.default_action(), DefaultAction::Ignore | DefaultAction::Continue);
        let reset = if harmless { ActionFlags::RESET_HAND } else { ActionFlags::empty() };
        let flags = [ActionFlags::empty(), ActionFlags::NO_DEFER, reset, reset | ActionFlags::NO_DEFER];
        let action = match self.rng.below(4) {
            0 => Action::IGNORE,
            1 if harmless => Action::DEFAULT,
            _ => Action::handle(1, mask, flags[self.rng.below(4)]),
        };
        let ours = self.group.set_action(signal, action).map(drop).map_err(|_| libc::EINVAL);
        assert_eq!(ours, linux::set_action(signal, action), "{signal}: {action:?}");
    }

    fn send(&mut self) {
        let (signal, to_thread) = (self.signal(), self.rng.below(2) == 0);
        if signal.is_unmaskable() {
            return;
        }
        let (pid, uid) = (linux::pid(), linux::uid());
        let info = match (self.rng.below(3), to_thread) {
            (0, false) => SignalInfo::user(signal, pid, uid),
            (0, true) => SignalInfo { code: SignalCode::THREAD, ..SignalInfo::user(signal, pid, uid) },
            _ => {
                let code = [-1, -2, -3].map(SignalCode)[self.rng.below(3)];
                SignalInfo { code, ..SignalInfo::queued(signal, pid, uid, self.rng.next()) }
            }
        };
        let ours = match to_thread {
            true => self.group.send_to(self.caller, self.thread.key(), info),
            false => self.group.send(self.caller, info),
        };
        assert_eq!(ours.map(drop).map_err(errno), linux::send(info, to_thread), "{info:?}");
    }

    /// Lets our handlers run as a kernel would: all frames that there are, the last on top; and asks again after each.
    fn run_handlers(&self) {
        let (mut frames, mut ran) = (Vec::new(), Vec::new());
        loop {
            match self.thread.deliver() {
                Some(Delivery::Handle(frame)) => frames.push(frame),
                Some(other) => panic!("{other:?}"),
                None => {
                    let Some(frame) = frames.pop() else { break };
                    ran.push((frame.info, self.thread.mask()));
                    self.thread.set_mask(frame.old_mask);
                }
            }
        }
        assert_eq!(ran, linux::seen().collect::<Vec<_>>(), "handlers");
    }
}

fn compare(seed: u64, steps: u64, limit: Option<usize>) {
    if limit.is_some_and(|limit| !linux::limit_queue(limit as u64)) {
        return;
    }
    let park = StdPark::new();
    let token = park.token();
    let caller = Caller::new(&token, (), &NoPolicy);
    let (mut slots, mut records) = (vec![ThreadSlot::new()], vec![SignalRecord::new(); 4096]);
    let mut nodes = [QuotaNode::new()];
    let quotas = Quotas::new(&mut nodes);
    let quota = quotas.root(Limits { signals: limit.unwrap_or(4096), ..Limits::UNLIMITED }).unwrap();
    let group = SignalGroup::new(park.clone(), &mut slots, &mut records, Some(quota), 0, 0);
    linux::set_mask(SignalSet::ALL);
    let thread = group.join(token.clone(), SignalSet::ALL).unwrap();
    for signal in all().filter(|signal| !signal.is_unmaskable()) {
        let action = Action::handle(1, SignalSet::EMPTY, ActionFlags::empty());
        group.set_action(signal, action).unwrap();
        linux::set_action(signal, action).unwrap();
    }
    let rng = Rng::new(seed);
    let limited = limit.is_some();
    let mut both = Both { group: &group, thread: &thread, caller: &caller, rng, limited };
    for step in 0..steps {
        let before = both.rng.clone();
        let ended = std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| both.step()));
        assert!(ended.is_ok(), "seed {seed}, step {step}: {before:?}");
    }
    linux::set_mask(SignalSet::ALL);
}

/// 20,000 steps by default, `KOS_SIGNAL_STEPS` for more; each child has 2,000, every fourth with few records to queue in.
#[test]
fn signals_answer_as_linux() {
    let steps: u64 = env::var("KOS_SIGNAL_STEPS").map_or(20_000, |steps| steps.parse().unwrap());
    for seed in 0..steps.div_ceil(2000) {
        let limit = (seed % 4 == 3).then_some(5);
        assert_eq!(in_child(move || compare(seed, 2000, limit)), End::Exit(0), "seed {seed}");
    }
}

/// What each signal does by default.
#[test]
fn defaults_are_those_of_linux() {
    for signal in all() {
        let number = i32::from(signal.number());
        let end = in_child(move || {
            if !signal.is_unmaskable() {
                linux::set_action(signal, Action::DEFAULT).unwrap();
            }
            linux::set_mask(SignalSet::EMPTY);
            linux::send(SignalInfo::user(signal, 0, 0), false).unwrap();
        });
        let expected = match signal.default_action() {
            DefaultAction::Terminate | DefaultAction::Core => End::Signal(number),
            DefaultAction::Stop => End::Stopped(number),
            DefaultAction::Ignore | DefaultAction::Continue => End::Exit(0),
        };
        assert_eq!(end, expected, "{signal}");
    }
}
