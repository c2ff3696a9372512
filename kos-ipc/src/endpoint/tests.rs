//! Calls: by story, in orders of events drawn by seeds, and as memory is lent.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::future::Future;
use core::pin::Pin;
use core::sync::atomic::{AtomicU64, Ordering};
use core::task::{Context, Poll, Waker};
use std::sync::Mutex;

use super::*;
use crate::caller::Caller;
use crate::error::WaitError;
use crate::policy::NoPolicy;
use crate::ports::{BlockReason, CallerMemory, Deadlock, Env, Fault, Park, Resume};
use crate::testing::{
    HostLock, HostMask, Rng, SimBody, SimEnv, SimPark, SimToken, StdEnv, StdPark, StdToken, cases, simulate,
};
use crate::time::Instant;
use crate::wait::Progress;

type Slot = CallSlot<StdToken, u64, Bytes>;

/// A caller's memory: bytes from address 1000 on.
#[derive(Clone, Debug, Default)]
struct Bytes(Arc<Mutex<Vec<u8>>>);

impl CallerMemory for Bytes {
    fn copy_in(&self, at: usize, to: &mut [u8]) -> Result<(), Fault> {
        let bytes = self.0.lock().unwrap();
        let range = at.checked_sub(1000).and_then(|start| bytes.get(start..start + to.len()));
        to.copy_from_slice(range.ok_or(Fault { at })?);
        Ok(())
    }

    fn copy_out(&self, at: usize, from: &[u8]) -> Result<(), Fault> {
        let mut bytes = self.0.lock().unwrap();
        let range = at.checked_sub(1000).and_then(|start| bytes.get_mut(start..start + from.len()));
        range.ok_or(Fault { at })?.copy_from_slice(from);
        Ok(())
    }
}

fn slots(count: usize) -> Vec<Slot> {
    (0..count).map(|_| Slot::new()).collect()
}

/// Runs `story` with an endpoint of so many slots and a caller.
fn with(count: usize, story: impl FnOnce(&Endpoint<'_, StdEnv, u64, Bytes>, &Caller<'_, StdEnv>)) {
    let (park, mut slots) = (StdPark::new(), slots(count));
    let token = park.token();
    let endpoint = Endpoint::new(park, &mut slots, 0, 0);
    story(&endpoint, &Caller::new(&token, (), &NoPolicy));
    assert_eq!(endpoint.check(), Ok(()));
}

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

const PAST: Option<Instant> = Some(Instant::from_ticks(0));

#[test]
fn a_call_is_answered_once() {
    with(2, |endpoint, caller| {
        let mut call = endpoint.call_async(caller, 7, 40).unwrap();
        assert!(poll(&mut call).is_pending());
        let received = endpoint.try_recv(caller).unwrap();
        assert_eq!((received.message, received.badge, received.token.is_awaited()), (40, 7, true));
        assert_eq!(endpoint.try_recv(caller).err(), Some(ReceiveError::WouldBlock));
        received.token.reply(41).unwrap();
        assert_eq!(poll(&mut call), Poll::Ready(Ok(41)));
    });
}

#[test]
fn a_dropped_token_tells_the_caller() {
    with(1, |endpoint, caller| {
        let mut call = endpoint.call_async(caller, 0, 1).unwrap();
        drop(endpoint.try_recv(caller).unwrap());
        assert_eq!(poll(&mut call), Poll::Ready(Err(CallError::ReplyDropped)));
    });
}

/// seL4#874, #1440: the slot of a caller who died is used again, and his token reaches nobody.
#[test]
fn reply_token_of_a_dead_caller_is_stale() {
    with(1, |endpoint, caller| {
        let call = endpoint.call_async(caller, 0, 1).unwrap();
        let token = endpoint.try_recv(caller).unwrap().token;
        drop(call);
        let mut next = endpoint.call_async(caller, 0, 2).unwrap();
        assert!(!token.is_awaited());
        let served = endpoint.try_recv(caller).unwrap();
        assert_eq!(token.reply(9), Err(ReplyError { message: 9 }));
        assert!(poll(&mut next).is_pending(), "not its answer");
        served.token.reply(3).unwrap();
        assert_eq!(poll(&mut next), Poll::Ready(Ok(3)));
    });
}

#[test]
fn a_call_that_finds_no_slot_comes_back() {
    with(1, |endpoint, caller| {
        let _first = endpoint.call_async(caller, 0, 1).unwrap();
        let full = endpoint.call(caller, 0, 2, None, None);
        assert_eq!(full, Err(CallError::Unsent(SendError { reason: SendReason::Full, message: 2 })));
    });
}

/// Nobody received it: the message comes back. Somebody did: he may have acted.
#[test]
fn a_deadline_says_whether_the_server_may_have_acted() {
    with(2, |endpoint, caller| {
        let timed_out = SendReason::Wait(WaitError::TimedOut);
        let error = endpoint.call(caller, 0, 5, None, PAST);
        assert_eq!(error, Err(CallError::Unsent(SendError { reason: timed_out, message: 5 })));
        assert_eq!(endpoint.recv(caller, PAST).err(), Some(ReceiveError::Wait(WaitError::TimedOut)));
        let call = endpoint.call_async(caller, 0, 6).unwrap();
        let token = endpoint.try_recv(caller).unwrap().token;
        let mut walk = endpoint.walk(WaitError::Revoked);
        while walk.step(1, |_| true) == Progress::More {}
        assert_eq!(poll(&mut { call }), Poll::Ready(Err(CallError::Wait(WaitError::Revoked))));
        assert_eq!(token.reply(1), Err(ReplyError { message: 1 }));
    });
}

/// nanvix#2351: those who are queued and those who are served all learn of it, and nobody comes after.
#[test]
fn peer_death_ends_every_blocked_call() {
    with(20, |endpoint, caller| {
        let mut calls: Vec<_> = (0..20).map(|n| endpoint.call_async(caller, n, n).unwrap()).collect();
        let tokens: Vec<_> = (0..5).map(|_| endpoint.try_recv(caller).unwrap().token).collect();
        let mut walk = endpoint.close();
        while walk.step(3, |_| true) == Progress::More {}
        for (number, call) in (0..).zip(&mut calls) {
            let closed = WaitError::PeerClosed;
            let unsent = CallError::Unsent(SendError { reason: SendReason::Wait(closed), message: number });
            let expected = if number < 5 { CallError::Wait(closed) } else { unsent };
            assert_eq!(poll(call), Poll::Ready(Err(expected)));
        }
        assert!(tokens.into_iter().all(|token| token.reply(0).is_err()));
        assert!(endpoint.call(caller, 0, 0, None, None).is_err());
        assert_eq!(endpoint.recv(caller, None).err(), Some(ReceiveError::Wait(WaitError::PeerClosed)));
    });
}

/// seL4#1736, #1737: a cancel of a hundred thousand calls of one badge among two, in steps of 64.
#[test]
fn cancel_of_100k_calls_keeps_to_budget() {
    const CALLS: u64 = 100_000;
    with(usize::try_from(CALLS).unwrap(), |endpoint, caller| {
        let mut calls: Vec<_> = (0..CALLS).map(|n| endpoint.call_async(caller, n % 2, n).unwrap()).collect();
        let (mut walk, mut steps) = (endpoint.walk(WaitError::Cancelled), 0);
        loop {
            let mut looks = 0;
            let progress = walk.step(64, |badge| {
                looks += 1;
                badge == 1
            });
            assert!(looks <= 64, "{looks} looks in one step");
            steps += 1;
            if progress == Progress::Done {
                break;
            }
        }
        assert_eq!(steps, CALLS / 64 + 1);
        let pending = calls.iter_mut().filter_map(|call| poll(call).is_pending().then_some(())).count();
        assert_eq!(pending as u64, CALLS / 2);
        assert_eq!(endpoint.try_recv(caller).map(|received| received.message).ok(), Some(0));
        assert_eq!(endpoint.check(), Ok(()));
    });
}

#[test]
fn lent_memory_is_read_and_written_within_its_bounds() {
    with(1, |endpoint, caller| {
        let memory = Bytes(Arc::new(Mutex::new((0..100).collect())));
        let leases = [
            Lease { start: 1010, len: 10, access: Access::Read },
            Lease { start: 1050, len: 4, access: Access::Write },
            Lease { start: 1096, len: 8, access: Access::Read },
            Lease { start: usize::MAX, len: 2, access: Access::Read },
        ];
        std::thread::scope(|scope| {
            let server = scope.spawn(|| {
                let park = StdPark::new();
                let token = park.token();
                let received = endpoint.recv(&Caller::new(&token, (), &NoPolicy), None).unwrap();
                let (token, mut bytes) = (received.token, [0; 4]);
                assert_eq!((token.read(0, 6, &mut bytes), bytes), (Ok(()), [16, 17, 18, 19]));
                assert_eq!(token.read(0, 7, &mut bytes), Err(LeaseError::OutOfRange));
                assert_eq!(token.read(0, usize::MAX, &mut bytes), Err(LeaseError::OutOfRange));
                assert_eq!(token.read(3, 0, &mut bytes[..2]), Err(LeaseError::OutOfRange));
                assert_eq!(token.read(1, 0, &mut bytes), Err(LeaseError::WrongAccess));
                assert_eq!(token.write(0, 0, &bytes), Err(LeaseError::WrongAccess));
                assert_eq!(token.read(8, 0, &mut bytes), Err(LeaseError::NoLease));
                assert_eq!(token.read(2, 2, &mut bytes), Err(LeaseError::Fault(Fault { at: 1098 })));
                assert_eq!(token.write(1, 0, &[7; 4]), Ok(()));
                token.reply(1).unwrap();
            });
            let lent = Lent { memory: memory.clone(), leases: &leases };
            assert_eq!(endpoint.call(caller, 0, 0, Some(lent), None), Ok(1));
            server.join().unwrap();
        });
        assert_eq!(memory.0.lock().unwrap()[49..55], [49, 7, 7, 7, 7, 54]);
    });
}

/// hubris#1083, #172, idolatry#70: it is the client's fault, and the server sees nothing of it.
#[test]
fn bad_lease_count_hits_only_the_client() {
    with(1, |endpoint, caller| {
        let leases = [Lease { start: 0, len: 1, access: Access::Read }; MAX_LEASES + 1];
        let lent = Lent { memory: Bytes::default(), leases: &leases };
        let reason = SendReason::TooManyLeases { asked: MAX_LEASES + 1 };
        let refused = Err(CallError::Unsent(SendError { reason, message: 3 }));
        assert_eq!(endpoint.call(caller, 0, 3, Some(lent), PAST), refused);
        assert_eq!(endpoint.try_recv(caller).err(), Some(ReceiveError::WouldBlock));
        let mut call = endpoint.call_async(caller, 0, 4).unwrap();
        endpoint.try_recv(caller).unwrap().token.reply(5).unwrap();
        assert_eq!(poll(&mut call), Poll::Ready(Ok(5)));
    });
}

/// Memory whose copy lasts until somebody wakes the caller, who may not leave before it ends.
#[derive(Clone, Debug)]
struct Slow(SimPark, Arc<AtomicU64>);

impl CallerMemory for Slow {
    fn copy_in(&self, _: usize, _: &mut [u8]) -> Result<(), Fault> {
        self.1.fetch_add(1, Ordering::Relaxed);
        (0..5).for_each(|_| self.0.yield_now(SimToken(1)));
        self.1.fetch_sub(1, Ordering::Relaxed);
        Ok(())
    }

    fn copy_out(&self, at: usize, _: &[u8]) -> Result<(), Fault> {
        Err(Fault { at })
    }
}

/// A caller whose time is up leaves when nobody copies from his memory any more.
fn leave_beside_a_copy(seed: u64) {
    let copies = Arc::new(AtomicU64::new(0));
    let mut slots = [const { CallSlot::new() }; 1];
    let cell = std::sync::OnceLock::new();
    simulate(seed, |park| {
        _ = cell.set(Endpoint::<SimEnv, u64, Slow>::new(park.clone(), &mut slots, 0, 0));
        let endpoint = cell.get().unwrap();
        let (memory, left) = (Slow(park.clone(), Arc::clone(&copies)), Arc::clone(&copies));
        let client = Box::new(move |me| {
            let leases = [Lease { start: 0, len: 4, access: Access::Read }];
            let lent = Lent { memory, leases: &leases };
            let until = Some(Instant::from_ticks(seed % 3));
            let _ = endpoint.call(&Caller::new(&me, (), &NoPolicy), 0, 0, Some(lent), until);
            assert_eq!(left.load(Ordering::Relaxed), 0, "seed {seed}: left while somebody read its memory");
        }) as SimBody<'_>;
        let server = Box::new(move |me| {
            let until = Some(Instant::from_ticks(2));
            if let Ok(received) = endpoint.recv(&Caller::new(&me, (), &NoPolicy), until) {
                while received.token.read(0, 0, &mut [0; 4]).is_ok() {}
            }
        });
        std::vec![client, server]
    })
    .unwrap();
    assert_eq!(cell.get().unwrap().check(), Ok(()));
}

#[test]
fn nobody_leaves_while_his_memory_is_read() {
    (0..u64::from(cases()) / 4).for_each(leave_beside_a_copy);
}

/// Calls with deadlines; counts the answers.
fn call_some(
    endpoint: &Endpoint<'_, SimEnv, u64>,
    me: SimToken,
    number: u64,
    rng: &mut Rng,
    answered: &AtomicU64,
) {
    let caller = Caller::new(&me, (), &NoPolicy);
    for message in number * 100..number * 100 + 4 {
        let until = Some(Instant::from_ticks(rng.next() % 50));
        match endpoint.call(&caller, number, message, None, until) {
            Ok(answer) => {
                assert_eq!(answer, message + 1000);
                answered.fetch_add(1, Ordering::Relaxed);
            }
            Err(CallError::Unsent(unsent)) => assert_eq!(unsent.message, message),
            Err(error) => assert!(matches!(error, CallError::Wait(_) | CallError::ReplyDropped)),
        }
    }
}

/// Two servers and four clients with deadlines and signals: who is answered has his own answer, and a server's answer arrives exactly
/// where the call says so.
fn clients_and_servers(seed: u64) {
    let (answered, arrived) = (AtomicU64::new(0), AtomicU64::new(0));
    let mut slots = [const { CallSlot::new() }; 3];
    let cell = std::sync::OnceLock::new();
    simulate(seed, |park| {
        _ = cell.set(Endpoint::<SimEnv, u64>::new(park.clone(), &mut slots, 0, 0));
        let (endpoint, answered, arrived) = (cell.get().unwrap(), &answered, &arrived);
        let client = |number: u64| {
            let mut rng = Rng::new(seed << 8 | number);
            Box::new(move |me| call_some(endpoint, me, number, &mut rng, answered)) as SimBody<'_>
        };
        let server = |number: u64| {
            let (park, mut rng) = (park.clone(), Rng::new(seed << 8 | number));
            Box::new(move |me| serve(endpoint, &park, me, &mut rng, arrived)) as SimBody<'_>
        };
        (0..4).map(client).chain((4..6).map(server)).collect()
    })
    .unwrap();
    assert_eq!(answered.into_inner(), arrived.into_inner(), "seed {seed}: an answer that nobody got");
    assert_eq!(cell.get().unwrap().check(), Ok(()), "seed {seed}");
}

/// Receives for a while; answers, drops, or answers and receives in one.
fn serve(
    endpoint: &Endpoint<'_, SimEnv, u64>,
    park: &SimPark,
    me: SimToken,
    rng: &mut Rng,
    arrived: &AtomicU64,
) {
    let caller = Caller::new(&me, (), &NoPolicy);
    let until = Some(Instant::from_ticks(60));
    let mut next = endpoint.recv(&caller, until);
    while let Ok(Received { message, badge, token }) = next {
        assert_eq!(badge, message / 100);
        park.yield_now(me);
        next = match rng.below(4) {
            0 => {
                drop(token);
                endpoint.recv(&caller, until)
            }
            1 => {
                arrived.fetch_add(u64::from(token.reply(message + 1000).is_ok()), Ordering::Relaxed);
                endpoint.recv(&caller, until)
            }
            _ => {
                let (replied, next) = endpoint.reply_recv(token, message + 1000, &caller, until);
                arrived.fetch_add(u64::from(replied.is_ok()), Ordering::Relaxed);
                next
            }
        };
    }
}

#[test]
fn each_answer_reaches_who_called_in_any_order() {
    (0..u64::from(cases()) / 4).for_each(clients_and_servers);
}

/// A scheduler that remembers who lends to whom, and sends no one to sleep.
#[derive(Default)]
struct Lenders {
    /// What another thread does while the first that parks sleeps.
    meanwhile: RefCell<Option<Box<dyn FnOnce()>>>,
    lent: RefCell<Vec<(usize, usize)>>,
    most: RefCell<usize>,
    handed: RefCell<Vec<usize>>,
}

impl Park for &'static Lenders {
    type Token = usize;

    fn park(&self, _: &usize, _: Option<Instant>, _: BlockReason) -> Resume {
        let meanwhile = self.meanwhile.take();
        meanwhile.map_or(Resume::TimedOut, |work| {
            work();
            Resume::Woken
        })
    }

    fn unpark(&self, _: &usize) {}

    fn hand_off(&self, me: &usize, to: &usize, until: Option<Instant>, why: BlockReason) -> Resume {
        self.handed.borrow_mut().push(*to);
        self.park(me, until, why)
    }

    fn priority(&self, thread: &usize) -> u8 {
        u8::try_from(*thread).unwrap()
    }

    fn donate(&self, from: &usize, to: &usize) -> Result<(), Deadlock> {
        let (mut lent, mut at) = (self.lent.borrow_mut(), *to);
        while let Some(&(_, next)) = lent.iter().find(|&&(from, _)| from == at) {
            at = next;
        }
        if at == *from {
            return Err(Deadlock);
        }
        lent.push((*from, *to));
        let most = lent.len().max(*self.most.borrow());
        self.most.replace(most);
        Ok(())
    }

    fn withdraw(&self, from: &usize, to: &usize) {
        let mut lent = self.lent.borrow_mut();
        let at = lent.iter().position(|pair| pair == &(*from, *to)).expect("lent before");
        lent.remove(at);
    }
}

struct LendEnv;

impl Env for LendEnv {
    type Lock = HostLock;
    type Irq = HostMask;
    type Park = &'static Lenders;
    type Policy = NoPolicy;
}

/// seL4#216, sel4test#23: a donor that goes, and one whose server serves it already.
#[test]
fn donor_removed_mid_call_is_undone() {
    let park: &'static Lenders = Box::leak(Box::default());
    let (mut first, mut second) = ([const { CallSlot::new() }; 2], [const { CallSlot::new() }; 2]);
    let first = Endpoint::<LendEnv, u64>::new(park, &mut first, 0, 0);
    let second = Endpoint::<LendEnv, u64>::new(park, &mut second, 0, 0);
    first.set_server(Some(2));
    second.set_server(Some(1));
    let one = Caller::new(&1, (), &NoPolicy);
    assert!(matches!(first.call(&one, 0, 7, None, PAST), Err(CallError::Unsent(_))));
    assert_eq!((park.lent.borrow().len(), *park.most.borrow()), (0, 1), "lent, and undone");
    park.lent.borrow_mut().push((1, 2)); // thread 1 waits for thread 2, which calls back
    let circle = second.call(&Caller::new(&2, (), &NoPolicy), 0, 8, None, None);
    assert_eq!(circle, Err(CallError::Unsent(SendError { reason: SendReason::Deadlock, message: 8 })));
    assert_eq!(park.lent.borrow().len(), 1);
}

#[test]
fn the_most_urgent_call_is_received_first() {
    let park: &'static Lenders = Box::leak(Box::default());
    let mut slots = [const { CallSlot::new() }; 8];
    let endpoint = Endpoint::<LendEnv, usize>::new(park, &mut slots, 0, 0);
    let order = [3, 0, 5, 3, 0, 5, 7];
    let calls: Vec<_> = (0..order.len())
        .map(|at| endpoint.call_async(&Caller::new(&order[at], (), &NoPolicy), 0, at).unwrap())
        .collect();
    let server = Caller::new(&9, (), &NoPolicy);
    let received: Vec<_> = (0..order.len()).map(|_| endpoint.try_recv(&server).unwrap()).collect();
    let messages: Vec<_> = received.iter().map(|received| received.message).collect();
    assert_eq!(messages, [6, 2, 5, 0, 3, 1, 4]);
    drop((received, calls));
    assert_eq!(endpoint.check(), Ok(()));
}

/// A server that waits is run at once, in place of the caller.
#[test]
fn a_call_hands_the_processor_over() {
    let park: &'static Lenders = Box::leak(Box::default());
    let slots = Box::leak(Box::new([const { CallSlot::new() }; 1]));
    let endpoint: &'static _ = Box::leak(Box::new(Endpoint::<LendEnv, u64>::new(park, slots, 0, 0)));
    let call = || _ = endpoint.call(&Caller::new(&1, (), &NoPolicy), 0, 1, None, PAST);
    park.meanwhile.replace(Some(Box::new(call)));
    let received = endpoint.recv(&Caller::new(&4, (), &NoPolicy), PAST);
    assert_eq!(received.err(), Some(ReceiveError::Wait(WaitError::TimedOut)), "the caller has left");
    assert_eq!(*park.handed.borrow(), [4]);
}
