//! An office: clients call a front desk of two, which calls the archive for some; some clients have little patience, some answers
//! are dropped, and at some time somebody closes the desk. Whoever waits lends his priority.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};

use shuttle::rand::{Rng, thread_rng};
use shuttle::thread;

use super::park::{SOON, Threads};
use super::{explore, must_find};
use crate::caller::Caller;
use crate::endpoint::{CallError, CallSlot, Endpoint, ReceiveError, Received};
use crate::error::WaitError;
use crate::policy::NoPolicy;
use crate::ports::{BlockReason, Deadlock, Env, Park, Resume};
use crate::sync::Bug;
use crate::testing::HostLock;
use crate::time::Instant;
use crate::wait::Progress;

const CLIENTS: usize = 5;
const CALLS: u64 = 2;
/// Who serves, and as whom.
const DESK: [usize; 2] = [CLIENTS, CLIENTS + 1];
const ARCHIVE: usize = CLIENTS + 2;

struct OfficeEnv;

impl Env for OfficeEnv {
    type Lock = HostLock;
    type Irq = ();
    type Park = Lending;
    type Policy = NoPolicy;
}

/// Threads of three priorities, and how often one is lent just now.
#[derive(Clone)]
struct Lending(Threads, Arc<AtomicUsize>);

impl Park for Lending {
    type Token = usize;

    fn park(&self, me: &usize, until: Option<Instant>, why: BlockReason) -> Resume {
        self.0.park(me, until, why)
    }

    fn unpark(&self, thread: &usize) {
        self.0.unpark(thread);
    }

    fn priority(&self, thread: &usize) -> u8 {
        u8::try_from(thread % 3).unwrap()
    }

    fn donate(&self, _: &usize, _: &usize) -> Result<(), Deadlock> {
        self.1.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn withdraw(&self, _: &usize, _: &usize) {
        self.1.fetch_sub(1, Ordering::Relaxed);
    }
}

type Desk = Endpoint<'static, OfficeEnv, u64>;

struct Office {
    desk: Desk,
    archive: Desk,
    lent: Arc<AtomicUsize>,
    /// Answers that were taken as given, and that arrived.
    given: AtomicUsize,
    arrived: AtomicUsize,
}

fn caller(token: &usize) -> Caller<'_, OfficeEnv> {
    Caller::new(token, (), &NoPolicy)
}

fn slots(count: usize) -> &'static mut [CallSlot<usize, u64>] {
    (0..count).map(|_| CallSlot::new()).collect::<Vec<_>>().leak()
}

fn finish(endpoint: &Desk) {
    let mut walk = endpoint.close();
    while walk.step(2, |_| true) == Progress::More {}
}

impl Office {
    /// Not freed: a schedule that fails is taken down without its checker.
    fn open() -> &'static Self {
        let lent = Arc::new(AtomicUsize::new(0));
        let park = Lending(Threads::new(), Arc::clone(&lent));
        let office = Box::leak(Box::new(Self {
            desk: Endpoint::new(park.clone(), slots(3), 0, 0),
            archive: Endpoint::new(park, slots(2), 0, 1),
            lent,
            given: AtomicUsize::new(0),
            arrived: AtomicUsize::new(0),
        }));
        office.desk.set_server(Some(DESK[0]));
        office.archive.set_server(Some(ARCHIVE));
        office
    }

    fn visit(&self, me: usize) {
        for number in 0..CALLS {
            let message = (me as u64) << 8 | number;
            let until = if thread_rng().gen_ratio(1, 3) { SOON } else { None };
            match self.desk.call(&caller(&me), me as u64, message, None, until) {
                Ok(answer) => {
                    assert!(answer == message + 1 || answer == message + 2, "another's answer");
                    self.arrived.fetch_add(1, Ordering::Relaxed);
                }
                Err(CallError::Unsent(unsent)) => assert_eq!(unsent.message, message),
                Err(CallError::Wait(cause)) => assert_ne!(cause, WaitError::Interrupted),
                Err(CallError::ReplyDropped) => {}
            }
        }
    }

    fn answer(&self, me: usize, call: Received<'_, 'static, OfficeEnv, u64>) {
        assert_eq!(call.badge, call.message >> 8);
        let answer = match thread_rng().gen_range(0..4) {
            0 => return drop(call),
            1 => match self.archive.call(&caller(&me), 0, call.message, None, SOON) {
                Ok(answer) => answer + 1,
                Err(_) => call.message + 1,
            },
            _ => call.message + 1,
        };
        match call.token.reply(answer) {
            Ok(()) => _ = self.given.fetch_add(1, Ordering::Relaxed),
            Err(stale) => assert_eq!(stale.message, answer),
        }
    }

    fn serve(&self, me: usize) {
        loop {
            match self.desk.recv(&caller(&me), None) {
                Ok(call) => self.answer(me, call),
                Err(ReceiveError::Wait(WaitError::PeerClosed)) => return,
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn look_up(&self) {
        let me = caller(&ARCHIVE);
        let mut next = self.archive.recv(&me, None);
        while let Ok(call) = next {
            let answer = call.message + 1;
            next = self.archive.reply_recv(call.token, answer, &me, None).1;
        }
    }
}

fn a_day() {
    let office = Office::open();
    let clients: Vec<_> = (0..CLIENTS).map(|me| thread::spawn(move || office.visit(me))).collect();
    let servers = DESK.map(|me| thread::spawn(move || office.serve(me)));
    let archive = thread::spawn(move || office.look_up());
    if thread_rng().gen_ratio(1, 2) {
        thread::spawn(move || finish(&office.desk)).join().unwrap();
    }
    clients.into_iter().for_each(|client| client.join().unwrap());
    finish(&office.desk);
    servers.into_iter().for_each(|server| server.join().unwrap());
    finish(&office.archive);
    archive.join().unwrap();
    let (given, arrived) = (office.given.load(Ordering::Relaxed), office.arrived.load(Ordering::Relaxed));
    assert_eq!(given, arrived, "an answer that was given to nobody");
    assert_eq!(office.lent.load(Ordering::Relaxed), 0, "a priority is lent");
    assert_eq!((office.desk.check(), office.archive.check()), (Ok(()), Ok(())));
}

#[test]
fn every_call_has_an_end() {
    explore(a_day);
}

#[test]
fn a_look_before_the_entry_is_found() {
    must_find(Bug::ReceiveInTwoSteps, a_day);
}

#[test]
fn an_answer_that_is_not_seen_is_found() {
    must_find(Bug::ReplyUnseen, a_day);
}

#[test]
fn a_timeout_that_does_not_look_is_found() {
    must_find(Bug::TimeoutUnchecked, impatient);
}

/// A server with little patience that is woken for a call beside one with much.
fn impatient() {
    let office = Office::open();
    let hasty = thread::spawn(move || match office.desk.recv(&caller(&DESK[0]), SOON) {
        Ok(call) => drop(call),
        Err(error) => assert_eq!(error, ReceiveError::Wait(WaitError::TimedOut)),
    });
    let patient = thread::spawn(move || office.serve(DESK[1]));
    office.visit(0);
    hasty.join().unwrap();
    office.visit(1);
    finish(&office.desk);
    patient.join().unwrap();
}
