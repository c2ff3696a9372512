//! Signals between threads that sleep, stop and go, and the model.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

use super::*;
use crate::caller::Caller;
use crate::error::WaitError;
use crate::policy::NoPolicy;
use crate::quota::{Limits, QuotaError, QuotaNode, Quotas, Resource};
use crate::testing::signal_model;
use crate::testing::{Choices, SimBody, SimEnv, SimPark, SimToken, StdEnv, StdPark, cases, simulate};
use crate::time::Instant;

type Group<'m> = SignalGroup<'m, SimEnv>;

fn only(signal: Signal) -> SignalSet {
    SignalSet::EMPTY.with(signal)
}

fn real(number: u8) -> Signal {
    Signal::new(31 + number).unwrap()
}

/// A story of one process in the order of events of a seed.
fn in_process<'a, 'm: 'a>(
    seed: u64,
    memory: &'m mut (Vec<ThreadSlot<SimToken>>, Vec<SignalRecord>),
    group: &'a OnceLock<Group<'m>>,
    bodies: impl FnOnce(&'a Group<'m>, &SimPark) -> Vec<SimBody<'a>>,
) {
    simulate(seed, |park| {
        let (slots, records) = memory;
        let group = group.get_or_init(|| Group::new(park.clone(), slots, records, None, 0, 0));
        bodies(group, park)
    })
    .unwrap();
    assert_eq!(group.get().unwrap().check(), Ok(()), "seed {seed}");
}

fn memory(threads: usize) -> (Vec<ThreadSlot<SimToken>>, Vec<SignalRecord>) {
    ((0..threads).map(|_| ThreadSlot::new()).collect(), vec![SignalRecord::new(); 16])
}

/// Does what a kernel does on the way back to a program; the signals of the handlers that ran.
fn run_handlers<E: crate::Env>(thread: &SignalThread<'_, '_, E>, caller: &Caller<'_, E>) -> Vec<Signal> {
    let mut ran = Vec::new();
    while let Some(delivery) = thread.deliver() {
        match delivery {
            Delivery::Handle(frame) => {
                ran.push(frame.info.signal);
                thread.set_mask(frame.old_mask);
            }
            Delivery::Stop { .. } => thread.stop(caller),
            Delivery::Terminate { .. } => break,
        }
    }
    ran
}

#[test]
fn processes_match_the_lists() {
    for seed in 0..u64::from(cases()) {
        signal_model::run(&mut Choices::random(seed, 300));
    }
}

fn senders_and_takers(seed: u64) {
    let (mut memory, group, taken) = (memory(2), OnceLock::new(), Mutex::new(Vec::new()));
    in_process(seed, &mut memory, &group, |group, park| {
        let taking = |_| {
            let (taken, park) = (&taken, park.clone());
            Box::new(move |me: SimToken| {
                let thread = group.join(me, SignalSet::ALL).unwrap();
                for _ in 0..3 {
                    let caller = Caller::new(&me, (), &NoPolicy);
                    let info = thread.take(&caller, only(real(1)).with(real(2)), None).unwrap();
                    taken.lock().unwrap().push(info.value);
                    park.yield_now(me);
                }
            }) as SimBody<'_>
        };
        let mut bodies: Vec<_> = (0..2).map(taking).collect();
        bodies.push(Box::new(move |me: SimToken| {
            let caller = Caller::new(&me, (), &NoPolicy);
            for value in 0..6 {
                let signal = real(1 + u8::from(value % 2 == 0));
                group.send(&caller, SignalInfo::queued(signal, 0, 0, value)).unwrap();
            }
        }));
        bodies
    });
    let mut taken = taken.into_inner().unwrap();
    taken.sort_unstable();
    assert_eq!(taken, [0, 1, 2, 3, 4, 5], "seed {seed}");
}

/// Each signal that is sent while somebody sleeps for it, or comes to, is taken by somebody, once.
#[test]
fn every_signal_finds_a_taker_in_any_order() {
    (0..u64::from(cases()) / 4).for_each(senders_and_takers);
}

fn wait_and_interrupt(seed: u64) {
    let (mut memory, group, handled) = (memory(1), OnceLock::new(), AtomicUsize::new(0));
    in_process(seed, &mut memory, &group, |group, _| {
        let handler = Action::handle(1, SignalSet::EMPTY, ActionFlags::empty());
        group.set_action(Signal::INT, handler).unwrap();
        let handled = &handled;
        let thread = group.join(SimToken(0), only(Signal::USR1)).unwrap();
        let waiting = Box::new(move |me: SimToken| {
            let caller = Caller::new(&me, (), &NoPolicy);
            loop {
                let taken = thread.take(&caller, only(Signal::USR1), None);
                let ran = run_handlers(&thread, &caller);
                handled.fetch_add(ran.len(), Ordering::Relaxed);
                if let Ok(info) = taken {
                    break assert_eq!(info.signal, Signal::USR1);
                }
                assert_eq!((taken, ran.len()), (Err(AwaitError::Wait(WaitError::Interrupted)), 1));
            }
        }) as SimBody<'_>;
        let sending = Box::new(move |me: SimToken| {
            let caller = Caller::new(&me, (), &NoPolicy);
            group.send(&caller, SignalInfo::user(Signal::USR1, 1, 0)).unwrap();
            group.send(&caller, SignalInfo::user(Signal::INT, 1, 0)).unwrap();
        });
        vec![waiting, sending]
    });
    assert!(handled.into_inner() <= 1);
}

/// asterinas#1577, ish-AOK#466: of a signal that is waited for and one that interrupts, the first is not lost; and a call that was
/// interrupted without effect begins again exactly if it is to.
#[test]
fn wake_beats_signal_and_restart() {
    (0..u64::from(cases())).for_each(wait_and_interrupt);
}

fn send_and_leave(seed: u64) {
    let (mut memory, group) = (memory(2), OnceLock::new());
    in_process(seed, &mut memory, &group, |group, park| {
        let handler = Action::handle(1, SignalSet::EMPTY, ActionFlags::empty());
        group.set_action(Signal::INT, handler).unwrap();
        let first = group.join(SimToken(0), SignalSet::EMPTY).unwrap();
        let second = group.join(SimToken(1), SignalSet::EMPTY).unwrap();
        let park = park.clone();
        let leaving = Box::new(move |me: SimToken| {
            if seed.is_multiple_of(2) {
                first.set_mask(SignalSet::ALL);
                park.yield_now(me);
            }
            drop(first);
        }) as SimBody<'_>;
        let sleeping = Box::new(move |me: SimToken| {
            let caller = Caller::new(&me, (), &NoPolicy);
            second.suspend(&caller, SignalSet::EMPTY);
            assert_eq!(run_handlers(&second, &caller), [Signal::INT]);
        });
        let sending = Box::new(move |me: SimToken| {
            group.send(&Caller::new(&me, (), &NoPolicy), SignalInfo::user(Signal::INT, 1, 0)).unwrap();
        });
        vec![leaving, sleeping, sending]
    });
}

/// What the chosen thread blocks before it looks, or leaves behind when it ends, goes to another.
#[test]
fn a_signal_is_handed_on_by_who_blocks_it_or_ends() {
    (0..u64::from(cases())).for_each(send_and_leave);
}

/// Stops and goes on as it is told, until it is killed.
fn stop_until_killed(thread: &SignalThread<'_, '_, SimEnv>, me: SimToken) {
    let caller = Caller::new(&me, (), &NoPolicy);
    loop {
        thread.suspend(&caller, SignalSet::EMPTY);
        match thread.deliver() {
            Some(Delivery::Stop { signal, .. }) => {
                assert_eq!(signal, Signal::TSTP);
                thread.stop(&caller);
            }
            Some(Delivery::Terminate { info, core }) => {
                return assert_eq!((info.signal, core), (Signal::KILL, false));
            }
            Some(Delivery::Handle(_)) => unreachable!("no handler"),
            None => {}
        }
    }
}

fn stop_and_kill(seed: u64) {
    let (mut memory, group, resumed) = (memory(2), OnceLock::new(), AtomicU32::new(0));
    in_process(seed, &mut memory, &group, |group, park| {
        let stopping = |number: usize| {
            let thread = group.join(SimToken(number), SignalSet::EMPTY).unwrap();
            Box::new(move |me: SimToken| stop_until_killed(&thread, me)) as SimBody<'_>
        };
        let mut bodies: Vec<_> = (0..2).map(stopping).collect();
        let (park, resumed) = (park.clone(), &resumed);
        bodies.push(Box::new(move |me: SimToken| {
            let caller = Caller::new(&me, (), &NoPolicy);
            for signal in [Signal::TSTP, Signal::CONT, Signal::TSTP, Signal::KILL] {
                let sent = group.send(&caller, SignalInfo::user(signal, 1, 0)).unwrap();
                resumed.fetch_add(u32::from(sent.resumed), Ordering::Relaxed);
                park.yield_now(me);
            }
        }));
        bodies
    });
    assert!(resumed.into_inner() <= 2);
}

/// All threads stop, whoever of them met the signal, and go on; the end reaches those that are stopped.
#[test]
fn a_process_stops_and_goes_on_as_one() {
    (0..u64::from(cases())).for_each(stop_and_kill);
}

fn stop_and_go_on(seed: u64) {
    let (stops, went_on) = (AtomicU32::new(0), AtomicU32::new(0));
    let (mut memory, group) = (memory(20), OnceLock::new());
    in_process(seed, &mut memory, &group, |group, park| {
        let (stops, went_on) = (&stops, &went_on);
        let stopping = |number: usize| {
            let thread = group.join(SimToken(number), SignalSet::EMPTY).unwrap();
            Box::new(move |me: SimToken| {
                let caller = Caller::new(&me, (), &NoPolicy);
                thread.suspend(&caller, SignalSet::EMPTY);
                stops.fetch_add(1, Ordering::Relaxed);
                while let Some(Delivery::Stop { .. }) = thread.deliver() {
                    thread.stop(&caller);
                }
                went_on.fetch_add(1, Ordering::Relaxed);
            }) as SimBody<'_>
        };
        let mut bodies: Vec<_> = (0..20).map(stopping).collect();
        let park = park.clone();
        bodies.push(Box::new(move |me: SimToken| {
            let caller = Caller::new(&me, (), &NoPolicy);
            group.send(&caller, SignalInfo::user(Signal::STOP, 1, 0)).unwrap();
            while stops.load(Ordering::Relaxed) < 20 {
                park.yield_now(me);
            }
            assert_eq!((went_on.load(Ordering::Relaxed), group.stopped()), (0, Some(Signal::STOP)));
            assert!(group.send(&caller, SignalInfo::user(Signal::CONT, 1, 0)).unwrap().resumed);
        }));
        bodies
    });
    assert_eq!(went_on.into_inner(), 20);
}

/// CONT alone ends the stop of every thread.
#[test]
fn a_stop_ends_for_all_threads() {
    (0..u64::from(cases()) / 4).for_each(stop_and_go_on);
}

/// Standard signals take no record: they are kept when every real-time one is refused, each once. Those of `kill` never fail.
#[test]
fn kill_never_fails_for_memory() {
    let (park, mut slots, mut records) = (StdPark::new(), [ThreadSlot::new()], [SignalRecord::new(); 2]);
    let token = park.token();
    let caller = Caller::new(&token, (), &NoPolicy);
    let group = SignalGroup::<StdEnv>::new(park, &mut slots, &mut records, None, 0, 0);
    let thread = group.join(token.clone(), SignalSet::ALL).unwrap();
    let queued = |signal, value| group.send(&caller, SignalInfo::queued(signal, 1, 2, value)).map(drop);
    assert_eq!((queued(real(2), 1), queued(real(2), 2)), (Ok(()), Ok(())));
    assert_eq!((queued(real(2), 3), queued(real(1), 4)), (Err(SendError::Full), Err(SendError::Full)));
    for signal in SignalSet::ALL.without(Signal::CONT).without(real(2)).iter() {
        group.send(&caller, SignalInfo::user(signal, 1, 2)).unwrap();
        assert!(thread.pending().contains(signal) || signal.is_unmaskable());
    }
    assert_eq!(group.check(), Ok(()));
    assert_eq!(thread.try_take(only(real(1))), Ok(SignalInfo::user(real(1), 0, 0)), "kept without its info");
    let values: Vec<_> = (0..2).map(|_| thread.try_take(only(real(2))).unwrap().value).collect();
    assert_eq!(values, [1, 2]);
    assert_eq!(thread.try_take(only(real(2))), Err(AwaitError::WouldBlock));
}

/// The k-th charge fails: nothing is queued, nothing is charged, and what was asked and left is told.
#[test]
fn a_refused_signal_leaves_everything_as_it_was() {
    for limit in 0..8 {
        let mut nodes = [(); 2].map(|()| QuotaNode::new());
        let quotas = Quotas::<StdEnv>::new(&mut nodes);
        let user = quotas.root(Limits { signals: limit, ..Limits::UNLIMITED }).unwrap();
        let quota = user.child(Limits::UNLIMITED).unwrap();
        let (park, mut slots, mut records) = (StdPark::new(), [ThreadSlot::new()], [SignalRecord::new(); 7]);
        let token = park.token();
        let caller = Caller::new(&token, (), &NoPolicy);
        let group = SignalGroup::new(park, &mut slots, &mut records, Some(quota), 0, 0);
        let thread = group.join(token.clone(), SignalSet::ALL).unwrap();
        let send = |value| group.send(&caller, SignalInfo::queued(real(3), 1, 2, value));
        assert!((0..limit as u64).all(|value| value >= 7 || send(value).is_ok()));
        let before = thread.pending();
        let refused = QuotaError { resource: Resource::Signals, asked: 1, left: 0 };
        let expected = if limit < 7 { SendError::Quota(refused) } else { SendError::Full };
        assert_eq!(send(9), Err(expected));
        assert_eq!((thread.pending(), user.used(Resource::Signals)), (before, limit));
        assert_eq!(group.check(), Ok(()));
        drop(thread);
        let other = group.join(token.clone(), SignalSet::ALL).unwrap();
        group.set_action(real(3), Action::IGNORE).unwrap();
        assert_eq!((other.pending(), user.used(Resource::Signals)), (SignalSet::EMPTY, 0));
    }
}

#[test]
fn a_fault_that_is_blocked_or_ignored_ends_the_process() {
    let (park, mut slots) = (StdPark::new(), [ThreadSlot::new()]);
    let token = park.token();
    let group = SignalGroup::<StdEnv>::new(park, &mut slots, &mut [], None, 0, 0);
    let thread = group.join(token, SignalSet::ALL).unwrap();
    group.set_action(Signal::SEGV, Action::handle(1, SignalSet::EMPTY, ActionFlags::empty())).unwrap();
    thread.raise(SignalInfo::kernel(Signal::SEGV));
    let info = SignalInfo::kernel(Signal::SEGV);
    assert_eq!(thread.deliver(), Some(Delivery::Terminate { info, core: true }));
}

#[test]
fn a_thread_that_is_gone_is_nobody() {
    let (park, mut slots) = (StdPark::new(), [ThreadSlot::new()]);
    let token = park.token();
    let caller = Caller::new(&token, (), &NoPolicy);
    let group = SignalGroup::<StdEnv>::new(park, &mut slots, &mut [], None, 0, 0);
    let thread = group.join(token.clone(), SignalSet::ALL).unwrap();
    let key = thread.key();
    assert_eq!(group.join(token.clone(), SignalSet::ALL).map(drop), Err(NoThreadSlot));
    drop(thread);
    let next = group.join(token.clone(), SignalSet::ALL).unwrap();
    let info = SignalInfo::user(Signal::INT, 1, 0);
    assert_eq!(group.send_to(&caller, key, info), Err(SendError::NoThread));
    assert_eq!((next.pending(), group.send_to(&caller, next.key(), info).is_ok()), (SignalSet::EMPTY, true));
    let gone = Some(Instant::from_ticks(0));
    assert_eq!(next.take(&caller, only(Signal::HUP), gone), Err(AwaitError::Wait(WaitError::TimedOut)));
}

#[test]
fn fork_and_exec_keep_what_posix_says() {
    let (park, mut slots, mut more) = (StdPark::new(), [ThreadSlot::new()], [ThreadSlot::new()]);
    let parent = SignalGroup::<StdEnv>::new(park.clone(), &mut slots, &mut [], None, 0, 0);
    let child = SignalGroup::<StdEnv>::new(park, &mut more, &mut [], None, 0, 0);
    let handler = Action::handle(7, only(Signal::KILL).with(Signal::HUP), ActionFlags::RESTART);
    parent.set_action(Signal::INT, handler).unwrap();
    parent.set_action(Signal::PIPE, Action::IGNORE).unwrap();
    assert_eq!(parent.set_action(Signal::KILL, Action::IGNORE), Err(Unchangeable(Signal::KILL)));
    child.inherit(&parent);
    assert_eq!(child.action(Signal::INT), Action { mask: only(Signal::HUP), ..handler });
    child.reset_handlers();
    assert_eq!((child.action(Signal::INT), child.action(Signal::PIPE)), (Action::DEFAULT, Action::IGNORE));
}

#[test]
fn an_orphan_is_stopped_by_stop_alone() {
    let (park, mut slots) = (StdPark::new(), [ThreadSlot::new()]);
    let token = park.token();
    let caller = Caller::new(&token, (), &NoPolicy);
    let group = SignalGroup::<StdEnv>::new(park, &mut slots, &mut [], None, 0, 0);
    let thread = group.join(token.clone(), SignalSet::EMPTY).unwrap();
    group.set_orphaned(true);
    for (signal, stops) in [(Signal::TSTP, false), (Signal::TTIN, false), (Signal::STOP, true)] {
        group.send(&caller, SignalInfo::user(signal, 1, 0)).unwrap();
        assert_eq!(thread.deliver().is_some(), stops, "{signal}");
    }
}
