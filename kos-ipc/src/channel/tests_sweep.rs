//! Channels when each answer of a policy in turn is no, in orders of events drawn by seeds, and their order beside a graph.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::caller::Caller;
use crate::cap::{CapId, CapSlot, CapSpace, Cell, Cells, Rights};
use crate::error::WaitError;
use crate::policy::{AuditEvent, AuditFull, Decision, NoPolicy, Op};
use crate::ports::Policy;
use crate::quota::{Limits, QuotaNode, Quotas};
use crate::testing::{HostLock, HostMask, Rng, SimBody, SimEnv, SimPark, StdEnv, StdPark, cases, simulate};
use crate::time::Instant;
use crate::wait::Progress;

/// Says yes so often, then no once; or has no room for that record.
#[derive(Debug)]
struct Once {
    left: AtomicUsize,
    by_audit: bool,
}

impl Once {
    fn is_now(&self) -> bool {
        self.left.fetch_sub(1, Ordering::Relaxed) == 1
    }
}

impl Policy for Once {
    type Subject = ();

    fn check(&self, (): (), _: Op, _: &ObjectMeta) -> Decision {
        if !self.by_audit && self.is_now() { Decision::Deny } else { Decision::Allow }
    }

    fn audit(&self, _: &AuditEvent<()>) -> Result<(), AuditFull> {
        if self.by_audit && self.is_now() { Err(AuditFull) } else { Ok(()) }
    }
}

struct SweepEnv;

impl Env for SweepEnv {
    type Lock = HostLock;
    type Irq = HostMask;
    type Park = StdPark;
    type Policy = Once;
}

#[derive(Clone, Debug)]
struct Thing(Arc<()>);

impl Object for Thing {
    fn kind(&self) -> u8 {
        u8::from(Arc::strong_count(&self.0) > 0)
    }
}

fn memory<'c, E: Env>(blocks: usize) -> Memory<'static, 'c, E, Thing> {
    Memory { blocks: many(blocks, Block::new), caps: many(4, CapPlace::new), calls: many(2, CallPlace::new) }
}

fn many<'m, T: 'm>(count: usize, make: impl FnMut() -> T) -> &'m mut [T] {
    let mut all = Vec::new();
    all.resize_with(count, make);
    all.leak()
}

fn leak<'m, T: 'm>(value: T) -> &'m mut T {
    Box::leak(Box::new(value))
}

/// A channel and a space. They are leaked.
fn ground<E: Env>(
    park: E::Park,
    blocks: usize,
) -> (&'static Channel<'static, 'static, E, Thing>, &'static CapSpace<'static, E, Thing>)
where
    E::Park: Clone,
{
    let quotas = leak(Quotas::new(many(1, QuotaNode::new)));
    let cells = leak(Cells::new(many(4, Cell::new), quotas));
    let quota = quotas.root(Limits::UNLIMITED).unwrap();
    let lent = [(); 2].map(|()| memory(blocks));
    let levels = leak(Levels::new(cells));
    let channel = Channel::new(park, lent, levels, quota.clone(), Config::of(blocks, 4), 0, 0).unwrap();
    (leak(channel), leak(CapSpace::new(many(8, CapSlot::new), cells, quota, 3).unwrap()))
}

/// Every operation once. How many were refused; what was refused has left everything as it was.
fn story(policy: &Once) -> usize {
    let park = StdPark::new();
    let token = park.token();
    let (channel, space) = ground::<SweepEnv>(park, 8);
    let (caller, handle) = (Caller::new(&token, (), policy), Arc::new(()));
    let ids: Vec<CapId> =
        (0..3).map(|_| space.insert(Thing(Arc::clone(&handle)), Rights::all(), 0).unwrap()).collect();
    let (a, b, mut refused) = (channel.end(Side::A), channel.end(Side::B), 0);
    let mut tell = |reason: Option<SendReason>| {
        refused += usize::from(matches!(reason, Some(SendReason::Refused(_))));
        reason
    };
    let past = Some(Instant::from_ticks(0));
    let sent = tell(a.try_send(&caller, b"one", space.prepare(&ids[..1]).unwrap()).err().map(|e| e.reason));
    assert_eq!(space.check(ids[0], Rights::READ).is_ok(), sent.is_some());
    let reserved = a.reserve(&caller, 4, 1, past);
    tell(reserved.as_ref().err().copied());
    if let Ok(permit) = reserved {
        let sent =
            tell(permit.send(&caller, b"two", space.prepare(&ids[1..2]).unwrap()).err().map(|e| e.reason));
        assert_eq!(space.check(ids[1], Rights::READ).is_ok(), sent.is_some());
    }
    let called = a.call(&caller, b"three", space.prepare(&ids[2..]).unwrap(), (&mut [], &mut []), past);
    match called.unwrap_err() {
        CallError::Unsent(unsent) => {
            tell(Some(unsent.reason));
            drop(unsent);
            assert!(space.check(ids[2], Rights::READ).is_ok());
        }
        error => assert!(matches!(error, CallError::Wait(WaitError::TimedOut)), "{error}"),
    }
    let queued = channel.stats(Side::A).sent - channel.stats(Side::A).taken;
    let mut caps = [const { None }; 4];
    let got = b.receive(&caller, &mut [0; 8], &mut caps[..], past);
    if let Err(ReceiveError::Refused(_)) = got {
        refused += 1;
        assert_eq!(channel.stats(Side::A).sent - channel.stats(Side::A).taken, queued, "the message stays");
    }
    drop(caps);
    assert_eq!((b.clear(9), channel.check(), channel.is_idle()), (Progress::Done, Ok(()), true));
    let held = ids.iter().filter(|&&id| space.check(id, Rights::READ).is_ok()).count();
    assert_eq!(Arc::strong_count(&handle), 1 + held, "a capability is back or gone");
    refused
}

/// The k-th answer of the policy is no, or its record finds no room, for every k.
#[test]
fn a_refused_operation_changes_nothing() {
    for by_audit in [false, true] {
        let mut k = 1;
        while story(&Once { left: AtomicUsize::new(k), by_audit }) == 1 {
            k += 1;
        }
        assert_eq!(k, 6, "five questions");
    }
}

/// Messages arrive once, or come back, whoever sleeps when: two senders with deadlines and two receivers.
fn messages_are_conserved(seed: u64) {
    let (received, mut kept) = (Arc::new(AtomicUsize::new(0)), None);
    simulate(seed, |park: &SimPark| {
        let (channel, _) = ground::<SimEnv>(park.clone(), 3);
        kept = Some(channel);
        let left = Arc::new(AtomicUsize::new(2));
        let sender = |number: u64| {
            let left = Arc::clone(&left);
            Box::new(move |me| {
                let (caller, mut rng) = (Caller::new(&me, (), &NoPolicy), Rng::new(seed << 8 | number));
                for _ in 0..6 {
                    let until = (rng.below(3) == 0).then(|| Instant::from_ticks(rng.next() % 100));
                    let bytes = &[0; 300][..rng.below(300)];
                    _ = channel.end(Side::A).send(&caller, bytes, (), until);
                }
                if left.fetch_sub(1, Ordering::Relaxed) == 1 {
                    assert_eq!(channel.end(Side::A).close().step(8), Progress::Done);
                }
            }) as SimBody<'_>
        };
        let receiver = |_: u64| {
            let received = Arc::clone(&received);
            Box::new(move |me| {
                let caller = Caller::new(&me, (), &NoPolicy);
                while channel.end(Side::B).receive(&caller, &mut [0; 300], (), None).is_ok() {
                    received.fetch_add(1, Ordering::Relaxed);
                }
            }) as SimBody<'_>
        };
        (0..2).map(sender).chain((0..2).map(receiver)).collect::<Vec<_>>()
    })
    .unwrap();
    let channel = kept.unwrap();
    assert_eq!(received.load(Ordering::Relaxed) as u64, channel.stats(Side::A).sent, "seed {seed}");
    assert!(channel.is_idle() && channel.check().is_ok(), "seed {seed}");
}

#[test]
fn messages_are_conserved_in_any_order() {
    (0..u64::from(cases()) / 4).for_each(messages_are_conserved);
}

/// Whether `to` is reached from `from` by way of channels that lie in each other.
fn reaches(edges: &[(usize, usize)], from: usize, to: usize) -> bool {
    from == to || edges.iter().any(|&(outer, inner)| outer == from && reaches(edges, inner, to))
}

/// A circle is refused; an end is taken if its channel holds none, or the outer lies in none.
#[test]
fn levels_refuse_every_circle_and_little_else() {
    let mut nodes = [QuotaNode::new()];
    let quotas = Quotas::<StdEnv>::new(&mut nodes);
    let cells = Cells::new(&mut [], &quotas);
    let (orders, mut rng) = (Levels::new(&cells), Rng::new(1));
    let (mut refused, mut needlessly) = (0, 0);
    for _ in 0..400 {
        let (levels, mut edges) = ([(); 6].map(|()| orders.level()), Vec::new());
        for _ in 0..60 {
            let (outer, inner) = (rng.below(6), rng.below(6));
            if rng.below(3) == 0 && !edges.is_empty() {
                let (outer, inner): (usize, usize) = edges.swap_remove(rng.below(edges.len()));
                orders.take(&levels[outer], &levels[inner]);
                continue;
            }
            let circle = reaches(&edges, inner, outer);
            let free = edges.iter().all(|&(_, lies)| lies != outer) || edges.iter().all(|&(o, _)| o != inner);
            match orders.put(&levels[outer], &levels[inner]) {
                Ok(()) => {
                    assert!(!circle, "a circle");
                    edges.push((outer, inner));
                }
                Err(reason) => {
                    assert!(reason == SendReason::Cycle && (circle || !free));
                    (refused, needlessly) = (refused + 1, needlessly + u32::from(!circle));
                }
            }
        }
    }
    assert!(needlessly > 0 && needlessly < refused / 5, "{needlessly} of {refused}");
    let other = Levels::new(&cells);
    assert_eq!(orders.put(&orders.level(), &other.level()), Err(SendReason::Foreign));
}
