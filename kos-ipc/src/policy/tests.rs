//! What is refused has no effect; records are complete, or counted.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use super::*;
use crate::caller::Caller;
use crate::notify::{
    AcquireError, CounterError, CounterMode, EventCounter, Notification, NotifyError, ReleaseError, Semaphore,
};
use crate::ports::Env;
use crate::ring::MpmcSlot;
use crate::testing::{HostLock, HostMask, Rng, StdPark};
use crate::time::Instant;

type Log = AuditLog<'static, u16>;

/// Threads of the host under a table with a log.
struct TableEnv;

impl Env for TableEnv {
    type Lock = HostLock;
    type Irq = HostMask;
    type Park = StdPark;
    type Policy = TypeTable<'static, &'static Log>;
}

fn log(slots: usize, loss: Loss, scope: Scope) -> &'static Log {
    let slots: Vec<_> = (0..slots).map(|_| MpmcSlot::new()).collect();
    Box::leak(Box::new(
        Log::new(Box::leak(slots.into_boxed_slice()), loss, scope, || Instant::from_ticks(9)).unwrap(),
    ))
}

fn table(log: &'static Log) -> TypeTable<'static, &'static Log> {
    let rules: Vec<_> = (0..6).map(|_| Rule::new()).collect();
    TypeTable::new(Box::leak(rules.into_boxed_slice()), 2, log)
}

const OPS: [Op; 7] = [Op::Post, Op::Take, Op::Acquire, Op::Release, Op::Publish, Op::Open, Op::Unlink];

fn number(rng: &mut Rng, below: usize) -> u16 {
    u16::try_from(rng.below(below)).unwrap()
}

#[test]
fn a_table_allows_what_was_set_and_nothing_else() {
    let (table, mut rng) = (table(log(2, Loss::Counted, Scope::Denied)), Rng::new(3));
    let mut known: BTreeMap<(u16, u16), OpSet> = BTreeMap::new();
    for _ in 0..500 {
        let (domain, label) = (number(&mut rng, 5), number(&mut rng, 4));
        let ops = (0..rng.below(4)).fold(OpSet::NONE, |ops, _| ops.with(OPS[rng.below(7)]));
        let set = table.set(domain, label, ops);
        assert_eq!(set, if domain < 3 && label < 2 { Ok(()) } else { Err(NoRule { domain, label }) });
        _ = set.map(|()| known.insert((domain, label), ops));
        for (domain, label) in (0..6).flat_map(|domain| (0..6).map(move |label| (domain, label))) {
            let object = ObjectMeta { kind: ObjectKind::Semaphore, label, id: 0 };
            for op in OPS {
                let allowed = known.get(&(domain, label)).is_some_and(|ops| ops.contains(op));
                assert_eq!(Policy::check(&table, domain, op, &object) == Decision::Allow, allowed);
            }
        }
    }
}

/// Objects of a type, and a caller of a domain.
fn with_objects(
    table: &TypeTable<'static, &'static Log>,
    story: impl FnOnce(
        &Caller<'_, TableEnv>,
        &Semaphore<TableEnv>,
        &EventCounter<TableEnv>,
        &Notification<TableEnv>,
    ),
) {
    let park = StdPark::new();
    let token = park.token();
    let semaphore = Semaphore::new(park.clone(), 2, 1, 10);
    let counter = EventCounter::new(park.clone(), 5, CounterMode::Whole, 1, 11);
    let notification = Notification::new(park.clone(), 1, 12);
    story(&Caller::new(&token, 2, table), &semaphore, &counter, &notification);
}

/// Does everything; says what each said.
fn do_all(
    caller: &Caller<'_, TableEnv>,
    semaphore: &Semaphore<TableEnv>,
    counter: &EventCounter<TableEnv>,
    notification: &Notification<TableEnv>,
) -> [Option<Refused>; 6] {
    let soon = Some(Instant::from_ticks(0));
    let acquire =
        |result| if let Err(AcquireError::Refused(refused)) = result { Some(refused) } else { None };
    let counted = |error| if let CounterError::Refused(refused) = error { Some(refused) } else { None };
    let notified = |error| if let NotifyError::Refused(refused) = error { Some(refused) } else { None };
    let release = semaphore.release(caller, 1).err();
    [
        acquire(semaphore.acquire(caller, 1, soon)),
        if let Some(ReleaseError::Refused(refused)) = release { Some(refused) } else { None },
        counter.read(caller, soon).err().and_then(counted),
        counter.write(caller, 3, soon).err().and_then(counted),
        notification.post(caller, 6).err().and_then(notified),
        notification.take(caller, 2, soon).err().and_then(notified),
    ]
}

#[test]
fn what_is_denied_has_no_effect_and_is_recorded() {
    let log = log(8, Loss::Counted, Scope::Denied);
    with_objects(&table(log), |caller, semaphore, counter, notification| {
        assert_eq!(do_all(caller, semaphore, counter, notification), [Some(Refused::Denied); 6]);
        assert_eq!((semaphore.available(), counter.count(), notification.pending()), (2, 5, 0));
    });
    let records: Vec<_> = core::iter::from_fn(|| log.take()).collect();
    let ids: Vec<u32> = records.iter().map(|record| record.event.object.id).collect();
    assert_eq!(ids, [10, 10, 11, 11, 12, 12]);
    assert!(
        records.iter().all(|record| record.event.subject == 2 && record.event.decision == Decision::Deny)
    );
    assert!(records.iter().all(|record| record.at == Instant::from_ticks(9)) && log.lost() == 0);
}

/// The k-th record finds no room, for every k: that operation, and what comes after it, has no effect.
#[test]
fn what_cannot_be_recorded_has_no_effect() {
    for room in [2, 4] {
        let log = log(room, Loss::Refused, Scope::All);
        let table = table(log);
        table.set(2, 1, OpSet::ALL).unwrap();
        with_objects(&table, |caller, semaphore, counter, notification| {
            let refused = do_all(caller, semaphore, counter, notification);
            let expected: Vec<_> = (0..6).map(|at| (at >= room).then_some(Refused::AuditFull)).collect();
            assert_eq!(refused.as_slice(), expected);
            let written = if room > 3 { 3 } else { 0 };
            let read = if room > 2 { 0 } else { 5 };
            assert_eq!(
                (semaphore.available(), counter.count(), notification.pending()),
                (2, read + written, 0)
            );
            assert_eq!((log.lost(), log.len()), (6 - room as u64, room));
        });
    }
}

/// Ten times as many records as there is room for, from four threads beside a reader: each is there in its order, or counted.
#[test]
fn an_overload_is_complete_or_counted() {
    const EACH: u32 = 400;
    for loss in [Loss::Counted, Loss::Refused] {
        let log = log(16, loss, Scope::All);
        let refused = AtomicU64::new(0);
        let mut seen: Vec<AuditRecord<u16>> = Vec::new();
        thread::scope(|scope| {
            let write = |subject: u16| {
                for id in 0..EACH {
                    let object = ObjectMeta { kind: ObjectKind::Semaphore, label: 0, id };
                    let event = AuditEvent { subject, op: Op::Post, object, decision: Decision::Allow };
                    refused.fetch_add(u64::from(log.record(&event).is_err()), Ordering::Relaxed);
                }
            };
            let writers: Vec<_> = (0..4).map(|subject| scope.spawn(move || write(subject))).collect();
            while !writers.iter().all(thread::ScopedJoinHandle::is_finished) {
                seen.extend(log.take());
            }
        });
        seen.extend(core::iter::from_fn(|| log.take()));
        assert_eq!(seen.len() as u64 + log.lost(), 4 * u64::from(EACH));
        assert_eq!(refused.into_inner(), if loss == Loss::Refused { log.lost() } else { 0 });
        for subject in 0..4 {
            let ids = seen.iter().filter(|record| record.event.subject == subject).map(|r| r.event.object.id);
            assert!(ids.is_sorted_by(|a, b| a < b), "records of one thread in its order");
        }
    }
}
